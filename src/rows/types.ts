// Column types, named by PostgreSQL's type OIDs everywhere: in descriptors, expression programs and on the wire.

export const BOOL = 16;
export const BYTEA = 17;
export const CHAR1 = 18;
export const NAME = 19;
export const INT8 = 20;
export const INT2 = 21;
export const INT4 = 23;
/** Object ids that are written as what they stand for (sql/plan/reg-types.ts); all are kept as an oid is. */
export const REGPROC = 24;
export const TEXT = 25;
export const OID = 26;
export const JSON_TYPE = 114;
export const FLOAT4 = 700;
export const FLOAT8 = 701;
/** A literal or parameter whose type is not known yet. */
export const UNKNOWN = 705;
export const BPCHAR = 1042;
export const VARCHAR = 1043;
export const DATE = 1082;
export const TIME = 1083;
export const TIMESTAMP = 1114;
export const TIMESTAMPTZ = 1184;
export const INTERVAL = 1186;
export const NUMERIC = 1700;
export const REGCLASS = 2205;
export const REGTYPE = 2206;
export const UUID = 2950;
export const JSONB = 3802;
export const REGNAMESPACE = 4089;
export const REGROLE = 4096;
/** Statements that return nothing. */
export const VOID = 2278;

/** Pseudo-types, in the signatures of functions that take any array, any element and so on (types/polymorphic.ts). */
export const ANYARRAY = 2277;
export const ANYELEMENT = 2283;
export const ANYNONARRAY = 2776;
export const ANYCOMPATIBLE = 5077;
export const ANYCOMPATIBLEARRAY = 5078;

export const INT4_ARRAY = 1007;
export const TEXT_ARRAY = 1009;

/** Element types with the types of their arrays. */
const ARRAYS: readonly (readonly [element: number, array: number])[] = [
  ...([
    [BOOL, 1000],
    [BYTEA, 1001],
    [CHAR1, 1002],
    [NAME, 1003],
    [INT8, 1016],
    [INT2, 1005],
    [INT4, 1007],
    [REGPROC, 1008],
    [TEXT, 1009],
    [OID, 1028],
    [JSON_TYPE, 199],
    [FLOAT4, 1021],
    [FLOAT8, 1022],
    [BPCHAR, 1014],
    [VARCHAR, 1015],
    [DATE, 1182],
    [TIME, 1183],
    [TIMESTAMP, 1115],
    [TIMESTAMPTZ, 1185],
    [INTERVAL, 1187],
    [NUMERIC, 1231],
    [UUID, 2951],
    [JSONB, 3807],
    [REGCLASS, 2210],
    [REGTYPE, 2211],
    [REGNAMESPACE, 4090],
    [REGROLE, 4097],
  ] as const),
];

const ARRAY_OF: ReadonlyMap<number, number> = new Map(ARRAYS);
const ELEMENT_OF: ReadonlyMap<number, number> = new Map(ARRAYS.map(([e, a]) => [a, e]));

export const ARRAY_OIDS: readonly number[] = [...ELEMENT_OF.keys()];

/** The type of arrays of these; undefined where there are none (arrays of arrays are arrays of more dimensions). */
export function arrayOf(elementOid: number): number | undefined {
  return ARRAY_OF.get(elementOid);
}

/** Undefined: no array. */
export function elementOf(oid: number): number | undefined {
  return ELEMENT_OF.get(oid);
}

export const REG_TYPES: readonly number[] = [REGPROC, REGCLASS, REGTYPE, REGNAMESPACE, REGROLE];

export interface ColumnType {
  readonly oid: number;
  /** PostgreSQL's typmod: -1 none; varchar(n) and char(n) n + 4; numeric(p, s) ((p << 16) | s) + 4. */
  readonly modifier: number;
}

export function columnType(oid: number, modifier = -1): ColumnType {
  return { oid, modifier };
}

/** pg_type.typlen: -1 for types of varying length. */
export function typeLength(oid: number): number {
  switch (oid) {
    case BOOL:
    case CHAR1:
      return 1;
    case INT2:
      return 2;
    case INT4:
    case FLOAT4:
    case DATE:
    case OID:
    case REGPROC:
    case VOID:
      return 4;
    case INT8:
    case FLOAT8:
    case TIME:
    case TIMESTAMP:
    case TIMESTAMPTZ:
      return 8;
    case UUID:
    case INTERVAL:
      return 16;
    case NAME:
      return 64;
    case UNKNOWN:
      return -2;
    default:
      return -1;
  }
}
