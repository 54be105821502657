// What of pg_catalog is there: enough to look tables and their columns up. Indexes, constraints and the rest of psql's
// \d family come with the catalog issue.

import type { Datum } from '../../rows/datum.ts';
import { typeLength } from '../../rows/types.ts';
import * as t from '../../rows/types.ts';
import type { ColumnDescriptor, TableDescriptor } from '../catalog/descriptor.ts';
import { categoryOf, isPreferred } from '../types/categories.ts';
import { BUILT_TYPES } from '../types/names.ts';
import { catalogTypeName } from '../../rows/type-names.ts';
import type { VirtualSource, VirtualTable } from './virtual.ts';

const PG_CATALOG_OID = 11;
const PUBLIC_OID = 2200;
const INFORMATION_SCHEMA_OID = 13_000;
/** The first user's. */
const OWNER_OID = 10;
/** pg_class.oid of an index: behind those of tables. */
const INDEX_OIDS = 1_000_000_000;

type Columns = readonly (readonly [name: string, oid: number])[];

function define(
  name: string,
  columns: Columns,
  rows: (source: VirtualSource) => readonly (readonly Datum[])[],
): VirtualTable {
  return {
    schema: 'pg_catalog',
    name,
    columns: columns.map(([column, oid]) => ({ name: column, type: t.columnType(oid) })),
    rows,
  };
}

const SCHEMAS: ReadonlyMap<string, number> = new Map([
  ['pg_catalog', PG_CATALOG_OID],
  ['public', PUBLIC_OID],
  ['information_schema', INFORMATION_SCHEMA_OID],
]);

function relations(source: VirtualSource): readonly (readonly Datum[])[] {
  return source.catalog.all().flatMap((table) => {
    const namespace = SCHEMAS.get(table.schema) ?? PUBLIC_OID;
    const columns = table.columns.filter((c) => !c.hidden).length;
    const isSequence = table.sequence !== undefined;
    const hasIndex = table.hasPrimaryKey || table.indexes.length > 0;
    const kind = isSequence ? 'S' : 'r';
    const rel: Datum[] = [table.id, table.name, namespace, kind, columns, hasIndex];
    const rest: Datum[] = [OWNER_OID, 0, 0, 'p', false, 0, -1, 0, 0, false];
    const index: Datum[] = [INDEX_OIDS + table.primary.id, table.primary.name, namespace, 'i'];
    const keys: Datum[] = [table.primary.columns.length, false];
    const rows: Datum[][] = [[...rel, ...rest]];
    for (const { id, name, columns: keyed, stored } of table.indexes) {
      const width = keyed.length + stored.length;
      rows.push([INDEX_OIDS + id, name, namespace, 'i', width, false, ...rest]);
    }
    if (table.hasPrimaryKey) rows.push([...index, ...keys, ...rest]);
    return rows;
  });
}

function identityMark({ identity }: ColumnDescriptor): string {
  return identity === undefined ? '' : identity === 'always' ? 'a' : 'd';
}

function attributes(table: TableDescriptor): readonly (readonly Datum[])[] {
  return table.columns.flatMap((column) =>
    column.hidden
      ? []
      : [
          [
            ...[table.id, column.name, column.type.oid, typeLength(column.type.oid), column.id],
            ...[column.type.modifier, column.notNull, column.defaultText !== undefined, false],
            identityMark(column),
            column.generatedText === undefined ? '' : 's',
          ],
        ],
  );
}

export const PG_CATALOG: readonly VirtualTable[] = [
  define(
    'pg_namespace',
    [
      ['oid', t.OID],
      ['nspname', t.NAME],
      ['nspowner', t.OID],
    ],
    () => [...SCHEMAS].map(([name, oid]) => [oid, name, OWNER_OID]),
  ),
  define(
    'pg_class',
    [
      ['oid', t.OID],
      ['relname', t.NAME],
      ['relnamespace', t.OID],
      ['relkind', t.CHAR1],
      ['relnatts', t.INT2],
      ['relhasindex', t.BOOL],
      ['relowner', t.OID],
      ['relam', t.OID],
      ['reltype', t.OID],
      ['relpersistence', t.CHAR1],
      ['relispartition', t.BOOL],
      ['relpages', t.INT4],
      ['reltuples', t.FLOAT4],
      ['reltablespace', t.OID],
      ['relchecks', t.INT2],
      ['relhastriggers', t.BOOL],
    ],
    relations,
  ),
  define(
    'pg_attribute',
    [
      ['attrelid', t.OID],
      ['attname', t.NAME],
      ['atttypid', t.OID],
      ['attlen', t.INT2],
      ['attnum', t.INT2],
      ['atttypmod', t.INT4],
      ['attnotnull', t.BOOL],
      ['atthasdef', t.BOOL],
      ['attisdropped', t.BOOL],
      ['attidentity', t.CHAR1],
      ['attgenerated', t.CHAR1],
    ],
    (source) => source.catalog.all().flatMap(attributes),
  ),
  define(
    'pg_index',
    [
      ['indexrelid', t.OID],
      ['indrelid', t.OID],
      ['indnatts', t.INT2],
      ['indisunique', t.BOOL],
      ['indisprimary', t.BOOL],
      ['indisvalid', t.BOOL],
    ],
    (source) =>
      source.catalog.all().flatMap((table) => {
        const width = table.primary.columns.length;
        const key = [INDEX_OIDS + table.primary.id, table.id, width, true, true, true];
        const others = table.indexes.map(({ id, columns, stored, unique }) => {
          return [INDEX_OIDS + id, table.id, columns.length + stored.length, unique, false, true];
        });
        return table.hasPrimaryKey ? [key, ...others] : others;
      }),
  ),
  define(
    'pg_type',
    [
      ['oid', t.OID],
      ['typname', t.NAME],
      ['typnamespace', t.OID],
      ['typlen', t.INT2],
      ['typtype', t.CHAR1],
      ['typcategory', t.CHAR1],
      ['typispreferred', t.BOOL],
      ['typelem', t.OID],
      ['typarray', t.OID],
      ['typrelid', t.OID],
      ['typbasetype', t.OID],
      ['typtypmod', t.INT4],
    ],
    () =>
      BUILT_TYPES.map((oid) => [
        ...[oid, catalogTypeName(oid), PG_CATALOG_OID, typeLength(oid), 'b', categoryOf(oid)],
        ...[isPreferred(oid), 0, 0, 0, 0, -1],
      ]),
  ),
  define(
    'pg_database',
    [
      ['oid', t.OID],
      ['datname', t.NAME],
      ['datdba', t.OID],
      ['encoding', t.INT4],
      ['datcollate', t.TEXT],
      ['datctype', t.TEXT],
      ['datistemplate', t.BOOL],
      ['datallowconn', t.BOOL],
    ],
    (source) => [[1, source.session.database, OWNER_OID, 6, 'C', 'C', false, true]],
  ),
  define(
    'pg_partitioned_table',
    [
      ['partrelid', t.OID],
      ['partstrat', t.CHAR1],
      ['partnatts', t.INT2],
    ],
    () => [],
  ),
  define(
    'pg_inherits',
    [
      ['inhrelid', t.OID],
      ['inhparent', t.OID],
      ['inhseqno', t.INT4],
    ],
    () => [],
  ),
];
