// Values for columns: assignment casts and defaults.

import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { type ColumnType, columnType } from '../../rows/types.ts';
import type { ColumnDescriptor, TableDescriptor } from '../catalog/descriptor.ts';
import type { Assignment, Expression } from '../parse/ast.ts';
import { coerce, typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import type { PlanContext } from './context.ts';
import { ExpressionBinder } from './expressions.ts';
import type { SetColumn } from './nodes.ts';
import { Scope } from './scope.ts';

/** `expr` as a value of the column; throws 42804. */
export function assign(
  context: PlanContext,
  expr: Expr,
  column: { readonly name: string; readonly type: ColumnType },
  at: number,
): Expr {
  const bound = coerce(expr, column.type, 'assignment', context.parameters, at);
  if (bound !== undefined) return bound;
  const wanted = sqlTypeName(columnType(column.type.oid));
  const given = sqlTypeName(columnType(typeOf(expr).oid));
  throw new DbError(
    '42804',
    `column "${column.name}" is of type ${wanted} but expression is of type ${given}`,
    { hint: 'You will need to rewrite or cast the expression.', ...positionOf(at) },
  );
}

/** What a column is given when the statement says nothing. */
export function defaultOf(context: PlanContext, column: ColumnDescriptor): Expr {
  if (column.defaultText === undefined) {
    return { kind: 'constant', type: column.type, value: null };
  }
  return bindDefault(context, context.environment.parseExpression(column.defaultText), column);
}

function bindDefault(
  context: PlanContext,
  ast: Expression,
  column: { readonly name: string; readonly type: ColumnType },
): Expr {
  const binder = new ExpressionBinder(context, new Scope([]));
  binder.place = 'DEFAULT expressions';
  refuseColumns(ast);
  const expr = binder.bind(ast);
  const bound = coerce(expr, column.type, 'assignment', context.parameters, ast.at);
  if (bound !== undefined) return bound;
  const wanted = sqlTypeName(columnType(column.type.oid));
  const given = sqlTypeName(columnType(typeOf(expr).oid));
  throw new DbError(
    '42804',
    `column "${column.name}" is of type ${wanted} but default expression is of type ${given}`,
    { hint: 'You will need to rewrite or cast the expression.', ...positionOf(ast.at) },
  );
}

function refuseColumns(ast: Expression): void {
  if (ast.kind === 'column') {
    throw new DbError(
      '0A000',
      'cannot use column reference in DEFAULT expression',
      positionOf(ast.at),
    );
  }
}

export function columnNamed(table: TableDescriptor, name: string, at: number): ColumnDescriptor {
  const found = table.columns.find((c) => c.name === name && !c.hidden);
  if (found !== undefined) return found;
  throw new DbError(
    '42703',
    `column "${name}" of relation "${table.name}" does not exist`,
    positionOf(at),
  );
}

/** SET a = …, b = …. */
export function bindSet(
  binder: ExpressionBinder,
  table: TableDescriptor,
  assignments: readonly Assignment[],
): readonly SetColumn[] {
  const set: SetColumn[] = [];
  for (const { column: name, value, at } of assignments) {
    const column = columnNamed(table, name, at);
    if (set.some((s) => s.position === column.position)) {
      throw new DbError('42601', `multiple assignments to same column "${name}"`);
    }
    if (column.identity === 'always' && value.kind !== 'default') {
      throw new DbError('428C9', `column "${name}" can only be updated to DEFAULT`, {
        detail: `Column "${name}" is an identity column defined as GENERATED ALWAYS.`,
      });
    }
    if (column.generatedText !== undefined && value.kind !== 'default') {
      throw new DbError('428C9', `column "${name}" can only be updated to DEFAULT`, {
        detail: `Column "${name}" is a generated column.`,
      });
    }
    const expr =
      value.kind === 'default'
        ? defaultOf(binder.context, column)
        : assign(binder.context, binder.bind(value), column, value.at);
    set.push({ position: column.position, value: expr });
  }
  return set;
}
