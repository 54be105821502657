// `npm run chaos -- [--minutes N] [--seed N]`: processes, each pair connected through a proxy, are killed, paused, cut off
// and stopped at random while clients read and write keys, rows and transfers between ranges, and operators divide
// tables, scatter them, add nodes and decommission others; then what clients were told is judged. The seed chooses the
// faults; their moments are those of real processes, so a run is not repeated exactly.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  type CommandSpec,
  HelpAsked,
  helpText,
  parseOptions,
  UsageError,
} from '../src/cli/usage.ts';
import { RegisterHistory } from '../src/sim/checkers/register-history.ts';
import { SeededRandom } from '../src/sim/random.ts';
import { Availability } from './chaos/availability.ts';
import { Clients, KEY_VALUE_PART, pause } from './chaos/clients.ts';
import { Faults } from './chaos/faults.ts';
import { Fleet } from './chaos/fleet.ts';
import { runHistories } from './chaos/histories.ts';
import { Journal } from './chaos/journal.ts';
import { type LossFigures, loseMajority } from './chaos/majority-loss.ts';
import { Operators } from './chaos/operators.ts';
import { proveCuts } from './chaos/proof.ts';
import { SqlClients } from './chaos/sql-clients.ts';
import { SqlConnection } from './chaos/sql-connection.ts';
import { allParts, makeTables } from './chaos/sql-tables.ts';
import { checkEnd, checkHistory, type EndFigures, type Evidence } from './chaos/verdict.ts';
import { Violations } from './chaos/violations.ts';
import { Watcher } from './chaos/watcher.ts';

const SPEC: CommandSpec = {
  name: 'npm run chaos --',
  summary:
    'a cluster under kills, pauses, cuts, splits, moves and changes of its nodes; no invariant may break',
  options: {
    minutes: { value: 'N', help: 'how long faults go on (default 10)' },
    seconds: { value: 'N', help: 'instead of --minutes' },
    seed: { value: 'N', help: 'of the faults and the clients (default: by chance)' },
    clients: {
      value: 'N',
      help: 'half of them of SQL, each with one operation under way (default 24)',
    },
    'recovery-seconds': {
      value: 'N',
      help: 'within which writes must be accepted again everywhere after a fault, when no more than one node is missing (default 5)',
    },
    histories: {
      value: 'N',
      help: 'instead: histories of N transactions of each of four workloads, and the anomalies of Hermitage, judged; the scripts are those of MERIDIAN_SUITES',
    },
    dir: { value: 'DIR', help: 'for data and logs; kept when given, or when the run fails' },
  },
};

const PROGRESS_MILLIS = 10_000;
const HISTORY_MILLIS = 60_000;
const ABSENCE_AFTER_MILLIS = 60_000;
const ABSENCE_EVERY_MILLIS = 400_000;
/** Before the end, so that the node that was away is back by then. */
const ABSENCE_BEFORE_END_MILLIS = 150_000;
const BETWEEN_FAULTS_MILLIS_MAX = 4000;
const TWO_AT_ONCE_PERCENT = 15;
const SETUP_MILLIS = 30_000;
const RECOVERY_MILLIS_MAX = 60_000;
/** Elections, leases on the schema, and all nodes' starts at once: so many times as long as after one fault. */
const RESUMPTIONS = 3;
/** Shares of the run after which all nodes but one are killed. */
const MAJORITY_LOST_AT = [0.35, 0.75];
/** In a shorter run it is done once: it takes a good part of a minute. */
const MAJORITY_LOST_TWICE_MILLIS = 120_000;

interface Settings {
  readonly millis: number;
  readonly seed: number;
  readonly clients: number;
  readonly recoveryMillis: number;
  readonly directory: string;
}

const started = performance.now();

