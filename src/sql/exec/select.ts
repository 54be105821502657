// Execution of SELECT, with a path of its own for one row by its key.

import { MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import { EMPTY_BYTES } from '../../base/bytes.ts';
import type { Maybe } from '../../base/maybe.ts';
import type { RowSlice } from '../../ranges/api.ts';
import { compilePackedPredicate, type PackedPredicate } from '../../rows/compile-packed.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Expr } from '../../rows/expr.ts';
import { exprType } from '../../rows/expr-type.ts';
import { RowView } from '../../rows/row-codec.ts';
import type { RowLayout } from '../../rows/row-codec.ts';
import type { ResultSink } from '../api.ts';
import { mapSlots } from '../plan/expr-tools.ts';
import type { SelectPlan } from '../plan/nodes.ts';
import { blankRow } from './blank-row.ts';
import { compileNode, slotsIn } from './compile-node.ts';
import { type CompiledNode, type Cursor } from './cursor.ts';
import { Execution, RowExprs, type SlotSet } from './execution.ts';
import { PointKey } from './key-spans.ts';
import { compileProject } from './operators.ts';
import type { ExecContext, ExecResult } from './plan-api.ts';
import { RowsRun } from './rows-run.ts';

export type Run = (
  context: ExecContext,
  params: readonly Datum[],
  sink: ResultSink,
  maxRows: number,
) => Maybe<ExecResult>;

export function compileSelect(plan: SelectPlan, slots: SlotSet): Run {
  const point = PointSelect.of(plan, slots);
  if (point !== undefined) {
    return (context, params, sink) => point.execute(context, params, sink);
  }
  const below = compileNode(plan.input, slotsIn(plan.outputs), slots);
  // What may have to wait is made before a row goes out.
  const waits = slots.waitingIn(plan.outputs).length > 0;
  const input = waits ? compileProject(below, plan.outputs, slots) : below;
  const outputs = waits
    ? plan.outputs.map((e, index): Expr => ({ kind: 'column', type: exprType(e), index }))
    : plan.outputs.map((e) => mapSlots(e, (slot) => input.position(slot)));
  const emitter = emitterOf(input, outputs, slots);
  const tag = (rows: number): string => `SELECT ${rows}`;
  return (context, params, sink, maxRows) => {
    const execution = new Execution(context, params, slots);
    const cursor = input.open(execution, 0);
    return new RowsRun(cursor, context, emitter(cursor, execution), tag).resume(sink, maxRows);
  };
}

type Emitter = (cursor: Cursor, execution: Execution) => (sink: ResultSink) => void;

/** How a row goes out: as it is stored when all outputs are stored columns. */
function emitterOf(input: CompiledNode, outputs: readonly Expr[], slots: SlotSet): Emitter {
  const positions = storedPositions(outputs);
  if (input.isStored && positions !== undefined) {
    return (cursor) => (sink) => sink.stored(cursor.row as RowView, positions);
  }
  const exprs = new RowExprs(outputs, slots);
  return (cursor, execution) => {
    const values = blankRow(exprs.width);
    return (sink) => {
      exprs.into(cursor.row, execution, values);
      sink.tuple(values);
    };
  };
}

function storedPositions(outputs: readonly Expr[]): readonly number[] | undefined {
  const positions = outputs.map((e) => (e.kind === 'column' ? e.index : -1));
  return positions.includes(-1) ? undefined : positions;
}

/** What one execution of a point read works with; reused by the next once it is through. */
class PointScratch {
  readonly slice: RowSlice = {
    bytes: EMPTY_BYTES,
    offset: 0,
    length: -1,
    timestamp: MIN_TIMESTAMP,
  };
  readonly view: RowView = new RowView();
}

/** SELECT … WHERE key = …: from the key's bytes to the sink without a promise when the row is cached. The plan may run
 * in many sessions, but within one turn it runs once; what goes on beyond the turn takes its scratch along. */
class PointSelect {
  readonly #key: PointKey;
  readonly #layout: RowLayout;
  readonly #filter: PackedPredicate | undefined;
  readonly #positions: readonly number[] | undefined;
  readonly #exprs: RowExprs | undefined;
  readonly #slots: SlotSet;
  #scratch = new PointScratch();

  static of(plan: SelectPlan, slots: SlotSet): PointSelect | undefined {
    const { input } = plan;
    if (input.kind !== 'table' || input.lock !== undefined || slots.size > 0) return undefined;
    const key = PointKey.of(input.table.primary, input.access);
    return key === undefined ? undefined : new PointSelect(plan, key, input.table.layout, slots);
  }

  private constructor(plan: SelectPlan, key: PointKey, layout: RowLayout, slots: SlotSet) {
    const filter = plan.input.kind === 'table' ? plan.input.filter : undefined;
    this.#key = key;
    this.#layout = layout;
    this.#slots = slots;
    this.#filter = filter === undefined ? undefined : compilePackedPredicate(filter);
    this.#positions = storedPositions(plan.outputs);
    this.#exprs = this.#positions === undefined ? new RowExprs(plan.outputs, slots) : undefined;
  }

  execute(context: ExecContext, params: readonly Datum[], sink: ResultSink): Maybe<ExecResult> {
    if (!this.#key.write(params)) return 'SELECT 0';
    const scratch = this.#scratch;
    if (context.reads !== undefined) context.reads.keys++;
    // A transaction keeps the key in its locks; a snapshot only borrows it.
    const key = context.txn === undefined ? this.#key.borrowed() : this.#key.copy();
    const found = context.view.read(key, scratch.slice);
    if (found === true) return this.#send(scratch, context, params, sink);
    this.#key.abandon();
    this.#scratch = new PointScratch();
    return found.then(() => this.#send(scratch, context, params, sink));
  }

  #send(
    { slice, view }: PointScratch,
    context: ExecContext,
    params: readonly Datum[],
    sink: ResultSink,
  ): ExecResult {
    if (slice.length < 0) return 'SELECT 0';
    view.reset(this.#layout, slice.bytes, slice.offset, slice.length);
    if (this.#filter !== undefined && !this.#filter(view, params)) return 'SELECT 0';
    if (this.#positions !== undefined) {
      sink.stored(view, this.#positions);
    } else {
      const execution = new Execution(context, params, this.#slots);
      sink.tuple((this.#exprs as RowExprs).values(view, execution));
    }
    return 'SELECT 1';
  }
}
