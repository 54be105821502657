// `npm run chaos -- --histories N`: Jepsen's transactional workloads and the anomalies of Hermitage, run by scripts from
// outside (MERIDIAN_SUITES), against three processes and tables of tiny ranges. While a workload runs its nodes are killed,
// paused, cut off and started again; its history must be strictly serializable. The anomalies are tried without faults, for
// a broken connection prevents everything, while the table is divided under them.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { SeededRandom } from '../../src/sim/random.ts';
import { CLI, sqlAt, untilServing } from '../lib/processes.ts';
import { pause } from './clients.ts';
import { Faults } from './faults.ts';
import { Fleet } from './fleet.ts';
import { Front } from './front.ts';
import { Violations } from './violations.ts';
import { Watcher } from './watcher.ts';

export interface HistoriesSettings {
  readonly suites: string;
  readonly transactions: number;
  readonly seed: number;
  readonly directory: string;
  readonly say: (text: string) => void;
}

interface Workload {
  readonly name: string;
  readonly tables: readonly string[];
  /** What the checker is told besides. */
  readonly told: readonly string[];
}

const WORKLOADS: readonly Workload[] = [
  { name: 'append', tables: ['wl_a', 'wl_b'], told: ['--workload', 'append'] },
  { name: 'rw', tables: ['wl_a', 'wl_b'], told: ['--workload', 'rw'] },
  { name: 'bank', tables: ['bank'], told: ['--workload', 'bank', '--total', '100'] },
  { name: 'longfork', tables: ['wl_a', 'wl_b'], told: ['--workload', 'long-fork'] },
];
const HERMITAGE_CASES = 15;
/** Ranges begin at each of so many keys. */
const KEYS = 40;
const DIVIDE_MILLIS = 100;
/** Whoever scatters all the time aborts everything. */
const DIVIDE_AGAIN_MILLIS = 5000;
const SET_UP_MILLIS = 1000;
const BETWEEN_FAULTS_MILLIS_MAX = 2500;
const CLIENTS = 8;
const ATTEMPTS_MAX = 4;
const AGAIN_MILLIS = 1000;

interface Ran {
  readonly code: number | null;
  readonly out: string;
}

/** Whether all that was wanted was found. */
export async function runHistories(settings: HistoriesSettings): Promise<boolean> {
  const { directory, say, seed } = settings;
  const violations = new Violations(say);
  const fleet = await Fleet.start(directory, violations, () => undefined);
  const watcher = new Watcher(fleet, violations);
  const front = await Front.open(fleet.ids.map((id) => Number(new URL(fleet.url(id)).port)));
  const faults = new Faults(fleet, watcher, new SeededRandom(seed).fork('faults'), say);
  try {
    await hermitage(settings, fleet, front.url, violations);
    for (const workload of WORKLOADS) {
      await oneHistory(settings, workload, fleet, front.url, faults, violations);
    }
  } finally {
    await watcher.stop();
    front.close();
    await fleet.stop();
  }
  const counts = [...faults.counts].map(([kind, count]) => `${kind} ${count}`).join(', ');
  say(`faults: ${counts}`);
  for (const { text } of violations.found) say(`VIOLATION ${text}`);
  say(violations.found.length === 0 ? 'verdict: every history holds' : 'verdict: FAILED');
  return violations.found.length === 0;
}

async function hermitage(
  { suites, say }: HistoriesSettings,
  fleet: Fleet,
  url: string,
  violations: Violations,
): Promise<void> {
  await serving(fleet);
  // Leases stay where they are: locks don't survive that they move.
  const dividing = divide(url, ['test'], [2, 3], false);
  const script = [join(suites, 'anomalies', 'hermitage.mjs'), '--url', url];
  const { code, out } = await runToEnd(script, ({ out: said }) => said.includes(' cases, '));
  await dividing.stop();
  const cases = out.split('\n').filter((line) => /^(PREVENTED|ANOMALY|HANG)\b/.test(line));
  const prevented = cases.filter((line) => line.startsWith('PREVENTED'));
  say(`hermitage: ${prevented.length} of ${cases.length} prevented, ${dividing.done()} divisions`);
  if (code !== 0 || prevented.length !== HERMITAGE_CASES) {
    violations.add(`anomalies at serializable:\n${out}`);
  }
  // To abort everything would prevent everything.
  for (const line of prevented) {
    if (!line.includes('"committed"')) violations.add(`nothing committed in: ${line}`);
  }
}

