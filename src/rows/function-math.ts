// Arithmetic. Operators have both sides of one type (int2, int4, int8, float4, float8, numeric): mixed widths meet by
// implicit casts. Overflow is an error, never a wrong number.

import { DbError } from '../base/errors.ts';
import { fitsInt8, normalizeInt8 } from './datum.ts';
import { Decimal, divisionByZero } from './decimal.ts';
import { scalar, type ScalarFunction } from './function-types.ts';
import { outOfRange, roundHalfEven, toFloat4, toInt2, toInt4 } from './number-casts.ts';
import { FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC, TEXT } from './types.ts';

type Int8 = number | bigint;

function checkedInt8(value: bigint): Int8 {
  if (!fitsInt8(value)) throw outOfRange('bigint');
  return normalizeInt8(value);
}

export function addInt8(a: Int8, b: Int8): Int8 {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return checkedInt8(BigInt(a) + BigInt(b));
}

function subInt8(a: Int8, b: Int8): Int8 {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return checkedInt8(BigInt(a) - BigInt(b));
}

function mulInt8(a: Int8, b: Int8): Int8 {
  if (typeof a === 'number' && typeof b === 'number') {
    // Safe after rounding means exact: a product beyond 2^53 does not round below it.
    const product = a * b;
    if (Number.isSafeInteger(product)) return product + 0;
  }
  return checkedInt8(BigInt(a) * BigInt(b));
}

function divInt8(a: Int8, b: Int8): Int8 {
  if (b === 0) throw divisionByZero();
  if (typeof a === 'number' && typeof b === 'number') return Math.trunc(a / b) + 0;
  return checkedInt8(BigInt(a) / BigInt(b));
}

function modInt8(a: Int8, b: Int8): Int8 {
  if (b === 0) throw divisionByZero();
  if (typeof a === 'number' && typeof b === 'number') return (a % b) + 0;
  return normalizeInt8(BigInt(a) % BigInt(b));
}

function divSmall(a: number, b: number): number {
  if (b === 0) throw divisionByZero();
  return Math.trunc(a / b) + 0;
}

function modSmall(a: number, b: number): number {
  if (b === 0) throw divisionByZero();
  return (a % b) + 0;
}

/** A finite result from finite inputs, or an error. */
function checkedFloat(result: number, overflowing: boolean, vanishing: boolean): number {
  if (overflowing && !Number.isFinite(result))
    throw new DbError('22003', 'value out of range: overflow');
  if (vanishing && result === 0) throw new DbError('22003', 'value out of range: underflow');
  return result;
}

function addFloat(a: number, b: number): number {
  return checkedFloat(a + b, Number.isFinite(a) && Number.isFinite(b), false);
}

function subFloat(a: number, b: number): number {
  return checkedFloat(a - b, Number.isFinite(a) && Number.isFinite(b), false);
}

function mulFloat(a: number, b: number): number {
  return checkedFloat(a * b, Number.isFinite(a) && Number.isFinite(b), a !== 0 && b !== 0);
}

function divFloat(a: number, b: number): number {
  if (b === 0 && !Number.isNaN(a)) throw divisionByZero();
  return checkedFloat(a / b, Number.isFinite(a) && !Number.isNaN(b), a !== 0 && Number.isFinite(b));
}

function floatOperators(oid: number, fit: (value: number) => number): ScalarFunction[] {
  return [
    scalar('+', [oid, oid], oid, (a: number, b: number) => fit(addFloat(a, b))),
    scalar('-', [oid, oid], oid, (a: number, b: number) => fit(subFloat(a, b))),
    scalar('*', [oid, oid], oid, (a: number, b: number) => fit(mulFloat(a, b))),
    scalar('/', [oid, oid], oid, (a: number, b: number) => fit(divFloat(a, b))),
    scalar('-', [oid], oid, (a: number) => -a),
    scalar('+', [oid], oid, (a: number) => a),
    scalar('@', [oid], oid, (a: number) => Math.abs(a)),
    scalar('abs', [oid], oid, (a: number) => Math.abs(a)),
  ];
}

function smallIntOperators(oid: number, fit: (value: number) => number): ScalarFunction[] {
  return [
    scalar('+', [oid, oid], oid, (a: number, b: number) => fit(a + b)),
    scalar('-', [oid, oid], oid, (a: number, b: number) => fit(a - b)),
    scalar('*', [oid, oid], oid, (a: number, b: number) => fit(a * b + 0)),
    scalar('/', [oid, oid], oid, (a: number, b: number) => fit(divSmall(a, b))),
    scalar('%', [oid, oid], oid, modSmall),
    scalar('-', [oid], oid, (a: number) => fit(0 - a)),
    scalar('+', [oid], oid, (a: number) => a),
    scalar('@', [oid], oid, (a: number) => fit(Math.abs(a))),
    scalar('abs', [oid], oid, (a: number) => fit(Math.abs(a))),
    scalar('mod', [oid, oid], oid, modSmall),
    scalar('&', [oid, oid], oid, (a: number, b: number) => a & b),
    scalar('|', [oid, oid], oid, (a: number, b: number) => a | b),
    scalar('#', [oid, oid], oid, (a: number, b: number) => a ^ b),
    scalar('~', [oid], oid, (a: number) => ~a),
    scalar('<<', [oid, INT4], oid, (a: number, b: number) =>
      oid === INT2 ? ((a << b) << 16) >> 16 : a << b,
    ),
    scalar('>>', [oid, INT4], oid, (a: number, b: number) => a >> b),
  ];
}

