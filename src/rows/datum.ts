// Values in memory, one representation for each type:
//
//   bool                     boolean
//   int2, int4, oid          number
//   int8                     number while it is a safe integer, bigint beyond (never the other way round)
//   float4, float8           number (float4 rounded by Math.fround)
//   numeric                  Decimal
//   text, varchar, name, json, jsonb     string (jsonb in its canonical spelling)
//   bpchar                   string without its trailing blanks: padded on output, compared without them
//   uuid                     string, canonical and lower case
//   bytea                    Uint8Array
//   date                     number: days since 2000-01-01, ±Infinity
//   time                     number: microseconds since midnight
//   timestamp, timestamptz   as int8: microseconds since 2000-01-01 (UTC), ±Infinity
//   interval                 Interval
//   arrays                   ArrayValue
//
// The room `rows` knows values, their encodings and the programs that run over them; it knows nothing of tables,
// transactions or SQL text.

import { compareBytes } from '../base/bytes.ts';
import { unsupported } from '../base/errors.ts';
import { ArrayOf, compareArrays } from './array.ts';
import { compareText } from './compare-text.ts';
import { Decimal } from './decimal.ts';
import { compareIntervals, type Interval } from './interval.ts';
import { compareJsonb, jsonbHashKey } from './json-value.ts';
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

export type Datum =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Decimal
  | Interval
  | ArrayValue;

export type ArrayValue = ArrayOf<Datum>;
export const ArrayValue: typeof ArrayOf<Datum> = ArrayOf;

const INT8_MIN = -(2n ** 63n);
const INT8_MAX = 2n ** 63n - 1n;

/** A number when it is safe, as int8 datums must be. */
export function normalizeInt8(value: bigint | number): number | bigint {
  if (typeof value === 'number') return value;
  if (value >= -9007199254740991n && value <= 9007199254740991n) return Number(value);
  return value;
}

export function fitsInt8(value: bigint): boolean {
  return value >= INT8_MIN && value <= INT8_MAX;
}

/** NaN is greatest and equal to itself; -0 equals 0. */
export function compareFloats(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  const aNaN = a !== a;
  return aNaN === (b !== b) ? 0 : aNaN ? 1 : -1;
}

/** How values of a type compare: what the ordered types have in common. */
export type Ordering =
  | 'number'
  | 'float'
  | 'text'
  | 'bytes'
  | 'bool'
  | 'decimal'
  | 'interval'
  | 'json'
  | 'array';

export function orderingOf(oid: number): Ordering | undefined {
  switch (oid) {
    case INT2:
    case INT4:
    case INT8:
    case OID:
    case REGPROC:
    case REGCLASS:
    case REGTYPE:
    case REGNAMESPACE:
    case REGROLE:
    case DATE:
    case TIME:
    case TIMESTAMP:
    case TIMESTAMPTZ:
      return 'number';
    case FLOAT4:
    case FLOAT8:
      return 'float';
    case TEXT:
    case VARCHAR:
    case BPCHAR:
    case NAME:
    case CHAR1:
    case UNKNOWN:
    case UUID:
      return 'text';
    case BYTEA:
      return 'bytes';
    case BOOL:
      return 'bool';
    case NUMERIC:
      return 'decimal';
    case INTERVAL:
      return 'interval';
    case JSONB:
      return 'json';
    default: {
      const element = elementOf(oid);
      return element === undefined || orderingOf(element) === undefined ? undefined : 'array';
    }
  }
}

/** PostgreSQL's order of two non-null values of one type (text in the C collation). */
export function compareDatums(oid: number, a: Datum, b: Datum): number {
  switch (orderingOf(oid)) {
    case 'number': {
      const x = a as number;
      const y = b as number;
      return x < y ? -1 : x > y ? 1 : 0;
    }
    case 'float':
      return compareFloats(a as number, b as number);
    case 'text':
      return compareText(a as string, b as string);
    case 'bytes':
      return compareBytes(a as Uint8Array, b as Uint8Array);
    case 'bool':
      return Number(a) - Number(b);
    case 'decimal':
      return (a as Decimal).compare(b as Decimal);
    case 'interval':
      return compareIntervals(a as Interval, b as Interval);
    case 'json':
      return compareJsonb(a as string, b as string);
    case 'array': {
      const element = (a as ArrayValue).elementOid;
      return compareArrays(a as ArrayValue, b as ArrayValue, (x, y) =>
        compareDatums(element, x, y),
      );
    }
    case undefined:
      throw unsupported(`comparing values of type ${oid === JSON_TYPE ? 'json' : oid}`);
  }
}

/** NULL equals only NULL here. */
export function equalDatums(oid: number, a: Datum, b: Datum): boolean {
  if (a === null || b === null) return a === b;
  if (a === b) return true;
  return compareDatums(oid, a, b) === 0;
}

/** A primitive that two non-null values share exactly when they are equal: for Map and Set. */
export function hashKey(oid: number, value: Datum): string | number | bigint | boolean {
  switch (orderingOf(oid)) {
    case 'bytes': {
      let key = '';
      for (const byte of value as Uint8Array) key += String.fromCharCode(byte);
      return key;
    }
    case 'decimal':
      return (value as Decimal).normalized().toString();
    case 'interval':
      return (value as Interval).spanMicros();
    case 'number':
    case 'float':
    case 'text':
    case 'bool':
      return value as string | number | bigint | boolean;
    case 'json':
      return jsonbHashKey(value as string);
    case 'array':
      return arrayHashKey(value as ArrayValue);
    case undefined:
      throw unsupported(`grouping by values of type ${oid === JSON_TYPE ? 'json' : oid}`);
  }
}

function arrayHashKey({ elementOid, lengths, lowers, items }: ArrayValue): string {
  let key = `${lengths.join(',')}/${lowers.join(',')}`;
  for (const item of items) {
    if (item === null) {
      key += '~';
      continue;
    }
    const part = hashKey(elementOid, item);
    // -0 and 0 print alike.
    const text = String(part);
    // Lengths keep neighbours apart.
    key += `;${text.length}:${text}`;
  }
  return key;
}

export { Decimal } from './decimal.ts';
export { Interval } from './interval.ts';
