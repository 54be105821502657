// One numeric column of many rows of a run, as an array of doubles: what filters and aggregates over millions of rows
// then work on in loops that do nothing else (bench: shard-scan; 3 ns a row, where reading a datum through a view takes
// 30). Only where every value is a double exactly, and numbers order as the type does.

import { type LayoutPlan, planOf, type RowLayout } from './row-layout.ts';
import * as form from './row-layout.ts';
import { ROW_FORMAT_VERSION, RowView } from './row-codec.ts';
import type { RowRun } from './row-run.ts';
import { DATE_INFINITY, DATE_NEGATIVE_INFINITY } from './stored-value.ts';

/** Rows worked on at once. */
export const CHUNK_ROWS = 1024;

const TWO_32 = 4294967296;
/** int8 values with higher halves within these are safe integers. */
const HIGH_MAX = 0x1ffffe;
const HIGH_MIN = -0x1fffff;

/** Where a column lies in rows that have all columns, and as many bytes for offsets as nearly all rows. */
export class ColumnPlace {
  readonly column: number;
  readonly storedForm: number;
  readonly layout: RowLayout;
  /** The first three bytes of a row without NULLs, and of one with some. */
  readonly plainHead: number;
  readonly nullsHead: number;
  /** From the row's begin to the fixed column, or to the variable area. */
  readonly plainAt: number;
  readonly nullsAt: number;
  /** From the row's begin to where the bit that says NULL lies. */
  readonly bitmapAt: number;
  readonly bit: number;
  /** From the row's begin to where the ends of variable columns lie; of this column and the one before it. */
  readonly plainEndsAt: number;
  readonly nullsEndsAt: number;
  readonly isFirstVariable: boolean;

  constructor(layout: RowLayout, column: number) {
    const plan: LayoutPlan = planOf(layout);
    const count = plan.columns;
    const bitmap = (count + 7) >> 3;
    const ends = (plan.variable[count] as number) * 2;
    const slot = plan.slots[column] as number;
    this.layout = layout;
    this.column = column;
    this.storedForm = plan.forms[column] as number;
    const isVariable = this.storedForm >= form.STORED_TEXT;
    const inside = isVariable ? (plan.fixedBytes[count] as number) : slot;
    this.plainHead = ROW_FORMAT_VERSION | (count << 8);
    this.nullsHead = ROW_FORMAT_VERSION | 0x10 | (count << 8);
    this.plainAt = 3 + ends + inside;
    this.nullsAt = this.plainAt + bitmap;
    this.bitmapAt = 3 + (column >> 3);
    this.bit = column & 7;
    this.plainEndsAt = 3 + slot * 2;
    this.nullsEndsAt = this.plainEndsAt + bitmap;
    this.isFirstVariable = slot === 0;
  }
}

/** Whether RunValues can read a stored form. */
export function isNumberForm(storedForm: number): boolean {
  switch (storedForm) {
    case form.STORED_INT2:
    case form.STORED_INT4:
    case form.STORED_OID:
    case form.STORED_INT8:
    case form.STORED_FLOAT4:
    case form.STORED_FLOAT8:
    case form.STORED_DATE:
    case form.STORED_TIMESTAMP:
      return true;
    default:
      return false;
  }
}

export class RunValues {
  /** Of the rows that are not NULL there, in order. */
  readonly values: Float64Array = new Float64Array(CHUNK_ROWS);
  /** Those rows. */
  readonly rows: Int32Array = new Int32Array(CHUNK_ROWS);
  private readonly place: ColumnPlace;
  private readonly view = new RowView();
  private readonly starts = new Int32Array(CHUNK_ROWS);

  constructor(layout: RowLayout, column: number) {
    this.place = new ColumnPlace(layout, column);
  }

  /** Of rows picked[from...to), at most CHUNK_ROWS. Answers how many are not NULL; -1: some can't be read so. */
  read(run: RowRun, picked: Int32Array, from: number, to: number): number {
    const count = this.locate(run, picked, from, to);
    if (count < 0) return -1;
    const { starts, values } = this;
    const { view } = run;
    switch (this.place.storedForm) {
      case form.STORED_INT4:
        for (let k = 0; k < count; k++) values[k] = view.getInt32(starts[k] as number, true);
        return count;
      case form.STORED_INT2:
        for (let k = 0; k < count; k++) values[k] = view.getInt16(starts[k] as number, true);
        return count;
      case form.STORED_OID:
        for (let k = 0; k < count; k++) values[k] = view.getUint32(starts[k] as number, true);
        return count;
      case form.STORED_DATE:
        return readDates(view, starts, values, count);
      case form.STORED_INT8:
      case form.STORED_TIMESTAMP:
        return readInt8s(view, starts, values, count);
      case form.STORED_FLOAT4:
        for (let k = 0; k < count; k++) values[k] = view.getFloat32(starts[k] as number, true);
        return withoutNaN(values, count);
      default:
        for (let k = 0; k < count; k++) values[k] = view.getFloat64(starts[k] as number, true);
        return withoutNaN(values, count);
    }
  }

  /** Fills `rows` and `starts`. */
  private locate(run: RowRun, picked: Int32Array, from: number, to: number): number {
    const { bytes, bounds, view } = run;
    const { rows, starts, place } = this;
    const { plainHead, nullsHead, plainAt, nullsAt, bitmapAt, bit } = place;
    let count = 0;
    for (let k = from; k < to; k++) {
      const row = picked[k] as number;
      const at = bounds[row] as number;
      const head = view.getUint16(at, true) | ((bytes[at + 2] as number) << 16);
      if (head === plainHead) {
        starts[count] = at + plainAt;
      } else if (head === nullsHead) {
        if ((((bytes[at + bitmapAt] as number) >> bit) & 1) === 1) continue;
        starts[count] = at + nullsAt;
      } else {
        const start = this.locateByView(run, row);
        if (start === -1) continue;
        if (start < 0) return -1;
        starts[count] = start;
      }
      rows[count++] = row;
    }
    return count;
  }

  /** -1: it is NULL; -2: it is not in the row. */
  private locateByView(run: RowRun, row: number): number {
    const { view, place } = this;
    const start = run.bounds[row] as number;
    view.reset(place.layout, run.bytes, start, (run.bounds[row + 1] as number) - start);
    if (view.isNull(place.column)) return -1;
    return view.has(place.column) ? view.start(place.column) : -2;
  }
}

function readInt8s(
  view: DataView,
  starts: Int32Array,
  values: Float64Array,
  count: number,
): number {
  for (let k = 0; k < count; k++) {
    const at = starts[k] as number;
    const high = view.getInt32(at + 4, true);
    if (high > HIGH_MAX || high < HIGH_MIN) return -1;
    values[k] = high * TWO_32 + view.getUint32(at, true);
  }
  return count;
}

function readDates(
  view: DataView,
  starts: Int32Array,
  values: Float64Array,
  count: number,
): number {
  for (let k = 0; k < count; k++) {
    const days = view.getInt32(starts[k] as number, true);
    if (days === DATE_INFINITY || days === DATE_NEGATIVE_INFINITY) return -1;
    values[k] = days;
  }
  return count;
}

/** NaN has an order of its own. */
function withoutNaN(values: Float64Array, count: number): number {
  for (let k = 0; k < count; k++) if (Number.isNaN(values[k])) return -1;
  return count;
}
