// Binding of SELECT.

import { DbError } from '../../base/errors.ts';
import { ORDER_MATTERS } from '../../rows/aggregates.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { columnType } from '../../rows/types.ts';
import type { LockOptions } from '../../txn/api.ts';
import type { Expression, SelectStatement } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { isComparable } from '../types/comparison.ts';
import { positionOf } from '../types/names.ts';
import { AggregateCollector } from './aggregate-collector.ts';
import type { PlanContext, QueryOptions } from './context.ts';
import { isCovered } from './covering.ts';
import { collectSlots, conjunction, hasSubplan, sameExpr } from './expr-tools.ts';
import { ExpressionBinder } from './expressions.ts';
import { bindLimits, finish, type Limits } from './finish.ts';
import { FromBinder, type Source } from './from.ts';
import { Grouping } from './grouping.ts';
import { type GroupSets, groupSets } from './grouping-sets.ts';
import { keysOf } from './keyed.ts';
import type { PlanNode, SelectPlan } from './nodes.ts';
import { bindOrderBy, type BoundOrder, findTarget } from './order-by.ts';
import { filtered, placeConditions } from './place.ts';
import { bindTargets, type Target } from './targets.ts';
import { mapCall, type WindowCall, WindowCollector, windowNode } from './windows.ts';

export function bindSelect(
  context: PlanContext,
  ast: SelectStatement,
  options: QueryOptions,
): SelectPlan {
  const parts = bindParts(context, ast, options);
  const plan = build(context, parts, parts.where, []);
  const found = keysOf(context, parts.where);
  const { limit, offset } = parts.limits;
  if (found === undefined || limit !== undefined || offset !== undefined) return plan;
  if (parts.distinctOn !== undefined || ast.locking !== undefined) return plan;
  // Windows would reach over the rows of all keys.
  if (parts.windows.length > 0 || parts.sets !== undefined) return plan;
  const keyed = {
    plan: build(context, parts, conjunction(found.rest), found.inner),
    keys: found.outer,
    uses: found.uses,
    answersNothing: parts.isGrouped && parts.groupBy.length === 0,
  };
  return { ...plan, keyed };
}

/** A SELECT with every expression bound. */
interface Parts {
  readonly binder: ExpressionBinder;
  readonly source: Source | undefined;
  readonly targets: readonly Target[];
  readonly where: Expr | undefined;
  readonly groupBy: readonly Expr[];
  readonly sets: GroupSets['sets'];
  readonly having: Expr | undefined;
  readonly aggregates: AggregateCollector;
  readonly isGrouped: boolean;
  readonly windows: readonly WindowCall[];
  readonly order: readonly BoundOrder[];
  readonly distinct: boolean;
  readonly distinctOn: readonly Expr[] | undefined;
  readonly limits: Limits;
}

function bindParts(context: PlanContext, ast: SelectStatement, options: QueryOptions): Parts {
  const lock = lockOf(ast);
  if (lock !== undefined) context.locksRows = true;
  const { source, scope } = new FromBinder(context, lock).bind(ast.from);
  const binder = new ExpressionBinder(context, scope);
  const aggregates = new AggregateCollector();
  binder.aggregates = aggregates;
  const windows = new WindowCollector(ast.windows ?? []);
  binder.windows = windows;
  const targets = bindTargets(binder, ast.items, options.wanted, options.keepsUnknown);
  const where = binder.clause('WHERE', undefined, () =>
    ast.where === undefined ? undefined : binder.condition(ast.where, 'WHERE'),
  );
  const having = binder.clause('HAVING', aggregates, () =>
    ast.having === undefined ? undefined : binder.condition(ast.having, 'HAVING'),
  );
  const order = binder.clause('ORDER BY', aggregates, () =>
    bindOrderBy(binder, ast.orderBy, targets),
  );
  const { groups: groupBy, sets } = binder.clause('GROUP BY', undefined, () =>
    groupSets(ast.groupBy, ast.groupDistinct === true, (item) => bindGroup(binder, item, targets)),
  );
  if (ast.distinct) checkDistinct(targets, order);
  const distinctOn =
    ast.distinctOn && bindDistinctOn(binder, ast.distinctOn, targets, order, aggregates);
  const isGrouped =
    ast.groupBy.length > 0 ||
    having !== undefined ||
    aggregates.calls.length + aggregates.groupings.length > 0;
  if (lock !== undefined) refuseLock(ast, isGrouped);
  return {
    ...{ binder, source, targets, where, groupBy, sets, having, aggregates, isGrouped, order },
    windows: windows.calls,
    distinct: ast.distinct,
    distinctOn,
    limits: bindLimits(binder, ast),
  };
}

