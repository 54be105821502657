// More of mathematics: number theory, buckets, trigonometry, exact exponentials and logarithms, counts of NULLs.

import { DbError } from '../base/errors.ts';
import { type ArrayValue, compareDatums, type Datum, normalizeInt8 } from './datum.ts';
import { Decimal, overflow } from './decimal.ts';
import * as exact from './decimal-transcendental.ts';
import { ANY_VALUE, scalar, type ScalarFunction, typed } from './function-types.ts';
import { toInt4, toInt8 } from './number-casts.ts';
import {
  ANYCOMPATIBLE,
  ANYCOMPATIBLEARRAY,
  BYTEA,
  type ColumnType,
  elementOf,
  FLOAT8,
  INT4,
  INT8,
  NUMERIC,
  TEXT,
} from './types.ts';

type Int8 = number | bigint;

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function commonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [absolute(a), absolute(b)];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

function commonMultiple(a: bigint, b: bigint): bigint {
  if (a === 0n || b === 0n) return 0n;
  return absolute((a / commonDivisor(a, b)) * b);
}

/** Both at one scale. */
function ofDecimals(
  a: Decimal,
  b: Decimal,
  combine: (a: bigint, b: bigint) => bigint,
  isMultiple: boolean,
): Decimal {
  if (!a.isFinite || !b.isFinite) return Decimal.NAN;
  const scale = Math.max(a.scale, b.scale);
  const result = combine(a.round(scale).unscaled, b.round(scale).unscaled);
  const value = Decimal.of(result, scale);
  // Like a product it may outgrow the format.
  return isMultiple ? value.mul(Decimal.ONE) : value;
}

function fitInt4(value: bigint): number {
  return toInt4(value);
}

const theory: readonly ScalarFunction[] = (
  [
    ['gcd', commonDivisor],
    ['lcm', commonMultiple],
  ] as const
).flatMap(([name, combine]) => [
  scalar(name, [INT4, INT4], INT4, (a: number, b: number) =>
    fitInt4(combine(BigInt(a), BigInt(b))),
  ),
  scalar(name, [INT8, INT8], INT8, (a: Int8, b: Int8) => toInt8(combine(BigInt(a), BigInt(b)))),
  scalar(name, [NUMERIC, NUMERIC], NUMERIC, (a: Decimal, b: Decimal) =>
    ofDecimals(a, b, combine, name === 'lcm'),
  ),
]);

const FACTORIAL_MAX = 32177;

function factorial(value: Int8): Decimal {
  if (value < 0) throw new DbError('22003', 'factorial of a negative number is undefined');
  if (value > FACTORIAL_MAX) throw overflow();
  let product = 1n;
  for (let n = 2n; n <= value; n++) product *= n;
  return Decimal.of(product);
}

function bucketError(why: string): DbError {
  return new DbError('2201G', why);
}

function bucketOfFloat(value: number, low: number, high: number, count: number): number {
  if (count <= 0) throw bucketError('count must be greater than zero');
  if (Number.isNaN(value) || Number.isNaN(low) || Number.isNaN(high)) {
    throw bucketError('operand, lower bound, and upper bound cannot be NaN');
  }
  if (!Number.isFinite(low) || !Number.isFinite(high)) {
    throw bucketError('lower and upper bounds must be finite');
  }
  if (low === high) throw bucketError('lower bound cannot equal upper bound');
  const isRising = low < high;
  if (isRising ? value < low : value > low) return 0;
  if (isRising ? value >= high : value <= high) return toInt4(count + 1);
  const span = high - low;
  const part = Number.isFinite(span)
    ? (value - low) / span
    : (value / 2 - low / 2) / (high / 2 - low / 2);
  return Math.min(Math.trunc(count * part), count - 1) + 1;
}

function bucketOfDecimal(value: Decimal, low: Decimal, high: Decimal, count: number): number {
  if (count <= 0) throw bucketError('count must be greater than zero');
  if (value.kind === 'nan' || low.kind === 'nan' || high.kind === 'nan') {
    throw bucketError('operand, lower bound, and upper bound cannot be NaN');
  }
  if (!low.isFinite || !high.isFinite) {
    throw bucketError('lower and upper bounds must be finite');
  }
  const order = low.compare(high);
  if (order === 0) throw bucketError('lower bound cannot equal upper bound');
  const isRising = order < 0;
  const fromLow = value.compare(low);
  const fromHigh = value.compare(high);
  if (isRising ? fromLow < 0 : fromLow > 0) return 0;
  if (isRising ? fromHigh >= 0 : fromHigh <= 0) return toInt4(count + 1);
  // Rounded as numeric.c divides, so that what is next to a bound may be beyond it.
  const part = value.sub(low).abs().mul(Decimal.fromInteger(count)).div(high.sub(low).abs());
  return toInt4(part.add(Decimal.ONE).floor().unscaled);
}

