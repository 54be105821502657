// The bytes of one stored value, form by form. Numbers are little-endian; int8 goes without BigInt while it is safe.
//
//   bool 1 byte; int2 2; int4, oid, float4 4; int8, time, float8 8; date 4 (int32 extremes are the infinities);
//   timestamp 8 (int64 extremes are the infinities); uuid its 16 bytes; interval 8 of microseconds, 4 of days, 4 of
//   months; text, json raw UTF-8 (char(n) without its padding); bytea raw; numeric as numeric-binary.ts has it, arrays as
//   array-bytes.ts.

import type { ByteWriter } from '../base/bytes.ts';
import { readArray, writeArray } from './array-bytes.ts';
import type { ArrayValue, Datum } from './datum.ts';
import type { Decimal } from './decimal.ts';
import { Interval } from './interval.ts';
import { readNumeric, writeNumeric } from './numeric-binary.ts';
import * as form from './row-layout.ts';
import { readUtf8, writeUtf8 } from './utf8.ts';

export const DATE_INFINITY = 2147483647;
export const DATE_NEGATIVE_INFINITY: number = -2147483648;
const TWO_32 = 4294967296;
const HIGH_MAX = 0x7fffffff;
const HIGH_MIN = -0x80000000;

const scratchF64 = new Float64Array(1);
const scratchF32 = new Float32Array(scratchF64.buffer);
const scratchU8 = new Uint8Array(scratchF64.buffer);

/** Appends; answers nothing, the caller knows `writer.length`. */
export function writeStored(writer: ByteWriter, storedForm: number, value: Datum): void {
  switch (storedForm) {
    case form.STORED_BOOL:
      writer.u8(value === true ? 1 : 0);
      return;
    case form.STORED_INT2:
      writer.u16((value as number) & 0xffff);
      return;
    case form.STORED_INT4:
    case form.STORED_OID:
      writer.u32((value as number) >>> 0);
      return;
    case form.STORED_INT8:
      writeInt8(writer, value as number | bigint);
      return;
    case form.STORED_FLOAT4:
      writer.reserve(4);
      writer.view.setFloat32(writer.length, value as number, true);
      writer.length += 4;
      return;
    case form.STORED_FLOAT8:
      writer.f64(value as number);
      return;
    case form.STORED_DATE:
      writer.u32(dateToInt32(value as number) >>> 0);
      return;
    case form.STORED_TIMESTAMP:
      writeTimestamp(writer, value as number | bigint);
      return;
    case form.STORED_UUID:
      writeUuid(writer, value as string);
      return;
    case form.STORED_INTERVAL: {
      const { micros, days, months } = value as Interval;
      writeInt8(writer, micros);
      writer.u32(days >>> 0);
      writer.u32(months >>> 0);
      return;
    }
    case form.STORED_TEXT:
      writeUtf8(writer, value as string);
      return;
    case form.STORED_BYTES:
      writer.raw(value as Uint8Array);
      return;
    case form.STORED_NUMERIC:
      writeNumeric(writer, value as Decimal);
      return;
    case form.STORED_ARRAY: {
      const itemForm = form.storedForm((value as ArrayValue).elementOid);
      writeArray(writer, value as ArrayValue, (part, item) => writeStored(part, itemForm, item));
      return;
    }
  }
}

export function readStored(
  bytes: Uint8Array,
  storedForm: number,
  start: number,
  end: number,
): Datum {
  switch (storedForm) {
    case form.STORED_BOOL:
      return bytes[start] === 1;
    case form.STORED_INT2:
      return readInt2(bytes, start);
    case form.STORED_INT4:
      return readInt4(bytes, start);
    case form.STORED_OID:
      return readInt4(bytes, start) >>> 0;
    case form.STORED_INT8:
      return readInt8(bytes, start);
    case form.STORED_FLOAT4:
      return readFloat4(bytes, start);
    case form.STORED_FLOAT8:
      return readFloat8(bytes, start);
    case form.STORED_DATE:
      return dateFromInt32(readInt4(bytes, start));
    case form.STORED_TIMESTAMP:
      return readTimestamp(bytes, start);
    case form.STORED_UUID:
      return readUuid(bytes, start);
    case form.STORED_INTERVAL:
      return new Interval(
        readInt4(bytes, start + 12),
        readInt4(bytes, start + 8),
        Number(readInt8(bytes, start)),
      );
    case form.STORED_TEXT:
      return readUtf8(bytes, start, end);
    case form.STORED_BYTES:
      return bytes.slice(start, end);
    case form.STORED_NUMERIC:
      return readNumeric(bytes, start, end);
    case form.STORED_ARRAY:
      return readArray(bytes, start, end, itemReader);
    default:
      return null;
  }
}

