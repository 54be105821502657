// A table's rows made anew under fresh indexes: where a change gives each row a value of its own.

import { DbError } from '../../base/errors.ts';
import type { Datum } from '../../rows/datum.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import { BulkLoader } from '../copy/bulk-loader.ts';
import { RowWriter } from '../exec/row-writer.ts';
import { tableRules } from '../plan/bind-rules.ts';
import type { DdlContext } from './context.ts';
import { eachRow, fillIndexes } from './fill-index.ts';
import { clearNow, nothingToDo } from './tables.ts';
import { switchIndex } from './truncate.ts';

/** `change` is given each row as it was and makes it what it will be, both by storage position. */
export async function rewriteTable(
  ctx: DdlContext,
  from: TableDescriptor,
  changes: Partial<TableDescriptor>,
  change: (values: Datum[]) => void,
): Promise<TableDescriptor> {
  const to = await switchIndex(ctx, from, changes);
  const writer = new RowWriter(to, tableRules(to, ctx.catalog));
  const loader = new BulkLoader(
    {
      bulkWrite: (writes) => ctx.transactions.bulkWrite(writes, true),
      existing: (keys) => ctx.transactions.snapshot().getMany(keys),
      duplicate: () =>
        new DbError('23505', `could not create unique index "${to.primary.name}"`, {
          table: to.name,
          constraint: to.primary.name,
        }),
    },
    false,
  );
  ctx.schemaChanged(nothingToDo, () => {
    void loader.stop().then(() => clearNow(ctx, to.primary.id));
  });
  let isRecorded = false;
  await eachRow(
    ctx,
    from,
    (values) => {
      change(values);
      writer.check(values, ctx.session);
      loader.add(writer.key(values), writer.encode(values), 0);
    },
    async () => {
      if (!isRecorded) await ctx.catalog.bulkLoads(ctx.txn, to.primary.id);
      isRecorded = true;
      if (loader.full) await loader.flush();
    },
  );
  await loader.finish();
  await fillIndexes(ctx, to, to.indexes);
  return to;
}
