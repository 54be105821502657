// The key locks that exist, found by key in a hash table over its bytes and by span in key order. A lock enters the
// ordered index only when a span is asked for while it exists, so that point traffic alone never pays for order
// (bench: micro, lock table).

import { EMPTY_BYTES, equalBytes } from '../../base/bytes.ts';
import { SortedChunks } from '../../base/sorted-chunks.ts';
import { KeyLock } from './lock-owner.ts';

/** Most ranges of a node are idle. */
const BUCKETS_FIRST = 16;
const BUCKETS_MIN = 1024;
const SPARE_MAX = 1024;

export class KeyLocks {
  private buckets: (KeyLock | undefined)[] = emptyBuckets(BUCKETS_FIRST);
  private mask = BUCKETS_FIRST - 1;
  private readonly spare: KeyLock[] = [];
  private readonly unindexed: KeyLock[] = [];
  private readonly ordered = new SortedChunks<KeyLock>();
  size = 0;

  find(key: Uint8Array, hash: number): KeyLock | undefined {
    let lock = this.buckets[hash & this.mask];
    while (lock !== undefined && (lock.hash !== hash || !equalBytes(lock.key, key))) {
      lock = lock.next;
    }
    return lock;
  }

  /** Of a key that has none. */
  add(key: Uint8Array, hash: number): KeyLock {
    if (this.size > this.mask) this.rehash((this.mask + 1) * 4);
    let lock = this.spare.pop();
    if (lock === undefined) {
      lock = new KeyLock(key, hash);
    } else {
      lock.key = key;
      lock.hash = hash;
    }
    const bucket = hash & this.mask;
    lock.next = this.buckets[bucket];
    this.buckets[bucket] = lock;
    this.size++;
    lock.unindexed = this.unindexed.length;
    this.unindexed.push(lock);
    return lock;
  }

  /** Once nobody holds it or waits for it: it will be used again for another key. */
  remove(lock: KeyLock): void {
    this.unlink(lock);
    this.size--;
    if (lock.unindexed < 0) {
      this.ordered.remove(lock);
    } else {
      const last = this.unindexed.pop() as KeyLock;
      if (last !== lock) {
        last.unindexed = lock.unindexed;
        this.unindexed[lock.unindexed] = last;
      }
    }
    lock.key = EMPTY_BYTES;
    if (this.spare.length < SPARE_MAX) this.spare.push(lock);
    // The table of a bulk load is not kept for ever.
    if (this.size === 0 && this.mask >= BUCKETS_MIN * 64) this.rehash(BUCKETS_MIN);
  }

  /** Those with start <= key < end (undefined: no end), in order, until `visit` answers false. */
  visit(start: Uint8Array, end: Uint8Array | undefined, visit: (lock: KeyLock) => boolean): void {
    for (const lock of this.unindexed) {
      lock.unindexed = -1;
      this.ordered.insert(lock);
    }
    this.unindexed.length = 0;
    this.ordered.visit(start, end, visit);
  }

  private unlink(lock: KeyLock): void {
    const bucket = lock.hash & this.mask;
    const first = this.buckets[bucket] as KeyLock;
    if (first === lock) {
      this.buckets[bucket] = lock.next;
    } else {
      let before = first;
      while (before.next !== lock) before = before.next as KeyLock;
      before.next = lock.next;
    }
    lock.next = undefined;
  }

  private rehash(size: number): void {
    const old = this.buckets;
    this.buckets = emptyBuckets(size);
    this.mask = size - 1;
    for (const first of old) {
      for (let lock = first; lock !== undefined; ) {
        const next: KeyLock | undefined = lock.next;
        const bucket = lock.hash & this.mask;
        lock.next = this.buckets[bucket];
        this.buckets[bucket] = lock;
        lock = next;
      }
    }
  }
}

function emptyBuckets(count: number): (KeyLock | undefined)[] {
  return new Array<KeyLock | undefined>(count).fill(undefined);
}
