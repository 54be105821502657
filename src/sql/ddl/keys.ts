// A key as messages show it.

import { RowView } from '../../rows/row-codec.ts';
import { formatText } from '../../rows/text-format.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';

/** 'Key (a, b)=(1, x)' of a stored row, none of whose key columns is NULL. */
export function describeKey(table: TableDescriptor, row: Uint8Array): string {
  const view = new RowView();
  view.reset(table.layout, row, 0, row.length);
  const names: string[] = [];
  const values: string[] = [];
  for (const { position } of table.primary.columns) {
    const column = table.columns.find((c) => c.position === position);
    names.push(column?.name ?? '');
    values.push(formatText(table.layout.types[position] as ColumnType, view.datum(position)));
  }
  return `Key (${names.join(', ')})=(${values.join(', ')})`;
}
