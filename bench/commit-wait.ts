// What the clock's uncertainty costs a commit: one client writes a row at a time, durably, on three processes whose clocks
// are told to be off by up to so much, either way (--clock fixed:MICROS). A commit's timestamp lies above all that any clock
// may say when the request comes, and is answered once all say that it has passed: a wait of the interval's width, which
// runs while the entry is replicated. What is left of it then is told by the leaders' counters; what it would be if it
// began only then is the width itself, added to what replication takes.

import pg from 'pg';
import { type Cluster, type ClusterNode, startCluster } from './lib/cluster.ts';
import { type BenchOptions, chosenPhases } from './lib/options.ts';
import { sqlAt, workDirectory } from './lib/processes.ts';
import { type Case, mean, median, percentile, progress, report } from './lib/report.ts';
import { leaseholderOf } from './lib/topology.ts';

/** Half-widths. */
const SETTINGS = [0, 250, 500, 1000, 4000].map((micros) => ({
  name: `half-width ${micros / 1000} ms`,
  micros,
}));
const SHORT = [0, 500];
/** Must be reached at this half-width: of the mean latency, what waiting adds. */
const JUDGED_MICROS = 500;
const WANTED_SHARE = 0.1;

type Setting = (typeof SETTINGS)[number];

interface Taken {
  /** Milliseconds. */
  readonly latencies: readonly number[];
  /** Milliseconds a commit, by the leaders' counters. */
  readonly waited: number;
  readonly replicated: number;
}

export async function commitWait(options: BenchOptions): Promise<void> {
  const settings = chosenPhases(
    options.short ? SETTINGS.filter(({ micros }) => SHORT.includes(micros)) : SETTINGS,
    options,
  );
  const rounds = options.short ? 1 : 5;
  const commits = options.short ? 20 : 500;
  const taken = new Map<Setting, Taken[]>(settings.map((setting) => [setting, []]));
  for (let round = 0; round < rounds; round++) {
    for (const setting of settings) {
      const one = await take(setting, commits);
      taken.get(setting)?.push(one);
      progress(
        `round ${round + 1}, ${setting.name}: mean ${mean(one.latencies).toFixed(2)} ms, of which ${one.waited.toFixed(3)} ms commit-wait after ${one.replicated.toFixed(3)} ms of replication`,
      );
    }
  }
  const cases = settings.flatMap((setting) => casesOf(setting, taken.get(setting) ?? []));
  for (const [setting, all] of taken) {
    if (setting.micros !== JUDGED_MICROS) continue;
    const share = median(all.map(shareOf));
    progress(
      `at ${setting.name} waiting is ${(100 * share).toFixed(1)} % of a commit; wanted: under ${100 * WANTED_SHARE} % (${share < WANTED_SHARE ? 'reached' : 'NOT reached'})`,
    );
  }
  report('commit-wait', 'without overlap, reckoned', cases);
}

/** In a cluster of its own, so that no other takes its time. */
async function take({ micros }: Setting, commits: number): Promise<Taken> {
  const cluster = await startCluster(workDirectory(), 3, ['--clock', `fixed:${micros}`]);
  try {
    const [first] = cluster.nodes as [ClusterNode];
    await sqlAt(first.sql, ['CREATE TABLE waited (id int PRIMARY KEY, v int NOT NULL)']);
    const leader = await leaseholderOf(cluster, 'waited');
    const client = new pg.Client(`postgres://root@${leader.sql}/defaultdb`);
    await client.connect();
    // The first half warms up.
    await write(client, commits, 0);
    const before = await countersOf(cluster);
    const latencies = await write(client, commits, commits);
    const after = await countersOf(cluster);
    await client.end();
    const each = (name: keyof Counters): number => (1000 * (after[name] - before[name])) / commits;
    return { latencies, waited: each('waitSeconds'), replicated: each('replicationSeconds') };
  } finally {
    await cluster.stop();
  }
}

async function write(client: pg.Client, count: number, from: number): Promise<readonly number[]> {
  const latencies: number[] = [];
  for (let i = from; i < from + count; i++) {
    const began = performance.now();
    await client.query({
      name: 'insert',
      text: 'INSERT INTO waited VALUES ($1, 0)',
      values: [i],
    });
    latencies.push(performance.now() - began);
  }
  return latencies;
}

interface Counters {
  waitSeconds: number;
  replicationSeconds: number;
}

async function countersOf({ nodes }: Cluster): Promise<Counters> {
  const sum: Counters = { waitSeconds: 0, replicationSeconds: 0 };
  for (const { http } of nodes) {
    const text = await (await fetch(`http://${http}/metrics`)).text();
    const value = (name: string): number =>
      Number(new RegExp(`^meridian_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    sum.waitSeconds += value('commit_wait_seconds_total');
    sum.replicationSeconds += value('replication_seconds_total');
  }
  return sum;
}

function shareOf({ latencies, waited }: Taken): number {
  return waited / mean(latencies);
}

function casesOf({ name, micros }: Setting, taken: readonly Taken[]): readonly Case[] {
  const widthMillis = (2 * micros) / 1000;
  const without = taken.map(({ latencies, waited }) => mean(latencies) - waited + widthMillis);
  const less = { smallerIsBetter: true };
  return [
    {
      name: `${name}: mean of a commit`,
      unit: 'ms',
      ours: taken.map(({ latencies }) => mean(latencies)),
      peer: without,
      ...less,
    },
    {
      name: `${name}: p99 of a commit`,
      unit: 'ms',
      ours: taken.map(({ latencies }) => percentile(latencies, 0.99)),
      peer: [],
      ...less,
    },
    {
      name: `${name}: replication`,
      unit: 'ms',
      ours: taken.map(({ replicated }) => replicated),
      peer: [],
      ...less,
    },
    {
      name: `${name}: what waiting adds`,
      unit: '%',
      ours: taken.map((one) => 100 * shareOf(one)),
      peer: micros === 0 ? [] : without.map((whole) => (100 * widthMillis) / whole),
      ...less,
    },
  ];
}
