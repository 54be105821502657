// An ordered collection of things with a byte-string key, as a list of short sorted arrays: inserting and removing
// move at most one chunk, and walking a span is walking arrays. Equal keys may repeat.

import { compareBytes } from './bytes.ts';

export interface Keyed {
  readonly key: Uint8Array;
}

const CHUNK_MAX = 128;

/** The first place in `items` (sorted by key) whose key is at or above `key`. */
export function firstAtOrAbove(items: readonly Keyed[], key: Uint8Array): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes((items[middle] as Keyed).key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class SortedChunks<T extends Keyed> {
  /** None is empty. */
  private readonly chunks: T[][] = [];
  size = 0;

  insert(item: T): void {
    this.size++;
    const at = this.chunkFor(item.key);
    const chunk = this.chunks[at];
    if (chunk === undefined) {
      const last = this.chunks[at - 1];
      if (last === undefined || last.length >= CHUNK_MAX) this.chunks.push([item]);
      else last.push(item);
      return;
    }
    chunk.splice(firstAtOrAbove(chunk, item.key), 0, item);
    if (chunk.length > CHUNK_MAX) this.chunks.splice(at + 1, 0, chunk.splice(CHUNK_MAX >>> 1));
  }

  /** Whether it was there. */
  remove(item: T): boolean {
    for (let c = this.chunkFor(item.key); c < this.chunks.length; c++) {
      const chunk = this.chunks[c] as T[];
      let i = firstAtOrAbove(chunk, item.key);
      for (; i < chunk.length; i++) {
        const candidate = chunk[i] as T;
        if (candidate === item) {
          if (chunk.length === 1) this.chunks.splice(c, 1);
          else chunk.splice(i, 1);
          this.size--;
          return true;
        }
        if (compareBytes(candidate.key, item.key) !== 0) return false;
      }
    }
    return false;
  }

  /** In order, those with start <= key < end (undefined: no end), until `visit` answers false. */
  visit(start: Uint8Array, end: Uint8Array | undefined, visit: (item: T) => boolean): void {
    for (let c = this.chunkFor(start), first = true; c < this.chunks.length; c++, first = false) {
      const chunk = this.chunks[c] as T[];
      for (let i = first ? firstAtOrAbove(chunk, start) : 0; i < chunk.length; i++) {
        const item = chunk[i] as T;
        if (end !== undefined && compareBytes(item.key, end) >= 0) return;
        if (!visit(item)) return;
      }
    }
  }

  /** The first chunk whose last key is at or above `key`; one past the end when there is none. */
  private chunkFor(key: Uint8Array): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const chunk = this.chunks[middle] as T[];
      if (compareBytes((chunk[chunk.length - 1] as T).key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
