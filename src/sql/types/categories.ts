// Type categories and preferred types: what PostgreSQL's overload resolution goes by (pg_type.typcategory).

import * as t from '../../rows/types.ts';

/** B boolean, N number, S string, D date and time, T interval, A array, P pseudo-type, U other, X unknown. */
export type TypeCategory = 'B' | 'N' | 'S' | 'D' | 'T' | 'A' | 'P' | 'U' | 'X';

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
    case t.REGCLASS:
    case t.REGTYPE:
    case t.REGNAMESPACE:
    case t.REGROLE:
      return 'N';
    case t.TEXT:
    case t.VARCHAR:
    case t.BPCHAR:
    case t.NAME:
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
    case t.ANYARRAY:
    case t.ANYELEMENT:
    case t.ANYNONARRAY:
    case t.ANYCOMPATIBLE:
    case t.ANYCOMPATIBLEARRAY:
      return 'P';
    default:
      return t.elementOf(oid) === undefined ? 'U' : 'A';
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
