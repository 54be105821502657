// Descriptors as bytes. The first byte is the format's version; one that this program doesn't know is refused, with
// both named, rather than half understood.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Datum } from '../../rows/datum.ts';
import { decodeRow, encodeRow, layoutOf, type RowLayout } from '../../rows/row-codec.ts';
import { type ColumnType, columnType } from '../../rows/types.ts';
import {
  type CheckConstraint,
  type ColumnDescriptor,
  type DroppedColumn,
  type IndexColumn,
  type IndexDescriptor,
  type IndexExpression,
  PLAIN_TABLE,
  type SecondaryIndex,
  type SequenceOptions,
  type TableDescriptor,
} from './descriptor.ts';

export const DESCRIPTOR_FORMAT_VERSION = 4;
/** What came with later versions is not there in tables of this one. */
const OLDEST_FORMAT_VERSION = 2;

const NOT_NULL = 1;
const HIDDEN = 2;
const HAS_DEFAULT = 4;
const IS_GENERATED = 8;
const HAS_MISSING = 16;
const IS_IDENTITY = 32;
const IS_ALWAYS = 64;
const CYCLES = 1;
const UNIQUE = 1;
const IS_CONSTRAINT = 2;
const IS_PARTIAL = 4;
const DESCENDING = 1;
const NULLS_FIRST = 2;

/** Columns by storage position. */
export function layoutOfTable(table: Pick<TableDescriptor, 'columns' | 'dropped'>): RowLayout {
  const types: ColumnType[] = [];
  const missing: Datum[] = [];
  for (const { position, type } of table.dropped) {
    types[position] = type;
    missing[position] = null;
  }
  for (const column of table.columns) {
    types[column.position] = column.type;
    missing[column.position] = column.missing;
  }
  return { types, missing };
}

export function encodeDescriptor(table: TableDescriptor): Uint8Array {
  const out = new ByteWriter(512);
  out.u8(DESCRIPTOR_FORMAT_VERSION);
  out.u32(table.id);
  out.u32(table.version);
  out.text(table.schema);
  out.text(table.name);
  out.u8(table.hasPrimaryKey ? 1 : 0);
  out.u32(table.nextColumnId);
  out.u32(table.columns.length);
  for (const column of table.columns) {
    out.u32(column.id);
    out.text(column.name);
    out.u32(column.position);
    encodeType(out, column.type);
    out.u8(
      (column.notNull ? NOT_NULL : 0) |
        (column.hidden ? HIDDEN : 0) |
        (column.defaultText === undefined ? 0 : HAS_DEFAULT) |
        (column.generatedText === undefined ? 0 : IS_GENERATED) |
        (column.missing === null ? 0 : HAS_MISSING) |
        (column.identity === undefined ? 0 : IS_IDENTITY) |
        (column.identity === 'always' ? IS_ALWAYS : 0),
    );
    if (column.defaultText !== undefined) out.text(column.defaultText);
    if (column.generatedText !== undefined) out.text(column.generatedText);
    if (column.missing !== null) out.block(encodeRow(layoutOf([column.type]), [column.missing]));
  }
  encodeIndex(out, table.primary);
  out.u32(table.settings.size);
  for (const [name, value] of table.settings) {
    out.text(name);
    out.text(value);
  }
  out.u32(table.dropped.length);
  for (const { position, type } of table.dropped) {
    out.u32(position);
    encodeType(out, type);
  }
  out.u32(table.indexes.length);
  for (const index of table.indexes) encodeSecondary(out, index);
  out.u32(table.checks.length);
  for (const { name, text, validated } of table.checks) {
    out.text(name);
    out.text(text);
    out.u8(validated ? 1 : 0);
  }
  out.u8(table.sequence === undefined ? 0 : 1);
  if (table.sequence !== undefined) encodeSequence(out, table.sequence);
  return out.take();
}

function encodeSequence(out: ByteWriter, sequence: SequenceOptions): void {
  const { increment, min, max, start, cache } = sequence;
  for (const number of [increment, min, max, start, cache]) out.text(String(number));
  out.u8(sequence.cycle ? CYCLES : 0);
  out.u32(sequence.typeOid);
  out.u32(sequence.ownerTable);
  out.u32(sequence.ownerColumn);
}

function decodeSequence(input: ByteReader): SequenceOptions {
  const number = (): bigint => BigInt(input.text());
  const [increment, min, max, start, cache] = [number(), number(), number(), number(), number()];
  return {
    ...{ increment, min, max, start, cache },
    cycle: input.u8() === CYCLES,
    typeOid: input.u32(),
    ownerTable: input.u32(),
    ownerColumn: input.u32(),
  };
}

function encodeType(out: ByteWriter, type: ColumnType): void {
  out.u32(type.oid);
  out.u32(type.modifier >>> 0);
}

function encodeSecondary(out: ByteWriter, index: SecondaryIndex): void {
  encodeIndex(out, index);
  out.u8(
    (index.unique ? UNIQUE : 0) |
      (index.isConstraint ? IS_CONSTRAINT : 0) |
      (index.predicateText === undefined ? 0 : IS_PARTIAL),
  );
  out.u32(index.expressions.length);
  for (const { text, type } of index.expressions) {
    out.text(text);
    encodeType(out, type);
  }
  out.u32(index.stored.length);
  for (const position of index.stored) out.u32(position);
  if (index.predicateText !== undefined) out.text(index.predicateText);
}

