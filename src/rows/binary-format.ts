// PostgreSQL's binary wire format of every type, and its text format written as bytes.

import { type ByteWriter, fromUtf8Strict } from '../base/bytes.ts';
import { DbError, unsupported } from '../base/errors.ts';
import { formatArrayBinary, parseArrayBinary } from './array-bytes.ts';
import type { ArrayValue, Datum } from './datum.ts';
import { writeTimestampText } from './datetime-format.ts';
import { timestampInRange } from './datetime-parse.ts';
import type { Decimal } from './decimal.ts';
import { writeFloat8 } from './float-format.ts';
import { Interval } from './interval.ts';
import { parseJson, parseJsonb } from './json.ts';
import { applyModifier, padCharacters } from './modifiers.ts';
import { readNumeric, writeNumeric } from './numeric-binary.ts';
import * as stored from './stored-value.ts';
import { formatText } from './text-format.ts';
import { catalogTypeName } from './type-names.ts';
import {
  BOOL,
  BPCHAR,
  BYTEA,
  CHAR1,
  type ColumnType,
  DATE,
  elementOf,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  INTERVAL,
  JSON_TYPE,
  JSONB,
  NAME,
  NUMERIC,
  OID,
  REGCLASS,
  REGNAMESPACE,
  REGPROC,
  REGROLE,
  REGTYPE,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  UNKNOWN,
  UUID,
  VARCHAR,
} from './types.ts';
import { writeInteger, writeUtf8 } from './utf8.ts';

const JSONB_VERSION = 1;
const TWO_32 = 4294967296;

/** A parameter as a client sent it. Throws DbError 22P03 on a wrong length, 22021 on bytes that are no UTF-8. */
export function parseBinary(type: ColumnType, bytes: Uint8Array): Datum {
  switch (type.oid) {
    case INT4:
      return readInt32(bytes);
    case INT8:
      return readInt64(bytes);
    case INT2:
      expectLength(bytes, 2);
      return (((bytes[0] as number) << 24) >> 16) | (bytes[1] as number);
    case OID:
    case REGPROC:
    case REGCLASS:
    case REGTYPE:
    case REGNAMESPACE:
    case REGROLE:
      return readInt32(bytes) >>> 0;
    case BOOL:
      expectLength(bytes, 1);
      return bytes[0] !== 0;
    case FLOAT8:
      expectLength(bytes, 8);
      return viewOf(bytes).getFloat64(0, false);
    case FLOAT4:
      expectLength(bytes, 4);
      return viewOf(bytes).getFloat32(0, false);
    case TEXT:
    case UNKNOWN:
    case CHAR1:
      return readText(bytes);
    case VARCHAR:
    case BPCHAR:
    case NAME:
      return applyModifier(type, readText(bytes), false);
    case BYTEA:
      return bytes.slice();
    case NUMERIC:
      return applyModifier(type, readNumeric(bytes, 0, bytes.length), false);
    case UUID:
      expectLength(bytes, 16);
      return stored.readUuid(bytes, 0);
    case JSON_TYPE:
      return parseJson(readText(bytes));
    case JSONB:
      if (bytes[0] !== JSONB_VERSION) {
        throw new DbError('XX000', `unsupported jsonb version number ${bytes[0] ?? 0}`);
      }
      return parseJsonb(readText(bytes.subarray(1)));
    default:
      return parseBinaryTime(type, bytes);
  }
}

function parseBinaryTime(type: ColumnType, bytes: Uint8Array): Datum {
  switch (type.oid) {
    case DATE:
      return stored.dateFromInt32(readInt32(bytes));
    case TIME: {
      const micros = readInt64(bytes);
      if (micros < 0 || micros > 86_400_000_000) throw new DbError('22008', 'time out of range');
      return applyModifier(type, micros, false);
    }
    case TIMESTAMP:
    case TIMESTAMPTZ: {
      const value = readInt64(bytes);
      if (value === 9223372036854775807n) return Number.POSITIVE_INFINITY;
      if (value === -9223372036854775808n) return Number.NEGATIVE_INFINITY;
      if (!timestampInRange(value)) throw new DbError('22008', 'timestamp out of range');
      return applyModifier(type, value, false);
    }
    case INTERVAL: {
      expectLength(bytes, 16);
      const view = viewOf(bytes);
      const micros = readInt64(bytes.subarray(0, 8));
      if (typeof micros === 'bigint') throw new DbError('22008', 'interval out of range');
      return new Interval(view.getInt32(12, false), view.getInt32(8, false), micros);
    }
    default: {
      const element = elementOf(type.oid);
      if (element === undefined) throw unsupported(`binary input of ${catalogTypeName(type.oid)}`);
      return parseArrayBinary(element, type.modifier, bytes, parseBinary);
    }
  }
}

