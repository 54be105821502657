// Keys: byte strings whose order is the order of the values, each self-delimiting, so that no full key is a proper
// prefix of another. A key is the u32 id of its index, then its columns:
//
//   one byte   0 NULL that sorts first, 1 a value, 2 NULL that sorts last
//   the value  bool 1 byte; ints big-endian with the sign flipped; floats likewise with negative ones inverted (-0 is
//              0, NaN is last); date 4 bytes, times and timestamps 8, uuid 16, interval 12 (the span it compares by);
//              strings with 00 as 00 FF and an end of 00 01; numeric in key-decimal.ts; arrays item by item, each with a
//              byte before it (0 the end, 1 a value, 2 NULL), then number, lengths and lower bounds of the dimensions
//
// A descending column has all bytes of its values inverted, but not the byte before them. Values that compare equal
// have one encoding, so what comes back may differ from what went in where equality forgives it (1.0 and 1.00).

import { type ByteReader, ByteWriter, utf8 } from '../base/bytes.ts';
import { DbError, unsupported } from '../base/errors.ts';
import { itemCount } from './array.ts';
import { ArrayValue, type Datum } from './datum.ts';
import type { Decimal } from './decimal.ts';
import { Interval } from './interval.ts';
import { readKeyDecimal, writeKeyDecimal } from './key-decimal.ts';
import { dateFromInt32, dateToInt32, readUuid, writeUuid } from './stored-value.ts';
import { sqlTypeName } from './type-names.ts';
import {
  BOOL,
  BPCHAR,
  BYTEA,
  CHAR1,
  DATE,
  elementOf,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  INTERVAL,
  JSONB,
  NAME,
  NUMERIC,
  OID,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  UUID,
  VARCHAR,
} from './types.ts';
import { readUtf8, writeUtf8 } from './utf8.ts';

const NULL_FIRST = 0;
/** What a column begins with that is not NULL. */
export const VALUE_MARK = 1;
const NULL_LAST = 2;
const TWO_32 = 4294967296;

/** Of one column's value. */
export const KEY_COLUMN_BYTES_MAX = 65536;

export function keyPrefix(indexId: number): Uint8Array {
  const writer = new ByteWriter(4);
  writer.u32be(indexId);
  return writer.take();
}

/** Appends one column of a key. Throws DbError 54000 when the value is too long for a key. */
export function encodeKeyDatum(
  writer: ByteWriter,
  oid: number,
  datum: Datum,
  descending: boolean,
  nullsFirst: boolean,
): void {
  if (datum === null) {
    writer.u8(nullsFirst ? NULL_FIRST : NULL_LAST);
    return;
  }
  writer.u8(VALUE_MARK);
  const start = writer.length;
  writeValue(writer, oid, datum);
  if (writer.length - start > KEY_COLUMN_BYTES_MAX) {
    throw new DbError(
      '54000',
      `key column of ${writer.length - start} bytes exceeds the limit of ${KEY_COLUMN_BYTES_MAX} bytes`,
      { hint: 'Values in a key must be short; consider a hash of the value.' },
    );
  }
  if (descending) {
    const { bytes, length } = writer;
    for (let i = start; i < length; i++) bytes[i] = (bytes[i] as number) ^ 0xff;
  }
}

/** Takes one column off the front of a key. */
export function decodeKeyDatum(reader: ByteReader, oid: number, descending: boolean): Datum {
  if (reader.u8() !== VALUE_MARK) return null;
  return readValue(new KeyReader(reader, descending ? 0xff : 0), oid);
}

