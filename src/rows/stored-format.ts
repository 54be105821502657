// A stored column straight to its wire form, without a datum in between: what most rows of most results are made of.

import type { ByteWriter } from '../base/bytes.ts';
import { formatBinary, formatTextInto, writeHex } from './binary-format.ts';
import type { Datum } from './datum.ts';
import type { RowView } from './row-codec.ts';
import * as form from './row-layout.ts';
import { putTimestamp } from './datetime-format.ts';
import { putFloat8, putInteger } from './put-number.ts';
import { readFloat8, readInt2, readInt4, readInt8, readTimestamp } from './stored-value.ts';
import { BPCHAR, type ColumnType, JSONB } from './types.ts';

/** What a column takes at most that putFixed() puts, and a little more: copies are made word by word. */
const FIXED_BYTES_MAX = 40;

/** Puts the text of column i, which the row has and which is not NULL, where there is room for FIXED_BYTES_MAX. Answers
 * where it ended; -1: it is none of those that are put so. */
function putFixed(view: RowView, i: number, out: Uint8Array, at: number): number {
  const { bytes } = view;
  const from = view.start(i);
  switch (view.plan.texts[i] as number) {
    case form.TEXT_INT4:
      return putInteger(out, at, readInt4(bytes, from));
    case form.TEXT_INT8: {
      const value = readInt8(bytes, from);
      return typeof value === 'number' ? putInteger(out, at, value) : -1;
    }
    case form.TEXT_INT2:
      return putInteger(out, at, readInt2(bytes, from));
    case form.TEXT_FLOAT8:
      return putFloat8(out, at, readFloat8(bytes, from));
    case form.TEXT_TIMESTAMP:
      return putTimestamp(out, at, readTimestamp(bytes, from), false);
    case form.TEXT_TIMESTAMPTZ:
      return putTimestamp(out, at, readTimestamp(bytes, from), true);
    case form.TEXT_BOOL:
      out[at] = bytes[from] === 1 ? 116 : 102;
      return at + 1;
    default:
      return -1;
  }
}

/** Appends the text format of column i, which is not NULL, without a length. */
export function storedToText(type: ColumnType, view: RowView, i: number, writer: ByteWriter): void {
  if (view.has(i)) {
    writer.reserve(FIXED_BYTES_MAX);
    const end = putFixed(view, i, writer.bytes, writer.length);
    if (end >= 0) {
      writer.length = end;
      return;
    }
    const { bytes } = view;
    switch (view.plan.forms[i] as number) {
      case form.STORED_TEXT:
        copy(writer, bytes, view.start(i), view.end(i));
        if (type.oid === BPCHAR) pad(writer, type, bytes, view.start(i), view.end(i));
        return;
      case form.STORED_BYTES:
        writeHex(writer, bytes, view.start(i), view.end(i));
        return;
    }
  }
  formatTextInto(type, view.datum(i) as Exclude<Datum, null>, writer);
}

/** Columns of rows as text, one row after another: most of what a scan costs its session (bench: range-scan). */
export class StoredTexts {
  private bytes: Uint8Array | undefined;
  /** Over `bytes`, once a second row comes from there. */
  private words: DataView | undefined;

