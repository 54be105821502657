// Binding of UPDATE … FROM and DELETE … USING: the table that is written is joined with others, and locked as it is
// read.

import type { Expr } from '../../rows/expr.ts';
import { LOCK_EXCLUSIVE } from '../../txn/api.ts';
import type { DeleteStatement, FromItem, SelectItem, UpdateStatement } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { bindSet } from './assign.ts';
import { tableRules } from './bind-rules.ts';
import type { PlanContext } from './context.ts';
import { collectSlots, mapSlots } from './expr-tools.ts';
import { ExpressionBinder } from './expressions.ts';
import { FromBinder } from './from.ts';
import { refuseWaiting } from './insert.ts';
import type { JoinedWritePlan, ReturningPlan, SetColumn } from './nodes.ts';
import { placeConditions } from './place.ts';
import { bindTargets } from './targets.ts';

export function bindJoinedWrite(
  context: PlanContext,
  ast: UpdateStatement | DeleteStatement,
  items: readonly FromItem[],
): JoinedWritePlan {
  const table = context.table(ast.table);
  const from = new FromBinder(context, undefined);
  const { source, scope } = from.bindTarget(table, ast.alias, LOCK_EXCLUSIVE, items);
  const binder = new ExpressionBinder(context, scope);
  binder.place = 'WHERE';
  const where = ast.where === undefined ? undefined : binder.condition(ast.where, 'WHERE');
  binder.place = 'UPDATE';
  const set = ast.kind === 'update' ? bindSet(binder, table, ast.set) : [];
  binder.place = 'RETURNING';
  const returning = bindReturning(binder, ast.returning);
  const width = table.layout.types.length;
  const others = new Set<number>();
  for (const output of returning?.outputs ?? []) collectSlots(output, others);
  const slots = [...others].filter((slot) => slot >= width);
  return {
    kind: 'joinedWrite',
    command: ast.kind,
    table,
    rules: tableRules(table, context.environment.catalog),
    input: {
      kind: 'project',
      input: placeConditions(context, source, where),
      exprs: [...table.layout.types.map(columnOf), ...set.map((s) => s.value), ...slots.map(typed)],
    },
    set: set.map(
      ({ position }, i): SetColumn => ({
        position,
        value: columnOf(typeOf((set[i] as SetColumn).value), width + i),
      }),
    ),
    returning: returning && {
      ...returning,
      outputs: returning.outputs.map((e) =>
        mapSlots(e, (slot) => (slot < width ? slot : width + slots.indexOf(slot))),
      ),
    },
    others: slots.length,
  };

  function typed(slot: number): Expr {
    const column = scope.relations.flatMap((r) => r.columns).find((c) => c.slot === slot);
    return columnOf(column?.type ?? { oid: 0, modifier: -1 }, slot);
  }
}

function columnOf(type: ReturnType<typeof typeOf>, index: number): Expr {
  return { kind: 'column', type, index };
}

function bindReturning(
  binder: ExpressionBinder,
  items: readonly SelectItem[] | undefined,
): ReturningPlan | undefined {
  if (items === undefined) return undefined;
  const targets = bindTargets(binder, items);
  targets.forEach(({ expr }, i) => refuseWaiting(expr, 'RETURNING', items[i]?.expr.at ?? -1));
  return { outputs: targets.map((t) => t.expr), fields: targets.map((t) => t.field) };
}