/** The plan with `where` for its condition and `keys` as further outputs. */
function build(
  context: PlanContext,
  parts: Parts,
  where: Expr | undefined,
  keys: readonly Expr[],
): SelectPlan {
  const { binder, targets, order, distinct, limits } = parts;
  let node = placeConditions(context, parts.source, where);
  let outputs: readonly Expr[] = [...targets.map((t) => t.expr), ...keys];
  let orderExprs: readonly Expr[] = order.map((o) => o.expr);
  let { distinctOn, windows } = parts;
  if (parts.isGrouped) {
    const grouping = new Grouping(
      [...parts.groupBy, ...keys],
      binder.scope,
      binder.columnAt,
      parts.sets !== undefined,
    );
    const regrouped = (exprs: readonly Expr[]): readonly Expr[] =>
      exprs.map((e) => grouping.regroup(e));
    const { calls, groupings } = parts.aggregates;
    const having = regrouped(parts.having === undefined ? [] : [parts.having]);
    outputs = regrouped(outputs);
    orderExprs = regrouped(orderExprs);
    distinctOn &&= regrouped(distinctOn);
    windows = windows.map((call) => mapCall(call, (e) => grouping.regroup(e)));
    // Only now all groups are known.
    const finished = (exprs: readonly Expr[]): readonly Expr[] =>
      exprs.map((e) => grouping.finish(e, calls.length));
    node = aggregation(context, node, grouping.groups, parts.aggregates);
    if (node.kind === 'aggregate' && (parts.sets !== undefined || groupings.length > 0)) {
      const sets = parts.sets ?? [grouping.groups.map((_, i) => i)];
      node = {
        ...node,
        pushed: false,
        grouping: { sets, groupings: grouping.groupings(groupings) },
      };
    }
    node = filtered(node, finished(having));
    outputs = finished(outputs);
    orderExprs = finished(orderExprs);
    distinctOn &&= finished(distinctOn);
    windows = windows.map((call) => mapCall(call, (e) => grouping.finish(e, calls.length)));
  }
  if (windows.length > 0) {
    const above = [...outputs, ...orderExprs, ...(distinctOn ?? [])];
    const windowed = windowNode(node, windows, above);
    const mapped = (exprs: readonly Expr[]): readonly Expr[] => exprs.map((e) => windowed.map(e));
    node = windowed.node;
    outputs = mapped(outputs);
    orderExprs = mapped(orderExprs);
    distinctOn &&= mapped(distinctOn);
  }
  const fields = targets.map((t) => t.field);
  const ordered = order.map((o, i) => ({ ...o, expr: orderExprs[i] as Expr }));
  return finish({ node, outputs, fields, order: ordered, distinct, distinctOn, limits });
}

/** DISTINCT ON (…): what ORDER BY begins with, if there is one. */
function bindDistinctOn(
  binder: ExpressionBinder,
  asts: readonly Expression[],
  targets: readonly Target[],
  order: readonly BoundOrder[],
  aggregates: AggregateCollector,
): readonly Expr[] {
  return binder.clause('DISTINCT ON', aggregates, () => {
    const bound = asts.map((ast) => {
      const target = findTarget(binder, ast, targets, 'DISTINCT ON');
      const expr =
        target === undefined
          ? binder.settled(binder.bind(ast), ast.at)
          : (targets[target] as Target).expr;
      checkEquality(expr);
      return expr;
    });
    // PostgreSQL wants those of ORDER BY first, in whatever order.
    let left: readonly Expr[] = bound;
    for (const { expr } of order) {
      if (left.length === 0) break;
      if (!bound.some((on) => sameExpr(on, expr))) {
        throw new DbError(
          '42P10',
          'SELECT DISTINCT ON expressions must match initial ORDER BY expressions',
          positionOf(asts[bound.indexOf(left[0] as Expr)]?.at ?? -1),
        );
      }
      left = left.filter((on) => !sameExpr(on, expr));
    }
    return bound;
  });
}

function aggregation(
  context: PlanContext,
  input: PlanNode,
  groupBy: readonly Expr[],
  { calls }: AggregateCollector,
): PlanNode {
  groupBy.forEach(checkEquality);
  const exprs = [...groupBy, ...calls.flatMap((c) => [...c.args, ...(c.filter ? [c.filter] : [])])];
  const pushed =
    input.kind === 'table' &&
    input.base === 0 &&
    input.access.kind === 'spans' &&
    input.lock === undefined &&
    isCovered(input, slotsOf(exprs)) &&
    calls.every((c) => !c.distinct && !ORDER_MATTERS.has(c.kind)) &&
    exprs.every((e) => context.isStable(e));
  if (!exprs.some(hasSubplan))
    return { kind: 'aggregate', input, groupBy, aggregates: calls, pushed };
  // What waits for queries is computed before.
  const slots = exprs.map((e, index): Expr => ({ kind: 'column', type: typeOf(e), index }));
  let at = groupBy.length;
  const take = (): Expr => slots[at++] as Expr;
  const aggregates = calls.map((call) => ({
    ...call,
    args: call.args.map(take),
    filter: call.filter === undefined ? undefined : take(),
  }));
  const project: PlanNode = { kind: 'project', input, exprs };
  return {
    kind: 'aggregate',
    input: project,
    groupBy: slots.slice(0, groupBy.length),
    aggregates,
    pushed: false,
  };
}

function checkEquality(expr: Expr): void {
  if (isComparable(typeOf(expr).oid)) return;
  const type = sqlTypeName(columnType(typeOf(expr).oid));
  throw new DbError('42883', `could not identify an equality operator for type ${type}`);
}

function slotsOf(exprs: readonly Expr[]): ReadonlySet<number> {
  const slots = new Set<number>();
  for (const expr of exprs) collectSlots(expr, slots);
  return slots;
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
