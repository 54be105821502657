// Text input and output of every type, with PostgreSQL's spellings, errors and SQLSTATEs.

import { toHex } from '../base/bytes.ts';
import { DbError, unsupported } from '../base/errors.ts';
import { formatArray, parseArray } from './array-text.ts';
import type { ArrayValue, Datum } from './datum.ts';
import { fitsInt8, normalizeInt8 } from './datum.ts';
import { formatDate, formatTime, formatTimestamp, formatTimestampTz } from './datetime-format.ts';
import { parseDate, parseTime, parseTimestamp, parseTimestampTz } from './datetime-parse.ts';
import { Decimal } from './decimal.ts';
import { formatFloat4, formatFloat8, parseFloat4, parseFloat8 } from './float-format.ts';
import { formatInterval, type Interval, parseInterval } from './interval.ts';
import { parseJson, parseJsonb } from './json.ts';
import { applyModifier, padCharacters } from './modifiers.ts';
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

/** What a text written by a client means in `type`; its modifier is applied as an assignment applies it. */
export function parseText(type: ColumnType, text: string): Datum {
  switch (type.oid) {
    case INT4:
      return parseInteger(text, -2147483648, 2147483647, 'integer');
    case INT8:
      return parseInt8(text);
    case INT2:
      return parseInteger(text, -32768, 32767, 'smallint');
    case OID:
    case REGPROC:
    case REGCLASS:
    case REGTYPE:
    case REGNAMESPACE:
    case REGROLE:
      return parseInteger(text, 0, 4294967295, 'oid');
    case TEXT:
    case UNKNOWN:
    case CHAR1:
      return checkedText(text);
    case VARCHAR:
    case BPCHAR:
    case NAME:
      return applyModifier(type, checkedText(text), false);
    case BOOL:
      return parseBool(text);
    case FLOAT8:
      return parseFloat8(text);
    case FLOAT4:
      return parseFloat4(text);
    case NUMERIC:
      return applyModifier(type, Decimal.parse(text), false);
    case BYTEA:
      return parseBytea(text);
    case DATE:
      return parseDate(text);
    case TIME:
      return applyModifier(type, parseTime(text), false);
    case TIMESTAMP:
      return applyModifier(type, parseTimestamp(text), false);
    case TIMESTAMPTZ:
      return applyModifier(type, parseTimestampTz(text), false);
    case INTERVAL:
      return parseInterval(text);
    case UUID:
      return parseUuid(text);
    case JSON_TYPE:
      return parseJson(checkedText(text));
    case JSONB:
      return parseJsonb(checkedText(text));
    default: {
      const element = elementOf(type.oid);
      if (element === undefined) throw unsupported(`text input of ${catalogTypeName(type.oid)}`);
      const item = { oid: element, modifier: type.modifier };
      return parseArray(element, text, (part) => parseText(item, part));
    }
  }
}

/** As the output functions write a non-null value. */
export function formatText(type: ColumnType, value: Datum): string {
  switch (type.oid) {
    case INT2:
    case INT4:
    case INT8:
    case OID:
    case NUMERIC:
      return String(value as number | bigint | Decimal);
    // What it stands for, or its number.
    case REGPROC:
    case REGCLASS:
    case REGTYPE:
    case REGNAMESPACE:
    case REGROLE:
      return String(value as number | string);
    case TEXT:
    case VARCHAR:
    case NAME:
    case UNKNOWN:
    case CHAR1:
    case UUID:
    case JSON_TYPE:
    case JSONB:
      return value as string;
    case BPCHAR:
      return padCharacters(value as string, type.modifier);
    case BOOL:
      return value === true ? 't' : 'f';
    case FLOAT8:
      return formatFloat8(value as number);
    case FLOAT4:
      return formatFloat4(value as number);
    case BYTEA:
      return `\\x${toHex(value as Uint8Array)}`;
    case DATE:
      return formatDate(value as number);
    case TIME:
      return formatTime(value as number);
    case TIMESTAMP:
      return formatTimestamp(value as number | bigint);
    case TIMESTAMPTZ:
      return formatTimestampTz(value as number | bigint);
    case INTERVAL:
      return formatInterval(value as Interval);
    default: {
      const element = elementOf(type.oid);
      if (element === undefined) throw unsupported(`text output of ${catalogTypeName(type.oid)}`);
      const item = { oid: element, modifier: type.modifier };
      return formatArray(value as ArrayValue, (part) => formatText(item, part));
    }
  }
}

