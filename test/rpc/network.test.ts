import { afterEach, describe, expect, it } from 'vitest';
import { connected, join, startNode, stopNodes } from './nodes.ts';

const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');

afterEach(stopNodes);

describe('frames', () => {
  it('go both ways over one stream, in order, and to their own node', async () => {
    const [one, two] = [await startNode(1), await startNode(2)];
    join(one, two);
    await connected(one, two);
    for (let i = 0; i < 100; i++) {
      one.network.send(2, text(`down ${i}`));
      two.network.send(1, text(`up ${i}`));
    }
    one.network.send(1, text('self'));
    expect(one.frames.all).toEqual([]);
    await Promise.all([two.frames.like(/down 99/), one.frames.like(/up 99/)]);
    await one.frames.like(/^1: self$/);
    expect(two.frames.all).toEqual(Array.from({ length: 100 }, (_, i) => `1: down ${i}`));
    const ups = one.frames.all.filter((line) => line.startsWith('2: '));
    expect(ups).toEqual(Array.from({ length: 100 }, (_, i) => `2: up ${i}`));
  });

  it('larger than a message arrive whole, between small ones', async () => {
    const [one, two] = [await startNode(1), await startNode(2)];
    join(one, two);
    await connected(one, two);
    const arrived: string[] = [];
    const sizes = [10, 5_000_000, 3, 8_000_000, 999_999, 1_000_001, 0];
    await new Promise<void>((resolve) => {
      one.network.onFrame((_from, frame) => {
        arrived.push(
          `${frame.length} ${frame.at(0)} ${frame.at(-1)} ${frame.every((b) => b === frame[0])}`,
        );
        if (arrived.length === sizes.length) resolve();
      });
      sizes.forEach((size, i) => two.network.send(1, new Uint8Array(size).fill(i)));
    });
    const byte = (i: number): string => (sizes[i] === 0 ? 'undefined' : String(i));
    expect(arrived).toEqual(sizes.map((size, i) => `${size} ${byte(i)} ${byte(i)} true`));
    expect(two.network.peers()[0]?.framesDropped).toBe(0);
  });

  it('are dropped where there is no stream, and counted', async () => {
    const [one, two] = [await startNode(1), await startNode(2)];
    one.network.setPeers([{ nodeId: 2, rpc: two.address }]);
    one.network.send(2, text('early'));
    one.network.send(3, text('to nobody'));
    join(one, two);
    await connected(one, two);
    one.network.send(2, text('late'));
    await two.frames.like(/late/);
    expect(two.frames.all).toEqual(['1: late']);
    expect(one.network.peers()).toMatchObject([{ nodeId: 2, framesDropped: 1 }]);
  });

  it('beyond the bound of what waits are dropped, and said to be', async () => {
    const [one, two] = [await startNode(1, { bufferBytesMax: 3_000_000 }), await startNode(2)];
    join(one, two);
    await connected(one, two);
    for (let i = 0; i < 100; i++) one.network.send(2, Buffer.alloc(100_000, `${i} `));
    await one.lines.like(/node 2 takes frames more slowly/);
    await two.frames.like(/^1: 29 /);
    expect(two.frames.all.length).toBe(30);
    expect(one.network.peers()[0]?.framesDropped).toBe(70);
    expect(one.lines.all.filter((line) => line.includes('more slowly'))).toHaveLength(1);
    // There is room again.
    one.network.send(2, text('after'));
    await two.frames.like(/after/);
  });
});

describe('a connection', () => {
  it('comes back after the peer restarts, whoever dials', async () => {
    const [one, two, three] = [await startNode(1), await startNode(2), await startNode(3)];
    join(one, two, three);
    await Promise.all([connected(one, two), connected(two, three), connected(one, three)]);
    const { port } = two;
    await two.stop();
    await Promise.all([one.lines.like(/lost .* node 2/), three.lines.like(/lost .* node 2/)]);
    expect(one.network.peers()[0]).toMatchObject({ nodeId: 2, connected: undefined });
    one.lines.all.length = three.lines.all.length = 0;

    const again = await startNode(2, { port });
    join(one, again, three);
    await Promise.all([connected(one, again), connected(again, three)]);
    const boot = one.network.peers()[0]?.connected?.bootId;
    expect(boot).toMatch(/^[0-9a-f-]{36}$/);
    again.network.send(1, text('again'));
    one.network.send(2, text('again'));
    await Promise.all([one.frames.like(/2: again/), again.frames.like(/1: again/)]);
  });

  it('tells who the peer is', async () => {
    const [one, two] = [await startNode(1), await startNode(2)];
    join(one, two);
    await connected(one, two);
    expect(two.network.peers()).toMatchObject([
      {
        nodeId: 1,
        address: one.address,
        connected: { clusterId: 'test', nodeId: 1, addresses: { rpc: one.address } },
      },
    ]);
  });

  it('ends when the peer is no member any more', async () => {
    const [one, two] = [await startNode(1), await startNode(2)];
    join(one, two);
    await connected(one, two);
    one.network.setPeers([]);
    await two.lines.like(/lost the connection to node 1/);
    expect(one.network.peers()).toEqual([]);
  });
});

describe('a node is refused, and both say why, when it', () => {
  it('belongs to another cluster', async () => {
    const [one, two] = [
      await startNode(1, { clusterId: 'red' }),
      await startNode(2, { clusterId: 'blue' }),
    ];
    join(one, two);
    expect(await two.lines.like(/refused/)).toMatch(
      /^who speaks from 127\.0\.0\.1:\d+ as node 1 is refused: it is node 1 of cluster red, not of blue$/,
    );
    expect(await one.lines.like(/refuses/)).toBe(
      `node 2 at ${two.address} refuses this node: it is node 1 of cluster red, not of blue`,
    );
    two.network.send(1, text('never'));
    expect(two.network.peers()[0]).toMatchObject({ connected: undefined, framesDropped: 1 });
  });

  it('is another node than the address was given for', async () => {
    const [one, two, three] = [await startNode(1), await startNode(2), await startNode(3)];
    one.network.setPeers([{ nodeId: 2, rpc: three.address }]);
    three.network.setPeers([{ nodeId: 1, rpc: one.address }]);
    one.network.start();
    expect(await three.lines.like(/refused/)).toMatch(/it looks for node 2, and this is node 3$/);
    expect(await one.lines.like(/refuses this node/)).toMatch(/it looks for node 2/);
    expect(two.lines.all).toEqual([]);
  });

  it('is not a member that is known', async () => {
    const [one, two] = [await startNode(1), await startNode(2)];
    one.network.setPeers([{ nodeId: 2, rpc: two.address }]);
    one.network.start();
    expect(await one.lines.like(/refuses/)).toMatch(/node 2 knows no node 1 that may dial it$/);
  });
});
