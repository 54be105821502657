// Byte strings: comparison, concatenation, a growing writer and a checked reader. Numbers are little-endian
// unless their name says otherwise; keys, whose bytes must sort, use the big-endian ones.

import { assert } from './assert.ts';

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/** Lexicographic by unsigned byte; a prefix sorts first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = a.length < b.length ? a.length : b.length;
  for (let i = 0; i < shorter; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The smallest byte string above every string that starts with `prefix`; undefined when there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array | undefined {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i] !== 0xff) {
      const end = prefix.slice(0, i + 1);
      end[i] = (end[i] as number) + 1;
      return end;
    }
  }
  return undefined;
}

/** The smallest key above `key`: key plus a zero byte. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const out = new Uint8Array(key.length + 1);
  out.set(key);
  return out;
}

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder('utf-8');
const strictDecoder = new TextDecoder('utf-8', { fatal: true });

export function utf8(text: string): Uint8Array {
  return textEncoder.encode(text);
}

export function fromUtf8(bytes: Uint8Array): string {
  return textDecoder.decode(bytes);
}

/** Undefined when the bytes are not valid UTF-8. */
export function fromUtf8Strict(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

export function toHex(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += byte.toString(16).padStart(2, '0');
  return out;
}

/** Of what toHex() wrote. */
export function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** A 32-bit hash of bytes [start, end): FNV-1a over 32-bit lanes with a final mix; the same in every process. */
export function hashBytes(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let h = 0x811c9dc5 ^ (end - start);
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const lane =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    h = Math.imul(h ^ lane, 0x01000193);
    h ^= h >>> 15;
  }
  for (; i < end; i++) h = Math.imul(h ^ (bytes[i] as number), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Small copies are cut from blocks: an ArrayBuffer for each key and row costs more than all that is done with it
 * (bench: point, INSERT). A block is never used again, so nothing is shared but its lifetime. */
const COPY_BLOCK_BYTES: number = 16 * 1024;
const SMALL_COPY_BYTES = 1024;
/** Up to so many are copied one by one. */
const TINY_COPY_BYTES = 32;
let copyBlock: Uint8Array = EMPTY_BYTES;
let copyBlockUsed = 0;

function copyOf(source: Uint8Array, length: number): Uint8Array {
  if (length > SMALL_COPY_BYTES) return source.slice(0, length);
  if (copyBlockUsed + length > copyBlock.length) {
    copyBlock = new Uint8Array(COPY_BLOCK_BYTES);
    copyBlockUsed = 0;
  }
  const copy = copyBlock.subarray(copyBlockUsed, copyBlockUsed + length);
  copyBlockUsed += length;
  if (length > TINY_COPY_BYTES) copy.set(source.subarray(0, length));
  else for (let i = 0; i < length; i++) copy[i] = source[i] as number;
  return copy;
}

/** Appends to a buffer that doubles; `take()` hands the bytes out, `reset()` keeps the buffer for the next use. */
export class ByteWriter {
  bytes: Uint8Array;
  view: DataView;
  length = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Makes room for `more` bytes at `length`; the caller may then write to `bytes` and advance `length`. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    let capacity = this.bytes.length * 2;
    while (capacity < needed) capacity *= 2;
    const grown = new Uint8Array(capacity);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.view.setUint16(this.length, value, true);
    this.length += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }

  u32be(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value, false);
    this.length += 4;
  }

  f64(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  i64(value: bigint): void {
    this.reserve(8);
    this.view.setBigInt64(this.length, value, true);
    this.length += 8;
  }

  /** A safe non-negative integer in eight bytes, without BigInt. */
  u53(value: number): void {
    assert(value >= 0 && value <= Number.MAX_SAFE_INTEGER, 'u53 out of range');
    this.reserve(8);
    this.view.setUint32(this.length, value >>> 0, true);
    this.view.setUint32(this.length + 4, Math.floor(value / 0x100000000), true);
    this.length += 8;
  }

  /** LEB128 of a safe non-negative integer. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.length++] = rest;
  }

  raw(part: Uint8Array): void {
    this.reserve(part.length);
    this.bytes.set(part, this.length);
    this.length += part.length;
  }

  /** u32 length, then the bytes. */
  block(part: Uint8Array): void {
    this.u32(part.length);
    this.raw(part);
  }

  text(value: string): void {
    this.block(utf8(value));
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return copyOf(this.bytes, this.length);
  }

  /** What was written, valid until the next write. */
  peek(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  reset(): void {
    this.length = 0;
  }
}

/** Reads what ByteWriter wrote; running off the end throws RangeError. Blocks are views, not copies. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    const value = this.view.getUint8(this.at);
    this.at += 1;
    return value;
  }

  u16(): number {
    const value = this.view.getUint16(this.at, true);
    this.at += 2;
    return value;
  }

  u32(): number {
    const value = this.view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  u32be(): number {
    const value = this.view.getUint32(this.at, false);
    this.at += 4;
    return value;
  }

  f64(): number {
    const value = this.view.getFloat64(this.at, true);
    this.at += 8;
    return value;
  }

  i64(): bigint {
    const value = this.view.getBigInt64(this.at, true);
    this.at += 8;
    return value;
  }

  u53(): number {
    const low = this.view.getUint32(this.at, true);
    const high = this.view.getUint32(this.at + 4, true);
    this.at += 8;
    if (high > 0x1fffff) throw new RangeError('u53 beyond 2^53');
    return high * 0x100000000 + low;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new RangeError('varint too long');
  }

  raw(length: number): Uint8Array {
    if (length > this.remaining)
      throw new RangeError(`need ${length} bytes, have ${this.remaining}`);
    const part = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return part;
  }

  block(): Uint8Array {
    return this.raw(this.u32());
  }

  text(): string {
    return fromUtf8(this.block());
  }
}
