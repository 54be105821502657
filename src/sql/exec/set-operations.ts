// UNION ALL, INTERSECT and EXCEPT.

import { type Maybe, whenReady } from '../../base/maybe.ts';
import { groupKey } from '../../rows/aggregates.ts';
import { TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { PlanNode } from '../plan/nodes.ts';
import { blankRow } from './blank-row.ts';
import { type CompiledNode, type Cursor, drain } from './cursor.ts';
import type { Execution } from './execution.ts';
import { MemoryBudget } from './memory-budget.ts';
import { copyRow } from './sort.ts';

/** `width` slots from 0 on each. */
export function compileAppend(inputs: readonly CompiledNode[], width: number): CompiledNode {
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution, rowsWanted) => new AppendCursor(inputs, width, execution, rowsWanted),
  };
}

class AppendCursor implements Cursor {
  readonly row: TupleView;
  readonly #inputs: readonly CompiledNode[];
  readonly #execution: Execution;
  readonly #rowsWanted: number;
  readonly #values: Datum[];
  #next = 0;
  #current: Cursor | undefined;

  constructor(
    inputs: readonly CompiledNode[],
    width: number,
    execution: Execution,
    rowsWanted: number,
  ) {
    this.#inputs = inputs;
    this.#execution = execution;
    this.#rowsWanted = rowsWanted;
    this.#values = blankRow(width);
    this.row = new TupleView(this.#values);
  }

  next(): Maybe<boolean> {
    for (;;) {
      if (this.#current === undefined) {
        const input = this.#inputs[this.#next];
        if (input === undefined) return false;
        this.#next++;
        this.#current = input.open(this.#execution, this.#rowsWanted);
      }
      const more = this.#current.next();
      if (more instanceof Promise) {
        return whenReady(more, (found) => (this.#take(found) ? true : this.next()));
      }
      if (this.#take(more)) return true;
    }
  }

  close(): void {
    this.#current?.close();
    this.#current = undefined;
    this.#next = this.#inputs.length;
  }

  #take(found: boolean): boolean {
    if (!found) {
      this.#current?.close();
      this.#current = undefined;
      return false;
    }
    const row = (this.#current as Cursor).row;
    for (let i = 0; i < this.#values.length; i++) this.#values[i] = row.datum(i);
    return true;
  }
}

/** The right side's rows are counted, then the left side's pass or do not. */
export function compileMatched(
  { op, all, types }: PlanNode & { kind: 'matched' },
  left: CompiledNode,
  right: CompiledNode,
): CompiledNode {
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution) =>
      new MatchedCursor(left.open(execution, 0), right.open(execution, 0), op, all, types),
  };
}

class MatchedCursor implements Cursor {
  readonly row: TupleView = new TupleView([]);
  readonly #left: Cursor;
  readonly #right: Cursor;
  readonly #isIntersect: boolean;
  readonly #all: boolean;
  readonly #types: readonly ColumnType[];
  /** How often each row of the right side may still be matched. */
  readonly #counts = new Map<unknown, number>();
  /** Without ALL: rows that came out already, or are on the right side of EXCEPT. */
  readonly #seen = new Set<unknown>();
  readonly #budget: MemoryBudget;
  #isBuilt = false;

  constructor(
    left: Cursor,
    right: Cursor,
    op: 'intersect' | 'except',
    all: boolean,
    types: readonly ColumnType[],
  ) {
    this.#left = left;
    this.#right = right;
    this.#isIntersect = op === 'intersect';
    this.#all = all;
    this.#types = types;
    this.#budget = new MemoryBudget(op.toUpperCase());
  }

  next(): Maybe<boolean> {
    if (!this.#isBuilt) return whenReady(this.#build(), () => this.next());
    for (;;) {
      const more = this.#left.next();
      if (more instanceof Promise) {
        return more.then((found) => (found ? this.#passes() || this.next() : false));
      }
      if (!more) return false;
      if (this.#passes()) return true;
    }
  }

  close(): void {
    this.#left.close();
    this.#right.close();
    this.#counts.clear();
    this.#seen.clear();
  }

  #build(): Maybe<void> {
    const drained = drain(this.#right, () => {
      const values = copyRow(this.#right.row, this.#types.length);
      const key = groupKey(this.#types, values);
      const count = this.#counts.get(key);
      if (count === undefined) this.#budget.add(values);
      this.#counts.set(key, (count ?? 0) + 1);
    });
    return whenReady(drained, () => {
      this.#isBuilt = true;
    });
  }

  #passes(): boolean {
    const values = copyRow(this.#left.row, this.#types.length);
    const key = groupKey(this.#types, values);
    const count = this.#counts.get(key) ?? 0;
    this.row.values = values;
    if (this.#all) {
      if (count > 0) this.#counts.set(key, count - 1);
      return count > 0 === this.#isIntersect;
    }
    if (count > 0 !== this.#isIntersect || this.#seen.has(key)) return false;
    this.#budget.add(values);
    this.#seen.add(key);
    return true;
  }
}
