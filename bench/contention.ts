// Clients that add to the same few rows: throughput, aborts, latencies, and how often the unluckiest transaction had to be
// tried again, against PostgreSQL 15 at serializable, alternating. A transaction reads one row, then writes what it has
// read plus one: both systems must lock it or abort. At the end the rows' sum is the number of commits.

import pg from 'pg';
import { type BenchOptions, chosenPhases } from './lib/options.ts';
import {
  query,
  startMeridian,
  startPostgres,
  type System,
  workDirectory,
} from './lib/processes.ts';
import { type Case, mean, percentile, progress, report } from './lib/report.ts';

const CLIENTS = [1, 8, 64];
const ROWS = [1, 10, 1000];
const TABLE = 'contended';
/** Of what a transaction may answer at serializable to be tried again. */
const RETRIED = new Set(['40001', '40P01']);

interface Setting {
  readonly name: string;
  readonly clients: number;
  readonly rows: number;
}

interface Outcome {
  readonly commits: number;
  readonly aborts: number;
  readonly perSecond: number;
  /** Milliseconds from the first BEGIN of a transaction to its COMMIT, with all that was tried in between. */
  readonly latencies: readonly number[];
  /** The greatest number of times that one transaction was tried again. */
  readonly retriesMost: number;
}

export async function contention(options: BenchOptions): Promise<void> {
  const all = ROWS.flatMap((rows) =>
    CLIENTS.map((clients) => ({ name: `${clients} clients on ${rows} rows`, clients, rows })),
  );
  const settings = chosenPhases(all, options);
  const seconds = options.short ? 0.3 : 4;
  const rounds = options.short ? 0 : 5;
  const directory = workDirectory();
  const theirs = await startPostgres(directory);
  if (theirs === undefined)
    progress('skipped: PostgreSQL 15 is not installed; ours alone is measured');
  const ours = await startMeridian(directory);
  const systems = [ours, ...(theirs === undefined ? [] : [theirs])];
  const figures = new Map<string, Outcome[]>();
  try {
    for (const setting of settings) {
      for (let round = 0; round <= rounds; round++) {
        for (const system of systems) {
          const outcome = await contend(system, setting, seconds);
          // The first round warms up.
          if (round === 0 && !options.short) continue;
          const key = keyOf(system, setting);
          figures.set(key, [...(figures.get(key) ?? []), outcome]);
          tell(system, setting, outcome);
        }
      }
    }
    report(
      'contention',
      'postgres',
      settings.flatMap((setting) =>
        casesOf(
          setting,
          figures.get(keyOf(ours, setting)) ?? [],
          theirs === undefined ? [] : (figures.get(keyOf(theirs, setting)) ?? []),
        ),
      ),
    );
  } finally {
    for (const system of systems) await system.stop();
  }
}

function keyOf(system: System, setting: Setting): string {
  return `${system.name}: ${setting.name}`;
}

async function contend(
  system: System,
  { clients, rows }: Setting,
  seconds: number,
): Promise<Outcome> {
  await query(system, `DROP TABLE IF EXISTS ${TABLE}`);
  await query(system, `CREATE TABLE ${TABLE} (id int PRIMARY KEY, v int NOT NULL)`);
  const values = Array.from({ length: rows }, (_, id) => `(${id}, 0)`);
  await query(system, `INSERT INTO ${TABLE} VALUES ${values.join(', ')}`);
  const connections = await Promise.all(Array.from({ length: clients }, () => connect(system)));
  const began = performance.now();
  const end = began + seconds * 1000;
  const outcomes = await Promise.all(connections.map((client) => work(client, rows, end)));
  const took = (performance.now() - began) / 1000;
  await Promise.all(connections.map((client) => client.end()));
  const latencies = outcomes.flatMap((outcome) => outcome.latencies);
  const commits = latencies.length;
  const [{ sum } = {}] = await query(system, `SELECT sum(v) AS sum FROM ${TABLE}`);
  if (Number(sum) !== commits) {
    throw new Error(`${system.name}: ${commits} commits, but the rows' sum is ${String(sum)}`);
  }
  return {
    commits,
    aborts: outcomes.reduce((total, { aborts }) => total + aborts, 0),
    perSecond: commits / took,
    latencies,
    retriesMost: Math.max(...outcomes.map(({ retriesMost }) => retriesMost)),
  };
}

async function connect(system: System): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: system.url });
  await client.connect();
  return client;
}

interface Worked {
  readonly latencies: number[];
  aborts: number;
  retriesMost: number;
}

async function work(client: pg.Client, rows: number, end: number): Promise<Worked> {
  const worked: Worked = { latencies: [], aborts: 0, retriesMost: 0 };
  while (performance.now() < end) {
    const id = Math.floor(Math.random() * rows);
    const began = performance.now();
    let retries = 0;
    while (!(await added(client, id))) retries++;
    worked.latencies.push(performance.now() - began);
    worked.aborts += retries;
    worked.retriesMost = Math.max(worked.retriesMost, retries);
  }
  return worked;
}

/** False: it was aborted. */
async function added(client: pg.Client, id: number): Promise<boolean> {
  try {
    await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
    const { rows } = await client.query<{ v: number }>({
      name: 'read',
      text: `SELECT v FROM ${TABLE} WHERE id = $1`,
      values: [id],
    });
    await client.query({
      name: 'write',
      text: `UPDATE ${TABLE} SET v = $2 WHERE id = $1`,
      values: [id, (rows[0] as { v: number }).v + 1],
    });
    await client.query('COMMIT');
    return true;
  } catch (error) {
    if (!RETRIED.has((error as { code?: string }).code ?? '')) throw error;
    await client.query('ROLLBACK');
    return false;
  }
}

function tell(system: System, setting: Setting, outcome: Outcome): void {
  const { perSecond, aborts, commits, latencies, retriesMost } = outcome;
  const millis = [0.5, 0.99, 1].map((share) => percentile(latencies, share).toFixed(2));
  progress(
    `${keyOf(system, setting)}: ${Math.round(perSecond)}/s, ${(aborts / commits).toFixed(2)} aborts a commit, ${millis.join(', ')} ms at p50, p99, most; one was tried again ${retriesMost} times`,
  );
}

function casesOf(
  { name }: Setting,
  ours: readonly Outcome[],
  theirs: readonly Outcome[],
): readonly Case[] {
  const one = (
    what: string,
    unit: string,
    of: (outcome: Outcome) => number,
    isLess: boolean,
  ): Case => ({
    name: `${name}: ${what}`,
    unit,
    ours: ours.map(of),
    peer: theirs.map(of),
    smallerIsBetter: isLess,
  });
  const at = (share: number) => (outcome: Outcome) => percentile(outcome.latencies, share);
  return [
    one('commits', '/s', ({ perSecond }) => perSecond, false),
    one('aborts a commit', '', ({ aborts, commits }) => aborts / commits, true),
    one('mean', 'ms', ({ latencies }) => mean(latencies), true),
    one('p50', 'ms', at(0.5), true),
    one('p99', 'ms', at(0.99), true),
    one('the longest', 'ms', at(1), true),
    one('most retries of one transaction', '', ({ retriesMost }) => retriesMost, true),
  ];
}
