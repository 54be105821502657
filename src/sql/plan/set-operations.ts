// UNION, INTERSECT and EXCEPT: both sides are brought to common types, column by column.

import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { type ColumnType, columnType, UNKNOWN } from '../../rows/types.ts';
import type { ResultField } from '../api.ts';
import type { SelectStatement, SetOperation } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { isComparable } from '../types/comparison.ts';
import { positionOf } from '../types/names.ts';
import type { PlanContext, QueryOptions } from './context.ts';
import { ExpressionBinder } from './expressions.ts';
import { bindLimits, finish } from './finish.ts';
import type { PlanNode, SelectPlan } from './nodes.ts';
import { bindOrderBy, type BoundOrder } from './order-by.ts';
import { derivedRelation, Scope } from './scope.ts';
import type { Target } from './targets.ts';

export function bindSetOperation(
  context: PlanContext,
  ast: SelectStatement,
  operation: SetOperation,
  options: QueryOptions,
): SelectPlan {
  if (ast.locking !== undefined) {
    throw new DbError('0A000', 'FOR UPDATE is not allowed with UNION/INTERSECT/EXCEPT');
  }
  const { node, fields, types } = bindSides(context, operation, options);
  const names = fields.map((f) => f.name);
  const binder = new ExpressionBinder(context, new Scope([derivedRelation('', names, types, 0)]));
  const outputs = types.map((type, index): Expr => ({ kind: 'column', type, index }));
  const targets = outputs.map((expr, i): Target => ({ expr, field: fields[i] as ResultField }));
  const order = binder.clause('ORDER BY', undefined, () =>
    bindOrderBy(binder, ast.orderBy, targets),
  );
  order.forEach(refuseExpression);
  const limits = bindLimits(binder, ast);
  return finish({ node, outputs, fields, order, distinct: false, distinctOn: undefined, limits });
}

function refuseExpression({ target, at }: BoundOrder): void {
  if (target !== undefined) return;
  throw new DbError('0A000', 'invalid UNION/INTERSECT/EXCEPT ORDER BY clause', {
    detail: 'Only result column names can be used, not expressions or functions.',
    hint: 'Add the expression/function to every SELECT, or move the UNION into a FROM clause.',
    ...positionOf(at),
  });
}

interface Sides {
  readonly node: PlanNode;
  readonly fields: readonly ResultField[];
  readonly types: readonly ColumnType[];
}

function bindSides(
  context: PlanContext,
  { op, all, left, right }: SetOperation,
  options: QueryOptions,
): Sides {
  const open = { ...options, keepsUnknown: true };
  const a = context.query(left, open);
  const b = context.query(right, open);
  const word = op.toUpperCase();
  if (a.outputs.length !== b.outputs.length) {
    throw new DbError(
      '42601',
      `each ${word} query must have the same number of columns`,
      positionOf(placeOf(right)),
    );
  }
  const binder = new ExpressionBinder(context, new Scope([]));
  const columns = a.outputs.map((output, i) => {
    const ats = [placeOf(left, i), placeOf(right, i)];
    const pair = [output, b.outputs[i] as Expr];
    // What neither side says, the place that they go to does; else it stays open for the next one around.
    if (!pair.every((e) => typeOf(e).oid === UNKNOWN)) return binder.unifiedExprs(pair, word, ats);
    const type = options.wanted?.[i];
    if (type === undefined) return binder.unifiedExprs(pair, word, ats);
    return { args: pair.map((e, k) => binder.coerced(e, type, ats[k] as number)), type };
  });
  const types = columns.map((column) => column.type);
  if (op !== 'union' || !all) types.forEach(checkEquality);
  const input = (side: SelectPlan, k: number): PlanNode => ({
    kind: 'project',
    input: side.input,
    exprs: columns.map((column) => column.args[k] as Expr),
  });
  const fields = a.fields.map(
    ({ name }, i): ResultField => ({
      name,
      type: types[i] as ColumnType,
      tableId: 0,
      columnNumber: 0,
    }),
  );
  return { node: combined(op, all, input(a, 0), input(b, 1), types), fields, types };
}

function checkEquality({ oid }: ColumnType): void {
  if (isComparable(oid)) return;
  const type = sqlTypeName(columnType(oid));
  throw new DbError('42883', `could not identify an equality operator for type ${type}`);
}

function combined(
  op: SetOperation['op'],
  all: boolean,
  left: PlanNode,
  right: PlanNode,
  types: readonly ColumnType[],
): PlanNode {
  if (op !== 'union') return { kind: 'matched', op, all, left, right, types };
  const node: PlanNode = { kind: 'append', inputs: [left, right], width: types.length };
  return all ? node : { kind: 'distinct', input: node, types, keys: undefined };
}

/** Where a query's column stands, as well as it is known. */
function placeOf(ast: SelectStatement, column = 0): number {
  if (ast.setOperation !== undefined) return placeOf(ast.setOperation.left, column);
  return ast.values?.[0]?.[column]?.at ?? ast.items[column]?.expr.at ?? ast.at;
}
