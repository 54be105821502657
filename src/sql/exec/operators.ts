// The operators that take rows one at a time: filter, projection, limit, lists of values, series, virtual tables.

import { DbError } from '../../base/errors.ts';
import { type Maybe, whenReady } from '../../base/maybe.ts';
import {
  type CompiledPredicate,
  compileExpr,
  compilePredicate,
  type RowAccess,
  TupleView,
} from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Expr } from '../../rows/expr.ts';
import { hasColumns, hasSubplan, mapSlots } from '../plan/expr-tools.ts';
import type { PlanNode, SortKey } from '../plan/nodes.ts';
import { blankRow } from './blank-row.ts';
import {
  ArrayCursor,
  type CompiledNode,
  type Cursor,
  DeferredCursor,
  EmptyCursor,
} from './cursor.ts';
import { type Execution, RowExprs, type SlotSet, suspending } from './execution.ts';
import { NO_ROW } from './key-spans.ts';
import { rowComparator } from './sort.ts';

export function compileFilter(input: CompiledNode, predicate: Expr, slots: SlotSet): CompiledNode {
  const isVolatile = slots.isVolatile(predicate);
  const holds = compilePredicate(mapSlots(predicate, (slot) => input.position(slot)));
  const suspends = hasSubplan(predicate);
  const once = !isVolatile && !suspends && !hasColumns(predicate);
  return {
    isStored: input.isStored,
    position: (slot) => input.position(slot),
    open: (execution, rowsWanted) => {
      if (!once) {
        const source = input.open(execution, 0);
        return suspends
          ? new WaitingFilterCursor(source, holds, execution)
          : new FilterCursor(source, holds, execution, isVolatile);
      }
      return holds(NO_ROW, execution.params)
        ? input.open(execution, rowsWanted)
        : new EmptyCursor();
    },
  };
}

class FilterCursor implements Cursor {
  readonly row: RowAccess;
  readonly #input: Cursor;
  readonly #holds: CompiledPredicate;
  readonly #execution: Execution;
  readonly #isVolatile: boolean;

  constructor(input: Cursor, holds: CompiledPredicate, execution: Execution, isVolatile: boolean) {
    this.row = input.row;
    this.#input = input;
    this.#holds = holds;
    this.#execution = execution;
    this.#isVolatile = isVolatile;
  }

  next(): Maybe<boolean> {
    for (;;) {
      const more = this.#input.next();
      if (more instanceof Promise) return this.#later(more);
      if (!more) return false;
      if (this.#passes()) return true;
    }
  }

  close(): void {
    this.#input.close();
  }

  #passes(): boolean {
    if (this.#isVolatile) this.#execution.refresh();
    return this.#holds(this.row, this.#execution.params);
  }

  async #later(pending: Promise<boolean>): Promise<boolean> {
    let more = await pending;
    while (more) {
      if (this.#passes()) return true;
      const next = this.#input.next();
      more = next instanceof Promise ? await next : next;
    }
    return false;
  }
}

/** A filter with a query in it. */
class WaitingFilterCursor implements Cursor {
  readonly row: RowAccess;
  readonly #input: Cursor;
  readonly #passes: () => boolean;

  constructor(input: Cursor, holds: CompiledPredicate, execution: Execution) {
    this.row = input.row;
    this.#input = input;
    this.#passes = () => {
      execution.refresh();
      return holds(input.row, execution.params);
    };
  }

  next(): Maybe<boolean> {
    for (;;) {
      const more = this.#input.next();
      if (more instanceof Promise) return this.#later(more, undefined);
      if (!more) return false;
      const passes = suspending(this.#passes);
      if (passes instanceof Promise) return this.#later(undefined, passes);
      if (passes) return true;
    }
  }

  close(): void {
    this.#input.close();
  }

  async #later(
    row: Promise<boolean> | undefined,
    passing: Promise<boolean> | undefined,
  ): Promise<boolean> {
    let more: Maybe<boolean> = row ?? true;
    let passes: Maybe<boolean> | undefined = passing;
    for (;;) {
      if (more instanceof Promise) more = await more;
      if (!more) return false;
      passes ??= suspending(this.#passes);
      if (passes instanceof Promise ? await passes : passes) return true;
      passes = undefined;
      more = this.#input.next();
    }
  }
}

/** Expressions over the input's rows; `base` is the first slot that they make. */
export function compileProject(
  input: CompiledNode,
  exprs: readonly Expr[],
  slots: SlotSet,
  base = 0,
): CompiledNode {
  const mapped = exprs.map((e) => mapSlots(e, (slot) => input.position(slot)));
  const compiled = new RowExprs(mapped, slots);
  return {
    isStored: false,
    position: (slot) => slot - base,
    open: (execution, rowsWanted) =>
      new ProjectCursor(input.open(execution, rowsWanted), compiled, execution),
  };
}

class ProjectCursor implements Cursor {
  readonly row: TupleView;
  readonly #input: Cursor;
  readonly #exprs: RowExprs;
  readonly #execution: Execution;
  readonly #values: Datum[];

