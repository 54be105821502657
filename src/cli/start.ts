// `meridian start`: one node as a process. Prints how to connect; Ctrl-C and SIGTERM stop it cleanly.

import {
  defaultConfig,
  DEFAULT_CACHE_BYTES,
  DEFAULT_HTTP,
  DEFAULT_MIN_FREE_BYTES,
  DEFAULT_RPC,
  DEFAULT_SQL,
  formatAddress,
  parseAddress,
} from '../node/config.ts';
import { startNode } from '../node/server.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import { type CommandSpec, EXIT_DONE, EXIT_FAILED, parseOptions, UsageError } from './usage.ts';

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
      help: `node to node (default ${formatAddress(DEFAULT_RPC)}); nothing listens there yet`,
    },
    http: {
      value: 'HOST:PORT',
      help: `/health and /metrics (default ${formatAddress(DEFAULT_HTTP)})`,
    },
    clock: {
      value: 'SOURCE',
      help: 'system, or fixed:MICROS for a half-width of its own (default system)',
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
  notes: 'Addresses other than loopback are refused until there is authentication.',
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
      sql: address('sql', DEFAULT_SQL),
      rpc: address('rpc', DEFAULT_RPC),
      http: address('http', DEFAULT_HTTP),
      shards,
      cacheBytes: (options.whole('cache-mb', 1, 65_536) ?? DEFAULT_CACHE_BYTES / MIB) * MIB,
      minFreeBytes:
        (options.whole('min-free-mb', 0, 1_048_576) ?? DEFAULT_MIN_FREE_BYTES / MIB) * MIB,
    },
    (error) => failed(error),
  );
  process.stdout.write(
    `Meridian is ready. Data in ${dataDirectory}.

  psql postgres://root@${formatAddress(node.sql)}/defaultdb
  npx meridian sql --url postgres://root@${formatAddress(node.sql)}/defaultdb
  http://${formatAddress(node.http)}/health   http://${formatAddress(node.http)}/metrics

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
