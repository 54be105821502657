// Things that cover a span of keys, found by a key or a span that they meet. Sorted by start in chunks, each of which
// knows the greatest end in it: a query skips the chunks that end before it begins.

import { compareBytes } from './bytes.ts';
import { firstAtOrAbove, type Keyed } from './sorted-chunks.ts';

/** Covers key <= k < end; undefined is the end of the keyspace. */
export interface Interval extends Keyed {
  readonly end: Uint8Array | undefined;
}

const CHUNK_MAX = 64;

interface Chunk<T> {
  readonly items: T[];
  greatestEnd: Uint8Array | undefined;
}

export class IntervalMap<T extends Interval> {
  /** None is empty. */
  private chunks: Chunk<T>[] = [];
  size = 0;

  insert(item: T): void {
    this.size++;
    const at = this.lastChunkStartingAtOrBelow(item.key);
    const chunk = this.chunks[at];
    if (chunk === undefined) {
      this.chunks.push({ items: [item], greatestEnd: item.end });
      return;
    }
    chunk.items.splice(firstAtOrAbove(chunk.items, item.key), 0, item);
    if (chunk.items.length > CHUNK_MAX) {
      const upper = chunk.items.splice(CHUNK_MAX >>> 1);
      this.chunks.splice(at + 1, 0, { items: upper, greatestEnd: greatestEndOf(upper) });
      chunk.greatestEnd = greatestEndOf(chunk.items);
    } else if (endsAfter(item.end, chunk.greatestEnd)) {
      chunk.greatestEnd = item.end;
    }
  }

  /** Whether it was there. */
  remove(item: T): boolean {
    // Equal starts may lie in several neighbouring chunks: go down from the last.
    for (let c = this.lastChunkStartingAtOrBelow(item.key); c >= 0; c--) {
      const chunk = this.chunks[c];
      if (chunk === undefined) return false;
      const i = chunk.items.indexOf(item);
      if (i >= 0) {
        chunk.items.splice(i, 1);
        if (chunk.items.length === 0) this.chunks.splice(c, 1);
        else if (!endsAfter(chunk.greatestEnd, item.end)) {
          chunk.greatestEnd = greatestEndOf(chunk.items);
        }
        this.size--;
        return true;
      }
      if (compareBytes((chunk.items[0] as T).key, item.key) < 0) return false;
    }
    return false;
  }

  /** Appends to `into` those that cover `key`. */
  collectCovering(key: Uint8Array, into: T[]): void {
    for (const chunk of this.chunks) {
      if (compareBytes((chunk.items[0] as T).key, key) > 0) return;
      if (!reaches(chunk.greatestEnd, key)) continue;
      for (const item of chunk.items) {
        if (compareBytes(item.key, key) > 0) break;
        if (reaches(item.end, key)) into.push(item);
      }
    }
  }

  /** Appends to `into` those that share a key with [start, end). */
  collectOverlapping(start: Uint8Array, end: Uint8Array | undefined, into: T[]): void {
    for (const chunk of this.chunks) {
      if (!reaches(end, (chunk.items[0] as T).key)) return;
      if (!reaches(chunk.greatestEnd, start)) continue;
      for (const item of chunk.items) {
        if (!reaches(end, item.key)) break;
        if (reaches(item.end, start)) into.push(item);
      }
    }
  }

  /** 0 when all start above; -1 is never answered. */
  private lastChunkStartingAtOrBelow(key: Uint8Array): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = (this.chunks[middle] as Chunk<T>).items[0] as T;
      if (compareBytes(first.key, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : low - 1;
  }
}

/** Whether a span that ends (exclusively) at `end` goes beyond the key. */
function reaches(end: Uint8Array | undefined, key: Uint8Array): boolean {
  return end === undefined || compareBytes(end, key) > 0;
}

function endsAfter(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (b === undefined) return false;
  return a === undefined || compareBytes(a, b) > 0;
}

function greatestEndOf(items: readonly Interval[]): Uint8Array | undefined {
  let greatest = (items[0] as Interval).end;
  for (const item of items) if (endsAfter(item.end, greatest)) greatest = item.end;
  return greatest;
}