/** How many of the sorted thresholds are not above the value. */
function bucketOfArray(type: ColumnType): (value: Datum, thresholds: ArrayValue) => number {
  const element = elementOf(type.oid) ?? TEXT;
  return (value, { dimensions, items }) => {
    if (dimensions > 1) throw new DbError('2202E', 'thresholds must be one-dimensional array');
    if (items.includes(null)) {
      throw new DbError('22004', 'thresholds array must not contain NULLs');
    }
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareDatums(element, value, items[middle] as Datum) < 0) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

const buckets: readonly ScalarFunction[] = [
  scalar('width_bucket', [FLOAT8, FLOAT8, FLOAT8, INT4], INT4, bucketOfFloat),
  scalar('width_bucket', [NUMERIC, NUMERIC, NUMERIC, INT4], INT4, bucketOfDecimal),
  typed('width_bucket', [ANYCOMPATIBLE, ANYCOMPATIBLEARRAY], INT4, true, ([, type]) =>
    bucketOfArray(type as ColumnType),
  ),
];

function inRange(value: number): DbError | undefined {
  return Number.isNaN(value) ? new DbError('22003', 'input is out of range') : undefined;
}

/** A function that is not defined everywhere. */
function partial(run: (value: number) => number): (value: number) => number {
  return (value) => {
    if (Number.isNaN(value)) return value;
    const result = run(value);
    const error = inRange(result);
    if (error !== undefined) throw error;
    return result;
  };
}

/** Degrees at which the answer is exact. */
function sineOfDegrees(degrees: number): number {
  if (Number.isNaN(degrees)) return degrees;
  if (!Number.isFinite(degrees)) throw new DbError('22003', 'input is out of range');
  let angle = degrees % 360;
  let sign = 1;
  if (angle < 0) {
    angle = -angle;
    sign = -sign;
  }
  if (angle > 180) {
    angle = 360 - angle;
    sign = -sign;
  }
  if (angle > 90) angle = 180 - angle;
  return sign * quadrantSine(angle);
}

function cosineOfDegrees(degrees: number): number {
  if (Number.isNaN(degrees)) return degrees;
  if (!Number.isFinite(degrees)) throw new DbError('22003', 'input is out of range');
  let angle = Math.abs(degrees % 360);
  let sign = 1;
  if (angle > 180) angle = 360 - angle;
  if (angle > 90) {
    angle = 180 - angle;
    sign = -sign;
  }
  return sign * quadrantCosine(angle);
}

const DEGREE = Math.PI / 180;
const SINE_OF_30 = Math.sin(30 * DEGREE);
const ONE_LESS_COSINE_OF_60 = 1 - Math.cos(60 * DEGREE);

/** float.c brings these to exactly 1/2 at 30 and 60 degrees. */
function quadrantSine(angle: number): number {
  return angle <= 30 ? smallSine(angle) : smallCosine(90 - angle);
}

function quadrantCosine(angle: number): number {
  return angle <= 60 ? smallCosine(angle) : smallSine(90 - angle);
}

function smallSine(angle: number): number {
  return Math.sin(angle * DEGREE) / SINE_OF_30 / 2;
}

function smallCosine(angle: number): number {
  return 1 - (1 - Math.cos(angle * DEGREE)) / ONE_LESS_COSINE_OF_60 / 2;
}

const trigonometry: readonly ScalarFunction[] = [
  scalar('asin', [FLOAT8], FLOAT8, partial(Math.asin)),
  scalar('acos', [FLOAT8], FLOAT8, partial(Math.acos)),
  scalar('atan', [FLOAT8], FLOAT8, Math.atan),
  scalar('atan2', [FLOAT8, FLOAT8], FLOAT8, Math.atan2),
  scalar(
    'cot',
    [FLOAT8],
    FLOAT8,
    partial((value) => 1 / Math.tan(value)),
  ),
  scalar('sinh', [FLOAT8], FLOAT8, Math.sinh),
  scalar('cosh', [FLOAT8], FLOAT8, Math.cosh),
  scalar('tanh', [FLOAT8], FLOAT8, Math.tanh),
  scalar('asinh', [FLOAT8], FLOAT8, Math.asinh),
  scalar('acosh', [FLOAT8], FLOAT8, partial(Math.acosh)),
  scalar('atanh', [FLOAT8], FLOAT8, partial(Math.atanh)),
  scalar('sind', [FLOAT8], FLOAT8, sineOfDegrees),
  scalar('cosd', [FLOAT8], FLOAT8, cosineOfDegrees),
  scalar('||/', [FLOAT8], FLOAT8, Math.cbrt),
  scalar('|/', [FLOAT8], FLOAT8, (value: number) => {
    if (value < 0) throw new DbError('2201F', 'cannot take square root of a negative number');
    return Math.sqrt(value);
  }),
];

const TEN = Decimal.of(10n);

const exactFunctions: readonly ScalarFunction[] = [
  scalar('exp', [NUMERIC], NUMERIC, exact.exp),
  scalar('ln', [NUMERIC], NUMERIC, exact.ln),
  scalar('log', [NUMERIC], NUMERIC, (value: Decimal) => exact.log(TEN, value)),
  scalar('log10', [NUMERIC], NUMERIC, (value: Decimal) => exact.log(TEN, value)),
  scalar('log', [NUMERIC, NUMERIC], NUMERIC, exact.log),
  ...['power', 'pow', '^'].map((name) => scalar(name, [NUMERIC, NUMERIC], NUMERIC, exact.power)),
  scalar('factorial', [INT8], NUMERIC, factorial),
  scalar('min_scale', [NUMERIC], INT4, (value: Decimal) =>
    value.isFinite ? value.normalized().scale : null,
  ),
];

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let left = byte; left > 0; left >>= 1) count += left & 1;
  return count;
});

const counting: readonly ScalarFunction[] = [
  scalar('bit_count', [BYTEA], INT8, (bytes: Uint8Array) => {
    let count = 0;
    for (const byte of bytes) count += BITS[byte] as number;
    return normalizeInt8(count);
  }),
  typed('num_nonnulls', [ANY_VALUE], INT4, false, () => countOf((value) => value !== null), true),
  typed('num_nulls', [ANY_VALUE], INT4, false, () => countOf((value) => value === null), true),
];

function countOf(holds: (value: Datum) => boolean): (...values: Datum[]) => number {
  return (...values) => values.filter(holds).length;
}

export const numberFunctions: readonly ScalarFunction[] = [
  ...theory,
  ...buckets,
  ...trigonometry,
  ...exactFunctions,
  ...counting,
];
