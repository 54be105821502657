// pg_class and what hangs on it: attributes, defaults, indexes, constraints. The system's own relations are there, too.

import { ArrayOf } from '../../rows/array.ts';
import type { Datum } from '../../rows/datum.ts';
import { INT2, OID, typeLength } from '../../rows/types.ts';
import {
  columnAt,
  type ColumnDescriptor,
  type IndexColumn,
  type SecondaryIndex,
  type TableDescriptor,
} from '../catalog/descriptor.ts';
import { type Row, type Rows, type SystemRelation } from './define.ts';
import {
  checkOid,
  defaultOid,
  INFORMATION_SCHEMA_OID,
  indexOid,
  keyConstraintOid,
  OWNER_OID,
  PG_CATALOG_OID,
  PUBLIC_OID,
} from './oids.ts';
import { columnsOfText } from './texts.ts';
import type { VirtualSource } from './virtual.ts';

const PG_CLASS_OID = 1259;
const HEAP = 2;
const BTREE = 403;

export interface ShownColumn {
  readonly column: ColumnDescriptor;
  /** pg_attribute.attnum; the same that a result's description has. */
  readonly number: number;
}

export function shownColumns(table: TableDescriptor): readonly ShownColumn[] {
  return table.columns.flatMap((column) => (column.hidden ? [] : [{ column, number: column.id }]));
}

interface ShownIndex {
  readonly index: Pick<SecondaryIndex, 'id' | 'name' | 'columns'> & Partial<SecondaryIndex>;
  readonly isPrimary: boolean;
  readonly isUnique: boolean;
  readonly isConstraint: boolean;
}

/** The primary key's first, if the table has one that shows. */
export function shownIndexes(table: TableDescriptor): readonly ShownIndex[] {
  const secondary = table.indexes.map((index) => ({
    index,
    isPrimary: false,
    isUnique: index.unique,
    isConstraint: index.isConstraint,
  }));
  if (!table.hasPrimaryKey) return secondary;
  const { primary } = table;
  return [{ index: primary, isPrimary: true, isUnique: true, isConstraint: true }, ...secondary];
}

export function numberOf(table: TableDescriptor, position: number): number {
  return columnAt(table, position)?.id ?? 0;
}

function relation(kind: string, oid: number, name: string, namespace: number): Row {
  return {
    oid,
    relname: name,
    relnamespace: namespace,
    relowner: OWNER_OID,
    relkind: kind,
    relpersistence: 'p',
    relispopulated: true,
    relreplident: kind === 'r' ? 'd' : 'n',
    reltuples: -1,
  };
}

function* tableRelations(table: TableDescriptor): Generator<Row> {
  if (table.sequence !== undefined) {
    yield { ...relation('S', table.id, table.name, PUBLIC_OID), relnatts: 3, reltuples: 1 };
    return;
  }
  const indexes = shownIndexes(table);
  yield {
    ...relation('r', table.id, table.name, PUBLIC_OID),
    relam: HEAP,
    relfilenode: table.id,
    relnatts: shownColumns(table).length,
    relhasindex: indexes.length > 0,
    relchecks: table.checks.length,
  };
  for (const { index } of indexes) {
    yield {
      ...relation('i', indexOid(index), index.name, PUBLIC_OID),
      relam: BTREE,
      relfilenode: indexOid(index),
      relnatts: index.columns.length + (index.stored?.length ?? 0),
    };
  }
}

function* columnAttributes(table: TableDescriptor): Generator<Row> {
  for (const { column, number } of shownColumns(table)) {
    yield {
      attrelid: table.id,
      attname: column.name,
      atttypid: column.type.oid,
      attlen: typeLength(column.type.oid),
      attnum: number,
      attcacheoff: -1,
      atttypmod: column.type.modifier,
      attnotnull: column.notNull,
      atthasdef: column.defaultText !== undefined || column.generatedText !== undefined,
      attidentity: column.identity === undefined ? '' : column.identity === 'always' ? 'a' : 'd',
      attgenerated: column.generatedText === undefined ? '' : 's',
      attstattarget: -1,
      attislocal: true,
    };
  }
}

function* indexAttributes(table: TableDescriptor): Generator<Row> {
  for (const { index } of shownIndexes(table)) {
    const stored = (index.stored ?? []).map(
      (position): IndexColumn => ({ position, descending: false, nullsFirst: false }),
    );
    let number = 0;
    for (const { position } of [...index.columns, ...stored]) {
      number++;
      const column = position < 0 ? undefined : columnAt(table, position);
      const type = column?.type ?? index.expressions?.[-1 - position]?.type;
      yield {
        attrelid: indexOid(index),
        attname: column?.name ?? 'expr',
        atttypid: type?.oid ?? 0,
        attlen: type === undefined ? -1 : typeLength(type.oid),
        attnum: number,
        attcacheoff: -1,
        atttypmod: type?.modifier ?? -1,
        attstattarget: -1,
        attislocal: true,
      };
    }
  }
}

function* indexRows(table: TableDescriptor): Generator<Row> {
  for (const { index, isPrimary, isUnique } of shownIndexes(table)) {
    const keys = index.columns.map(({ position }) => numberOf(table, position));
    const stored = (index.stored ?? []).map((position) => numberOf(table, position));
    const all = [...keys, ...stored];
    const zeros = keys.map(() => 0);
    const options = index.columns.map((c) => (c.descending ? 1 : 0) + (c.nullsFirst ? 2 : 0));
    const expressions = (index.expressions ?? []).map(({ text }) => text);
    yield {
      indexrelid: indexOid(index),
      indrelid: table.id,
      indnatts: all.length,
      indnkeyatts: keys.length,
      indisunique: isUnique,
      indisprimary: isPrimary,
      indimmediate: true,
      indisvalid: true,
      indisready: true,
      indislive: true,
      indkey: ArrayOf.of<Datum>(INT2, all, 0),
      indcollation: ArrayOf.of<Datum>(OID, zeros, 0),
      indclass: ArrayOf.of<Datum>(OID, zeros, 0),
      indoption: ArrayOf.of<Datum>(INT2, options, 0),
      indexprs: expressions.length === 0 ? null : expressions.join(', '),
      indpred: index.predicateText ?? null,
    };
  }
}

