// What information_schema says of tables, columns and constraints; of what there can't be, its relations are empty.

import { numericModifier } from '../../rows/type-names.ts';
import { catalogTypeName } from '../../rows/type-names.ts';
import * as t from '../../rows/types.ts';
import { columnAt, type ColumnDescriptor, type TableDescriptor } from '../catalog/descriptor.ts';
import { formatTypeOid } from '../types/names.ts';
import type { Row, Rows } from './define.ts';
import { PUBLIC_OID } from './oids.ts';
import { shownColumns, shownIndexes } from './relations.ts';
import { SCHEMAS } from './statics.ts';
import { columnsOfText, parenthesized } from './texts.ts';
import type { VirtualSource } from './virtual.ts';

function yesOrNo(value: boolean): string {
  return value ? 'YES' : 'NO';
}

/** Binary digits. */
const PRECISION: ReadonlyMap<number, number> = new Map([
  [t.INT2, 16],
  [t.INT4, 32],
  [t.INT8, 64],
  [t.FLOAT4, 24],
  [t.FLOAT8, 53],
]);
const TIMES: ReadonlySet<number> = new Set([t.TIME, t.TIMESTAMP, t.TIMESTAMPTZ, t.INTERVAL]);
const OCTETS_MAX = 1_073_741_824;
const CHARACTER_BYTES_MAX = 4;

function typeColumns({ oid, modifier }: ColumnDescriptor['type']): Row {
  const isLimited = (oid === t.VARCHAR || oid === t.BPCHAR) && modifier >= 4;
  const isText = oid === t.VARCHAR || oid === t.BPCHAR || oid === t.TEXT;
  const numeric = oid === t.NUMERIC && modifier >= 4 ? numericModifier(modifier) : undefined;
  const isInteger = oid === t.INT2 || oid === t.INT4 || oid === t.INT8;
  const length = isLimited ? modifier - 4 : null;
  return {
    data_type: t.elementOf(oid) === undefined ? formatTypeOid(oid) : 'ARRAY',
    character_maximum_length: length,
    character_octet_length: isText
      ? length === null
        ? OCTETS_MAX
        : length * CHARACTER_BYTES_MAX
      : null,
    numeric_precision: numeric?.precision ?? PRECISION.get(oid) ?? null,
    numeric_precision_radix: PRECISION.has(oid) ? 2 : oid === t.NUMERIC ? 10 : null,
    numeric_scale: numeric?.scale ?? (isInteger ? 0 : null),
    datetime_precision: oid === t.DATE ? 0 : TIMES.has(oid) ? (modifier >= 0 ? modifier : 6) : null,
    udt_schema: 'pg_catalog',
    udt_name: catalogTypeName(oid),
  };
}

const NO_IDENTITY: Row = { is_identity: 'NO', identity_cycle: 'NO' };

function identityColumns(
  column: ColumnDescriptor,
  table: TableDescriptor,
  catalog: VirtualSource['catalog'],
): Row {
  if (column.identity === undefined) return NO_IDENTITY;
  const sequence = catalog
    .all()
    .find(
      (one) => one.sequence?.ownerTable === table.id && one.sequence.ownerColumn === column.id,
    )?.sequence;
  if (sequence === undefined) return NO_IDENTITY;
  return {
    is_identity: 'YES',
    identity_generation: column.identity === 'always' ? 'ALWAYS' : 'BY DEFAULT',
    identity_start: String(sequence.start),
    identity_increment: String(sequence.increment),
    identity_maximum: String(sequence.max),
    identity_minimum: String(sequence.min),
    identity_cycle: yesOrNo(sequence.cycle),
  };
}

function* sequenceRows({ catalog, session }: VirtualSource): Generator<Row> {
  for (const { name, schema, sequence } of catalog.all()) {
    if (sequence === undefined) continue;
    yield {
      sequence_catalog: session.database,
      sequence_schema: schema,
      sequence_name: name,
      data_type: formatTypeOid(sequence.typeOid),
      numeric_precision: PRECISION.get(sequence.typeOid) ?? null,
      numeric_precision_radix: 2,
      numeric_scale: 0,
      start_value: String(sequence.start),
      minimum_value: String(sequence.min),
      maximum_value: String(sequence.max),
      increment: String(sequence.increment),
      cycle_option: yesOrNo(sequence.cycle),
    };
  }
}

/** Sequences apart. */
function tablesOf({ catalog }: VirtualSource): readonly TableDescriptor[] {
  return catalog.all().filter(({ sequence }) => sequence === undefined);
}

