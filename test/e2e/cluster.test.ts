// Clusters of real processes: how they come to be, and what an operator does to them.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type * as Api from '../../src/index.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  freeBasePort,
  NodeProcess,
  type NodePorts,
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

/** Asked of one after the other until one serves it. Aborted, as DDL is when the schema's home moves, it is tried again. */
async function queryAny(urls: readonly string[], text: string): Promise<Record<string, unknown>[]> {
  for (let i = 0; ; i++) {
    try {
      return await query(urls[i % urls.length] as string, text);
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (!['57P03', '57P01', '40001', 'ECONNREFUSED', 'ECONNRESET'].includes(code)) throw error;
    }
  }
}

describe('meridian cluster', () => {
  let dir: string;
  const cluster = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand('cluster', ...args, '--dir', dir);
  /** That it serves. */
  const nodeIn = (text: string): number => Number(/Connect to node (\d)/.exec(text)?.[1]);
  const urlIn = (text: string): string => /postgres:\S+/.exec(text)?.[0] as string;

  beforeEach(() => {
    dir = join(directory.path, 'cluster');
  });

  afterEach(async () => {
    await cluster('stop');
  });

  it('starts three nodes, loses one, pauses another, and goes on; what is gone is started again', async () => {
    const port = await freeBasePort(3);
    const started = await cluster('start', '--nodes', '3', '--base-port', String(port));
    expect([started.err, started.code]).toEqual(['', 0]);
    expect(started.out).toContain('initialised a cluster of 3 nodes');
    const first = nodeIn(started.out);
    await query(urlIn(started.out), 'CREATE TABLE t (id int PRIMARY KEY)');
    await query(urlIn(started.out), 'INSERT INTO t VALUES (1)');

    expect(await cluster('kill', String(first))).toMatchObject({ code: 0, err: '' });
    const urls = [1, 2, 3].map((n) => `postgres://root@127.0.0.1:${port + 10 * (n - 1)}/defaultdb`);
    expect(await queryAny(urls, 'INSERT INTO t VALUES (2) RETURNING id')).toEqual([{ id: 2 }]);
    const dead = (await cluster('status')).out.split('\n')[first] as string;
    expect(dead).toMatch(new RegExp(`^${first} +- +dead`));
    expect(await cluster('kill', String(first))).toMatchObject({
      code: 1,
      err: `meridian: node ${first} does not run\n`,
    });

    expect(await cluster('restart', String(first))).toMatchObject({ code: 0, err: '' });
    const status = await cluster('status');
    expect(status.out.match(/ running /g)).toHaveLength(3);

    const paused = (first % 3) + 1;
    expect((await cluster('pause', String(paused))).code).toBe(0);
    expect((await cluster('status')).out.split('\n')[paused]).toContain(' paused ');
    urls.splice(paused - 1, 1);
    expect(await queryAny(urls, 'INSERT INTO t VALUES (3) RETURNING id')).toEqual([{ id: 3 }]);
    expect(await cluster('pause', String(paused))).toMatchObject({
      code: 1,
      err: `meridian: node ${paused} is paused\n`,
    });
    expect(await cluster('pause', '--continue', String(paused))).toMatchObject({ code: 0 });
    expect((await cluster('restart', String(paused))).code).toBe(0);

    const stopped = await cluster('stop');
    expect(stopped).toEqual({ code: 0, out: 'stopped 3 nodes\n', err: '' });
    expect((await cluster('status')).out.match(/ stopped /g)).toHaveLength(3);

    const again = await cluster('start');
    expect([again.err, again.code]).toEqual(['', 0]);
    expect(await query(urlIn(again.out), 'SELECT id FROM t ORDER BY id')).toEqual([
      { id: 1 },
      { id: 2 },
      { id: 3 },
    ]);
  });

  it('says what is wrong, and what to do', async () => {
    expect(await cluster('status')).toEqual({
      code: 1,
      out: '',
      err: `meridian: there is no cluster in ${dir}; 'meridian cluster start --dir ${dir}' makes one\n`,
    });
    for (const wrong of [
      ['kill'],
      ['kill', 'x'],
      ['kill', '1', '2'],
      ['start', '--nodes', '0'],
      ['jump'],
    ]) {
      expect((await cluster(...wrong)).code).toBe(2);
    }
    const ports = await nodePorts();
    const node = new NodeProcess(join(directory.path, 'other'), ports);
    nodes.push(node);
    await node.ready();
    const taken = await cluster('start', '--nodes', '1', '--base-port', String(ports.http));
    expect(taken.code).toBe(1);
    expect(taken.err).toContain('node 1 ended:');
    expect(taken.err).toContain('in use by another program');
    // A node at the very ports would be taken for one of the cluster's own.
    const foreign = await runCommand(
      ...['cluster', 'start', '--nodes', '1', '--base-port', String(ports.rpc - 1)],
      ...['--dir', join(directory.path, 'foreign')],
    );
    expect(foreign.code).toBe(1);
    expect(foreign.err).toContain(`a node answers at 127.0.0.1:${ports.rpc}`);
    const other = await cluster('start', '--nodes', '2');
    expect(other.code).toBe(2);
    expect(other.err).toContain('has a cluster of 1 nodes');
  });
});

