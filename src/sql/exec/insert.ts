// Execution of INSERT: rows are made and encoded first, then all their keys are locked and looked up at once, then all
// are written.

import { MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import { EMPTY_BYTES } from '../../base/bytes.ts';
import { isPromise, type Maybe, whenReady } from '../../base/maybe.ts';
import type { RowSlice } from '../../ranges/api.ts';
import { type CompiledExpr, compileExpr, type TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Expr } from '../../rows/expr.ts';
import { LOCK_EXCLUSIVE, type Transaction } from '../../txn/api.ts';
import type { ResultSink } from '../api.ts';
import type { InsertPlan } from '../plan/nodes.ts';
import { blankRow } from './blank-row.ts';
import { compileNode, slotsIn } from './compile-node.ts';
import { CompiledConflict, secondTime } from './conflict.ts';
import { type CompiledNode, drain, drainWaiting } from './cursor.ts';
import { compileProject } from './operators.ts';
import { Execution, type SlotSet, suspending, transactionOf } from './execution.ts';
import { writeIndexed } from './insert-indexed.ts';
import { NO_ROW } from './key-spans.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { ExecContext, ExecResult } from './plan-api.ts';
import { answer, Returning } from './returning.ts';
import { keyText } from './duplicates.ts';
import { RowWriter } from './row-writer.ts';
import type { Run } from './select.ts';

type Row = readonly Datum[];

export function compileInsert(plan: InsertPlan, slots: SlotSet): Run {
  const insert = new CompiledInsert(plan, slots);
  return (context, params, sink, maxRows) => insert.execute(context, params, sink, maxRows);
}

class CompiledInsert {
  readonly #writer: RowWriter;
  readonly #slots: SlotSet;
  readonly #rows: readonly CompiledRow[] | undefined;
  readonly #source: CompiledNode | undefined;
  readonly #sourceRow: CompiledRow;
  readonly #conflict: CompiledConflict | undefined;
  readonly #returning: Returning | undefined;
  /** Every row gets a key of its own, which no other has. */
  readonly #hasFreshKeys: boolean;

  constructor(plan: InsertPlan, slots: SlotSet) {
    this.#writer = new RowWriter(plan.table, plan.rules);
    this.#slots = slots;
    this.#rows = plan.rows?.map((row) => new CompiledRow(row, slots));
    this.#sourceRow = new CompiledRow(plan.values, slots);
    this.#source = sourceOf(plan, slots);
    this.#conflict =
      plan.conflict === undefined ? undefined : new CompiledConflict(plan.conflict, this.#writer);
    this.#returning =
      plan.returning === undefined ? undefined : new Returning(plan.returning, slots);
    this.#hasFreshKeys = !plan.table.hasPrimaryKey;
  }

  execute(
    context: ExecContext,
    params: readonly Datum[],
    sink: ResultSink,
    maxRows: number,
  ): Maybe<ExecResult> {
    const execution = new Execution(context, params, this.#slots);
    const [only] = this.#rows ?? [];
    if (
      only !== undefined &&
      this.#rows?.length === 1 &&
      this.#writer.indexes.length === 0 &&
      this.#conflict === undefined &&
      this.#returning === undefined
    ) {
      return this.#one(only, execution);
    }
    return whenReady(this.#gather(execution), (rows) =>
      whenReady(this.#write(rows, execution), (written) => {
        const returned = this.#returning?.rows(written, execution);
        return answer(returned, `INSERT 0 ${written.length}`, execution, sink, maxRows);
      }),
    );
  }

  /** INSERT of one row: no lists, no promise while the lock is free and the key known not to be there. */
  #one(row: CompiledRow, execution: Execution): Maybe<ExecResult> {
    if (row.suspends) {
      const made = suspending(() => row.values(NO_ROW, execution));
      return whenReady(made, (values) => this.#oneMade(values, execution));
    }
    return this.#oneMade(row.values(NO_ROW, execution), execution);
  }

  #oneMade(values: Datum[], execution: Execution): Maybe<ExecResult> {
    const writer = this.#writer;
    const txn = transactionOf(execution);
    if (writer.hiddenPosition >= 0) values[writer.hiddenPosition] = execution.context.nextRowId();
    writer.check(values, execution.context.session);
    const key = writer.key(values);
    if (this.#hasFreshKeys) {
      txn.put(key, writer.encode(values));
      return 'INSERT 0 1';
    }
    const slice: RowSlice = { bytes: EMPTY_BYTES, offset: 0, length: -1, timestamp: MIN_TIMESTAMP };
    const put = (): ExecResult => {
      if (slice.length >= 0) throw writer.duplicate(values);
      txn.put(key, writer.encode(values));
      return 'INSERT 0 1';
    };
    const read = txn.readLocked(key, slice, LOCK_EXCLUSIVE);
    return isPromise(read) ? read.then(put) : put();
  }

  /** All rows by storage position, complete and checked. */
  #gather(execution: Execution): Maybe<Row[]> {
    const rows: Row[] = [];
    const budget = new MemoryBudget('INSERT');
    const { hiddenPosition } = this.#writer;
    const add = (values: Datum[]): void => {
      if (hiddenPosition >= 0) values[hiddenPosition] = execution.context.nextRowId();
      this.#writer.check(values, execution.context.session);
      budget.add(values);
      rows.push(values);
    };
    if (this.#source === undefined) {
      const made = this.#rows ?? [];
      if (made.some((row) => row.suspends)) return this.#gatherWaiting(made, rows, add, execution);
      for (const row of made) add(row.values(NO_ROW, execution));
      return rows;
    }
    const cursor = this.#source.open(execution, 0);
    const take = (): void => add(this.#sourceRow.values(cursor.row, execution));
    const drained = this.#sourceRow.suspends ? drainWaiting(cursor, take) : drain(cursor, take);
    return whenReady(drained, () => rows);
  }

  async #gatherWaiting(
    made: readonly CompiledRow[],
    rows: Row[],
    add: (values: Datum[]) => void,
    execution: Execution,
  ): Promise<Row[]> {
    for (const row of made) {
      const values = suspending(() => row.values(NO_ROW, execution));
      add(isPromise(values) ? await values : values);
    }
    return rows;
  }

  /** Answers the rows that were written. */
  #write(rows: readonly Row[], execution: Execution): Maybe<readonly Row[]> {
    const txn = transactionOf(execution);
    const writer = this.#writer;
    if (writer.indexes.length > 0) return writeIndexed(writer, rows, this.#conflict, execution);
    const keys = rows.map((values) => writer.key(values));
    if (this.#hasFreshKeys) {
      rows.forEach((values, i) => txn.put(keys[i] as Uint8Array, writer.encode(values)));
      return rows;
    }
    return whenReady(txn.getManyLocked(keys, LOCK_EXCLUSIVE), (found) => {
      const state = new WriteState(writer, this.#conflict, txn, execution);
      rows.forEach((values, i) => state.add(keys[i] as Uint8Array, values, found[i]));
      return whenReady(state.move(), () => state.written);
    });
  }
}

/** Writes rows one by one, knowing which keys were there before and which came with this statement. */
class WriteState {
  readonly written: Row[] = [];
  readonly #writer: RowWriter;
  readonly #conflict: CompiledConflict | undefined;
  readonly #txn: Transaction;
  readonly #execution: Execution;
  readonly #own = new Set<string>();
  /** Rows whose DO UPDATE gave them another key. */
  readonly #moved: { readonly from: Uint8Array; readonly to: Uint8Array; readonly row: Row }[] = [];

  constructor(
    writer: RowWriter,
    conflict: CompiledConflict | undefined,
    txn: Transaction,
    execution: Execution,
  ) {
    this.#writer = writer;
    this.#conflict = conflict;
    this.#txn = txn;
    this.#execution = execution;
  }

  add(key: Uint8Array, values: Row, stored: Uint8Array | undefined): void {
    const text = keyText(key);
    const isOwn = this.#own.has(text);
    if (stored === undefined && !isOwn) {
      this.#own.add(text);
      this.#put(key, values);
      return;
    }
    const conflict = this.#conflict;
    if (conflict === undefined) throw this.#writer.duplicate(values);
    if (conflict.update === undefined) return;
    if (isOwn) throw secondTime();
    this.#own.add(text);
    const existing = this.#writer.decode(stored as Uint8Array);
    const updated = conflict.updated(existing, values, this.#execution);
    if (updated === undefined) return;
    const to = conflict.movesKeys ? this.#writer.key(updated) : key;
    if (to === key || keyText(to) === text) {
      this.#put(key, updated);
      return;
    }
    this.#moved.push({ from: key, to, row: updated });
    this.written.push(updated);
  }

  /** As in UPDATE, keys must be unique when the statement is through. */
  move(): Maybe<void> {
    const moved = this.#moved;
    if (moved.length === 0) return undefined;
    const txn = this.#txn;
    for (const { from } of moved) txn.delete(from);
    const found = txn.getManyLocked(
      moved.map(({ to }) => to),
      LOCK_EXCLUSIVE,
    );
    return whenReady(found, (stored) => {
      const taken = new Set<string>();
      moved.forEach(({ to, row }, i) => {
        const text = keyText(to);
        if (stored[i] !== undefined || taken.has(text)) throw this.#writer.duplicate(row);
        taken.add(text);
        txn.put(to, this.#writer.encode(row));
      });
    });
  }

  #put(key: Uint8Array, values: Row): void {
    this.#txn.put(key, this.#writer.encode(values));
    this.written.push(values);
  }
}

/** A row's expressions by storage position; undefined is filled in later. */
class CompiledRow {
  readonly #exprs: readonly (CompiledExpr | undefined)[];
  readonly #isVolatile: boolean;
  readonly #waiting: readonly number[];

  constructor(exprs: readonly (Expr | undefined)[], slots: SlotSet) {
    this.#exprs = exprs.map((e) => (e === undefined ? undefined : compileExpr(e)));
    this.#isVolatile = exprs.some((e) => e !== undefined && slots.isVolatile(e));
    this.#waiting = slots.waitingIn(exprs.filter((e) => e !== undefined));
  }

  get suspends(): boolean {
    return this.#waiting.length > 0;
  }

  values(row: TupleView | Parameters<CompiledExpr>[0], execution: Execution): Datum[] {
    if (this.#isVolatile) execution.refresh(this.#waiting);
    const out = blankRow(this.#exprs.length);
    for (let i = 0; i < this.#exprs.length; i++) {
      out[i] = this.#exprs[i]?.(row, execution.params) ?? null;
    }
    return out;
  }
}

function sourceOf(plan: InsertPlan, slots: SlotSet): CompiledNode | undefined {
  if (plan.source === undefined) return undefined;
  const { input, outputs } = plan.source;
  return compileProject(compileNode(input, slotsIn(outputs), slots), outputs, slots);
}