  constructor(input: Cursor, exprs: RowExprs, execution: Execution) {
    this.#input = input;
    this.#exprs = exprs;
    this.#execution = execution;
    this.#values = blankRow(exprs.width);
    this.row = new TupleView(this.#values);
  }

  next(): Maybe<boolean> {
    const more = this.#input.next();
    if (more instanceof Promise) return more.then((found) => this.#take(found));
    return this.#take(more);
  }

  close(): void {
    this.#input.close();
  }

  #take(found: boolean): Maybe<boolean> {
    if (!found) return false;
    const exprs = this.#exprs;
    if (exprs.suspends) {
      return whenReady(
        suspending(() => exprs.into(this.#input.row, this.#execution, this.#values)),
        () => true,
      );
    }
    exprs.into(this.#input.row, this.#execution, this.#values);
    return true;
  }
}

export function compileLimit(
  input: CompiledNode,
  { limit, offset, ties }: PlanNode & { kind: 'limit' },
): CompiledNode {
  const limitOf = limit === undefined ? undefined : compileExpr(limit);
  const offsetOf = offset === undefined ? undefined : compileExpr(offset);
  return {
    isStored: input.isStored,
    position: (slot) => input.position(slot),
    open: (execution, rowsWanted) => {
      const { params } = execution;
      const skip = count(offsetOf?.(NO_ROW, params), '2201X', 'OFFSET') ?? 0;
      const own = count(limitOf?.(NO_ROW, params), '2201W', 'LIMIT');
      if (own === 0) return new EmptyCursor();
      if (ties !== undefined && own !== undefined) {
        return new TiesCursor(input.open(execution, 0), skip, own, ties);
      }
      const most = own ?? (rowsWanted === 0 ? undefined : rowsWanted);
      const below = most === undefined ? 0 : Math.min(most + skip, 0xffff_ffff);
      return new LimitCursor(input.open(execution, below), skip, own ?? Number.POSITIVE_INFINITY);
    },
  };
}

function count(value: Datum | undefined, code: string, word: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  const rows = Number(value as number | bigint);
  if (rows < 0) throw new DbError(code, `${word} must not be negative`);
  return rows;
}

class LimitCursor implements Cursor {
  readonly row: RowAccess;
  readonly #input: Cursor;
  #skip: number;
  #left: number;

  constructor(input: Cursor, skip: number, most: number) {
    this.row = input.row;
    this.#input = input;
    this.#skip = skip;
    this.#left = most;
  }

  next(): Maybe<boolean> {
    if (this.#left === 0) {
      this.#input.close();
      return false;
    }
    for (;;) {
      const more = this.#input.next();
      if (more instanceof Promise)
        return whenReady(more, (found) => this.#take(found) ?? this.next());
      const taken = this.#take(more);
      if (taken !== undefined) return taken;
    }
  }

  close(): void {
    this.#input.close();
  }

  /** Undefined: a row that is skipped. */
  #take(found: boolean): boolean | undefined {
    if (!found) return false;
    if (this.#skip > 0) {
      this.#skip--;
      return undefined;
    }
    this.#left--;
    return true;
  }
}

/** FETCH FIRST … WITH TIES: the rows are sorted by `ties`. */
class TiesCursor implements Cursor {
  readonly row: RowAccess;
  readonly #input: Cursor;
  readonly #ties: readonly SortKey[];
  readonly #compare: (a: readonly Datum[], b: readonly Datum[]) => number;
  #skip: number;
  #left: number;
  /** Of the last row that was wanted. */
  #last: readonly Datum[] = [];

  constructor(input: Cursor, skip: number, most: number, ties: readonly SortKey[]) {
    this.row = input.row;
    this.#input = input;
    this.#ties = ties;
    this.#compare = rowComparator(ties.map((key, slot) => ({ ...key, slot })));
    this.#skip = skip;
    this.#left = most;
  }

  next(): Maybe<boolean> {
    for (;;) {
      const more = this.#input.next();
      if (more instanceof Promise) {
        return whenReady(more, (found) => this.#take(found) ?? this.next());
      }
      const taken = this.#take(more);
      if (taken !== undefined) return taken;
    }
  }

  close(): void {
    this.#input.close();
  }

  #take(found: boolean): boolean | undefined {
    if (!found) return false;
    if (this.#skip > 0) {
      this.#skip--;
      return undefined;
    }
    const keys = this.#ties.map(({ slot }) => this.row.datum(slot));
    if (this.#left === 0) return this.#compare(keys, this.#last) === 0;
    this.#left--;
    this.#last = keys;
    return true;
  }
}

export function compileValues(node: PlanNode & { kind: 'values' }, slots: SlotSet): CompiledNode {
  const rows = node.rows.map((row) => new RowExprs(row, slots));
  return {
    isStored: false,
    position: (slot) => slot - node.base,
    open: (execution) =>
      new DeferredCursor(
        () => valuesOf(rows, execution),
        () => undefined,
      ),
  };
}

function valuesOf(rows: readonly RowExprs[], execution: Execution): Maybe<readonly Datum[][]> {
  const all = (): Datum[][] => rows.map((row) => row.values(NO_ROW, execution));
  // Each waits for a query anew, which by then has its answer.
  return rows.some((row) => row.suspends) ? suspending(all) : all();
}

/** SELECT without FROM: one row without columns. */
export const RESULT_NODE: CompiledNode = {
  isStored: false,
  position: (slot) => slot,
  open: () => new ArrayCursor([[]]),
};

export function compileVirtual(node: PlanNode & { kind: 'virtual' }): CompiledNode {
  const { virtual, base } = node;
  return {
    isStored: false,
    position: (slot) => slot - base,
    open: ({ context }) =>
      new ArrayCursor(virtual.rows({ catalog: context.catalog, session: context.session })),
  };
}
