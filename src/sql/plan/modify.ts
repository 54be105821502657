// Binding of UPDATE and DELETE: one table, locked as it is read.

import { assert } from '../../base/assert.ts';
import type { Expr } from '../../rows/expr.ts';
import { LOCK_EXCLUSIVE, LOCK_SHARED } from '../../txn/api.ts';
import type { DeleteStatement, Expression, UpdateStatement } from '../parse/ast.ts';
import { bindSet } from './assign.ts';
import type { PlanContext } from './context.ts';
import { conjunction, conjunctsOf } from './expr-tools.ts';
import { ExpressionBinder } from './expressions.ts';
import { bindReturning } from './insert.ts';
import type { DeletePlan, PlanNode, TableNode, UpdatePlan } from './nodes.ts';
import { placeConditions } from './place.ts';
import { Scope, tableRelation } from './scope.ts';
import { tableRules } from './bind-rules.ts';
import { changesEntries, writtenBy } from './table-rules.ts';

export function bindUpdate(context: PlanContext, ast: UpdateStatement): UpdatePlan {
  const table = context.table(ast.table);
  const binder = new ExpressionBinder(context, new Scope([tableRelation(table, ast.alias, 0)]));
  // PostgreSQL learns parameters from WHERE before SET.
  const where = bindWhere(binder, ast.where);
  binder.place = 'UPDATE';
  const set = bindSet(binder, table, ast.set);
  const returning = bindReturning(context, table, ast.alias, ast.returning);
  const rules = tableRules(table, context.environment.catalog);
  const { input, residual } = locked(context, table, where);
  const { index } = input.access;
  // What does not change an entry need not keep others from reading it.
  const written = writtenBy(rules, set);
  const isEntryKept = index !== undefined && !changesEntries(index, written);
  const entryLock = isEntryKept ? { entryLock: LOCK_SHARED } : {};
  return { kind: 'update', rules, input: { ...input, ...entryLock }, residual, set, returning };
}

export function bindDelete(context: PlanContext, ast: DeleteStatement): DeletePlan {
  const table = context.table(ast.table);
  const binder = new ExpressionBinder(context, new Scope([tableRelation(table, ast.alias, 0)]));
  const where = bindWhere(binder, ast.where);
  const returning = bindReturning(context, table, ast.alias, ast.returning);
  const rules = tableRules(table, context.environment.catalog);
  return { kind: 'delete', rules, ...locked(context, table, where), returning };
}

function bindWhere(binder: ExpressionBinder, where: Expression | undefined): Expr | undefined {
  binder.place = 'WHERE';
  return where === undefined ? undefined : binder.condition(where, 'WHERE');
}

function locked(
  context: PlanContext,
  table: TableNode['table'],
  where: Expr | undefined,
): { readonly input: TableNode; readonly residual: Expr | undefined } {
  const source = {
    kind: 'table',
    table,
    base: 0,
    width: table.layout.types.length,
    lock: LOCK_EXCLUSIVE,
  } as const;
  let node: PlanNode = placeConditions(context, source, where);
  const residual: Expr[] = [];
  while (node.kind === 'filter') {
    residual.push(...conjunctsOf(node.predicate));
    node = node.input;
  }
  assert(node.kind === 'table', 'conditions above one table are filters');
  return { input: node, residual: conjunction(residual) };
}
