// Aggregation of runs of packed rows: chunk by chunk, column by column, as far as arguments and the group are plain
// columns. What is not is stepped through row by row, with the same answer.

import { hashBytes } from '../base/bytes.ts';
import type { AggregateState } from './aggregates.ts';
import type { Datum } from './datum.ts';
import type { Group, HashAggregation } from './hash-aggregation.ts';
import { RowView } from './row-codec.ts';
import { type RowLayout, STORED_TEXT, storedForm } from './row-layout.ts';
import type { RowRun } from './row-run.ts';
import { isNumberForm, RunValues } from './run-values.ts';

export class RunAggregation {
  private readonly aggregation: HashAggregation;
  private readonly layout: RowLayout;
  private readonly params: readonly Datum[];
  private readonly view = new RowView();
  /** By column; of those that some aggregate takes numbers of. */
  private readonly columns = new Map<number, RunValues>();
  /** Parallel to the aggregates: what to read their numbers from. */
  private readonly numbers: readonly (RunValues | undefined)[];
  private readonly grouping: Grouping | undefined;
  private readonly groups: Group[] = [];

  constructor(aggregation: HashAggregation, layout: RowLayout, params: readonly Datum[]) {
    this.aggregation = aggregation;
    this.layout = layout;
    this.params = params;
    this.numbers = aggregation.aggregates.map(({ numbers: column }) => {
      if (column === undefined) return undefined;
      const type = layout.types[column.index];
      if (type === undefined || storedForm(type.oid) !== storedForm(column.type.oid))
        return undefined;
      let values = this.columns.get(column.index);
      if (values === undefined) {
        values = new RunValues(layout, column.index);
        this.columns.set(column.index, values);
      }
      return values;
    });
    this.grouping = groupingOf(aggregation, layout);
  }

  /** Rows picked[from...to), at most CHUNK_ROWS. */
  step(run: RowRun, picked: Int32Array, from: number, to: number): void {
    const { single } = this.aggregation;
    if (single !== undefined) this.stepSingle(single.states, run, picked, from, to);
    else if (this.grouping?.find(run, picked, from, to, this.groups) === true) {
      this.stepGroups(run, picked, from, to);
    } else this.stepRows(run, picked, from, to);
  }

  private stepSingle(
    states: readonly AggregateState[],
    run: RowRun,
    picked: Int32Array,
    from: number,
    to: number,
  ): void {
    const { aggregates } = this.aggregation;
    let read: RunValues | undefined;
    let count = 0;
    for (let a = 0; a < states.length; a++) {
      const state = states[a] as AggregateState;
      const values = this.numbers[a];
      if (aggregates[a]?.countsRows === true) {
        state.stepNumbers(NO_VALUES, to - from);
        continue;
      }
      if (values !== undefined && values !== read) {
        read = values;
        count = values.read(run, picked, from, to);
      }
      if (values !== undefined && count >= 0) state.stepNumbers(values.values, count);
      else
        for (let k = from; k < to; k++)
          state.step(this.viewOf(run, picked[k] as number), this.params);
    }
  }

  private stepGroups(run: RowRun, picked: Int32Array, from: number, to: number): void {
    const { groups } = this;
    const { aggregates } = this.aggregation;
    let read: RunValues | undefined;
    let count = 0;
    for (let a = 0; a < aggregates.length; a++) {
      const values = this.numbers[a];
      if (values !== undefined && values !== read) {
        read = values;
        count = values.read(run, picked, from, to);
      }
      if (values !== undefined && count === to - from) {
        for (let k = 0; k < count; k++) {
          const state = (groups[k] as Group).states[a] as AggregateState;
          state.stepNumber(values.values[k] as number);
        }
      } else if (aggregates[a]?.countsRows === true) {
        for (let k = 0; k < to - from; k++) {
          ((groups[k] as Group).states[a] as AggregateState).stepNumber(1);
        }
      } else {
        for (let k = from; k < to; k++) {
          const state = (groups[k - from] as Group).states[a] as AggregateState;
          state.step(this.viewOf(run, picked[k] as number), this.params);
        }
      }
    }
  }

  private stepRows(run: RowRun, picked: Int32Array, from: number, to: number): void {
    for (let k = from; k < to; k++) {
      this.aggregation.step(this.viewOf(run, picked[k] as number), this.params);
    }
  }

  private viewOf(run: RowRun, row: number): RowView {
    const start = run.bounds[row] as number;
    this.view.reset(this.layout, run.bytes, start, (run.bounds[row + 1] as number) - start);
    return this.view;
  }
}

