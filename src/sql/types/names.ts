// SQL's side of types: what a type is called, which types convert to which, how PostgreSQL chooses among overloads,
// what a literal's type is. Knows rows' types and casts, nothing of tables. This file: from names to types.

import { DbError, unsupported } from '../../base/errors.ts';
import { catalogTypeName, sqlTypeName } from '../../rows/type-names.ts';
import type { ColumnType } from '../../rows/types.ts';
import * as t from '../../rows/types.ts';
import type { TypeName } from '../parse/ast.ts';

/** What a statement may name: the rest of pg_type is not built. */
export const BUILT_TYPES: readonly number[] = [
  ...[t.BOOL, t.INT2, t.INT4, t.INT8, t.FLOAT4, t.FLOAT8, t.NUMERIC, t.OID],
  ...[t.TEXT, t.VARCHAR, t.BPCHAR, t.NAME, t.CHAR1, t.BYTEA, t.UUID, t.JSON_TYPE, t.JSONB],
  ...[t.DATE, t.TIME, t.TIMESTAMP, t.TIMESTAMPTZ, t.INTERVAL, t.UNKNOWN, ...t.REG_TYPES],
  ...t.ARRAY_OIDS,
];

/** Other spellings, as SQL and PostgreSQL's grammar have them. */
const ALIASES: Readonly<Record<string, number>> = {
  boolean: t.BOOL,
  smallint: t.INT2,
  int: t.INT4,
  integer: t.INT4,
  bigint: t.INT8,
  real: t.FLOAT4,
  float: t.FLOAT8,
  'double precision': t.FLOAT8,
  decimal: t.NUMERIC,
  dec: t.NUMERIC,
  'character varying': t.VARCHAR,
  character: t.BPCHAR,
  '"char"': t.CHAR1,
  'time without time zone': t.TIME,
  'timestamp without time zone': t.TIMESTAMP,
  'timestamp with time zone': t.TIMESTAMPTZ,
};

/** Types that PostgreSQL has and this database has not yet: refused by name rather than "does not exist". */
const LATER: ReadonlySet<string> = new Set([
  ...['timetz', 'xml', 'money', 'bit', 'varbit', 'inet', 'cidr', 'macaddr', 'point'],
  ...['line', 'lseg', 'box', 'path', 'polygon', 'circle', 'tsvector', 'tsquery'],
  ...['regprocedure', 'record', 'xid'],
  ...[
    'int4range',
    'int8range',
    'numrange',
    'daterange',
    'tsrange',
    'tstzrange',
    'serial',
    'bigserial',
  ],
  ...['serial2', 'serial4', 'serial8', 'smallserial'],
]);

const BY_NAME: ReadonlyMap<string, number> = new Map([
  ...BUILT_TYPES.map((oid) => [catalogTypeName(oid), oid] as const),
  ...Object.entries(ALIASES),
]);

const CHARACTERS_MAX = 10_485_760;
const PRECISION_MAX = 1000;

/** The type that a name in a statement means. Throws DbError 42704, 42601, 22023, pointing at the name. */
export function resolveTypeName(name: TypeName): ColumnType {
  const position = positionOf(name.at);
  const known =
    name.schema === undefined || name.schema === 'pg_catalog' ? BY_NAME.get(name.name) : undefined;
  if (known === undefined) {
    if (LATER.has(name.name)) throw unsupported(`type ${name.name}`, position.position);
    const shown = name.schema === undefined ? name.name : `${name.schema}.${name.name}`;
    throw new DbError('42704', `type "${shown}" does not exist`, position);
  }
  const modifier = modifierOf(t.elementOf(known) ?? known, name, position);
  if (!name.array || t.elementOf(known) !== undefined) return t.columnType(known, modifier);
  const array = t.arrayOf(known);
  if (array === undefined) throw unsupported(`type ${formatTypeOid(known)}[]`, position.position);
  return t.columnType(array, modifier);
}

function modifierOf(oid: number, name: TypeName, position: { position?: number }): number {
  const [first, second] = name.modifiers;
  if (first === undefined) return -1;
  switch (oid) {
    case t.VARCHAR:
    case t.BPCHAR: {
      const shown = oid === t.VARCHAR ? 'varchar' : 'char';
      if (name.modifiers.length > 1) throw new DbError('22023', 'invalid type modifier', position);
      if (first < 1) {
        throw new DbError('22023', `length for type ${shown} must be at least 1`, position);
      }
      if (first > CHARACTERS_MAX) {
        const message = `length for type ${shown} cannot exceed ${CHARACTERS_MAX}`;
        throw new DbError('22023', message, position);
      }
      return first + 4;
    }
    case t.NUMERIC: {
      const scale = second ?? 0;
      if (name.modifiers.length > 2) {
        throw new DbError('22023', 'invalid NUMERIC type modifier', position);
      }
      if (first < 1 || first > PRECISION_MAX) {
        const message = `NUMERIC precision ${first} must be between 1 and ${PRECISION_MAX}`;
        throw new DbError('22023', message, position);
      }
      if (Math.abs(scale) > PRECISION_MAX) {
        const message = `NUMERIC scale ${scale} must be between -${PRECISION_MAX} and ${PRECISION_MAX}`;
        throw new DbError('22023', message, position);
      }
      return ((first << 16) | (scale & 0x7ff)) + 4;
    }
    case t.INTERVAL:
      throw unsupported('an interval with fields or a precision', position.position);
    case t.TIME:
      if (first < 0) throw new DbError('22023', 'invalid type modifier', position);
      return first >= 6 ? -1 : first;
    case t.TIMESTAMP:
    case t.TIMESTAMPTZ: {
      const zone = oid === t.TIMESTAMPTZ ? ' WITH TIME ZONE' : '';
      if (first < 0) {
        const message = `TIMESTAMP(${first})${zone} precision must not be negative`;
        throw new DbError('22023', message, position);
      }
      // PostgreSQL warns and uses 6, which is what every timestamp has.
      return first >= 6 ? -1 : first;
    }
    default:
      throw new DbError(
        '42601',
        `type modifier is not allowed for type "${catalogTypeName(oid)}"`,
        position,
      );
  }
}

/** The type without its modifier, as messages about operators and functions name it. */
export function formatTypeOid(oid: number): string {
  return sqlTypeName(t.columnType(oid));
}

export function isKnownType(oid: number): boolean {
  return BUILT_TYPES.includes(oid) && oid !== t.UNKNOWN;
}

/** An error's position from the tree's 0-based offset; none when it is unknown. */
export function positionOf(at: number): { position?: number } {
  return at < 0 ? {} : { position: at + 1 };
}
