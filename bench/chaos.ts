// `npm run chaos -- [--minutes N] [--seed N]`: three processes, each pair connected through a proxy, are killed, paused,
// cut off and stopped at random while clients read and write; then what clients were told is judged. The seed chooses
// the faults; their moments are those of real processes, so a run is not repeated exactly.

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
import { Clients, pause } from './chaos/clients.ts';
import { Faults } from './chaos/faults.ts';
import { Fleet } from './chaos/fleet.ts';
import { proveCuts } from './chaos/proof.ts';
import { checkEnd, checkHistory, type Evidence } from './chaos/verdict.ts';
import { Violations } from './chaos/violations.ts';
import { Watcher } from './chaos/watcher.ts';

const SPEC: CommandSpec = {
  name: 'npm run chaos --',
  summary: 'three processes under kills, pauses and cuts; no invariant may break',
  options: {
    minutes: { value: 'N', help: 'how long faults go on (default 20)' },
    seconds: { value: 'N', help: 'instead of --minutes' },
    seed: { value: 'N', help: 'of the faults and the clients (default: by chance)' },
    clients: { value: 'N', help: 'each with one operation under way (default 12)' },
    'recovery-seconds': {
      value: 'N',
      help: 'within which writes must be accepted again after a fault, when two nodes are fine (default 5)',
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
const RECOVERY_MILLIS_MAX = 60_000;

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
    availability = new Availability({ fleet, violations, recoveryMillis: settings.recoveryMillis });
    const clients = new Clients(
      fleet,
      history,
      availability,
      settings.clients,
      random.fork('clients'),
    );
    const faults = new Faults(fleet, watcher, random.fork('faults'), say);
    const evidence: Evidence = { fleet, watcher, clients, history, violations };
    const progress = setInterval(() => {
      const { operations, acknowledged, unknown } = clients.figures;
      const total = [...faults.counts.values()].reduce((sum, count) => sum + count, 0);
      say(
        `${total} faults, ${operations} operations, ${acknowledged} done, ${unknown} writes unknown, term ${watcher.term}, longest without a write ${Math.round(availability?.longestMillis ?? 0)} ms`,
      );
    }, PROGRESS_MILLIS);
    const judging = setInterval(() => checkHistory(evidence), HISTORY_MILLIS);
    const faulting = breakThings(settings, faults, availability, violations, random.fork('pace'));
    await Promise.race([faulting, violations.fatal]);
    clearInterval(progress);
    clearInterval(judging);
    availability.stop();
    await clients.stop();
    if (!violations.isFatal) {
      say('all is healed; the end is judged');
      await checkEnd(evidence);
    }
    summarize(settings, evidence, faults, availability);
  } finally {
    await watcher.stop();
    if (!violations.isFatal) await fleet.stop();
  }
  return violations.found.length === 0;
}

async function breakThings(
  { millis }: Settings,
  faults: Faults,
  availability: Availability,
  violations: Violations,
  random: SeededRandom,
): Promise<void> {
  const begun = performance.now();
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
  }
  await absence;
  await recovered(availability, violations);
}

/** Something is accepted that was not under way when the fault ended. That it takes too long is found elsewhere. */
async function recovered(availability: Availability, violations: Violations): Promise<void> {
  const healed = performance.now();
  while (availability.acceptedAt <= healed && !violations.isFatal) {
    if (performance.now() - healed > RECOVERY_MILLIS_MAX) {
      violations.add('all is healed, and no write is accepted');
      return;
    }
    await pause(50);
  }
}

function summarize(
  { millis, seed, directory }: Settings,
  { fleet, clients, watcher, history, violations }: Evidence,
  faults: Faults,
  availability: Availability,
): void {
  const { operations, acknowledged, refused, unknown, errors } = clients.figures;
  const total = [...faults.counts.values()].reduce((sum, count) => sum + count, 0);
  const kinds = [...faults.counts].sort((a, b) => b[1] - a[1]);
  const ledger = [...clients.ledger.values()].filter(({ outcome }) => outcome === 'done').length;
  const lines = [
    `minutes        ${(millis / 60_000).toFixed(1)} (seed ${seed})`,
    `faults         ${total}: ${kinds.map(([name, count]) => `${name} ${count}`).join(', ')}`,
    `transfers      ${faults.transfers} of them done; ${fleet.snapshots} snapshots installed`,
    `terms          ${watcher.terms} with a leader that was seen, the last ${watcher.term}`,
    `operations     ${operations}: ${acknowledged} done, ${refused} refused, ${unknown} writes unknown`,
    `errors         ${[...errors].map(([name, count]) => `${name} ${count}`).join(', ') || 'none'}`,
    `checked        ${history.operations.length} operations on registers; ${ledger} acknowledged single writes`,
    `longest time without an accepted write while a majority was up: ${Math.round(availability.longestMillis)} ms`,
    ...violations.found.map(({ text }) => `VIOLATION      ${text}`),
    violations.found.length === 0
      ? 'verdict        no invariant broken'
      : `verdict        FAILED; logs are in ${directory}`,
  ];
  process.stdout.write(`\n${lines.join('\n')}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(SPEC, args);
  const seconds = options.whole('seconds', 1, 86_400);
  const given = options.text('dir');
  const directory = resolve(given ?? mkdtempSync(join(tmpdir(), 'meridian-chaos-')));
  mkdirSync(directory, { recursive: true });
  const isWell = await run({
    millis:
      seconds === undefined ? (options.whole('minutes', 1, 1440) ?? 20) * 60_000 : seconds * 1000,
    seed: options.whole('seed', 0, 0xffff_ffff) ?? Math.floor(Math.random() * 0x1_0000_0000),
    clients: options.whole('clients', 1, 1000) ?? 12,
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