function encodeIndex(out: ByteWriter, index: IndexDescriptor): void {
  out.u32(index.id);
  out.text(index.name);
  out.u32(index.columns.length);
  for (const column of index.columns) {
    out.u32(column.position >>> 0);
    out.u8((column.descending ? DESCENDING : 0) | (column.nullsFirst ? NULLS_FIRST : 0));
  }
}

export function decodeDescriptor(bytes: Uint8Array): TableDescriptor {
  const input = new ByteReader(bytes);
  const format = input.u8();
  if (format < OLDEST_FORMAT_VERSION || format > DESCRIPTOR_FORMAT_VERSION) {
    throw new DbError(
      'XX001',
      `table descriptor has format version ${format}; this program reads versions ${OLDEST_FORMAT_VERSION} to ${DESCRIPTOR_FORMAT_VERSION}`,
      { hint: 'Start the version of Meridian that wrote it, or a newer one.' },
    );
  }
  const id = input.u32();
  const version = input.u32();
  const schema = input.text();
  const name = input.text();
  const hasPrimaryKey = input.u8() === 1;
  const nextColumnId = input.u32();
  const columns: ColumnDescriptor[] = [];
  for (let left = input.u32(); left > 0; left--) columns.push(decodeColumn(input));
  const primary = decodeIndex(input);
  const settings = new Map<string, string>();
  for (let left = input.u32(); left > 0; left--) {
    const setting = input.text();
    settings.set(setting, input.text());
  }
  const { dropped, indexes, checks } = format < 3 ? PLAIN_TABLE : decodeMore(input);
  // Came with version 4.
  const sequence = format >= 4 && input.u8() === 1 ? decodeSequence(input) : undefined;
  return {
    id,
    version,
    schema,
    name,
    columns,
    primary,
    hasPrimaryKey,
    nextColumnId,
    settings,
    dropped,
    indexes,
    checks,
    sequence,
    layout: layoutOfTable({ columns, dropped }),
  };
}

/** What came with version 3. */
function decodeMore(input: ByteReader): Pick<TableDescriptor, 'dropped' | 'indexes' | 'checks'> {
  const dropped: DroppedColumn[] = [];
  for (let left = input.u32(); left > 0; left--) {
    dropped.push({ position: input.u32(), type: decodeType(input) });
  }
  const indexes: SecondaryIndex[] = [];
  for (let left = input.u32(); left > 0; left--) indexes.push(decodeSecondary(input));
  const checks: CheckConstraint[] = [];
  for (let left = input.u32(); left > 0; left--) {
    checks.push({ name: input.text(), text: input.text(), validated: input.u8() === 1 });
  }
  return { dropped, indexes, checks };
}

function decodeType(input: ByteReader): ColumnType {
  return columnType(input.u32(), input.u32() | 0);
}

function decodeSecondary(input: ByteReader): SecondaryIndex {
  const index = decodeIndex(input);
  const flags = input.u8();
  const expressions: IndexExpression[] = [];
  for (let left = input.u32(); left > 0; left--) {
    expressions.push({ text: input.text(), type: decodeType(input) });
  }
  const stored: number[] = [];
  for (let left = input.u32(); left > 0; left--) stored.push(input.u32());
  return {
    ...index,
    unique: (flags & UNIQUE) !== 0,
    isConstraint: (flags & IS_CONSTRAINT) !== 0,
    expressions,
    stored,
    predicateText: (flags & IS_PARTIAL) === 0 ? undefined : input.text(),
  };
}

function decodeColumn(input: ByteReader): ColumnDescriptor {
  const id = input.u32();
  const name = input.text();
  const position = input.u32();
  const type = decodeType(input);
  const flags = input.u8();
  return {
    id,
    name,
    position,
    type,
    notNull: (flags & NOT_NULL) !== 0,
    hidden: (flags & HIDDEN) !== 0,
    defaultText: (flags & HAS_DEFAULT) === 0 ? undefined : input.text(),
    generatedText: (flags & IS_GENERATED) === 0 ? undefined : input.text(),
    identity:
      (flags & IS_IDENTITY) === 0 ? undefined : (flags & IS_ALWAYS) === 0 ? 'byDefault' : 'always',
    missing:
      (flags & HAS_MISSING) === 0 ? null : (decodeRow(layoutOf([type]), input.block())[0] as Datum),
  };
}

function decodeIndex(input: ByteReader): IndexDescriptor {
  const id = input.u32();
  const name = input.text();
  const columns: IndexColumn[] = [];
  for (let left = input.u32(); left > 0; left--) {
    const position = input.u32() | 0;
    const flags = input.u8();
    columns.push({
      position,
      descending: (flags & DESCENDING) !== 0,
      nullsFirst: (flags & NULLS_FIRST) !== 0,
    });
  }
  return { id, name, columns };
}
