// What the catalog answers beside descriptors.

import { DbError } from '../../base/errors.ts';
import type { Name } from '../parse/ast.ts';

/** Another session's DDL has the table. Whoever can start over waits for its end and does; others report it. */
export class SchemaBusyError extends DbError {
  /** Resolves when the DDL's transaction is over; rejects with a DbError 55P03 after a bounded time. */
  readonly whenFree: () => Promise<void>;

  constructor(table: string, whenFree: () => Promise<void>) {
    super('55P03', `relation "${table}" is being changed by another session`, {
      hint: 'Try again when that transaction is over.',
      table,
    });
    this.whenFree = whenFree;
  }
}

export function relationExists(name: string): DbError {
  return new DbError('42P07', `relation "${name}" already exists`);
}

export function relationMissing(name: Name): DbError {
  const shown = name.schema === undefined ? name.name : `${name.schema}.${name.name}`;
  return new DbError('42P01', `relation "${shown}" does not exist`).at(
    name.at < 0 ? undefined : name.at + 1,
  );
}

export function changedConcurrently(table: string): DbError {
  return new DbError('40001', `relation "${table}" was changed by another transaction`, {
    hint: 'Try again.',
  });
}

export function leaseLost(): DbError {
  return new DbError('40001', 'this node has lost its lease on the schema', {
    hint: 'Retry the transaction.',
  });
}

/** What passes while a range changes its leader, or its disk is full. */
const PASSING: ReadonlySet<string> = new Set(['57P03', '40001', '40003', '53100']);

export function isPassing(error: unknown): boolean {
  return error instanceof DbError && PASSING.has(error.code);
}