function bits(a: Int8, b: Int8, combine: (a: bigint, b: bigint) => bigint): Int8 {
  return normalizeInt8(BigInt.asIntN(64, combine(BigInt(a), BigInt(b))));
}

const int8Operators: readonly ScalarFunction[] = [
  scalar('+', [INT8, INT8], INT8, addInt8),
  scalar('-', [INT8, INT8], INT8, subInt8),
  scalar('*', [INT8, INT8], INT8, mulInt8),
  scalar('/', [INT8, INT8], INT8, divInt8),
  scalar('%', [INT8, INT8], INT8, modInt8),
  scalar('-', [INT8], INT8, (a: Int8) => subInt8(0, a)),
  scalar('+', [INT8], INT8, (a: Int8) => a),
  scalar('@', [INT8], INT8, (a: Int8) => (a < 0 ? subInt8(0, a) : a)),
  scalar('abs', [INT8], INT8, (a: Int8) => (a < 0 ? subInt8(0, a) : a)),
  scalar('mod', [INT8, INT8], INT8, modInt8),
  scalar('&', [INT8, INT8], INT8, (a: Int8, b: Int8) => bits(a, b, (x, y) => x & y)),
  scalar('|', [INT8, INT8], INT8, (a: Int8, b: Int8) => bits(a, b, (x, y) => x | y)),
  scalar('#', [INT8, INT8], INT8, (a: Int8, b: Int8) => bits(a, b, (x, y) => x ^ y)),
  scalar('~', [INT8], INT8, (a: Int8) => normalizeInt8(~BigInt(a))),
  scalar('<<', [INT8, INT4], INT8, (a: Int8, b: number) => bits(a, b & 63, (x, y) => x << y)),
  scalar('>>', [INT8, INT4], INT8, (a: Int8, b: number) => bits(a, b & 63, (x, y) => x >> y)),
];

const numericFunctions: readonly ScalarFunction[] = [
  scalar('+', [NUMERIC, NUMERIC], NUMERIC, (a: Decimal, b: Decimal) => a.add(b)),
  scalar('-', [NUMERIC, NUMERIC], NUMERIC, (a: Decimal, b: Decimal) => a.sub(b)),
  scalar('*', [NUMERIC, NUMERIC], NUMERIC, (a: Decimal, b: Decimal) => a.mul(b)),
  scalar('/', [NUMERIC, NUMERIC], NUMERIC, (a: Decimal, b: Decimal) => a.div(b)),
  scalar('%', [NUMERIC, NUMERIC], NUMERIC, (a: Decimal, b: Decimal) => a.mod(b)),
  scalar('mod', [NUMERIC, NUMERIC], NUMERIC, (a: Decimal, b: Decimal) => a.mod(b)),
  scalar('div', [NUMERIC, NUMERIC], NUMERIC, (a: Decimal, b: Decimal) => divWhole(a, b)),
  scalar('-', [NUMERIC], NUMERIC, (a: Decimal) => a.neg()),
  scalar('+', [NUMERIC], NUMERIC, (a: Decimal) => a),
  scalar('@', [NUMERIC], NUMERIC, (a: Decimal) => a.abs()),
  scalar('abs', [NUMERIC], NUMERIC, (a: Decimal) => a.abs()),
  scalar('ceil', [NUMERIC], NUMERIC, (a: Decimal) => a.ceil()),
  scalar('ceiling', [NUMERIC], NUMERIC, (a: Decimal) => a.ceil()),
  scalar('floor', [NUMERIC], NUMERIC, (a: Decimal) => a.floor()),
  scalar('round', [NUMERIC], NUMERIC, (a: Decimal) => a.round(0)),
  scalar('round', [NUMERIC, INT4], NUMERIC, (a: Decimal, scale: number) => a.round(scale)),
  scalar('trunc', [NUMERIC], NUMERIC, (a: Decimal) => a.trunc()),
  scalar('trunc', [NUMERIC, INT4], NUMERIC, (a: Decimal, scale: number) => a.trunc(scale)),
  scalar('sign', [NUMERIC], NUMERIC, (a: Decimal) =>
    a.kind === 'nan' ? a : Decimal.fromInteger(a.sign()),
  ),
  scalar('sqrt', [NUMERIC], NUMERIC, (a: Decimal) => a.sqrt()),
  scalar('scale', [NUMERIC], INT4, (a: Decimal) => (a.isFinite ? a.scale : null)),
  scalar('trim_scale', [NUMERIC], NUMERIC, (a: Decimal) => a.normalized()),
];

