// Functions of strings and byte strings. Positions and lengths count characters (code points) from 1. char(n)
// arguments come as text, without their padding.

import { utf8 } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import { decodeBytes, encodeBytes } from './byte-encodings.ts';
import type { Datum } from './datum.ts';
import { ANY, scalar, type ScalarFunction, variadicWithNulls } from './function-types.ts';
import { md5 } from './md5.ts';
import { characterCount, characterOffset } from './modifiers.ts';
import { likeEscape, matchesLike } from './pattern.ts';
import { matchesRegex } from './regex.ts';
import { ANYNONARRAY, BOOL, BYTEA, INT4, TEXT } from './types.ts';

/** No function may make a longer string. */
const TEXT_LENGTH_MAX = 64 * 1024 * 1024;

function checkedLength(length: number): void {
  if (length > TEXT_LENGTH_MAX) throw new DbError('54000', 'requested length too large');
}

/** From character `from` (1-based, may lie before the text) over `count` characters. */
function substring(text: string, from: number, count?: number): string {
  let end = Number.POSITIVE_INFINITY;
  if (count !== undefined) {
    if (count < 0) throw new DbError('22011', 'negative substring length not allowed');
    end = from + count;
  }
  const first = Math.max(from, 1);
  if (end <= first) return '';
  const start = characterOffset(text, first - 1);
  const rest = text.slice(start);
  return end === Number.POSITIVE_INFINITY
    ? rest
    : rest.slice(0, characterOffset(rest, end - first));
}

/** A negative count leaves out so many at the other end. */
function left(text: string, count: number): string {
  const wanted = count >= 0 ? count : Math.max(characterCount(text) + count, 0);
  return text.slice(0, characterOffset(text, wanted));
}

function right(text: string, count: number): string {
  const length = characterCount(text);
  // PostgreSQL negates in 32 bits, where this one stays negative.
  if (count === -2147483648) return text;
  const wanted = count >= 0 ? Math.min(count, length) : Math.max(length + count, 0);
  return text.slice(characterOffset(text, length - wanted));
}

function filling(fill: string, count: number): string {
  const length = characterCount(fill);
  return left(fill.repeat(Math.ceil(count / length)), count);
}

function pad(text: string, length: number, fill: string, atStart: boolean): string {
  const missing = length - characterCount(text);
  if (missing <= 0) return left(text, Math.max(length, 0));
  if (fill === '') return text;
  checkedLength(length);
  return atStart ? filling(fill, missing) + text : text + filling(fill, missing);
}

function repeat(text: string, count: number): string {
  if (count <= 0) return '';
  checkedLength(text.length * count);
  return text.repeat(count);
}

function trim(text: string, characters: string, atStart: boolean, atEnd: boolean): string {
  const set = new Set(characters);
  const all = [...text];
  let start = 0;
  let end = all.length;
  if (atStart) while (start < end && set.has(all[start] as string)) start++;
  if (atEnd) while (end > start && set.has(all[end - 1] as string)) end--;
  return all.slice(start, end).join('');
}

function position(needle: string, text: string): number {
  const at = text.indexOf(needle);
  return at < 0 ? 0 : characterCount(text.slice(0, at)) + 1;
}

function replaceAll(text: string, from: string, to: string): string {
  if (from === '') return text;
  return text.split(from).join(to);
}

function splitPart(text: string, separator: string, field: number): string {
  if (field === 0) throw new DbError('22023', 'field position must not be zero');
  const parts = separator === '' ? [text] : text.split(separator);
  return (field > 0 ? parts[field - 1] : parts[parts.length + field]) ?? '';
}

function chr(code: number): string {
  if (code === 0) throw new DbError('54000', 'null character not permitted');
  if (code < 0) throw new DbError('22023', 'character number must be positive');
  if (code > 0x1fffff) {
    throw new DbError('54000', `requested character too large for encoding: ${code}`);
  }
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
    throw new DbError('54000', `requested character not valid for encoding: ${code}`);
  }
  return String.fromCodePoint(code);
}

function initcap(text: string): string {
  return text.toLowerCase().replace(/[\p{L}\p{N}]+/gu, (word) => {
    const [first = ''] = word;
    return first.toUpperCase() + word.slice(first.length);
  });
}

function translate(text: string, from: string, to: string): string {
  const targets = [...to];
  const map = new Map<string, string>();
  [...from].forEach((character, i) => {
    if (!map.has(character)) map.set(character, targets[i] ?? '');
  });
  let out = '';
  for (const character of text) out += map.get(character) ?? character;
  return out;
}

function concat(...values: Datum[]): string {
  let out = '';
  for (const value of values) if (value !== null) out += value as string;
  return out;
}

function concatWithSeparator(separator: Datum, ...values: Datum[]): Datum {
  if (separator === null) return null;
  return (values.filter((value) => value !== null) as string[]).join(separator as string);
}

