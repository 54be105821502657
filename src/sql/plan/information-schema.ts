// What of information_schema is there: tables, their columns and their primary keys.

import type { Datum } from '../../rows/datum.ts';
import { numericModifier } from '../../rows/type-names.ts';
import * as t from '../../rows/types.ts';
import type { ColumnDescriptor, TableDescriptor } from '../catalog/descriptor.ts';
import { formatTypeOid } from '../types/names.ts';
import type { VirtualSource, VirtualTable } from './virtual.ts';

type Columns = readonly (readonly [name: string, oid: number])[];

function define(
  name: string,
  columns: Columns,
  rows: (source: VirtualSource) => readonly (readonly Datum[])[],
): VirtualTable {
  return {
    schema: 'information_schema',
    name,
    columns: columns.map(([column, oid]) => ({ name: column, type: t.columnType(oid) })),
    rows,
  };
}

function yesOrNo(value: boolean): string {
  return value ? 'YES' : 'NO';
}

function shown(table: TableDescriptor): readonly ColumnDescriptor[] {
  return table.columns.filter((column) => !column.hidden);
}

function columnRow(table: TableDescriptor, column: ColumnDescriptor, at: number): Datum[] {
  const { oid, modifier } = column.type;
  const hasLength = oid === t.VARCHAR || oid === t.BPCHAR;
  const numeric = oid === t.NUMERIC && modifier >= 4 ? numericModifier(modifier) : undefined;
  const isInteger = oid === t.INT2 || oid === t.INT4 || oid === t.INT8;
  return [
    ...[table.schema, table.name, column.name, at + 1, column.defaultText ?? null],
    ...[yesOrNo(!column.notNull), formatTypeOid(oid)],
    hasLength && modifier >= 4 ? modifier - 4 : null,
    numeric?.precision ?? PRECISION.get(oid) ?? null,
    numeric?.scale ?? (isInteger ? 0 : null),
  ];
}

/** Binary digits. */
const PRECISION: ReadonlyMap<number, number> = new Map([
  [t.INT2, 16],
  [t.INT4, 32],
  [t.INT8, 64],
  [t.FLOAT4, 24],
  [t.FLOAT8, 53],
]);

export const INFORMATION_SCHEMA: readonly VirtualTable[] = [
  define(
    'tables',
    [
      ['table_catalog', t.NAME],
      ['table_schema', t.NAME],
      ['table_name', t.NAME],
      ['table_type', t.VARCHAR],
    ],
    (source) =>
      source.catalog
        .all()
        .filter((table) => table.sequence === undefined)
        .map((table) => [source.session.database, table.schema, table.name, 'BASE TABLE']),
  ),
  define(
    'columns',
    [
      ['table_catalog', t.NAME],
      ['table_schema', t.NAME],
      ['table_name', t.NAME],
      ['column_name', t.NAME],
      ['ordinal_position', t.INT4],
      ['column_default', t.VARCHAR],
      ['is_nullable', t.VARCHAR],
      ['data_type', t.VARCHAR],
      ['character_maximum_length', t.INT4],
      ['numeric_precision', t.INT4],
      ['numeric_scale', t.INT4],
    ],
    (source) =>
      source.catalog
        .all()
        .flatMap((table) =>
          shown(table).map((column, i) => [
            source.session.database,
            ...columnRow(table, column, i),
          ]),
        ),
  ),
  define(
    'key_column_usage',
    [
      ['constraint_schema', t.NAME],
      ['constraint_name', t.NAME],
      ['table_schema', t.NAME],
      ['table_name', t.NAME],
      ['column_name', t.NAME],
      ['ordinal_position', t.INT4],
    ],
    (source) =>
      source.catalog
        .all()
        .filter((table) => table.hasPrimaryKey)
        .flatMap((table) =>
          table.primary.columns.map(({ position }, i) => [
            ...[table.schema, table.primary.name, table.schema, table.name],
            table.columns.find((column) => column.position === position)?.name ?? '',
            i + 1,
          ]),
        ),
  ),
];
