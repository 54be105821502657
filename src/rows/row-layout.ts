// How the columns of a layout lie in a packed row. Computed once for a layout, then shared by every row of it.

import type { Datum } from './datum.ts';
import {
  BOOL,
  BPCHAR,
  BYTEA,
  type ColumnType,
  DATE,
  elementOf,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  INTERVAL,
  NUMERIC,
  OID,
  REGCLASS,
  REGNAMESPACE,
  REGPROC,
  REGROLE,
  REGTYPE,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  UUID,
  VOID,
} from './types.ts';

/** Columns in storage position order. A row with fewer columns has `missing` for the rest. */
export interface RowLayout {
  readonly types: readonly ColumnType[];
  /** Parallel to types. */
  readonly missing: readonly Datum[];
}

/** Stored forms. Those from TEXT on are variable in length. */
export const STORED_BOOL = 0;
export const STORED_INT2 = 1;
export const STORED_INT4 = 2;
export const STORED_OID = 3;
export const STORED_INT8 = 4;
export const STORED_FLOAT4 = 5;
export const STORED_FLOAT8 = 6;
export const STORED_DATE = 7;
export const STORED_TIMESTAMP = 8;
export const STORED_UUID = 9;
export const STORED_INTERVAL = 10;
export const STORED_VOID = 11;
export const STORED_TEXT = 12;
export const STORED_BYTES = 13;
export const STORED_NUMERIC = 14;
export const STORED_ARRAY = 15;

const WIDTHS = [1, 2, 4, 4, 8, 4, 8, 4, 8, 16, 16, 0];

export function storedForm(oid: number): number {
  switch (oid) {
    case BOOL:
      return STORED_BOOL;
    case INT2:
      return STORED_INT2;
    case INT4:
      return STORED_INT4;
    case OID:
    case REGPROC:
    case REGCLASS:
    case REGTYPE:
    case REGNAMESPACE:
    case REGROLE:
      return STORED_OID;
    case INT8:
    case TIME:
      return STORED_INT8;
    case FLOAT4:
      return STORED_FLOAT4;
    case FLOAT8:
      return STORED_FLOAT8;
    case DATE:
      return STORED_DATE;
    case TIMESTAMP:
    case TIMESTAMPTZ:
      return STORED_TIMESTAMP;
    case UUID:
      return STORED_UUID;
    case INTERVAL:
      return STORED_INTERVAL;
    case VOID:
      return STORED_VOID;
    case BYTEA:
      return STORED_BYTES;
    case NUMERIC:
      return STORED_NUMERIC;
    default:
      return elementOf(oid) === undefined ? STORED_TEXT : STORED_ARRAY;
  }
}

/** What a stored column is as text. */
export const TEXT_AS_IT_IS = 0;
export const TEXT_INT2 = 1;
export const TEXT_INT4 = 2;
export const TEXT_INT8 = 3;
export const TEXT_FLOAT8 = 4;
export const TEXT_TIMESTAMP = 5;
export const TEXT_TIMESTAMPTZ = 6;
export const TEXT_BOOL = 7;
/** Any other. */
export const TEXT_MADE = 8;

function textForm(oid: number): number {
  switch (oid) {
    case INT2:
      return TEXT_INT2;
    case INT4:
      return TEXT_INT4;
    case INT8:
      return TEXT_INT8;
    case FLOAT8:
      return TEXT_FLOAT8;
    case TIMESTAMP:
      return TEXT_TIMESTAMP;
    case TIMESTAMPTZ:
      return TEXT_TIMESTAMPTZ;
    case BOOL:
      return TEXT_BOOL;
    case BPCHAR:
      return TEXT_MADE;
    default:
      return storedForm(oid) === STORED_TEXT ? TEXT_AS_IT_IS : TEXT_MADE;
  }
}

export class LayoutPlan {
  readonly columns: number;
  readonly forms: Uint8Array;
  /** TEXT_AS_IT_IS and its like. */
  readonly texts: Uint8Array;
  /** Offset of a fixed-width column in the fixed area; of a variable one, its number among the variable ones. */
  readonly slots: Uint32Array;
  /** Bytes of the fixed area of a row with the first n columns. */
  readonly fixedBytes: Uint32Array;
  /** Variable columns among the first n. */
  readonly variable: Uint32Array;

  constructor(layout: RowLayout) {
    const count = layout.types.length;
    this.columns = count;
    this.forms = new Uint8Array(count);
    this.texts = Uint8Array.from(layout.types, ({ oid }) => textForm(oid));
    this.slots = new Uint32Array(count);
    this.fixedBytes = new Uint32Array(count + 1);
    this.variable = new Uint32Array(count + 1);
    for (let i = 0; i < count; i++) {
      const form = storedForm((layout.types[i] as ColumnType).oid);
      const fixed = this.fixedBytes[i] as number;
      const variable = this.variable[i] as number;
      const isVariable = form >= STORED_TEXT;
      this.forms[i] = form;
      this.slots[i] = isVariable ? variable : fixed;
      this.fixedBytes[i + 1] = isVariable ? fixed : fixed + (WIDTHS[form] as number);
      this.variable[i + 1] = isVariable ? variable + 1 : variable;
    }
  }
}

const plans = new WeakMap<RowLayout, LayoutPlan>();

let lastLayout: RowLayout | undefined;
let lastPlan: LayoutPlan | undefined;

export function planOf(layout: RowLayout): LayoutPlan {
  // Rows of one table tend to come together.
  if (layout === lastLayout && lastPlan !== undefined) return lastPlan;
  let plan = plans.get(layout);
  if (plan === undefined) {
    plan = new LayoutPlan(layout);
    plans.set(layout, plan);
  }
  lastLayout = layout;
  lastPlan = plan;
  return plan;
}

/** The layout of rows that a statement makes up: nothing is ever missing from them. */
export function layoutOf(types: readonly ColumnType[]): RowLayout {
  return { types, missing: types.map(() => null) };
}
