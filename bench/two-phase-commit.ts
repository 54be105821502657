// What a commit costs that writes one row in each of 1 to 200 ranges, on three processes: the shape of Table 4 of Spanner's
// paper (OSDI 2012), whose absolute figures are those of three data centres' machines and are not comparable. One
// transaction at a time, through each node in turn; the numbers of participants take turns, so that the machine's moods fall on all alike.

import pg from 'pg';
import { type Cluster, type ClusterNode, startCluster } from './lib/cluster.ts';
import { type BenchOptions, chosenPhases } from './lib/options.ts';
import { sqlAt, workDirectory } from './lib/processes.ts';
import { type Case, mean, median, percentile, progress, report } from './lib/report.ts';
import { rangesLed } from './lib/topology.ts';

interface Row {
  /** For --only. */
  readonly name: string;
  readonly participants: number;
  /** Milliseconds, of the paper's table. */
  readonly paper: { readonly mean: number; readonly p99: number } | undefined;
}

const ROWS: readonly Row[] = [
  row(1, 17.0, 75.0),
  row(2, 24.5, 87.6),
  row(5, 31.5, 104.5),
  row(10, 30.0, 95.6),
  row(20),
  row(25, 35.5, 100.4),
  row(50, 42.7, 93.7),
  row(100, 71.4, 131.2),
  row(200, 150.5, 320.3),
];
const SHORT_MAX = 10;
const BATCH = 9;
/** Must be reached, and is aimed at: the mean of 50 participants, in means of one. */
const MANY = 50;
const WANTED = 4;
const AIM = 2.5;

function row(participants: number, mean?: number, p99?: number): Row {
  const paper = mean === undefined || p99 === undefined ? undefined : { mean, p99 };
  return { name: `${participants} participants`, participants, paper };
}

interface Latencies {
  readonly commits: number[];
  readonly whole: number[];
  aborts: number;
}

export async function twoPhaseCommit(options: BenchOptions): Promise<void> {
  const rows = chosenPhases(
    options.short ? ROWS.filter(({ participants }) => participants <= SHORT_MAX) : ROWS,
    options,
  );
  const ranges = Math.max(...rows.map(({ participants }) => participants));
  const rounds = options.short ? 1 : 5;
  const batches = options.short ? 1 : 8;
  const cluster = await startCluster(workDirectory());
  try {
    const [first] = cluster.nodes as [ClusterNode];
    await makeTable(first, ranges);
    progress(await topology(cluster));
    const clients = await connected(cluster);
    const figures = new Map(rows.map(({ participants }) => [participants, [] as Latencies[]]));
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      const taken = new Map(
        rows.map(({ participants }) => [participants, { commits: [], whole: [], aborts: 0 }]),
      );
      for (let batch = 0; batch < batches; batch++) {
        for (const { participants } of rows) {
          await measure(clients, ranges, participants, taken.get(participants) as Latencies);
        }
      }
      for (const { participants } of rows) {
        const latencies = taken.get(participants) as Latencies;
        tell(round, participants, latencies);
        if (round > 0) figures.get(participants)?.push(latencies);
      }
    }
    await Promise.all(clients.map((client) => client.end()));
    progress(await topology(cluster));
    report('two-phase-commit', "Spanner's paper, Table 4", casesOf(rows, figures));
    judge(figures);
  } finally {
    await cluster.stop();
  }
}

async function makeTable(node: ClusterNode, ranges: number): Promise<void> {
  const keys = Array.from({ length: ranges }, (_, i) => i);
  await sqlAt(node.sql, [
    'CREATE TABLE participant (id int PRIMARY KEY, v int NOT NULL)',
    `INSERT INTO participant VALUES ${keys.map((key) => `(${key}, 0)`).join(', ')}`,
    `ALTER TABLE participant SPLIT AT VALUES ${keys.map((key) => `(${key})`).join(', ')}`,
    'ALTER TABLE participant SCATTER',
  ]);
}

