// ALTER TABLE … ADD, DROP, ALTER and RENAME COLUMN. The table is this transaction's alone.

import { DbError, unsupported } from '../../base/errors.ts';
import { compileExpr, TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { columnType } from '../../rows/types.ts';
import type { ColumnDescriptor, SecondaryIndex, TableDescriptor } from '../catalog/descriptor.ts';
import { layoutOfTable } from '../catalog/encoding.ts';
import type { AlterTableAction, Expression } from '../parse/ast.ts';
import { formatExpression } from '../parse/format.ts';
import { parseExpressionText } from '../parse/postgres.ts';
import { StoredExpressions } from '../plan/bind-rules.ts';
import { coerce, typeOf } from '../types/coercion.ts';
import { resolveTypeName } from '../types/names.ts';
import { ParameterTypes } from '../types/parameters.ts';
import { COLUMNS_MAX, columnOf, withGenerated } from './columns.ts';
import { validateCheck, validateNotNull, withConstraint } from './constraints.ts';
import type { DdlContext } from './context.ts';
import { bindDefault, type BoundDefault, compileBound } from './defaults.ts';
import { fillIndexes } from './fill-index.ts';
import { rewriteTable } from './rewrite.ts';
import { dropOwned, giveSequences, numbered } from './sequences.ts';
import { columnsIn, renamedIn } from './stored-text.ts';
import { leaveIndexes } from './tables.ts';

type Action<K> = Extract<AlterTableAction, { kind: K }>;

export function columnNamed(table: TableDescriptor, name: string): ColumnDescriptor {
  const column = table.columns.find((c) => c.name === name && !c.hidden);
  if (column !== undefined) return column;
  const message = `column "${name}" of relation "${table.name}" does not exist`;
  throw new DbError('42703', message);
}

function withColumn(table: TableDescriptor, column: ColumnDescriptor): TableDescriptor {
  const columns = table.columns.map((c) => (c.id === column.id ? column : c));
  return { ...table, columns };
}

export async function addColumn(
  table: TableDescriptor,
  action: Action<'addColumn'>,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  const { constraints, ifNotExists } = action;
  const { name } = action.column;
  if (table.columns.some((c) => c.name === name && !c.hidden)) {
    const message = `column "${name}" of relation "${table.name}" already exists`;
    if (!ifNotExists) throw new DbError('42701', message);
    ctx.notice('NOTICE', '42701', `${message}, skipping`);
    return table;
  }
  const position = table.layout.types.length;
  if (position >= COLUMNS_MAX) {
    throw new DbError('54011', `tables can have at most ${COLUMNS_MAX} columns`);
  }
  const numberedColumn = await numbered(ctx, table, action.column);
  const { definition } = numberedColumn;
  const initial = definition.default;
  const bound =
    initial === undefined
      ? undefined
      : bindDefault(initial, name, resolveTypeName(definition.type), ctx.catalog);
  const plain = columnOf(definition, table.nextColumnId, position, ctx);
  const isSame =
    bound !== undefined &&
    !bound.slots.some((slot) => slot.kind === 'session' && slot.function.volatile);
  const missing = isSame ? compileBound(bound)(ctx.session) : null;
  const added = { ...plain, notNull: false, missing };
  const columns = [...table.columns, added];
  let next: TableDescriptor = { ...table, columns, nextColumnId: table.nextColumnId + 1 };
  next = { ...next, layout: layoutOfTable(next) };
  next = { ...next, columns: withGenerated(next, [definition], ctx) };
  next = await fillColumn(ctx, table, next, added.id, isSame ? undefined : bound);
  await giveSequences(ctx, next, [numberedColumn]);
  if (plain.notNull) next = await setNotNull(next, name, true, ctx);
  for (const constraint of constraints) {
    const own =
      constraint.kind === 'unique' && constraint.columns.length === 0
        ? { ...constraint, columns: [name] }
        : constraint;
    const before = next;
    next = await ctx.catalog.replace(ctx.txn, await withConstraint(ctx, next, own));
    const filled = next.indexes.filter((index) => !before.indexes.includes(index));
    await fillIndexes(ctx, next, filled);
    if (own.kind === 'check') await validateCheck(ctx, next, next.checks.at(-1)?.name ?? '');
  }
  return next;
}

/** Rows that are there have the value of their own that a volatile default or a generation expression gives them. */
async function fillColumn(
  ctx: DdlContext,
  from: TableDescriptor,
  to: TableDescriptor,
  columnId: number,
  bound: BoundDefault | undefined,
): Promise<TableDescriptor> {
  const column = to.columns.find(({ id }) => id === columnId) as ColumnDescriptor;
  if (bound === undefined && column.generatedText === undefined) {
    return await ctx.catalog.replace(ctx.txn, to);
  }
  const evaluate = bound === undefined ? undefined : compileBound(bound);
  const { columns, nextColumnId } = to;
  return await rewriteTable(ctx, from, { columns, nextColumnId }, (values) => {
    values[column.position] = evaluate === undefined ? null : evaluate(ctx.session);
  });
}

export async function dropColumn(
  table: TableDescriptor,
  { column: name, ifExists, cascade }: Action<'dropColumn'>,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  if (!table.columns.some((c) => c.name === name && !c.hidden)) {
    const message = `column "${name}" of relation "${table.name}" does not exist`;
    if (!ifExists) throw new DbError('42703', message);
    ctx.notice('NOTICE', '00000', `${message}, skipping`);
    return table;
  }
  const column = columnNamed(table, name);
  const { position, type } = column;
  if (table.primary.columns.some((c) => c.position === position)) {
    throw unsupported('dropping a column of the primary key');
  }
  const uses = (text: string | undefined): boolean =>
    text !== undefined && columnsIn(parseExpressionText(text)).has(name);
  const dependent = table.columns.filter((c) => uses(c.generatedText));
  if (dependent.length > 0 && !cascade) {
    throw new DbError(
      '2BP01',
      `cannot drop column ${name} of table ${table.name} because other objects depend on it`,
      {
        detail: dependent
          .map(
            (c) =>
              `column ${c.name} of table ${table.name} depends on column ${name} of table ${table.name}`,
          )
          .join('\n'),
        hint: 'Use DROP ... CASCADE to drop the dependent objects too.',
      },
    );
  }
  const isOver = (index: SecondaryIndex): boolean =>
    index.columns.some((c) => c.position === position) ||
    index.stored.includes(position) ||
    uses(index.predicateText) ||
    index.expressions.some(({ text }) => uses(text));
  const left = table.indexes.filter(isOver);
  let next = await ctx.catalog.replace(ctx.txn, {
    ...table,
    columns: table.columns.filter((c) => c !== column),
    dropped: [...table.dropped, { position, type }],
    indexes: table.indexes.filter((index) => !isOver(index)),
    checks: table.checks.filter((check) => !uses(check.text)),
  });
  await dropOwned(ctx, table, column.id);
  leaveIndexes(
    ctx,
    left.map(({ id }) => id),
  );
  const [only, another] = dependent;
  if (only !== undefined) {
    const what = `column ${only.name} of table ${table.name}`;
    const shown = another === undefined ? what : `${dependent.length} other objects`;
    ctx.notice('NOTICE', '00000', `drop cascades to ${shown}`);
  }
  for (const { name: other } of dependent) {
    const action = { kind: 'dropColumn', column: other, ifExists, cascade } as const;
    next = await dropColumn(next, action, ctx);
  }
  return next;
}

export async function setDefault(
  table: TableDescriptor,
  { column: name, default: initial }: Action<'setDefault'>,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  const column = columnNamed(table, name);
  if (column.generatedText !== undefined) {
    throw new DbError(
      '42601',
      `column "${name}" of relation "${table.name}" is a generated column`,
    );
  }
  if (initial !== undefined) bindDefault(initial, name, column.type, ctx.catalog);
  const defaultText = initial === undefined ? undefined : formatExpression(initial);
  return await ctx.catalog.replace(ctx.txn, withColumn(table, { ...column, defaultText }));
}

export async function setNotNull(
  table: TableDescriptor,
  name: string,
  notNull: boolean,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  const column = columnNamed(table, name);
  if (column.notNull === notNull) return table;
  if (!notNull && table.primary.columns.some((c) => c.position === column.position)) {
    throw new DbError('42P16', `column "${name}" is in a primary key`);
  }
  if (notNull) await validateNotNull(ctx, table, column.position);
  return await ctx.catalog.replace(ctx.txn, withColumn(table, { ...column, notNull }));
}

/** Every row is made anew, and every index: what a type's values look like differs from type to type. */
export async function alterType(
  table: TableDescriptor,
  { column: name, type: typeName, using, at }: Action<'alterType'>,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  const column = columnNamed(table, name);
  const type = resolveTypeName(typeName);
  for (const other of table.columns) {
    const { generatedText } = other;
    if (generatedText === undefined) continue;
    if (!columnsIn(parseExpressionText(generatedText)).has(name)) continue;
    throw new DbError('0A000', 'cannot alter type of a column used by a generated column', {
      detail: `Column "${name}" is used by generated column "${other.name}".`,
    });
  }
  const bound = new StoredExpressions(table, ctx.catalog, 'transform expressions');
  const source: Expression = using ?? { kind: 'column', path: [name], at };
  const value = bound.value(source);
  const parameters = new ParameterTypes([], 0, []);
  const converted = coerce(value, type, 'assignment', parameters, source.at);
  if (converted === undefined) throw notCast(column, type, using);
  if (bound.slots.length > 0) throw unsupported('a function of the session in USING');
  const defaultText = defaultAs(column, type, ctx);
  const evaluate = compileExpr(converted);
  const view = new TupleView();
  const altered = { ...column, type, defaultText, missing: null };
  const next = withColumn(table, altered);
  // What was bound over the old type must make sense with the new one.
  const checked = { ...next, layout: layoutOfTable(next) };
  const indexes = checked.indexes.map((index) => retyped(ctx, checked, index));
  return await rewriteTable(ctx, table, { columns: next.columns, indexes }, (values) => {
    view.values = values;
    values[column.position] = evaluate(view, []) as Datum;
  });
}

/** Its expressions may have other types now. */
function retyped(ctx: DdlContext, table: TableDescriptor, index: SecondaryIndex): SecondaryIndex {
  const bound = new StoredExpressions(table, ctx.catalog, 'index expressions');
  const expressions = index.expressions.map(({ text }) => ({
    text,
    type: typeOf(bound.value(parseExpressionText(text))),
  }));
  return { ...index, expressions };
}

function defaultAs(
  column: ColumnDescriptor,
  type: ColumnDescriptor['type'],
  ctx: DdlContext,
): string | undefined {
  const { defaultText, name } = column;
  if (defaultText === undefined) return undefined;
  try {
    bindDefault(parseExpressionText(defaultText), name, type, ctx.catalog);
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    const wanted = sqlTypeName(columnType(type.oid));
    const message = `default for column "${name}" cannot be cast automatically to type ${wanted}`;
    throw new DbError('42804', message);
  }
  return defaultText;
}

function notCast(
  { name }: ColumnDescriptor,
  type: ColumnDescriptor['type'],
  using: Expression | undefined,
): DbError {
  const wanted = sqlTypeName(columnType(type.oid));
  if (using !== undefined) {
    const message = `result of USING clause for column "${name}" cannot be cast automatically to type ${wanted}`;
    return new DbError('42804', message, { hint: 'You might need to add an explicit cast.' });
  }
  return new DbError('42804', `column "${name}" cannot be cast automatically to type ${wanted}`, {
    hint: `You might need to specify "USING ${name}::${sqlTypeName(type)}".`,
  });
}

export async function renameColumn(
  table: TableDescriptor,
  { column: from, to }: Action<'renameColumn'>,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  const column = table.columns.find((c) => c.name === from && !c.hidden);
  if (column === undefined) throw new DbError('42703', `column "${from}" does not exist`);
  if (table.columns.some((c) => c.name === to && !c.hidden)) {
    const message = `column "${to}" of relation "${table.name}" already exists`;
    throw new DbError('42701', message);
  }
  const renamed = (text: string): string => renamedIn(text, from, to);
  const maybe = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : renamed(text);
  return await ctx.catalog.replace(ctx.txn, {
    ...table,
    columns: table.columns.map((c) => ({
      ...c,
      name: c === column ? to : c.hidden && c.name === to ? `_${to}` : c.name,
      generatedText: maybe(c.generatedText),
    })),
    checks: table.checks.map((check) => ({ ...check, text: renamed(check.text) })),
    indexes: table.indexes.map((index) => ({
      ...index,
      predicateText: maybe(index.predicateText),
      expressions: index.expressions.map((one) => ({ ...one, text: renamed(one.text) })),
    })),
  });
}
