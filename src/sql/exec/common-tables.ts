// Queries of WITH: those that are worked out once for the whole execution, and recursion.

import { type Maybe, whenReady } from '../../base/maybe.ts';
import { groupKey } from '../../rows/aggregates.ts';
import { TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { PlanNode } from '../plan/nodes.ts';
import { ArrayCursor, type CompiledNode, type Cursor, DeferredCursor, drain } from './cursor.ts';
import type { Execution, SlotSet } from './execution.ts';
import { MemoryBudget } from './memory-budget.ts';
import { copyRow } from './sort.ts';

type Row = readonly Datum[];

export function compileShared(
  { base, id, width }: PlanNode & { kind: 'shared' },
  slots: SlotSet,
): CompiledNode {
  return {
    isStored: false,
    position: (slot) => slot - base,
    open: (execution) =>
      new DeferredCursor(
        () =>
          execution.shared(id, () => gather(slots.shared[id] as CompiledNode, execution, width)),
        () => undefined,
      ),
  };
}

function gather(query: CompiledNode, execution: Execution, width: number): Maybe<readonly Row[]> {
  const cursor = query.open(execution.root, 0);
  const rows: Row[] = [];
  const budget = new MemoryBudget('a query of WITH');
  const drained = drain(cursor, () => {
    const values = copyRow(cursor.row, width);
    budget.add(values);
    rows.push(values);
  });
  return whenReady(drained, () => {
    cursor.close();
    return rows;
  });
}

export function compileWorking({ base, id }: PlanNode & { kind: 'working' }): CompiledNode {
  return {
    isStored: false,
    position: (slot) => slot - base,
    open: (execution) => new ArrayCursor(execution.working.get(id) ?? []),
  };
}

export function compileRecursive(
  { id, all, types }: PlanNode & { kind: 'recursive' },
  base: CompiledNode,
  step: CompiledNode,
): CompiledNode {
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution) => new RecursiveCursor(base, step, execution, id, all, types),
  };
}

/** Rows go out as they are found, so that a LIMIT ends a recursion that has no end of its own. */
class RecursiveCursor implements Cursor {
  readonly row: TupleView = new TupleView([]);
  readonly #step: CompiledNode;
  readonly #execution: Execution;
  readonly #id: number;
  readonly #types: readonly ColumnType[];
  /** Without ALL: what was there already. */
  readonly #seen: Set<unknown> | undefined;
  readonly #seenBudget = new MemoryBudget('a recursive query');
  #current: Cursor;
  #found: Row[] = [];
  #budget = new MemoryBudget('a recursive query');
  #isOver = false;

  constructor(
    base: CompiledNode,
    step: CompiledNode,
    execution: Execution,
    id: number,
    all: boolean,
    types: readonly ColumnType[],
  ) {
    this.#step = step;
    this.#execution = execution;
    this.#id = id;
    this.#types = types;
    this.#seen = all ? undefined : new Set();
    this.#current = base.open(execution, 0);
  }

  next(): Maybe<boolean> {
    for (;;) {
      if (this.#isOver) return false;
      if (this.#execution.isPauseDue()) return this.#execution.pause().then(() => this.next());
      const more = this.#current.next();
      if (more instanceof Promise) {
        return more.then((found) => (this.#take(found) ? true : this.next()));
      }
      if (this.#take(more)) return true;
    }
  }

  close(): void {
    this.#current.close();
    this.#execution.working.delete(this.#id);
    this.#isOver = true;
  }

  #take(found: boolean): boolean {
    if (!found) {
      this.#nextStep();
      return false;
    }
    const values = copyRow(this.#current.row, this.#types.length);
    if (this.#seen !== undefined) {
      const key = groupKey(this.#types, values);
      if (this.#seen.has(key)) return false;
      this.#seenBudget.add(values);
      this.#seen.add(key);
    }
    this.#budget.add(values);
    this.#found.push(values);
    this.row.values = values;
    return true;
  }

  #nextStep(): void {
    if (this.#found.length === 0) {
      this.close();
      return;
    }
    this.#current.close();
    this.#execution.working.set(this.#id, this.#found);
    this.#found = [];
    this.#budget = new MemoryBudget('a recursive query');
    this.#current = this.#step.open(this.#execution, 0);
  }
}
