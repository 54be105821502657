// Pages: many rows in one entry of the engine. The binding makes an external ArrayBuffer for every key and value, so
// that a scan of single entries costs some 5 µs a row; of a page it costs what is done with the row (bench: shard-scan). A page
// holds newest versions only, tombstones included, and is never changed: one that goes out of date is written anew.
//
// Layout, little-endian, padded with zeros to whole words:
//   0   u32 format version
//   4   u32 XXH32 of all that follows, seeded with a hash of the row key under which the page lies
//   8   u53 id: no two pages of a store share one
//   16  u32 rows
//   20  u32 flags: 1 all rows have one timestamp, 2 all keys have one length, 4 there are tombstones
//   24  u32 bytes that all keys begin with
//   28  u32 bytes of each key behind them, with flag 2
//   32  f64 least timestamp, f64 greatest
//   48  f64 timestamp of each row, without flag 1
//       u32 where each row begins in the page, and where the last one ends
//       u32 where each key's remainder begins in the page, and where the last one ends, without flag 2
//       u8 for each row, 1 is a tombstone, with flag 4
//       the beginning that all keys share, the keys' remainders, the rows
// Numbers are read through typed arrays: on machines that are little-endian, as all that the binding is built for.

import { ByteWriter, hashBytes, toHex } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import { xxh32 } from '../base/xxh32.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { RowRun } from '../rows/row-run.ts';

export const PAGE_VERSION = 1;
const HEADER_BYTES = 48;
const ONE_TIMESTAMP = 1;
const ONE_KEY_LENGTH = 2;
const HAS_TOMBSTONES = 4;

export class Page implements RowRun {
  readonly id: number;
  /** The row key under which it lies. */
  readonly start: Uint8Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly count: number;
  readonly bounds: Int32Array;
  readonly minTimestamp: Timestamp;
  readonly maxTimestamp: Timestamp;
  readonly hasTombstones: boolean;
  /** Undefined: all rows have the greatest. */
  private readonly timestamps: Float64Array | undefined;
  private readonly keyBounds: Int32Array | undefined;
  private readonly tombstonesAt: number;
  private readonly prefixAt: number;
  private readonly prefixLength: number;
  private readonly suffixAt: number;
  private readonly suffixLength: number;

  /** `start` is the row key under which it lies. Throws when anything is wrong with it. */
  constructor(value: Uint8Array, start: Uint8Array) {
    // The engine's values have buffers of their own; what has not is moved to where typed arrays may begin.
    const bytes = value.byteOffset % 8 === 0 ? value : value.slice();
    if (bytes.length < HEADER_BYTES || bytes.length % 4 !== 0) throw damaged(start, 'its length');
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    if (words[0] !== PAGE_VERSION) throw otherVersion(start, (words[0] as number) >>> 0);
    const sum = xxh32(words, 2, words.length, hashBytes(start));
    if ((words[1] as number) >>> 0 !== sum) throw damaged(start, 'its checksum');
    this.start = start;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.id = ((words[2] as number) >>> 0) + (words[3] as number) * 0x100000000;
    this.count = words[4] as number;
    const flags = words[5] as number;
    this.prefixLength = words[6] as number;
    this.suffixLength = (flags & ONE_KEY_LENGTH) === 0 ? -1 : (words[7] as number);
    const { buffer, byteOffset } = bytes;
    const range = new Float64Array(buffer, byteOffset + 32, 2);
    this.minTimestamp = range[0] as Timestamp;
    this.maxTimestamp = range[1] as Timestamp;
    let at = HEADER_BYTES;
    if ((flags & ONE_TIMESTAMP) === 0) {
      this.timestamps = new Float64Array(buffer, byteOffset + at, this.count);
      at += this.count * 8;
    }
    this.bounds = new Int32Array(buffer, byteOffset + at, this.count + 1);
    at += (this.count + 1) * 4;
    if (this.suffixLength < 0) {
      this.keyBounds = new Int32Array(buffer, byteOffset + at, this.count + 1);
      at += (this.count + 1) * 4;
    }
    this.hasTombstones = (flags & HAS_TOMBSTONES) !== 0;
    this.tombstonesAt = at;
    if (this.hasTombstones) at += this.count;
    this.prefixAt = at;
    this.suffixAt = at + this.prefixLength;
  }

  timestamp(i: number): Timestamp {
    return (this.timestamps === undefined ? this.maxTimestamp : this.timestamps[i]) as Timestamp;
  }

  /** The greatest timestamp of rows [from, to). */
  newestOf(from: number, to: number): Timestamp {
    const { timestamps } = this;
    if (timestamps === undefined || to - from === this.count) return this.maxTimestamp;
    let newest = 0;
    for (let i = from; i < to; i++) {
      const timestamp = timestamps[i] as number;
      if (timestamp > newest) newest = timestamp;
    }
    return newest as Timestamp;
  }

