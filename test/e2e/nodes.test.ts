// Nodes of real clusters that come and go: joining, draining, decommissioning, from the command line.

import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  freeBasePort,
  NodeProcess,
  nodePorts,
  runCommand,
  temporaryDirectory,
} from '../support/node-process.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let nodes: NodeProcess[] = [];

beforeEach(() => {
  directory = temporaryDirectory();
});

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.signal('SIGKILL')));
  await runCommand('cluster', 'stop', '--dir', join(directory.path, 'cluster'));
  nodes = [];
  directory.remove();
});

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end().catch(() => undefined);
  }
}

describe('meridian node', () => {
  it('lets a fourth node take the place of one of three, and what was written is there', async () => {
    const port = await freeBasePort(3);
    const dir = join(directory.path, 'cluster');
    const made = await runCommand(
      ...['cluster', 'start', '--nodes', '3', '--base-port', String(port), '--dir', dir],
    );
    expect([made.err, made.code]).toEqual(['', 0]);
    const rpc = `127.0.0.1:${port + 1}`;
    const node = (...args: string[]): ReturnType<typeof runCommand> =>
      runCommand('node', ...args, '--rpc', rpc);
    const url = `postgres://root@127.0.0.1:${port}/defaultdb`;
    await query(url, 'CREATE TABLE t (id int PRIMARY KEY)');
    await query(url, 'INSERT INTO t VALUES (1), (2), (3)');

    const early = await node('decommission', '3');
    expect(early.code).toBe(1);
    expect(early.err).toContain('2 nodes would be left, and each range has 3 replicas');
    expect((await node('decommission', '9')).err).toContain('there is no node 9');

    const fourth = new NodeProcess(join(directory.path, 'fourth'), await nodePorts(), [
      ...['--join', rpc, '--locality', 'zone=d'],
    ]);
    nodes.push(fourth);
    await fourth.ready();
    const drained = await node('drain', '3');
    expect([drained.err, drained.code]).toEqual(['', 0]);
    expect(drained.out).toContain('node 3 leads nothing: it can be stopped');
    // It is live once it has reported.
    let listed = '';
    while (!/^4 +live .* zone=d /m.test(listed)) listed = (await node('list')).out;
    expect(listed).toMatch(/^3 +draining .* 0 /m);
    expect(await node('drain', '3', '--undo')).toMatchObject({ code: 0, err: '' });

    const gone = await node('decommission', '3');
    expect([gone.err, gone.code]).toEqual(['', 0]);
    expect(gone.out).toContain('node 3 has nothing any more');
    expect((await node('list')).out).toMatch(/^3 +decommissioned /m);
    expect((await runCommand('cluster', 'kill', '3', '--dir', dir)).code).toBe(0);
    expect(await query(fourth.url, 'SELECT id FROM t ORDER BY id')).toEqual([
      { id: 1 },
      { id: 2 },
      { id: 3 },
    ]);
  });

  it('says how it is used', async () => {
    expect((await runCommand('node')).code).toBe(2);
    expect((await runCommand('node', 'drain')).code).toBe(2);
    expect((await runCommand('node', 'drain', 'x')).code).toBe(2);
    expect((await runCommand('node', 'jump')).code).toBe(2);
    const nobody = await runCommand('node', 'list', '--rpc', '127.0.0.1:1');
    expect(nobody.code).toBe(1);
    expect(nobody.err).toContain('no answer from 127.0.0.1:1');
    expect(await runCommand('--version')).toEqual({ code: 0, out: 'meridian 0.1.0\n', err: '' });
  });
});