function writeValue(writer: ByteWriter, oid: number, datum: Datum): void {
  switch (oid) {
    case INT4:
      writer.u32be(((datum as number) ^ 0x80000000) >>> 0);
      return;
    case INT8:
    case TIME:
      writeOrderedInt8(writer, datum as number | bigint);
      return;
    case TIMESTAMP:
    case TIMESTAMPTZ:
      writeOrderedTimestamp(writer, datum as number | bigint);
      return;
    case TEXT:
    case VARCHAR:
    case BPCHAR:
    case NAME:
    case CHAR1:
      writeText(writer, datum as string);
      return;
    case BYTEA:
      writeBytes(writer, datum as Uint8Array);
      return;
    case INT2: {
      const flipped = (datum as number) + 0x8000;
      writer.u8(flipped >> 8);
      writer.u8(flipped & 0xff);
      return;
    }
    case OID:
      writer.u32be(datum as number);
      return;
    case DATE:
      writer.u32be((dateToInt32(datum as number) ^ 0x80000000) >>> 0);
      return;
    case BOOL:
      writer.u8(datum === true ? 1 : 0);
      return;
    case FLOAT4:
    case FLOAT8:
      writeOrderedFloat(writer, datum as number);
      return;
    case UUID:
      writeUuid(writer, datum as string);
      return;
    case NUMERIC:
      writeKeyDecimal(writer, datum as Decimal);
      return;
    case INTERVAL:
      writeOrderedInterval(writer, datum as Interval);
      return;
    default:
      if (elementOf(oid) === undefined) throw unsupportedKey(oid);
      writeKeyArray(writer, datum as ArrayValue);
  }
}

const END = 0;

function writeKeyArray(writer: ByteWriter, array: ArrayValue): void {
  for (const item of array.items) {
    writer.u8(item === null ? NULL_LAST : VALUE_MARK);
    if (item !== null) writeValue(writer, array.elementOid, item);
  }
  writer.u8(END);
  writer.u8(array.dimensions);
  for (const length of array.lengths) writer.u32be(length);
  for (const lower of array.lowers) writer.u32be((lower ^ 0x80000000) >>> 0);
}

function readKeyArray(reader: KeyReader, elementOid: number): ArrayValue {
  const items: Datum[] = [];
  for (;;) {
    const mark = reader.u8();
    if (mark === END) break;
    items.push(mark === VALUE_MARK ? readValue(reader, elementOid) : null);
  }
  const dimensions = reader.u8();
  const lengths = Array.from({ length: dimensions }, () => reader.u32be());
  const lowers = Array.from({ length: dimensions }, () => reader.u32be() ^ 0x80000000);
  if (itemCount(lengths) !== items.length) throw new RangeError('malformed key: uneven array');
  return new ArrayValue(elementOid, lengths, lowers, items);
}

/** Whether values of a type that has an order can be in keys. */
export function isKeyType(oid: number): boolean {
  return (elementOf(oid) ?? oid) !== JSONB;
}

export function unsupportedKey(oid: number): DbError {
  return unsupported(`a key of type ${sqlTypeName({ oid, modifier: -1 })}`);
}

/** Reads bytes back through the inversion of descending columns. */
class KeyReader {
  private readonly reader: ByteReader;
  private readonly mask: number;

  constructor(reader: ByteReader, mask: number) {
    this.reader = reader;
    this.mask = mask;
  }

  u8(): number {
    return this.reader.u8() ^ this.mask;
  }

  u32be(): number {
    return (this.reader.u32be() ^ (this.mask === 0 ? 0 : 0xffffffff)) >>> 0;
  }

  take(count: number): Uint8Array {
    const bytes = this.reader.raw(count).slice();
    if (this.mask !== 0) for (let i = 0; i < count; i++) bytes[i] = (bytes[i] as number) ^ 0xff;
    return bytes;
  }

  /** Up to the end mark, with escapes undone. */
  escaped(): Uint8Array {
    const out = new ByteWriter(32);
    for (;;) {
      const byte = this.u8();
      if (byte === 0) {
        const next = this.u8();
        if (next === 1) return out.take();
        if (next !== 0xff) throw new RangeError('malformed key: bad escape');
      }
      out.u8(byte);
    }
  }
}

function readValue(reader: KeyReader, oid: number): Datum {
  switch (oid) {
    case INT4:
      return reader.u32be() ^ 0x80000000;
    case INT8:
    case TIME:
      return readOrderedInt8(reader);
    case TIMESTAMP:
    case TIMESTAMPTZ: {
      const value = readOrderedInt8(reader);
      if (value === 9223372036854775807n) return Number.POSITIVE_INFINITY;
      return value === -9223372036854775808n ? Number.NEGATIVE_INFINITY : value;
    }
    case TEXT:
    case VARCHAR:
    case BPCHAR:
    case NAME:
    case CHAR1: {
      const bytes = reader.escaped();
      return readUtf8(bytes, 0, bytes.length);
    }
    case BYTEA:
      return reader.escaped();
    case INT2:
      return reader.u8() * 256 + reader.u8() - 0x8000;
    case OID:
      return reader.u32be();
    case DATE:
      return dateFromInt32(reader.u32be() ^ 0x80000000);
    case BOOL:
      return reader.u8() === 1;
    case FLOAT4:
    case FLOAT8:
      return readOrderedFloat(reader);
    case UUID:
      return readUuid(reader.take(16), 0);
    case NUMERIC:
      return readKeyDecimal(() => reader.u8());
    case INTERVAL:
      return readOrderedInterval(reader);
    default: {
      const element = elementOf(oid);
      if (element === undefined) throw unsupportedKey(oid);
      return readKeyArray(reader, element);
    }
  }
}