/** Appends the bytes of a non-null value, without a length. */
export function formatBinary(type: ColumnType, value: Datum, writer: ByteWriter): void {
  switch (type.oid) {
    case INT4:
    case OID:
    case REGPROC:
    case REGCLASS:
    case REGTYPE:
    case REGNAMESPACE:
    case REGROLE:
      writer.u32be((value as number) >>> 0);
      return;
    case INT8:
    case TIME:
      writeInt64(writer, value as number | bigint);
      return;
    case INT2:
      writer.u8(((value as number) >> 8) & 0xff);
      writer.u8((value as number) & 0xff);
      return;
    case BOOL:
      writer.u8(value === true ? 1 : 0);
      return;
    case FLOAT8:
      writer.reserve(8);
      writer.view.setFloat64(writer.length, value as number, false);
      writer.length += 8;
      return;
    case FLOAT4:
      writer.reserve(4);
      writer.view.setFloat32(writer.length, value as number, false);
      writer.length += 4;
      return;
    case TEXT:
    case VARCHAR:
    case NAME:
    case CHAR1:
    case UNKNOWN:
    case JSON_TYPE:
      writeUtf8(writer, value as string);
      return;
    case BPCHAR:
      writeUtf8(writer, padCharacters(value as string, type.modifier));
      return;
    case JSONB:
      writer.u8(JSONB_VERSION);
      writeUtf8(writer, value as string);
      return;
    case BYTEA:
      writer.raw(value as Uint8Array);
      return;
    case NUMERIC:
      writeNumeric(writer, value as Decimal);
      return;
    case UUID:
      stored.writeUuid(writer, value as string);
      return;
    case DATE:
      writer.u32be(stored.dateToInt32(value as number) >>> 0);
      return;
    case TIMESTAMP:
    case TIMESTAMPTZ:
      writeTimestampBinary(writer, value as number | bigint);
      return;
    case INTERVAL: {
      const { micros, days, months } = value as Interval;
      writeInt64(writer, micros);
      writer.u32be(days >>> 0);
      writer.u32be(months >>> 0);
      return;
    }
    default:
      if (elementOf(type.oid) === undefined) {
        throw unsupported(`binary output of ${catalogTypeName(type.oid)}`);
      }
      formatArrayBinary(value as ArrayValue, type.modifier, writer, formatBinary);
  }
}

/** Appends the text format of a non-null value as UTF-8, without a length. */
export function formatTextInto(type: ColumnType, value: Datum, writer: ByteWriter): void {
  switch (type.oid) {
    case INT2:
    case INT4:
    case INT8:
    case OID:
      writeInteger(writer, value as number | bigint);
      return;
    case BOOL:
      writer.u8(value === true ? 116 : 102);
      return;
    case BYTEA:
      writeHex(writer, value as Uint8Array, 0, (value as Uint8Array).length);
      return;
    case FLOAT8:
      writeFloat8(writer, value as number);
      return;
    case TIMESTAMP:
      writeTimestampText(writer, value as number | bigint, false);
      return;
    case TIMESTAMPTZ:
      writeTimestampText(writer, value as number | bigint, true);
      return;
    default:
      writeUtf8(writer, formatText(type, value));
  }
}

/** bytea's text format. */
export function writeHex(writer: ByteWriter, bytes: Uint8Array, start: number, end: number): void {
  writer.reserve(2 + (end - start) * 2);
  const out = writer.bytes;
  let at = writer.length;
  out[at++] = 92;
  out[at++] = 120;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    out[at++] = hexDigit(byte >> 4);
    out[at++] = hexDigit(byte & 15);
  }
  writer.length = at;
}

function hexDigit(value: number): number {
  return value < 10 ? 48 + value : 87 + value;
}

export function writeInt64(writer: ByteWriter, value: number | bigint): void {
  writer.reserve(8);
  const { view, length } = writer;
  if (typeof value === 'bigint') {
    view.setBigInt64(length, value, false);
  } else {
    view.setInt32(length, Math.floor(value / TWO_32), false);
    view.setUint32(length + 4, value >>> 0, false);
  }
  writer.length = length + 8;
}

function writeTimestampBinary(writer: ByteWriter, value: number | bigint): void {
  if (value === Number.POSITIVE_INFINITY) writeInt64(writer, 9223372036854775807n);
  else if (value === Number.NEGATIVE_INFINITY) writeInt64(writer, -9223372036854775808n);
  else writeInt64(writer, value);
}

function expectLength(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new DbError('22P03', 'incorrect binary data format');
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readInt32(bytes: Uint8Array): number {
  expectLength(bytes, 4);
  return (
    ((bytes[0] as number) << 24) |
    ((bytes[1] as number) << 16) |
    ((bytes[2] as number) << 8) |
    (bytes[3] as number)
  );
}

function readInt64(bytes: Uint8Array): number | bigint {
  expectLength(bytes, 8);
  const high = readInt32(bytes.subarray(0, 4));
  const low = readInt32(bytes.subarray(4, 8)) >>> 0;
  const value = high * TWO_32 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
}

function readText(bytes: Uint8Array): string {
  const text = fromUtf8Strict(bytes);
  if (text === undefined) throw new DbError('22021', 'invalid byte sequence for encoding "UTF8"');
  if (text.includes('\0'))
    throw new DbError('22021', 'invalid byte sequence for encoding "UTF8": 0x00');
  return text;
}
