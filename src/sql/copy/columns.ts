// Which columns a COPY is about, in the data's order.

import { DbError } from '../../base/errors.ts';
import type { ColumnDescriptor, TableDescriptor } from '../catalog/descriptor.ts';

export function copyColumns(
  table: TableDescriptor,
  names: readonly string[] | undefined,
): readonly ColumnDescriptor[] {
  const visible = table.columns.filter((column) => !column.hidden);
  if (names === undefined) return visible.filter((c) => c.generatedText === undefined);
  const columns: ColumnDescriptor[] = [];
  for (const name of names) {
    const column = visible.find((c) => c.name === name);
    if (column === undefined) {
      throw new DbError('42703', `column "${name}" of relation "${table.name}" does not exist`);
    }
    if (column.generatedText !== undefined) {
      throw new DbError('42P10', `column "${name}" is a generated column`, {
        detail: 'Generated columns cannot be used in COPY.',
      });
    }
    if (columns.includes(column)) {
      throw new DbError('42701', `column "${name}" specified more than once`);
    }
    columns.push(column);
  }
  return columns;
}
