// Rows one after another, without a promise while they are at hand: next() answers at once within a batch and with a
// promise only where something must be waited for.

import { type Maybe, whenReady } from '../../base/maybe.ts';
import { type RowAccess, TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import { type Execution, suspending } from './execution.ts';

export interface Cursor {
  /** The current row: the same object for all rows, valid until the next next(). */
  readonly row: RowAccess;
  /** Steps to the next row; false at the end. Not called again while its promise is open. */
  next(): Maybe<boolean>;
  /** Gives up what is open; idempotent. */
  close(): void;
}

/** A plan node, compiled. */
export interface CompiledNode {
  /** Where the rows of open() have a slot of the plan. */
  position(slot: number): number;
  /** Rows are RowViews over a stored row, so that columns can go out as they are stored. */
  readonly isStored: boolean;
  /** `rowsWanted` is how many rows will be asked for at most, 0 when that is not known. */
  open(execution: Execution, rowsWanted: number): Cursor;
}

export class EmptyCursor implements Cursor {
  readonly row: RowAccess = new TupleView([]);

  next(): boolean {
    return false;
  }

  close(): void {
    // Nothing is open.
  }
}

/** Rows that are in memory. */
export class ArrayCursor implements Cursor {
  readonly row: TupleView = new TupleView([]);
  readonly #rows: readonly (readonly Datum[])[];
  #at = 0;

  constructor(rows: readonly (readonly Datum[])[]) {
    this.#rows = rows;
  }

  next(): boolean {
    const values = this.#rows[this.#at];
    if (values === undefined) return false;
    this.#at++;
    this.row.values = values;
    return true;
  }

  close(): void {
    this.#at = this.#rows.length;
  }
}

/** A cursor whose rows are there only once something has been done: sorting, grouping, writing. */
export class DeferredCursor implements Cursor {
  readonly row: TupleView = new TupleView([]);
  #prepare: (() => Maybe<readonly (readonly Datum[])[]>) | undefined;
  readonly #release: () => void;
  #rows: readonly (readonly Datum[])[] = [];
  #at = 0;

  constructor(prepare: () => Maybe<readonly (readonly Datum[])[]>, release: () => void) {
    this.#prepare = prepare;
    this.#release = release;
  }

  next(): Maybe<boolean> {
    const prepare = this.#prepare;
    if (prepare === undefined) return this.#step();
    this.#prepare = undefined;
    return whenReady(prepare(), (rows) => {
      this.#rows = rows;
      return this.#step();
    });
  }

  close(): void {
    this.#prepare = undefined;
    this.#rows = [];
    this.#release();
  }

  #step(): boolean {
    const values = this.#rows[this.#at];
    if (values === undefined) return false;
    this.#at++;
    this.row.values = values;
    return true;
  }
}

/** Runs a cursor to its end. */
export function drain(cursor: Cursor, each: () => void): Maybe<void> {
  for (;;) {
    const more = cursor.next();
    if (more instanceof Promise) return drainLater(cursor, each, more);
    if (!more) return;
    each();
  }
}

async function drainLater(
  cursor: Cursor,
  each: () => void,
  pending: Promise<boolean>,
): Promise<void> {
  let more = await pending;
  while (more) {
    each();
    const next = cursor.next();
    more = next instanceof Promise ? await next : next;
  }
}

/** Runs a cursor to its end, with what may wait for a query for each row. */
export async function drainWaiting(cursor: Cursor, each: () => void): Promise<void> {
  for (;;) {
    const more = cursor.next();
    if (!(more instanceof Promise ? await more : more)) return;
    const done = suspending(each);
    if (done instanceof Promise) await done;
  }
}
