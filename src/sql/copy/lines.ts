// Finds the lines of COPY data in chunks that end anywhere. A line is looked at here only for where it ends; a partial
// line is not looked at again when more of it arrives. Line ends are those of the first line: \n, \r\n or \r.

import { DbError } from '../../base/errors.ts';
import type { CopyOptions } from './options.ts';

const LF = 10;
const CR = 13;
const POINT = 46;
const BACKSLASH = 92;
export const LINE_BYTES_MAX: number = 128 * 1024 * 1024;

export const END_MARK_CORRUPT = 'end-of-copy marker corrupt';

type LineEnd = 'unknown' | 'lf' | 'crlf' | 'cr';

export class CopyLines {
  /** The current line is bytes[start, end), valid until the next push(). */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** 1-based, of the current line's end: a CSV line may span several. */
  line = 0;
  /** The end-of-data mark was met: what follows is ignored. */
  ended = false;
  readonly #csv: boolean;
  readonly #quote: number;
  /** -1 where doubling the quote escapes it. */
  readonly #escape: number;
  #length = 0;
  /** Where the next line begins, and where looking for its end goes on. */
  #next = 0;
  #scan = 0;
  #lineEnd: LineEnd = 'unknown';
  /** Text: the byte before was a backslash that takes the next with it. */
  #escaped = false;
  #inQuote = false;
  #lastWasEscape = false;
  #finished = false;

  constructor(options: CopyOptions) {
    this.#csv = options.csv;
    this.#quote = options.quote;
    this.#escape = options.escape === options.quote ? -1 : options.escape;
  }

  push(chunk: Uint8Array): void {
    if (this.ended) return;
    const left = this.#length - this.#next;
    const needed = left + chunk.length;
    if (needed > this.bytes.length) {
      if (needed > LINE_BYTES_MAX && left > 0) {
        throw new DbError(
          '54000',
          `line of COPY data exceeds the limit of ${LINE_BYTES_MAX} bytes`,
        );
      }
      const grown = new Uint8Array(
        Math.max(needed, Math.min(2 * this.bytes.length, LINE_BYTES_MAX)),
      );
      grown.set(this.bytes.subarray(this.#next, this.#length));
      this.bytes = grown;
    } else {
      this.bytes.copyWithin(0, this.#next, this.#length);
    }
    this.bytes.set(chunk, left);
    this.#scan -= this.#next;
    this.#next = 0;
    this.#length = needed;
  }

  /** There is no more: the last line may lack its end. */
  finish(): void {
    this.#finished = true;
  }

  /** Steps to the next whole line. */
  next(): boolean {
    if (this.ended) return false;
    const found = this.#csv ? this.#findCsv() : this.#findText();
    if (!found) return this.#last();
    return !this.#isEndMark();
  }

  #findText(): boolean {
    const { bytes } = this;
    const length = this.#length;
    let escaped = this.#escaped;
    for (let i = this.#scan; i < length; i++) {
      const byte = bytes[i] as number;
      if (escaped) {
        escaped = false;
      } else if (byte === BACKSLASH) {
        escaped = true;
      } else if (byte === LF || byte === CR) {
        this.#escaped = false;
        return this.#endAt(i, byte);
      }
    }
    this.#scan = length;
    this.#escaped = escaped;
    return false;
  }

  #findCsv(): boolean {
    const { bytes } = this;
    const length = this.#length;
    const quote = this.#quote;
    const escape = this.#escape;
    for (let i = this.#scan; i < length; i++) {
      const byte = bytes[i] as number;
      if (this.#inQuote && byte === escape) this.#lastWasEscape = !this.#lastWasEscape;
      if (byte === quote && !this.#lastWasEscape) this.#inQuote = !this.#inQuote;
      if (byte !== escape) this.#lastWasEscape = false;
      if (byte !== LF && byte !== CR) continue;
      if (!this.#inQuote) return this.#endAt(i, byte);
      if (byte === (this.#lineEnd === 'lf' ? LF : CR)) this.line++;
    }
    this.#scan = length;
    return false;
  }

  /** False when it takes the next byte to know. */
  #endAt(i: number, byte: number): boolean {
    let after = i + 1;
    if (byte === LF) {
      if (this.#lineEnd === 'cr' || this.#lineEnd === 'crlf') throw this.#strayNewline();
      this.#lineEnd = 'lf';
    } else {
      if (this.#lineEnd === 'lf') throw this.#strayReturn();
      if (this.#lineEnd !== 'cr') {
        if (after >= this.#length && !this.#finished) {
          this.#scan = i;
          return false;
        }
        if (this.bytes[after] === LF && after < this.#length) {
          this.#lineEnd = 'crlf';
          after++;
        } else {
          if (this.#lineEnd === 'crlf') throw this.#strayReturn();
          this.#lineEnd = 'cr';
        }
      }
    }
    this.start = this.#next;
    this.end = i;
    this.line++;
    this.#next = after;
    this.#scan = after;
    return true;
  }

  #last(): boolean {
    if (!this.#finished || this.#next >= this.#length) return false;
    this.start = this.#next;
    this.end = this.#length;
    this.line++;
    this.#next = this.#length;
    this.#scan = this.#length;
    return !this.#isEndMark();
  }

  #isEndMark(): boolean {
    const { bytes, start, end } = this;
    if (end - start < 2 || bytes[start] !== BACKSLASH || bytes[start + 1] !== POINT) return false;
    if (end - start === 2) {
      this.ended = true;
      return true;
    }
    if (this.#csv) return false;
    throw new DbError('22P04', END_MARK_CORRUPT);
  }

  #strayNewline(): DbError {
    this.#failingLine();
    return this.#csv
      ? new DbError('22P04', 'unquoted newline found in data', {
          hint: 'Use quoted CSV field to represent newline.',
        })
      : new DbError('22P04', 'literal newline found in data', {
          hint: 'Use "\\n" to represent newline.',
        });
  }

  #strayReturn(): DbError {
    this.#failingLine();
    return this.#csv
      ? new DbError('22P04', 'unquoted carriage return found in data', {
          hint: 'Use quoted CSV field to represent carriage return.',
        })
      : new DbError('22P04', 'literal carriage return found in data', {
          hint: 'Use "\\r" to represent carriage return.',
        });
  }

  /** The line that can't be read to its end is the one to name. */
  #failingLine(): void {
    this.line++;
    this.start = this.#next;
    this.end = this.#next;
  }
}
