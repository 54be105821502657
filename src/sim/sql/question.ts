// What clients ask of a database whose history is judged: one transaction at a time. A workload makes up questions; what
// is asked and answered goes into a history, which the checker of its kind judges (checkers/history).

import { DbError } from '../../base/errors.ts';
import type { Workload } from '../checkers/history/check-history.ts';
import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';
import { CONNECTION_LOST, type SqlConnection } from '../workloads/workload.ts';

export interface Question {
  readonly f: string;
  readonly value: unknown;
  /** It is about a moment so long ago; left out: about the present. */
  readonly agoMicros?: number;
  /** Resolves with what was answered. Throws NotCommitted, or DbError when it may have committed. */
  run(sql: SqlConnection): Promise<unknown>;
}

export interface Present {
  readonly trueMicros: number;
  /** All tables and their first rows have been there for so long. */
  readonly pastMicros: number;
}

export interface HistoryWorkload {
  readonly name: Workload;
  /** Of a bank. */
  readonly total?: number;
  /** Tables that it keeps its rows in. */
  readonly tables: readonly string[];
  /** Idempotent. */
  setUp(sql: SqlConnection): Promise<void>;
  next(random: SeededRandom, now: Present): Question;
  /** Everything, as it is in the end; undefined: there is nothing to be learned from that. */
  last(): Question | undefined;
}

/** It surely did not happen: COMMIT was never asked for. */
export class NotCommitted extends Error {
  override readonly name = 'NotCommitted';
  override readonly cause: DbError;

  constructor(cause: DbError) {
    super(cause.message);
    this.cause = cause;
  }
}

/** The client does not want it after all. */
export class ChangedItsMind extends DbError {
  constructor() {
    super('P0001', 'the client changed its mind');
  }
}

export async function inBlock<T>(
  sql: SqlConnection,
  begin: string,
  body: () => Promise<T>,
): Promise<T> {
  let result: T;
  try {
    await sql.query(begin);
    result = await body();
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    if (error.code !== CONNECTION_LOST) await sql.query('ROLLBACK').catch(onlyDbErrors);
    throw new NotCommitted(error);
  }
  const { command } = await sql.query('COMMIT');
  demand(command === 'COMMIT', `COMMIT was answered by ${command}`);
  return result;
}

function onlyDbErrors(error: unknown): void {
  if (!(error instanceof DbError)) throw error;
}

const PAST_MICROS_MAX = 3_000_000;

/** How a block of reads begins: one in a few is about the past. */
export interface Look {
  readonly begin: string;
  readonly agoMicros?: number;
}

export function someLook(random: SeededRandom, { trueMicros, pastMicros }: Present): Look {
  switch (random.below(5)) {
    case 0:
      return { begin: 'BEGIN' };
    case 1: {
      const most = Math.min(pastMicros, random.oneIn(2) ? PAST_MICROS_MAX : PAST_MICROS_MAX / 10);
      const agoMicros = random.below(most + 1);
      return { begin: `BEGIN AS OF SYSTEM TIME '${trueMicros - agoMicros}'`, agoMicros };
    }
    default:
      return { begin: 'BEGIN READ ONLY' };
  }
}

/** Of a question about such a look. */
export function ofLook({ agoMicros }: Look): { readonly agoMicros?: number } {
  return agoMicros === undefined ? {} : { agoMicros };
}
