// Numbers of one type as another: range checks, rounding (floats to integers half to even, numeric half away from
// zero) and PostgreSQL's messages.

import { DbError } from '../base/errors.ts';
import { fitsInt8, normalizeInt8 } from './datum.ts';
import type { Decimal } from './decimal.ts';

export function outOfRange(typeName: string): DbError {
  return new DbError('22003', `${typeName} out of range`);
}

export function toInt2(value: number | bigint): number {
  if (value < -32768 || value > 32767) throw outOfRange('smallint');
  return Number(value);
}

export function toInt4(value: number | bigint): number {
  if (value < -2147483648 || value > 2147483647) throw outOfRange('integer');
  return Number(value);
}

export function toInt8(value: bigint): number | bigint {
  if (!fitsInt8(value)) throw outOfRange('bigint');
  return normalizeInt8(value);
}

export function toOid(value: number | bigint): number {
  if (value < 0 || value > 4294967295) throw outOfRange('OID');
  return Number(value);
}

export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor + 0;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor + 0 : floor + 1;
}

export function floatToInt(
  value: number,
  typeName: 'smallint' | 'integer' | 'bigint',
): number | bigint {
  const rounded = roundHalfEven(value);
  switch (typeName) {
    case 'smallint':
      if (!(rounded >= -32768 && rounded <= 32767)) throw outOfRange(typeName);
      return rounded;
    case 'integer':
      if (!(rounded >= -2147483648 && rounded <= 2147483647)) throw outOfRange(typeName);
      return rounded;
    case 'bigint':
      // 2^63 itself is a float, and too large.
      if (!(rounded >= -(2 ** 63) && rounded < 2 ** 63)) throw outOfRange(typeName);
      return Number.isSafeInteger(rounded) ? rounded : BigInt(rounded);
  }
}

export function decimalToInteger(
  value: Decimal,
  typeName: 'smallint' | 'integer' | 'bigint',
): bigint {
  if (value.kind === 'nan') throw new DbError('0A000', `cannot convert NaN to ${typeName}`);
  if (value.kind !== 'finite') throw new DbError('0A000', `cannot convert infinity to ${typeName}`);
  return value.scale === 0 ? value.unscaled : value.round(0).unscaled;
}

export function decimalToInt(
  value: Decimal,
  typeName: 'smallint' | 'integer' | 'bigint',
): number | bigint {
  const integer = decimalToInteger(value, typeName);
  switch (typeName) {
    case 'smallint':
      return toInt2(integer);
    case 'integer':
      return toInt4(integer);
    case 'bigint':
      return toInt8(integer);
  }
}

export function decimalToFloat8(value: Decimal): number {
  const float = value.toNumber();
  if (value.kind === 'finite' && !Number.isFinite(float)) {
    throw new DbError('22003', `"${value.toString()}" is out of range for type double precision`);
  }
  return float;
}

export function toFloat4(value: number): number {
  const narrow = Math.fround(value);
  if (Number.isFinite(value)) {
    if (!Number.isFinite(narrow)) throw new DbError('22003', 'value out of range: overflow');
    if (narrow === 0 && value !== 0) throw new DbError('22003', 'value out of range: underflow');
  }
  return narrow;
}

export function decimalToFloat4(value: Decimal): number {
  const wide = value.toNumber();
  const narrow = Math.fround(wide);
  if (value.kind === 'finite' && !Number.isFinite(narrow)) {
    throw new DbError('22003', `"${value.toString()}" is out of range for type real`);
  }
  return narrow;
}
