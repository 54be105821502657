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

/** The decimal digits of an integer datum. */
export function writeInteger(writer: ByteWriter, value: number | bigint): void {
  if (typeof value === 'bigint' || value > 9999999999 || value < -9999999999) {
    writeUtf8(writer, value.toString());
    return;
  }
  writer.reserve(12);
  const bytes = writer.bytes;
  let at = writer.length;
  let rest = value;
  if (rest < 0) {
    bytes[at++] = 45;
    rest = -rest;
  }
  if (rest < 10) {
    bytes[at] = 48 + rest;
    writer.length = at + 1;
    return;
  }
  let digits = 1;
  for (let bound = 10; bound <= rest; bound *= 10) digits++;
  for (let i = at + digits - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    bytes[i] = 48 + (rest - next * 10);
    rest = next;
  }
  writer.length = at + digits;
}
