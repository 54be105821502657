// Which conditions of a query say that something of its own equals something of the query around: by these it can be
// answered for all rows of that at once (sql/exec/subplans.ts).

import type { Expr } from '../../rows/expr.ts';
import type { PlanContext } from './context.ts';
import { conjunctsOf, hasColumns, hasSubplan, parametersIn } from './expr-tools.ts';

export interface Keys {
  readonly inner: readonly Expr[];
  readonly outer: readonly Expr[];
  /** How many columns of the query around stand in `outer`. */
  readonly uses: number;
  readonly rest: readonly Expr[];
}

export function keysOf(context: PlanContext, where: Expr | undefined): Keys | undefined {
  const { correlation } = context;
  if (correlation === undefined || where === undefined) return undefined;
  const around = new Set(correlation.outer);
  const reaches = (e: Expr): boolean => parametersIn(e).some((index) => around.has(index));
  const isOuter = (e: Expr): boolean => reaches(e) && !hasColumns(e) && context.isStable(e);
  const isInner = (e: Expr): boolean => hasColumns(e) && !reaches(e);
  const inner: Expr[] = [];
  const outer: Expr[] = [];
  const rest: Expr[] = [];
  for (const condition of conjunctsOf(where)) {
    const isEqual = condition.kind === 'compare' && condition.op === '=' && !hasSubplan(condition);
    if (isEqual && isInner(condition.left) && isOuter(condition.right)) {
      inner.push(condition.left);
      outer.push(condition.right);
    } else if (isEqual && isInner(condition.right) && isOuter(condition.left)) {
      inner.push(condition.right);
      outer.push(condition.left);
    } else {
      rest.push(condition);
    }
  }
  if (inner.length === 0) return undefined;
  const uses = outer.flatMap(parametersIn).filter((index) => around.has(index)).length;
  return { inner, outer, uses, rest };
}
