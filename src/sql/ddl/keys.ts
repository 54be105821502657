// Keys of CREATE and ALTER TABLE: what may be in one, and how messages show it.

import { DbError } from '../../base/errors.ts';
import { orderingOf } from '../../rows/datum.ts';
import { isKeyType, unsupportedKey } from '../../rows/key-codec.ts';
import { RowView } from '../../rows/row-codec.ts';
import { formatText } from '../../rows/text-format.ts';
import { catalogTypeName } from '../../rows/type-names.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { IndexColumn, TableDescriptor } from '../catalog/descriptor.ts';
import { madeName } from './relation-names.ts';

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

export function positionAt(at: number): number | undefined {
  return at < 0 ? undefined : at + 1;
}

export function ascending(position: number): IndexColumn {
  return { position, descending: false, nullsFirst: false };
}

export function primaryKeyName(table: string): string {
  return madeName(table, '', '_pkey');
}

/** Each is there, once, and of a type that has an order. */
export function checkKeyColumns(
  columns: readonly string[],
  at: number,
  typeOf: (name: string) => number | undefined,
): void {
  const position = positionAt(at);
  const seen = new Set<string>();
  for (const name of columns) {
    const oid = typeOf(name);
    if (oid === undefined)
      throw new DbError('42703', `column "${name}" named in key does not exist`).at(position);
    if (seen.has(name)) {
      const message = `column "${name}" appears twice in primary key constraint`;
      throw new DbError('42701', message).at(position);
    }
    seen.add(name);
  }
  for (const name of columns) checkKeyType(typeOf(name) as number);
}

export function checkKeyType(oid: number): void {
  if (orderingOf(oid) !== undefined) {
    if (!isKeyType(oid)) throw unsupportedKey(oid);
    return;
  }
  throw new DbError(
    '42704',
    `data type ${catalogTypeName(oid)} has no default operator class for access method "btree"`,
    {
      hint: 'You must specify an operator class for the index or define a default operator class for the data type.',
    },
  );
}
