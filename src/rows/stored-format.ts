// A stored column straight to its wire form, without a datum in between: what most rows of most results are made of.

import type { ByteWriter } from '../base/bytes.ts';
import { formatBinary, formatTextInto, writeHex } from './binary-format.ts';
import type { Datum } from './datum.ts';
import type { RowView } from './row-codec.ts';
import * as form from './row-layout.ts';
import { putTimestamp } from './datetime-format.ts';
import { putFloat8, putInteger } from './put-number.ts';
import { int8Of, readFloat8, readInt2, readInt4, timestampOf } from './stored-value.ts';
import { BPCHAR, type ColumnType, JSONB } from './types.ts';

/** What a column takes at most that putFixed() puts, and a little more: copies are made word by word. */
const FIXED_BYTES_MAX = 40;

/** Puts the text of a value of a form, which is not TEXT_AS_IT_IS, where there is room for FIXED_BYTES_MAX. Answers where
 * it ended; -1: it is none of those that are put so. `words` is over `bytes`, where there is one. */
function putFixed(
  text: number,
  bytes: Uint8Array,
  words: DataView | undefined,
  from: number,
  out: Uint8Array,
  at: number,
): number {
  switch (text) {
    case form.TEXT_INT4:
      return putInteger(out, at, int4At(bytes, words, from));
    case form.TEXT_INT8: {
      const value = int8Of(int4At(bytes, words, from), int4At(bytes, words, from + 4));
      return typeof value === 'number' ? putInteger(out, at, value) : -1;
    }
    case form.TEXT_INT2:
      return putInteger(out, at, readInt2(bytes, from));
    case form.TEXT_FLOAT8:
      return putFloat8(out, at, words?.getFloat64(from, true) ?? readFloat8(bytes, from));
    case form.TEXT_TIMESTAMP:
    case form.TEXT_TIMESTAMPTZ: {
      const value = timestampOf(int4At(bytes, words, from), int4At(bytes, words, from + 4));
      return putTimestamp(out, at, value, text === form.TEXT_TIMESTAMPTZ);
    }
    case form.TEXT_BOOL:
      out[at] = bytes[from] === 1 ? 116 : 102;
      return at + 1;
    default:
      return -1;
  }
}

function int4At(bytes: Uint8Array, words: DataView | undefined, at: number): number {
  return words === undefined ? readInt4(bytes, at) : words.getInt32(at, true);
}

/** Appends the text format of column i, which is not NULL, without a length. */
export function storedToText(type: ColumnType, view: RowView, i: number, writer: ByteWriter): void {
  if (view.has(i)) {
    writer.reserve(FIXED_BYTES_MAX);
    const text = view.plan.texts[i] as number;
    const { bytes } = view;
    const end = putFixed(text, bytes, undefined, view.start(i), writer.bytes, writer.length);
    if (end >= 0) {
      writer.length = end;
      return;
    }
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

/** Appends columns as text, as a DataRow has them, each with its length in front, -1 for NULL: most of what a scan costs
 * its session (bench: range-scan). */
export function storedTexts(view: RowView, positions: readonly number[], writer: ByteWriter): void {
  const { bytes, isWhole } = view;
  const words = view.words();
  const { texts } = view.plan;
  let out = writer.bytes;
  let at = writer.length;
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i] as number;
    if (at + 4 + FIXED_BYTES_MAX > out.length) out = makeRoom(writer, at, 4 + FIXED_BYTES_MAX);
    if (!isWhole && view.isNull(position)) {
      writer.view.setInt32(at, -1);
      at += 4;
      continue;
    }
    const start = at + 4;
    let end = -1;
    if (isWhole || view.has(position)) {
      const text = texts[position] as number;
      const from = view.start(position);
      if (text === form.TEXT_AS_IT_IS) {
        const length = view.end(position) - from;
        end = start + length;
        if (end + 4 > out.length) out = makeRoom(writer, at, length + 8);
        copyText(bytes, words, from, length, writer, start);
      } else {
        end = putFixed(text, bytes, words, from, out, start);
      }
    }
    if (end < 0) {
      writer.length = start;
      storedToText(view.layout.types[position] as ColumnType, view, position, writer);
      out = writer.bytes;
      end = writer.length;
    }
    writer.view.setInt32(at, end - start);
    at = end;
  }
  writer.length = at;
}

/** Where there is room for a word more. Word by word costs a third of byte by byte, and a subarray more than either. */
function copyText(
  bytes: Uint8Array,
  words: DataView | undefined,
  from: number,
  length: number,
  writer: ByteWriter,
  at: number,
): void {
  if (length > LONG_COPY) {
    writer.bytes.set(bytes.subarray(from, from + length), at);
  } else if (words !== undefined && from + length + 4 <= bytes.length) {
    const out = writer.view;
    for (let i = 0; i < length; i += 4) out.setInt32(at + i, words.getInt32(from + i, true), true);
  } else {
    const out = writer.bytes;
    for (let i = 0; i < length; i++) out[at + i] = bytes[from + i] as number;
  }
}

const LONG_COPY = 256;

function makeRoom(writer: ByteWriter, at: number, more: number): Uint8Array {
  writer.length = at;
  writer.reserve(more);
  return writer.bytes;
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