/** A gateway each: nothing is to depend on which of them leads most. */
function connected({ nodes }: Cluster): Promise<readonly pg.Client[]> {
  return Promise.all(
    nodes.map(async ({ sql }) => {
      const client = new pg.Client(`postgres://root@${sql}/defaultdb`);
      await client.connect();
      return client;
    }),
  );
}

async function measure(
  clients: readonly pg.Client[],
  ranges: number,
  participants: number,
  into: Latencies,
): Promise<void> {
  for (let i = 0; i < BATCH; i++) {
    const keys = chosen(ranges, participants);
    const client = clients[i % clients.length] as pg.Client;
    const began = performance.now();
    try {
      await client.query('BEGIN');
      await client.query(`UPDATE participant SET v = v + 1 WHERE id IN (${keys.join(', ')})`);
      const committing = performance.now();
      await client.query('COMMIT');
      const ended = performance.now();
      into.commits.push(ended - committing);
      into.whole.push(ended - began);
    } catch (error) {
      if ((error as { code?: string }).code !== '40001') throw error;
      await client.query('ROLLBACK');
      into.aborts++;
    }
  }
}

/** So many of the ranges, by chance. */
function chosen(ranges: number, count: number): readonly number[] {
  const all = Array.from({ length: ranges }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(Math.random() * (ranges - i));
    [all[i], all[other]] = [all[other] as number, all[i] as number];
  }
  return all.slice(0, count);
}

function tell(round: number, participants: number, { commits, whole, aborts }: Latencies): void {
  const shown = (values: readonly number[]): string =>
    `mean ${mean(values).toFixed(2)}, p99 ${percentile(values, 0.99).toFixed(2)} ms`;
  progress(
    `round ${round}, ${participants} participants: COMMIT ${shown(commits)}; from BEGIN ${shown(whole)}; ${aborts} aborts`,
  );
}

async function topology({ nodes }: Cluster): Promise<string> {
  const led = await rangesLed(nodes[0] as ClusterNode, 'participant');
  const shares = [...led].map(([node, count]) => `node ${node} leads ${count}`).join(', ');
  return `topology: ${nodes.length} processes on this machine, one disk, replication over loopback; the client asks each node in turn; of the table's ranges ${shares}`;
}

function casesOf(
  rows: readonly Row[],
  figures: ReadonlyMap<number, readonly Latencies[]>,
): readonly Case[] {
  const of = (participants: number): readonly Latencies[] => figures.get(participants) ?? [];
  const means = (participants: number): readonly number[] =>
    of(participants).map(({ commits }) => mean(commits));
  const one = median(means(1));
  const paperOne = (ROWS[0] as Row).paper as { readonly mean: number };
  return rows.flatMap(({ participants, paper }): readonly Case[] => [
    {
      name: `${participants} participants: mean of COMMIT`,
      unit: 'ms',
      ours: means(participants),
      peer: [],
      smallerIsBetter: true,
    },
    {
      name: `${participants} participants: p99 of COMMIT`,
      unit: 'ms',
      ours: of(participants).map(({ commits }) => percentile(commits, 0.99)),
      peer: [],
      smallerIsBetter: true,
    },
    {
      name: `${participants} participants: mean, in means of one`,
      unit: 'x',
      ours: means(participants).map((value) => value / one),
      peer: paper === undefined ? [] : [paper.mean / paperOne.mean],
      smallerIsBetter: true,
    },
  ]);
}

/** Not the last line: that is the report's. */
function judge(figures: ReadonlyMap<number, readonly Latencies[]>): void {
  const means = (participants: number): number =>
    median((figures.get(participants) ?? []).map(({ commits }) => mean(commits)));
  if (!figures.has(MANY) || !figures.has(1)) return;
  const times = means(MANY) / means(1);
  progress(
    `${MANY} participants take ${times.toFixed(2)} times what one does; wanted: ${WANTED} at most (${times <= WANTED ? 'reached' : 'NOT reached'}), aim ${AIM}`,
  );
}