function writeOrderedInt8(writer: ByteWriter, value: number | bigint): void {
  if (typeof value === 'bigint') {
    writer.reserve(8);
    writer.view.setBigUint64(writer.length, BigInt.asUintN(64, value) ^ (1n << 63n), false);
    writer.length += 8;
    return;
  }
  writer.u32be((Math.floor(value / TWO_32) ^ 0x80000000) >>> 0);
  writer.u32be(value >>> 0);
}

function writeOrderedTimestamp(writer: ByteWriter, value: number | bigint): void {
  if (value === Number.POSITIVE_INFINITY) writeOrderedInt8(writer, 9223372036854775807n);
  else if (value === Number.NEGATIVE_INFINITY) writeOrderedInt8(writer, -9223372036854775808n);
  else writeOrderedInt8(writer, value);
}

function readOrderedInt8(reader: KeyReader): number | bigint {
  const high = reader.u32be() ^ 0x80000000;
  const low = reader.u32be();
  const value = high * TWO_32 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
}

const floatScratch = new DataView(new ArrayBuffer(8));

function writeOrderedFloat(writer: ByteWriter, value: number): void {
  // One NaN, and no negative zero.
  floatScratch.setFloat64(0, Number.isNaN(value) ? Number.NaN : value + 0);
  let high = floatScratch.getUint32(0) & (Number.isNaN(value) ? 0x7fffffff : 0xffffffff);
  let low = floatScratch.getUint32(4);
  if (high < 0) {
    high = ~high;
    low = ~low;
  } else {
    high ^= 0x80000000;
  }
  writer.u32be(high >>> 0);
  writer.u32be(low >>> 0);
}

function readOrderedFloat(reader: KeyReader): number {
  const high = reader.u32be();
  const low = reader.u32be();
  const positive = high >= 0x80000000;
  floatScratch.setUint32(0, (positive ? high ^ 0x80000000 : ~high) >>> 0);
  floatScratch.setUint32(4, (positive ? low : ~low) >>> 0);
  return floatScratch.getFloat64(0);
}

const MICROS_PER_DAY = 86_400_000_000n;

/** A 96-bit span, biased to be positive. */
function writeOrderedInterval(writer: ByteWriter, value: Interval): void {
  const biased = value.spanMicros() + (1n << 95n);
  writer.u32be(Number(biased >> 64n));
  writer.u32be(Number((biased >> 32n) & 0xffffffffn));
  writer.u32be(Number(biased & 0xffffffffn));
}

function readOrderedInterval(reader: KeyReader): Interval {
  const biased =
    (BigInt(reader.u32be()) << 64n) | (BigInt(reader.u32be()) << 32n) | BigInt(reader.u32be());
  const span = biased - (1n << 95n);
  const days = Number(span / MICROS_PER_DAY);
  const months = Math.trunc(days / 30);
  return new Interval(months, days - months * 30, Number(span % MICROS_PER_DAY));
}

function writeText(writer: ByteWriter, text: string): void {
  // A text has no zero bytes, unless it never passed an input function.
  if (text.includes('\0')) {
    writeBytes(writer, utf8(text));
    return;
  }
  writeUtf8(writer, text);
  writer.u8(0);
  writer.u8(1);
}

function writeBytes(writer: ByteWriter, bytes: Uint8Array): void {
  writer.reserve(bytes.length * 2 + 2);
  const out = writer.bytes;
  let at = writer.length;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    out[at++] = byte;
    if (byte === 0) out[at++] = 0xff;
  }
  out[at++] = 0;
  out[at++] = 1;
  writer.length = at;
}
