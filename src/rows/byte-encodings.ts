// encode() and decode(): byte strings as hexadecimal, base64 or escaped text.

import { toHex } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import { parseHex } from './text-format.ts';

export function encodeBytes(bytes: Uint8Array, format: string): string {
  switch (format.toLowerCase()) {
    case 'hex':
      return toHex(bytes);
    case 'base64':
      return base64(bytes);
    case 'escape':
      return escaped(bytes);
    default:
      throw unknownEncoding(format);
  }
}

export function decodeBytes(text: string, format: string): Uint8Array {
  switch (format.toLowerCase()) {
    case 'hex':
      return parseHex(text);
    case 'base64':
      return fromBase64(text);
    case 'escape':
      return fromEscaped(text);
    default:
      throw unknownEncoding(format);
  }
}

function unknownEncoding(format: string): DbError {
  return new DbError('22023', `unrecognized encoding: "${format}"`);
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** In lines of 76 characters, as PostgreSQL breaks them. */
function base64(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += 3) {
    if (i > 0 && i % 57 === 0) out += '\n';
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let j = 0; j < 4; j++) {
      out += i + j > bytes.length ? '=' : BASE64[(group >> (18 - 6 * j)) & 63];
    }
  }
  return out;
}

function fromBase64(text: string): Uint8Array {
  const out: number[] = [];
  let bits = 0;
  let count = 0;
  let ended = 0;
  for (const character of text) {
    if (/[ \t\n\r]/.test(character)) continue;
    if (character === '=') {
      // Only where two or three characters of a group stand before it.
      if (ended === 0) {
        if (count < 2) throw new DbError('22023', 'unexpected "=" while decoding base64 sequence');
        ended = count;
      }
      bits <<= 6;
      count++;
    } else {
      const value = BASE64.indexOf(character);
      if (value < 0 || ended > 0) {
        throw new DbError(
          '22023',
          `invalid symbol "${character}" found while decoding base64 sequence`,
        );
      }
      bits = (bits << 6) | value;
      count++;
    }
    if (count < 4) continue;
    out.push((bits >> 16) & 255);
    if (ended === 0 || ended > 2) out.push((bits >> 8) & 255);
    if (ended === 0) out.push(bits & 255);
    bits = 0;
    count = 0;
  }
  if (count === 0) return Uint8Array.from(out);
  throw new DbError('22023', 'invalid base64 end sequence', {
    hint: 'Input data is missing padding, is truncated, or is otherwise corrupted.',
  });
}

function escaped(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) {
    if (byte === 0 || byte >= 128) out += `\\${byte.toString(8).padStart(3, '0')}`;
    else out += byte === 92 ? '\\\\' : String.fromCharCode(byte);
  }
  return out;
}

function fromEscaped(text: string): Uint8Array {
  const source = new TextEncoder().encode(text);
  const out: number[] = [];
  for (let i = 0; i < source.length; i++) {
    const byte = source[i] as number;
    if (byte !== 92) {
      out.push(byte);
    } else if (source[i + 1] === 92) {
      out.push(92);
      i++;
    } else {
      const digits = String.fromCharCode(...source.subarray(i + 1, i + 4));
      if (!/^[0-3][0-7]{2}$/.test(digits)) {
        throw new DbError('22P02', 'invalid input syntax for type bytea');
      }
      out.push(Number.parseInt(digits, 8));
      i += 3;
    }
  }
  return Uint8Array.from(out);
}
