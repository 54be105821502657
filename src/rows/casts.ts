// Casts between types, and in which context each may happen: PostgreSQL's pg_cast plus conversions through text.
// Times are cast in UTC.

import { DbError, unsupported } from '../base/errors.ts';
import {
  DATE_END,
  FIRST_DAY,
  joinTimestamp,
  MICROS_PER_DAY,
  splitTimestamp,
  TIMESTAMP_END_DAY,
} from './calendar.ts';
import type { ArrayValue, Datum } from './datum.ts';
import { Decimal } from './decimal.ts';
import { Interval } from './interval.ts';
import { parseJsonb } from './json.ts';
import { applyModifier, trimBlanks } from './modifiers.ts';
import * as numbers from './number-casts.ts';
import { formatText, parseText } from './text-format.ts';
import { sqlTypeName } from './type-names.ts';
import {
  BOOL,
  BPCHAR,
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
  REG_TYPES,
  REGPROC,
  REGROLE,
  REGTYPE,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  UNKNOWN,
  VARCHAR,
  VOID,
} from './types.ts';

export type CastContext = 'implicit' | 'assignment' | 'explicit';

/** Rows are sources; i, a, e: implicit, in assignments, only explicit. */
const KINDS: ReadonlyMap<number, ReadonlyMap<number, CastContext>> = new Map([
  [INT2, targets({ i: [INT4, INT8, FLOAT4, FLOAT8, NUMERIC, OID, ...REG_TYPES] })],
  [INT4, targets({ i: [INT8, FLOAT4, FLOAT8, NUMERIC, OID, ...REG_TYPES], a: [INT2], e: [BOOL] })],
  [INT8, targets({ i: [FLOAT4, FLOAT8, NUMERIC, OID, ...REG_TYPES], a: [INT2, INT4] })],
  [OID, targets({ i: [...REG_TYPES], a: [INT4, INT8] })],
  ...REG_TYPES.map((oid) => [oid, targets({ i: [OID], a: [INT4, INT8] })] as const),
  [FLOAT4, targets({ i: [FLOAT8], a: [INT2, INT4, INT8, NUMERIC] })],
  [FLOAT8, targets({ a: [INT2, INT4, INT8, FLOAT4, NUMERIC] })],
  [NUMERIC, targets({ i: [FLOAT4, FLOAT8], a: [INT2, INT4, INT8] })],
  [BOOL, targets({ a: [TEXT, VARCHAR, BPCHAR], e: [INT4] })],
  [TEXT, targets({ i: [VARCHAR, BPCHAR, NAME], a: [CHAR1] })],
  [VARCHAR, targets({ i: [TEXT, BPCHAR, NAME], a: [CHAR1] })],
  [BPCHAR, targets({ i: [TEXT, VARCHAR, NAME], a: [CHAR1] })],
  [NAME, targets({ i: [TEXT], a: [VARCHAR, BPCHAR] })],
  [CHAR1, targets({ i: [TEXT], a: [VARCHAR, BPCHAR] })],
  [DATE, targets({ i: [TIMESTAMP, TIMESTAMPTZ] })],
  [TIME, targets({ i: [INTERVAL] })],
  [TIMESTAMP, targets({ i: [TIMESTAMPTZ], a: [DATE, TIME] })],
  [TIMESTAMPTZ, targets({ a: [DATE, TIME, TIMESTAMP] })],
  [INTERVAL, targets({ a: [TIME] })],
  [JSON_TYPE, targets({ a: [JSONB] })],
  [JSONB, targets({ a: [JSON_TYPE], e: [BOOL, INT2, INT4, INT8, FLOAT4, FLOAT8, NUMERIC] })],
]);

function targets(lists: {
  i?: number[];
  a?: number[];
  e?: number[];
}): ReadonlyMap<number, CastContext> {
  const out = new Map<number, CastContext>();
  for (const oid of lists.i ?? []) out.set(oid, 'implicit');
  for (const oid of lists.a ?? []) out.set(oid, 'assignment');
  for (const oid of lists.e ?? []) out.set(oid, 'explicit');
  return out;
}

function isString(oid: number): boolean {
  return oid === TEXT || oid === VARCHAR || oid === BPCHAR;
}

