// numeric in keys: one byte for the class, then for finite values other than zero the decimal exponent and the digits
// without trailing zeros, two to a byte. Negative values have all bytes after the first inverted. The scale is not
// there: equal values must have equal keys.

import type { ByteWriter } from '../base/bytes.ts';
import { Decimal } from './decimal.ts';

const NEGATIVE_INFINITY = 1;
const NEGATIVE = 2;
const ZERO = 3;
const POSITIVE = 4;
const INFINITY = 5;
const NAN = 6;
/** Exponents are within ±131072: three bytes, biased. */
const EXPONENT_BIAS = 0x800000;

export function writeKeyDecimal(writer: ByteWriter, value: Decimal): void {
  switch (value.kind) {
    case 'nan':
      writer.u8(NAN);
      return;
    case 'infinity':
      writer.u8(INFINITY);
      return;
    case '-infinity':
      writer.u8(NEGATIVE_INFINITY);
      return;
    case 'finite':
      if (value.unscaled === 0n) writer.u8(ZERO);
      else writeFinite(writer, value);
  }
}

function writeFinite(writer: ByteWriter, value: Decimal): void {
  const negative = value.unscaled < 0n;
  const mask = negative ? 0xff : 0;
  const digits = (negative ? -value.unscaled : value.unscaled).toString();
  // The value is 0.d1d2… times 10^exponent, d1 not zero.
  const exponent = digits.length - value.scale + EXPONENT_BIAS;
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === 48) end--;
  writer.reserve(5 + ((end + 1) >> 1));
  const { bytes } = writer;
  let at = writer.length;
  bytes[at++] = negative ? NEGATIVE : POSITIVE;
  bytes[at++] = (exponent >> 16) ^ mask;
  bytes[at++] = ((exponent >> 8) & 0xff) ^ mask;
  bytes[at++] = (exponent & 0xff) ^ mask;
  for (let i = 0; i < end; i += 2) {
    const low = i + 1 < end ? digits.charCodeAt(i + 1) - 48 : 0;
    // 1 to 100: zero ends the digits.
    bytes[at++] = ((digits.charCodeAt(i) - 48) * 10 + low + 1) ^ mask;
  }
  bytes[at++] = mask;
  writer.length = at;
}

export function readKeyDecimal(next: () => number): Decimal {
  const kind = next();
  switch (kind) {
    case NEGATIVE_INFINITY:
      return Decimal.NEGATIVE_INFINITY;
    case ZERO:
      return Decimal.ZERO;
    case INFINITY:
      return Decimal.INFINITY;
    case NAN:
      return Decimal.NAN;
    case NEGATIVE:
    case POSITIVE:
      return readFinite(next, kind === NEGATIVE ? 0xff : 0);
    default:
      throw new RangeError('malformed key: not a numeric');
  }
}

function readFinite(next: () => number, mask: number): Decimal {
  const exponent =
    (((next() ^ mask) << 16) | ((next() ^ mask) << 8) | (next() ^ mask)) - EXPONENT_BIAS;
  let digits = '';
  for (;;) {
    const pair = next() ^ mask;
    if (pair === 0) break;
    digits += (pair - 1).toString().padStart(2, '0');
  }
  // The last pair may have been filled with a zero.
  if (digits.endsWith('0')) digits = digits.slice(0, -1);
  const unscaled = BigInt(digits);
  return Decimal.of(mask === 0 ? unscaled : -unscaled, digits.length - exponent);
}
