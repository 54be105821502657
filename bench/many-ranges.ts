// What thousands of real ranges cost three processes: dividing a table, lying idle, being shown, a node that dies with
// a third of the leases, and one that starts again.

import { clusterClient } from '../src/rpc/client.ts';
import { createNodeRuntime } from '../src/runtime/node/node-runtime.ts';
import type { NodeStatus } from '../src/node/status.ts';
import pg from 'pg';
import { type Cluster, type ClusterNode, startCluster } from './lib/cluster.ts';
import type { BenchOptions } from './lib/options.ts';
import { residentMegabytes, sqlAt, workDirectory } from './lib/processes.ts';
import { type Case, progress, report } from './lib/report.ts';

const ROWS_PER_RANGE = 10;
const SPLITS_PER_STATEMENT = 250;
const { timers } = createNodeRuntime({ logLevel: 'error' });

export async function manyRanges(options: BenchOptions): Promise<void> {
  const count = options.short ? 40 : 2000;
  const cases: Case[] = [];
  const smaller = (name: string, unit: string, ours: readonly number[]): void => {
    cases.push({ name, unit, ours, peer: [], smallerIsBetter: true });
  };
  const cluster = await startCluster(workDirectory());
  try {
    const [first] = cluster.nodes as [ClusterNode];
    const ready = performance.now();
    await sqlAt(first.sql, [
      'CREATE TABLE t (id bigint PRIMARY KEY, v text NOT NULL)',
      `INSERT INTO t SELECT i, 'row ' || i FROM generate_series(0, ${count * ROWS_PER_RANGE - 1}) AS g(i)`,
    ]);
    progress(`loaded after ${seconds(ready)} s`);
    smaller(`to split a table at ${count} points`, 's', [await split(first, count)]);
    smaller('until leases and replicas rested', 's', [await untilRest(cluster, options.short)]);
    smaller("idle: a node's share of a core", '%', await idleShares(cluster, options));
    smaller("a node's resident memory", 'MB', memories(cluster));
    for (const [text, name] of [
      ['SHOW RANGES', 'SHOW RANGES'],
      ['SHOW RANGES FROM TABLE t', 'SHOW RANGES FROM TABLE'],
      ['SHOW NODES', 'SHOW NODES'],
      ['SELECT count(*) FROM t', 'SELECT count(*) over all'],
    ] as const) {
      smaller(name, 'ms', await statementMillis(cluster, text));
    }
    smaller('what cluster status asks of a node', 'ms', await statusMillis(cluster));
    const victim = cluster.nodes[2] as ClusterNode;
    const wrote = await writesWithout(victim, first, count, async () => victim.kill());
    smaller('kill -9: until all its ranges took writes, of 200 of all', 's', [wrote]);
    smaller('its restart: until all replicas had caught up', 's', [await restart(victim, count)]);
  } finally {
    await cluster.stop();
  }
  report('many-ranges', 'none', cases);
}

async function split(node: ClusterNode, count: number): Promise<number> {
  const started = performance.now();
  for (let from = 0; from < count; from += SPLITS_PER_STATEMENT) {
    const keys: string[] = [];
    for (let i = from; i < Math.min(count, from + SPLITS_PER_STATEMENT); i++) {
      keys.push(`(${i * ROWS_PER_RANGE})`);
    }
    await sqlAt(node.sql, [`ALTER TABLE t SPLIT AT VALUES ${keys.join(', ')}`]);
    progress(`${from + keys.length} of ${count} points after ${seconds(started)} s`);
  }
  return (performance.now() - started) / 1000;
}

/** Nothing has moved for ten seconds. */
async function untilRest(cluster: Cluster, isShort: boolean): Promise<number> {
  const started = performance.now();
  const quietMillis = isShort ? 2000 : 10_000;
  let since = started;
  let before = '';
  while (performance.now() - since < quietMillis) {
    await pause(1);
    const led = (await statuses(cluster)).map(
      ({ ranges }) => `${ranges.filter((one) => one.isLeaseHeld).length}/${ranges.length}`,
    );
    const now = led.join(' ');
    if (now === before) continue;
    progress(`leases and replicas ${now} after ${seconds(started)} s`);
    before = now;
    since = performance.now();
    if (since - started > 200_000) throw new Error('leases go on moving after 200 s');
  }
  return (since - started) / 1000;
}

