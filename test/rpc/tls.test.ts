import { readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { clusterClient } from '../../src/rpc/client.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import type { TlsMaterial } from '../../src/rpc/tls.ts';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { connected, join, startNode, stopNodes } from './nodes.ts';

function pem(name: string): string {
  return readFileSync(joinPath(import.meta.dirname, 'testdata/certificates', name), 'utf8');
}

function certificate(name: string, ca = 'ca'): TlsMaterial {
  return { ca: pem(`${ca}.crt`), cert: pem(`${name}.crt`), key: pem(`${name}.key`) };
}

afterEach(stopNodes);

describe('with certificates', () => {
  for (const names of [
    ['node-1', 'node-2'],
    ['meridian-node', 'meridian-node'],
  ] as const) {
    it(`nodes speak as ${names.join(' and ')}`, async () => {
      const [one, two] = [
        await startNode(1, { tls: certificate(names[0]) }),
        await startNode(2, { tls: certificate(names[1]) }),
      ];
      join(one, two);
      await connected(one, two);
      one.network.send(2, Buffer.from('down'));
      two.network.send(1, Buffer.from('up'));
      await Promise.all([two.frames.like(/1: down/), one.frames.like(/2: up/)]);
      two.network.onStream((_from, _purpose, stream) => {
        void stream.write(Buffer.from('bulk'));
      });
      const stream = await one.network.openStream(2, 'bulk');
      expect(Buffer.from((await stream.read()) ?? []).toString()).toBe('bulk');
    });
  }

  it("a node that shows another's is refused where it dials", async () => {
    const [one, two] = [
      await startNode(1, { tls: certificate('node-2') }),
      await startNode(2, { tls: certificate('node-2') }),
    ];
    join(one, two);
    const reason = 'its certificate is for node-2, localhost, and it says that it is node 1';
    expect(await two.lines.like(/refused/)).toMatch(new RegExp(`as node 1 is refused: ${reason}$`));
    expect(await one.lines.like(/refuses this node/)).toMatch(new RegExp(`${reason}$`));
    expect(two.network.peers()[0]?.connected).toBeUndefined();
  });

  it("a node that shows another's is refused where it is dialled", async () => {
    const [one, two] = [
      await startNode(1, { tls: certificate('node-1') }),
      await startNode(2, { tls: certificate('node-1') }),
    ];
    join(one, two);
    const reason = 'its certificate is for node-1, and it says that it is node 2';
    expect(await one.lines.like(/who answers/)).toMatch(new RegExp(`as node 2: ${reason}$`));
    expect(await two.lines.like(/refuses this node/)).toMatch(new RegExp(`${reason}$`));
  });

  it("a client's makes no node, and neither does another CA's", async () => {
    for (const tls of [certificate('client'), certificate('foreign')]) {
      const [one, two] = [
        await startNode(1, { tls }),
        await startNode(2, { tls: certificate('node-2') }),
      ];
      join(one, two);
      await one.lines.like(/refuses this node|can't be reached/);
      expect(two.network.peers()[0]?.connected).toBeUndefined();
      await stopNodes();
    }
  });

  it('clients show theirs, and want to see a node', async () => {
    const { timers } = createNodeRuntime();
    const node = await startNode(2, { tls: certificate('node-2') });
    const answerOf = async (address: string, tls: TlsMaterial | undefined): Promise<unknown> => {
      const client = clusterClient(address, { timers, tls });
      try {
        return await client.status();
      } catch (error) {
        return error;
      } finally {
        client.close();
      }
    };
    // Nobody has added the service: that much is only told to who is let in.
    expect(await answerOf(node.address, certificate('client'))).toMatchObject({
      status: 'UNIMPLEMENTED',
    });
    const unavailable = { status: 'UNAVAILABLE' };
    expect(await answerOf(node.address, undefined)).toMatchObject(unavailable);
    expect(await answerOf(node.address, certificate('foreign'))).toMatchObject(unavailable);
    const impostor = await startNode(1, { tls: certificate('client') });
    expect(await answerOf(impostor.address, certificate('client'))).toMatchObject(unavailable);
  });
});

it('without certificates only this machine is spoken to', async () => {
  const { timers } = createNodeRuntime();
  const server = new RpcServer({ address: { host: '0.0.0.0', port: 0 }, timers });
  await expect(server.listen()).rejects.toThrow(/the RPC address 0\.0\.0\.0:0 is not on loopback/);
  expect(() => clusterClient('10.0.0.1:7433', { timers })).toThrow(/not on loopback/);
  const one = await startNode(1);
  one.network.setPeers([{ nodeId: 2, rpc: '10.0.0.1:7433' }]);
  one.network.start();
  expect(await one.lines.like(/10\.0\.0\.1/)).toMatch(/not on loopback/);
  await expect(one.network.openStream(2, 'x')).rejects.toThrow(/not on loopback/);
});
