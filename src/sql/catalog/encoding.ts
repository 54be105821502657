// Descriptors as bytes. The first byte is the format's version; one that this program doesn't know is refused, with
// both named, rather than half understood.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { layoutOf, type RowLayout } from '../../rows/row-codec.ts';
import { columnType } from '../../rows/types.ts';
import type {
  ColumnDescriptor,
  IndexColumn,
  IndexDescriptor,
  TableDescriptor,
} from './descriptor.ts';

export const DESCRIPTOR_FORMAT_VERSION = 2;

const NOT_NULL = 1;
const HIDDEN = 2;
const HAS_DEFAULT = 4;
const DESCENDING = 1;
const NULLS_FIRST = 2;

/** Columns by storage position. */
export function layoutOfColumns(columns: readonly ColumnDescriptor[]): RowLayout {
  return layoutOf(
    [...columns].sort((a, b) => a.position - b.position).map((column) => column.type),
  );
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
    out.u32(column.type.oid);
    out.u32(column.type.modifier >>> 0);
    out.u8(
      (column.notNull ? NOT_NULL : 0) |
        (column.hidden ? HIDDEN : 0) |
        (column.defaultText === undefined ? 0 : HAS_DEFAULT),
    );
    if (column.defaultText !== undefined) out.text(column.defaultText);
  }
  encodeIndex(out, table.primary);
  out.u32(table.settings.size);
  for (const [name, value] of table.settings) {
    out.text(name);
    out.text(value);
  }
  return out.take();
}

function encodeIndex(out: ByteWriter, index: IndexDescriptor): void {
  out.u32(index.id);
  out.text(index.name);
  out.u32(index.columns.length);
  for (const column of index.columns) {
    out.u32(column.position);
    out.u8((column.descending ? DESCENDING : 0) | (column.nullsFirst ? NULLS_FIRST : 0));
  }
}

export function decodeDescriptor(bytes: Uint8Array): TableDescriptor {
  const input = new ByteReader(bytes);
  const format = input.u8();
  if (format !== DESCRIPTOR_FORMAT_VERSION) {
    throw new DbError(
      'XX001',
      `table descriptor has format version ${format}; this program reads version ${DESCRIPTOR_FORMAT_VERSION}`,
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
    layout: layoutOfColumns(columns),
  };
}

function decodeColumn(input: ByteReader): ColumnDescriptor {
  const id = input.u32();
  const name = input.text();
  const position = input.u32();
  const type = columnType(input.u32(), input.u32() | 0);
  const flags = input.u8();
  return {
    id,
    name,
    position,
    type,
    notNull: (flags & NOT_NULL) !== 0,
    hidden: (flags & HIDDEN) !== 0,
    defaultText: (flags & HAS_DEFAULT) === 0 ? undefined : input.text(),
  };
}

function decodeIndex(input: ByteReader): IndexDescriptor {
  const id = input.u32();
  const name = input.text();
  const columns: IndexColumn[] = [];
  for (let left = input.u32(); left > 0; left--) {
    const position = input.u32();
    const flags = input.u8();
    columns.push({
      position,
      descending: (flags & DESCENDING) !== 0,
      nullsFirst: (flags & NULLS_FIRST) !== 0,
    });
  }
  return { id, name, columns };
}