async function oneHistory(
  settings: HistoriesSettings,
  { name, tables, told }: Workload,
  fleet: Fleet,
  url: string,
  faults: Faults,
  violations: Violations,
): Promise<void> {
  const { suites, transactions, seed, directory, say } = settings;
  const file = join(directory, `${name}.json`);
  let isOver = false;
  await serving(fleet);
  // Else those of the last workload would be divided, and faults begin before there are new ones.
  await sqlAt(
    new URL(url).host,
    tables.map((table) => `DROP TABLE IF EXISTS ${table}`),
  );
  const script = [
    ...[join(suites, 'histories', 'workload.mjs'), name, file, '--url', url],
    ...['--procs', String(CLIENTS), '--txns', String(transactions), '--seed', String(seed)],
  ];
  const keys = Array.from({ length: KEYS }, (_, key) => key + 1);
  const dividing = divide(url, tables, keys, true);
  const working = runToEnd(script, () => existsSync(file)).finally(() => {
    isOver = true;
  });
  // The script makes its tables first, and does not try that again.
  await Promise.race([dividing.begun, working]);
  await pause(SET_UP_MILLIS);
  const random = new SeededRandom(seed).fork(name);
  while (!isOver) {
    await pause(random.below(BETWEEN_FAULTS_MILLIS_MAX));
    if (!isOver) await faults.next();
  }
  const { code, out } = await working;
  await dividing.stop();
  say(`${name}: ${out.trim()}; ${dividing.done()} divisions`);
  if (code !== 0) {
    violations.add(`${name} did not end well:\n${out}`);
    return;
  }
  const verdict = await run([CLI, 'check', file, ...told]);
  say(verdict.out.trim());
  if (verdict.code !== 0) violations.add(`${name} does not hold, see ${file}:\n${verdict.out}`);
}

/** Every node answers statements: a script gives up when the first one fails. */
async function serving(fleet: Fleet): Promise<void> {
  await Promise.all(fleet.ids.map((id) => untilServing(fleet.url(id))));
}

/** Again where it gave up before it began, since the cluster was busy with what came before. */
async function runToEnd(script: readonly string[], hasEnded: (ran: Ran) => boolean): Promise<Ran> {
  for (let attempt = 1; ; attempt++) {
    const ran = await run(script);
    if (hasEnded(ran) || attempt === ATTEMPTS_MAX) return ran;
    await pause(AGAIN_MILLIS);
  }
}

/** Divides the tables again and again, for they are made anew meanwhile and nodes are away, and perhaps scatters them. */
function divide(
  url: string,
  tables: readonly string[],
  keys: readonly number[],
  scatters: boolean,
): { readonly begun: Promise<void>; done(): number; stop(): Promise<void> } {
  let isOver = false;
  let done = 0;
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const values = keys.map((key) => `(${key})`).join(', ');
  const loop = async (): Promise<void> => {
    while (!isOver) {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => undefined);
      try {
        await client.connect();
        for (const table of tables) {
          await client.query(`ALTER TABLE ${table} SPLIT AT VALUES ${values}`);
          done++;
        }
        begin();
        for (const table of scatters ? tables : []) {
          await client.query(`ALTER TABLE ${table} SCATTER`);
        }
      } catch {
        // The table is not there yet, or its node is away: the next try goes to the next node.
      }
      await client.end().catch(() => undefined);
      await pause(done === 0 || !scatters ? DIVIDE_MILLIS : DIVIDE_AGAIN_MILLIS);
    }
  };
  const looping = loop();
  return {
    begun,
    done: () => done,
    stop: () => {
      isOver = true;
      return looping;
    },
  };
}

/** With our `pg`, whatever it finds itself. */
function run(args: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SLT_REQUIRE_FROM: process.cwd() },
  });
  const end = (): boolean => child.kill('SIGKILL');
  process.once('exit', end);
  let out = '';
  const keep = (chunk: Buffer): void => {
    out += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      process.off('exit', end);
      resolve({ code, out });
    });
  });
}
