// More of strings and byte strings: format(), quoting, overlay, hashes, conversions, bytes and bits.

import { utf8, fromUtf8Strict } from '../base/bytes.ts';
import { DbError, unsupported } from '../base/errors.ts';
import type { Datum } from './datum.ts';
import {
  ANY,
  scalar,
  type ScalarFunction,
  variadicWithNulls,
  withNulls,
} from './function-types.ts';
import { characterCount, characterOffset } from './modifiers.ts';
import { quoteIdentifier, quoteLiteral } from './quoting.ts';
import { sha224, sha256, sha384, sha512 } from './sha.ts';
import { ANYNONARRAY, BYTEA, INT4, INT8, TEXT } from './types.ts';

/** Position, '-', width (or * and whence it comes), and what is to be done. */
const SPECIFIER = /%(?:(\d+)\$)?(-*)(?:(\d+)|\*(?:(\d+)\$)?)?(.)?/su;
const STARRED = /^%(?:\d+\$)?-*\*/;

function format(template: Datum, ...args: Datum[]): Datum {
  if (template === null) return null;
  const text = template as string;
  let out = '';
  let at = 0;
  let next = 0;
  const take = (position: string | undefined): Datum => {
    if (position !== undefined) {
      if (Number(position) === 0) {
        throw new DbError(
          '22023',
          'format specifies argument 0, but arguments are numbered from 1',
        );
      }
      next = Number(position) - 1;
    }
    if (next >= args.length) throw new DbError('22023', 'too few arguments for format()');
    return args[next++] as Datum;
  };
  for (;;) {
    const start = text.indexOf('%', at);
    if (start < 0) return out + text.slice(at);
    out += text.slice(at, start);
    if (text[start + 1] === '%') {
      out += '%';
      at = start + 2;
      continue;
    }
    const match = SPECIFIER.exec(text.slice(start)) as RegExpExecArray;
    const [whole, position, minus = '', digits, starPosition, kind] = match;
    if (kind === undefined) throw unterminated();
    at = start + whole.length;
    let width = digits === undefined ? 0 : Number(digits);
    let isLeft = minus !== '';
    if (STARRED.test(whole)) {
      const given = take(starPosition);
      width = given === null ? 0 : Number(given as string);
      if (width < 0) isLeft = true;
      width = Math.abs(width);
    }
    out += padded(
      converted(kind, () => take(position)),
      width,
      isLeft,
    );
  }
}

function unterminated(): DbError {
  return new DbError('22023', 'unterminated format() type specifier', {
    hint: 'For a single "%" use "%%".',
  });
}

function converted(kind: string, value: () => Datum): string {
  switch (kind) {
    case 's':
      return (value() as string | null) ?? '';
    case 'I': {
      const name = value();
      if (name === null) {
        throw new DbError('22004', 'null values cannot be formatted as an SQL identifier');
      }
      return quoteIdentifier(name as string);
    }
    case 'L': {
      const literal = value();
      return literal === null ? 'NULL' : quoteLiteral(literal as string);
    }
    default:
      throw new DbError('22023', `unrecognized format() type specifier "${kind}"`, {
        hint: 'For a single "%" use "%%".',
      });
  }
}

function padded(text: string, width: number, isLeft: boolean): string {
  const missing = width - characterCount(text);
  if (missing <= 0) return text;
  return isLeft ? text + ' '.repeat(missing) : ' '.repeat(missing) + text;
}

function checkedOverlay(from: number, count: number): void {
  if (from <= 0) throw new DbError('22011', 'negative substring length not allowed');
  if (from + count > 2147483647) throw new DbError('22003', 'integer out of range');
}

function overlay(text: string, put: string, from: number, count = characterCount(put)): string {
  checkedOverlay(from, count);
  const start = characterOffset(text, from - 1);
  const after = Math.max(from - 1 + count, 0);
  return text.slice(0, start) + put + text.slice(characterOffset(text, after));
}

function overlayBytes(
  bytes: Uint8Array,
  put: Uint8Array,
  from: number,
  count = put.length,
): Uint8Array {
  checkedOverlay(from, count);
  const head = bytes.subarray(0, from - 1);
  const tail = bytes.subarray(Math.max(from - 1 + count, 0));
  const out = new Uint8Array(head.length + put.length + tail.length);
  out.set(head);
  out.set(put, head.length);
  out.set(tail, head.length + put.length);
  return out;
}

