// Binding of SELECT and VALUES.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { type ColumnType, columnType, INT8 } from '../../rows/types.ts';
import type { LockOptions } from '../../txn/api.ts';
import type { ResultField } from '../api.ts';
import type { Expression, SelectStatement } from '../parse/ast.ts';
import { coerce, typeOf } from '../types/coercion.ts';
import { isComparable } from '../types/comparison.ts';
import { positionOf } from '../types/names.ts';
import { AggregateCollector } from './aggregate-collector.ts';
import type { PlanContext } from './context.ts';
import { hasColumns } from './expr-tools.ts';
import { ExpressionBinder } from './expressions.ts';
import { FromBinder } from './from.ts';
import { Grouping } from './grouping.ts';
import type { PlanNode, SelectPlan } from './nodes.ts';
import { bindOrderBy, type BoundOrder, findTarget } from './order-by.ts';
import { keyOrder } from './order.ts';
import { bindTargets, type Target } from './targets.ts';
import { filtered, placeConditions } from './place.ts';

/** `wanted`: the types of the columns that INSERT … SELECT fills, for outputs that have none of their own. */
export function bindSelect(
  context: PlanContext,
  ast: SelectStatement,
  wanted: readonly ColumnType[] = [],
): SelectPlan {
  if (ast.values !== undefined) return bindValues(context, ast, ast.values);
  const lock = lockOf(ast);
  const { source, scope } = new FromBinder(context, bindSelect, lock).bind(ast.from);
  const binder = new ExpressionBinder(context, scope);
  const aggregates = new AggregateCollector();

  binder.aggregates = aggregates;
  const targets = bindTargets(binder, ast.items, wanted);
  const where = clause(binder, 'WHERE', undefined, () =>
    ast.where === undefined ? undefined : binder.condition(ast.where, 'WHERE'),
  );
  const having = clause(binder, 'HAVING', aggregates, () =>
    ast.having === undefined ? undefined : binder.condition(ast.having, 'HAVING'),
  );
  const order = clause(binder, 'ORDER BY', aggregates, () =>
    bindOrderBy(binder, ast.orderBy, targets),
  );
  const groupBy = clause(binder, 'GROUP BY', undefined, () =>
    ast.groupBy.map((item) => bindGroup(binder, item, targets)),
  );
  if (ast.distinct) checkDistinct(targets, order);
  const isGrouped = groupBy.length > 0 || having !== undefined || aggregates.calls.length > 0;
  if (lock !== undefined) refuseLock(ast, isGrouped);

  let node = placeConditions(context, source, where);
  let outputs: readonly Expr[] = targets.map((t) => t.expr);
  let orderExprs: readonly Expr[] = order.map((o) => o.expr);
  if (isGrouped) {
    const grouping = new Grouping(groupBy, scope, binder.columnAt);
    const groupedOutputs = outputs.map((e) => grouping.regroup(e));
    const groupedOrder = orderExprs.map((e) => grouping.regroup(e));
    const groupedHaving = having === undefined ? undefined : grouping.regroup(having);
    node = aggregation(context, node, grouping.groups, aggregates);
    if (groupedHaving !== undefined) node = filtered(node, [grouping.finish(groupedHaving)]);
    outputs = groupedOutputs.map((e) => grouping.finish(e));
    orderExprs = groupedOrder.map((e) => grouping.finish(e));
  }
  const limit = bindCount(binder, ast.limit, 'LIMIT');
  const offset = bindCount(binder, ast.offset, 'OFFSET');
  const fields = targets.map((t) => t.field);
  const ordered = order.map((o, i) => ({ ...o, expr: orderExprs[i] as Expr }));
  return finish({ node, outputs, fields, order: ordered, distinct: ast.distinct, limit, offset });
}

function clause<T>(
  binder: ExpressionBinder,
  place: string,
  aggregates: AggregateCollector | undefined,
  bind: () => T,
): T {
  const before = binder.aggregates;
  binder.place = place;
  binder.aggregates = aggregates;
  const bound = bind();
  binder.aggregates = before;
  return bound;
}