export function invalidInput(typeName: string, text: string): DbError {
  return new DbError('22P02', `invalid input syntax for type ${typeName}: "${text}"`);
}

const INTEGER = /^[ \t\n\v\f\r]*[+-]?\d+[ \t\n\v\f\r]*$/;

function parseInteger(text: string, min: number, max: number, typeName: string): number {
  const short = shortInteger(text);
  if (short >= 0 && short <= max) return short;
  if (!INTEGER.test(text)) throw invalidInput(typeName, text);
  const value = Number(text) + 0;
  if (value < min || value > max) throw integerRange(text, typeName);
  return value;
}

function parseInt8(text: string): number | bigint {
  const short = shortInteger(text);
  if (short >= 0) return short;
  if (!INTEGER.test(text)) throw invalidInput('bigint', text);
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value + 0;
  const wide = BigInt(text.trim().replace(/^\+/, ''));
  if (!fitsInt8(wide)) throw integerRange(text, 'bigint');
  return normalizeInt8(wide);
}

/** Up to 15 bare digits, the usual case, by hand; -1 for anything else. */
function shortInteger(text: string): number {
  const length = text.length;
  if (length === 0 || length > 15) return -1;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function integerRange(text: string, typeName: string): DbError {
  return new DbError('22003', `value "${text}" is out of range for type ${typeName}`);
}

function checkedText(text: string): string {
  if (text.includes('\0'))
    throw new DbError('22021', 'invalid byte sequence for encoding "UTF8": 0x00');
  return text;
}

/** Any unambiguous beginning of true, false, yes, no, on, off; 1 and 0. */
function parseBool(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (word !== '') {
    if (word === '1' || 'true'.startsWith(word) || 'yes'.startsWith(word) || word === 'on')
      return true;
    if (word === '0' || 'false'.startsWith(word) || 'no'.startsWith(word)) return false;
    if (word === 'of' || word === 'off') return false;
  }
  throw invalidInput('boolean', text);
}

const UUID_TEXT = /^(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}$/i;

function parseUuid(text: string): string {
  const bare = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text;
  if (!UUID_TEXT.test(bare)) throw invalidInput('uuid', text);
  const digits = bare.replaceAll('-', '').toLowerCase();
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
}

function parseBytea(text: string): Uint8Array {
  return text.startsWith('\\x') ? parseHex(text.slice(2)) : parseEscaped(text);
}

export function parseHex(text: string): Uint8Array {
  const digits = text.replace(/[ \t\n\r]/g, '');
  const wrong = /[^0-9a-fA-F]/u.exec(digits);
  if (wrong !== null) throw new DbError('22023', `invalid hexadecimal digit: "${wrong[0]}"`);
  if (digits.length % 2 !== 0)
    throw new DbError('22023', 'invalid hexadecimal data: odd number of digits');
  const out = new Uint8Array(digits.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/** The traditional form: \\ is a backslash, \ooo an octet. */
function parseEscaped(text: string): Uint8Array {
  const source = new TextEncoder().encode(text);
  const out = new Uint8Array(source.length);
  let length = 0;
  for (let i = 0; i < source.length; i++) {
    const byte = source[i] as number;
    if (byte !== 92) {
      out[length++] = byte;
    } else if (source[i + 1] === 92) {
      out[length++] = 92;
      i++;
    } else {
      const octal = /^[0-3][0-7]{2}/.exec(String.fromCharCode(...source.subarray(i + 1, i + 4)));
      if (octal === null) throw new DbError('22P02', 'invalid input syntax for type bytea');
      out[length++] = Number.parseInt(octal[0], 8);
      i += 3;
    }
  }
  return out.slice(0, length);
}
