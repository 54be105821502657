// Type categories and preferred types: what PostgreSQL's overload resolution goes by (pg_type.typcategory).

import * as t from '../../rows/types.ts';

/** B boolean, N number, S string, D date and time, T interval, U other, X unknown. */
export type TypeCategory = 'B' | 'N' | 'S' | 'D' | 'T' | 'U' | 'X';

export function categoryOf(oid: number): TypeCategory {
  switch (oid) {
    case t.BOOL:
      return 'B';
    case t.INT2:
    case t.INT4:
    case t.INT8:
    case t.FLOAT4:
    case t.FLOAT8:
    case t.NUMERIC:
    case t.OID:
    case t.REGPROC:
      return 'N';
    case t.TEXT:
    case t.VARCHAR:
    case t.BPCHAR:
    case t.NAME:
    case t.CHAR1:
      return 'S';
    case t.DATE:
    case t.TIME:
    case t.TIMESTAMP:
    case t.TIMESTAMPTZ:
      return 'D';
    case t.INTERVAL:
      return 'T';
    case t.UNKNOWN:
      return 'X';
    default:
      return 'U';
  }
}

export function isPreferred(oid: number): boolean {
  return (
    oid === t.BOOL ||
    oid === t.FLOAT8 ||
    oid === t.OID ||
    oid === t.TEXT ||
    oid === t.TIMESTAMPTZ ||
    oid === t.INTERVAL
  );
}
