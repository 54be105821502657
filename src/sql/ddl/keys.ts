// Keys of rows, and keys as messages show them.

import { ByteWriter } from '../../base/bytes.ts';
import type { Datum } from '../../rows/datum.ts';
import { encodeKeyDatum } from '../../rows/key-codec.ts';
import { type RowAccess, RowView } from '../../rows/row-codec.ts';
import { formatText } from '../../rows/text-format.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { IndexColumn, IndexDescriptor, TableDescriptor } from '../catalog/descriptor.ts';

/** Makes the keys of one index from its rows. */
export class KeyEncoder {
  readonly #id: number;
  readonly #columns: readonly IndexColumn[];
  readonly #types: readonly ColumnType[];
  readonly #writer = new ByteWriter(128);

  constructor(index: IndexDescriptor, types: readonly ColumnType[]) {
    this.#id = index.id;
    this.#columns = index.columns;
    this.#types = index.columns.map((column) => types[column.position] as ColumnType);
  }

  encode(row: RowAccess): Uint8Array {
    const writer = this.#writer;
    writer.reset();
    writer.u32be(this.#id);
    const columns = this.#columns;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i] as IndexColumn;
      const { oid } = this.#types[i] as ColumnType;
      encodeKeyDatum(writer, oid, row.datum(column.position), column.descending, column.nullsFirst);
    }
    return writer.take();
  }
}

/** 'Key (a, b)=(1, x)' of a stored row. */
export function describeKey(table: TableDescriptor, row: Uint8Array): string {
  const view = new RowView();
  view.reset(table.layout, row, 0, row.length);
  const names: string[] = [];
  const values: string[] = [];
  for (const { position } of table.primary.columns) {
    const column = table.columns.find((c) => c.position === position);
    names.push(column?.name ?? '');
    values.push(showDatum(table.layout.types[position] as ColumnType, view.datum(position)));
  }
  return `Key (${names.join(', ')})=(${values.join(', ')})`;
}

export function showDatum(type: ColumnType, value: Datum): string {
  return value === null ? 'null' : formatText(type, value);
}