function itemReader(elementOid: number): (bytes: Uint8Array, start: number, end: number) => Datum {
  const itemForm = form.storedForm(elementOid);
  return (bytes, start, end) => readStored(bytes, itemForm, start, end);
}

export function writeInt8(writer: ByteWriter, value: number | bigint): void {
  if (typeof value === 'bigint') {
    writer.i64(value);
    return;
  }
  writer.reserve(8);
  const { view, length } = writer;
  view.setUint32(length, value >>> 0, true);
  view.setInt32(length + 4, Math.floor(value / TWO_32), true);
  writer.length = length + 8;
}

export function writeTimestamp(writer: ByteWriter, value: number | bigint): void {
  if (value === Number.POSITIVE_INFINITY) {
    writer.u32(0xffffffff);
    writer.u32(HIGH_MAX);
  } else if (value === Number.NEGATIVE_INFINITY) {
    writer.u32(0);
    writer.u32(0x80000000);
  } else {
    writeInt8(writer, value);
  }
}

export function readInt2(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) | ((bytes[at + 1] as number) << 8)) << 16) >> 16;
}

export function readInt4(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

export function readInt8(bytes: Uint8Array, at: number): number | bigint {
  return int8Of(readInt4(bytes, at), readInt4(bytes, at + 4));
}

/** Of its two halves. */
export function int8Of(low: number, high: number): number | bigint {
  if (isSafeHigh(high)) {
    const value = high * TWO_32 + (low >>> 0);
    // -2^53 itself is not a safe integer.
    if (value >= Number.MIN_SAFE_INTEGER) return value;
  }
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** Whether the upper half is that of a safe integer, or of -2^53. */
function isSafeHigh(high: number): boolean {
  return high >= -0x200000 && high < 0x200000;
}

export function readTimestamp(bytes: Uint8Array, at: number): number | bigint {
  return timestampOf(readInt4(bytes, at), readInt4(bytes, at + 4));
}

/** Of its two halves. */
export function timestampOf(low: number, high: number): number | bigint {
  if (high === HIGH_MAX && low === -1) return Number.POSITIVE_INFINITY;
  if (high === HIGH_MIN && low === 0) return Number.NEGATIVE_INFINITY;
  return int8Of(low, high);
}

export function readFloat8(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) scratchU8[i] = bytes[at + i] as number;
  return scratchF64[0] as number;
}

export function readFloat4(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 4; i++) scratchU8[i] = bytes[at + i] as number;
  return scratchF32[0] as number;
}

export function dateToInt32(days: number): number {
  if (days === Number.POSITIVE_INFINITY) return DATE_INFINITY;
  if (days === Number.NEGATIVE_INFINITY) return DATE_NEGATIVE_INFINITY;
  return days;
}

export function dateFromInt32(value: number): number {
  if (value === DATE_INFINITY) return Number.POSITIVE_INFINITY;
  if (value === DATE_NEGATIVE_INFINITY) return Number.NEGATIVE_INFINITY;
  return value;
}

function hexValue(unit: number): number {
  return unit < 58 ? unit - 48 : unit - 87;
}

/** From the canonical spelling, 8-4-4-4-12 lower-case digits. */
export function writeUuid(writer: ByteWriter, value: string): void {
  writer.reserve(16);
  let at = 0;
  for (let i = 0; i < 16; i++) {
    if (at === 8 || at === 13 || at === 18 || at === 23) at++;
    writer.bytes[writer.length++] =
      (hexValue(value.charCodeAt(at)) << 4) | hexValue(value.charCodeAt(at + 1));
    at += 2;
  }
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

export function readUuid(bytes: Uint8Array, at: number): string {
  let out = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) out += '-';
    out += HEX[bytes[at + i] as number] as string;
  }
  return out;
}