  /** Appends the columns as a DataRow has them, each with its length in front, -1 for NULL. */
  append(view: RowView, positions: readonly number[], writer: ByteWriter): void {
    const { bytes, plan } = view;
    this.takeFrom(bytes);
    let out = writer.bytes;
    let at = writer.length;
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i] as number;
      if (at + 4 + FIXED_BYTES_MAX > out.length) out = makeRoom(writer, at, 4 + FIXED_BYTES_MAX);
      if (view.isNull(position)) {
        at = putLength(out, at, -1);
        continue;
      }
      const start = at + 4;
      let end = -1;
      if (view.has(position)) {
        if (plan.texts[position] === form.TEXT_AS_IT_IS) {
          const from = view.start(position);
          const length = view.end(position) - from;
          end = start + length;
          if (end + 4 > out.length) out = makeRoom(writer, at, length + 8);
          this.copy(from, length, writer, start);
        } else {
          end = putFixed(view, position, out, start);
        }
      }
      if (end < 0) {
        writer.length = start;
        storedToText(view.layout.types[position] as ColumnType, view, position, writer);
        out = writer.bytes;
        end = writer.length;
      }
      putLength(out, at, end - start);
      at = end;
    }
    writer.length = at;
  }

  /** Nothing more comes: the batch may go. */
  forget(): void {
    this.bytes = undefined;
    this.words = undefined;
  }

  private takeFrom(bytes: Uint8Array): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.words = undefined;
    } else {
      this.words ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
  }

  /** There is room for a word more. Word by word costs a third of byte by byte, and a subarray more than either. */
  private copy(from: number, length: number, writer: ByteWriter, at: number): void {
    const bytes = this.bytes as Uint8Array;
    const { words } = this;
    const out = writer.bytes;
    if (length > LONG_COPY) {
      out.set(bytes.subarray(from, from + length), at);
    } else if (words !== undefined && from + length + 4 <= bytes.length) {
      const { view } = writer;
      for (let i = 0; i < length; i += 4) {
        view.setInt32(at + i, words.getInt32(from + i, true), true);
      }
    } else {
      for (let i = 0; i < length; i++) out[at + i] = bytes[from + i] as number;
    }
  }
}

const LONG_COPY = 256;

function makeRoom(writer: ByteWriter, at: number, more: number): Uint8Array {
  writer.length = at;
  writer.reserve(more);
  return writer.bytes;
}

function putLength(out: Uint8Array, at: number, length: number): number {
  out[at] = length >>> 24;
  out[at + 1] = length >>> 16;
  out[at + 2] = length >>> 8;
  out[at + 3] = length;
  return at + 4;
}

/** Appends the binary format of column i, which is not NULL, without a length. */
export function storedToBinary(
  type: ColumnType,
  view: RowView,
  i: number,
  writer: ByteWriter,
): void {
  if (view.has(i)) {
    const { bytes } = view;
    const start = view.start(i);
    switch (view.plan.forms[i] as number) {
      case form.STORED_INT4:
      case form.STORED_OID:
      case form.STORED_FLOAT4:
      case form.STORED_DATE:
        writer.u32be(readInt4(bytes, start) >>> 0);
        return;
      case form.STORED_INT8:
      case form.STORED_FLOAT8:
      case form.STORED_TIMESTAMP:
        // Little-endian here, big-endian there; infinities have the same bits in both.
        writer.u32be(readInt4(bytes, start + 4) >>> 0);
        writer.u32be(readInt4(bytes, start) >>> 0);
        return;
      case form.STORED_TEXT: {
        const end = view.end(i);
        if (type.oid === JSONB) writer.u8(1);
        copy(writer, bytes, start, end);
        if (type.oid === BPCHAR) pad(writer, type, bytes, start, end);
        return;
      }
      case form.STORED_UUID:
      case form.STORED_BYTES:
      case form.STORED_NUMERIC:
        copy(writer, bytes, start, view.end(i));
        return;
    }
  }
  formatBinary(type, view.datum(i) as Exclude<Datum, null>, writer);
}

/** Without the subarray that a short copy doesn't pay for. */
function copy(writer: ByteWriter, bytes: Uint8Array, start: number, end: number): void {
  const length = end - start;
  if (length > 32) {
    writer.raw(bytes.subarray(start, end));
    return;
  }
  writer.reserve(length);
  const out = writer.bytes;
  const at = writer.length;
  for (let i = 0; i < length; i++) out[at + i] = bytes[start + i] as number;
  writer.length = at + length;
}

/** char(n)'s blanks: characters are the bytes that continue none. */
function pad(
  writer: ByteWriter,
  type: ColumnType,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  if (type.modifier < 4) return;
  let missing = type.modifier - 4;
  for (let i = start; i < end; i++) if (((bytes[i] as number) & 0xc0) !== 0x80) missing--;
  if (missing <= 0) return;
  writer.reserve(missing);
  writer.bytes.fill(32, writer.length, writer.length + missing);
  writer.length += missing;
}