/** The least explicit context in which the cast happens; undefined when there is none. */
export function castKind(from: number, to: number): CastContext | undefined {
  if (from === to || from === UNKNOWN) return 'implicit';
  const kind = KINDS.get(from)?.get(to);
  if (kind !== undefined) return kind;
  if (from === VOID || to === VOID || to === UNKNOWN) return undefined;
  const fromElement = elementOf(from);
  const toElement = elementOf(to);
  if (fromElement !== undefined && toElement !== undefined) return castKind(fromElement, toElement);
  // Everything has a text form; reading one needs to be asked for.
  if (isString(to) || to === NAME) return 'assignment';
  if (isString(from) || from === NAME) return 'explicit';
  return undefined;
}

export function castDatum(
  from: ColumnType,
  to: ColumnType,
  value: Datum,
  context: CastContext,
): Datum {
  if (value === null) return null;
  const converted = from.oid === to.oid ? value : convert(from, to, value, context);
  return to.modifier < 0 && to.oid !== NAME && to.oid !== BPCHAR
    ? converted
    : applyModifier(to, converted, context === 'explicit');
}

/** A cast whose types are known: what compiled expressions call. */
export function compileCast(
  from: ColumnType,
  to: ColumnType,
  context: CastContext,
): (value: Datum) => Datum {
  if (from.oid === to.oid && to.modifier < 0) return (value) => value;
  if (to.modifier < 0) {
    // Widening without a change of representation.
    const same =
      ((from.oid === INT2 || from.oid === INT4) &&
        (to.oid === INT4 || to.oid === INT8 || to.oid === FLOAT8)) ||
      (from.oid === FLOAT4 && to.oid === FLOAT8) ||
      ((from.oid === TEXT || from.oid === VARCHAR) && (to.oid === TEXT || to.oid === VARCHAR)) ||
      (from.oid === BPCHAR && (to.oid === TEXT || to.oid === VARCHAR));
    if (same) return (value) => value;
  }
  return (value) => castDatum(from, to, value, context);
}

function convert(from: ColumnType, to: ColumnType, value: Datum, context: CastContext): Datum {
  if (castKind(from.oid, to.oid) === undefined) {
    throw new DbError('42846', `cannot cast type ${bareName(from)} to ${bareName(to)}`);
  }
  if (from.oid === UNKNOWN) return parseText({ oid: to.oid, modifier: -1 }, value as string);
  const element = elementOf(to.oid);
  if (element !== undefined && elementOf(from.oid) !== undefined) {
    return convertItems(from, { oid: element, modifier: -1 }, value as ArrayValue, context);
  }
  if (to.oid === NAME) return formatText({ oid: from.oid, modifier: -1 }, value);
  if (isString(to.oid) || to.oid === CHAR1) return toText(from, value);
  switch (to.oid) {
    case BOOL:
      if (from.oid === INT4) return value !== 0;
      break;
    case INT2:
    case INT4:
    case INT8:
    case OID:
    case REGPROC:
    case REGCLASS:
    case REGTYPE:
    case REGNAMESPACE:
    case REGROLE:
    case FLOAT4:
    case FLOAT8:
    case NUMERIC:
      if (!isString(from.oid) && from.oid !== JSONB) return toNumberType(from.oid, to.oid, value);
      break;
    case DATE:
    case TIME:
    case TIMESTAMP:
    case TIMESTAMPTZ:
    case INTERVAL:
      if (!isString(from.oid)) return toTimeType(from.oid, to.oid, value);
      break;
    case JSONB:
      return parseJsonb(value as string);
    case JSON_TYPE:
      if (from.oid === JSONB) return value;
      break;
  }
  if (isString(from.oid) || from.oid === NAME) {
    return parseText({ oid: to.oid, modifier: -1 }, value as string);
  }
  if (from.oid === JSONB) return fromJsonb(to, value as string, context);
  throw unsupported(`a cast from ${sqlTypeName(from)} to ${sqlTypeName(to)}`);
}

function convertItems(
  from: ColumnType,
  to: ColumnType,
  array: ArrayValue,
  context: CastContext,
): ArrayValue {
  const item = { oid: array.elementOid, modifier: from.modifier };
  return array.withItems(
    to.oid,
    array.items.map((one) => (one === null ? null : castDatum(item, to, one, context))),
  );
}

function bareName(type: ColumnType): string {
  return sqlTypeName({ oid: type.oid, modifier: -1 });
}