  isTombstone(i: number): boolean {
    return this.hasTombstones && this.bytes[this.tombstonesAt + i] === 1;
  }

  row(i: number): Uint8Array {
    return this.bytes.subarray(this.bounds[i], this.bounds[i + 1]);
  }

  keyLength(i: number): number {
    if (this.suffixLength >= 0) return this.prefixLength + this.suffixLength;
    const bounds = this.keyBounds as Int32Array;
    return this.prefixLength + (bounds[i + 1] as number) - (bounds[i] as number);
  }

  /** Answers where the key ends. */
  copyKey(i: number, into: Uint8Array, at: number): number {
    const { bytes, prefixAt, prefixLength } = this;
    let end = at;
    for (let k = 0; k < prefixLength; k++) into[end++] = bytes[prefixAt + k] as number;
    const from = this.suffixStart(i);
    const to = this.suffixStart(i + 1);
    for (let k = from; k < to; k++) into[end++] = bytes[k] as number;
    return end;
  }

  appendKey(i: number, writer: ByteWriter): void {
    writer.reserve(this.keyLength(i));
    writer.length = this.copyKey(i, writer.bytes, writer.length);
  }

  key(i: number): Uint8Array {
    const key = new Uint8Array(this.keyLength(i));
    this.copyKey(i, key, 0);
    return key;
  }

  /** Row i's key against key[at...]. */
  compareKey(i: number, key: Uint8Array, at: number): number {
    const prefix = this.comparePrefix(key, at);
    return prefix !== 0 ? prefix : this.compareSuffix(i, key, at + this.prefixLength);
  }

  /** The first row whose key is at or above key[at...]; count when there is none. */
  lowerBound(key: Uint8Array, at: number): number {
    const prefix = this.comparePrefix(key, at);
    if (prefix > 0) return 0;
    if (prefix < 0) return this.count;
    const suffixAt = at + this.prefixLength;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compareSuffix(middle, key, suffixAt) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The row of key[at...]; -1 when there is none. */
  find(key: Uint8Array, at: number): number {
    const i = this.lowerBound(key, at);
    return i < this.count && this.compareKey(i, key, at) === 0 ? i : -1;
  }

  private suffixStart(i: number): number {
    if (this.suffixLength >= 0) return this.suffixAt + i * this.suffixLength;
    return (this.keyBounds as Int32Array)[i] as number;
  }

  private comparePrefix(key: Uint8Array, at: number): number {
    const { bytes, prefixAt, prefixLength } = this;
    const shared = Math.min(prefixLength, key.length - at);
    for (let k = 0; k < shared; k++) {
      const difference = (bytes[prefixAt + k] as number) - (key[at + k] as number);
      if (difference !== 0) return difference;
    }
    return prefixLength - shared;
  }

  private compareSuffix(i: number, key: Uint8Array, at: number): number {
    const { bytes } = this;
    const from = this.suffixStart(i);
    const length = this.suffixStart(i + 1) - from;
    const wanted = key.length - at;
    const shared = length < wanted ? length : wanted;
    for (let k = 0; k < shared; k++) {
      const difference = (bytes[from + k] as number) - (key[at + k] as number);
      if (difference !== 0) return difference;
    }
    return length - wanted;
  }
}

/** Gathers rows in the order of their keys. */
export class PageWriter {
  private readonly keys = new ByteWriter(4096);
  private readonly keyEnds: number[] = [];
  private readonly rows = new ByteWriter(16384);
  private readonly rowEnds: number[] = [];
  private readonly timestamps: number[] = [];
  private readonly tombstones: number[] = [];

  get count(): number {
    return this.keyEnds.length;
  }

  /** About what the page will take. */
  get byteLength(): number {
    return HEADER_BYTES + this.keys.length + this.rows.length + this.count * 16;
  }

  /** The key is key[keyAt...], the row row[rowAt...rowEnd]. */
  add(
    key: Uint8Array,
    keyAt: number,
    row: Uint8Array,
    rowAt: number,
    rowEnd: number,
    timestamp: Timestamp,
    tombstone: boolean,
  ): void {
    this.keys.raw(keyAt === 0 ? key : key.subarray(keyAt));
    this.addRow(row, rowAt, rowEnd, timestamp, tombstone);
  }

  /** Row i of another page. */
  copy(page: Page, i: number): void {
    page.appendKey(i, this.keys);
    const from = page.bounds[i] as number;
    const to = page.bounds[i + 1] as number;
    this.addRow(page.bytes, from, to, page.timestamp(i), page.isTombstone(i));
  }

  private addRow(
    row: Uint8Array,
    from: number,
    to: number,
    timestamp: Timestamp,
    tombstone: boolean,
  ): void {
    this.keyEnds.push(this.keys.length);
    if (to > from) this.rows.raw(row.subarray(from, to));
    this.rowEnds.push(this.rows.length);
    this.timestamps.push(timestamp);
    if (tombstone) this.tombstones.push(this.keyEnds.length - 1);
  }

