// A stored column straight to its wire form, without a datum in between: what most rows of most results are made of.

import type { ByteWriter } from '../base/bytes.ts';
import { formatBinary, formatTextInto, writeHex } from './binary-format.ts';
import type { Datum } from './datum.ts';
import type { RowView } from './row-codec.ts';
import * as form from './row-layout.ts';
import { readInt2, readInt4, readInt8 } from './stored-value.ts';
import { BPCHAR, type ColumnType, INT8, JSONB } from './types.ts';
import { writeInteger } from './utf8.ts';

/** Appends the text format of column i, which is not NULL, without a length. */
export function storedToText(type: ColumnType, view: RowView, i: number, writer: ByteWriter): void {
  if (view.has(i)) {
    const { bytes } = view;
    switch (view.plan.forms[i] as number) {
      case form.STORED_INT4:
        writeInteger(writer, view.int4(i));
        return;
      case form.STORED_INT8:
        if (type.oid !== INT8) break;
        writeInteger(writer, readInt8(bytes, view.start(i)));
        return;
      case form.STORED_INT2:
        writeInteger(writer, readInt2(bytes, view.start(i)));
        return;
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
