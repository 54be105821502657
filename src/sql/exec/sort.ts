// ORDER BY and DISTINCT in memory, within the statement's budget.

import type { Maybe } from '../../base/maybe.ts';
import { whenReady } from '../../base/maybe.ts';
import { groupKey } from '../../rows/aggregates.ts';
import { type RowAccess, TupleView } from '../../rows/compile.ts';
import { compareDatums, type Datum, orderingOf } from '../../rows/datum.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { SortKey } from '../plan/nodes.ts';
import { type CompiledNode, type Cursor, DeferredCursor, drain } from './cursor.ts';
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
        () => sortRows(source, width, compare, rowsWanted),
        () => source.close(),
      );
    },
  };
}

/** With a limit only the best rows are kept: twice as many as wanted between two cuts. */
function sortRows(
  source: Cursor,
  width: number,
  compare: (a: Row, b: Row) => number,
  rowsWanted: number,
): Maybe<readonly Row[]> {
  const budget = new MemoryBudget('sorting');
  const rows: Row[] = [];
  const cutAt = rowsWanted === 0 ? Number.POSITIVE_INFINITY : rowsWanted * 2 + 1024;
  const drained = drain(source, () => {
    const values = copyRow(source.row, width);
    budget.add(values);
    rows.push(values);
    if (rows.length < cutAt) return;
    rows.sort(compare);
    for (let i = rowsWanted; i < rows.length; i++) budget.remove(rows[i] as Row);
    rows.length = rowsWanted;
  });
  return whenReady(drained, () => rows.sort(compare));
}

export function copyRow(row: RowAccess, width: number): Datum[] {
  const values = new Array<Datum>(width);
  for (let i = 0; i < width; i++) values[i] = row.datum(i);
  return values;
}

function rowComparator(keys: readonly SortKey[]): (a: Row, b: Row) => number {
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

export function compileDistinct(input: CompiledNode, types: readonly ColumnType[]): CompiledNode {
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution) => new DistinctCursor(input.open(execution, 0), types),
  };
}

class DistinctCursor implements Cursor {
  readonly row: TupleView;
  readonly #input: Cursor;
  readonly #types: readonly ColumnType[];
  readonly #seen = new Set<unknown>();
  readonly #budget = new MemoryBudget('DISTINCT');

  constructor(input: Cursor, types: readonly ColumnType[]) {
    this.row = new TupleView([]);
    this.#input = input;
    this.#types = types;
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
    const values = copyRow(this.#input.row, this.#types.length);
    const key = groupKey(this.#types, values);
    if (this.#seen.has(key)) return false;
    this.#budget.add(values);
    this.#seen.add(key);
    this.row.values = values;
    return true;
  }
}
