// How a statement that writes answers: with its tag, or first with the rows that RETURNING makes. These are made
// before anything goes out, so that the statement has taken effect whole whenever its first row is seen.

import type { Maybe } from '../../base/maybe.ts';
import { TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { ResultSink } from '../api.ts';
import type { ReturningPlan } from '../plan/nodes.ts';
import { ArrayCursor } from './cursor.ts';
import { type Execution, RowExprs, type SlotSet } from './execution.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { ExecResult } from './plan-api.ts';
import { RowsRun } from './rows-run.ts';

export class Returning {
  readonly #exprs: RowExprs;

  constructor(plan: ReturningPlan, slots: SlotSet) {
    this.#exprs = new RowExprs(plan.outputs, slots);
    slots.refuseGiving(plan.outputs, 'RETURNING');
  }

  /** Of rows by storage position. */
  rows(
    written: readonly (readonly Datum[])[],
    execution: Execution,
  ): readonly (readonly Datum[])[] {
    const view = new TupleView([]);
    const budget = new MemoryBudget('RETURNING');
    return written.map((values) => {
      view.values = values;
      const row = this.#exprs.values(view, execution);
      budget.add(row);
      return row;
    });
  }
}

export function answer(
  returned: readonly (readonly Datum[])[] | undefined,
  tag: string,
  execution: Execution,
  sink: ResultSink,
  maxRows: number,
): Maybe<ExecResult> {
  if (returned === undefined) return tag;
  const cursor = new ArrayCursor(returned);
  const emit = (to: ResultSink): void => to.tuple(cursor.row.values);
  return new RowsRun(cursor, execution.context, emit, () => tag).resume(sink, maxRows);
}