function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${seconds.padStart(7)} s  ${line}\n`);
}

async function run(settings: Settings): Promise<boolean> {
  const { seed, directory } = settings;
  say(`seed ${seed}, data and logs in ${directory}`);
  const random = new SeededRandom(seed);
  const violations = new Violations(say);
  let availability: Availability | undefined;
  const fleet = await Fleet.start(directory, violations, () => availability?.changed());
  const watcher = new Watcher(fleet, violations);
  const history = new RegisterHistory(() => Math.round(performance.now() * 1000));
  try {
    await Promise.race([proveCuts(fleet, violations), violations.fatal]);
    if (violations.isFatal) return false;
    say('every link goes through its proxy: both ends noticed a cut');
    await tables(fleet);
    const parts = [KEY_VALUE_PART, ...allParts()];
    availability = new Availability({
      fleet,
      violations,
      recoveryMillis: settings.recoveryMillis,
      resumptionMillis: RESUMPTIONS * settings.recoveryMillis,
      parts,
    });
    const half = Math.floor(settings.clients / 2);
    const clients = new Clients(fleet, history, availability, half, random.fork('clients'));
    const sqlClients = new SqlClients(
      { fleet, history, availability, violations, journal: new Journal(directory) },
      settings.clients - half,
      random.fork('sql'),
    );
    const faults = new Faults(fleet, watcher, random.fork('faults'), say);
    const operators = new Operators(fleet, violations, random.fork('operators'), say);
    const evidence: Evidence = { fleet, watcher, clients, sqlClients, history, violations };
    const progress = setInterval(() => {
      const [done, unknown] = [
        clients.figures.acknowledged + sqlClients.figures.acknowledged,
        clients.figures.unknown + sqlClients.figures.unknown,
      ];
      const { millis = 0, part = '' } = availability?.longest ?? {};
      say(
        `${sumOf(faults.counts)} faults, ${kindsOf(operators.counts)}; ${fleet.ids.length} nodes, ${watcher.rangesMost} ranges at most, ${watcher.terms} terms; ${done} operations done, ${unknown} writes unknown; longest without a write ${Math.round(millis)} ms (${part})`,
      );
    }, PROGRESS_MILLIS);
    const losses: LossFigures = { answerMillis: 0, codes: new Map() };
    const judging = setInterval(() => checkHistory(evidence), HISTORY_MILLIS);
    const run = { settings, fleet, faults, operators, availability, violations, losses };
    const faulting = breakThings(run, random.fork('pace'));
    await Promise.race([faulting, violations.fatal]);
    clearInterval(progress);
    clearInterval(judging);
    if (!violations.isFatal) await Promise.race([operators.stop(), violations.fatal]);
    availability.stop();
    await Promise.all([clients.stop(), sqlClients.stop()]);
    let end: EndFigures | undefined;
    if (!violations.isFatal) {
      say('all is healed; the end is judged');
      end = await checkEnd(evidence, say);
    }
    summarize(run, evidence, end);
  } finally {
    await watcher.stop();
    if (!violations.isFatal) await fleet.stop();
  }
  return violations.found.length === 0;
}

/** Asks until it is served: the cluster may just have been founded, or cut. */
async function tables(fleet: Fleet): Promise<void> {
  const sql = await SqlConnection.open(1, fleet.url(1), SETUP_MILLIS);
  try {
    await makeTables(sql);
  } finally {
    sql.destroy();
  }
}

interface Run {
  readonly settings: Settings;
  readonly fleet: Fleet;
  readonly faults: Faults;
  readonly operators: Operators;
  readonly availability: Availability;
  readonly violations: Violations;
  readonly losses: LossFigures;
}

async function breakThings(run: Run, random: SeededRandom): Promise<void> {
  const { faults, availability, violations } = run;
  const { millis } = run.settings;
  const begun = performance.now();
  const isLong = millis >= MAJORITY_LOST_TWICE_MILLIS;
  const shares = isLong ? MAJORITY_LOST_AT : MAJORITY_LOST_AT.slice(0, 1);
  const losses = shares.map((share) => begun + share * millis);
  const end = begun + millis;
  let nextAbsence = begun + ABSENCE_AFTER_MILLIS;
  let absence: Promise<void> = Promise.resolve();
  while (performance.now() < end && !violations.isFatal) {
    await pause(random.below(BETWEEN_FAULTS_MILLIS_MAX));
    const now = performance.now();
    if (now > nextAbsence && now < end - ABSENCE_BEFORE_END_MILLIS) {
      nextAbsence = now + ABSENCE_EVERY_MILLIS;
      absence = faults.absence();
    }
    const isTwo = random.below(100) < TWO_AT_ONCE_PERCENT;
    await Promise.all(isTwo ? [faults.next(), faults.next()] : [faults.next()]);
    await recovered(availability, violations);
    if (now < (losses[0] ?? Number.POSITIVE_INFINITY)) continue;
    losses.shift();
    await absence;
    absence = Promise.resolve();
    await withoutMajority(run, random);
  }
  await absence;
  await recovered(availability, violations);
}

async function withoutMajority(run: Run, random: SeededRandom): Promise<void> {
  const { fleet, operators, availability, violations, losses } = run;
  const survivor = fleet.ids[random.below(fleet.ids.length)] as number;
  say(`all nodes but ${survivor} are killed`);
  const release = operators.hold();
  await loseMajority(fleet, violations, survivor, losses);
  release();
  await recovered(availability, violations);
}

/** Something is accepted everywhere that was not under way when the fault ended. That it takes too long is found
 * elsewhere. */
async function recovered(availability: Availability, violations: Violations): Promise<void> {
  const healed = performance.now();
  while (!violations.isFatal) {
    const missing = availability.missingSince(healed);
    if (missing.length === 0) return;
    if (performance.now() - healed > RECOVERY_MILLIS_MAX) {
      violations.add(`all is healed, and no write is accepted in ${missing.join(', ')}`);
      return;
    }
    await pause(50);
  }
}

function summarize(run: Run, evidence: Evidence, end: EndFigures | undefined): void {
  const { faults, operators, availability, losses } = run;
  const { millis, seed, directory } = run.settings;
  const { fleet, clients, sqlClients, watcher, history, violations } = evidence;
  const both = [clients.figures, sqlClients.figures];
  const sum = (of: 'operations' | 'acknowledged' | 'refused' | 'unknown'): number =>
    both.reduce((total, figures) => total + figures[of], 0);
  const done = (all: Iterable<{ readonly outcome: string }>): number =>
    [...all].filter(({ outcome }) => outcome === 'done').length;
  const errors = new Map(both.flatMap((figures) => [...figures.errors]));
  const lines = [
    `minutes        ${(millis / 60_000).toFixed(1)} (seed ${seed})`,
    `faults         ${sumOf(faults.counts)}: ${kindsOf(faults.counts)}`,
    `operators      ${kindsOf(operators.counts)}; ${operators.failures} refused under faults; a node left within ${(operators.leavingMillis / 1000).toFixed(1)} s at most`,
    `transfers      of leadership ${faults.transfers} done; ${fleet.snapshots} snapshots installed`,
    `ranges         ${watcher.ranges} in all, ${watcher.rangesMost} at once on one node, ${watcher.terms} terms with a leader that was seen`,
    `operations     ${sum('operations')}: ${sum('acknowledged')} done, ${sum('refused')} refused, ${sum('unknown')} writes unknown`,
    `errors         ${kindsOf(errors) || 'none'}`,
    `checked        ${history.operations.length} operations on registers; ${done(clients.ledger.values()) + done(sqlClients.ledger.values())} acknowledged single writes; ${done(sqlClients.transfers.values())} acknowledged transfers, ${sqlClients.sums} sums`,
    `without a majority  ${kindsOf(losses.codes) || 'never'}; answered within ${(losses.answerMillis / 1000).toFixed(1)} s`,
    end === undefined
      ? 'the end        was not judged'
      : `the end        ${end.replicas} replicas of ${end.ranges} ranges with ${end.rows} rows were compared`,
    `longest time without an accepted write in a part of the keyspace while no more than one node was missing: ${Math.round(availability.longest.millis)} ms (${availability.longest.part}); until one again, after more were: ${Math.round(availability.longestResumption.millis)} ms`,
    ...violations.found.map(({ text }) => `VIOLATION      ${text}`),
    violations.found.length === 0
      ? 'verdict        no invariant broken'
      : `verdict        FAILED; logs are in ${directory}`,
  ];
  process.stdout.write(`\n${lines.join('\n')}\n`);
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function kindsOf(counts: ReadonlyMap<string, number>): string {
  const kinds = [...counts].sort((a, b) => b[1] - a[1]);
  return kinds.map(([name, count]) => `${name} ${count}`).join(', ');
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(SPEC, args);
  const seconds = options.whole('seconds', 1, 86_400);
  const given = options.text('dir');
  const directory = resolve(given ?? mkdtempSync(join(tmpdir(), 'meridian-chaos-')));
  mkdirSync(directory, { recursive: true });
  const transactions = options.whole('histories', 1, 1_000_000);
  const seed = options.whole('seed', 0, 0xffff_ffff) ?? Math.floor(Math.random() * 0x1_0000_0000);
  if (transactions !== undefined) {
    const suites = process.env['MERIDIAN_SUITES'];
    if (suites === undefined) {
      say('skipped: MERIDIAN_SUITES names no folder with the scripts');
      return 0;
    }
    say(`seed ${seed}, histories, data and logs in ${directory}`);
    const holds = await runHistories({ suites, transactions, seed, directory, say });
    if (holds && given === undefined) rmSync(directory, { recursive: true, force: true });
    return holds ? 0 : 1;
  }
  const isWell = await run({
    millis:
      seconds === undefined ? (options.whole('minutes', 1, 1440) ?? 10) * 60_000 : seconds * 1000,
    seed,
    clients: options.whole('clients', 2, 1000) ?? 24,
    recoveryMillis: (options.whole('recovery-seconds', 1, 600) ?? 5) * 1000,
    directory,
  });
  if (isWell && given === undefined) rmSync(directory, { recursive: true, force: true });
  return isWell ? 0 : 1;
}

// The nodes go when this process exits, and only then.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof HelpAsked) {
      process.stdout.write(helpText(error.spec));
      process.exit(0);
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${error instanceof UsageError ? error.message : text}\n`);
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
