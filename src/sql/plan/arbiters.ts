// ON CONFLICT (…): which of a table's unique indexes are meant.

import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { InsertStatement } from '../parse/ast.ts';
import { columnNamed } from './assign.ts';
import type { PlanContext } from './context.ts';
import { conjunctsOf, sameExpr } from './expr-tools.ts';
import { ExpressionBinder } from './expressions.ts';
import type { Arbiter } from './nodes.ts';
import { Scope, tableRelation } from './scope.ts';
import { tableRules } from './bind-rules.ts';
import type { IndexRule } from './table-rules.ts';

type OnConflict = NonNullable<InsertStatement['onConflict']>;

/** None: whatever is there already. */
export function bindArbiters(
  context: PlanContext,
  table: TableDescriptor,
  { elements, predicate, constraint, at }: OnConflict,
): readonly Arbiter[] {
  const { indexes } = tableRules(table, context.environment.catalog);
  if (constraint !== undefined) return [constraintNamed(table, constraint)];
  if (elements === undefined) return [];
  const binder = new ExpressionBinder(context, new Scope([tableRelation(table, undefined, 0)]));
  binder.place = 'ON CONFLICT';
  const wanted = elements.map((element) => {
    const name = element.kind === 'column' ? element.path[0] : undefined;
    if (name !== undefined) columnNamed(table, name, at);
    return context.withLiterals(binder.bind(element));
  });
  const where = predicate === undefined ? undefined : binder.condition(predicate, 'WHERE');
  const given = conjunctsOf(where).map((part) => context.withLiterals(part));
  const arbiters: Arbiter[] = [];
  const keys = table.primary.columns.map(({ position }): Expr => {
    return { kind: 'column', type: table.layout.types[position] as ColumnType, index: position };
  });
  if (table.hasPrimaryKey && sameSet(keys, wanted)) arbiters.push({ kind: 'primary' });
  for (const rule of indexes) {
    if (!rule.index.unique || !sameSet(rule.keys, wanted) || !isImplied(rule, given)) continue;
    arbiters.push({ kind: 'index', index: rule.index });
  }
  const isByLiteral = elements.some((element) => element.kind !== 'column') || given.length > 0;
  if (isByLiteral) context.dependOnLiterals();
  if (arbiters.length > 0) return arbiters;
  throw new DbError(
    '42P10',
    'there is no unique or exclusion constraint matching the ON CONFLICT specification',
  );
}

function constraintNamed(table: TableDescriptor, name: string): Arbiter {
  if (table.hasPrimaryKey && name === table.primary.name) return { kind: 'primary' };
  const index = table.indexes.find((one) => one.isConstraint && one.name === name);
  if (index !== undefined) return { kind: 'index', index };
  throw new DbError('42704', `constraint "${name}" for table "${table.name}" does not exist`);
}

/** The same expressions in any order. */
function sameSet(keys: readonly Expr[], wanted: readonly Expr[]): boolean {
  return (
    keys.every((key) => wanted.some((one) => sameExpr(one, key))) &&
    wanted.every((one) => keys.some((key) => sameExpr(one, key)))
  );
}

function isImplied({ predicate }: IndexRule, given: readonly Expr[]): boolean {
  return conjunctsOf(predicate).every((part) => given.some((one) => sameExpr(one, part)));
}
