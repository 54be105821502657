// Cuts a line of COPY data into fields. A field is a piece of some buffer: of the line itself, or of scratch space where
// escapes or quotes had to be taken out.

import { ByteWriter } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { END_MARK_CORRUPT } from './lines.ts';
import type { CopyOptions } from './options.ts';

const BACKSLASH = 92;
const POINT = 46;

export class CopyFields {
  /** Fields of the current line. */
  count = 0;
  readonly #csv: boolean;
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #null: Uint8Array;
  #line: Uint8Array = new Uint8Array(0);
  readonly #scratch = new ByteWriter(256);
  #starts = new Uint32Array(64);
  #ends = new Uint32Array(64);
  /** Of each field: in the line, in scratch space, or NULL. */
  #places = new Uint8Array(64);

  constructor(options: CopyOptions) {
    this.#csv = options.csv;
    this.#delimiter = options.delimiter;
    this.#quote = options.quote;
    this.#escape = options.escape;
    this.#null = options.null;
  }

  /** Stops after `most` fields and one more: nobody asks for what follows. */
  split(line: Uint8Array, start: number, end: number, most: number): void {
    this.#line = line;
    this.#scratch.reset();
    this.count = 0;
    if (this.#csv) this.#splitCsv(start, end, most);
    else this.#splitText(start, end, most);
  }

  isNull(i: number): boolean {
    return this.#places[i] === IS_NULL;
  }

  /** The buffer that field i lies in, not NULL. */
  bytes(i: number): Uint8Array {
    return this.#places[i] === IN_LINE ? this.#line : this.#scratch.bytes;
  }

  start(i: number): number {
    return this.#starts[i] as number;
  }

  end(i: number): number {
    return this.#ends[i] as number;
  }

  #add(place: number, start: number, end: number): void {
    const i = this.count++;
    if (i === this.#starts.length) this.#grow();
    this.#starts[i] = start;
    this.#ends[i] = end;
    this.#places[i] = place;
  }

  #grow(): void {
    const size = this.#starts.length * 2;
    const [starts, ends, places] = [this.#starts, this.#ends, this.#places];
    this.#starts = new Uint32Array(size);
    this.#ends = new Uint32Array(size);
    this.#places = new Uint8Array(size);
    this.#starts.set(starts);
    this.#ends.set(ends);
    this.#places.set(places);
  }

  #isNullText(start: number, end: number): boolean {
    const expected = this.#null;
    if (end - start !== expected.length) return false;
    const line = this.#line;
    for (let i = 0; i < expected.length; i++) {
      if (line[start + i] !== expected[i]) return false;
    }
    return true;
  }

  #splitText(lineStart: number, lineEnd: number, most: number): void {
    const line = this.#line;
    const delimiter = this.#delimiter;
    let start = lineStart;
    let escapes = false;
    for (let i = lineStart; ; i++) {
      const byte = i < lineEnd ? (line[i] as number) : delimiter;
      if (byte === BACKSLASH) {
        escapes = true;
        i++;
        if (i < lineEnd) continue;
      } else if (byte !== delimiter) {
        continue;
      }
      const end = i < lineEnd ? i : lineEnd;
      if (this.#isNullText(start, end)) this.#add(IS_NULL, start, end);
      else if (escapes) this.#unescape(start, end);
      else this.#add(IN_LINE, start, end);
      if (i >= lineEnd || this.count > most) return;
      start = i + 1;
      escapes = false;
    }
  }

  #unescape(start: number, end: number): void {
    const line = this.#line;
    const out = this.#scratch;
    const from = out.length;
    out.reserve(end - start);
    for (let i = start; i < end; i++) {
      const byte = line[i] as number;
      if (byte !== BACKSLASH) {
        out.bytes[out.length++] = byte;
        continue;
      }
      // A backslash that nothing follows means nothing.
      if (++i >= end) break;
      const code = line[i] as number;
      if (code === POINT) throw new DbError('22P04', END_MARK_CORRUPT);
      i = this.#unescapeOne(code, i, end);
    }
    this.#add(IN_SCRATCH, from, out.length);
  }

  /** Answers where the sequence ends. */
  #unescapeOne(code: number, at: number, end: number): number {
    const out = this.#scratch;
    const line = this.#line;
    let i = at;
    if (code >= 48 && code <= 55) {
      let value = code - 48;
      for (let digits = 1; digits < 3 && i + 1 < end; digits++) {
        const digit = (line[i + 1] as number) - 48;
        if (digit < 0 || digit > 7) break;
        value = value * 8 + digit;
        i++;
      }
      out.bytes[out.length++] = value & 0xff;
    } else if (code === 120 && i + 1 < end && hexValue(line[i + 1] as number) >= 0) {
      let value = hexValue(line[++i] as number);
      const low = i + 1 < end ? hexValue(line[i + 1] as number) : -1;
      if (low >= 0) {
        value = value * 16 + low;
        i++;
      }
      out.bytes[out.length++] = value;
    } else {
      out.bytes[out.length++] = controlCharacter(code);
    }
    return i;
  }

  #splitCsv(lineStart: number, lineEnd: number, most: number): void {
    const line = this.#line;
    const delimiter = this.#delimiter;
    const quote = this.#quote;
    let i = lineStart;
    for (;;) {
      const start = i;
      while (i < lineEnd && line[i] !== delimiter && line[i] !== quote) i++;
      if (i < lineEnd && line[i] === quote) {
        i = this.#quoted(start, lineEnd);
      } else if (this.#isNullText(start, i)) {
        this.#add(IS_NULL, start, i);
      } else {
        this.#add(IN_LINE, start, i);
      }
      if (i >= lineEnd || this.count > most) return;
      i++;
      // A delimiter at the end is followed by one more, empty field, which the loop adds.
    }
  }

  /** A field with quotes in it, which may begin and end anywhere. Answers where it ends. */
  #quoted(start: number, lineEnd: number): number {
    const line = this.#line;
    const out = this.#scratch;
    const from = out.length;
    out.reserve(lineEnd - start);
    let i = start;
    for (let inQuote = false; ; i++) {
      if (i >= lineEnd) {
        if (inQuote) throw new DbError('22P04', 'unterminated CSV quoted field');
        break;
      }
      const byte = line[i] as number;
      if (!inQuote) {
        if (byte === this.#delimiter) break;
        if (byte === this.#quote) inQuote = true;
        else out.bytes[out.length++] = byte;
        continue;
      }
      const next = i + 1 < lineEnd ? line[i + 1] : -1;
      if (byte === this.#escape && (next === this.#escape || next === this.#quote)) {
        out.bytes[out.length++] = next;
        i++;
      } else if (byte === this.#quote) {
        inQuote = false;
      } else {
        out.bytes[out.length++] = byte;
      }
    }
    this.#add(IN_SCRATCH, from, out.length);
    return i;
  }
}

const IN_LINE = 0;
const IN_SCRATCH = 1;
const IS_NULL = 2;

function hexValue(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** What stands after a backslash; most characters stand for themselves. */
function controlCharacter(code: number): number {
  switch (code) {
    case 98:
      return 8;
    case 102:
      return 12;
    case 110:
      return 10;
    case 114:
      return 13;
    case 116:
      return 9;
    case 118:
      return 11;
    default:
      return code;
  }
}
