// Puts a field that was just written into the form that COPY's reader takes back: escapes in text, quotes in CSV.

import type { ByteWriter } from '../../base/bytes.ts';
import {
  BOOL,
  type ColumnType,
  DATE,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  NUMERIC,
  OID,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  UUID,
} from '../../rows/types.ts';
import type { CopyOptions } from './options.ts';

const BACKSLASH = 92;
const POINT = 46;
/** Types whose text has nothing to escape under the usual delimiters. */
const PLAIN: ReadonlySet<number> = new Set([
  ...[
    BOOL,
    INT2,
    INT4,
    INT8,
    OID,
    FLOAT4,
    FLOAT8,
    NUMERIC,
    DATE,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    UUID,
  ],
]);

export class FieldWriter {
  readonly #csv: boolean;
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #null: Uint8Array;
  readonly #forceQuote: boolean;
  readonly #single: boolean;
  readonly #plainTypes: boolean;
  readonly #out: ByteWriter;

  constructor(options: CopyOptions, out: ByteWriter, columns: number) {
    this.#csv = options.csv;
    this.#delimiter = options.delimiter;
    this.#quote = options.quote;
    this.#escape = options.escape;
    this.#null = options.null;
    this.#forceQuote = options.csv && options.forceQuote;
    this.#single = columns === 1;
    const usual = options.delimiter === 9 || options.delimiter === 44 || options.delimiter === 124;
    const usualQuote = options.quote === 34 || options.quote === 39;
    const usualNull = options.null.length === 0 || options.null[0] === BACKSLASH;
    this.#plainTypes = usual && usualQuote && usualNull && !this.#forceQuote;
    this.#out = out;
  }

  /** Whether values of the type never need anything. */
  isPlain(type: ColumnType): boolean {
    return this.#plainTypes && PLAIN.has(type.oid);
  }

  null(): void {
    this.#out.raw(this.#null);
  }

  /** The field is what was written from `start` on. */
  finish(start: number, plain: boolean): void {
    if (plain) return;
    if (this.#csv) this.#finishCsv(start);
    else this.#finishText(start);
  }

  #finishText(start: number): void {
    const out = this.#out;
    let more = 0;
    for (let i = start; i < out.length; i++) if (this.#mark(out.bytes[i] as number) !== 0) more++;
    if (more === 0) return;
    out.reserve(more);
    const { bytes } = out;
    let to = out.length + more;
    out.length = to;
    // From the back, in place.
    for (let from = to - more - 1; from >= start; from--) {
      const byte = bytes[from] as number;
      const mark = this.#mark(byte);
      bytes[--to] = mark === 0 ? byte : mark;
      if (mark !== 0) bytes[--to] = BACKSLASH;
    }
  }

  /** What stands after the backslash for a byte; 0 when it stands for itself. */
  #mark(byte: number): number {
    if (byte === this.#delimiter || byte === BACKSLASH) return byte === 9 ? 116 : byte;
    if (byte > 13) return 0;
    switch (byte) {
      case 8:
        return 98;
      case 9:
        return 116;
      case 10:
        return 110;
      case 11:
        return 118;
      case 12:
        return 102;
      case 13:
        return 114;
      default:
        return 0;
    }
  }

  #finishCsv(start: number): void {
    const out = this.#out;
    let quoted = this.#forceQuote || this.#isNullText(start) || this.#isEndMark(start);
    let escapes = 0;
    for (let i = start; i < out.length; i++) {
      const byte = out.bytes[i] as number;
      if (byte === this.#quote || byte === this.#escape) escapes++;
      if (byte === this.#quote || byte === this.#delimiter || byte === 10 || byte === 13) {
        quoted = true;
      }
    }
    if (!quoted) return;
    const more = escapes + 2;
    out.reserve(more);
    const { bytes } = out;
    let to = out.length + more;
    out.length = to;
    bytes[--to] = this.#quote;
    for (let from = to - more; from >= start; from--) {
      const byte = bytes[from] as number;
      bytes[--to] = byte;
      if (byte === this.#quote || byte === this.#escape) bytes[--to] = this.#escape;
    }
    bytes[--to] = this.#quote;
  }

  #isNullText(start: number): boolean {
    const { bytes, length } = this.#out;
    const expected = this.#null;
    if (length - start !== expected.length) return false;
    for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
    return true;
  }

  /** A line of its own that would end the data. */
  #isEndMark(start: number): boolean {
    const { bytes, length } = this.#out;
    const two = length - start === 2;
    return this.#single && two && bytes[start] === BACKSLASH && bytes[start + 1] === POINT;
  }
}
