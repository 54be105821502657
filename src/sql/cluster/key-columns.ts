// An index of a table as statements about ranges see it: what its keys are made of.

import type { ColumnType } from '../../rows/types.ts';
import {
  columnAt,
  type IndexColumn,
  type SecondaryIndex,
  type TableDescriptor,
} from '../catalog/descriptor.ts';
import { indexColumnTypes } from '../catalog/index-entry.ts';

export interface KeyColumnShown {
  readonly name: string;
  readonly type: ColumnType;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  readonly mayBeNull: boolean;
}

export interface KeyIndex {
  readonly table: TableDescriptor;
  readonly id: number;
  /** In messages and bounds: the table's name, with the index's where it is not the primary one. */
  readonly shown: string;
  readonly columns: readonly KeyColumnShown[];
}

export function primaryIndex(table: TableDescriptor): KeyIndex {
  return { table, id: table.primary.id, shown: table.name, columns: rowColumns(table) };
}

/** Behind its own columns a key may have the primary key's. */
export function secondaryIndex(table: TableDescriptor, index: SecondaryIndex): KeyIndex {
  const types = indexColumnTypes(table, index);
  const own = index.columns.map((column, i): KeyColumnShown => {
    const named = columnAt(table, column.position);
    const name = named?.name ?? index.expressions[-1 - column.position]?.text ?? '';
    return shownAs(column, name, types[i] as ColumnType, named?.notNull !== true);
  });
  const columns = [...own, ...rowColumns(table)];
  return { table, id: index.id, shown: `${table.name}@${index.name}`, columns };
}

export function indexWithId(
  tables: readonly TableDescriptor[],
  indexId: number,
): KeyIndex | undefined {
  for (const table of tables) {
    if (table.primary.id === indexId) return primaryIndex(table);
    const index = table.indexes.find(({ id }) => id === indexId);
    if (index !== undefined) return secondaryIndex(table, index);
  }
  return undefined;
}

function rowColumns(table: TableDescriptor): readonly KeyColumnShown[] {
  return table.primary.columns.map((column) => {
    const { position } = column;
    const name = columnAt(table, position)?.name ?? '';
    return shownAs(column, name, table.layout.types[position] as ColumnType, false);
  });
}

function shownAs(
  { descending, nullsFirst }: IndexColumn,
  name: string,
  type: ColumnType,
  mayBeNull: boolean,
): KeyColumnShown {
  return { name, type, descending, nullsFirst, mayBeNull };
}