function concatBytea(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

function substringBytea(bytes: Uint8Array, from: number, count?: number): Uint8Array {
  if (count !== undefined && count < 0) {
    throw new DbError('22011', 'negative substring length not allowed');
  }
  const end = count === undefined ? bytes.length : Math.max(from - 1 + count, 0);
  return bytes.slice(Math.max(from - 1, 0), end);
}

const notLike = (a: string, b: string): boolean => !matchesLike(a, b);
const ilike = (a: string, b: string): boolean => matchesLike(a.toLowerCase(), b.toLowerCase());

const patterns: readonly ScalarFunction[] = [
  scalar('~~', [TEXT, TEXT], BOOL, matchesLike),
  scalar('!~~', [TEXT, TEXT], BOOL, notLike),
  scalar('~~*', [TEXT, TEXT], BOOL, ilike),
  scalar('!~~*', [TEXT, TEXT], BOOL, (a: string, b: string) => !ilike(a, b)),
  scalar('~', [TEXT, TEXT], BOOL, (a: string, b: string) => matchesRegex(a, b, false)),
  scalar('!~', [TEXT, TEXT], BOOL, (a: string, b: string) => !matchesRegex(a, b, false)),
  scalar('~*', [TEXT, TEXT], BOOL, (a: string, b: string) => matchesRegex(a, b, true)),
  scalar('!~*', [TEXT, TEXT], BOOL, (a: string, b: string) => !matchesRegex(a, b, true)),
  scalar('like_escape', [TEXT, TEXT], TEXT, likeEscape),
  scalar('starts_with', [TEXT, TEXT], BOOL, (a: string, b: string) => a.startsWith(b)),
  scalar('^@', [TEXT, TEXT], BOOL, (a: string, b: string) => a.startsWith(b)),
];

const trims: readonly ScalarFunction[] = (
  [
    ['btrim', true, true],
    ['ltrim', true, false],
    ['rtrim', false, true],
  ] as const
).flatMap(([name, atStart, atEnd]) => [
  scalar(name, [TEXT], TEXT, (a: string) => trim(a, ' ', atStart, atEnd)),
  scalar(name, [TEXT, TEXT], TEXT, (a: string, set: string) => trim(a, set, atStart, atEnd)),
]);

const substrings: readonly ScalarFunction[] = ['substr', 'substring'].flatMap((name) => [
  scalar(name, [TEXT, INT4], TEXT, substring),
  scalar(name, [TEXT, INT4, INT4], TEXT, substring),
  scalar(name, [BYTEA, INT4], BYTEA, substringBytea),
  scalar(name, [BYTEA, INT4, INT4], BYTEA, substringBytea),
]);

const lengths: readonly ScalarFunction[] = [
  ...['length', 'char_length', 'character_length'].map((name) =>
    scalar(name, [TEXT], INT4, characterCount),
  ),
  scalar('length', [BYTEA], INT4, (a: Uint8Array) => a.length),
  scalar('octet_length', [TEXT], INT4, (a: string) => utf8(a).length),
  scalar('octet_length', [BYTEA], INT4, (a: Uint8Array) => a.length),
  scalar('bit_length', [TEXT], INT4, (a: string) => utf8(a).length * 8),
];

export const textFunctions: readonly ScalarFunction[] = [
  ...patterns,
  ...trims,
  ...substrings,
  ...lengths,
  scalar('||', [TEXT, TEXT], TEXT, (a: string, b: string) => a + b),
  scalar('||', [TEXT, ANYNONARRAY], TEXT, (a: string, b: string) => a + b),
  scalar('||', [ANYNONARRAY, TEXT], TEXT, (a: string, b: string) => a + b),
  scalar('||', [BYTEA, BYTEA], BYTEA, concatBytea),
  scalar('lower', [TEXT], TEXT, (a: string) => a.toLowerCase()),
  scalar('upper', [TEXT], TEXT, (a: string) => a.toUpperCase()),
  scalar('initcap', [TEXT], TEXT, initcap),
  scalar('position', [TEXT, TEXT], INT4, (text: string, needle: string) => position(needle, text)),
  scalar('strpos', [TEXT, TEXT], INT4, (text: string, needle: string) => position(needle, text)),
  scalar('replace', [TEXT, TEXT, TEXT], TEXT, replaceAll),
  scalar('translate', [TEXT, TEXT, TEXT], TEXT, translate),
  scalar('left', [TEXT, INT4], TEXT, left),
  scalar('right', [TEXT, INT4], TEXT, right),
  scalar('lpad', [TEXT, INT4], TEXT, (a: string, n: number) => pad(a, n, ' ', true)),
  scalar('lpad', [TEXT, INT4, TEXT], TEXT, (a: string, n: number, f: string) => pad(a, n, f, true)),
  scalar('rpad', [TEXT, INT4], TEXT, (a: string, n: number) => pad(a, n, ' ', false)),
  scalar('rpad', [TEXT, INT4, TEXT], TEXT, (a: string, n: number, f: string) =>
    pad(a, n, f, false),
  ),
  scalar('repeat', [TEXT, INT4], TEXT, repeat),
  scalar('reverse', [TEXT], TEXT, (a: string) => [...a].reverse().join('')),
  scalar('split_part', [TEXT, TEXT, INT4], TEXT, splitPart),
  scalar('md5', [TEXT], TEXT, (a: string) => md5(utf8(a))),
  scalar('md5', [BYTEA], TEXT, md5),
  scalar('chr', [INT4], TEXT, chr),
  scalar('ascii', [TEXT], INT4, (a: string) => a.codePointAt(0) ?? 0),
  scalar('encode', [BYTEA, TEXT], TEXT, encodeBytes),
  scalar('decode', [TEXT, TEXT], BYTEA, decodeBytes),
  variadicWithNulls('concat', [ANY], TEXT, concat),
  variadicWithNulls('concat_ws', [TEXT, ANY], TEXT, concatWithSeparator),
];
