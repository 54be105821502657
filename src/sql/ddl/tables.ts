// What all schema changes do with tables: find them whoever else may be changing them, have them alone, and get rid of
// keys that nobody sees any more.

import { DbError } from '../../base/errors.ts';
import type { Log } from '../../runtime/runtime.ts';
import { relationMissing, SchemaBusyError } from '../catalog/errors.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { Name } from '../parse/ast.ts';
import type { DdlContext } from './context.ts';
import { positionAt } from './keys.ts';

/** Another DDL may have the table again each time that it becomes free; each wait is bounded too. */
const LOOKS_MAX = 100;

/** Waits while another session's DDL has the table. */
export async function findTable(ctx: DdlContext, name: Name): Promise<TableDescriptor | undefined> {
  for (let look = 1; ; look++) {
    try {
      return ctx.catalog.find(name);
    } catch (error) {
      if (!(error instanceof SchemaBusyError) || look === LOOKS_MAX) throw error;
      await error.whenFree();
      ctx.checkCancelled();
    }
  }
}

/** The table, with everybody else kept off until this transaction ends; undefined when there is none. */
async function takeTable(ctx: DdlContext, name: Name): Promise<TableDescriptor | undefined> {
  const table = await findTable(ctx, name);
  if (table !== undefined) await ctx.catalog.exclusive(ctx.txn, table, () => ctx.checkCancelled());
  return table;
}

export interface ClearContext {
  /** Catalog.clearIndex */
  clearIndex(indexId: number): Promise<void>;
  readonly log: Log;
}

/** Clears in the background: a failure leaves the record, and the next start clears. */
export function clearNow(ctx: ClearContext, indexId: number): void {
  ctx.clearIndex(indexId).catch((error: unknown) => {
    ctx.log.warn('keys of a dropped index could not be cleared yet; the next start tries again', {
      index: indexId,
      error: String(error),
    });
  });
}

export function nothingToDo(): void {}

/** Where a new relation goes. */
export function targetSchema(name: Name, ctx: DdlContext): string {
  if (name.schema === undefined) {
    const schema = ctx.searchPath().find((path) => path === 'public');
    if (schema !== undefined) return schema;
    throw new DbError('3F000', 'no schema has been selected to create in').at(positionAt(name.at));
  }
  if (name.schema === 'public') return name.schema;
  if (name.schema === 'pg_catalog' || name.schema === 'information_schema') {
    throw new DbError('42501', `permission denied to create "${name.schema}.${name.name}"`, {
      detail: 'System catalog modifications are currently disallowed.',
    });
  }
  throw new DbError('3F000', `schema "${name.schema}" does not exist`).at(positionAt(name.at));
}

/** Nobody will see their keys once the transaction has committed: they are cleared then. */
export function leaveIndexes(ctx: DdlContext, indexIds: readonly number[]): void {
  for (const indexId of indexIds) ctx.catalog.clearWhenCommitted(ctx.txn, indexId);
  ctx.schemaChanged(() => {
    for (const indexId of indexIds) clearNow(ctx, indexId);
  }, nothingToDo);
}

/** Throws 42809 when it is a relation of another kind. */
export function demandTable(table: TableDescriptor, hint?: string): void {
  if (table.sequence === undefined) return;
  const fields = hint === undefined ? {} : { hint };
  throw new DbError('42809', `"${table.name}" is not a table`, fields);
}

/** The table of ALTER TABLE, or undefined with a notice where IF EXISTS allows that. */
export async function takeAltered(
  ctx: DdlContext,
  name: Name,
  ifExists: boolean,
): Promise<TableDescriptor | undefined> {
  const table = await takeTable(ctx, name);
  if (table !== undefined) {
    demandTable(table);
    return table;
  }
  if (!ifExists) throw relationMissing({ ...name, at: -1 });
  ctx.notice('NOTICE', '00000', `relation "${name.name}" does not exist, skipping`);
  return undefined;
}
