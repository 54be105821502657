// The public API: a database inside this program that other programs can reach, too; and a cluster of processes beside
// it, to try out what happens when nodes go.

import { DbError } from './base/errors.ts';
import { EmbeddedSession, type QueryResult, type QueryValue } from './node/embedded.ts';
import { defaultConfig, formatAddress } from './node/config.ts';
import { LocalCluster, type LocalNodeStatus, planNodes } from './node/local-cluster.ts';
import { startNode } from './node/server.ts';
import { createNodeRuntime } from './runtime/node/node-runtime.ts';

export { DbError } from './base/errors.ts';
export type { QueryResult, QueryValue } from './node/embedded.ts';
export type { LocalNodeStatus } from './node/local-cluster.ts';

export interface OpenOptions {
  /** Where the data is; made when it is missing. */
  readonly data: string;
  /** PostgreSQL's protocol on this port of 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  /** /health and /metrics likewise. */
  readonly httpPort?: number;
  /** MiB for the hot-row cache; 128 unless told. */
  readonly cacheMegabytes?: number;
  readonly logLevel?: 'info' | 'warn' | 'error';
  /** The node can't go on safely and should be closed; by default the process ends. */
  readonly onBroken?: (error: Error) => void;
}

export interface OpenDatabase {
  /** postgres://root@127.0.0.1:PORT/defaultdb */
  readonly url: string;
  /** One statement in a transaction of its own. */
  query(text: string, values?: readonly QueryValue[]): Promise<QueryResult>;
  /** A client of its own, for transactions: BEGIN … COMMIT. Close it. */
  session(): EmbeddedSession;
  close(): Promise<void>;
}

export async function open(options: OpenOptions): Promise<OpenDatabase> {
  const config = defaultConfig(options.data);
  const cacheBytes =
    options.cacheMegabytes === undefined ? config.cacheBytes : options.cacheMegabytes * 1024 * 1024;
  const node = await startNode(
    createNodeRuntime({ logLevel: options.logLevel ?? 'warn' }),
    {
      ...config,
      sql: { host: '127.0.0.1', port: options.port ?? 0 },
      rpc: { host: '127.0.0.1', port: 0 },
      http: { host: '127.0.0.1', port: options.httpPort ?? 0 },
      cacheBytes,
    },
    {
      broken:
        options.onBroken ??
        ((error) => {
          process.stderr.write(`meridian: ${error.stack ?? error.message}\n`);
          process.exit(1);
        }),
    },
  );
  // Only a node with others to join waits, and can be stopped in that.
  if (node === undefined) throw new Error('the database was stopped while it was opened');
  const sessions = new Set<EmbeddedSession>();
  // A few sessions serve query(): each runs one statement at a time.
  const idle: EmbeddedSession[] = [];
  const openSession = (): EmbeddedSession => {
    const session = new EmbeddedSession(node.database.sql);
    sessions.add(session);
    return session;
  };
  return {
    url: `postgres://root@${formatAddress(node.sql)}/defaultdb`,
    query: async (text, values) => {
      const session = idle.pop() ?? openSession();
      try {
        return await session.query(text, values);
      } finally {
        idle.push(session);
      }
    },
    session: openSession,
    close: async () => {
      for (const session of sessions) await session.close();
      await node.stop();
    },
  };
}

export interface ClusterOptions {
  /** Where data, logs and cluster.json are; made when it is missing. What is there is started again. */
  readonly directory: string;
  /** 3 unless told, 1 to 9. */
  readonly nodes?: number;
  /** SQL of node 1, then RPC and HTTP; 10 more for each further node. 7432 unless told. */
  readonly basePort?: number;
}

/** As `meridian cluster`: its nodes are processes that go on when this one ends. */
export interface Cluster {
  /** Of a node that serves SQL now; DbError when none does. */
  url(): Promise<string>;
  status(): Promise<readonly LocalNodeStatus[]>;
  /** SIGKILL. */
  kill(node: number): Promise<void>;
  /** SIGSTOP. */
  pause(node: number): Promise<void>;
  resume(node: number): Promise<void>;
  /** Resolves when it runs. */
  restart(node: number): Promise<void>;
  stop(): Promise<void>;
}

/** Resolves when all nodes serve, and every range has a leader. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const runtime = createNodeRuntime({ logLevel: 'warn' });
  const { directory, nodes = 3, basePort = 7432 } = options;
  const found = await LocalCluster.open(runtime, directory);
  const planned = planNodes(nodes, basePort);
  const cluster = found ?? (await LocalCluster.create(runtime, directory, planned));
  await cluster.start(() => {});
  return {
    url: async () => {
      const serving = (await cluster.status()).find((one) => one.status?.isServing === true);
      if (serving !== undefined) return `postgres://root@${serving.node.sql}/defaultdb`;
      throw new DbError('57P03', 'no node serves SQL at the moment', { hint: 'Try again.' });
    },
    status: () => cluster.status(),
    kill: (node) => cluster.kill(node),
    pause: (node) => cluster.pause(node),
    resume: (node) => cluster.resume(node),
    restart: (node) => cluster.restart(node),
    stop: async () => {
      await cluster.stop();
    },
  };
}
