// ALTER TABLE … SET (name = value, …) and RESET (name, …): what a table has for itself of the cluster's settings. It is
// kept in its descriptor, so it goes where the table goes; which names there are and what they take is the cluster's to
// say.

import { DbError, unsupported } from '../../base/errors.ts';
import { relationMissing } from '../catalog/errors.ts';
import type { AlterTableStatement, TableSetting } from '../parse/ast.ts';
import { positionAt } from './create-table.ts';
import type { DdlContext } from './context.ts';
import { nothingToDo, takeTable } from './tables.ts';

export async function alterSettings(
  statement: AlterTableStatement,
  changes: readonly TableSetting[],
  ctx: DdlContext,
): Promise<string> {
  const { settings: cluster } = ctx.cluster;
  if (cluster === undefined) throw unsupported('a setting of a table');
  const known = await cluster.list();
  const checked = changes.map(({ name, value, at }): [string, string | undefined] => {
    if (value === undefined && !known.some((one) => one.name === name && one.isPerTable)) {
      throw new DbError('42704', `tables have no setting "${name}"`).at(positionAt(at));
    }
    try {
      return [name, value === undefined ? undefined : cluster.checkForTable(name, value)];
    } catch (error) {
      throw error instanceof DbError ? error.at(positionAt(at)) : error;
    }
  });
  const table = await takeTable(ctx, statement.table);
  if (table === undefined) {
    if (!statement.ifExists) throw relationMissing({ ...statement.table, at: -1 });
    ctx.notice('NOTICE', '00000', `relation "${statement.table.name}" does not exist, skipping`);
    return 'ALTER TABLE';
  }
  const settings = new Map(table.settings);
  for (const [name, value] of checked) {
    if (value === undefined) settings.delete(name);
    else settings.set(name, value);
  }
  await ctx.catalog.replace(ctx.txn, { ...table, settings });
  ctx.schemaChanged(nothingToDo, nothingToDo);
  return 'ALTER TABLE';
}