function divWhole(a: Decimal, b: Decimal): Decimal {
  if (!a.isFinite || !b.isFinite) return a.div(b).trunc();
  return a.sub(a.mod(b)).div(b).trunc();
}

function power(a: number, b: number): number {
  if (a === 0 && b < 0) throw new DbError('2201F', 'zero raised to a negative power is undefined');
  if (a < 0 && Number.isFinite(b) && !Number.isInteger(b)) {
    throw new DbError(
      '2201F',
      'a negative number raised to a non-integer power yields a complex result',
    );
  }
  // JavaScript answers NaN for these.
  if (a === 1 || b === 0 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b))) return 1;
  return checkedFloat(
    a ** b,
    Number.isFinite(a) && Number.isFinite(b),
    a !== 0 && Number.isFinite(a) && Number.isFinite(b),
  );
}

function logarithm(a: number, log: (a: number) => number): number {
  if (a === 0) throw new DbError('2201E', 'cannot take logarithm of zero');
  if (a < 0) throw new DbError('2201E', 'cannot take logarithm of a negative number');
  return log(a);
}

/** As rint(): what rounds to zero from below is -0. */
function roundFloat(value: number): number {
  const rounded = roundHalfEven(value);
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : rounded;
}

function angle(a: number): number {
  if (!Number.isFinite(a) && !Number.isNaN(a)) throw new DbError('22003', 'input is out of range');
  return a;
}

function squareRoot(a: number): number {
  if (a < 0) throw new DbError('2201F', 'cannot take square root of a negative number');
  return Math.sqrt(a);
}

const floatFunctions: readonly ScalarFunction[] = [
  scalar('ceil', [FLOAT8], FLOAT8, Math.ceil),
  scalar('ceiling', [FLOAT8], FLOAT8, Math.ceil),
  scalar('floor', [FLOAT8], FLOAT8, Math.floor),
  scalar('round', [FLOAT8], FLOAT8, roundFloat),
  scalar('trunc', [FLOAT8], FLOAT8, Math.trunc),
  scalar('sign', [FLOAT8], FLOAT8, (a: number) => (a > 0 ? 1 : a < 0 ? -1 : 0)),
  scalar('sqrt', [FLOAT8], FLOAT8, squareRoot),
  scalar('cbrt', [FLOAT8], FLOAT8, Math.cbrt),
  scalar('power', [FLOAT8, FLOAT8], FLOAT8, power),
  scalar('pow', [FLOAT8, FLOAT8], FLOAT8, power),
  scalar('^', [FLOAT8, FLOAT8], FLOAT8, power),
  scalar('exp', [FLOAT8], FLOAT8, (a: number) =>
    checkedFloat(Math.exp(a), Number.isFinite(a), Number.isFinite(a)),
  ),
  scalar('ln', [FLOAT8], FLOAT8, (a: number) => logarithm(a, Math.log)),
  scalar('log', [FLOAT8], FLOAT8, (a: number) => logarithm(a, Math.log10)),
  scalar('log10', [FLOAT8], FLOAT8, (a: number) => logarithm(a, Math.log10)),
  scalar('pi', [], FLOAT8, () => Math.PI),
  scalar('sin', [FLOAT8], FLOAT8, (a: number) => Math.sin(angle(a))),
  scalar('cos', [FLOAT8], FLOAT8, (a: number) => Math.cos(angle(a))),
  scalar('tan', [FLOAT8], FLOAT8, (a: number) => Math.tan(angle(a))),
  scalar('degrees', [FLOAT8], FLOAT8, (a: number) =>
    checkedFloat(a / (Math.PI / 180), Number.isFinite(a), false),
  ),
  scalar('radians', [FLOAT8], FLOAT8, (a: number) => a * (Math.PI / 180)),
];

export const mathFunctions: readonly ScalarFunction[] = [
  ...smallIntOperators(INT2, toInt2),
  ...smallIntOperators(INT4, toInt4),
  ...int8Operators,
  ...floatOperators(FLOAT4, toFloat4),
  ...floatOperators(FLOAT8, (value) => value),
  ...numericFunctions,
  ...floatFunctions,
  scalar('to_hex', [INT4], TEXT, (a: number) => (a >>> 0).toString(16)),
  scalar('to_hex', [INT8], TEXT, (a: Int8) => BigInt.asUintN(64, BigInt(a)).toString(16)),
];
