// From the list of columns (pg-catalog-columns.ts) to virtual tables: who makes the rows names only what they say, the rest
// is what PostgreSQL would have in it for what nobody has asked for. Relations for which nobody makes rows are empty.

import type { Datum } from '../../rows/datum.ts';
import * as t from '../../rows/types.ts';
import type { VirtualSource, VirtualTable } from './virtual.ts';

export type Row = Readonly<Record<string, Datum>>;
export type Rows = (source: VirtualSource) => Iterable<Row>;

const TYPES: Readonly<Record<string, number>> = {
  bool: t.BOOL,
  bytea: t.BYTEA,
  char: t.CHAR1,
  float4: t.FLOAT4,
  float8: t.FLOAT8,
  int2: t.INT2,
  int4: t.INT4,
  int8: t.INT8,
  interval: t.INTERVAL,
  name: t.NAME,
  numeric: t.NUMERIC,
  oid: t.OID,
  text: t.TEXT,
  timestamptz: t.TIMESTAMPTZ,
  varchar: t.VARCHAR,
  regproc: t.REGPROC,
  int2vector: t.arrayOf(t.INT2) as number,
  oidvector: t.arrayOf(t.OID) as number,
};

const ZEROS: ReadonlyMap<number, Datum> = new Map<number, Datum>([
  [t.BOOL, false],
  [t.CHAR1, ''],
  [t.NAME, ''],
  [t.TEXT, ''],
  [t.VARCHAR, ''],
  [t.OID, 0],
  [t.REGPROC, 0],
  [t.INT2, 0],
  [t.INT4, 0],
  [t.INT8, 0],
  [t.FLOAT4, 0],
  [t.FLOAT8, 0],
]);

interface SystemColumn {
  readonly name: string;
  readonly oid: number;
  readonly notNull: boolean;
}

export interface SystemRelation {
  readonly name: string;
  readonly oid: number;
  readonly kind: string;
  readonly columns: readonly SystemColumn[];
}

export function parseRelations(text: string): readonly SystemRelation[] {
  const relations: { name: string; oid: number; kind: string; columns: SystemColumn[] }[] = [];
  for (const line of text.trim().split('\n')) {
    if (!line.startsWith(' ')) {
      const [name, oid, kind] = line.split(' ') as [string, string, string];
      relations.push({ name, oid: Number(oid), kind, columns: [] });
      continue;
    }
    for (const word of line.trim().split(' ')) {
      const [name, type] = word.split(':') as [string, string];
      const plain = type.endsWith('!') ? type.slice(0, -1) : type;
      relations.at(-1)?.columns.push({ name, oid: typeOf(plain), notNull: plain !== type });
    }
  }
  return relations;
}

function typeOf(name: string): number {
  const isArray = name.startsWith('_');
  const element = TYPES[isArray ? name.slice(1) : name];
  const oid = isArray && element !== undefined ? t.arrayOf(element) : element;
  if (oid === undefined) throw new Error(`a system table has the unknown type ${name}`);
  return oid;
}

/** The last column of each; not in *. */
export const TABLE_OID = 'tableoid';

export function systemTables(
  schema: VirtualTable['schema'],
  relations: readonly SystemRelation[],
  makers: Readonly<Record<string, Rows>>,
): readonly VirtualTable[] {
  return relations.map(({ name, oid, columns }) => {
    const make = makers[name];
    const blank: readonly Datum[] = columns.map(({ oid, notNull }) =>
      notNull ? (ZEROS.get(oid) ?? null) : null,
    );
    return {
      schema,
      name,
      columns: [
        ...columns.map((column) => ({ name: column.name, type: t.columnType(column.oid) })),
        { name: TABLE_OID, type: t.columnType(t.OID) },
      ],
      rows: (source) => {
        if (make === undefined) return [];
        const rows: (readonly Datum[])[] = [];
        for (const row of make(source)) {
          const datums = columns.map((column, i): Datum => {
            const value = row[column.name];
            return value === undefined ? (blank[i] as Datum) : value;
          });
          datums.push(oid);
          rows.push(datums);
        }
        return rows;
      },
    };
  });
}
