// numeric as PostgreSQL sends it: int16 count of base-10000 digits, weight of the first, sign, display scale, digits;
// big-endian. Stored rows hold the same bytes, so that sending one is a copy.

import type { ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import { Decimal, powerOfTen } from './decimal.ts';

const NEGATIVE = 0x4000;
const NAN = 0xc000;
const INFINITY = 0xd000;
const NEGATIVE_INFINITY = 0xf000;

export function writeNumeric(writer: ByteWriter, value: Decimal): void {
  switch (value.kind) {
    case 'nan':
      return writeHeader(writer, 0, 0, NAN, 0);
    case 'infinity':
      return writeHeader(writer, 0, 0, INFINITY, 0);
    case '-infinity':
      return writeHeader(writer, 0, 0, NEGATIVE_INFINITY, 0);
    case 'finite':
      return writeFinite(writer, value);
  }
}

function writeHeader(
  writer: ByteWriter,
  count: number,
  weight: number,
  sign: number,
  scale: number,
): void {
  writer.reserve(8);
  const { view, length } = writer;
  view.setUint16(length, count, false);
  view.setInt16(length + 2, weight, false);
  view.setUint16(length + 4, sign, false);
  view.setUint16(length + 6, scale, false);
  writer.length = length + 8;
}

function writeFinite(writer: ByteWriter, value: Decimal): void {
  const negative = value.unscaled < 0n;
  const sign = negative ? NEGATIVE : 0;
  if (value.unscaled === 0n) return writeHeader(writer, 0, 0, 0, value.scale);
  let digits = (negative ? -value.unscaled : value.unscaled).toString();
  // Digits after the point fill up to groups of four, then those before it do.
  digits += '0'.repeat((4 - (value.scale % 4)) % 4);
  const fractionGroups = Math.ceil(value.scale / 4);
  digits = '0'.repeat((4 - (digits.length % 4)) % 4) + digits;
  let first = 0;
  let last = digits.length / 4;
  const weight = last - fractionGroups - 1;
  while (first < last && digits.startsWith('0000', first * 4)) first++;
  while (last > first && digits.startsWith('0000', (last - 1) * 4)) last--;
  writeHeader(writer, last - first, weight - first, sign, value.scale);
  writer.reserve((last - first) * 2);
  for (let i = first; i < last; i++) {
    const at = i * 4;
    const group =
      (digits.charCodeAt(at) - 48) * 1000 +
      (digits.charCodeAt(at + 1) - 48) * 100 +
      (digits.charCodeAt(at + 2) - 48) * 10 +
      (digits.charCodeAt(at + 3) - 48);
    writer.view.setUint16(writer.length, group, false);
    writer.length += 2;
  }
}

/** Throws DbError 22P03 on bytes that no numeric has. */
export function readNumeric(bytes: Uint8Array, start: number, end: number): Decimal {
  if (end - start < 8) throw malformed('insufficient data left in message');
  const count = u16(bytes, start);
  const weight = (u16(bytes, start + 2) << 16) >> 16;
  const sign = u16(bytes, start + 4);
  const scale = u16(bytes, start + 6);
  if (sign === NAN) return Decimal.NAN;
  if (sign === INFINITY) return Decimal.INFINITY;
  if (sign === NEGATIVE_INFINITY) return Decimal.NEGATIVE_INFINITY;
  if (sign !== 0 && sign !== NEGATIVE) throw malformed('invalid sign in external "numeric" value');
  if (scale > 16383) throw malformed('invalid scale in external "numeric" value');
  if (end - start !== 8 + count * 2) throw malformed('insufficient data left in message');
  let unscaled = 0n;
  // Three groups make up to 12 digits: a number's worth at a time.
  let part = 0;
  let factor = 1;
  for (let i = 0; i < count; i++) {
    const digit = u16(bytes, start + 8 + i * 2);
    if (digit > 9999) throw malformed('invalid digit in external "numeric" value');
    part = part * 10000 + digit;
    factor *= 10000;
    if (factor === 1e12) {
      unscaled = unscaled * 1000000000000n + BigInt(part);
      part = 0;
      factor = 1;
    }
  }
  if (factor > 1) unscaled = unscaled * BigInt(factor) + BigInt(part);
  if (sign === NEGATIVE) unscaled = -unscaled;
  // unscaled * 10000^(weight - count + 1), wanted at `scale`.
  const shift = (weight - count + 1) * 4 + scale;
  if (count === 0) return Decimal.of(0n, scale);
  return Decimal.of(
    shift >= 0 ? unscaled * powerOfTen(shift) : unscaled / powerOfTen(-shift),
    scale,
  );
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function malformed(what: string): DbError {
  return new DbError('22P03', what);
}