interface Pieces {
  readonly node: PlanNode;
  readonly outputs: readonly Expr[];
  readonly fields: readonly ResultField[];
  readonly order: readonly BoundOrder[];
  readonly distinct: boolean;
  readonly limit: Expr | undefined;
  readonly offset: Expr | undefined;
}

/** ORDER BY, DISTINCT and LIMIT above everything else. */
function finish(pieces: Pieces): SelectPlan {
  const { order, distinct, outputs, fields } = pieces;
  let { node } = pieces;
  const inKeyOrder = distinct ? undefined : readInOrder(node, order);
  if (inKeyOrder !== undefined) {
    node = inKeyOrder;
  } else if (order.length > 0 || distinct) {
    return sorted(pieces);
  }
  return { kind: 'select', input: limited(node, pieces), outputs, fields };
}

function sorted(pieces: Pieces): SelectPlan {
  const { order, outputs, fields } = pieces;
  const exprs = [...outputs];
  const keys = order.map(({ expr, descending, nullsFirst, target }) => {
    const slot = target ?? exprs.push(expr) - 1;
    return { slot, type: typeOf(expr), descending, nullsFirst };
  });
  let node: PlanNode = { kind: 'project', input: pieces.node, exprs };
  if (pieces.distinct) node = { kind: 'distinct', input: node, types: outputs.map(typeOf) };
  if (keys.length > 0) node = { kind: 'sort', input: node, keys, width: exprs.length };
  const columns = outputs.map((e, index): Expr => ({ kind: 'column', type: typeOf(e), index }));
  return { kind: 'select', input: limited(node, pieces), outputs: columns, fields };
}

function limited(node: PlanNode, { limit, offset }: Pieces): PlanNode {
  return limit === undefined && offset === undefined
    ? node
    : { kind: 'limit', input: node, limit, offset };
}

/** The node reading its table in the order asked for, if its key has it. */
function readInOrder(node: PlanNode, order: readonly BoundOrder[]): PlanNode | undefined {
  if (order.length === 0) return undefined;
  if (node.kind === 'filter') {
    const input = readInOrder(node.input, order);
    return input === undefined ? undefined : { ...node, input };
  }
  if (node.kind !== 'table' || node.base !== 0) return undefined;
  const direction = keyOrder(node.table, node.access, order);
  return direction === undefined ? undefined : { ...node, reverse: direction === 'reverse' };
}

function aggregation(
  context: PlanContext,
  input: PlanNode,
  groupBy: readonly Expr[],
  { calls }: AggregateCollector,
): PlanNode {
  for (const group of groupBy) {
    if (!isComparable(typeOf(group).oid)) {
      const type = sqlTypeName(columnType(typeOf(group).oid));
      throw new DbError('42883', `could not identify an equality operator for type ${type}`);
    }
  }
  const exprs = [...groupBy, ...calls.flatMap((c) => [...c.args, ...(c.filter ? [c.filter] : [])])];
  const pushed =
    input.kind === 'table' &&
    input.base === 0 &&
    input.access.kind === 'spans' &&
    input.lock === undefined &&
    calls.every((c) => !c.distinct && c.kind !== 'string_agg') &&
    exprs.every((e) => context.isStable(e));
  return { kind: 'aggregate', input, groupBy, aggregates: calls, pushed };
}

/** An output's name or position, or an expression over the input. */
function bindGroup(binder: ExpressionBinder, ast: Expression, targets: readonly Target[]): Expr {
  // Unlike in ORDER BY, a bare name is a column of the input first.
  const isColumn =
    ast.kind === 'column' &&
    ast.path.length === 1 &&
    binder.scope.find(ast.path[0] as string, ast.at) !== undefined;
  const target = isColumn ? undefined : findTarget(binder, ast, targets, 'GROUP BY');
  if (target === undefined) return binder.settled(binder.bind(ast), ast.at);
  const { expr } = targets[target] as Target;
  const aggregate = binder.aggregateIn(expr);
  if (aggregate !== undefined) {
    const place = positionOf(binder.columnAt.get(aggregate) ?? ast.at);
    throw new DbError('42803', 'aggregate functions are not allowed in GROUP BY', place);
  }
  return expr;
}

