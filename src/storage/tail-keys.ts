// The greatest row key of each index that is being written to. A key above it has never been written, so apply need
// not look for a version that it supersedes: loads in key order and ever-growing keys skip that read. Row keys start
// with their index's id (four bytes).

import { compareBytes } from '../base/bytes.ts';
import { LATEST_PREFIX, prefixedKey } from './mvcc.ts';
import { INDEX_ID_BYTES } from './page-index.ts';
import type { RowStore } from './row-store.ts';

/** Indexes remembered; one that was forgotten costs one look at the engine. */
const INDEXES_MAX = 1024;

export class TailKeys {
  /** By index id: an engine key that no written key of the index exceeds; undefined when none was ever written. */
  private readonly tails = new Map<number, Uint8Array | undefined>();
  /** Tails that are still views into the batch being applied. */
  private borrowed: number[] = [];

  /** Makes sure that the tails of the indexes of these keys are known. */
  async load(store: RowStore, keys: readonly Uint8Array[]): Promise<void> {
    if (this.tails.size > INDEXES_MAX) this.tails.clear();
    let previous = -1;
    for (const key of keys) {
      const index = indexOf(key);
      if (index === previous || index < 0 || this.tails.has(index)) continue;
      previous = index;
      this.tails.set(index, await lastKeyOf(store, key));
    }
  }

  /** Whether nothing was ever written to the key's index. */
  isEmpty(key: Uint8Array): boolean {
    const index = indexOf(key);
    return index >= 0 && this.tails.get(index) === undefined;
  }

  /** Whether the key lies beyond all that was written; if so, it is the tail from now on. */
  extends(key: Uint8Array): boolean {
    const index = indexOf(key);
    if (index < 0) return false;
    const tail = this.tails.get(index);
    if (tail !== undefined && compareBytes(key, tail) <= 0) return false;
    this.tails.set(index, key);
    if (this.borrowed[this.borrowed.length - 1] !== index) this.borrowed.push(index);
    return true;
  }

  clear(): void {
    this.tails.clear();
    this.borrowed = [];
  }

  /** The batch is through: its buffers may go. */
  settle(): void {
    for (const index of this.borrowed) this.tails.set(index, this.tails.get(index)?.slice());
    this.borrowed = [];
  }
}

/** -1: a key too short to tell. */
function indexOf(key: Uint8Array): number {
  if (key.length < 1 + INDEX_ID_BYTES) return -1;
  return (
    (((key[1] as number) << 24) |
      ((key[2] as number) << 16) |
      ((key[3] as number) << 8) |
      (key[4] as number)) >>>
    0
  );
}

async function lastKeyOf(store: RowStore, key: Uint8Array): Promise<Uint8Array | undefined> {
  const start = key.slice(0, 1 + INDEX_ID_BYTES);
  const index = indexOf(key);
  const end = new Uint8Array(1 + INDEX_ID_BYTES);
  if (index === 0xffffffff) {
    end[0] = LATEST_PREFIX + 1;
  } else {
    end[0] = LATEST_PREFIX;
    new DataView(end.buffer).setUint32(1, index + 1, false);
  }
  const entry = store.index.lastOf(key, 1);
  const paged = entry === undefined ? undefined : prefixedKey(LATEST_PREFIX, entry.lastKey);
  if (entry?.isAlone === true) return paged;
  const { engine } = store;
  for await (const batch of engine.scan({ start, end }, { reverse: true, batchBytes: 1 })) {
    const single = batch.keys[0] as Uint8Array;
    return paged !== undefined && compareBytes(paged, single) > 0 ? paged : single.slice();
  }
  return paged;
}
