// What a query inside another takes from the one around it: each such column becomes a parameter of the inner query,
// whose value the outer one gives for each of its rows.

import type { Expr } from '../../rows/expr.ts';
import { typeOf } from '../types/coercion.ts';
import type { PlanContext } from './context.ts';
import { sameExpr } from './expr-tools.ts';

/** The names of the query around; its binder is one. */
export interface OuterNames {
  /** In its own terms; undefined: no such column, there or further out. */
  lookup(path: readonly string[], at: number): Expr | undefined;
}

export class Correlation {
  /** What is taken, in the terms of the query around, and the parameters that stand for it inside. */
  readonly args: Expr[] = [];
  readonly outer: number[] = [];
  /** How often something is taken. */
  uses = 0;
  readonly #context: PlanContext;
  readonly #around: OuterNames;

  constructor(context: PlanContext, around: OuterNames) {
    this.#context = context;
    this.#around = around;
  }

  lookup(path: readonly string[], at: number): Expr | undefined {
    const found = this.#around.lookup(path, at);
    if (found === undefined) return undefined;
    const type = typeOf(found);
    let i = this.args.findIndex((arg) => sameExpr(arg, found));
    if (i < 0) {
      i = this.args.push(found) - 1;
      this.outer.push(this.#context.reserve(`outer.${path[path.length - 1]}`, type));
    }
    this.uses++;
    return { kind: 'parameter', type, index: this.outer[i] as number };
  }
}
