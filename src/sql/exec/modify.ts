// Execution of UPDATE and DELETE: rows are read with exclusive locks, all of them, and only then written, so that the
// statement never meets what it wrote itself.

import { MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import { EMPTY_BYTES } from '../../base/bytes.ts';
import { isPromise, type Maybe, whenReady } from '../../base/maybe.ts';
import type { RowSlice } from '../../ranges/api.ts';
import {
  type CompiledExpr,
  type CompiledPredicate,
  compileExpr,
  compilePredicate,
  type RowAccess,
} from '../../rows/compile.ts';
import { compilePackedPredicate, type PackedPredicate } from '../../rows/compile-packed.ts';
import type { Datum } from '../../rows/datum.ts';
import { RowView } from '../../rows/row-codec.ts';
import { LOCK_EXCLUSIVE } from '../../txn/api.ts';
import type { ResultSink } from '../api.ts';
import type { DeletePlan, SetColumn, UpdatePlan } from '../plan/nodes.ts';
import { hasSubplan } from '../plan/expr-tools.ts';
import { changesEntries, writtenBy } from '../plan/table-rules.ts';
import { drain, drainWaiting } from './cursor.ts';
import { Execution, type SlotSet, transactionOf } from './execution.ts';
import type { IndexEntries } from './index-entries.ts';
import { PointKey } from './key-spans.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { ExecContext, ExecResult } from './plan-api.ts';
import { answer, Returning } from './returning.ts';
import { keyText } from './duplicates.ts';
import { RowChanges } from './row-changes.ts';
import { RowWriter } from './row-writer.ts';
import { copyRow } from './sort.ts';
import type { Run } from './select.ts';
import { compileLockedRows } from './table.ts';

type Row = readonly Datum[];

interface Change {
  readonly key: Uint8Array;
  /** The row as it will be; of a DELETE with RETURNING, as it was. */
  readonly values: Row;
  /** As it is stored; where it has other entries than its key. */
  readonly before: Row;
}

export function compileUpdate(plan: UpdatePlan, slots: SlotSet): Run {
  const update = new CompiledUpdate(plan, slots);
  const isPlain = !update.waits && !update.movesKeys && update.changing.length === 0;
  const point = isPlain ? PointModify.of(plan, slots) : undefined;
  if (point === undefined) {
    return (context, params, sink, maxRows) => update.execute(context, params, sink, maxRows);
  }
  return (context, params) =>
    point.execute(context, params, 'UPDATE', (row, execution, key) => {
      transactionOf(execution).put(key, update.writer.encode(update.newRow(row, execution)));
    });
}

export function compileDelete(plan: DeletePlan, slots: SlotSet): Run {
  const hasIndexes = plan.rules.indexes.length > 0;
  const point = hasIndexes ? undefined : PointModify.of(plan, slots);
  if (point !== undefined) {
    return (context, params) =>
      point.execute(context, params, 'DELETE', (_, execution, key) => {
        transactionOf(execution).delete(key);
      });
  }
  const { input } = plan;
  const width = input.table.layout.types.length;
  const returning = plan.returning === undefined ? undefined : new Returning(plan.returning, slots);
  const rows = new LockedRows(plan, slots);
  const writer = hasIndexes ? new RowWriter(input.table, plan.rules) : undefined;
  const isWanted = returning !== undefined || hasIndexes;
  return (context, params, sink, maxRows) => {
    const execution = new Execution(context, params, slots);
    const gathered = rows.gather(execution, (row) => (isWanted ? copyRow(row, width) : NO_VALUES));
    return whenReady(gathered, (changes) =>
      whenReady(removeAll(changes, writer, execution), () => {
        const returned = returning?.rows(
          changes.map((c) => c.values),
          execution,
        );
        return answer(returned, `DELETE ${changes.length}`, execution, sink, maxRows);
      }),
    );
  };
}

/** `writer`: of a table with secondary indexes. */
function removeAll(
  changes: readonly Change[],
  writer: RowWriter | undefined,
  execution: Execution,
): Maybe<void> {
  const txn = transactionOf(execution);
  if (writer === undefined) {
    for (const { key } of changes) txn.delete(key);
    return;
  }
  const all = new RowChanges(writer);
  for (const { values } of changes) all.delete(values);
  return all.apply(txn);
}

const NO_VALUES: Row = [];

class CompiledUpdate {
  readonly writer: RowWriter;
  /** SET names key columns: rows may change places. */
  readonly movesKeys: boolean;
  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  /** Indexes whose entries it may change. */
  readonly changing: readonly IndexEntries[];
  readonly #slots: SlotSet;
  readonly #set: readonly { readonly position: number; readonly value: CompiledExpr }[];
  readonly #isVolatile: boolean;
  readonly #waiting: readonly number[];
  readonly #width: number;
  readonly #rows: LockedRows;
  readonly #returning: Returning | undefined;

  constructor(plan: UpdatePlan, slots: SlotSet) {
    const { table } = plan.input;
    this.writer = new RowWriter(table, plan.rules);
    this.#slots = slots;
    this.#set = plan.set.map((s: SetColumn) => ({
      position: s.position,
      value: compileExpr(s.value),
    }));
    this.#isVolatile = plan.set.some((s) => slots.isVolatile(s.value));
    this.#waiting = slots.waitingIn(plan.set.map((s) => s.value));
    this.#width = table.layout.types.length;
    const written = writtenBy(plan.rules, plan.set);
    this.movesKeys = [...written].some((position) => this.writer.isKey(position));
    // Entries lead to their rows by key.
    this.changing = this.movesKeys
      ? this.writer.indexes
      : this.writer.indexes.filter(({ rule }) => changesEntries(rule, written));
    this.#rows = new LockedRows(plan, slots);
    this.#returning =
      plan.returning === undefined ? undefined : new Returning(plan.returning, slots);
  }

  execute(
    context: ExecContext,
    params: readonly Datum[],
    sink: ResultSink,
    maxRows: number,
  ): Maybe<ExecResult> {
    const execution = new Execution(context, params, this.#slots);
    const gathered = this.#rows.gather(
      execution,
      (row) => this.newRow(row, execution),
      this.changing.length > 0 ? this.#width : 0,
    );
    return whenReady(gathered, (changes) =>
      whenReady(this.#write(changes, execution), () => {
        const returned = this.#returning?.rows(
          changes.map((c) => c.values),
          execution,
        );
        return answer(returned, `UPDATE ${changes.length}`, execution, sink, maxRows);
      }),
    );
  }

  newRow(row: RowAccess, execution: Execution): Row {
    if (this.#isVolatile) execution.refresh(this.#waiting);
    const values = copyRow(row, this.#width);
    for (let i = 0; i < this.#set.length; i++) {
      const { position, value } = this.#set[i] as { position: number; value: CompiledExpr };
      values[position] = value(row, execution.params);
    }
    this.writer.check(values, execution.context.session);
    return values;
  }

  #write(changes: readonly Change[], execution: Execution): Maybe<void> {
    if (this.changing.length > 0) {
      const all = new RowChanges(this.writer, this.changing);
      for (const { before, values } of changes) all.update(before, values);
      return all.apply(transactionOf(execution));
    }
    if (this.movesKeys) return this.#move(changes, execution);
    const txn = transactionOf(execution);
    for (const { key, values } of changes) txn.put(key, this.writer.encode(values));
  }

  /** Keys must be unique when the statement is through, not at each row: SET id = id + 1 is fine. */
  #move(changes: readonly Change[], execution: Execution): Maybe<void> {
    const txn = transactionOf(execution);
    const { writer } = this;
    const old = new Set(changes.map(({ key }) => keyText(key)));
    const taken = new Set<string>();
    const entered: { key: Uint8Array; values: Row }[] = [];
    const puts = changes.map(({ values }) => ({ key: writer.key(values), values }));
    for (const { key, values } of puts) {
      const text = keyText(key);
      if (taken.has(text)) throw writer.duplicate(values);
      taken.add(text);
      if (!old.has(text)) entered.push({ key, values });
    }
    const check = txn.getManyLocked(
      entered.map((e) => e.key),
      LOCK_EXCLUSIVE,
    );
    return whenReady(check, (found) => {
      found.forEach((stored, i) => {
        if (stored !== undefined) throw writer.duplicate((entered[i] as { values: Row }).values);
      });
      for (const { key } of changes) if (!taken.has(keyText(key))) txn.delete(key);
      for (const { key, values } of puts) txn.put(key, writer.encode(values));
    });
  }
}

