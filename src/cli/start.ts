// `meridian start`: one node as a process. Prints how to connect; Ctrl-C and SIGTERM stop it cleanly.

import {
  DEFAULT_CACHE_BYTES,
  DEFAULT_HTTP,
  DEFAULT_MIN_FREE_BYTES,
  DEFAULT_RPC,
  DEFAULT_SQL,
  defaultConfig,
  formatAddress,
  parseAddress,
} from '../node/config.ts';
import { formatLocality, parseLocality } from '../node/placement/locality.ts';
import { startNode } from '../node/server.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import { certificates } from './certificates.ts';
import {
  type CommandSpec,
  EXIT_DONE,
  EXIT_FAILED,
  type ParsedOptions,
  parseOptions,
  UsageError,
} from './usage.ts';

const MIB = 1024 * 1024;

const SPEC: CommandSpec = {
  name: 'meridian start',
  summary: 'run a node until Ctrl-C or SIGTERM',
  options: {
    data: { value: 'DIR', help: 'where the data is; made when it is missing (required)' },
    sql: {
      value: 'HOST:PORT',
      help: `PostgreSQL's protocol (default ${formatAddress(DEFAULT_SQL)})`,
    },
    rpc: {
      value: 'HOST:PORT',
      help: `node to node, and gRPC clients (default ${formatAddress(DEFAULT_RPC)})`,
    },
    join: {
      value: 'HOST:PORT,...',
      help: "--rpc addresses of the cluster's first nodes, this one's too; a new node waits for 'meridian init', or joins the cluster that it finds there",
    },
    locality: {
      value: 'LABELS',
      help: 'where the node is, the widest first: region=eu,zone=a; replicas are spread by it',
    },
    http: {
      value: 'HOST:PORT',
      help: `/health and /metrics (default ${formatAddress(DEFAULT_HTTP)})`,
    },
    'tls-ca': { value: 'FILE', help: 'PEM: whose certificates other nodes must have' },
    'tls-cert': {
      value: 'FILE',
      help: "PEM: this node's certificate (DNS name node-ID or meridian-node)",
    },
    'tls-key': { value: 'FILE', help: 'PEM: its key' },
    clock: {
      value: 'SOURCE',
      help: 'where true time comes from: system; fixed:MICROS, a half-width; chrony[:SECONDS], which asks chronyd so often; or clockbound[:PATH] (default system)',
    },
    shards: {
      value: 'N',
      help: 'storage threads, fixed at the first start; 0 runs storage on the main thread (default 1)',
    },
    'cache-mb': {
      value: 'N',
      help: `MiB for the hot-row cache (default ${DEFAULT_CACHE_BYTES / MIB})`,
    },
    'min-free-mb': {
      value: 'N',
      help: `refuse writes when fewer MiB are free on the disk (default ${DEFAULT_MIN_FREE_BYTES / MIB})`,
    },
    'log-level': { value: 'LEVEL', help: 'info, warn or error (default info)' },
  },
  notes:
    'SQL and HTTP are served on loopback only until clients can be authenticated; --rpc elsewhere with --tls-… only.',
};

export async function start(args: readonly string[]): Promise<number> {
  const options = parseOptions(SPEC, args);
  const dataDirectory = options.text('data');
  if (dataDirectory === undefined) throw new UsageError('--data DIR is wanted: where the data is');
  const level = options.text('log-level') ?? 'info';
  if (level !== 'info' && level !== 'warn' && level !== 'error') {
    throw new UsageError(`--log-level is info, warn or error, not '${level}'`);
  }
  const address = (
    name: 'sql' | 'rpc' | 'http',
    otherwise: typeof DEFAULT_SQL,
  ): typeof DEFAULT_SQL => {
    const text = options.text(name);
    try {
      return text === undefined ? otherwise : parseAddress(text);
    } catch (error) {
      throw new UsageError(`--${name}: ${(error as Error).message}`);
    }
  };
  const join = joinList(options);
  const locality = localityOf(options);
  const tls = certificates(options);
  const sql = address('sql', DEFAULT_SQL);
  if (join.length > 0 && sql.port === 0) {
    throw new UsageError('--join wants a --sql port of its own: the other nodes are told of it');
  }
  const shards = options.whole('shards', 0, 64) ?? 1;
  const runtime = createNodeRuntime({
    clock: options.text('clock') ?? 'system',
    logLevel: level,
    threads: shards === 0 ? 'inline' : 'real',
  });
  let failure: Error | undefined;
  const stopped = new Promise<void>((resolve) => {
    const stop = (): void => {
      // A second signal does not wait.
      process.once('SIGINT', () => process.exit(130));
      process.once('SIGTERM', () => process.exit(143));
      resolve();
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  });
  let failed: (error: Error) => void = () => undefined;
  const broken = new Promise<void>((resolve) => {
    failed = (error) => {
      failure ??= error;
      resolve();
    };
  });
  const node = await startNode(
    runtime,
    {
      ...defaultConfig(dataDirectory),
      sql,
      rpc: address('rpc', DEFAULT_RPC),
      http: address('http', DEFAULT_HTTP),
      shards,
      cacheBytes: (options.whole('cache-mb', 1, 65_536) ?? DEFAULT_CACHE_BYTES / MIB) * MIB,
      minFreeBytes:
        (options.whole('min-free-mb', 0, 1_048_576) ?? DEFAULT_MIN_FREE_BYTES / MIB) * MIB,
    },
    {
      join,
      locality,
      tls,
      broken: (error) => failed(error),
      waits: (rpc) => {
        process.stdout.write(
          `This node waits to become part of a cluster. It joins the one of --join when there is one. To make a new one, when all
its nodes are started:

  npx meridian init --rpc ${formatAddress(rpc)}

Ctrl-C stops it.
`,
        );
      },
      stopped,
    },
  );
  if (node === undefined) return EXIT_DONE;
  process.stdout.write(
    `Meridian is ready. Data in ${dataDirectory}.

  psql postgres://root@${formatAddress(node.sql)}/defaultdb
  npx meridian sql --url postgres://root@${formatAddress(node.sql)}/defaultdb
  http://${formatAddress(node.http)}/health   http://${formatAddress(node.http)}/metrics
${membersText(node.database.nodeId, node.database.members.length)}
Ctrl-C stops it.
`,
  );
  await Promise.race([stopped, broken]);
  if (failure !== undefined) {
    runtime.log.error('the node stops: it can not go on safely', { error: failure.message });
    process.stderr.write(`${failure.stack ?? failure.message}\n`);
    // What is in memory can't be trusted: nothing is written on the way out, the log has what was acknowledged.
    process.exit(EXIT_FAILED);
  }
  await node.stop();
  return EXIT_DONE;
}

function membersText(nodeId: number, members: number): string {
  if (members <= 1) return '';
  return `\nNode ${nodeId} of a cluster of ${members} nodes. Each of them serves SQL.\n`;
}

function localityOf(options: ParsedOptions): string {
  try {
    return formatLocality(parseLocality(options.text('locality') ?? ''));
  } catch (error) {
    throw new UsageError(`--locality: ${(error as Error).message}`);
  }
}

function joinList(options: ParsedOptions): readonly string[] {
  const text = options.text('join');
  if (text === undefined) return [];
  return text.split(',').map((part) => {
    try {
      return formatAddress(parseAddress(part.trim()));
    } catch (error) {
      throw new UsageError(`--join: ${(error as Error).message}`);
    }
  });
}
