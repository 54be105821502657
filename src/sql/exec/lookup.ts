// The rows behind the entries of an index, in the order of the entries, got by their keys many at a time.

import { isPromise, type Maybe } from '../../base/maybe.ts';
import type { PackedPredicate } from '../../rows/compile-packed.ts';
import { RowView } from '../../rows/row-codec.ts';
import type { TableNode } from '../plan/nodes.ts';
import type { Cursor } from './cursor.ts';
import { keyText } from './duplicates.ts';
import { type Execution, transactionOf } from './execution.ts';
import type { EntryKeys } from './index-entries.ts';

/** A cursor over stored rows that can say each row's key. */
export interface TableCursor extends Cursor {
  readonly row: RowView;
  /** A copy. */
  key(): Uint8Array;
}

/** Rows that are got by key at once. */
const LOOKUP_BATCH = 256;

type Rows = readonly (Uint8Array | undefined)[];

export class LookupCursor implements TableCursor {
  readonly row: RowView = new RowView();
  readonly #node: TableNode;
  readonly #execution: Execution;
  readonly #open: (wanted: number) => TableCursor;
  readonly #entryKeys: EntryKeys;
  readonly #filter: PackedPredicate | undefined;
  #entries: Cursor | undefined;
  /** How many entries the open scan was asked for; 0: all. */
  #asked: number;
  #given = 0;
  #batch: number;
  /** Rows that were tried and may have been locked by others: where entries are read again for more. */
  readonly #tried: Set<string> | undefined;
  #keys: Uint8Array[] = [];
  #rows: Rows = [];
  #at = 0;
  #isOver = false;

  /** `rowsWanted`: 0 when that is not known. `open`: the entries, all or as many as are wanted. */
  constructor(
    node: TableNode,
    execution: Execution,
    open: (wanted: number) => TableCursor,
    entryKeys: EntryKeys,
    filter: PackedPredicate | undefined,
    rowsWanted: number,
  ) {
    this.#node = node;
    this.#execution = execution;
    this.#open = open;
    this.#entryKeys = entryKeys;
    this.#filter = filter;
    const skips = node.lock?.wait === 'skip';
    this.#asked = filter === undefined || skips ? rowsWanted : 0;
    this.#tried = skips && rowsWanted > 0 ? new Set() : undefined;
    this.#batch = rowsWanted === 0 ? LOOKUP_BATCH : Math.min(rowsWanted, LOOKUP_BATCH);
  }

  key(): Uint8Array {
    return this.#keys[this.#at - 1] as Uint8Array;
  }

  close(): void {
    this.#isOver = true;
    this.#rows = [];
    this.#entries?.close();
  }

  next(): Maybe<boolean> {
    for (;;) {
      if (this.#step()) return true;
      if (this.#isOver) return false;
      const more = this.#more();
      if (isPromise(more)) return this.#later(more);
      this.#take(more);
    }
  }

  async #later(pending: Promise<Rows>): Promise<boolean> {
    this.#take(await pending);
    const more = this.next();
    return isPromise(more) ? await more : more;
  }

  #take(rows: Rows): void {
    if (this.#isOver) return;
    this.#rows = rows;
    this.#at = 0;
    if (rows.length === 0) this.#isOver = true;
  }

  #step(): boolean {
    const { layout } = this.#node.table;
    while (this.#at < this.#rows.length) {
      const bytes = this.#rows[this.#at++];
      // Without its row: another holds it, and it is skipped.
      if (bytes === undefined) continue;
      this.row.reset(layout, bytes, 0, bytes.length);
      if (this.#filter === undefined || this.#filter(this.row, this.#execution.params)) return true;
    }
    return false;
  }

  /** The next rows; none when there are no entries left. */
  #more(): Maybe<Rows> {
    this.#keys = [];
    this.#entries ??= this.#open(this.#asked);
    while (this.#keys.length < this.#batch) {
      const more = this.#entries.next();
      if (isPromise(more)) return this.#moreLater(more);
      if (!more) {
        if (this.#isThrough()) break;
        continue;
      }
      this.#add();
    }
    return this.#read();
  }

  async #moreLater(pending: Promise<boolean>): Promise<Rows> {
    let more = await pending;
    for (;;) {
      if (this.#isOver) return [];
      if (more) this.#add();
      else if (this.#isThrough()) break;
      if (this.#keys.length >= this.#batch) break;
      const next = (this.#entries as Cursor).next();
      more = isPromise(next) ? await next : next;
    }
    return this.#read();
  }

  #add(): void {
    const key = this.#entryKeys.rowKeyOf((this.#entries as Cursor).row as RowView);
    this.#given++;
    if (this.#tried !== undefined) {
      const text = keyText(key);
      if (this.#tried.has(text)) return;
      this.#tried.add(text);
    }
    this.#keys.push(key);
  }

  /** All entries were seen; otherwise more of them are asked for from now on. */
  #isThrough(): boolean {
    if (this.#tried === undefined || this.#given < this.#asked) return true;
    // Of the rows behind as many entries as were wanted some are others'. These come again.
    if (this.#keys.length > 0) return true;
    this.#asked *= 2;
    this.#given = 0;
    this.#entries = this.#open(this.#asked);
    return false;
  }

  #read(): Maybe<Rows> {
    const { context } = this.#execution;
    context.checkCancelled();
    const keys = this.#keys;
    if (keys.length === 0) return [];
    this.#batch = Math.min(this.#batch * 2, LOOKUP_BATCH);
    if (context.reads !== undefined) context.reads.keys += keys.length;
    const { lock } = this.#node;
    return lock === undefined
      ? context.view.getMany(keys)
      : transactionOf(this.#execution).getManyLocked(keys, lock);
  }
}
