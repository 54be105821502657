// The aggregate calls of one query level, while it is bound: each becomes a slot beyond any column's, which grouping
// renumbers.

import type { AggregateCall, Expr } from '../../rows/expr.ts';
import { columnType, INT4 } from '../../rows/types.ts';
import { sameExpr } from './expr-tools.ts';

/** Above every column slot of a query. */
export const AGGREGATE_SLOT: number = 1 << 24;

/** Window functions' slots are still higher. */
export function isAggregateSlot(slot: number): boolean {
  return slot >= AGGREGATE_SLOT && slot < 2 * AGGREGATE_SLOT;
}

/** Of GROUPING(…), among the aggregates' slots. */
export const GROUPING_SLOT: number = AGGREGATE_SLOT + (1 << 23);

export class AggregateCollector {
  readonly calls: AggregateCall[] = [];
  /** The arguments of each GROUPING(…). */
  readonly groupings: (readonly Expr[])[] = [];
  /** Inside an aggregate's arguments, where there may be no other. */
  inside = false;

  addGrouping(args: readonly Expr[]): Expr {
    const index = GROUPING_SLOT + this.groupings.push(args) - 1;
    return { kind: 'column', type: columnType(INT4), index };
  }

  add(call: AggregateCall): Expr {
    let at = this.calls.findIndex((other) => sameCall(call, other));
    if (at < 0) at = this.calls.push(call) - 1;
    return { kind: 'column', type: call.type, index: AGGREGATE_SLOT + at };
  }
}

function sameCall(a: AggregateCall, b: AggregateCall): boolean {
  return (
    a.kind === b.kind &&
    a.distinct === b.distinct &&
    a.args.length === b.args.length &&
    a.args.every((arg, i) => sameExpr(arg, b.args[i] as Expr)) &&
    (a.filter === undefined
      ? b.filter === undefined
      : b.filter !== undefined && sameExpr(a.filter, b.filter))
  );
}