function* constraintRows(table: TableDescriptor): Generator<Row> {
  const common = {
    connamespace: PUBLIC_OID,
    conrelid: table.id,
    convalidated: true,
    confupdtype: ' ',
    confdeltype: ' ',
    confmatchtype: ' ',
    conislocal: true,
    connoinherit: true,
  };
  for (const { index, isPrimary, isConstraint } of shownIndexes(table)) {
    if (!isConstraint) continue;
    yield {
      ...common,
      oid: keyConstraintOid(index),
      conname: index.name,
      contype: isPrimary ? 'p' : 'u',
      conindid: indexOid(index),
      conkey: ArrayOf.of<Datum>(
        INT2,
        index.columns.map(({ position }) => numberOf(table, position)),
      ),
    };
  }
  for (const check of table.checks) {
    yield {
      ...common,
      oid: checkOid(table, check),
      conname: check.name,
      contype: 'c',
      convalidated: check.validated,
      connoinherit: false,
      conkey: checkedColumns(table, check.text),
      conbin: check.text,
    };
  }
}

function checkedColumns(table: TableDescriptor, text: string): Datum {
  const numbers = columnsOfText(text).map(
    (name) => table.columns.find((column) => column.name === name)?.id ?? 0,
  );
  return numbers.length === 0 ? null : ArrayOf.of<Datum>(INT2, numbers);
}

function* defaultRows(table: TableDescriptor): Generator<Row> {
  for (const { column, number } of shownColumns(table)) {
    const text = column.generatedText ?? column.defaultText;
    if (text === undefined) continue;
    yield { oid: defaultOid(table, number), adrelid: table.id, adnum: number, adbin: text };
  }
}

/** As a datum of the type. */
function int8(value: bigint): Datum {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function* sequenceRows({ catalog }: VirtualSource): Generator<Row> {
  for (const { id, sequence } of catalog.all()) {
    if (sequence === undefined) continue;
    yield {
      seqrelid: id,
      seqtypid: sequence.typeOid,
      seqstart: int8(sequence.start),
      seqincrement: int8(sequence.increment),
      seqmax: int8(sequence.max),
      seqmin: int8(sequence.min),
      seqcache: int8(sequence.cache),
      seqcycle: sequence.cycle,
    };
  }
}

/** Sequences that go with a column: i, of an identity, or a, of one that is only owned. */
function* ownershipRows({ catalog }: VirtualSource): Generator<Row> {
  for (const { id, sequence } of catalog.all()) {
    if (sequence === undefined || sequence.ownerTable === 0) continue;
    const owner = catalog.all().find((table) => table.id === sequence.ownerTable);
    const column = owner?.columns.find((one) => one.id === sequence.ownerColumn);
    yield {
      classid: PG_CLASS_OID,
      objid: id,
      refclassid: PG_CLASS_OID,
      refobjid: sequence.ownerTable,
      refobjsubid: sequence.ownerColumn,
      deptype: column?.identity === undefined ? 'a' : 'i',
    };
  }
}

function ofTables(make: (table: TableDescriptor) => Iterable<Row>): Rows {
  return function* rows({ catalog }: VirtualSource) {
    for (const table of catalog.all()) if (table.sequence === undefined) yield* make(table);
  };
}

export interface SystemSchemas {
  readonly catalog: readonly SystemRelation[];
  readonly information: readonly SystemRelation[];
}

/** `system`: what pg_catalog and information_schema have themselves. */
export function relationMakers(system: SystemSchemas): Readonly<Record<string, Rows>> {
  const namespaces = [
    [PG_CATALOG_OID, system.catalog],
    [INFORMATION_SCHEMA_OID, system.information],
  ] as const;
  const ownRelations = namespaces.flatMap(([namespace, relations]) =>
    relations.map(
      (one): Row => ({
        ...relation(one.kind, one.oid, one.name, namespace),
        relnatts: one.columns.length,
      }),
    ),
  );
  const ownAttributes = namespaces.flatMap(([, relations]) =>
    relations.flatMap((one) =>
      one.columns.map(
        (column, i): Row => ({
          attrelid: one.oid,
          attname: column.name,
          atttypid: column.oid,
          attlen: typeLength(column.oid),
          attnum: i + 1,
          attcacheoff: -1,
          atttypmod: -1,
          attnotnull: column.notNull,
          attstattarget: -1,
          attislocal: true,
        }),
      ),
    ),
  );
  return {
    pg_class: function* rows(source) {
      yield* ownRelations;
      for (const table of source.catalog.all()) yield* tableRelations(table);
    },
    pg_attribute: function* rows(source) {
      yield* ownAttributes;
      for (const table of source.catalog.all()) {
        if (table.sequence !== undefined) continue;
        yield* columnAttributes(table);
        yield* indexAttributes(table);
      }
    },
    pg_index: ofTables(indexRows),
    pg_constraint: ofTables(constraintRows),
    pg_attrdef: ofTables(defaultRows),
    pg_sequence: sequenceRows,
    pg_depend: ownershipRows,
  };
}