function checkDistinct(targets: readonly Target[], order: readonly BoundOrder[]): void {
  for (const { expr, field } of targets) {
    const { oid } = typeOf(expr);
    if (!isComparable(oid)) {
      const type = sqlTypeName(columnType(oid));
      throw new DbError('42883', `could not identify an equality operator for type ${type}`, {
        column: field.name,
      });
    }
  }
  for (const { target, at } of order) {
    if (target === undefined) {
      throw new DbError(
        '42P10',
        'for SELECT DISTINCT, ORDER BY expressions must appear in select list',
        positionOf(at),
      );
    }
  }
}

function bindCount(
  binder: ExpressionBinder,
  ast: Expression | undefined,
  word: 'LIMIT' | 'OFFSET',
): Expr | undefined {
  if (ast === undefined) return undefined;
  const bound = clause(binder, word, undefined, () => binder.bind(ast));
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

function lockOf({ locking }: SelectStatement): LockOptions | undefined {
  if (locking === undefined) return undefined;
  return { mode: locking.strength === 'update' ? 'exclusive' : 'shared', wait: locking.wait };
}

function refuseLock(ast: SelectStatement, isGrouped: boolean): void {
  const clauseName = ast.locking?.strength === 'share' ? 'FOR SHARE' : 'FOR UPDATE';
  const what = ast.distinct
    ? 'DISTINCT clause'
    : ast.groupBy.length > 0
      ? 'GROUP BY clause'
      : ast.having !== undefined
        ? 'HAVING clause'
        : isGrouped
          ? 'aggregate functions'
          : undefined;
  if (what !== undefined) {
    throw new DbError('0A000', `${clauseName} is not allowed with ${what}`);
  }
}

function bindValues(
  context: PlanContext,
  ast: SelectStatement,
  values: readonly (readonly Expression[])[],
): SelectPlan {
  if (ast.locking !== undefined) throw unsupported('FOR UPDATE with VALUES', ast.at + 1);
  const { scope } = new FromBinder(context, bindSelect, undefined).bind([]);
  const binder = new ExpressionBinder(context, scope);
  binder.place = 'VALUES';
  const width = values[0]?.length ?? 0;
  const bound = values.map((row) => {
    if (row.length !== width) {
      throw new DbError(
        '42601',
        'VALUES lists must all be the same length',
        positionOf(row[0]?.at ?? ast.at),
      );
    }
    return row.map((cell) => binder.bind(cell));
  });
  const types: ColumnType[] = [];
  const columns = Array.from({ length: width }, (_, i) => {
    const ats = values.map((row) => row[i]?.at ?? -1);
    const column = bound.map((row) => row[i] as Expr);
    const { args, type } = binder.unifiedExprs(column, 'VALUES', ats);
    types.push(type);
    return args;
  });
  const rows = bound.map((_, r) => columns.map((column) => column[r] as Expr));
  const outputs = types.map((type, index): Expr => ({ kind: 'column', type, index }));
  const targets = outputs.map(
    (expr, i): Target => ({
      expr,
      field: { name: `column${i + 1}`, type: types[i] as ColumnType, tableId: 0, columnNumber: 0 },
    }),
  );
  const order = bindOrderBy(binder, ast.orderBy, targets);
  const limit = bindCount(binder, ast.limit, 'LIMIT');
  const offset = bindCount(binder, ast.offset, 'OFFSET');
  const node: PlanNode = { kind: 'values', base: 0, rows };
  const fields = targets.map((t) => t.field);
  return finish({ node, outputs, fields, order, distinct: false, limit, offset });
}