/** As the output function writes it, but for bool, and char(n) without its padding. */
function toText(from: ColumnType, value: Datum): string {
  if (from.oid === BOOL) return value === true ? 'true' : 'false';
  if (from.oid === BPCHAR) return trimBlanks(value as string);
  return formatText(from, value);
}

function fromJsonb(to: ColumnType, text: string, context: CastContext): Datum {
  const kind = /^["[{ntf]/.exec(text)?.[0];
  const name =
    kind === '"' ? 'string' : kind === '[' ? 'array' : kind === '{' ? 'object' : undefined;
  if (kind === 't' || kind === 'f') {
    if (to.oid === BOOL) return kind === 't';
  } else if (kind === undefined && to.oid !== BOOL) {
    return convert({ oid: NUMERIC, modifier: -1 }, to, Decimal.parse(text), context);
  }
  const what = name ?? (kind === 'n' ? 'null' : kind === undefined ? 'numeric' : 'boolean');
  throw new DbError('22023', `cannot cast jsonb ${what} to type ${sqlTypeName(to)}`);
}

function toNumberType(from: number, to: number, value: Datum): Datum {
  switch (from) {
    case BOOL:
      return value === true ? 1 : 0;
    case NUMERIC:
      return fromDecimal(value as Decimal, to);
    case FLOAT4:
    case FLOAT8:
      return fromFloat(value as number, from, to);
    default:
      return fromInteger(value as number | bigint, from, to);
  }
}

function fromDecimal(value: Decimal, to: number): Datum {
  switch (to) {
    case INT2:
      return numbers.decimalToInt(value, 'smallint');
    case INT4:
      return numbers.decimalToInt(value, 'integer');
    case INT8:
      return numbers.decimalToInt(value, 'bigint');
    case FLOAT4:
      return numbers.decimalToFloat4(value);
    case FLOAT8:
      return numbers.decimalToFloat8(value);
    default:
      return value;
  }
}

function fromFloat(value: number, from: number, to: number): Datum {
  switch (to) {
    case INT2:
      return numbers.floatToInt(value, 'smallint');
    case INT4:
      return numbers.floatToInt(value, 'integer');
    case INT8:
      return numbers.floatToInt(value, 'bigint');
    case FLOAT4:
      return numbers.toFloat4(value);
    case NUMERIC:
      return Decimal.fromFloat(value, from === FLOAT4 ? 6 : 15);
    default:
      return value;
  }
}

function fromInteger(value: number | bigint, from: number, to: number): Datum {
  switch (to) {
    case INT2:
      return numbers.toInt2(value);
    case INT4:
      return numbers.toInt4(value);
    case OID:
    case REGPROC:
    case REGCLASS:
    case REGTYPE:
    case REGNAMESPACE:
    case REGROLE:
      // The smaller ones' bits are taken as they are.
      return from === INT8 ? numbers.toOid(value) : (value as number) >>> 0;
    case FLOAT4:
      return Math.fround(Number(value));
    case FLOAT8:
      return Number(value);
    case NUMERIC:
      return Decimal.fromInteger(value);
    default:
      return value;
  }
}

function toTimeType(from: number, to: number, value: Datum): Datum {
  if (from === INTERVAL && to === TIME) {
    const { micros } = value as Interval;
    return ((micros % MICROS_PER_DAY) + MICROS_PER_DAY) % MICROS_PER_DAY;
  }
  if (from === TIME) {
    if (to === INTERVAL) return new Interval(0, 0, value as number);
    throw unsupported('this cast of a time');
  }
  if (from === DATE) return dateToTimestamp(value as number);
  // Both kinds of timestamp are microseconds in UTC.
  if (to === TIMESTAMP || to === TIMESTAMPTZ) return value;
  if (to === DATE) return timestampToDate(value as number | bigint);
  if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) return null;
  return splitTimestamp(value as number | bigint).micros;
}

export function dateToTimestamp(days: number): number | bigint {
  if (!Number.isFinite(days)) return days;
  if (days >= TIMESTAMP_END_DAY) throw new DbError('22008', 'date out of range for timestamp');
  return joinTimestamp(days, 0);
}

export function timestampToDate(value: number | bigint): number {
  if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
    return value as number;
  return splitTimestamp(value).days;
}

export function checkDate(days: number): number {
  if (days < FIRST_DAY || days >= DATE_END) throw new DbError('22008', 'date out of range');
  return days;
}
