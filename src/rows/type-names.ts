// Type names: PostgreSQL's catalog names (in signatures) and the SQL spelling (in messages), and typmods.

import {
  ANYARRAY,
  ANYCOMPATIBLE,
  ANYCOMPATIBLEARRAY,
  ANYELEMENT,
  ANYNONARRAY,
  BOOL,
  BPCHAR,
  BYTEA,
  CHAR1,
  type ColumnType,
  DATE,
  elementOf,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  INTERVAL,
  JSON_TYPE,
  JSONB,
  NAME,
  NUMERIC,
  OID,
  REGCLASS,
  REGNAMESPACE,
  REGPROC,
  REGROLE,
  REGTYPE,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  UNKNOWN,
  UUID,
  VARCHAR,
  VOID,
} from './types.ts';

const NAMES: ReadonlyMap<number, readonly [catalog: string, sql: string]> = new Map([
  [BOOL, ['bool', 'boolean']],
  [BYTEA, ['bytea', 'bytea']],
  [CHAR1, ['char', '"char"']],
  [NAME, ['name', 'name']],
  [INT8, ['int8', 'bigint']],
  [INT2, ['int2', 'smallint']],
  [INT4, ['int4', 'integer']],
  [REGPROC, ['regproc', 'regproc']],
  [REGCLASS, ['regclass', 'regclass']],
  [REGTYPE, ['regtype', 'regtype']],
  [REGNAMESPACE, ['regnamespace', 'regnamespace']],
  [REGROLE, ['regrole', 'regrole']],
  [TEXT, ['text', 'text']],
  [OID, ['oid', 'oid']],
  [JSON_TYPE, ['json', 'json']],
  [FLOAT4, ['float4', 'real']],
  [FLOAT8, ['float8', 'double precision']],
  [UNKNOWN, ['unknown', 'unknown']],
  [BPCHAR, ['bpchar', 'character']],
  [VARCHAR, ['varchar', 'character varying']],
  [DATE, ['date', 'date']],
  [TIME, ['time', 'time without time zone']],
  [TIMESTAMP, ['timestamp', 'timestamp without time zone']],
  [TIMESTAMPTZ, ['timestamptz', 'timestamp with time zone']],
  [INTERVAL, ['interval', 'interval']],
  [NUMERIC, ['numeric', 'numeric']],
  [UUID, ['uuid', 'uuid']],
  [JSONB, ['jsonb', 'jsonb']],
  [VOID, ['void', 'void']],
  [ANYARRAY, ['anyarray', 'anyarray']],
  [ANYELEMENT, ['anyelement', 'anyelement']],
  [ANYNONARRAY, ['anynonarray', 'anynonarray']],
  [ANYCOMPATIBLE, ['anycompatible', 'anycompatible']],
  [ANYCOMPATIBLEARRAY, ['anycompatiblearray', 'anycompatiblearray']],
]);

/** int4, varchar, timestamptz, … */
export function catalogTypeName(oid: number): string {
  const element = elementOf(oid);
  if (element !== undefined) return `_${catalogTypeName(element)}`;
  return NAMES.get(oid)?.[0] ?? `type ${oid}`;
}

/** integer, character varying(10), … as format_type() answers. */
export function sqlTypeName(type: ColumnType): string {
  const element = elementOf(type.oid);
  if (element !== undefined) return `${sqlTypeName({ oid: element, modifier: type.modifier })}[]`;
  const name = NAMES.get(type.oid)?.[1] ?? `type ${type.oid}`;
  if (type.modifier < 0) return name;
  switch (type.oid) {
    case VARCHAR:
    case BPCHAR:
      return `${name}(${type.modifier - 4})`;
    case NUMERIC: {
      const { precision, scale } = numericModifier(type.modifier);
      return `${name}(${precision},${scale})`;
    }
    case TIME:
    case TIMESTAMP:
    case TIMESTAMPTZ:
      return name.replace(/^(time|timestamp)\b/, `$1(${type.modifier})`);
    default:
      return name;
  }
}

/** The scale is an 11-bit signed number. */
export function numericModifier(modifier: number): { precision: number; scale: number } {
  const packed = modifier - 4;
  return { precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 };
}
