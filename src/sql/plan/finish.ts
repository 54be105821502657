// ORDER BY, DISTINCT and LIMIT: what comes above everything else in a query.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { columnType, INT8 } from '../../rows/types.ts';
import type { ResultField } from '../api.ts';
import type { Expression, SelectStatement } from '../parse/ast.ts';
import { coerce, typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import { hasColumns, hasSubplan } from './expr-tools.ts';
import type { ExpressionBinder } from './expressions.ts';
import type { PlanNode, SelectPlan, SortKey } from './nodes.ts';
import { keyOrder } from './order.ts';
import type { BoundOrder } from './order-by.ts';
import { isSelective } from './spans.ts';

export interface Limits {
  readonly limit: Expr | undefined;
  readonly offset: Expr | undefined;
  /** Rows that are equal to the last one in ORDER BY come, too. */
  readonly withTies: boolean;
}

export interface Pieces {
  readonly node: PlanNode;
  readonly outputs: readonly Expr[];
  readonly fields: readonly ResultField[];
  readonly order: readonly BoundOrder[];
  readonly distinct: boolean;
  /** Of DISTINCT ON. */
  readonly distinctOn: readonly Expr[] | undefined;
  readonly limits: Limits;
}

export function finish(pieces: Pieces): SelectPlan {
  const { order, distinct, distinctOn, outputs, fields, limits } = pieces;
  let { node } = pieces;
  const plain = !distinct && distinctOn === undefined && !limits.withTies;
  const inKeyOrder = plain ? readInOrder(node, order, limits.limit !== undefined) : undefined;
  if (inKeyOrder !== undefined) node = inKeyOrder;
  else if (order.length > 0 || !plain) return sorted(pieces);
  node = limited(node, limits, []);
  if (!outputs.some(hasSubplan)) return { kind: 'select', input: node, outputs, fields };
  node = { kind: 'project', input: node, exprs: outputs };
  return { kind: 'select', input: node, outputs: columnsOf(outputs), fields };
}

function columnsOf(outputs: readonly Expr[]): readonly Expr[] {
  return outputs.map((e, index): Expr => ({ kind: 'column', type: typeOf(e), index }));
}

function sorted({ node: input, order, outputs, fields, ...pieces }: Pieces): SelectPlan {
  const exprs = [...outputs];
  const keys = order.map(({ expr, descending, nullsFirst, target }): SortKey => {
    const slot = target ?? exprs.push(expr) - 1;
    return { slot, type: typeOf(expr), descending, nullsFirst };
  });
  const distinctKeys = pieces.distinctOn?.map((expr) => exprs.push(expr) - 1);
  const types = exprs.map(typeOf);
  let node: PlanNode = { kind: 'project', input, exprs };
  if (pieces.distinct) node = { kind: 'distinct', input: node, types, keys: undefined };
  if (keys.length > 0) node = { kind: 'sort', input: node, keys, width: exprs.length };
  // Of equal rows the first one stays, so they are sorted before.
  if (distinctKeys !== undefined)
    node = { kind: 'distinct', input: node, types, keys: distinctKeys };
  node = limited(node, pieces.limits, keys);
  return { kind: 'select', input: node, outputs: columnsOf(outputs), fields };
}

function limited(
  node: PlanNode,
  { limit, offset, withTies }: Limits,
  keys: readonly SortKey[],
): PlanNode {
  if (limit === undefined && offset === undefined) return node;
  return { kind: 'limit', input: node, limit, offset, ties: withTies ? keys : undefined };
}

/** The node reading its table in the order asked for, if a key has it. */
function readInOrder(
  node: PlanNode,
  order: readonly BoundOrder[],
  isLimited: boolean,
): PlanNode | undefined {
  if (order.length === 0) return undefined;
  if (node.kind === 'filter') {
    const input = readInOrder(node.input, order, isLimited);
    return input === undefined ? undefined : { ...node, input };
  }
  if (node.kind !== 'table' || node.base !== 0) return undefined;
  const [best] = node.choices;
  for (const choice of node.choices) {
    const { access, residual, fixedColumns } = choice;
    // The order is worth a look-up for each row when few rows are wanted, and no worse key.
    const isAsGood =
      choice === best ||
      (fixedColumns >= (best?.fixedColumns ?? 0) && (isSelective(choice) || isLimited));
    const direction = isAsGood ? keyOrder(node.table, access, order) : undefined;
    if (direction === undefined) continue;
    return { ...node, access, filter: residual, reverse: direction === 'reverse' };
  }
  return undefined;
}

export function bindLimits(binder: ExpressionBinder, ast: SelectStatement): Limits {
  const withTies = ast.withTies === true;
  if (withTies && ast.orderBy.length === 0) {
    throw new DbError('42601', 'WITH TIES cannot be specified without ORDER BY clause');
  }
  return {
    limit: bindCount(binder, ast.limit, 'LIMIT'),
    offset: bindCount(binder, ast.offset, 'OFFSET'),
    withTies,
  };
}

function bindCount(
  binder: ExpressionBinder,
  ast: Expression | undefined,
  word: 'LIMIT' | 'OFFSET',
): Expr | undefined {
  if (ast === undefined) return undefined;
  const bound = binder.clause(word, undefined, () => binder.bind(ast));
  if (hasSubplan(bound) && !hasColumns(bound))
    throw unsupported(`this subquery in ${word}`, ast.at + 1);
  if (hasColumns(bound)) {
    throw new DbError(
      '42P10',
      `argument of ${word} must not contain variables`,
      positionOf(ast.at),
    );
  }
  const type = columnType(INT8);
  const count = coerce(bound, type, 'assignment', binder.context.parameters, ast.at);
  if (count !== undefined) return count;
  throw new DbError(
    '42804',
    `argument of ${word} must be type bigint, not type ${sqlTypeName(columnType(typeOf(bound).oid))}`,
    positionOf(ast.at),
  );
}
