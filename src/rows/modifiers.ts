// What a type's modifier does to a value: lengths of character types, precision of numeric and of times.

import { DbError } from '../base/errors.ts';
import type { ArrayValue, Datum } from './datum.ts';
import { type Decimal, powerOfTen } from './decimal.ts';
import { numericModifier, sqlTypeName } from './type-names.ts';
import {
  BPCHAR,
  type ColumnType,
  elementOf,
  NAME,
  NUMERIC,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  VARCHAR,
} from './types.ts';

/** Bytes in a value of type name. */
const NAME_BYTES_MAX = 63;

/** Explicit casts cut strings to length; otherwise only blanks may be lost. */
export function applyModifier(type: ColumnType, value: Datum, explicit: boolean): Datum {
  switch (type.oid) {
    case VARCHAR:
      if (type.modifier < 4 || (value as string).length <= type.modifier - 4) return value;
      return fitCharacters(type, value as string, explicit);
    case BPCHAR: {
      const trimmed = trimBlanks(value as string);
      if (type.modifier < 4 || trimmed.length <= type.modifier - 4) return trimmed;
      return trimBlanks(fitCharacters(type, trimmed, explicit));
    }
    case NAME:
      return fitName(value as string);
    case NUMERIC:
      return type.modifier < 4 ? value : fitNumeric(type.modifier, value as Decimal);
    case TIME:
    case TIMESTAMP:
    case TIMESTAMPTZ:
      return type.modifier < 0 || type.modifier >= 6
        ? value
        : roundMicros(value as number | bigint, type.modifier);
    default: {
      const element = elementOf(type.oid);
      if (element === undefined || type.modifier < 0) return value;
      const item = { oid: element, modifier: type.modifier };
      const array = value as ArrayValue;
      const items = array.items.map((one) =>
        one === null ? null : applyModifier(item, one, explicit),
      );
      return array.withItems(element, items);
    }
  }
}

export function trimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 32) end--;
  return end === text.length ? text : text.slice(0, end);
}

/** Code points, as PostgreSQL counts characters. */
export function characterCount(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length - 1; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit < 0xdc00) {
      count--;
      i++;
    }
  }
  return count;
}

/** The UTF-16 offset after `count` characters. */
export function characterOffset(text: string, count: number): number {
  let at = 0;
  for (let left = count; left > 0 && at < text.length; left--) {
    const unit = text.charCodeAt(at);
    at += unit >= 0xd800 && unit < 0xdc00 && at + 1 < text.length ? 2 : 1;
  }
  return at;
}

/** char(n): blanks up to n characters. */
export function padCharacters(text: string, modifier: number): string {
  if (modifier < 4) return text;
  const missing = modifier - 4 - characterCount(text);
  return missing > 0 ? text + ' '.repeat(missing) : text;
}

function fitCharacters(type: ColumnType, text: string, explicit: boolean): string {
  const cut = characterOffset(text, type.modifier - 4);
  if (cut >= text.length) return text;
  if (!explicit && !/^ *$/.test(text.slice(cut))) {
    throw new DbError('22001', `value too long for type ${sqlTypeName(type)}`);
  }
  return text.slice(0, cut);
}

function fitName(text: string): string {
  let bytes = 0;
  let at = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > NAME_BYTES_MAX) return text.slice(0, at);
    at += character.length;
  }
  return text;
}

function fitNumeric(modifier: number, value: Decimal): Decimal {
  const { precision, scale } = numericModifier(modifier);
  if (value.kind === 'nan') return value;
  const rounded = value.round(scale);
  // |unscaled| < 10^precision at this scale; a negative scale leaves trailing zeros.
  const limit = powerOfTen(precision - Math.min(scale, 0));
  const size = rounded.unscaled < 0n ? -rounded.unscaled : rounded.unscaled;
  if (value.kind !== 'finite') {
    throw new DbError('22003', 'numeric field overflow', {
      detail: `A field with precision ${precision}, scale ${scale} cannot hold an infinite value.`,
    });
  }
  if (size >= limit) {
    const digits = precision - scale;
    throw new DbError('22003', 'numeric field overflow', {
      detail: `A field with precision ${precision}, scale ${scale} must round to an absolute value less than ${
        digits === 0 ? '1' : `10^${digits}`
      }.`,
    });
  }
  return rounded;
}

function roundMicros(value: number | bigint, digits: number): number | bigint {
  const unit = 10 ** (6 - digits);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return value;
    // Half away from zero.
    const rounded = Math.sign(value) * Math.floor((Math.abs(value) + unit / 2) / unit) * unit + 0;
    return rounded;
  }
  const wide = BigInt(unit);
  const half = wide / 2n;
  return value < 0n ? -((-value + half) / wide) * wide : ((value + half) / wide) * wide;
}
