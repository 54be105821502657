// Strings to and from UTF-8 inside larger buffers. Short ASCII goes by hand: the platform's encoder and decoder cost
// more than they save below some 16 characters (npm run bench -- micro).

import { type ByteWriter, fromUtf8, utf8 } from '../base/bytes.ts';

const SHORT = 16;
/** Above this, three bytes a character would be reserved for little. */
const LONG = 4096;
const encoder = new TextEncoder();

/** Appends without a length; answers how many bytes it took. */
export function writeUtf8(writer: ByteWriter, text: string): number {
  const length = text.length;
  if (length > LONG) {
    const bytes = utf8(text);
    writer.raw(bytes);
    return bytes.length;
  }
  writer.reserve(length * 3);
  const start = writer.length;
  const bytes = writer.bytes;
  let i = 0;
  if (length <= SHORT) {
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) break;
      bytes[start + i] = unit;
    }
    if (i === length) {
      writer.length = start + length;
      return length;
    }
  }
  const { written } = encoder.encodeInto(text, bytes.subarray(start));
  writer.length = start + written;
  return written;
}

export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 8) {
    let out = '';
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte >= 0x80) return fromUtf8(bytes.subarray(start, end));
      out += String.fromCharCode(byte);
    }
    return out;
  }
  return fromUtf8(bytes.subarray(start, end));
}

/** Appends a text of ASCII alone: formatted numbers and dates. */
export function writeAscii(writer: ByteWriter, text: string): void {
  const { length } = text;
  writer.reserve(length);
  const { bytes } = writer;
  const at = writer.length;
  for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
  writer.length = at + length;
}

/** So many digits are divided as 32-bit integers, which is several times faster than as doubles. */
const BILLION = 1_000_000_000;

/** The decimal digits of an integer datum. */
export function writeInteger(writer: ByteWriter, value: number | bigint): void {
  if (typeof value === 'bigint') {
    writeAscii(writer, value.toString());
    return;
  }
  writer.reserve(20);
  let rest = value;
  if (rest < 0) {
    writer.bytes[writer.length++] = 45;
    rest = -rest;
  }
  if (rest < BILLION) {
    writeDigits(writer, rest, digitsOf(rest));
    return;
  }
  const high = Math.floor(rest / BILLION);
  writeDigits(writer, high, digitsOf(high));
  writeDigits(writer, rest - high * BILLION, 9);
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let bound = 10; bound <= value; bound *= 10) digits++;
  return digits;
}

/** The last `digits` digits of a value below 2^31, with zeros in front; there is room for them. */
export function writeDigits(writer: ByteWriter, value: number, digits: number): void {
  const { bytes } = writer;
  const at = writer.length;
  let rest = value | 0;
  for (let i = at + digits - 1; i >= at; i--) {
    const next = (rest / 10) | 0;
    bytes[i] = 48 + rest - next * 10;
    rest = next;
  }
  writer.length = at + digits;
}
