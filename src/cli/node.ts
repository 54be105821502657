// `meridian node`: which nodes a cluster has, and how one leaves it, for a moment or for good.

import {
  type CallOptions,
  decommissionNode,
  drainNode,
  listNodes,
} from '../node/cluster-service.ts';
import { DEFAULT_RPC, formatAddress, parseAddress } from '../node/config.ts';
import type { NodeStanding } from '../node/placement/node-standing.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { certificates } from './certificates.ts';
import { nodeTable } from './cluster-status.ts';
import { checkAll } from './node-check.ts';
import {
  type CommandSpec,
  EXIT_DONE,
  EXIT_FAILED,
  EXIT_USAGE,
  type OptionSpec,
  type ParsedOptions,
  parseOptions,
  UsageError,
  wholeNumber,
} from './usage.ts';

const LOOK_MICROS = 1_000_000;
const SECOND = 1_000_000;
const DEFAULT_WAIT_SECONDS = 600;
const NODES_MAX = 65_535;

const WHERE: Readonly<Record<string, OptionSpec>> = {
  rpc: {
    value: 'HOST:PORT',
    help: `--rpc address of a node of the cluster, any that lives (default ${formatAddress(DEFAULT_RPC)})`,
  },
  'tls-ca': { value: 'FILE', help: 'PEM: whose certificates nodes must have' },
  'tls-cert': { value: 'FILE', help: 'PEM: a certificate of the same CA' },
  'tls-key': { value: 'FILE', help: 'PEM: its key' },
};
const WAIT: Readonly<Record<string, OptionSpec>> = {
  undo: { value: undefined, help: 'take it back' },
  wait: {
    value: 'SECONDS',
    help: `how long to wait until it is done (default ${DEFAULT_WAIT_SECONDS}); 0 does not wait`,
  },
};
const NODE = { name: 'ID', help: "which node: 'meridian node list' tells" };

interface Action {
  readonly spec: CommandSpec;
  run(options: ParsedOptions): Promise<number>;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    spec: {
      name: 'meridian node list',
      summary: 'the nodes of a cluster, and what each has',
      options: WHERE,
    },
    run: async (options) => {
      process.stdout.write(nodeTable(await listNodes(addressOf(options), callsOf(options))));
      return EXIT_DONE;
    },
  },
  drain: {
    spec: {
      name: 'meridian node drain',
      summary: 'let a node give its leases away, so that it can be stopped without anyone waiting',
      options: {
        ...WAIT,
        force: { value: undefined, help: 'also when ranges have no majority without it' },
        ...WHERE,
      },
      argument: NODE,
      notes: 'It takes leases again with --undo, or when it is started again.',
    },
    run: drain,
  },
  decommission: {
    spec: {
      name: 'meridian node decommission',
      summary: 'let a node, or a dead one, give all that it has to others, for good',
      options: { ...WAIT, ...WHERE },
      argument: NODE,
      notes: 'While it is not through, --undo keeps the node. Stop it when it is.',
    },
    run: decommission,
  },
  check: {
    spec: {
      name: 'meridian node check',
      summary: 'have the replicas of all ranges compared',
      options: WHERE,
      notes:
        'Each node reads all that it has and sums it up; clients are served meanwhile. The exit code is 1 when something is wrong.',
    },
    run: check,
  },
};

const HELP = `meridian node: the nodes of a cluster

${Object.entries(ACTIONS)
  .map(([name, { spec }]) => `  meridian node ${name.padEnd(13)} ${spec.summary}`)
  .join('\n')}

'meridian node COMMAND --help' tells a command's options.
`;

export async function node(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h') {
    process.stdout.write(HELP);
    return name === undefined ? EXIT_USAGE : EXIT_DONE;
  }
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw new UsageError(`there is no command 'node ${name}'`);
  return await action.run(parseOptions(action.spec, rest));
}

async function drain(options: ParsedOptions): Promise<number> {
  const id = wholeNumber(NODE.name, options.argument, 1, NODES_MAX);
  const [address, calls] = [addressOf(options), callsOf(options)];
  const undo = options.flag('undo');
  await drainNode(address, id, { undo, force: options.flag('force') }, calls);
  if (undo) return done(`node ${id} takes leases again`);
  return await follow(options, id, {
    isDone: ({ leases }) => leases === 0,
    progress: ({ leases }) => `${counted(leases, 'lease')} left`,
    done: `node ${id} leads nothing: it can be stopped`,
  });
}

async function decommission(options: ParsedOptions): Promise<number> {
  const id = wholeNumber(NODE.name, options.argument, 1, NODES_MAX);
  const undo = options.flag('undo');
  await decommissionNode(addressOf(options), id, undo, callsOf(options));
  if (undo) return done(`node ${id} stays`);
  return await follow(options, id, {
    isDone: ({ state }) => state === 'decommissioned',
    progress: ({ replicas, leases }) =>
      `${counted(replicas, 'replica')} left, ${counted(leases, 'lease')}`,
    done: `node ${id} has nothing any more: stop it, and remove its data directory`,
  });
}

async function check(options: ParsedOptions): Promise<number> {
  const { ranges, replicas, rows, wrong } = await checkAll(
    addressOf(options),
    callsOf(options),
    (text) => process.stdout.write(`${text}\n`),
  );
  for (const line of wrong) process.stderr.write(`${line}\n`);
  const text = `${counted(replicas, 'replica')} of ${counted(ranges, 'range')} with ${counted(rows, 'row')} compared`;
  return done(wrong.length === 0 ? `${text}: all equal` : text, wrong.length === 0);
}

interface Following {
  isDone(standing: NodeStanding): boolean;
  progress(standing: NodeStanding): string;
  readonly done: string;
}

/** Says how far it is, as often as that changes. */
async function follow(options: ParsedOptions, id: number, what: Following): Promise<number> {
  const seconds = options.whole('wait', 0, 86_400) ?? DEFAULT_WAIT_SECONDS;
  if (seconds === 0) return done(`node ${id} was told`);
  const { time, timers } = runtime();
  const end = time.monotonicMicros() + seconds * SECOND;
  let said = '';
  for (;;) {
    const nodes = await listNodes(addressOf(options), callsOf(options));
    const standing = nodes.find(({ nodeId }) => nodeId === id);
    if (standing === undefined) throw new Error(`there is no node ${id}`);
    if (what.isDone(standing)) return done(what.done);
    const progress = what.progress(standing);
    if (progress !== said) process.stdout.write(`${progress}\n`);
    said = progress;
    if (time.monotonicMicros() > end) {
      process.stderr.write(
        `node ${id} is not through after ${seconds} s; it goes on. Its log, and those of the others, say what is in the way.\n`,
      );
      return EXIT_FAILED;
    }
    await new Promise<void>((resolve) => void timers.after(LOOK_MICROS, resolve));
  }
}

let made: Runtime | undefined;

function runtime(): Runtime {
  made ??= createNodeRuntime({ logLevel: 'error' });
  return made;
}

function callsOf(options: ParsedOptions): CallOptions {
  return { timers: runtime().timers, tls: certificates(options) };
}

function addressOf(options: ParsedOptions): string {
  const text = options.text('rpc') ?? formatAddress(DEFAULT_RPC);
  try {
    return formatAddress(parseAddress(text));
  } catch (error) {
    throw new UsageError(`--rpc: ${(error as Error).message}`);
  }
}

function counted(count: number | undefined, noun: string): string {
  if (count === undefined) return `an unknown number of ${noun}s`;
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function done(text: string, isWell = true): number {
  process.stdout.write(`${text}\n`);
  return isWell ? EXIT_DONE : EXIT_FAILED;
}
