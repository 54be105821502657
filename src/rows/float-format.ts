// Floats as text: the shortest digits that read back as the same value, laid out as PostgreSQL lays them out.

import type { ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import { NUMBER_BYTES_MAX, putFloat8 } from './put-number.ts';
import { writeAscii } from './utf8.ts';

/** Plain notation for exponents from -4 up to the digits that the type surely holds, scientific beyond. */
function layOut(scientific: string, plainBelow: number): string {
  const at = scientific.indexOf('e');
  const exponent = Number(scientific.slice(at + 1));
  const negative = scientific.startsWith('-');
  const digits = scientific.slice(negative ? 1 : 0, at).replace('.', '');
  const sign = negative ? '-' : '';
  if (exponent < -4 || exponent >= plainBelow) {
    const mantissa = digits.length === 1 ? digits : `${digits[0]}.${digits.slice(1)}`;
    const size = Math.abs(exponent);
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${size < 10 ? '0' : ''}${size}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1)
    return sign + digits + '0'.repeat(exponent + 1 - digits.length);
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

function special(value: number): string | undefined {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  if (Number.isNaN(value)) return 'NaN';
  if (value === Number.POSITIVE_INFINITY) return 'Infinity';
  if (value === Number.NEGATIVE_INFINITY) return '-Infinity';
  return undefined;
}

export function formatFloat8(value: number): string {
  const size = Math.abs(value);
  // Where JavaScript and PostgreSQL write the same.
  if (size >= 1e-4 && size < 1e15) return String(value);
  return special(value) ?? layOut(shortest(value, size), 15);
}

const EXACT_MIN = 2 ** 53;
/** Beyond, no number of 17 digits lies exactly between two floats. */
const EXACT_MAX = 1e40;

/** Digits that lie exactly between two floats read back as the even one, which JavaScript makes use of; PostgreSQL does
 * not count on it and writes a digit more. */
function shortest(value: number, size: number): string {
  const text = value.toExponential();
  if (size < EXACT_MIN || size > EXACT_MAX) return text;
  const whole = BigInt(size);
  const spacing = BigInt(2 ** (Math.floor(Math.log2(size)) - 52));
  const isBetween = (digits: string): boolean => {
    const distance = whole - wholeOf(digits.replace('-', ''));
    return 2n * (distance < 0n ? -distance : distance) === spacing;
  };
  if (!isBetween(text)) return text;
  for (let digits = 1; digits < 16; digits++) {
    const longer = value.toExponential(digits);
    if (Number(longer) === value && !isBetween(longer)) return longer.replace(/\.?0+e/, 'e');
  }
  return value.toExponential(16).replace(/\.?0+e/, 'e');
}

/** 1.5e20 as a whole number. */
function wholeOf(scientific: string): bigint {
  const [mantissa = '', exponent = '0'] = scientific.split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return BigInt(whole + fraction.padEnd(Number(exponent), '0'));
}

/** Appends formatFloat8(). */
export function writeFloat8(writer: ByteWriter, value: number): void {
  writer.reserve(NUMBER_BYTES_MAX);
  const end = putFloat8(writer.bytes, writer.length, value);
  if (end < 0) writeAscii(writer, formatFloat8(value));
  else writer.length = end;
}

/** `value` is what Math.fround gave. */
export function formatFloat4(value: number): string {
  const known = special(value);
  if (known !== undefined) return known;
  for (let digits = 0; digits < 9; digits++) {
    const text = value.toExponential(digits);
    if (Math.fround(Number(text)) === value) {
      const [mantissa = '', exponent = ''] = text.split('e');
      const shortest = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
      return layOut(`${shortest}e${exponent}`, 6);
    }
  }
  return layOut(value.toExponential(8), 6);
}

const FLOAT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

export function parseFloat8(text: string, typeName = 'double precision'): number {
  const trimmed = text.trim();
  if (FLOAT.test(trimmed)) {
    const value = Number(trimmed);
    const lost = value === 0 && /[1-9]/.test(trimmed.replace(/[eE].*$/, ''));
    if (!Number.isFinite(value) || lost) throw outOfRange(trimmed, typeName);
    return value;
  }
  switch (trimmed.toLowerCase()) {
    case 'nan':
    case '+nan':
    case '-nan':
      return Number.NaN;
    case 'infinity':
    case '+infinity':
    case 'inf':
    case '+inf':
      return Number.POSITIVE_INFINITY;
    case '-infinity':
    case '-inf':
      return Number.NEGATIVE_INFINITY;
    default:
      throw new DbError('22P02', `invalid input syntax for type ${typeName}: "${text}"`);
  }
}

export function parseFloat4(text: string): number {
  const wide = parseFloat8(text, 'real');
  const value = Math.fround(wide);
  if (Number.isFinite(wide) && (!Number.isFinite(value) || (value === 0 && wide !== 0))) {
    throw outOfRange(text.trim(), 'real');
  }
  return value;
}

function outOfRange(text: string, typeName: string): DbError {
  return new DbError('22003', `"${text}" is out of range for type ${typeName}`);
}
