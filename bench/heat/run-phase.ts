// One phase: a fresh table, clients that ask for it, a watch over its ranges, and what is done to the cluster meanwhile.

import pg from 'pg';
import type { Cluster, ClusterNode } from '../lib/cluster.ts';
import { untilServing } from '../lib/processes.ts';
import { progress } from '../lib/report.ts';
import { ClientLoad } from './clients.ts';
import { shortNumber } from './picture.ts';
import {
  balancedSince,
  firstSplit,
  type HeatFigure,
  type HeatMoment,
  type HeatPhase,
  type HeatSample,
  type HeatSecond,
  type HeatTick,
  marksBetween,
} from './recording.ts';
import { counterAt, Watch } from './watch.ts';
import { Latencies, type Workload } from './workloads.ts';

export interface PhasePlan {
  readonly name: string;
  readonly story: string;
  readonly table: string;
  readonly rows: number;
  readonly seconds: number;
  readonly connections: number;
  readonly keys: Workload['keys'];
  readonly writeShare: number;
  /** Of the pictures; left out: linear. */
  readonly keyScale?: 'logarithmic';
  /** Of all connections together; left out: as fast as they get answers. */
  readonly perSecond?: number;
  /** What is done to the cluster meanwhile; resolves when it is done. */
  readonly meanwhile?: (phase: RunningPhase) => Promise<void>;
  /** What counts here; the figures of every phase are there already. */
  readonly judge?: (result: PhaseResult) => readonly HeatFigure[];
  /** When the nodes among which it should be even change, and to which; left out: from the start, all. */
  readonly even?: { readonly from: number; readonly among: readonly number[] };
  readonly isDivisible: boolean;
  /** Between the table's making and the load. */
  readonly restSeconds: number;
}

export interface RunningPhase {
  readonly cluster: Cluster;
  /** A line through the pictures. */
  readonly mark: (text: string) => void;
  /** Resolves when the load has run for so long. */
  readonly until: (second: number) => Promise<void>;
  readonly sql: (text: string) => Promise<void>;
  readonly watchAlso: (node: ClusterNode) => void;
}

export interface PhaseResult {
  readonly phase: HeatPhase;
  readonly clients: ClientLoad;
  readonly firstSplit: number | undefined;
  readonly balanced: number | undefined;
  readonly before: number;
  readonly after: number;
  readonly p99During: number;
  readonly movedBytes: number;
}

export const FIRST_SPLIT_GOAL = 5;
export const BALANCE_GOAL = 30;
export const EVEN_TOLERANCE = 0.2;
/** For so long must it be even to count. */
export const EVEN_SECONDS = 5;
const LOAD_ROWS = 1000;
const WARM_ROWS = 3000;
const ATTEMPTS_MAX = 60;
/** By then all nodes have a changed setting. */
const SETTING_SECONDS = 3;
const FAILURE_COUNTERS = ['meridian_split_failures_total', 'meridian_placement_failures_total'];
const MOVED_COUNTER = 'meridian_snapshot_bytes_sent_total';

export async function runPhase(cluster: Cluster, plan: PhasePlan): Promise<PhaseResult> {
  progress(`${plan.name}: ${plan.rows} rows`);
  const { nodes } = cluster;
  const urls = nodes.map(({ sql }) => `postgres://root@${sql}/defaultdb`);
  await Promise.all(urls.map(untilServing));
  await persistently(nodes, 'SET CLUSTER SETTING range.split_by_load = off');
  await pause(SETTING_SECONDS);
  await createTable(nodes, plan.table, plan.rows);
  // What the rows' insertion left in the rates is not this phase's. Until now the table was kept whole.
  await pause(plan.restSeconds);
  await persistently(nodes, 'RESET CLUSTER SETTING range.split_by_load');
  await pause(SETTING_SECONDS);
  const movedBefore = await sumOf(nodes, MOVED_COUNTER);
  const { table, rows, keys, writeShare, perSecond } = plan;
  const workload: Workload = { table, rows, keys, writeShare };
  const clients = await ClientLoad.start(
    urls,
    plan.connections,
    perSecond === undefined ? workload : { ...workload, perSecond },
  );
  const watch = new Watch(table, [...nodes], clients.started);
  const moments: HeatMoment[] = [];
  const now = (): number => (performance.now() - clients.started) / 1000;
  const running: RunningPhase = {
    cluster,
    mark: (text) => moments.push({ at: now(), text }),
    until: (second) => pause(second - now()),
    sql: (text) => persistently(nodes, text),
    watchAlso: (node) => watch.watchAlso(node),
  };
  try {
    await Promise.all([plan.meanwhile?.(running), running.until(plan.seconds)]);
  } finally {
    await Promise.all([watch.stop(), clients.stop()]);
  }
  const movedAfter = await sumOf(nodes, MOVED_COUNTER);
  const grown = Math.max(0, ...clients.seconds.map(({ greatestId }) => greatestId + 1));
  const most = Math.max(plan.rows, grown);
  const { positionOf, ticks } = keyScale(plan, most);
  const samples = watch.samples(positionOf);
  const marks = samples.flatMap((sample, i) =>
    i === 0 ? [] : marksBetween(samples[i - 1] as HeatSample, sample),
  );
  const series = clients.seconds.map((one): HeatSecond => {
    const latencies = new Latencies();
    latencies.merge(one.latencies);
    return {
      at: one.from,
      completed: one.completed / (one.to - one.from),
      p99Millis: latencies.percentile(0.99),
      byNode: watch.ratesByNode(one.from),
    };
  });
  const phase: HeatPhase = {
    name: plan.name,
    story: plan.story,
    seconds: plan.seconds,
    samples,
    marks,
    moments,
    series,
    figures: [],
    ticks,
    nodes: watch.nodeIds.toSorted((a, b) => a - b),
  };
  const split = firstSplit(marks);
  const unjudged: PhaseResult = {
    phase,
    clients,
    firstSplit: split,
    balanced: undefined,
    before: clients.completedPerSecond(1, Math.max(2, Math.floor(split ?? 4))),
    after: clients.completedPerSecond(plan.seconds - Math.min(10, plan.seconds / 3), plan.seconds),
    p99During: clients.percentileMillis(0.99, Math.floor(split ?? 0), plan.seconds),
    movedBytes: movedAfter - movedBefore,
  };
  const { from, among } = plan.even ?? { from: 0, among: phase.nodes };
  const balanced = balancedSince(series, among, EVEN_TOLERANCE, EVEN_SECONDS, from);
  const result: PhaseResult = {
    ...unjudged,
    balanced: balanced === undefined ? undefined : balanced - from,
  };
  const figures = [...commonFigures(plan, result), ...(plan.judge?.(result) ?? [])];
  for (const { label, value, goal } of figures) {
    progress(`  ${label}: ${value}${goal === undefined ? '' : ` (${goal})`}`);
  }
  for (const counter of FAILURE_COUNTERS) {
    const count = await sumOf(nodes, counter);
    if (count > 0) progress(`  ${counter}: ${count} so far`);
  }
  for (const said of watch.whatNodesCanDo()) progress(`  ${said}`);
  const { lastError, failed } = clients;
  if (failed > 0) progress(`  ${failed} attempts failed, the last with ${lastError}`);
  return { ...result, phase: { ...phase, figures } };
}