describe('startCluster()', () => {
  it('is the same from a program', async () => {
    const { startCluster } = (await import(
      new URL('../../dist/src/index.js', import.meta.url).href
    )) as typeof Api;
    const basePort = await freeBasePort(1);
    const options = { directory: join(directory.path, 'cluster'), nodes: 1, basePort };
    const cluster = await startCluster(options);
    try {
      expect(await cluster.url()).toBe(`postgres://root@127.0.0.1:${basePort}/defaultdb`);
      await query(await cluster.url(), 'CREATE TABLE t (id int PRIMARY KEY)');
      await cluster.kill(1);
      expect((await cluster.status())[0]).toMatchObject({ process: 'gone' });
      await expect(cluster.url()).rejects.toMatchObject({ code: '57P03' });
      await cluster.restart(1);
      expect(await query(await cluster.url(), 'SELECT * FROM t')).toEqual([]);
    } finally {
      await cluster.stop();
    }
  });
});

describe('meridian start --join, meridian init', () => {
  const rpcOf = (ports: NodePorts): string => `127.0.0.1:${ports.rpc}`;

  function start(
    n: number,
    ports: NodePorts,
    members: readonly NodePorts[],
    more: string[] = [],
  ): NodeProcess {
    const list = members.map(rpcOf).join(',');
    const node = new NodeProcess(join(directory.path, `node-${n}`), ports, [
      '--join',
      list,
      ...more,
    ]);
    nodes.push(node);
    return node;
  }

  async function threePorts(): Promise<NodePorts[]> {
    return [await nodePorts(), await nodePorts(), await nodePorts()];
  }

  it('make one cluster of nodes that wait, once', async () => {
    const ports = await threePorts();
    const started = ports.map((own, i) => start(i, own, ports));
    const [first, second] = started as [NodeProcess, NodeProcess];
    await first.says(`npx meridian init --rpc ${rpcOf(first.ports)}`);
    const health = await fetch(`http://127.0.0.1:${first.ports.http}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ status: 'waits for meridian init' });
    await Promise.all(started.map((node) => node.says('waits to become')));

    const wrong = await runCommand('init', '--rpc', rpcOf(second.ports), '--nodes', '5');
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain('5 nodes are wanted, and --join leads to 3');

    const made = await runCommand('init', '--rpc', rpcOf(second.ports));
    expect([made.err, made.code]).toEqual(['', 0]);
    const lines = ports.map((own, i) => `node ${i + 1}   rpc ${rpcOf(own)}`);
    expect(made.out.match(/node \d {3}rpc \S+/g)).toEqual(lines);
    await Promise.all(started.map((node) => node.ready()));
    const urls = started.map(({ url }) => url);
    await queryAny(urls, 'CREATE TABLE t (id int PRIMARY KEY)');

    for (const { ports: own } of started) {
      const again = await runCommand('init', '--rpc', rpcOf(own));
      expect(again.code).toBe(1);
      expect(again.err).toMatch(/this is node \d of cluster [0-9a-f]{32} \(3 nodes\) already/);
    }
  });

  it('name the nodes that are in the way, and initialise none', async () => {
    const [own, absent] = (await threePorts()) as [NodePorts, NodePorts, NodePorts];
    const waiting = start(1, own, [own, absent]);
    await waiting.says('waits to become');
    const refused = await runCommand('init', '--rpc', rpcOf(own));
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('nothing was initialised');
    expect(refused.err).toContain(rpcOf(absent));
    const nobody = await runCommand('init', '--rpc', rpcOf(absent));
    expect(nobody.code).toBe(1);
    expect(nobody.err).toContain(`no answer from ${rpcOf(absent)}`);
    expect((await runCommand('init', '--rpc', 'nowhere')).code).toBe(2);
    // It waits over a restart, too, and stops when it is told to.
    expect(await waiting.signal('SIGTERM')).toBe(0);
    const restarted = start(1, own, [own, absent]);
    await restarted.says('waits to become');
  });

  it('refuse a node of another cluster, and find one that has moved', async () => {
    const ports = await threePorts();
    const started = ports.map((own, i) => start(i + 1, own, ports));
    await Promise.all(started.map((node) => node.says('waits to become')));
    expect((await runCommand('init', '--rpc', rpcOf(ports[0] as NodePorts))).code).toBe(0);
    await Promise.all(started.map((node) => node.ready()));
    const [first, second, third] = started as [NodeProcess, NodeProcess, NodeProcess];

    await third.signal('SIGTERM');
    const path = join(directory.path, 'node-3', 'node.json');
    const identity = readFileSync(path, 'utf8');
    const { clusterId } = JSON.parse(identity) as { clusterId: string };
    writeFileSync(path, identity.replace(clusterId, 'f'.repeat(32)));
    const stranger = start(3, third.ports, ports);
    await stranger.ready();
    await Promise.race([first.says('f'.repeat(32)), second.says('f'.repeat(32))]);
    await stranger.signal('SIGKILL');
    writeFileSync(path, identity);

    const moved = await nodePorts();
    const back = start(3, moved, [moved]);
    await back.ready();
    await Promise.all([first, second].map((node) => node.says(`3 at ${rpcOf(moved)}`)));
    const urls = [first, second, back].map(({ url }) => url);
    await queryAny(urls, 'CREATE TABLE t (id int PRIMARY KEY)');
  });

  it('speak to each other with certificates only, when they have them', async () => {
    const at = fileURLToPath(new URL('../rpc/testdata/certificates/', import.meta.url));
    const tls = [
      '--tls-ca',
      `${at}ca.crt`,
      '--tls-cert',
      `${at}meridian-node.crt`,
      '--tls-key',
      `${at}meridian-node.key`,
    ];
    const ports = (await threePorts()).slice(0, 2);
    const started = ports.map((own, i) => start(i + 1, own, ports, tls));
    await Promise.all(started.map((node) => node.says('waits to become')));
    const rpc = rpcOf(ports[0] as NodePorts);
    expect((await runCommand('init', '--rpc', rpc)).code).toBe(1);
    const client = [
      '--tls-ca',
      `${at}ca.crt`,
      '--tls-cert',
      `${at}client.crt`,
      '--tls-key',
      `${at}client.key`,
    ];
    expect(await runCommand('init', '--rpc', rpc, ...client)).toMatchObject({ code: 0, err: '' });
    await Promise.all(started.map((node) => node.ready()));
    await queryAny(
      started.map(({ url }) => url),
      'CREATE TABLE t (id int PRIMARY KEY)',
    );
    expect((await runCommand('init', '--rpc', rpc, '--tls-ca', `${at}ca.crt`)).code).toBe(2);
  });
});