const NO_VALUES = new Float64Array(0);

/** Finds the groups of rows by one column. */
interface Grouping {
  /** False: not of these. groups[k - from] belongs to picked[k]. */
  find(run: RowRun, picked: Int32Array, from: number, to: number, groups: Group[]): boolean;
}

function groupingOf(aggregation: HashAggregation, layout: RowLayout): Grouping | undefined {
  const [column] = aggregation.groupExprs;
  if (aggregation.groupExprs.length !== 1 || column?.kind !== 'column') return undefined;
  const type = layout.types[column.index];
  if (type === undefined) return undefined;
  const stored = storedForm(type.oid);
  if (stored !== storedForm(column.type.oid)) return undefined;
  if (isNumberForm(stored))
    return new NumberGrouping(aggregation, new RunValues(layout, column.index));
  if (stored === STORED_TEXT) return new BytesGrouping(aggregation, layout, column.index);
  return undefined;
}

const SLOTS = 1024;

/** Groups seen lately, by a hash of their number. */
class NumberGrouping implements Grouping {
  private readonly aggregation: HashAggregation;
  private readonly values: RunValues;
  private readonly keys = new Float64Array(SLOTS).fill(Number.NaN);
  private readonly slots: (Group | undefined)[] = new Array<Group | undefined>(SLOTS);
  private generation = 0;

  constructor(aggregation: HashAggregation, values: RunValues) {
    this.aggregation = aggregation;
    this.values = values;
  }

  find(run: RowRun, picked: Int32Array, from: number, to: number, groups: Group[]): boolean {
    const count = this.values.read(run, picked, from, to);
    // NULL is a group, too.
    if (count !== to - from) return false;
    const { values } = this.values;
    const { keys, slots, aggregation } = this;
    if (this.generation !== aggregation.generation) {
      this.generation = aggregation.generation;
      keys.fill(Number.NaN);
    }
    for (let k = 0; k < count; k++) {
      const value = values[k] as number;
      const slot = Math.imul(value | 0, 0x9e3779b1) >>> 22;
      if (keys[slot] !== value) {
        keys[slot] = value;
        slots[slot] = aggregation.find([value]);
      }
      groups[k] = slots[slot] as Group;
    }
    return true;
  }
}

interface BytesSlot {
  readonly hash: number;
  readonly bytes: Uint8Array;
  readonly group: Group;
}

/** Groups seen lately, by a hash of the text's bytes. */
class BytesGrouping implements Grouping {
  private readonly aggregation: HashAggregation;
  private readonly layout: RowLayout;
  private readonly column: number;
  private readonly view = new RowView();
  private slots: (BytesSlot | undefined)[] = new Array<BytesSlot | undefined>(SLOTS);
  private generation = 0;

  constructor(aggregation: HashAggregation, layout: RowLayout, column: number) {
    this.aggregation = aggregation;
    this.layout = layout;
    this.column = column;
  }

  find(run: RowRun, picked: Int32Array, from: number, to: number, groups: Group[]): boolean {
    const { view, layout, column, aggregation } = this;
    const { bytes, bounds } = run;
    if (this.generation !== aggregation.generation) {
      this.generation = aggregation.generation;
      this.slots.fill(undefined);
    }
    for (let k = from; k < to; k++) {
      const row = picked[k] as number;
      const at = bounds[row] as number;
      view.reset(layout, bytes, at, (bounds[row + 1] as number) - at);
      if (!view.has(column) || view.isNull(column)) {
        groups[k - from] = aggregation.find([view.datum(column)]);
        continue;
      }
      const start = view.start(column);
      const end = view.end(column);
      const hash = hashBytes(bytes, start, end);
      const found = this.slots[hash & (SLOTS - 1)];
      if (found !== undefined && found.hash === hash && isAt(bytes, start, end, found.bytes)) {
        groups[k - from] = found.group;
      } else {
        const group = aggregation.find([view.datum(column)]);
        this.slots[hash & (SLOTS - 1)] = { hash, bytes: bytes.slice(start, end), group };
        groups[k - from] = group;
      }
    }
    return true;
  }
}

function isAt(bytes: Uint8Array, start: number, end: number, wanted: Uint8Array): boolean {
  if (end - start !== wanted.length) return false;
  for (let i = 0; i < wanted.length; i++) if (bytes[start + i] !== wanted[i]) return false;
  return true;
}
