// CREATE TABLE.

import { DbError } from '../../base/errors.ts';
import { columnType, INT8 } from '../../rows/types.ts';
import {
  type ColumnDescriptor,
  type IndexDescriptor,
  PLAIN_COLUMN,
  PLAIN_TABLE,
  type TableDescriptor,
} from '../catalog/descriptor.ts';
import { layoutOfTable } from '../catalog/encoding.ts';
import { relationExists } from '../catalog/errors.ts';
import type { ColumnDefinition, CreateTableStatement } from '../parse/ast.ts';
import { resolveTypeName } from '../types/names.ts';
import { COLUMNS_MAX, columnOf, withGenerated } from './columns.ts';
import { withConstraint } from './constraints.ts';
import type { DdlContext } from './context.ts';
import { ascending, checkKeyColumns, checkKeyType, positionAt, primaryKeyName } from './keys.ts';
import { giveSequences, numbered, type NumberedColumn } from './sequences.ts';
import { findTable, nothingToDo, targetSchema } from './tables.ts';

export async function createTable(
  statement: CreateTableStatement,
  ctx: DdlContext,
): Promise<string> {
  const schema = targetSchema(statement.table, ctx);
  const { name } = statement.table;
  const exists = (await findTable(ctx, { schema, name, at: -1 })) !== undefined;
  if (exists && statement.ifNotExists) {
    ctx.notice('NOTICE', '42P07', `relation "${name}" already exists, skipping`);
    return 'CREATE TABLE';
  }
  if (exists) {
    // What is wrong with the statement itself comes first.
    columnsOf(statement.columns.filter(isPlain), ctx);
    throw relationExists(name);
  }
  const numberedColumns: NumberedColumn[] = [];
  for (const definition of statement.columns) {
    numberedColumns.push(await numbered(ctx, { schema, name }, definition));
  }
  const definitions = numberedColumns.map(({ definition }) => definition);
  const visible = columnsOf(definitions, ctx);
  const key = keyOf({ ...statement, columns: definitions });
  const columns = key === undefined ? [...visible, hiddenColumn(visible)] : visible;
  const positions = (key?.columns ?? [(columns.at(-1) as ColumnDescriptor).name]).map((column) => {
    return (columns.find((c) => c.name === column) as ColumnDescriptor).position;
  });
  const marked = columns.map((column) =>
    positions.includes(column.position) ? { ...column, notNull: true } : column,
  );
  const primary: IndexDescriptor = {
    id: await ctx.catalog.newIndexId(),
    name: key?.name ?? primaryKeyName(name),
    columns: positions.map(ascending),
  };
  let table: TableDescriptor = {
    ...PLAIN_TABLE,
    id: 0,
    version: 0,
    schema,
    name,
    columns: marked,
    primary,
    hasPrimaryKey: key !== undefined,
    nextColumnId: columns.length + 1,
    layout: layoutOfTable({ columns: marked, dropped: [] }),
  };
  table = { ...table, columns: withGenerated(table, definitions, ctx) };
  for (const constraint of statement.constraints) {
    table = await withConstraint(ctx, table, constraint);
  }
  const { id: _, version: __, layout: ___, ...fields } = table;
  try {
    const made = await ctx.catalog.create(ctx.txn, fields);
    await giveSequences(ctx, made, numberedColumns);
  } catch (error) {
    // Somebody else was faster than the look above.
    if (!(statement.ifNotExists && error instanceof DbError && error.code === '42P07')) throw error;
    ctx.notice('NOTICE', '42P07', `relation "${name}" already exists, skipping`);
    return 'CREATE TABLE';
  }
  ctx.schemaChanged(nothingToDo, nothingToDo);
  return 'CREATE TABLE';
}

function isPlain({ type, identity }: ColumnDefinition): boolean {
  return identity === undefined && !type.name.includes('serial');
}

function columnsOf(columns: readonly ColumnDefinition[], ctx: DdlContext): ColumnDescriptor[] {
  if (columns.length > COLUMNS_MAX) {
    throw new DbError('54011', `tables can have at most ${COLUMNS_MAX} columns`);
  }
  const seen = new Set<string>();
  for (const { name } of columns) {
    if (seen.has(name)) throw new DbError('42701', `column "${name}" specified more than once`);
    seen.add(name);
  }
  return columns.map((column, position) => columnOf(column, position + 1, position, ctx));
}

interface Key {
  readonly name: string | undefined;
  readonly columns: readonly string[];
}

function keyOf(statement: CreateTableStatement): Key | undefined {
  const inline = statement.columns.filter((column) => column.primaryKey);
  const listed = statement.primaryKey;
  if (inline.length + (listed === undefined ? 0 : 1) > 1) {
    const message = `multiple primary keys for table "${statement.table.name}" are not allowed`;
    throw new DbError('42P16', message).at(positionAt(listed?.at ?? inline.at(-1)?.at ?? -1));
  }
  const [column] = inline;
  if (column !== undefined) {
    checkKeyType(resolveTypeName(column.type).oid);
    return { name: undefined, columns: [column.name] };
  }
  if (listed === undefined) return undefined;
  checkKeyColumns(listed.columns, listed.at, (name) => {
    const found = statement.columns.find((c) => c.name === name);
    return found === undefined ? undefined : resolveTypeName(found.type).oid;
  });
  return { name: listed.name, columns: listed.columns };
}

/** Comes last in the row, so that the others lie as they would without it. */
function hiddenColumn(visible: readonly ColumnDescriptor[]): ColumnDescriptor {
  let name = 'rowid';
  while (visible.some((column) => column.name === name)) name = `_${name}`;
  return {
    ...PLAIN_COLUMN,
    id: visible.length + 1,
    name,
    position: visible.length,
    type: columnType(INT8),
    notNull: true,
    hidden: true,
  };
}
