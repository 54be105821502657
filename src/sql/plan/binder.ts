// What the parts of binding ask of each other: the binder of one clause's expressions (expressions.ts is it).

import type { Expr } from '../../rows/expr.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { Expression } from '../parse/ast.ts';
import type { AggregateCollector } from './aggregate-collector.ts';
import type { PlanContext } from './context.ts';
import type { OuterNames } from './correlation.ts';

export interface Binder extends OuterNames {
  readonly context: PlanContext;
  /** Takes aggregate calls; undefined where there may be none. */
  aggregates: AggregateCollector | undefined;
  /** The clause, for complaints: 'WHERE', 'RETURNING', … */
  place: string;
  /** Where a column or aggregate was named, for what is found out after binding. */
  readonly columnAt: WeakMap<Expr, number>;
  bind(ast: Expression): Expr;
  /** An expression that must be boolean; `word` says of what it is the argument. */
  condition(ast: Expression, word: string): Expr;
  toBool(expr: Expr, word: string, at: number): Expr;
  /** Implicit coercion that the caller knows to exist. */
  coerced(expr: Expr, type: ColumnType, at: number): Expr;
  /** What nothing gave a type is text. */
  settled(expr: Expr, at: number): Expr;
  /** All brought to one type. A modifier survives if all have it. */
  unifiedExprs(
    exprs: readonly Expr[],
    what: string,
    ats: readonly number[],
  ): { readonly args: readonly Expr[]; readonly type: ColumnType };
}
