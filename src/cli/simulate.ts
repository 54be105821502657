// `meridian simulate`: runs seeds in simulated time and says how to run a failing one again.

import { type ClusterRunReport, runCluster, runDatabase, runRanges } from '../sim/cluster-run.ts';
import { DATABASE_PLANS } from '../sim/cluster/database-plans.ts';
import { FAULT_KINDS } from '../sim/cluster/faults.ts';
import { PLANS } from '../sim/cluster/plans.ts';
import { RANGES_PLANS } from '../sim/cluster/ranges-plans.ts';
import { KNOWN_BUGS } from '../sim/known-bugs.ts';
import { type NodeRunReport, runNode } from '../sim/node-run.ts';
import { SQL_WORKLOADS } from '../sim/sql/sql-plan.ts';
import { SimulationFailure } from '../sim/violation.ts';
import { commit } from './commit.ts';
import {
  type CommandSpec,
  EXIT_DONE,
  EXIT_FAILED,
  type OptionSpec,
  type ParsedOptions,
  parseOptions,
  UsageError,
} from './usage.ts';

const SECONDS_MAX = 100_000;
const SIMULATED = 'simulated seconds';
const PROGRESS_MILLISECONDS = 5_000;

/** What there is to simulate. */
interface Simulation {
  readonly summary: string;
  /** Simulated, for each seed. */
  readonly seconds: number;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Prepares runs with these options: `again` repeats them on a command line. */
  prepare(options: ParsedOptions): Prepared;
}

interface Prepared {
  readonly again: string;
  readonly run: (seed: number, common: CommonOptions) => Promise<Totals>;
}

interface CommonOptions {
  readonly seconds: number;
  readonly bugs: ReadonlySet<string>;
  onProgress?(simulatedMicros: number, operations: number): void;
  onLog?(node: number, level: string, message: string): void;
}

