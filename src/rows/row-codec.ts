// Packed rows: one column is found and read without decoding the rest.
//
//   u8   format version in the low four bits, then flags: 0x10 there are NULLs, 0x20 offsets are u32
//   u16  number of columns
//   bitmap of NULLs, one bit a column, only with flag 0x10
//   end of each variable column, u16 or u32, counted from the start of the variable area
//   fixed-width columns one after another (a NULL's bytes are zero), so that their places follow from the layout
//   variable-width columns one after another (a NULL has none)
//
// Value bytes: stored-value.ts. Columns are only ever appended to a layout, so an old row is a prefix of a new one.

import { ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Datum } from './datum.ts';
import * as form from './row-layout.ts';
import { type LayoutPlan, planOf, type RowLayout } from './row-layout.ts';
import * as stored from './stored-value.ts';

export { layoutOf, type RowLayout } from './row-layout.ts';

export const ROW_FORMAT_VERSION = 1;
export const ROW_BYTES_MAX: number = 64 * 1024 * 1024;
const HAS_NULLS = 0x10;
const WIDE_OFFSETS = 0x20;

/** What expressions read their columns from. */
export interface RowAccess {
  datum(i: number): Datum;
}

/** A row of datums. */
export class TupleView implements RowAccess {
  values: readonly Datum[];

  constructor(values: readonly Datum[] = []) {
    this.values = values;
  }

  datum(i: number): Datum {
    return this.values[i] as Datum;
  }
}

/** Rows are views into slabs of this size, written where they stay (bench: point, INSERT). */
const SLAB_BYTES: number = 16 * 1024;
/** A slab with less room than this left is not begun upon any more. */
const ROOM_BYTES_MIN = 1024;
let slab = new ByteWriter(SLAB_BYTES);

/** In bytes that nothing else is ever written into. */
export function encodeRow(layout: RowLayout, values: readonly Datum[]): Uint8Array {
  // A large row has made it grow into a buffer of its own.
  if (slab.bytes.length > SLAB_BYTES || slab.length > SLAB_BYTES - ROOM_BYTES_MIN) {
    slab = new ByteWriter(SLAB_BYTES);
  }
  const start = slab.length;
  encodeRowInto(layout, values, slab);
  return slab.bytes.subarray(start, slab.length);
}

/** Appends the row. */
export function encodeRowInto(
  layout: RowLayout,
  values: readonly Datum[],
  writer: ByteWriter,
): void {
  const start = writer.length;
  const plan = planOf(layout);
  if (!encodeWith(plan, values, writer, false)) {
    writer.length = start;
    encodeWith(plan, values, writer, true);
  }
  checkRowBytes(writer.length - start);
}

export function checkRowBytes(length: number): void {
  if (length <= ROW_BYTES_MAX) return;
  throw new DbError('54000', `row of ${length} bytes exceeds the limit of ${ROW_BYTES_MAX} bytes`);
}

/** False when the offsets need to be wide. */
function encodeWith(
  plan: LayoutPlan,
  values: readonly Datum[],
  writer: ByteWriter,
  wide: boolean,
): boolean {
  const count = plan.columns;
  let nulls = false;
  for (let i = 0; i < count; i++) {
    if (values[i] === null) {
      nulls = true;
      break;
    }
  }
  const variable = plan.variable[count] as number;
  const offsetsAt = writeRowHeader(writer, count, nulls, wide, variable);
  const { forms } = plan;
  for (let i = 0; i < count; i++) {
    const storedForm = forms[i] as number;
    if (storedForm >= form.STORED_TEXT) continue;
    const value = values[i] as Datum;
    if (value === null) writeZeros(writer, plan, i);
    else stored.writeStored(writer, storedForm, value);
  }
  if (nulls) {
    const bitmapAt = offsetsAt - ((count + 7) >> 3);
    for (let i = 0; i < count; i++) {
      if (values[i] !== null) continue;
      const at = bitmapAt + (i >> 3);
      writer.bytes[at] = (writer.bytes[at] as number) | (1 << (i & 7));
    }
  }
  if (variable === 0) return true;
  const dataAt = writer.length;
  let offsetAt = offsetsAt;
  for (let i = 0; i < count; i++) {
    const storedForm = forms[i] as number;
    if (storedForm < form.STORED_TEXT) continue;
    const value = values[i] as Datum;
    if (value !== null) stored.writeStored(writer, storedForm, value);
    const end = writer.length - dataAt;
    if (!wide && end > 0xffff) return false;
    if (end > ROW_BYTES_MAX) checkRowBytes(end);
    offsetAt = writeOffset(writer.bytes, offsetAt, end, wide);
  }
  return true;
}

