// ORDER BY and DISTINCT in memory, within the statement's budget.

import type { Maybe } from '../../base/maybe.ts';
import { whenReady } from '../../base/maybe.ts';
import { groupKey } from '../../rows/aggregates.ts';
import { type RowAccess, TupleView } from '../../rows/compile.ts';
import { compareDatums, type Datum, orderingOf } from '../../rows/datum.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { SortKey } from '../plan/nodes.ts';
import { blankRow } from './blank-row.ts';
import { type CompiledNode, type Cursor, DeferredCursor, drain } from './cursor.ts';
import type { Execution } from './execution.ts';
import { MemoryBudget } from './memory-budget.ts';

type Row = readonly Datum[];

export function compileSort(
  input: CompiledNode,
  keys: readonly SortKey[],
  width: number,
): CompiledNode {
  const compare = rowComparator(keys);
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution, rowsWanted) => {
      const source = input.open(execution, 0);
      return new DeferredCursor(
        () => sortRows(execution, source, width, compare, rowsWanted),
        () => source.close(),
      );
    },
  };
}

/** Rows that are sorted in one go. */
const RUN_ROWS = 8192;

/** With a limit only the best rows are kept, from cut to cut; else sorted runs are merged, with pauses. */
function sortRows(
  execution: Execution,
  source: Cursor,
  width: number,
  compare: (a: Row, b: Row) => number,
  rowsWanted: number,
): Maybe<readonly Row[]> {
  const budget = new MemoryBudget('sorting');
  const runs: Row[][] = [];
  const keepsBest = rowsWanted > 0 && rowsWanted < RUN_ROWS / 2;
  let rows: Row[] = [];
  const drained = drain(source, () => {
    const values = copyRow(source.row, width);
    budget.add(values);
    rows.push(values);
    if (rows.length < RUN_ROWS) return;
    rows.sort(compare);
    if (keepsBest) {
      for (let i = rowsWanted; i < rows.length; i++) budget.remove(rows[i] as Row);
      rows.length = rowsWanted;
    } else {
      runs.push(rows);
      rows = [];
    }
  });
  return whenReady(drained, () => {
    runs.push(rows.sort(compare));
    return runs.length === 1 ? rows : mergeRuns(execution, runs, compare);
  });
}

/** Neighbours two by two, so that equal rows keep their order. */
async function mergeRuns<R extends Row>(
  execution: Execution,
  sorted: R[][],
  compare: (a: Row, b: Row) => number,
): Promise<R[]> {
  let runs = sorted;
  while (runs.length > 1) {
    const merged: R[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const [left, right] = [runs[i] as R[], runs[i + 1]];
      merged.push(right === undefined ? left : await merge(execution, left, right, compare));
    }
    runs = merged;
  }
  return runs[0] as R[];
}

async function merge<R extends Row>(
  execution: Execution,
  left: R[],
  right: R[],
  compare: (a: Row, b: Row) => number,
): Promise<R[]> {
  const out: R[] = [];
  let l = 0;
  let r = 0;
  while (l < left.length || r < right.length) {
    if (execution.isPauseDue()) await execution.pause();
    const takesLeft =
      r === right.length || (l < left.length && compare(left[l] as Row, right[r] as Row) <= 0);
    out.push((takesLeft ? left[l++] : right[r++]) as R);
  }
  return out;
}

/** Rows that are in memory, with pauses. */
export function sortAll(
  execution: Execution,
  rows: readonly Datum[][],
  compare: (a: Row, b: Row) => number,
): Maybe<Datum[][]> {
  const runs: Datum[][][] = [];
  for (let at = 0; at < rows.length; at += RUN_ROWS) {
    runs.push(rows.slice(at, at + RUN_ROWS).sort(compare));
  }
  return runs.length < 2 ? (runs[0] ?? []) : mergeRuns(execution, runs, compare);
}

export function copyRow(row: RowAccess, width: number): Datum[] {
  const values = blankRow(width);
  for (let i = 0; i < width; i++) values[i] = row.datum(i);
  return values;
}

export function rowComparator(keys: readonly SortKey[]): (a: Row, b: Row) => number {
  const comparators = keys.map(({ slot, type, descending, nullsFirst }) => {
    const compare = valueComparator(type.oid);
    const sign = descending ? -1 : 1;
    const nulls = nullsFirst ? -1 : 1;
    return (a: Row, b: Row): number => {
      const x = a[slot] as Datum;
      const y = b[slot] as Datum;
      if (x === null) return y === null ? 0 : nulls;
      if (y === null) return -nulls;
      return compare(x, y) * sign;
    };
  });
  const [only] = comparators;
  if (comparators.length === 1 && only !== undefined) return only;
  return (a, b) => {
    for (const compare of comparators) {
      const order = compare(a, b);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function valueComparator(oid: number): (a: Datum, b: Datum) => number {
  if (orderingOf(oid) === 'number') {
    return (a, b) => ((a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0);
  }
  return (a, b) => compareDatums(oid, a, b);
}

/** `keys`: the slots that are compared, undefined for all. */
export function compileDistinct(
  input: CompiledNode,
  types: readonly ColumnType[],
  keys: readonly number[] | undefined,
): CompiledNode {
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution) => new DistinctCursor(input.open(execution, 0), types, keys),
  };
}

class DistinctCursor implements Cursor {
  readonly row: TupleView;
  readonly #input: Cursor;
  readonly #width: number;
  readonly #types: readonly ColumnType[];
  readonly #keys: readonly number[] | undefined;
  readonly #seen = new Set<unknown>();
  readonly #budget = new MemoryBudget('DISTINCT');

  constructor(input: Cursor, types: readonly ColumnType[], keys: readonly number[] | undefined) {
    this.row = new TupleView([]);
    this.#input = input;
    this.#width = types.length;
    this.#keys = keys;
    this.#types = keys === undefined ? types : keys.map((slot) => types[slot] as ColumnType);
  }

  next(): Maybe<boolean> {
    for (;;) {
      const more = this.#input.next();
      if (more instanceof Promise) {
        return more.then((found) => (found ? this.#isNew() || this.next() : false));
      }
      if (!more) return false;
      if (this.#isNew()) return true;
    }
  }

  close(): void {
    this.#input.close();
    this.#seen.clear();
  }

  #isNew(): boolean {
    const values = copyRow(this.#input.row, this.#width);
    const compared = this.#keys?.map((slot) => values[slot] as Datum) ?? values;
    const key = groupKey(this.#types, compared);
    if (this.#seen.has(key)) return false;
    this.#budget.add(compared);
    this.#seen.add(key);
    this.row.values = values;
    return true;
  }
}
