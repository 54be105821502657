// Binding of what SQL has for arrays: ARRAY[…], subscripts and slices, ANY and ALL.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { ARRAY_CONSTRUCTOR, SLICE, SUBSCRIPT } from '../../rows/function-array.ts';
import { quantifiedCall, quantifiedCompare } from '../../rows/function-quantified.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import * as t from '../../rows/types.ts';
import type { Expression } from '../parse/ast.ts';
import { coerce, typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import type { Binder } from './binder.ts';
import { bindOperatorOf } from './calls.ts';
import { COMPARE_OPS, compare, noOperator } from './conditions.ts';

type ArrayAst = Expression & { kind: 'array' };

export function bindArray(binder: Binder, ast: ArrayAst): Expr {
  return construct(binder, ast, undefined);
}

/** ARRAY[…]::type: the items are read as the type's at once. */
export function bindArrayAs(binder: Binder, ast: ArrayAst, target: t.ColumnType): Expr | undefined {
  return t.elementOf(target.oid) === undefined ? undefined : construct(binder, ast, target);
}

function construct(binder: Binder, ast: ArrayAst, target: t.ColumnType | undefined): Expr {
  const asts = ast.items;
  const ats = asts.map((item) => item.at);
  const isNested = asts.length > 0 && asts.every((item) => item.kind === 'array');
  const items = asts.map((item) =>
    item.kind === 'array' && isNested ? construct(binder, item, target) : binder.bind(item),
  );
  if (target !== undefined) {
    const element = t.columnType(t.elementOf(target.oid) as number, target.modifier);
    const args = isNested
      ? items
      : items.map((item, i) => castItem(binder, item, element, target, ats[i] as number));
    return { kind: 'call', type: target, name: ARRAY_CONSTRUCTOR, args };
  }
  if (items.length === 0) {
    throw new DbError('42P18', 'cannot determine type of empty array', {
      hint: 'Explicitly cast to the desired type, for example ARRAY[]::integer[].',
      ...positionOf(ast.at),
    });
  }
  const { args, type } = binder.unifiedExprs(items, 'ARRAY', ats);
  const isArray = t.elementOf(type.oid) !== undefined;
  const oid = isArray ? type.oid : t.arrayOf(type.oid);
  if (oid === undefined) {
    const shown = sqlTypeName(t.columnType(type.oid));
    throw new DbError(
      '42704',
      `could not find array type for data type ${shown}`,
      positionOf(ast.at),
    );
  }
  return { kind: 'call', type: t.columnType(oid), name: ARRAY_CONSTRUCTOR, args };
}

function castItem(
  binder: Binder,
  item: Expr,
  element: t.ColumnType,
  target: t.ColumnType,
  at: number,
): Expr {
  // What is an array already becomes one of the dimensions beneath.
  const to = t.elementOf(typeOf(item).oid) === undefined ? element : target;
  const bound = coerce(item, to, 'explicit', binder.context.parameters, at);
  if (bound !== undefined) return bound;
  const from = sqlTypeName(t.columnType(typeOf(item).oid));
  const shown = sqlTypeName(t.columnType(to.oid));
  throw new DbError('42846', `cannot cast type ${from} to ${shown}`, positionOf(at));
}

export function bindSubscript(binder: Binder, ast: Expression & { kind: 'subscript' }): Expr {
  const arg = binder.bind(ast.arg);
  const type = typeOf(arg);
  const element = t.elementOf(type.oid);
  if (element === undefined) {
    if (type.oid === t.JSONB)
      throw unsupported('a subscript of a jsonb value', ast.at + 1, 'Use -> or #>.');
    throw new DbError(
      '42804',
      `cannot subscript type ${sqlTypeName(t.columnType(type.oid))} because it does not support subscripting`,
      positionOf(ast.at),
    );
  }
  if (ast.indices.length > 6) {
    throw new DbError(
      '54000',
      `number of array dimensions (${ast.indices.length}) exceeds the maximum allowed (6)`,
      positionOf(ast.at),
    );
  }
  if (!ast.indices.some((index) => index.isSlice)) {
    const args = ast.indices.map(({ upper }) => bound(binder, upper as Expression));
    const itemType = t.columnType(element, type.modifier);
    return { kind: 'call', type: itemType, name: SUBSCRIPT, args: [arg, ...args] };
  }
  const limits = ast.indices.flatMap(({ isSlice, lower, upper }) => {
    // Among slices, a plain subscript counts from 1.
    const from = isSlice ? lower : ONE;
    return [...limit(binder, from), ...limit(binder, upper)];
  });
  return { kind: 'call', type, name: SLICE, args: [arg, ...limits] };
}

const ONE: Expression = { kind: 'literal', value: { type: 'integer', text: '1' }, at: -1 };

function bound(binder: Binder, ast: Expression): Expr {
  const expr = binder.bind(ast);
  const as = coerce(expr, t.columnType(t.INT4), 'assignment', binder.context.parameters, ast.at);
  if (as !== undefined) return as;
  throw new DbError('42804', 'array subscript must have type integer', positionOf(ast.at));
}

/** Whether there is one, and which. */
function limit(binder: Binder, ast: Expression | undefined): readonly Expr[] {
  const given: Expr = { kind: 'constant', type: t.columnType(t.BOOL), value: ast !== undefined };
  const none: Expr = { kind: 'constant', type: t.columnType(t.INT4), value: null };
  return [given, ast === undefined ? none : bound(binder, ast)];
}

export function bindQuantified(binder: Binder, ast: Expression & { kind: 'quantified' }): Expr {
  const { op, quantifier, at } = ast;
  const left = binder.bind(ast.left);
  const array = binder.bind(ast.array);
  const arrayOid = typeOf(array).oid;
  const element = arrayOid === t.UNKNOWN ? t.UNKNOWN : t.elementOf(arrayOid);
  if (element === undefined) {
    throw new DbError('42809', 'op ANY/ALL (array) requires array on right side', positionOf(at));
  }
  // The operator is chosen as for one item; a stand-in takes the item's place.
  const item: Expr = { kind: 'constant', type: t.columnType(element), value: null };
  const places = { at, leftAt: ast.left.at, rightAt: ast.array.at };
  const compareOp = COMPARE_OPS.get(op);
  const test =
    compareOp === undefined
      ? bindOperatorOf(binder, op, [left, item], [ast.left], at)
      : compare(binder, compareOp, left, item, places);
  if (typeOf(test).oid !== t.BOOL) {
    throw new DbError(
      '42809',
      'op ANY/ALL (array) requires operator to yield boolean',
      positionOf(at),
    );
  }
  const [first, second] =
    test.kind === 'compare' ? [test.left, test.right] : test.kind === 'call' ? test.args : [];
  if (first === undefined || second === undefined) throw noOperator(op, [], 'none', at);
  const wanted = t.arrayOf(typeOf(second).oid);
  if (wanted === undefined) throw noOperator(op, [typeOf(left).oid, arrayOid], 'none', at);
  const items = coerce(
    array,
    t.columnType(wanted),
    'implicit',
    binder.context.parameters,
    ast.array.at,
  );
  if (items === undefined) throw noOperator(op, [typeOf(left).oid, arrayOid], 'none', at);
  if (test.kind === 'compare' && items.kind === 'call' && items.name === ARRAY_CONSTRUCTOR) {
    const listed = asList(test.op, quantifier, first, items);
    if (listed !== undefined) return listed;
  }
  const name =
    test.kind === 'compare'
      ? quantifiedCompare(test.op, quantifier)
      : quantifiedCall((test as Expr & { kind: 'call' }).name, quantifier);
  return { kind: 'call', type: t.columnType(t.BOOL), name, args: [first, items] };
}

/** = ANY (ARRAY[…]) is IN, which key spans are made of. */
function asList(
  op: string,
  quantifier: 'any' | 'all',
  arg: Expr,
  array: Expr & { kind: 'call' },
): Expr | undefined {
  const negated = op === '<>' && quantifier === 'all';
  if (!negated && !(op === '=' && quantifier === 'any')) return undefined;
  const isFlat = array.args.every((item) => t.elementOf(typeOf(item).oid) === undefined);
  return isFlat && array.args.length > 0
    ? { kind: 'in', arg, list: array.args, negated }
    : undefined;
}