/** What is added up over seeds, and the line that tells of one. */
interface Totals {
  readonly line: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

const DATABASE: Simulation = {
  summary:
    'the whole database: SQL at all nodes, while ranges, the schema and nodes change and everything goes wrong',
  seconds: 20,
  options: {
    nodes: {
      value: '1..5',
      help: 'how many nodes (default 3); 1: crashes and bad disks of one that is alone',
    },
    plan: planOption(DATABASE_PLANS),
    faults: {
      value: 'LIST',
      help: `only these, or none: ${FAULT_KINDS.join(', ')} (default: as the plan has them)`,
    },
    workload: {
      value: 'LIST',
      help: `only these: ${SQL_WORKLOADS.join(', ')} (default: as the plan has them)`,
    },
    shards: { value: 'N', help: 'storage shards of a node that is alone (default 1)' },
  },
  prepare: (options) => {
    const nodes = options.whole('nodes', 1, 5) ?? 3;
    return nodes === 1 ? aloneOf(options) : databaseOf(options, nodes);
  },
};

function aloneOf(options: ParsedOptions): Prepared {
  for (const name of ['plan', 'faults', 'workload']) {
    if (options.text(name) !== undefined) throw new UsageError(`--${name} needs several nodes`);
  }
  const shards = options.whole('shards', 1, 16) ?? 1;
  return {
    again: ` --nodes 1 --shards ${shards}`,
    run: async (seed, common) => tellNode(await runNode({ seed, shards, ...common })),
  };
}

function databaseOf(options: ParsedOptions, nodes: number): Prepared {
  if (options.text('shards') !== undefined) throw new UsageError('--shards needs --nodes 1');
  const plan = planOf(options, DATABASE_PLANS);
  const faults = listOf(options, 'faults', FAULT_KINDS);
  const workloads = listOf(options, 'workload', SQL_WORKLOADS);
  if (workloads?.length === 0) throw new UsageError('--workload takes one at least');
  return {
    again: ` --nodes ${nodes} --plan ${plan}${repeated(options, 'faults')}${repeated(options, 'workload')}`,
    run: async (seed, common) =>
      tellCluster(
        await runDatabase({
          seed,
          plan,
          nodes,
          ...(faults === undefined ? {} : { faults }),
          ...(workloads === undefined ? {} : { workloads }),
          ...common,
        }),
      ),
  };
}

/** Names with commas in between; 'none' is none of them. */
function listOf<Name extends string>(
  options: ParsedOptions,
  option: string,
  names: readonly Name[],
): readonly Name[] | undefined {
  const text = options.text(option);
  if (text === undefined) return undefined;
  if (text === 'none') return [];
  return text.split(',').map((one) => {
    const name = names.find((known) => known === one.trim());
    if (name === undefined) {
      throw new UsageError(`--${option} takes ${names.join(', ')}, not '${one}'`);
    }
    return name;
  });
}

function repeated(options: ParsedOptions, option: string): string {
  const text = options.text(option);
  return text === undefined ? '' : ` --${option} ${text}`;
}

const RAFT: Simulation = {
  summary: 'a cluster of 3, 5 or 7 nodes, with everything that may go wrong',
  seconds: 60,
  options: {
    nodes: { value: '3|5|7', help: 'how many nodes (default: by the seed)' },
    whole: { value: undefined, help: 'nodes with storage and all, in place of Raft alone' },
    plan: planOption(PLANS),
  },
  prepare: (options) => {
    const nodes = options.whole('nodes', 1, 7);
    const plan = planOf(options, PLANS);
    const whole = options.flag('whole');
    return {
      again: `${nodes === undefined ? '' : ` --nodes ${nodes}`}${whole ? ' --whole' : ''} --plan ${plan}`,
      run: async (seed, common) =>
        tellCluster(
          await runCluster({
            seed,
            plan,
            whole,
            ...(nodes === undefined ? {} : { nodes }),
            ...common,
          }),
        ),
    };
  },
};

const RANGES: Simulation = {
  summary:
    'whole nodes with many ranges, which are split, merged and moved while everything goes wrong',
  seconds: 10,
  options: {
    nodes: { value: '3..5', help: 'how many nodes (default: by the seed)' },
    plan: planOption(RANGES_PLANS),
  },
  prepare: (options) => {
    const nodes = options.whole('nodes', 3, 5);
    const plan = planOf(options, RANGES_PLANS);
    return {
      again: `${nodes === undefined ? '' : ` --nodes ${nodes}`} --plan ${plan}`,
      run: async (seed, common) =>
        tellCluster(
          await runRanges({ seed, plan, ...(nodes === undefined ? {} : { nodes }), ...common }),
        ),
    };
  },
};

function planOption(plans: object): OptionSpec {
  return { value: 'NAME', help: `what goes wrong: ${Object.keys(plans).join(', ')} (default any)` };
}

function planOf<Name extends string>(
  options: ParsedOptions,
  plans: Readonly<Record<Name, unknown>>,
): Name | 'any' {
  const plan = options.text('plan') ?? 'any';
  if (!Object.hasOwn(plans, plan)) throw new UsageError(`there is no plan '${plan}'`);
  return plan as Name;
}

const SIMULATIONS: Readonly<Record<string, Simulation>> = {
  database: DATABASE,
  raft: RAFT,
  ranges: RANGES,
};

function specOf(what: string, simulation: Simulation): CommandSpec {
  return {
    name: `meridian simulate ${what}`,
    summary: `${simulation.summary}, in simulated time; one seed is one run, always the same`,
    options: {
      seed: { value: 'N', help: 'the first seed (default: a fresh one, printed)' },
      seeds: { value: 'COUNT', help: 'how many seeds, one after another (default 1)' },
      seconds: {
        value: 'S',
        help: `simulated seconds for each seed (default ${simulation.seconds})`,
      },
      minutes: { value: 'M', help: 'the same in minutes' },
      ...simulation.options,
      bug: { value: 'NAME', multiple: true, help: 'switch a known bug on; may be repeated' },
      verbose: { value: undefined, short: 'v', help: 'print what nodes log' },
    },
    notes: `There is also: ${Object.keys(SIMULATIONS)
      .filter((other) => other !== what)
      .map((other) => `meridian simulate ${other}`)
      .join(', ')}.

Known bugs, which seeds must find (ranges.skip-commit-wait shows to a second clock only):
${[...KNOWN_BUGS].map(([name, text]) => `  ${name.padEnd(32)} ${text}`).join('\n')}`,
  };
}

export async function simulate(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  const isNamed = first !== undefined && !first.startsWith('-');
  const what = isNamed ? first : 'database';
  const simulation = Object.hasOwn(SIMULATIONS, what) ? SIMULATIONS[what] : undefined;
  if (simulation === undefined) {
    const names = Object.keys(SIMULATIONS).join(', ');
    throw new UsageError(`there is no simulation '${what}'; there are: ${names}`);
  }
  const options = parseOptions(specOf(what, simulation), isNamed ? rest : args);
  const seed = options.whole('seed', 0, 0xffffffff) ?? Math.floor(Math.random() * 0x100000000);
  const count = options.whole('seeds', 1, 1_000_000) ?? 1;
  const seconds = secondsOf(options) ?? simulation.seconds;
  const bugs = new Set(options.texts('bug'));
  for (const bug of bugs) {
    if (!KNOWN_BUGS.has(bug)) throw new UsageError(`there is no known bug '${bug}'`);
  }
  const { again, run } = simulation.prepare(options);
  const common: CommonOptions = {
    seconds,
    bugs,
    onProgress: progress(),
    ...(options.flag('verbose') ? { onLog: printLog } : {}),
  };
  const bugOptions = [...bugs].map((bug) => ` --bug ${bug}`).join('');
  const repeat = `--seconds ${seconds}${again}${bugOptions}`;
  return await runSeeds(seed, count, seconds, `meridian simulate ${what}`, repeat, (one) =>
    run(one, common),
  );
}

function secondsOf(options: ParsedOptions): number | undefined {
  const seconds = options.whole('seconds', 1, SECONDS_MAX);
  const minutes = options.whole('minutes', 1, Math.floor(SECONDS_MAX / 60));
  if (seconds !== undefined && minutes !== undefined) {
    throw new UsageError('a run has --seconds or --minutes, not both');
  }
  return minutes === undefined ? seconds : minutes * 60;
}

/** Of long runs, now and then. */
function progress(): CommonOptions['onProgress'] & {} {
  let told = performance.now();
  return (simulatedMicros, operations) => {
    const now = performance.now();
    if (now - told < PROGRESS_MILLISECONDS) return;
    told = now;
    const seconds = (simulatedMicros / 1_000_000).toFixed(0);
    process.stderr.write(`at ${seconds} simulated s: ${operations} operations\n`);
  };
}

function printLog(_node: number, level: string, message: string): void {
  process.stderr.write(`${level} ${message}\n`);
}

async function runSeeds(
  first: number,
  count: number,
  seconds: number,
  command: string,
  repeat: string,
  run: (seed: number) => Promise<Totals>,
): Promise<number> {
  const totals = new Map<string, number>();
  const faults = new Set<string>();
  const started = performance.now();
  for (let seed = first; seed < first + count; seed++) {
    try {
      const { line, counts, faults: kinds } = await run(seed);
      process.stdout.write(`seed ${seed}: ${line}\n`);
      for (const [name, n] of Object.entries(counts)) totals.set(name, (totals.get(name) ?? 0) + n);
      for (const fault of kinds) faults.add(fault);
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      process.stdout.write(
        `FAILED ${error.message}\nagain: ${command} --seed ${seed} ${repeat}\ncommit: ${commit()}\n`,
      );
      return EXIT_FAILED;
    }
  }
  const real = (performance.now() - started) / 1000;
  const sums = [...totals].map(([name, n]) => `${n} ${name}`).join(', ');
  const simulated = totals.get(SIMULATED) ?? count * seconds;
  const operations = totals.get('operations') ?? 0;
  const throughput = `${(operations / simulated).toFixed(0)} operations a simulated second, ${(operations / real).toFixed(0)} a real one`;
  const pace = `${((60 * count) / real).toFixed(1)} seeds a minute, ${(simulated / real).toFixed(1)} simulated seconds a second`;
  process.stdout.write(
    `${count} seeds: ${sums}, faults: ${[...faults].sort().join(', ')}; ${throughput}; ${pace}\n`,
  );
  return EXIT_DONE;
}

function tellNode(report: NodeRunReport): Totals {
  const { operations, acknowledged, crashes, simulatedSeconds, events, errors } = report;
  return {
    line: `${operations} operations, ${acknowledged} writes acknowledged, ${crashes} crashes, ${simulatedSeconds} simulated s, ${events} events, errors ${JSON.stringify(errors)}, trace ${report.traceHash}`,
    counts: { operations, acknowledged, crashes, [SIMULATED]: simulatedSeconds },
    faults: report.faults,
  };
}

function tellCluster(report: ClusterRunReport): Totals {
  const { operations, acknowledged, reads, unknown, elections, crashes } = report;
  const { nodes, groups, simulatedSeconds, events, notes, probes } = report;
  return {
    line: `${nodes} nodes, ${groups} groups, ${operations} operations, ${acknowledged} writes acknowledged, ${unknown} of unknown outcome, ${reads} reads, ${elections} elections, ${crashes} crashes, ${simulatedSeconds} simulated s, ${events} events, ${JSON.stringify(notes)}, probes ${JSON.stringify(probes)}, trace ${report.traceHash}`,
    counts: {
      operations,
      acknowledged,
      unknown,
      reads,
      elections,
      crashes,
      [SIMULATED]: simulatedSeconds,
      'snapshots sent': (notes['snapshot sent'] ?? 0) + (notes['sent a snapshot'] ?? 0),
    },
    faults: report.faults,
  };
}