/** Where ids below `most` lie along the pictures' axis of keys. */
function keyScale(
  { keyScale: kind }: PhasePlan,
  most: number,
): { positionOf: (id: number) => number; ticks: readonly HeatTick[] } {
  if (kind === undefined) {
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((position) => ({
      position,
      label: shortNumber(position * most),
    }));
    return { positionOf: (id) => id / most, ticks };
  }
  const positionOf = (id: number): number => Math.log(id + 1) / Math.log(most + 1);
  const ids = [0];
  for (let id = 10; id <= most; id *= 10) ids.push(id);
  return {
    positionOf,
    ticks: ids.map((id) => ({ position: positionOf(id), label: shortNumber(id) })),
  };
}

function commonFigures(plan: PhasePlan, result: PhaseResult): HeatFigure[] {
  const figures: HeatFigure[] = [];
  if (plan.isDivisible) {
    figures.push(
      within('first split', result.firstSplit, FIRST_SPLIT_GOAL),
      within('even to 20% among the nodes', result.balanced, BALANCE_GOAL),
    );
  }
  figures.push(
    {
      label: 'requests/s before the first split → at the end',
      value: `${shortNumber(result.before)} → ${shortNumber(result.after)}`,
    },
    { label: 'p99 from the first split on', value: `${shortNumber(result.p99During)} ms` },
    { label: 'bytes moved between nodes', value: shortNumber(result.movedBytes) },
  );
  return figures;
}

export function within(label: string, value: number | undefined, goal: number): HeatFigure {
  return {
    label,
    value: value === undefined ? 'never' : `${value.toFixed(1)} s`,
    goal: `within ${goal} s`,
    isReached: value !== undefined && value <= goal,
  };
}

/** Programs run slowly at first: each node is asked for a while for something that is not measured. */
export async function warmUp({ nodes }: Cluster, seconds: number): Promise<void> {
  progress(`warming up for ${seconds} s`);
  const urls = nodes.map(({ sql }) => `postgres://root@${sql}/defaultdb`);
  await Promise.all(urls.map(untilServing));
  await persistently(nodes, 'SET CLUSTER SETTING range.split_by_load = off');
  await createTable(nodes, 'warm', WARM_ROWS);
  const clients = await ClientLoad.start(urls, 4 * nodes.length, {
    table: 'warm',
    rows: WARM_ROWS,
    keys: { kind: 'uniform' },
    writeShare: 0.1,
  });
  await pause(seconds);
  await clients.stop();
}

async function createTable(
  nodes: readonly ClusterNode[],
  table: string,
  rows: number,
): Promise<void> {
  await persistently(
    nodes,
    `CREATE TABLE IF NOT EXISTS ${table} (id int8 PRIMARY KEY, value int8 NOT NULL, filler text)`,
  );
  for (let from = 0; from < rows; from += LOAD_ROWS) {
    const values = Array.from(
      { length: Math.min(LOAD_ROWS, rows - from) },
      (_, i) => `(${from + i}, 0, '${'x'.repeat(100)}')`,
    );
    await persistently(
      nodes,
      `INSERT INTO ${table} VALUES ${values.join(',')} ON CONFLICT (id) DO NOTHING`,
    );
  }
}

/** A statement that may be carried out twice, at one node after the other until one has: on a machine that is busy with
 * something else nodes take each other for dead now and then. */
async function persistently(nodes: readonly ClusterNode[], text: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const { sql } = nodes[attempt % nodes.length] as ClusterNode;
    const client = new pg.Client({ connectionString: `postgres://root@${sql}/defaultdb` });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(text);
      return;
    } catch (error) {
      if (attempt >= ATTEMPTS_MAX) throw error;
      await pause(0.5);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

async function sumOf(nodes: readonly ClusterNode[], counter: string): Promise<number> {
  const counts = await Promise.all(nodes.map(({ http }) => counterAt(http, counter)));
  return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, seconds * 1000)));
}
