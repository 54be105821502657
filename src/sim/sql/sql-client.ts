// A client of SQL in a simulated cluster: it connects to one node or another, and its statements take time on their way.
// When the node ends, or the client loses patience, its connection is lost, and with it what it knows of its transaction.

import { DbError } from '../../base/errors.ts';
import { EmbeddedSession, type QueryResult, type QueryValue } from '../../node/embedded.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { DatabaseNode } from '../cluster/database-node.ts';
import type { SeededRandom } from '../random.ts';
import { CONNECTION_LOST, type SqlConnection } from '../workloads/workload.ts';

const SECOND = 1_000_000;
/** Most clients wait for long, some do not. */
const PATIENCE_MICROS_MAX = 10 * SECOND;

/** After these somebody else is asked. */
const NODE_IS_LEAVING: ReadonlySet<string> = new Set(['57P01', '57P03']);

interface Connection {
  readonly node: number;
  readonly server: DatabaseNode;
  readonly session: EmbeddedSession;
}

type Reply = { readonly result: QueryResult } | { readonly error: DbError };

export class SqlClient implements SqlConnection {
  readonly #cluster: Cluster<DatabaseNode>;
  readonly #random: SeededRandom;
  /** Always this one. */
  readonly #only: number | undefined;
  #connection: Connection | undefined;

  constructor(cluster: Cluster<DatabaseNode>, random: SeededRandom, only?: number) {
    this.#cluster = cluster;
    this.#random = random;
    this.#only = only;
  }

  async query(text: string, values: readonly QueryValue[] = []): Promise<QueryResult> {
    this.#connection ??= await this.#connect();
    const { node, server, session } = this.#connection;
    const patienceMicros = SECOND / 2 + this.#random.below(PATIENCE_MICROS_MAX);
    const reply = await this.#cluster.ask(
      node,
      async (one): Promise<Reply | undefined> =>
        one === server ? await replyOf(session, text, values) : undefined,
      patienceMicros,
    );
    if (reply === undefined || 'kind' in reply) {
      this.leave();
      throw lost();
    }
    if ('result' in reply) return reply.result;
    if (NODE_IS_LEAVING.has(reply.error.code)) this.leave();
    throw reply.error;
  }

  /** As one whose connection breaks. */
  leave(): void {
    // On a node that is gone nobody hears it.
    void this.#connection?.session.close();
    this.#connection = undefined;
  }

  async #connect(): Promise<Connection> {
    const node = this.#only ?? 1 + this.#random.below(this.#cluster.seats.length);
    const opened = await this.#cluster.ask(node, (server) => Promise.resolve(open(server)));
    if ('kind' in opened) throw lost();
    if ('error' in opened) throw opened.error;
    return { node, ...opened };
  }
}

/** A node refuses while it does not serve SQL. */
function open(server: DatabaseNode): Omit<Connection, 'node'> | { readonly error: DbError } {
  try {
    return { server, session: new EmbeddedSession(server.database.sql) };
  } catch (error) {
    if (error instanceof DbError) return { error };
    throw error;
  }
}

async function replyOf(
  session: EmbeddedSession,
  text: string,
  values: readonly QueryValue[],
): Promise<Reply> {
  try {
    return { result: await session.query(text, values) };
  } catch (error) {
    if (error instanceof DbError) return { error };
    throw error;
  }
}

function lost(): DbError {
  return new DbError(CONNECTION_LOST, 'the connection to the node was lost');
}
