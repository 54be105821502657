// DEFAULT expressions: checked when a table is made, evaluated where a row leaves its column out.

import { assert } from '../../base/assert.ts';
import { DbError } from '../../base/errors.ts';
import { compileExpr } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Expr } from '../../rows/expr.ts';
import { TupleView } from '../../rows/row-codec.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { type ColumnType, columnType } from '../../rows/types.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { ColumnDescriptor } from '../catalog/descriptor.ts';
import type { SessionValues } from '../exec/plan-api.ts';
import type { Expression } from '../parse/ast.ts';
import { parseExpressionText } from '../parse/postgres.ts';
import { PlanContext } from '../plan/context.ts';
import { ExpressionBinder } from '../plan/expressions.ts';
import { Scope } from '../plan/scope.ts';
import type { PlanSlot } from '../plan/session-functions.ts';
import { coerce, typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';

export interface BoundDefault {
  readonly expr: Expr;
  /** Values of the session: parameters 0…. */
  readonly slots: readonly PlanSlot[];
}

/** Throws what PostgreSQL complains of in a DEFAULT. */
export function bindDefault(
  ast: Expression,
  column: string,
  type: ColumnType,
  catalog: CatalogView,
): BoundDefault {
  refuseColumns(ast);
  const context = new PlanContext({
    catalog,
    parseExpression: parseExpressionText,
    parameterTypes: [],
    literals: [],
    parameterCount: 0,
  });
  const binder = new ExpressionBinder(context, new Scope([]));
  binder.place = 'DEFAULT expressions';
  const expr = binder.bind(ast);
  const bound = coerce(expr, type, 'assignment', context.parameters, ast.at);
  if (bound === undefined) {
    const from = sqlTypeName(columnType(typeOf(expr).oid));
    throw new DbError(
      '42804',
      `column "${column}" is of type ${sqlTypeName(columnType(type.oid))} but default expression is of type ${from}`,
      { hint: 'You will need to rewrite or cast the expression.' },
    );
  }
  return { expr: bound, slots: context.slots };
}

function refuseColumns(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if ('kind' in value && value.kind === 'column') {
    const at = (value as Expression).at;
    const message = 'cannot use column reference in DEFAULT expression';
    throw new DbError('0A000', message, positionOf(at));
  }
  for (const part of Object.values(value)) refuseColumns(part);
}

/** A column's default as a function of the session: constants are computed once. */
export function compileDefault(
  column: ColumnDescriptor,
  catalog: CatalogView,
): (session: SessionValues) => Datum {
  if (column.defaultText === undefined) return () => null;
  const ast = parseExpressionText(column.defaultText);
  return compileBound(bindDefault(ast, column.name, column.type, catalog));
}

export function compileBound({ expr, slots }: BoundDefault): (session: SessionValues) => Datum {
  if (expr.kind === 'constant') {
    const { value } = expr;
    return () => value;
  }
  const row = new TupleView();
  const evaluate = compileExpr(expr);
  const compiled = slots.map((slot) => {
    assert(slot.kind === 'session', 'there is no query in a default');
    return { fn: slot.function, args: slot.args.map((arg) => compileExpr(arg)) };
  });
  return (session) => {
    const params: Datum[] = [];
    for (const { fn, args } of compiled) {
      params.push(
        fn.evaluate(
          session,
          args.map((arg) => arg(row, params)),
        ),
      );
    }
    return evaluate(row, params);
  };
}
