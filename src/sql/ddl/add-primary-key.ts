// ALTER TABLE … ADD PRIMARY KEY on a table that may be full of rows: they are copied under keys of a fresh index, which
// nobody sees until the descriptor that names it commits. The shards drop the hidden column on the way.

import { DbError } from '../../base/errors.ts';
import type { Datum } from '../../rows/datum.ts';
import { PackedRowReader } from '../../rows/packed-rows.ts';
import { encodeProgram } from '../../rows/program.ts';
import { RowView } from '../../rows/row-codec.ts';
import type { RowScan } from '../../ranges/api.ts';
import type { ColumnDescriptor, TableDescriptor } from '../catalog/descriptor.ts';
import { indexSpan } from '../catalog/keys.ts';
import { BulkLoader } from '../copy/bulk-loader.ts';
import { RowWriter } from '../exec/row-writer.ts';
import type { AlterTableAction } from '../parse/ast.ts';
import { tableRules } from '../plan/bind-rules.ts';
import type { DdlContext } from './context.ts';
import { ascending, checkKeyColumns, describeKey, positionAt, primaryKeyName } from './keys.ts';
import { fillIndexes } from './fill-index.ts';
import { clearNow, nothingToDo } from './tables.ts';
import { switchIndex } from './truncate.ts';

const SCAN_BATCH_BYTES = 1 << 20;

export async function addPrimaryKey(
  table: TableDescriptor,
  action: Extract<AlterTableAction, { kind: 'addPrimaryKey' }>,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  if (table.hasPrimaryKey) {
    const message = `multiple primary keys for table "${table.name}" are not allowed`;
    throw new DbError('42P16', message).at(positionAt(action.at));
  }
  const columnNamed = (name: string): ColumnDescriptor | undefined =>
    table.columns.find((column) => column.name === name && !column.hidden);
  for (const column of action.columns) {
    if (columnNamed(column) !== undefined) continue;
    const message = `column "${column}" of relation "${table.name}" does not exist`;
    throw new DbError('42703', message);
  }
  checkKeyColumns(action.columns, action.at, (name) => columnNamed(name)?.type.oid);
  const keyed = keyedTable(table, action.columns, action.name);
  const next = await switchIndex(ctx, table, keyed);
  await copyRows(ctx, table, next);
  await fillIndexes(ctx, next, next.indexes);
  return next;
}

/** What is different with the key: the hidden column is gone and the others lie one after another. */
function keyedTable(
  table: TableDescriptor,
  key: readonly string[],
  name: string | undefined,
): Pick<TableDescriptor, 'columns' | 'dropped' | 'primary' | 'hasPrimaryKey' | 'indexes'> {
  const kept = keptColumns(table);
  const columns = kept.map(
    (column, position): ColumnDescriptor => ({
      ...column,
      position,
      missing: null,
      notNull: column.notNull || key.includes(column.name),
    }),
  );
  // Positions of what indexes are over move with their columns; those of expressions are below zero.
  const moved = (position: number): number =>
    position < 0 ? position : kept.findIndex((column) => column.position === position);
  const positions = key.map((column) => columns.findIndex((c) => c.name === column));
  return {
    columns,
    dropped: [],
    primary: {
      id: table.primary.id,
      name: name ?? primaryKeyName(table.name),
      columns: positions.map(ascending),
    },
    hasPrimaryKey: true,
    indexes: table.indexes.map((index) => ({
      ...index,
      columns: index.columns.map((c) => ({ ...c, position: moved(c.position) })),
      stored: index.stored.map(moved),
    })),
  };
}

function keptColumns(table: TableDescriptor): readonly ColumnDescriptor[] {
  return table.columns.filter((c) => !c.hidden).sort((a, b) => a.position - b.position);
}

async function copyRows(
  ctx: DdlContext,
  from: TableDescriptor,
  to: TableDescriptor,
): Promise<void> {
  const scan = await ctx.txn.scan({
    span: indexSpan(from.primary.id),
    reverse: false,
    program: encodeProgram({
      layout: from.layout,
      filter: undefined,
      output: {
        kind: 'rows',
        withKeys: false,
        columns: keptColumns(from).map((column) => column.position),
      },
    }),
    parameters: undefined,
    limitRows: 0,
    batchBytes: SCAN_BATCH_BYTES,
  });
  try {
    await loadRows(ctx, scan, to);
  } finally {
    scan.close();
  }
}

async function loadRows(ctx: DdlContext, scan: RowScan, to: TableDescriptor): Promise<void> {
  const loader = new BulkLoader(
    {
      bulkWrite: (writes) => ctx.transactions.bulkWrite(writes, true),
      existing: (keys) => ctx.transactions.snapshot().getMany(keys),
      duplicate: (row) =>
        new DbError('23505', `could not create unique index "${to.primary.name}"`, {
          detail: `${describeKey(to, row)} is duplicated.`,
          table: to.name,
          constraint: to.primary.name,
        }),
    },
    false,
  );
  const writer = new RowWriter(to, tableRules(to, ctx.catalog));
  const values: Datum[] = to.layout.types.map(() => null);
  const reader = new PackedRowReader();
  const view = new RowView();
  let recorded = false;
  ctx.schemaChanged(nothingToDo, () => {
    void loader.stop().then(() => clearNow(ctx, to.primary.id));
  });
  for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
    ctx.checkCancelled();
    if (!recorded) await ctx.catalog.bulkLoads(ctx.txn, to.primary.id);
    recorded = true;
    reader.reset(batch.rows);
    while (reader.next()) {
      const { rowStart, rowEnd } = reader;
      view.reset(to.layout, batch.rows, rowStart, rowEnd - rowStart);
      takeKey(view, to, values);
      loader.add(writer.key(values), batch.rows.subarray(rowStart, rowEnd), 0);
      if (loader.full) await loader.flush();
    }
  }
  await loader.finish();
}

/** The key's columns into their places in `values`. */
function takeKey(row: RowView, table: TableDescriptor, values: Datum[]): void {
  const { columns } = table.primary;
  for (let i = 0; i < columns.length; i++) {
    const { position } = columns[i] as (typeof columns)[number];
    const value = row.datum(position);
    if (value === null) throw containsNull(table, position);
    values[position] = value;
  }
}

function containsNull(table: TableDescriptor, position: number): DbError {
  const column = table.columns.find((c) => c.position === position)?.name ?? '';
  const message = `column "${column}" of relation "${table.name}" contains null values`;
  return new DbError('23502', message, { table: table.name, column });
}