const ESCAPED =
  /\\(?:\\|([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))?/g;

function unistr(text: string): string {
  const out = text.replace(ESCAPED, (whole: string, ...groups: unknown[]) => {
    if (whole === '\\\\') return '\\';
    const digits = groups.slice(0, 4).find((group) => typeof group === 'string') as
      | string
      | undefined;
    if (digits === undefined) {
      throw new DbError('42601', 'invalid Unicode escape', {
        hint: 'Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.',
      });
    }
    const code = Number.parseInt(digits, 16);
    if (code === 0 || code > 0x10ffff) {
      throw new DbError('22023', `invalid Unicode code point: ${digits.toUpperCase()}`);
    }
    return String.fromCodePoint(code);
  });
  if (/\p{Surrogate}/u.test(out)) throw new DbError('42601', 'invalid Unicode surrogate pair');
  return out;
}

const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'];

function normalForm(form: string): string {
  const upper = form.toUpperCase();
  if (FORMS.includes(upper)) return upper;
  throw new DbError('22023', `invalid normalization form: ${form}`);
}

function checkedByte(index: number | bigint, size: number): number {
  if (index < 0 || index >= size) {
    throw new DbError('2202E', `index ${index} out of valid range, 0..${size - 1}`);
  }
  return Number(index);
}

function setByte(bytes: Uint8Array, index: number, value: number): Uint8Array {
  const out = bytes.slice();
  out[checkedByte(index, bytes.length)] = value;
  return out;
}

function getBit(bytes: Uint8Array, index: number | bigint): number {
  const at = checkedByte(index, bytes.length * 8);
  return ((bytes[at >> 3] as number) >> (at & 7)) & 1;
}

function setBit(bytes: Uint8Array, index: number | bigint, value: number): Uint8Array {
  const at = checkedByte(index, bytes.length * 8);
  if (value !== 0 && value !== 1) throw new DbError('22023', 'new bit must be 0 or 1');
  const out = bytes.slice();
  const byte = out[at >> 3] as number;
  out[at >> 3] = value === 1 ? byte | (1 << (at & 7)) : byte & ~(1 << (at & 7));
  return out;
}

function trimBytes(
  bytes: Uint8Array,
  set: Uint8Array,
  atStart: boolean,
  atEnd: boolean,
): Uint8Array {
  let start = 0;
  let end = bytes.length;
  if (atStart) while (start < end && set.includes(bytes[start] as number)) start++;
  if (atEnd) while (end > start && set.includes(bytes[end - 1] as number)) end--;
  return bytes.slice(start, end);
}

function positionOfBytes(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = 0; at + wanted.length <= bytes.length; at++) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at + 1;
  }
  return 0;
}

function checkedEncoding(name: string): void {
  if (/^(utf-?8|unicode)$/i.test(name)) return;
  throw unsupported(`the encoding "${name}"`);
}

function toBytes(text: string, encoding: string): Uint8Array {
  checkedEncoding(encoding);
  return utf8(text);
}

function fromBytes(bytes: Uint8Array, encoding: string): string {
  checkedEncoding(encoding);
  const text = fromUtf8Strict(bytes);
  if (text !== undefined && !text.includes('\0')) return text;
  throw new DbError('22021', 'invalid byte sequence for encoding "UTF8"');
}

const quoting: readonly ScalarFunction[] = [
  scalar('quote_ident', [TEXT], TEXT, quoteIdentifier),
  scalar('quote_literal', [TEXT], TEXT, quoteLiteral),
  { ...variadicWithNulls('quote_literal', [ANYNONARRAY], TEXT, quoteNull(null)), variadic: false },
  withNulls('quote_nullable', [TEXT], TEXT, quoteNull('NULL')),
  {
    ...variadicWithNulls('quote_nullable', [ANYNONARRAY], TEXT, quoteNull('NULL')),
    variadic: false,
  },
];

function quoteNull(forNull: Datum): (value: Datum) => Datum {
  return (value) => (value === null ? forNull : quoteLiteral(value as string));
}

const hashes: readonly ScalarFunction[] = [
  scalar('sha224', [BYTEA], BYTEA, sha224),
  scalar('sha256', [BYTEA], BYTEA, sha256),
  scalar('sha384', [BYTEA], BYTEA, sha384),
  scalar('sha512', [BYTEA], BYTEA, sha512),
];

const bytesAndBits: readonly ScalarFunction[] = [
  scalar(
    'get_byte',
    [BYTEA, INT4],
    INT4,
    (bytes: Uint8Array, index: number) => bytes[checkedByte(index, bytes.length)] as number,
  ),
  scalar('set_byte', [BYTEA, INT4, INT4], BYTEA, setByte),
  scalar('get_bit', [BYTEA, INT8], INT4, getBit),
  scalar('set_bit', [BYTEA, INT8, INT4], BYTEA, setBit),
  scalar('btrim', [BYTEA, BYTEA], BYTEA, (a: Uint8Array, b: Uint8Array) =>
    trimBytes(a, b, true, true),
  ),
  scalar('ltrim', [BYTEA, BYTEA], BYTEA, (a: Uint8Array, b: Uint8Array) =>
    trimBytes(a, b, true, false),
  ),
  scalar('rtrim', [BYTEA, BYTEA], BYTEA, (a: Uint8Array, b: Uint8Array) =>
    trimBytes(a, b, false, true),
  ),
  scalar('position', [BYTEA, BYTEA], INT4, positionOfBytes),
  scalar('bit_length', [BYTEA], INT4, (bytes: Uint8Array) => bytes.length * 8),
];

export const stringFunctions: readonly ScalarFunction[] = [
  ...quoting,
  ...hashes,
  ...bytesAndBits,
  variadicWithNulls('format', [TEXT, ANY], TEXT, format),
  withNulls('format', [TEXT], TEXT, format as never),
  scalar('overlay', [TEXT, TEXT, INT4], TEXT, overlay),
  scalar('overlay', [TEXT, TEXT, INT4, INT4], TEXT, overlay),
  scalar('overlay', [BYTEA, BYTEA, INT4], BYTEA, overlayBytes),
  scalar('overlay', [BYTEA, BYTEA, INT4, INT4], BYTEA, overlayBytes),
  scalar('unistr', [TEXT], TEXT, unistr),
  scalar('normalize', [TEXT], TEXT, (text: string) => text.normalize()),
  scalar('normalize', [TEXT, TEXT], TEXT, (text: string, form: string) =>
    text.normalize(normalForm(form)),
  ),
  scalar('convert_to', [TEXT, TEXT], BYTEA, toBytes),
  scalar('convert_from', [BYTEA, TEXT], TEXT, fromBytes),
];
