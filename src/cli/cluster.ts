// `meridian cluster`: nodes on this machine, as processes of their own, to try things with.

import {
  LocalCluster,
  type LocalClusterRuntime,
  type LocalNodeStatus,
  planNodes,
} from '../node/local-cluster.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import { statusTable } from './cluster-status.ts';
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

const DEFAULT_DIRECTORY = './meridian-cluster';
const DEFAULT_BASE_PORT = 7432;
const NODES_MAX = 9;

const DIR: OptionSpec = {
  value: 'DIR',
  help: `where data, logs and cluster.json are (default ${DEFAULT_DIRECTORY})`,
};
const NODE = { name: 'N', help: 'which node: 1, 2, ...' };

interface Action {
  readonly spec: CommandSpec;
  run(options: ParsedOptions): Promise<number>;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  start: {
    spec: {
      name: 'meridian cluster start',
      summary: 'start a cluster on this machine; a directory that has one starts it again',
      options: {
        nodes: { value: 'N', help: 'how many, 1 to 9 (default 3)' },
        'base-port': {
          value: 'PORT',
          help: `SQL of node 1, then RPC and HTTP; 10 more for each further node (default ${DEFAULT_BASE_PORT})`,
        },
        dir: DIR,
      },
    },
    run: start,
  },
  stop: {
    spec: {
      name: 'meridian cluster stop',
      summary: 'stop all nodes in order',
      options: { dir: DIR },
    },
    run: async (options) => {
      const cluster = await existing(options);
      const killed = await cluster.stop();
      say(`stopped ${cluster.nodes.length} nodes`);
      if (killed === 0) return EXIT_DONE;
      process.stderr.write(`${killed} of them did not stop in time and were killed\n`);
      return EXIT_FAILED;
    },
  },
  status: {
    spec: {
      name: 'meridian cluster status',
      summary: 'what each node is and does',
      options: { dir: DIR },
    },
    run: async (options) => {
      process.stdout.write(statusTable(await (await existing(options)).status()));
      return EXIT_DONE;
    },
  },
  kill: {
    spec: {
      name: 'meridian cluster kill',
      summary: 'end a node at once (SIGKILL)',
      options: { dir: DIR },
      argument: NODE,
    },
    run: async (options) => {
      const [cluster, node] = await existingNode(options);
      await cluster.kill(node);
      return done(`killed node ${node}`);
    },
  },
  pause: {
    spec: {
      name: 'meridian cluster pause',
      summary: 'let a node hang (SIGSTOP)',
      options: {
        continue: { value: undefined, help: 'let it go on' },
        dir: DIR,
      },
      argument: NODE,
    },
    run: async (options) => {
      const [cluster, node] = await existingNode(options);
      if (options.flag('continue')) {
        await cluster.resume(node);
        return done(`node ${node} goes on`);
      }
      await cluster.pause(node);
      return done(`paused node ${node}; 'meridian cluster pause --continue ${node}' ends it`);
    },
  },
  restart: {
    spec: {
      name: 'meridian cluster restart',
      summary: 'start a node that is gone, go on with a paused one, stop and start a running one',
      options: { dir: DIR },
      argument: NODE,
    },
    run: async (options) => {
      const [cluster, node] = await existingNode(options);
      await cluster.restart(node);
      return done(`node ${node} runs`);
    },
  },
};

const HELP = `meridian cluster: nodes on this machine, as processes of their own

${Object.entries(ACTIONS)
  .map(([name, { spec }]) => `  meridian cluster ${name.padEnd(8)} ${spec.summary}`)
  .join('\n')}

'meridian cluster COMMAND --help' tells a command's options.
`;

export async function cluster(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h') {
    process.stdout.write(HELP);
    return name === undefined ? EXIT_USAGE : EXIT_DONE;
  }
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw new UsageError(`there is no command 'cluster ${name}'`);
  return await action.run(parseOptions(action.spec, rest));
}

async function start(options: ParsedOptions): Promise<number> {
  const runtime = clusterRuntime();
  const directory = options.text('dir') ?? DEFAULT_DIRECTORY;
  const nodes = options.whole('nodes', 1, NODES_MAX);
  const basePort = options.whole('base-port', 1, 65_535 - 10 * NODES_MAX);
  let cluster = await LocalCluster.open(runtime, directory);
  if (cluster === undefined) {
    cluster = await LocalCluster.create(
      runtime,
      directory,
      planNodes(nodes ?? 3, basePort ?? DEFAULT_BASE_PORT),
    );
  } else {
    requireSame(cluster, nodes, basePort);
  }
  await cluster.start(say);
  const status = await cluster.status();
  process.stdout.write(`${statusTable(status)}\n${connectText(status)}`);
  return EXIT_DONE;
}

/** A cluster is what it was when it was made. */
function requireSame(
  cluster: LocalCluster,
  nodes: number | undefined,
  basePort: number | undefined,
): void {
  const planned = planNodes(nodes ?? cluster.nodes.length, basePort ?? DEFAULT_BASE_PORT);
  const isOther =
    planned.length !== cluster.nodes.length ||
    (basePort !== undefined && planned[0]?.sql !== cluster.nodes[0]?.sql);
  if (!isOther) return;
  throw new UsageError(
    `${cluster.directory} has a cluster of ${cluster.nodes.length} nodes, the first at ${cluster.nodes[0]?.sql}: leave --nodes and --base-port out, or take another --dir`,
  );
}

function connectText(status: readonly LocalNodeStatus[]): string {
  const serving = status.filter((one) => one.status?.isServing === true).map(({ node }) => node);
  const [first] = serving;
  if (first === undefined) return 'No node serves SQL at the moment.\n';
  const url = `postgres://root@${first.sql}/defaultdb`;
  const ids = serving.map(({ nodeId }) => nodeId).join(', ');
  return `SQL is served by node${serving.length === 1 ? '' : 's'} ${ids}. Connect to node ${first.nodeId}, for example:

  psql ${url}
  npx meridian sql --url ${url}
`;
}

function clusterRuntime(): LocalClusterRuntime {
  return createNodeRuntime({ logLevel: 'error' });
}

async function existing(options: ParsedOptions): Promise<LocalCluster> {
  const directory = options.text('dir') ?? DEFAULT_DIRECTORY;
  const cluster = await LocalCluster.open(clusterRuntime(), directory);
  if (cluster !== undefined) return cluster;
  throw new Error(
    `there is no cluster in ${directory}; 'meridian cluster start --dir ${directory}' makes one`,
  );
}

async function existingNode(options: ParsedOptions): Promise<readonly [LocalCluster, number]> {
  const node = wholeNumber('N', options.argument, 1, NODES_MAX);
  return [await existing(options), node];
}

function done(text: string): number {
  say(text);
  return EXIT_DONE;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
