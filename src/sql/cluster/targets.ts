// Which table a statement about ranges means, and the keys that its VALUES stand for.

import { ByteWriter, compareBytes } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { encodeKeyDatum, keyPrefix } from '../../rows/key-codec.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { type ColumnType, columnType } from '../../rows/types.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import { compileBound } from '../ddl/defaults.ts';
import { positionAt } from '../ddl/keys.ts';
import type { SessionValues } from '../exec/plan-api.ts';
import type { Expression, RangeTarget } from '../parse/ast.ts';
import { parseExpressionText } from '../parse/postgres.ts';
import { PlanContext } from '../plan/context.ts';
import { ExpressionBinder } from '../plan/expressions.ts';
import { Scope } from '../plan/scope.ts';
import { coerce, typeOf } from '../types/coercion.ts';

/** The rows of a table lie in its primary index; there are no others yet. */
export function targetTable(target: RangeTarget, catalog: CatalogView): TableDescriptor {
  if (target.kind === 'table') return catalog.table(target.table);
  if (target.table !== undefined) {
    const table = catalog.table(target.table);
    if (table.primary.name === target.index) return table;
    const message = `index "${target.index}" of table "${table.name}" does not exist`;
    throw new DbError('42704', message).at(positionAt(target.at));
  }
  const table = catalog.all().find(({ primary }) => primary.name === target.index);
  if (table !== undefined) return table;
  throw new DbError('42704', `index "${target.index}" does not exist`).at(positionAt(target.at));
}

/** Ascending, none twice. A row may be shorter than the key. */
export function keysOf(
  rows: readonly (readonly Expression[])[],
  table: TableDescriptor,
  catalog: CatalogView,
  session: SessionValues,
): readonly Uint8Array[] {
  const keys = rows.map((row) => keyOf(row, table, catalog, session));
  keys.sort(compareBytes);
  return keys.filter((key, i) => i === 0 || compareBytes(keys[i - 1] as Uint8Array, key) !== 0);
}

function keyOf(
  row: readonly Expression[],
  table: TableDescriptor,
  catalog: CatalogView,
  session: SessionValues,
): Uint8Array {
  const { columns } = table.primary;
  const names = columns.map(
    ({ position }) => table.columns.find((column) => column.position === position)?.name ?? '',
  );
  if (row.length > columns.length) {
    const counted = columns.length === 1 ? '1 column' : `${columns.length} columns`;
    const message = `a row of ${row.length} values for the key of "${table.name}", which has ${counted} (${names.join(', ')})`;
    throw new DbError('42601', message).at(positionAt(row[columns.length]?.at ?? -1));
  }
  const writer = new ByteWriter(64);
  writer.raw(keyPrefix(table.primary.id));
  for (let i = 0; i < row.length; i++) {
    const { position, descending, nullsFirst } = columns[i] as (typeof columns)[number];
    const type = table.layout.types[position] as ColumnType;
    const expression = row[i] as Expression;
    const evaluate = compileBound(bindValue(expression, names[i] as string, type, catalog));
    const value = evaluate(session);
    if (value === null) {
      const message = `a key of "${table.name}" has no NULL in column "${names[i]}"`;
      throw new DbError('22004', message).at(positionAt(expression.at));
    }
    encodeKeyDatum(writer, type.oid, value, descending, nullsFirst);
  }
  return writer.take();
}

function bindValue(
  ast: Expression,
  column: string,
  type: ColumnType,
  catalog: CatalogView,
): Parameters<typeof compileBound>[0] {
  const context = new PlanContext({
    catalog,
    parseExpression: parseExpressionText,
    parameterTypes: [],
    literals: [],
    parameterCount: 0,
  });
  const binder = new ExpressionBinder(context, new Scope([]));
  binder.place = 'SPLIT AT';
  const expr = binder.bind(ast);
  const bound = coerce(expr, type, 'assignment', context.parameters, ast.at);
  if (bound !== undefined) return { expr: bound, slots: context.slots };
  const from = sqlTypeName(columnType(typeOf(expr).oid));
  const message = `key column "${column}" is of type ${sqlTypeName(columnType(type.oid))} but the value is of type ${from}`;
  throw new DbError('42804', message).at(positionAt(ast.at));
}
