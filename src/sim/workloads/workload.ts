// What a workload is: SQL clients that know what must be true of the answers that they get, while they work and after
// every restart. Each workload keeps to tables of its own; driver.ts runs them all at once.

import { DbError } from '../../base/errors.ts';
import type { EmbeddedSession } from '../../node/embedded.ts';
import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';

export interface Workload {
  readonly name: string;
  /** Idempotent: a crash may come in the middle, and then it is called again. */
  setUp(session: EmbeddedSession): Promise<void>;
  /** One operation of a writer. Throws Violation when an answer can't be right, and what the node throws. */
  write(session: EmbeddedSession, client: number, random: SeededRandom): Promise<void>;
  /** One operation of a reader; the same. */
  read(session: EmbeddedSession, random: SeededRandom): Promise<void>;
  /** With nobody else at work, after a restart. */
  verify(session: EmbeddedSession): Promise<void>;
}

/** Aborts, unknown outcomes, tables that somebody changes, and a node that stops, are part of life. */
const WRITE_ERRORS: ReadonlySet<string> = new Set([
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
const READ_ERRORS: ReadonlySet<string> = new Set(['40001', '57P01', '57P03', '58030', '55P03']);

export function isExpectedOfWrites(error: unknown): error is DbError {
  return error instanceof DbError && WRITE_ERRORS.has(error.code);
}

export function isExpectedOfReads(error: unknown): error is DbError {
  return error instanceof DbError && READ_ERRORS.has(error.code);
}

/** Several statements in one transaction; rolled back when one fails. */
export async function inTransaction<T>(
  session: EmbeddedSession,
  begin: string,
  body: () => Promise<T>,
): Promise<T> {
  await session.query(begin);
  let result: T;
  try {
    result = await body();
  } catch (error) {
    await session.query('ROLLBACK');
    throw error;
  }
  await session.query('COMMIT');
  return result;
}

export async function numberOf(
  session: EmbeddedSession,
  text: string,
  values: readonly number[] = [],
): Promise<number> {
  const { rows } = await session.query(text, values);
  const row = rows[0];
  demand(row !== undefined, `no row for ${text} with ${values.join(', ')}`);
  return Number(Object.values(row as Record<string, unknown>)[0]);
}