async function idleShares(cluster: Cluster, options: BenchOptions): Promise<number[]> {
  const before = await Promise.all(cluster.nodes.map(cpuSeconds));
  const started = performance.now();
  await pause(options.short ? 2 : 30);
  const after = await Promise.all(cluster.nodes.map(cpuSeconds));
  const took = (performance.now() - started) / 1000;
  return after.map((one, i) => ((one - (before[i] as number)) / took) * 100);
}

async function cpuSeconds(node: ClusterNode): Promise<number> {
  const text = await (await fetch(`http://${node.http}/metrics`)).text();
  return Number(/^meridian_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
}

function memories(cluster: Cluster): number[] {
  return cluster.nodes.map((node) => residentMegabytes(node.pid()));
}

/** At each node: after a first time, five times. */
async function statementMillis(cluster: Cluster, text: string): Promise<number[]> {
  const millis: number[] = [];
  for (const node of cluster.nodes) {
    const client = await connect(node);
    for (let i = 0; i < 6; i++) {
      const started = performance.now();
      await client.query(text);
      if (i > 0) millis.push(performance.now() - started);
    }
    await client.end();
  }
  return millis;
}

async function statusMillis(cluster: Cluster): Promise<number[]> {
  const millis: number[] = [];
  for (let i = 0; i < 15; i++) {
    const started = performance.now();
    await statusOf(cluster.nodes[i % cluster.nodes.length] as ClusterNode);
    millis.push(performance.now() - started);
  }
  return millis;
}

/** Seconds from what happens to one node until rows of 200 ranges, all over the table, were written at another. */
async function writesWithout(
  victim: ClusterNode,
  node: ClusterNode,
  count: number,
  happens: () => Promise<void>,
): Promise<number> {
  const led = (await statusOf(victim)).ranges.filter((one) => one.isLeaseHeld).length;
  progress(`node ${victim.id} dies, which leads ${led} ranges`);
  const clients = await Promise.all(Array.from({ length: 8 }, () => connect(node)));
  await happens();
  const started = performance.now();
  const step = Math.max(1, Math.floor(count / 200));
  let next = 0;
  await Promise.all(
    clients.map(async (client) => {
      for (let range = next; range < count; range = next) {
        next += step;
        await written(client, range * ROWS_PER_RANGE);
      }
    }),
  );
  const took = (performance.now() - started) / 1000;
  await Promise.all(clients.map((client) => client.end()));
  return took;
}

async function written(client: pg.Client, id: number): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await client.query('UPDATE t SET v = $1 WHERE id = $2', [`attempt ${attempt}`, id]);
      return;
    } catch (error) {
      if (attempt > 200) throw error;
      await pause(0.05);
    }
  }
}

async function restart(node: ClusterNode, count: number): Promise<number> {
  const started = performance.now();
  node.restart();
  for (;;) {
    await pause(0.1);
    const status = await statusOf(node).catch(() => undefined);
    const ranges = status?.ranges ?? [];
    const isThere = status?.isServing === true && ranges.length > count;
    if (isThere && ranges.every((one) => one.leaderNode !== 0 && one.lag === 0)) break;
    if (performance.now() - started > 120_000) throw new Error('not back after two minutes');
  }
  return (performance.now() - started) / 1000;
}

async function connect(node: ClusterNode): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: `postgres://root@${node.sql}/defaultdb` });
  await client.connect();
  return client;
}

function statuses(cluster: Cluster): Promise<NodeStatus[]> {
  return Promise.all(cluster.nodes.map(statusOf));
}

async function statusOf(node: ClusterNode): Promise<NodeStatus> {
  const client = clusterClient(node.rpc, { timers });
  try {
    return JSON.parse((await client.status()).json) as NodeStatus;
  } finally {
    client.close();
  }
}

function seconds(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1);
}

function pause(forSeconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forSeconds * 1000));
}
