// The hot-row cache: newest versions of rows that were recently read or written, in memory that the garbage collector
// never walks, so that a point read costs a fraction of a microsecond and no await. On the main thread of the node
// that leads the range. P14 says when it may answer and what it may take.
//
// An index (open addressing, linear probing) points into segments, which are filled one after the other. When there
// is room for no more, the segment that was filled longest ago is reused: of its entries those that were asked for
// since then stay (second chance, up to half a segment), the others go. So eviction costs a constant for each entry,
// and a fraction of a millisecond at a time. The index never grows: it has room for one entry in 64 bytes.
//
// An entry, in 32-bit words: [timestamp low][timestamp high 21 bits, tombstone, asked for][key length 12 bits, value
// length 20 bits][key, value, padding]. A slot of the index: the entry's place, and above it the top bits of the
// hash, which take no part in choosing the slot. `npm run bench -- micro` measures it.

import { assert } from '../base/assert.ts';
import { compareBytes, hashBytes } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Span } from './engine.ts';
import { WrittenKeys } from './written-keys.ts';

/** Where lookup() puts what it found; ranges/api.ts has the same shape. `length` < 0: there is no row. */
export interface CachedRow {
  bytes: Uint8Array;
  offset: number;
  length: number;
  timestamp: Timestamp;
}

/** As much of a Version (shard.ts) as fill() needs. */
export interface FilledVersion {
  readonly timestamp: Timestamp;
  readonly value: Uint8Array | undefined;
  readonly isNewest: boolean;
}

/** What a read remembers from before it began (readToken). */
export type ReadToken = number;

export interface RowCacheStats {
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
  /** Of memory taken so far, index included. */
  readonly bytes: number;
}

export const ROW_CACHE_BYTES_DEFAULT: number = 128 << 20;

const SEGMENT_WORDS_MAX = 1 << 16;
const SEGMENT_WORDS_MIN = 1 << 8;
const HEADER_WORDS = 3;
const HIGH_MASK = 0x1fffff;
const TOMBSTONE = 0x40000000;
const ASKED_FOR = 0x80000000;
const KEY_BYTES_MAX = 0xfff;
const VALUE_MASK = 0xfffff;
const TWO_32 = 0x100000000;
const BUCKETS = 1 << 13;
const EPOCHS = 1 << 21;
/** Beyond so many dropped spans that old segments may still hold, everything is dropped. */
const DROPS_MAX = 32;

/** A span whose entries older than this place in the order of filling are void. */
interface Drop {
  readonly span: Span;
  readonly filled: number;
  readonly word: number;
}

export class RowCache {
  private readonly slots: Uint32Array;
  private readonly slotMask: number;
  private readonly entriesMax: number;
  private readonly segmentShift: number;
  private readonly segmentWords: number;
  private readonly segmentsMax: number;
  private readonly placeMask: number;
  private readonly tagShift: number;

  private readonly words: Uint32Array[] = [];
  private readonly bytes: Uint8Array[] = [];
  /** Words used of each segment; word 0 never is, so that no place is 0. */
  private readonly used: number[] = [];
  /** When each segment began to be filled, in the order of filling. */
  private readonly filled: number[] = [];
  private head = -1;
  private fillings = 0;
  private drops: Drop[] = [];

  /** Keys that are surely in no row: looked up here, so that what is not there is found as fast as what is. */
  readonly written: WrittenKeys = new WrittenKeys();
  private entries = 0;
  private hits = 0;
  private misses = 0;
  /** Counts what was proposed and put, by a part of the hash. */
  private readonly sequences = new Uint32Array(BUCKETS);
  private epoch = 0;
  /** Set by find(). */
  private foundSlot = -1;

  constructor(bytesMax: number = ROW_CACHE_BYTES_DEFAULT) {
    assert(bytesMax >= 16 << 10, 'a row cache has at least 16 KiB');
    let slots = 256;
    while (slots * 64 < bytesMax) slots *= 2;
    this.slots = new Uint32Array(slots);
    this.slotMask = slots - 1;
    this.entriesMax = Math.floor(slots * 0.75);
    let segmentWords = SEGMENT_WORDS_MAX;
    while (segmentWords > SEGMENT_WORDS_MIN && segmentWords * 4 * 16 > bytesMax) segmentWords /= 2;
    this.segmentWords = segmentWords;
    this.segmentShift = Math.log2(segmentWords);
    this.segmentsMax = Math.max(2, Math.floor((bytesMax - slots * 4) / (segmentWords * 4)));
    const placeBits = Math.ceil(Math.log2(this.segmentsMax * segmentWords));
    assert(placeBits <= 31, 'a row cache has at most 8 GiB');
    this.placeMask = 2 ** placeBits - 1;
    this.tagShift = placeBits;
  }