function* columnRows(source: VirtualSource): Generator<Row> {
  const { catalog } = source;
  const { database } = source.session;
  for (const table of tablesOf(source)) {
    for (const { column, number } of shownColumns(table)) {
      yield {
        table_catalog: database,
        table_schema: table.schema,
        table_name: table.name,
        column_name: column.name,
        ordinal_position: number,
        column_default: column.defaultText ?? null,
        is_nullable: yesOrNo(!column.notNull),
        ...typeColumns(column.type),
        udt_catalog: database,
        dtd_identifier: String(number),
        is_self_referencing: 'NO',
        ...identityColumns(column, table, catalog),
        is_generated: column.generatedText === undefined ? 'NEVER' : 'ALWAYS',
        generation_expression: column.generatedText ?? null,
        is_updatable: 'YES',
      };
    }
  }
}

interface Constraint {
  readonly name: string;
  readonly type: 'PRIMARY KEY' | 'UNIQUE' | 'CHECK';
  /** Of a key in its order; of a check, those that it names. */
  readonly columns: readonly string[];
  readonly clause: string | undefined;
}

function* constraintsOf(table: TableDescriptor): Generator<Constraint> {
  for (const { index, isPrimary, isConstraint } of shownIndexes(table)) {
    if (!isConstraint) continue;
    const columns = index.columns.map(({ position }) => columnAt(table, position)?.name ?? '');
    yield {
      name: index.name,
      type: isPrimary ? 'PRIMARY KEY' : 'UNIQUE',
      columns,
      clause: undefined,
    };
  }
  for (const { name, text } of table.checks) {
    yield { name, type: 'CHECK', columns: columnsOfText(text), clause: `(${parenthesized(text)})` };
  }
}

/** PostgreSQL counts them among the constraints, under names that say where they are. */
function notNullConstraints(table: TableDescriptor): readonly Constraint[] {
  return shownColumns(table)
    .filter(({ column }) => column.notNull)
    .map(({ column, number }) => ({
      name: `${PUBLIC_OID}_${table.id}_${number}_not_null`,
      type: 'CHECK',
      columns: [],
      clause: `${column.name} IS NOT NULL`,
    }));
}

function ofConstraints(
  make: (constraint: Constraint, table: TableDescriptor, database: string) => Iterable<Row>,
  withNotNull: boolean,
): Rows {
  return function* rows(source) {
    const { database } = source.session;
    for (const table of tablesOf(source)) {
      for (const one of constraintsOf(table)) yield* make(one, table, database);
      if (!withNotNull) continue;
      for (const one of notNullConstraints(table)) yield* make(one, table, database);
    }
  };
}

function constraintName({ name }: Constraint, table: TableDescriptor, database: string): Row {
  return {
    constraint_catalog: database,
    constraint_schema: table.schema,
    constraint_name: name,
  };
}

function tableName(table: TableDescriptor, database: string): Row {
  return { table_catalog: database, table_schema: table.schema, table_name: table.name };
}

export const INFORMATION_SCHEMA_MAKERS: Readonly<Record<string, Rows>> = {
  sequences: sequenceRows,
  tables: (source) =>
    tablesOf(source).map((table) => ({
      ...tableName(table, source.session.database),
      table_type: 'BASE TABLE',
      is_insertable_into: 'YES',
      is_typed: 'NO',
    })),
  columns: columnRows,
  schemata: ({ session }) =>
    [...SCHEMAS.keys()].map((schema_name) => ({
      catalog_name: session.database,
      schema_name,
      schema_owner: session.sessionUser,
    })),
  enabled_roles: ({ session }) => [{ role_name: session.sessionUser }],
  information_schema_catalog_name: ({ session }) => [{ catalog_name: session.database }],
  table_constraints: ofConstraints(function* rows(one, table, database) {
    yield {
      ...constraintName(one, table, database),
      ...tableName(table, database),
      constraint_type: one.type,
      is_deferrable: 'NO',
      initially_deferred: 'NO',
      enforced: 'YES',
      nulls_distinct: one.type === 'UNIQUE' ? 'YES' : null,
    };
  }, true),
  check_constraints: ofConstraints(function* rows(one, table, database) {
    if (one.clause === undefined) return;
    yield { ...constraintName(one, table, database), check_clause: one.clause };
  }, true),
  key_column_usage: ofConstraints(function* rows(one, table, database) {
    if (one.type === 'CHECK') return;
    for (let i = 0; i < one.columns.length; i++) {
      yield {
        ...constraintName(one, table, database),
        ...tableName(table, database),
        column_name: one.columns[i] as string,
        ordinal_position: i + 1,
      };
    }
  }, false),
  constraint_column_usage: ofConstraints(function* rows(one, table, database) {
    for (const column of one.columns) {
      yield {
        ...tableName(table, database),
        column_name: column,
        ...constraintName(one, table, database),
      };
    }
  }, false),
  constraint_table_usage: ofConstraints(function* rows(one, table, database) {
    if (one.type === 'CHECK') return;
    yield { ...tableName(table, database), ...constraintName(one, table, database) };
  }, false),
};
