// Partitions and frames: which rows of its partition a row's window function looks at.

import { DbError } from '../../base/errors.ts';
import { type CompiledExpr, compileExpr, TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import { Decimal } from '../../rows/decimal.ts';
import { compareIntervals, Interval } from '../../rows/interval.ts';
import type { SortKey, WindowBound, WindowFrameNode } from '../plan/nodes.ts';
import { NO_ROW } from './key-spans.ts';

export type Row = Datum[];

/** Rows of one partition, in order. Peers are rows that ORDER BY does not tell apart. */
export class Partition {
  readonly rows: readonly Row[];
  /** Of each row: where its peers begin and end, and the number of their group. */
  readonly peersFrom: Int32Array;
  readonly peersTo: Int32Array;
  readonly group: Int32Array;
  /** Where each group begins; the end of all is behind the last. */
  readonly groupStarts: number[] = [];

  constructor(rows: readonly Row[], order: (a: Row, b: Row) => number) {
    this.rows = rows;
    const { length } = rows;
    this.peersFrom = new Int32Array(length);
    this.peersTo = new Int32Array(length);
    this.group = new Int32Array(length);
    for (let start = 0; start < length; ) {
      let end = start + 1;
      while (end < length && order(rows[start] as Row, rows[end] as Row) === 0) end++;
      this.peersFrom.fill(start, start, end);
      this.peersTo.fill(end, start, end);
      this.group.fill(this.groupStarts.length, start, end);
      this.groupStarts.push(start);
      start = end;
    }
    this.groupStarts.push(length);
  }

  get length(): number {
    return this.rows.length;
  }

  /** Where the group of this number begins; the nearest end where there is none. */
  groupAt(number: number): number {
    const groups = this.groupStarts.length - 1;
    return this.groupStarts[Math.min(Math.max(number, 0), groups)] as number;
  }
}

/** The frames of a partition's rows, asked for from the first row to the last. */
export interface Frames {
  /** [from, to), before anything is excluded; never beyond the partition. */
  from(row: number): number;
  to(row: number): number;
}

interface CompiledBound {
  readonly kind: WindowBound['kind'];
  readonly offset: CompiledExpr | undefined;
  readonly test: CompiledExpr | undefined;
}

export class CompiledFrame {
  readonly exclude: WindowFrameNode['exclude'];
  /** From the partition's beginning, nothing excluded: what grows only. */
  readonly grows: boolean;
  readonly #mode: WindowFrameNode['mode'];
  readonly #start: CompiledBound;
  readonly #end: CompiledBound;
  readonly #key: number;
  readonly #nullsFirst: boolean;

  constructor(frame: WindowFrameNode, keys: readonly SortKey[]) {
    this.exclude = frame.exclude;
    this.#mode = frame.mode;
    this.#start = compileBound(frame.start);
    this.#end = compileBound(frame.end);
    this.#key = keys[0]?.slot ?? -1;
    this.#nullsFirst = keys[0]?.nullsFirst ?? false;
    this.grows = frame.start.kind === 'unbounded' && frame.exclude === 'none';
  }

  frames(partition: Partition, params: readonly Datum[]): Frames {
    const from = this.#boundary(partition, params, this.#start, true);
    const to = this.#boundary(partition, params, this.#end, false);
    return { from, to: (row) => Math.max(to(row), from(row)) };
  }

  #boundary(
    partition: Partition,
    params: readonly Datum[],
    { kind, offset, test }: CompiledBound,
    isStart: boolean,
  ): (row: number) => number {
    const { length } = partition;
    if (kind === 'unbounded') return () => (isStart ? 0 : length);
    if (kind === 'currentRow') {
      if (this.#mode === 'rows') return (row) => (isStart ? row : row + 1);
      const peers = isStart ? partition.peersFrom : partition.peersTo;
      return (row) => peers[row] as number;
    }
    const value = offsetOf(offset, params, isStart);
    if (test !== undefined) return this.#byValue(partition, test, value, params, isStart);
    const by = Number(value) * (kind === 'preceding' ? -1 : 1);
    const behind = isStart ? 0 : 1;
    if (this.#mode === 'rows') return (row) => Math.min(Math.max(row + by + behind, 0), length);
    return (row) => partition.groupAt((partition.group[row] as number) + by + behind);
  }

  /** As the current row moves on, so does the bound. Rows without a value have none but each other in their frame. */
  #byValue(
    partition: Partition,
    test: CompiledExpr,
    offset: Datum,
    params: readonly Datum[],
    isStart: boolean,
  ): (row: number) => number {
    const { rows, length } = partition;
    const valueAt = (row: number): Datum => (rows[row] as Row)[this.#key] as Datum;
    let first = 0;
    let last = length;
    if (this.#nullsFirst) while (first < length && valueAt(first) === null) first++;
    else while (last > 0 && valueAt(last - 1) === null) last--;
    const view = new TupleView([]);
    let at = first;
    return (row) => {
      const current = valueAt(row);
      const peers = isStart ? partition.peersFrom : partition.peersTo;
      if (current === null) return peers[row] as number;
      const isInside = (candidate: number): boolean => {
        view.values = [valueAt(candidate), current, offset];
        return test(view, params) === true;
      };
      if (isStart) while (at < last && !isInside(at)) at++;
      else while (at < last && isInside(at)) at++;
      return at;
    };
  }
}

function compileBound(bound: WindowBound): CompiledBound {
  if (bound.kind === 'unbounded' || bound.kind === 'currentRow') {
    return { kind: bound.kind, offset: undefined, test: undefined };
  }
  const { kind, offset, test } = bound;
  return {
    kind,
    offset: compileExpr(offset),
    test: test === undefined ? undefined : compileExpr(test),
  };
}

function offsetOf(
  offset: CompiledExpr | undefined,
  params: readonly Datum[],
  isStart: boolean,
): Datum {
  const value = offset?.(NO_ROW, params) ?? null;
  const side = isStart ? 'starting' : 'ending';
  if (value === null) throw new DbError('22004', `frame ${side} offset must not be null`);
  if (isNegative(value)) {
    throw new DbError('22013', `frame ${side} offset must not be negative`);
  }
  return value;
}

function isNegative(value: Exclude<Datum, null>): boolean {
  if (value instanceof Decimal) return value.compare(Decimal.ZERO) < 0;
  if (value instanceof Interval) return compareIntervals(value, new Interval(0, 0, 0)) < 0;
  return Number(value as number | bigint) < 0;
}