  /**
   * The row as of t, when the newest version is here and not above t. `hash` is hashBytes(key). The slice lies in the
   * cache: it is valid until the next put, fill or drop.
   */
  lookup(key: Uint8Array, hash: number, t: Timestamp, into: CachedRow): 'hit' | 'miss' {
    const place = this.find(key, hash);
    if (place !== 0) {
      const segment = place >>> this.segmentShift;
      const words = this.words[segment] as Uint32Array;
      const at = place & (this.segmentWords - 1);
      const flags = words[at + 1] as number;
      const timestamp = (flags & HIGH_MASK) * TWO_32 + (words[at] as number);
      if (timestamp <= t) {
        if (flags < ASKED_FOR) words[at + 1] = flags | ASKED_FOR;
        const lengths = words[at + 2] as number;
        into.bytes = this.bytes[segment] as Uint8Array;
        into.offset = (at + HEADER_WORDS) * 4 + (lengths >>> 20);
        into.length = (flags & TOMBSTONE) === 0 ? lengths & VALUE_MASK : -1;
        into.timestamp = timestamp as Timestamp;
        this.hits++;
        return 'hit';
      }
    }
    if (this.written.isSurelyNew(key, hash)) {
      into.length = -1;
      into.timestamp = 0 as Timestamp;
      this.hits++;
      return 'hit';
    }
    this.misses++;
    return 'miss';
  }

  /** A write was committed: it is the row's newest version. Undefined is a tombstone. */
  put(key: Uint8Array, hash: number, timestamp: Timestamp, value: Uint8Array | undefined): void {
    this.proposed(hash);
    this.written.written(key, hash);
    this.store(key, hash, timestamp, value);
  }

  /** As put(), for rows written in bulk that nobody reads yet: they must not push out rows that are read, so they are
   * taken only when they are likely to be read soon, and while there is room that was never used. What the cache knows of the key, such as that there was no row,
   * is brought up to date. */
  putBulk(
    key: Uint8Array,
    hash: number,
    timestamp: Timestamp,
    value: Uint8Array | undefined,
    willBeRead: boolean,
  ): void {
    this.proposed(hash);
    this.written.written(key, hash);
    const hasRoom = this.words.length < this.segmentsMax && this.entries < this.entriesMax;
    if ((willBeRead && hasRoom) || this.find(key, hash) !== 0)
      this.store(key, hash, timestamp, value);
  }

  /** A write to the key was proposed: no read that began before may fill it (P14). */
  proposed(hash: number): void {
    const bucket = hash >>> 19;
    this.sequences[bucket] = (this.sequences[bucket] as number) + 1;
  }

  /** To be taken before a read of the key begins, and given to fill() with what it found. */
  readToken(hash: number): ReadToken {
    return this.epoch * TWO_32 + (this.sequences[hash >>> 19] as number);
  }

  /**
   * What a read found: taken only when it is the newest version, and when since the token no write of the key was
   * proposed or put and nothing was dropped (P14). The read must have seen every write committed before its token.
   */
  fill(key: Uint8Array, hash: number, version: FilledVersion, token: ReadToken): void {
    if (!version.isNewest || token !== this.readToken(hash)) return;
    this.store(key, hash, version.timestamp, version.value);
  }

  /** Forgets the rows of a span, and what reads that are under way will bring (P14). */
  dropSpan(span: Span): void {
    this.nextEpoch();
    if (this.head < 0) return;
    const isEverything = span.start.length === 0 && span.end === undefined;
    if (isEverything || this.drops.length >= DROPS_MAX) {
      this.forgetRows();
      return;
    }
    const { head } = this;
    this.drops.push({
      span: { start: span.start.slice(), end: span.end?.slice() },
      filled: this.filled[head] as number,
      word: this.used[head] as number,
    });
  }

  clear(): void {
    this.nextEpoch();
    this.written.clear();
    this.forgetRows();
  }

  private forgetRows(): void {
    this.slots.fill(0);
    this.entries = 0;
    this.drops = [];
    this.used.fill(1);
  }

  stats(): RowCacheStats {
    return {
      hits: this.hits,
      misses: this.misses,
      entries: this.entries,
      bytes: this.slots.byteLength + this.words.length * this.segmentWords * 4,
    };
  }

  private nextEpoch(): void {
    this.epoch = (this.epoch + 1) % EPOCHS;
  }

