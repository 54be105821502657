// What one statement does to a table with secondary indexes: the rows it writes and removes with all their entries,
// gathered first. Keys that must be unique are then looked up at once, under locks, and must be free when the statement
// is through, whatever the order of its rows: SET id = id + 1 is fine.

import { type Maybe, whenReady } from '../../base/maybe.ts';
import type { Datum } from '../../rows/datum.ts';
import { LOCK_EXCLUSIVE, type Transaction } from '../../txn/api.ts';
import type { DbError } from '../../base/errors.ts';
import { keyText } from './duplicates.ts';
import type { IndexEntries } from './index-entries.ts';
import type { RowWriter } from './row-writer.ts';

type Row = readonly Datum[];

interface Addition {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly values: Row;
  /** Undefined: the primary index. */
  readonly entries: IndexEntries | undefined;
  readonly isUnique: boolean;
}

export class RowChanges {
  readonly #writer: RowWriter;
  readonly #added = new Map<string, Addition>();
  readonly #removed = new Map<string, Uint8Array>();
  /** Keys that are known to be free, but for what this statement removes. */
  readonly #free: ReadonlySet<string>;
  /** Those whose entries an UPDATE may change. */
  readonly #changing: readonly IndexEntries[];

  constructor(
    writer: RowWriter,
    changing: readonly IndexEntries[] = writer.indexes,
    free: ReadonlySet<string> = new Set(),
  ) {
    this.#writer = writer;
    this.#changing = changing;
    this.#free = free;
  }

  insert(values: Row): void {
    const writer = this.#writer;
    const isUnique = writer.table.hasPrimaryKey;
    const key = writer.key(values);
    this.#add({ key, value: writer.encode(values), values, entries: undefined, isUnique });
    for (const entries of writer.indexes) this.#addEntry(entries, values);
  }

  /** `values` as they are stored. */
  delete(values: Row): void {
    const writer = this.#writer;
    this.#remove(writer.key(values));
    for (const entries of writer.indexes) {
      const entry = entries.entry(values);
      if (entry !== undefined) this.#remove(entry.key);
    }
  }

  /** `before` as it is stored. */
  update(before: Row, after: Row): void {
    const writer = this.#writer;
    this.#remove(writer.key(before));
    const isUnique = writer.table.hasPrimaryKey;
    const key = writer.key(after);
    const value = writer.encode(after);
    this.#add({ key, value, values: after, entries: undefined, isUnique });
    for (const entries of this.#changing) {
      const old = entries.entry(before);
      if (old !== undefined) this.#remove(old.key);
      this.#addEntry(entries, after);
    }
  }

  /** Whether a key is one that this statement has written, or (false) has given up. */
  knows(key: Uint8Array): boolean | undefined {
    const text = keyText(key);
    if (this.#added.has(text)) return true;
    return this.#removed.has(text) ? false : undefined;
  }

  /** Throws or rejects with 23505. */
  apply(txn: Transaction): Maybe<void> {
    const asked: Addition[] = [];
    for (const [text, addition] of this.#added) {
      if (addition.isUnique && !this.#removed.has(text) && !this.#free.has(text)) {
        asked.push(addition);
      }
    }
    if (asked.length === 0) return this.#write(txn);
    const keys = asked.map(({ key }) => key);
    return whenReady(txn.getManyLocked(keys, LOCK_EXCLUSIVE), (found) => {
      const taken = found.findIndex((stored) => stored !== undefined);
      if (taken >= 0) throw this.#duplicate(asked[taken] as Addition);
      this.#write(txn);
    });
  }

  #write(txn: Transaction): void {
    for (const [text, key] of this.#removed) if (!this.#added.has(text)) txn.delete(key);
    for (const { key, value } of this.#added.values()) txn.put(key, value);
  }

  #addEntry(entries: IndexEntries, values: Row): void {
    const entry = entries.entry(values);
    if (entry === undefined) return;
    const { key, value, isUnique } = entry;
    this.#add({ key, value, values, entries, isUnique });
  }

  #add(addition: Addition): void {
    const text = keyText(addition.key);
    if (this.#added.has(text)) throw this.#duplicate(addition);
    this.#added.set(text, addition);
  }

  #remove(key: Uint8Array): void {
    this.#removed.set(keyText(key), key);
  }

  #duplicate({ entries, values }: Addition): DbError {
    return entries === undefined ? this.#writer.duplicate(values) : entries.duplicate(values);
  }
}
