// An ordered map under byte strings with snapshots that cost nothing to take: short sorted chunks that a writer copies
// only when a snapshot may still see them. Keys and values are never changed in place.

import { compareBytes } from '../base/bytes.ts';

const CHUNK_MAX = 128;

interface Chunk<V> {
  keys: Uint8Array[];
  values: V[];
  /** The writer may change the chunk only while this is its own epoch: older chunks belong to snapshots too. */
  epoch: number;
}

/** What a snapshot holds: chunks that nobody changes any more. */
export type MapView<V = Uint8Array> = readonly Chunk<V>[];

export class SnapshotMap<V = Uint8Array> {
  /** None is empty. */
  private chunks: Chunk<V>[] = [];
  private chunksShared = false;
  private epoch = 0;
  private entries = 0;

  get size(): number {
    return this.entries;
  }

  get(key: Uint8Array): V | undefined {
    return lookUp(this.chunks, key);
  }

  /** The map as it is now, for ever. */
  view(): MapView<V> {
    this.chunksShared = true;
    this.epoch++;
    return this.chunks;
  }

  /** The map as it is, until it changes. */
  peek(): MapView<V> {
    return this.chunks;
  }

  /** A map that starts as `view` and goes its own way. */
  static from<V>(view: MapView<V>): SnapshotMap<V> {
    const map = new SnapshotMap<V>();
    map.chunks = view as Chunk<V>[];
    map.chunksShared = true;
    // Above the epoch of every chunk in the view.
    for (const chunk of view) {
      map.entries += chunk.keys.length;
      map.epoch = Math.max(map.epoch, chunk.epoch + 1);
    }
    return map;
  }

  set(key: Uint8Array, value: V): void {
    if (this.chunks.length === 0) {
      this.ownChunks().push({ keys: [key], values: [value], epoch: this.epoch });
      this.entries = 1;
      return;
    }
    const place = Math.min(chunkFor(this.chunks, key), this.chunks.length - 1);
    const chunk = this.ownChunk(place);
    const at = indexIn(chunk, key);
    if (at < chunk.keys.length && compareBytes(chunk.keys[at] as Uint8Array, key) === 0) {
      chunk.values[at] = value;
      return;
    }
    this.entries++;
    chunk.keys.splice(at, 0, key);
    chunk.values.splice(at, 0, value);
    if (chunk.keys.length <= CHUNK_MAX) return;
    // Appended at the very end: leave full chunks behind, as loads in key order like it.
    const tail = place === this.chunks.length - 1 && at === chunk.keys.length - 1;
    const from = tail ? CHUNK_MAX : CHUNK_MAX >>> 1;
    const keys = chunk.keys.splice(from);
    const values = chunk.values.splice(from);
    this.ownChunks().splice(place + 1, 0, { keys, values, epoch: this.epoch });
  }

  delete(key: Uint8Array): void {
    const place = chunkFor(this.chunks, key);
    const found = this.chunks[place];
    if (found === undefined) return;
    const at = indexIn(found, key);
    if (compareBytes(found.keys[at] as Uint8Array, key) !== 0) return;
    this.removeFrom(place, at, at + 1);
  }

  deleteSpan(start: Uint8Array, end: Uint8Array | undefined): void {
    let place = chunkFor(this.chunks, start);
    while (place < this.chunks.length) {
      const chunk = this.chunks[place] as Chunk<V>;
      const from = indexIn(chunk, start);
      const to = end === undefined ? chunk.keys.length : indexIn(chunk, end);
      const reachesEnd = to < chunk.keys.length;
      // A chunk that was emptied is gone, and its successor stands in its place.
      if (from >= to || !this.removeFrom(place, from, to)) place++;
      if (reachesEnd) return;
    }
  }