/** There are queries in its expressions. */
function waits(plan: UpdatePlan | DeletePlan): boolean {
  const inSet = plan.kind === 'update' && plan.set.some((s) => hasSubplan(s.value));
  return inSet || (plan.residual !== undefined && hasSubplan(plan.residual));
}

/** The rows that a statement will change, locked and checked against all of WHERE. */
class LockedRows {
  readonly #open: ReturnType<typeof compileLockedRows>;
  readonly #residual: CompiledPredicate | undefined;
  readonly #isVolatile: boolean;
  readonly #suspends: boolean;

  constructor(plan: UpdatePlan | DeletePlan, slots: SlotSet) {
    const { input, residual } = plan;
    const counts =
      plan.kind === 'update' && slots.waitingIn(plan.set.map((s) => s.value)).length > 0;
    this.#suspends = counts || waits(plan);
    this.#open = compileLockedRows(input, slots);
    this.#residual = residual === undefined ? undefined : compilePredicate(residual);
    this.#isVolatile = residual !== undefined && slots.isVolatile(residual);
  }

  /** `width`: of the rows as they are, where they are wanted. */
  gather(execution: Execution, valuesOf: (row: RowView) => Row, width = 0): Maybe<Change[]> {
    const cursor = this.#open(execution);
    const changes: Change[] = [];
    const budget = new MemoryBudget('UPDATE or DELETE');
    const take = (): void => {
      if (this.#isVolatile) execution.refresh();
      if (this.#residual !== undefined && !this.#residual(cursor.row, execution.params)) return;
      const values = valuesOf(cursor.row);
      budget.add(values);
      const before = width === 0 ? NO_VALUES : copyRow(cursor.row, width);
      if (width > 0) budget.add(before);
      changes.push({ key: cursor.key(), values, before });
    };
    const drained = this.#suspends ? drainWaiting(cursor, take) : drain(cursor, take);
    return whenReady(drained, () => changes);
  }
}

/** One row by its key, without RETURNING: no lists, and no promise while the row is cached and its lock free. */
class PointModify {
  readonly #key: PointKey;
  readonly #plan: UpdatePlan | DeletePlan;
  readonly #filter: PackedPredicate | undefined;
  readonly #slots: SlotSet;
  /** Like a point read's scratch: within one turn it is one execution's. */
  #view = new RowView();

  static of(plan: UpdatePlan | DeletePlan, slots: SlotSet): PointModify | undefined {
    if (plan.returning !== undefined || plan.residual !== undefined || waits(plan))
      return undefined;
    const key = PointKey.of(plan.input.table.primary, plan.input.access);
    return key === undefined ? undefined : new PointModify(plan, key, slots);
  }

  private constructor(plan: UpdatePlan | DeletePlan, key: PointKey, slots: SlotSet) {
    this.#plan = plan;
    this.#key = key;
    this.#slots = slots;
    const { filter } = plan.input;
    this.#filter = filter === undefined ? undefined : compilePackedPredicate(filter);
  }

  execute(
    context: ExecContext,
    params: readonly Datum[],
    word: 'UPDATE' | 'DELETE',
    change: (row: RowView, execution: Execution, key: Uint8Array) => void,
  ): Maybe<ExecResult> {
    const execution = new Execution(context, params, this.#slots);
    if (!this.#key.write(execution.params)) return `${word} 0`;
    if (context.reads !== undefined) context.reads.keys++;
    const key = this.#key.copy();
    const slice: RowSlice = { bytes: EMPTY_BYTES, offset: 0, length: -1, timestamp: MIN_TIMESTAMP };
    const { layout } = this.#plan.input.table;
    const finish = (): ExecResult => {
      if (slice.length < 0) return `${word} 0`;
      const view = this.#view;
      view.reset(layout, slice.bytes, slice.offset, slice.length);
      if (this.#filter !== undefined && !this.#filter(view, execution.params)) return `${word} 0`;
      change(view, execution, key);
      return `${word} 1`;
    };
    const read = transactionOf(execution).readLocked(key, slice, LOCK_EXCLUSIVE);
    return isPromise(read) ? read.then(finish) : finish();
  }
}