/** Room for header, bitmap (cleared) and offsets; answers where the offsets lie. */
export function writeRowHeader(
  writer: ByteWriter,
  count: number,
  nulls: boolean,
  wide: boolean,
  variable: number,
): number {
  const bitmap = nulls ? (count + 7) >> 3 : 0;
  const offsets = wide ? variable * 4 : variable * 2;
  const length = 3 + bitmap + offsets;
  writer.reserve(length);
  const at = writer.length;
  const { bytes } = writer;
  bytes[at] = ROW_FORMAT_VERSION | (nulls ? HAS_NULLS : 0) | (wide ? WIDE_OFFSETS : 0);
  bytes[at + 1] = count & 0xff;
  bytes[at + 2] = count >> 8;
  for (let i = 0; i < bitmap; i++) bytes[at + 3 + i] = 0;
  writer.length = at + length;
  return at + 3 + bitmap;
}

export function writeZeros(writer: ByteWriter, plan: LayoutPlan, i: number): void {
  const width = (plan.fixedBytes[i + 1] as number) - (plan.fixedBytes[i] as number);
  writer.reserve(width);
  for (let left = width; left > 0; left--) writer.bytes[writer.length++] = 0;
}

export function writeOffset(bytes: Uint8Array, at: number, value: number, wide: boolean): number {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >> 8) & 0xff;
  if (!wide) return at + 2;
  bytes[at + 2] = (value >> 16) & 0xff;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}

const NO_BYTES = new Uint8Array(0);
const NO_LAYOUT: RowLayout = { types: [], missing: [] };

/** Reads a packed row in place. One view serves a whole scan: reset() allocates nothing. */
export class RowView implements RowAccess {
  layout: RowLayout = NO_LAYOUT;
  plan: LayoutPlan = planOf(NO_LAYOUT);
  bytes: Uint8Array = NO_BYTES;
  /** Columns that the row has; the layout may have more. */
  count = 0;
  /** Of the whole row in `bytes`. */
  rowStart = 0;
  rowEnd = 0;
  private bitmapAt = -1;
  private offsetsAt = 0;
  private wide = false;
  private fixedAt = 0;
  private dataAt = 0;
  private wordsOf: Uint8Array | undefined;
  private viewed: DataView | undefined;

