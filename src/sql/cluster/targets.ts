// Which table a statement about ranges means, and the keys that its VALUES stand for.

import { ByteWriter, compareBytes } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { encodeKeyDatum, keyPrefix } from '../../rows/key-codec.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { type ColumnType, columnType } from '../../rows/types.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import { compileBound } from '../ddl/defaults.ts';
import { type KeyColumnShown, type KeyIndex, primaryIndex, secondaryIndex } from './key-columns.ts';
import { positionAt } from '../ddl/keys.ts';
import type { SessionValues } from '../exec/plan-api.ts';
import type { Expression, RangeTarget } from '../parse/ast.ts';
import { parseExpressionText } from '../parse/postgres.ts';
import { PlanContext } from '../plan/context.ts';
import { ExpressionBinder } from '../plan/expressions.ts';
import { Scope } from '../plan/scope.ts';
import { coerce, typeOf } from '../types/coercion.ts';

/** The rows of a table lie in its primary index. */
export function targetIndex(target: RangeTarget, catalog: CatalogView): KeyIndex {
  if (target.kind === 'table') return primaryIndex(catalog.table(target.table));
  const { index: name } = target;
  if (target.table !== undefined) {
    const table = catalog.table(target.table);
    const found = indexNamed(table, name);
    if (found !== undefined) return found;
    const message = `index "${name}" of table "${table.name}" does not exist`;
    throw new DbError('42704', message).at(positionAt(target.at));
  }
  for (const table of catalog.all()) {
    const found = indexNamed(table, name);
    if (found !== undefined) return found;
  }
  throw new DbError('42704', `index "${name}" does not exist`).at(positionAt(target.at));
}

function indexNamed(table: TableDescriptor, name: string): KeyIndex | undefined {
  if (table.primary.name === name) return primaryIndex(table);
  const index = table.indexes.find((one) => one.name === name);
  return index === undefined ? undefined : secondaryIndex(table, index);
}

/** Ascending, none twice. A row may be shorter than the key. */
export function keysOf(
  rows: readonly (readonly Expression[])[],
  index: KeyIndex,
  catalog: CatalogView,
  session: SessionValues,
): readonly Uint8Array[] {
  const keys = rows.map((row) => keyOf(row, index, catalog, session));
  keys.sort(compareBytes);
  return keys.filter((key, i) => i === 0 || compareBytes(keys[i - 1] as Uint8Array, key) !== 0);
}

function keyOf(
  row: readonly Expression[],
  index: KeyIndex,
  catalog: CatalogView,
  session: SessionValues,
): Uint8Array {
  const { columns, shown } = index;
  const names = columns.map(({ name }) => name);
  if (row.length > columns.length) {
    const counted = columns.length === 1 ? '1 column' : `${columns.length} columns`;
    const message = `a row of ${row.length} values for the key of "${shown}", which has ${counted} (${names.join(', ')})`;
    throw new DbError('42601', message).at(positionAt(row[columns.length]?.at ?? -1));
  }
  const writer = new ByteWriter(64);
  writer.raw(keyPrefix(index.id));
  for (let i = 0; i < row.length; i++) {
    const column = columns[i] as KeyColumnShown;
    const { type, descending, nullsFirst, mayBeNull } = column;
    const expression = row[i] as Expression;
    const evaluate = compileBound(bindValue(expression, names[i] as string, type, catalog));
    const value = evaluate(session);
    if (value === null && !mayBeNull) {
      const message = `a key of "${shown}" has no NULL in column "${names[i]}"`;
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
