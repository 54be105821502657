// Strings to and from UTF-8 inside larger buffers. Short ASCII goes by hand: the platform's encoder and decoder cost
// more than they save below some 16 characters (npm run bench -- micro).

import { type ByteWriter, fromUtf8, utf8 } from '../base/bytes.ts';
import { NUMBER_BYTES_MAX, putInteger } from './put-number.ts';

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

/** The decimal digits of an integer datum. */
export function writeInteger(writer: ByteWriter, value: number | bigint): void {
  if (typeof value === 'bigint') {
    writeAscii(writer, value.toString());
    return;
  }
  writer.reserve(NUMBER_BYTES_MAX);
  writer.length = putInteger(writer.bytes, writer.length, value);
}
