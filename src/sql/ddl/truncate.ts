// TRUNCATE: the table goes on under the keys of fresh indexes; the old keys are cleared when that has committed. So it
// costs the same for any number of rows, and a rollback has nothing to restore.

import { indexIdsOf, type SecondaryIndex, type TableDescriptor } from '../catalog/descriptor.ts';
import { relationMissing } from '../catalog/errors.ts';
import type { TruncateStatement } from '../parse/ast.ts';
import type { DdlContext } from './context.ts';
import { restartOwned } from './sequences.ts';
import { demandTable, findTable, leaveIndexes } from './tables.ts';

export async function truncateTables(
  statement: TruncateStatement,
  ctx: DdlContext,
): Promise<string> {
  const tables = new Set<TableDescriptor>();
  for (const name of statement.tables) {
    const table = await findTable(ctx, name);
    if (table === undefined) throw relationMissing({ ...name, at: -1 });
    demandTable(table);
    tables.add(table);
  }
  // In one order everywhere, so that two such statements don't wait for each other.
  for (const table of [...tables].sort((a, b) => a.id - b.id)) {
    await ctx.catalog.exclusive(ctx.txn, table, () => ctx.checkCancelled());
    await switchIndex(ctx, table, {});
    if (statement.restartIdentity) await restartOwned(ctx, table);
  }
  return 'TRUNCATE TABLE';
}

/** The table with fresh, empty indexes and what else changes with it. */
export async function switchIndex(
  ctx: DdlContext,
  table: TableDescriptor,
  changes: Partial<TableDescriptor>,
): Promise<TableDescriptor> {
  const id = await ctx.catalog.newIndexId();
  const primary = { ...table.primary, ...changes.primary, id };
  const indexes: SecondaryIndex[] = [];
  for (const index of changes.indexes ?? table.indexes) {
    indexes.push({ ...index, id: await ctx.catalog.newIndexId() });
  }
  const next = await ctx.catalog.replace(ctx.txn, { ...table, ...changes, primary, indexes });
  leaveIndexes(ctx, indexIdsOf(table));
  return next;
}
