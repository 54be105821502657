// ALTER TABLE … SET (name = value, …) and RESET (name, …): what a table has for itself of the cluster's settings. It is
// kept in its descriptor, so it goes where the table goes; which names there are and what they take is the cluster's to
// say.

import { DbError, unsupported } from '../../base/errors.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { TableSetting } from '../parse/ast.ts';
import { positionAt } from './keys.ts';
import type { DdlContext } from './context.ts';

export async function alterSettings(
  table: TableDescriptor,
  changes: readonly TableSetting[],
  ctx: DdlContext,
): Promise<TableDescriptor> {
  const { settings: cluster } = ctx.cluster;
  if (cluster === undefined) throw unsupported('a setting of a table');
  const known = await cluster.list();
  const settings = new Map(table.settings);
  for (const { name, value, at } of changes) {
    if (value === undefined && !known.some((one) => one.name === name && one.isPerTable)) {
      throw new DbError('42704', `tables have no setting "${name}"`).at(positionAt(at));
    }
    try {
      if (value === undefined) settings.delete(name);
      else settings.set(name, cluster.checkForTable(name, value));
    } catch (error) {
      throw error instanceof DbError ? error.at(positionAt(at)) : error;
    }
  }
  return await ctx.catalog.replace(ctx.txn, { ...table, settings });
}
