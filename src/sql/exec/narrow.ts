// Where a value of a wider type lies among the values of a column's type: int8 against int4 columns, numeric against
// integers, float8 against float4. Comparison with a wider type must not lose rows, nor find too many.

import { compareFloats, type Datum } from '../../rows/datum.ts';
import { normalizeInt8 } from '../../rows/datum.ts';
import { Decimal } from '../../rows/decimal.ts';
import { FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC } from '../../rows/types.ts';

/** `at` is the value itself, or the greatest one below it. */
export type Narrowed =
  | { readonly kind: 'exact'; readonly at: Datum }
  | { readonly kind: 'above'; readonly at: Datum }
  | { readonly kind: 'belowAll' }
  | { readonly kind: 'aboveAll' };

const BELOW_ALL: Narrowed = { kind: 'belowAll' };
const ABOVE_ALL: Narrowed = { kind: 'aboveAll' };

/** Whether values of `from` go as they are where `to` is wanted. */
export function sameRepresentation(from: number, to: number): boolean {
  return from === to || !(isNumeric(from) && isNumeric(to));
}

function isNumeric(oid: number): boolean {
  return isInteger(oid) || oid === NUMERIC || oid === FLOAT4 || oid === FLOAT8;
}

function isInteger(oid: number): boolean {
  return oid === INT2 || oid === INT4 || oid === INT8;
}

/** `value` is of type `from`, not NULL; `to` is the column's. */
export function narrow(from: number, to: number, value: Datum): Narrowed {
  if (sameRepresentation(from, to)) return { kind: 'exact', at: value };
  if (to === FLOAT4) return narrowFloat(value as number);
  if (from === NUMERIC) return narrowDecimal(to, value as Decimal);
  if (from === FLOAT4 || from === FLOAT8) return narrowFromFloat(to, value as number);
  return fitInteger(to, BigInt(value as number | bigint), true);
}

function fitInteger(to: number, value: bigint, exact: boolean): Narrowed {
  const half = to === INT2 ? 1n << 15n : to === INT4 ? 1n << 31n : 1n << 63n;
  if (value < -half) return BELOW_ALL;
  if (value >= half) return ABOVE_ALL;
  return { kind: exact ? 'exact' : 'above', at: normalizeInt8(value) };
}

function narrowDecimal(to: number, value: Decimal): Narrowed {
  if (!value.isFinite) return value.compare(Decimal.ZERO) < 0 ? BELOW_ALL : ABOVE_ALL;
  const floor = value.floor();
  return fitInteger(to, BigInt(floor.toString()), floor.compare(value) === 0);
}

function narrowFromFloat(to: number, value: number): Narrowed {
  if (!Number.isFinite(value)) return value === Number.NEGATIVE_INFINITY ? BELOW_ALL : ABOVE_ALL;
  const floor = Math.floor(value);
  return fitInteger(to, BigInt(floor), floor === value);
}

const floatScratch = new Float32Array(1);
const bitScratch = new Int32Array(floatScratch.buffer);

function narrowFloat(value: number): Narrowed {
  const near = Math.fround(value);
  const order = compareFloats(near, value);
  if (order === 0) return { kind: 'exact', at: near };
  return { kind: 'above', at: order < 0 ? near : floatBefore(near) };
}

/** The next smaller float4. */
function floatBefore(value: number): number {
  if (value === 0) return -1.401298464324817e-45;
  floatScratch[0] = value;
  bitScratch[0] = (bitScratch[0] as number) + (value > 0 ? -1 : 1);
  return floatScratch[0];
}
