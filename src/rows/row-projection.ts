// A packed row made of some columns of another: bytes are copied, nothing is decoded.

import type { ByteWriter } from '../base/bytes.ts';
import type { Datum } from './datum.ts';
import {
  checkRowBytes,
  type RowLayout,
  type RowView,
  writeOffset,
  writeRowHeader,
  writeZeros,
} from './row-codec.ts';
import { planOf, STORED_TEXT } from './row-layout.ts';
import { writeStored } from './stored-value.ts';

/** Appends the row; `layout` has the columns' types in output order. */
export function projectRow(
  view: RowView,
  columns: readonly number[],
  layout: RowLayout,
  writer: ByteWriter,
): void {
  const start = writer.length;
  const plan = planOf(layout);
  const count = columns.length;
  let nulls = false;
  for (let i = 0; i < count && !nulls; i++) nulls = view.isNull(columns[i] as number);
  const variable = plan.variable[count] as number;
  // No value is longer than the row it comes from, unless a missing value is.
  const wide = (view.rowEnd - view.rowStart) * variable > 0xffff || view.count < view.plan.columns;
  const offsetsAt = writeRowHeader(writer, count, nulls, wide, variable);
  const bitmapAt = offsetsAt - ((count + 7) >> 3);
  for (let i = 0; i < count; i++) {
    const column = columns[i] as number;
    const isNull = nulls && view.isNull(column);
    if (isNull) {
      const at = bitmapAt + (i >> 3);
      writer.bytes[at] = (writer.bytes[at] as number) | (1 << (i & 7));
    }
    if ((plan.forms[i] as number) >= STORED_TEXT) continue;
    if (isNull) writeZeros(writer, plan, i);
    else copyColumn(view, column, writer);
  }
  const dataAt = writer.length;
  let offsetAt = offsetsAt;
  for (let i = 0; i < count; i++) {
    if ((plan.forms[i] as number) < STORED_TEXT) continue;
    const column = columns[i] as number;
    if (!view.isNull(column)) copyColumn(view, column, writer);
    offsetAt = writeOffset(writer.bytes, offsetAt, writer.length - dataAt, wide);
  }
  checkRowBytes(writer.length - start);
}

function copyColumn(view: RowView, column: number, writer: ByteWriter): void {
  if (!view.has(column)) {
    const value = view.layout.missing[column] as Exclude<Datum, null>;
    writeStored(writer, view.plan.forms[column] as number, value);
    return;
  }
  const start = view.start(column);
  const length = view.end(column) - start;
  if (length > 48) {
    writer.raw(view.bytes.subarray(start, start + length));
    return;
  }
  writer.reserve(length);
  const at = writer.length;
  for (let i = 0; i < length; i++) writer.bytes[at + i] = view.bytes[start + i] as number;
  writer.length = at + length;
}