  /** The place of the key's entry, 0 when there is none that counts. Sets foundSlot. */
  private find(key: Uint8Array, hash: number): number {
    const { slots, slotMask, placeMask, tagShift, segmentShift } = this;
    for (let slot = hash & slotMask; ; slot = (slot + 1) & slotMask) {
      const found = slots[slot] as number;
      if (found === 0) return 0;
      if ((found ^ hash) >>> tagShift !== 0) continue;
      const place = found & placeMask;
      const segment = place >>> segmentShift;
      const at = place & (this.segmentWords - 1);
      if (!this.hasKey(segment, at, key)) continue;
      this.foundSlot = slot;
      return this.drops.length !== 0 && this.isDropped(segment, at, key) ? 0 : place;
    }
  }

  private hasKey(segment: number, at: number, key: Uint8Array): boolean {
    const lengths = (this.words[segment] as Uint32Array)[at + 2] as number;
    const length = key.length;
    if (lengths >>> 20 !== length) return false;
    const bytes = this.bytes[segment] as Uint8Array;
    const start = (at + HEADER_WORDS) * 4;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== key[i]) return false;
    return true;
  }

  private isDropped(segment: number, at: number, key: Uint8Array): boolean {
    const filled = this.filled[segment] as number;
    for (const drop of this.drops) {
      if (filled > drop.filled || (filled === drop.filled && at >= drop.word)) continue;
      const { start, end } = drop.span;
      if (compareBytes(key, start) >= 0 && (end === undefined || compareBytes(key, end) < 0)) {
        return true;
      }
    }
    return false;
  }

  private store(
    key: Uint8Array,
    hash: number,
    timestamp: Timestamp,
    value: Uint8Array | undefined,
  ): void {
    const valueLength = value === undefined ? 0 : value.length;
    const wanted = entryWords(key.length, valueLength);
    this.foundSlot = -1;
    const place = this.find(key, hash);
    if (place !== 0) {
      const words = this.words[place >>> this.segmentShift] as Uint32Array;
      const at = place & (this.segmentWords - 1);
      const flags = words[at + 1] as number;
      if ((flags & HIGH_MASK) * TWO_32 + (words[at] as number) > timestamp) return;
      const lengths = words[at + 2] as number;
      if (value === undefined) {
        // It keeps the room of the value that it replaces.
        this.writeHeader(words, at, timestamp, TOMBSTONE | (flags & ASKED_FOR), lengths);
        return;
      }
      if (
        entryWords(lengths >>> 20, lengths & VALUE_MASK) === wanted &&
        valueLength <= VALUE_MASK
      ) {
        const start = (at + HEADER_WORDS) * 4 + key.length;
        copy(value, this.bytes[place >>> this.segmentShift] as Uint8Array, start);
        const kept = flags & ASKED_FOR;
        this.writeHeader(words, at, timestamp, kept, (key.length << 20) | valueLength);
        return;
      }
    }
    if (this.foundSlot >= 0) this.removeSlot(this.foundSlot);
    // Large rows would push out many small ones, and are read through the shard at little extra cost.
    if (key.length > KEY_BYTES_MAX || wanted > this.segmentWords >>> 2) return;
    this.append(key, hash, timestamp, value, wanted);
  }

  private append(
    key: Uint8Array,
    hash: number,
    timestamp: Timestamp,
    value: Uint8Array | undefined,
    wanted: number,
  ): void {
    // A segment of dead entries frees no slot when it is reused, so this may take several.
    while (this.entries >= this.entriesMax) this.reuseOldest();
    if (this.head < 0 || (this.used[this.head] as number) + wanted > this.segmentWords) {
      if (this.words.length < this.segmentsMax) this.addSegment();
      else this.reuseOldest();
    }
    const segment = this.head;
    const at = this.used[segment] as number;
    this.used[segment] = at + wanted;
    const lengths = (key.length << 20) | (value === undefined ? 0 : value.length);
    const flags = value === undefined ? TOMBSTONE : 0;
    this.writeHeader(this.words[segment] as Uint32Array, at, timestamp, flags, lengths);
    const bytes = this.bytes[segment] as Uint8Array;
    const start = (at + HEADER_WORDS) * 4;
    copy(key, bytes, start);
    if (value !== undefined) copy(value, bytes, start + key.length);

    const { slots, slotMask } = this;
    let slot = hash & slotMask;
    while (slots[slot] !== 0) slot = (slot + 1) & slotMask;
    slots[slot] = this.slotFor((segment << this.segmentShift) | at, hash);
    this.entries++;
  }

  private slotFor(place: number, hash: number): number {
    return ((hash & ~this.placeMask) | place) >>> 0;
  }

  private writeHeader(
    words: Uint32Array,
    at: number,
    timestamp: Timestamp,
    flags: number,
    lengths: number,
  ): void {
    const low = timestamp >>> 0;
    words[at] = low;
    words[at + 1] = ((timestamp - low) / TWO_32) | flags;
    words[at + 2] = lengths;
  }

  private addSegment(): void {
    const words = new Uint32Array(this.segmentWords);
    this.words.push(words);
    this.bytes.push(new Uint8Array(words.buffer));
    this.used.push(1);
    this.head = this.words.length - 1;
    this.filled[this.head] = ++this.fillings;
  }

  /** Makes the segment that was filled longest ago the head, with what deserves to stay moved to its front. */
  private reuseOldest(): void {
    const { filled } = this;
    let oldest = 0;
    for (let i = 1; i < filled.length; i++) {
      if ((filled[i] as number) < (filled[oldest] as number)) oldest = i;
    }
    const words = this.words[oldest] as Uint32Array;
    const bytes = this.bytes[oldest] as Uint8Array;
    const end = this.used[oldest] as number;
    const keptMax = this.segmentWords >>> 1;
    let kept = 1;
    for (let at = 1; at < end; ) {
      const lengths = words[at + 2] as number;
      const size = entryWords(lengths >>> 20, lengths & VALUE_MASK);
      const start = (at + HEADER_WORDS) * 4;
      const key = bytes.subarray(start, start + (lengths >>> 20));
      const hash = hashBytes(key);
      const slot = this.slotOf((oldest << this.segmentShift) | at, hash);
      if (slot >= 0) {
        const flags = words[at + 1] as number;
        const stays =
          flags >= ASKED_FOR &&
          kept + size <= keptMax &&
          (this.drops.length === 0 || !this.isDropped(oldest, at, key));
        if (stays) {
          words[at + 1] = flags & ~ASKED_FOR;
          words.copyWithin(kept, at, at + size);
          this.slots[slot] = this.slotFor((oldest << this.segmentShift) | kept, hash);
          kept += size;
        } else {
          this.removeSlot(slot);
        }
      }
      at += size;
    }
    this.used[oldest] = kept;
    this.head = oldest;
    filled[oldest] = ++this.fillings;
    if (this.drops.length !== 0) this.forgetDrops();
  }

  /** Spans that no segment of their time is left for. */
  private forgetDrops(): void {
    let oldest = this.fillings;
    for (const filled of this.filled) if (filled < oldest) oldest = filled;
    this.drops = this.drops.filter((drop) => drop.filled >= oldest);
  }

  /** The slot that points at a place; -1 when none does: the entry is dead. */
  private slotOf(place: number, hash: number): number {
    const { slots, slotMask } = this;
    const wanted = this.slotFor(place, hash);
    for (let slot = hash & slotMask; ; slot = (slot + 1) & slotMask) {
      const found = slots[slot] as number;
      if (found === wanted) return slot;
      if (found === 0) return -1;
    }
  }

  /** Closes the gap, so that probing needs no marks of what was removed. */
  private removeSlot(slot: number): void {
    const { slots, slotMask } = this;
    this.entries--;
    let gap = slot;
    for (let next = (gap + 1) & slotMask; ; next = (next + 1) & slotMask) {
      const found = slots[next] as number;
      if (found === 0) break;
      const home = this.hashAt(found & this.placeMask) & slotMask;
      if (((next - home) & slotMask) < ((next - gap) & slotMask)) continue;
      slots[gap] = found;
      gap = next;
    }
    slots[gap] = 0;
  }

  private hashAt(place: number): number {
    const segment = place >>> this.segmentShift;
    const at = place & (this.segmentWords - 1);
    const length = ((this.words[segment] as Uint32Array)[at + 2] as number) >>> 20;
    const start = (at + HEADER_WORDS) * 4;
    return hashBytes(this.bytes[segment] as Uint8Array, start, start + length);
  }
}

function entryWords(keyLength: number, valueLength: number): number {
  return HEADER_WORDS + ((keyLength + valueLength + 3) >>> 2);
}

/** Short runs are cheaper to copy by hand than through a view. */
function copy(from: Uint8Array, into: Uint8Array, at: number): void {
  const { length } = from;
  if (length > 32) {
    into.set(from, at);
    return;
  }
  for (let i = 0; i < length; i++) into[at + i] = from[i] as number;
}
