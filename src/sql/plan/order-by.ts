// ORDER BY: names and positions of outputs, else expressions over the input.

import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { columnType } from '../../rows/types.ts';
import type { Expression, LiteralValue, OrderItem } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { isComparable } from '../types/comparison.ts';
import { positionOf } from '../types/names.ts';
import { sameExpr } from './expr-tools.ts';
import type { ExpressionBinder } from './expressions.ts';
import type { OrderKey } from './order.ts';
import type { Target } from './targets.ts';

export interface BoundOrder extends OrderKey {
  /** The output that it is, if it is one. */
  readonly target: number | undefined;
  readonly at: number;
}

export function bindOrderBy(
  binder: ExpressionBinder,
  items: readonly OrderItem[],
  targets: readonly Target[],
): readonly BoundOrder[] {
  return items.map(({ expr: ast, descending, nullsFirst }) => {
    let target = findTarget(binder, ast, targets, 'ORDER BY');
    let expr: Expr;
    if (target === undefined) {
      expr = binder.settled(binder.bind(ast), ast.at);
      const same = targets.findIndex((t) => sameExpr(t.expr, expr));
      if (same >= 0) target = same;
    } else {
      expr = (targets[target] as Target).expr;
    }
    const { oid } = typeOf(expr);
    if (!isComparable(oid)) {
      throw new DbError(
        '42883',
        `could not identify an ordering operator for type ${sqlTypeName(columnType(oid))}`,
        {
          hint: 'Use an explicit ordering operator or modify the query.',
          ...positionOf(ast.at),
        },
      );
    }
    return { expr, descending, nullsFirst: nullsFirst ?? descending, target, at: placeOf(ast) };
  });
}

/** Where an expression begins. */
function placeOf(ast: Expression): number {
  return ast.kind === 'binary' ? placeOf(ast.left) : ast.at;
}

/** The output that a bare name or number in ORDER BY or GROUP BY means. */
export function findTarget(
  binder: ExpressionBinder,
  ast: Expression,
  targets: readonly Target[],
  clause: 'ORDER BY' | 'GROUP BY' | 'DISTINCT ON',
): number | undefined {
  const literal = literalOf(binder, ast);
  if (literal !== undefined && literal.type !== 'null') {
    if (literal.type !== 'integer') {
      throw new DbError('42601', `non-integer constant in ${clause}`, positionOf(ast.at));
    }
    const ordinal = Number(literal.text);
    if (ordinal < 1 || ordinal > targets.length) {
      throw new DbError(
        '42P10',
        `${clause} position ${literal.text} is not in select list`,
        positionOf(ast.at),
      );
    }
    return ordinal - 1;
  }
  if (ast.kind !== 'column' || ast.path.length !== 1) return undefined;
  const [name] = ast.path;
  let found: number | undefined;
  targets.forEach((target, i) => {
    if (target.field.name !== name) return;
    if (found !== undefined && !sameExpr((targets[found] as Target).expr, target.expr)) {
      throw new DbError('42702', `${clause} "${name}" is ambiguous`, positionOf(ast.at));
    }
    found ??= i;
  });
  return found;
}

function literalOf(binder: ExpressionBinder, ast: Expression): LiteralValue | undefined {
  if (ast.kind === 'literal') return ast.value;
  return ast.kind === 'parameter' ? binder.context.literalBehind(ast.index) : undefined;
}
