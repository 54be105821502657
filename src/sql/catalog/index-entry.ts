// What an entry of a secondary index holds. Its key is the index's columns, and behind them the primary key's unless the
// index is unique and none of its columns is NULL. Its value is a packed row (rows/row-codec.ts) of: the index's plain
// columns, the primary key's, those that INCLUDE names, each once; then the values of the index's expressions. So it
// leads to its row, and answers by itself for queries that ask for no more.

import { layoutOf, type RowLayout } from '../../rows/row-codec.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { SecondaryIndex, TableDescriptor } from './descriptor.ts';

/** The storage positions that an entry holds, in its order. */
export function entryPositions(
  table: Pick<TableDescriptor, 'primary'>,
  index: SecondaryIndex,
): readonly number[] {
  const plain = index.columns.filter(({ position }) => position >= 0);
  const positions = [...plain, ...table.primary.columns].map(({ position }) => position);
  return [...new Set([...positions, ...index.stored])];
}

export function entryLayout(table: TableDescriptor, index: SecondaryIndex): RowLayout {
  const positions = entryPositions(table, index);
  return layoutOf([
    ...positions.map((position) => table.layout.types[position] as ColumnType),
    ...index.expressions.map(({ type }) => type),
  ]);
}

/** Of each of the index's columns. */
export function indexColumnTypes(
  table: TableDescriptor,
  index: SecondaryIndex,
): readonly ColumnType[] {
  return index.columns.map(({ position }) =>
    position >= 0
      ? (table.layout.types[position] as ColumnType)
      : (index.expressions[-1 - position]?.type as ColumnType),
  );
}