  /** Over `bytes`, to read values at once and not byte by byte; from the second call on with the same bytes: for a row
   * alone it would cost more than it saves (bench: point). */
  words(): DataView | undefined {
    const { bytes } = this;
    if (bytes !== this.wordsOf) {
      this.wordsOf = bytes;
      this.viewed = undefined;
    } else {
      this.viewed ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    return this.viewed;
  }

  /** The row holds every column of its layout, and none is NULL. */
  get isWhole(): boolean {
    return this.bitmapAt < 0 && this.count === this.plan.columns;
  }

  reset(layout: RowLayout, bytes: Uint8Array, offset: number, length: number): void {
    if (layout !== this.layout) {
      this.layout = layout;
      this.plan = planOf(layout);
    }
    const head = bytes[offset] as number;
    if ((head & 0x0f) !== ROW_FORMAT_VERSION) throw newerFormat(head & 0x0f);
    const count = (bytes[offset + 1] as number) | ((bytes[offset + 2] as number) << 8);
    const { plan } = this;
    if (count > plan.columns) throw tooManyColumns(count, plan.columns);
    this.bytes = bytes;
    this.rowStart = offset;
    this.rowEnd = offset + length;
    this.count = count;
    let at = offset + 3;
    if ((head & HAS_NULLS) !== 0) {
      this.bitmapAt = at;
      at += (count + 7) >> 3;
    } else {
      this.bitmapAt = -1;
    }
    this.offsetsAt = at;
    this.wide = (head & WIDE_OFFSETS) !== 0;
    this.fixedAt = at + (plan.variable[count] as number) * (this.wide ? 4 : 2);
    this.dataAt = this.fixedAt + (plan.fixedBytes[count] as number);
    if (this.dataAt > offset + length) throw corrupt();
  }

  /** Whether the row itself holds column i; otherwise it has the layout's missing value. */
  has(i: number): boolean {
    return i < this.count;
  }

  isNull(i: number): boolean {
    if (i >= this.count) return this.layout.missing[i] === null;
    if (this.bitmapAt < 0) return false;
    return (((this.bytes[this.bitmapAt + (i >> 3)] as number) >> (i & 7)) & 1) === 1;
  }

  /** Where the bytes of column i begin in `bytes`. Only while has(i) and not isNull(i). */
  start(i: number): number {
    const slot = this.plan.slots[i] as number;
    if ((this.plan.forms[i] as number) < form.STORED_TEXT) return this.fixedAt + slot;
    return slot === 0 ? this.dataAt : this.dataAt + this.offset(slot - 1);
  }

  end(i: number): number {
    const slot = this.plan.slots[i] as number;
    if ((this.plan.forms[i] as number) < form.STORED_TEXT) {
      return (
        this.fixedAt +
        slot +
        (this.plan.fixedBytes[i + 1] as number) -
        (this.plan.fixedBytes[i] as number)
      );
    }
    return this.dataAt + this.offset(slot);
  }

  datum(i: number): Datum {
    if (i >= this.count) return this.layout.missing[i] as Datum;
    if (
      this.bitmapAt >= 0 &&
      (((this.bytes[this.bitmapAt + (i >> 3)] as number) >> (i & 7)) & 1) === 1
    ) {
      return null;
    }
    const storedForm = this.plan.forms[i] as number;
    if (storedForm === form.STORED_INT4) {
      return stored.readInt4(this.bytes, this.fixedAt + (this.plan.slots[i] as number));
    }
    if (storedForm < form.STORED_TEXT) {
      return stored.readStored(
        this.bytes,
        storedForm,
        this.fixedAt + (this.plan.slots[i] as number),
        0,
      );
    }
    return stored.readStored(this.bytes, storedForm, this.start(i), this.end(i));
  }

  /** An int4 column that the row has and that is not NULL. */
  int4(i: number): number {
    return stored.readInt4(this.bytes, this.fixedAt + (this.plan.slots[i] as number));
  }

  private offset(slot: number): number {
    const { bytes } = this;
    if (!this.wide) {
      const at = this.offsetsAt + slot * 2;
      return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    }
    return stored.readInt4(bytes, this.offsetsAt + slot * 4);
  }
}

function tooManyColumns(count: number, known: number): DbError {
  return new DbError('XX001', `stored row has ${count} columns where its table has ${known}`);
}

function corrupt(): DbError {
  return new DbError('XX001', 'stored row is shorter than its header says');
}

function newerFormat(version: number): DbError {
  return new DbError(
    'XX001',
    `stored row has format version ${version}; this program reads version ${ROW_FORMAT_VERSION}`,
  );
}

/** All columns as datums. */
export function decodeRow(layout: RowLayout, bytes: Uint8Array): Datum[] {
  const view = new RowView();
  view.reset(layout, bytes, 0, bytes.length);
  return layout.types.map((_, i) => view.datum(i));
}