  /** Whether the chunk went with what was in it. */
  private removeFrom(place: number, from: number, to: number): boolean {
    this.entries -= to - from;
    if (to - from === (this.chunks[place] as Chunk<V>).keys.length) {
      this.ownChunks().splice(place, 1);
      return true;
    }
    const chunk = this.ownChunk(place);
    chunk.keys.splice(from, to - from);
    chunk.values.splice(from, to - from);
    return false;
  }

  private ownChunks(): Chunk<V>[] {
    if (this.chunksShared) {
      this.chunks = this.chunks.slice();
      this.chunksShared = false;
    }
    return this.chunks;
  }

  private ownChunk(place: number): Chunk<V> {
    const chunk = this.chunks[place] as Chunk<V>;
    if (chunk.epoch === this.epoch) return chunk;
    const own = { keys: chunk.keys.slice(), values: chunk.values.slice(), epoch: this.epoch };
    this.ownChunks()[place] = own;
    return own;
  }
}

export function lookUp<V>(view: MapView<V>, key: Uint8Array): V | undefined {
  const chunk = view[chunkFor(view, key)];
  if (chunk === undefined) return undefined;
  const at = indexIn(chunk, key);
  return compareBytes(chunk.keys[at] as Uint8Array, key) === 0 ? chunk.values[at] : undefined;
}

/** The value of the greatest key at or below key[at...]. */
export function lookUpFloor<V>(view: MapView<V>, key: Uint8Array, at: number): V | undefined {
  let low = 0;
  let high = view.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareTail((view[middle] as Chunk<V>).keys[0] as Uint8Array, key, at) <= 0) {
      low = middle + 1;
    } else high = middle;
  }
  const chunk = view[low - 1];
  if (chunk === undefined) return undefined;
  const { keys } = chunk;
  low = 1;
  high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareTail(keys[middle] as Uint8Array, key, at) <= 0) low = middle + 1;
    else high = middle;
  }
  return chunk.values[low - 1];
}

/** Of a and b[at...]. */
export function compareTail(a: Uint8Array, b: Uint8Array, at: number): number {
  const bLength = b.length - at;
  const shorter = a.length < bLength ? a.length : bLength;
  for (let i = 0; i < shorter; i++) {
    const difference = (a[i] as number) - (b[at + i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - bLength;
}

/** A place in a view, walked in either direction. */
export class ViewCursor<V = Uint8Array> {
  private readonly view: MapView<V>;
  private chunk: number;
  private index: number;
  private readonly step: 1 | -1;

  /** Forward: the first key at or above `from`. Reverse: the last key below `from` (undefined: the last of all). */
  constructor(view: MapView<V>, from: Uint8Array | undefined, reverse: boolean) {
    this.view = view;
    this.step = reverse ? -1 : 1;
    this.chunk = from === undefined ? view.length : chunkFor(view, from);
    const chunk = view[this.chunk];
    this.index = chunk === undefined || from === undefined ? 0 : indexIn(chunk, from);
    if (reverse) this.advance();
  }

  get key(): Uint8Array | undefined {
    return this.view[this.chunk]?.keys[this.index];
  }

  get value(): V {
    return (this.view[this.chunk] as Chunk<V>).values[this.index] as V;
  }

  advance(): void {
    this.index += this.step;
    const chunk = this.view[this.chunk];
    if (chunk !== undefined && this.index >= 0 && this.index < chunk.keys.length) return;
    this.chunk += this.step;
    const next = this.view[this.chunk];
    this.index = this.step === 1 || next === undefined ? 0 : next.keys.length - 1;
  }
}

/** The first chunk whose last key is at or above `key`; one past the end when there is none. */
function chunkFor<V>(chunks: MapView<V>, key: Uint8Array): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const keys = (chunks[middle] as Chunk<V>).keys;
    if (compareBytes(keys[keys.length - 1] as Uint8Array, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first place in the chunk whose key is at or above `key`. */
function indexIn<V>(chunk: Chunk<V>, key: Uint8Array): number {
  let low = 0;
  let high = chunk.keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(chunk.keys[middle] as Uint8Array, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
