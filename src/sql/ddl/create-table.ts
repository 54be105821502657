// CREATE TABLE.

import { utf8 } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { orderingOf } from '../../rows/datum.ts';
import { isKeyType, unsupportedKey } from '../../rows/key-codec.ts';
import { catalogTypeName } from '../../rows/type-names.ts';
import { columnType, INT8, UNKNOWN } from '../../rows/types.ts';
import {
  type ColumnDescriptor,
  type IndexColumn,
  NO_SETTINGS,
  type TableDescriptor,
} from '../catalog/descriptor.ts';
import { relationExists } from '../catalog/errors.ts';
import { formatExpression } from '../parse/format.ts';
import type { ColumnDefinition, CreateTableStatement, Name } from '../parse/ast.ts';
import { resolveTypeName } from '../types/names.ts';
import type { DdlContext } from './context.ts';
import { bindDefault } from './defaults.ts';
import { findTable, nothingToDo } from './tables.ts';

const COLUMNS_MAX = 1600;
const NAME_BYTES_MAX = 63;

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
  const visible = columnsOf(statement, ctx);
  if (exists) throw relationExists(name);
  const key = keyOf(statement);
  const columns = key === undefined ? [...visible, hiddenColumn(visible)] : visible;
  const positions = (key?.columns ?? [(columns.at(-1) as ColumnDescriptor).name]).map((column) => {
    return (columns.find((c) => c.name === column) as ColumnDescriptor).position;
  });
  const marked = columns.map((column) =>
    positions.includes(column.position) ? { ...column, notNull: true } : column,
  );
  const id = await ctx.catalog.newIndexId();
  const fields: Omit<TableDescriptor, 'id' | 'version' | 'layout'> = {
    schema,
    name,
    columns: marked,
    primary: {
      id,
      name: key?.name ?? primaryKeyName(name),
      columns: positions.map(ascending),
    },
    hasPrimaryKey: key !== undefined,
    nextColumnId: columns.length + 1,
    settings: NO_SETTINGS,
  };
  try {
    await ctx.catalog.create(ctx.txn, fields);
  } catch (error) {
    // Somebody else was faster than the look above.
    if (!(statement.ifNotExists && error instanceof DbError && error.code === '42P07')) throw error;
    ctx.notice('NOTICE', '42P07', `relation "${name}" already exists, skipping`);
    return 'CREATE TABLE';
  }
  ctx.schemaChanged(nothingToDo, nothingToDo);
  return 'CREATE TABLE';
}

export function ascending(position: number): IndexColumn {
  return { position, descending: false, nullsFirst: false };
}

/** PostgreSQL's name for it, shortened like its names. */
export function primaryKeyName(table: string): string {
  const suffix = '_pkey';
  let base = table;
  while (utf8(base).length > NAME_BYTES_MAX - suffix.length) base = base.slice(0, -1);
  return base + suffix;
}

function targetSchema(name: Name, ctx: DdlContext): string {
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

export function positionAt(at: number): number | undefined {
  return at < 0 ? undefined : at + 1;
}

function columnsOf(statement: CreateTableStatement, ctx: DdlContext): ColumnDescriptor[] {
  const { columns } = statement;
  if (columns.length > COLUMNS_MAX) {
    throw new DbError('54011', `tables can have at most ${COLUMNS_MAX} columns`);
  }
  const seen = new Set<string>();
  for (const { name } of columns) {
    if (seen.has(name)) throw new DbError('42701', `column "${name}" specified more than once`);
    seen.add(name);
  }
  return columns.map((column, position) => columnOf(column, position, ctx));
}

function columnOf(column: ColumnDefinition, position: number, ctx: DdlContext): ColumnDescriptor {
  const type = resolveTypeName(column.type);
  if (type.oid === UNKNOWN) {
    throw new DbError('42P16', `column "${column.name}" has pseudo-type unknown`);
  }
  const initial = column.default;
  let defaultText: string | undefined;
  if (initial !== undefined) {
    bindDefault(initial, column.name, type, ctx.catalog);
    defaultText = formatExpression(initial);
  }
  return {
    id: position + 1,
    name: column.name,
    position,
    type,
    notNull: column.notNull || column.primaryKey,
    defaultText,
    hidden: false,
  };
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

/** Each is there, once, and of a type that has an order. */
export function checkKeyColumns(
  columns: readonly string[],
  at: number,
  typeOf: (name: string) => number | undefined,
): void {
  const position = positionAt(at);
  const seen = new Set<string>();
  for (const name of columns) {
    const oid = typeOf(name);
    if (oid === undefined)
      throw new DbError('42703', `column "${name}" named in key does not exist`).at(position);
    if (seen.has(name)) {
      const message = `column "${name}" appears twice in primary key constraint`;
      throw new DbError('42701', message).at(position);
    }
    seen.add(name);
  }
  for (const name of columns) checkKeyType(typeOf(name) as number);
}

function checkKeyType(oid: number): void {
  if (orderingOf(oid) !== undefined) {
    if (!isKeyType(oid)) throw unsupportedKey(oid);
    return;
  }
  throw new DbError(
    '42704',
    `data type ${catalogTypeName(oid)} has no default operator class for access method "btree"`,
    {
      hint: 'You must specify an operator class for the index or define a default operator class for the data type.',
    },
  );
}

/** Comes last in the row, so that the others lie as they would without it. */
function hiddenColumn(visible: readonly ColumnDescriptor[]): ColumnDescriptor {
  let name = 'rowid';
  while (visible.some((column) => column.name === name)) name = `_${name}`;
  return {
    id: visible.length + 1,
    name,
    position: visible.length,
    type: columnType(INT8),
    notNull: true,
    defaultText: undefined,
    hidden: true,
  };
}
