// What a workload is: SQL clients that know what must be true of the answers that they get, while they work and after
// every restart. Each workload keeps to tables of its own; driver.ts runs them all at once against one node.

import { DbError } from '../../base/errors.ts';
import type { QueryResult, QueryValue } from '../../node/embedded.ts';
import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';

/** A session of a node, or a client that is connected to one. */
export interface SqlConnection {
  /** Throws DbError. */
  query(text: string, values?: readonly QueryValue[]): Promise<QueryResult>;
}

/** SQLSTATE of who was cut off, and does not know what became of the last statement. */
export const CONNECTION_LOST = '08006';

export interface Workload {
  readonly name: string;
  /** Idempotent: a crash may come in the middle, and then it is called again. */
  setUp(session: SqlConnection): Promise<void>;
  /** One operation of a writer. Throws Violation when an answer can't be right, and what the node throws. */
  write(session: SqlConnection, client: number, random: SeededRandom): Promise<void>;
  /** One operation of a reader; the same. */
  read(session: SqlConnection, random: SeededRandom): Promise<void>;
  /** With nobody else at work, after a restart. */
  verify(session: SqlConnection): Promise<void>;
}

/** Aborts, unknown outcomes, tables that somebody changes, and a node that stops, are part of life. */
const WRITE_ERRORS: ReadonlySet<string> = new Set([
  CONNECTION_LOST,
  '40001',
  '40003',
  '53100',
  '57P01',
  '57P03',
  '58030',
  '53000',
  '55P03',
]);
/** Reads go on while the disk is full. */
const READ_ERRORS: ReadonlySet<string> = new Set([
  CONNECTION_LOST,
  '40001',
  '57P01',
  '57P03',
  '58030',
  '55P03',
]);

export function isExpectedOfWrites(error: unknown): error is DbError {
  return error instanceof DbError && WRITE_ERRORS.has(error.code);
}

export function isExpectedOfReads(error: unknown): error is DbError {
  return error instanceof DbError && READ_ERRORS.has(error.code);
}

/** Several statements in one transaction; rolled back when one fails. */
export async function inTransaction<T>(
  session: SqlConnection,
  begin: string,
  body: () => Promise<T>,
): Promise<T> {
  await session.query(begin);
  let result: T;
  try {
    result = await body();
  } catch (error) {
    if (!isOver(error)) await session.query('ROLLBACK');
    throw error;
  }
  await session.query('COMMIT');
  return result;
}

/** The transaction is, with its session. */
function isOver(error: unknown): boolean {
  return error instanceof DbError && error.code === CONNECTION_LOST;
}

export async function numberOf(
  session: SqlConnection,
  text: string,
  values: readonly number[] = [],
): Promise<number> {
  const { rows } = await session.query(text, values);
  const row = rows[0];
  demand(row !== undefined, `no row for ${text} with ${values.join(', ')}`);
  return Number(Object.values(row as Record<string, unknown>)[0]);
}