  key(i: number): Uint8Array {
    return this.keys.bytes.slice(i === 0 ? 0 : this.keyEnds[i - 1], this.keyEnds[i]);
  }

  /** The page as bytes; the writer starts over. `start` is the row key under which it will lie. */
  take(id: number, start: Uint8Array): Uint8Array {
    const { count, keyEnds, rowEnds, timestamps, tombstones } = this;
    const keyBytes = this.keys.bytes;
    let min = timestamps[0] as number;
    let max = min;
    for (const timestamp of timestamps) {
      if (timestamp < min) min = timestamp;
      if (timestamp > max) max = timestamp;
    }
    const prefix = this.sharedPrefix();
    const firstLength = keyEnds[0] as number;
    const oneLength = keyEnds.every((end, i) => end === firstLength * (i + 1));
    const flags =
      (min === max ? ONE_TIMESTAMP : 0) |
      (oneLength ? ONE_KEY_LENGTH : 0) |
      (tombstones.length > 0 ? HAS_TOMBSTONES : 0);
    const timestampsAt = HEADER_BYTES;
    const boundsAt = timestampsAt + (min === max ? 0 : count * 8);
    const keyBoundsAt = boundsAt + (count + 1) * 4;
    const tombstonesAt = keyBoundsAt + (oneLength ? 0 : (count + 1) * 4);
    const prefixAt = tombstonesAt + (tombstones.length > 0 ? count : 0);
    const suffixAt = prefixAt + prefix;
    const rowsAt = suffixAt + this.keys.length - count * prefix;
    const length = rowsAt + this.rows.length;
    const out = new Uint8Array((length + 3) & ~3);
    const words = new Int32Array(out.buffer);
    words[0] = PAGE_VERSION;
    writeId(words, id);
    words[4] = count;
    words[5] = flags;
    words[6] = prefix;
    words[7] = oneLength ? firstLength - prefix : 0;
    new Float64Array(out.buffer, 32, 2).set([min, max]);
    if (min !== max) new Float64Array(out.buffer, timestampsAt, count).set(timestamps);
    out.set(keyBytes.subarray(0, prefix), prefixAt);
    let at = suffixAt;
    let keyAt = 0;
    for (let i = 0; i < count; i++) {
      const keyEnd = keyEnds[i] as number;
      if (!oneLength) words[(keyBoundsAt >>> 2) + i] = at;
      for (let k = keyAt + prefix; k < keyEnd; k++) out[at++] = keyBytes[k] as number;
      keyAt = keyEnd;
      words[(boundsAt >>> 2) + i] = rowsAt + (i === 0 ? 0 : (rowEnds[i - 1] as number));
    }
    if (!oneLength) words[(keyBoundsAt >>> 2) + count] = at;
    words[(boundsAt >>> 2) + count] = length;
    for (const i of tombstones) out[tombstonesAt + i] = 1;
    out.set(this.rows.peek(), rowsAt);
    words[1] = xxh32(words, 2, words.length, hashBytes(start));
    this.reset();
    return out;
  }

  reset(): void {
    this.keys.reset();
    this.rows.reset();
    this.keyEnds.length = 0;
    this.rowEnds.length = 0;
    this.timestamps.length = 0;
    this.tombstones.length = 0;
  }

  /** Of sorted keys, all have what the first and the last one share. */
  private sharedPrefix(): number {
    const { keyEnds } = this;
    const { bytes } = this.keys;
    const last = keyEnds.length - 1;
    const lastAt = last === 0 ? 0 : (keyEnds[last - 1] as number);
    const most = Math.min(keyEnds[0] as number, (keyEnds[last] as number) - lastAt);
    let shared = 0;
    while (shared < most && bytes[shared] === bytes[lastAt + shared]) shared++;
    return shared;
  }
}

/** Gives a page that came from another store the id that it is to have in this one, in place: nobody has read it yet. */
export function renumber({ bytes, start }: Page, id: number): void {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  writeId(words, id);
  words[1] = xxh32(words, 2, words.length, hashBytes(start));
}

function writeId(words: Int32Array, id: number): void {
  words[2] = id | 0;
  words[3] = Math.floor(id / 0x100000000);
}

/** The engine has no page where the index says. */
export function missingPage(start: Uint8Array): DbError {
  return damaged(start, 'what the index of pages says of it');
}

function damaged(start: Uint8Array, what: string): DbError {
  return new DbError(
    'XX001',
    `the page of rows at key ${toHex(start)} of the store is damaged: ${what} is wrong`,
    {
      hint: 'Let this node get the range anew from another replica, or restore it from a backup.',
    },
  );
}

function otherVersion(start: Uint8Array, version: number): DbError {
  return new DbError(
    'XX001',
    `the page of rows at key ${toHex(start)} of the store has format version ${version}, this program knows version ${PAGE_VERSION}`,
    { hint: 'Start the version of Meridian that wrote this data directory, or a newer one.' },
  );
}
