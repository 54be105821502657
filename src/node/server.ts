// A node with its doors: the database (database.ts) behind SQL and HTTP.

import { type HttpServer, type Metric, startHttp } from '../doors/http/server.ts';
import { type PgWireServer, startPgWire } from '../doors/pgwire/server.ts';
import { AssertionError } from '../base/assert.ts';
import { shardWorkerEntry } from '../storage/shard-entry.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Address, type NodeConfig, requireLoopback } from './config.ts';
import { type Database, openDatabase } from './database.ts';

export interface RunningNode {
  readonly sql: Address;
  readonly http: Address;
  readonly database: Database;
  /** Clients are told, what was acknowledged is on disk, everything is closed. */
  stop(): Promise<void>;
}

/** `broken` is called at most once, when the node can't go on safely. */
export async function startNode(
  runtime: Runtime,
  config: NodeConfig,
  broken: (error: Error) => void,
): Promise<RunningNode> {
  requireLoopback(config);
  const database = await openDatabase(runtime, config, { shardEntry: shardWorkerEntry, broken });
  let pgwire: PgWireServer | undefined;
  let http: HttpServer | undefined;
  try {
    pgwire = await startPgWire({
      host: config.sql.host,
      port: config.sql.port,
      sql: database.sql,
      random: runtime.random,
      timers: runtime.timers,
      broken: (error) => {
        runtime.log.error('internal error', {
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
        if (error instanceof AssertionError) broken(error);
      },
    });
    const wire = pgwire;
    http = await startHttp({
      host: config.http.host,
      port: config.http.port,
      health: () => database.health(),
      metrics: async (): Promise<readonly Metric[]> => [
        ...(await database.metrics()),
        {
          name: 'sql_connections',
          help: 'Open client connections.',
          type: 'gauge',
          value: wire.connectionCount,
        },
      ],
    });
  } catch (error) {
    await pgwire?.close();
    await database.close();
    throw explain(error, config);
  }
  const doors = { pgwire, http };
  return {
    sql: { host: config.sql.host, port: doors.pgwire.port },
    http: { host: config.http.host, port: doors.http.port },
    database,
    stop: async () => {
      runtime.log.info('stopping');
      await doors.http.close();
      await doors.pgwire.close();
      await database.close();
      runtime.log.info('stopped');
    },
  };
}

function explain(error: unknown, config: NodeConfig): unknown {
  const { code, port, address } = error as { code?: string; port?: number; address?: string };
  if (code === 'EADDRINUSE') {
    const option = port === config.sql.port ? '--sql' : '--http';
    return new Error(
      `${address}:${port} is in use by another program; choose another with ${option} HOST:PORT`,
    );
  }
  if (code === 'EACCES') return new Error(`no permission to listen at ${address}:${port}`);
  return error;
}
