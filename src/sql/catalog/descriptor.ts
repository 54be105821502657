// What the catalog knows of a table. Descriptors are immutable values with a version: a change makes a new one.

import type { RowLayout } from '../../rows/row-codec.ts';
import type { ColumnType } from '../../rows/types.ts';

export interface ColumnDescriptor {
  /** Never reused within the table; 1-based. */
  readonly id: number;
  readonly name: string;
  /** Storage position in packed rows, 0-based. */
  readonly position: number;
  readonly type: ColumnType;
  readonly notNull: boolean;
  /** SQL text of the DEFAULT expression, as the parser reads it back. */
  readonly defaultText: string | undefined;
  /** The hidden key of a table without a primary key: not in *, not in INSERT's default column list. */
  readonly hidden: boolean;
}

export interface IndexColumn {
  readonly position: number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

export interface IndexDescriptor {
  /** Prefix of its keys (rows/key-codec.ts keyPrefix); never reused. */
  readonly id: number;
  readonly name: string;
  readonly columns: readonly IndexColumn[];
}

export type TableSettings = ReadonlyMap<string, string>;

export const NO_SETTINGS: TableSettings = new Map();

export interface TableDescriptor {
  readonly id: number;
  readonly version: number;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ColumnDescriptor[];
  /** Its keys hold the rows. */
  readonly primary: IndexDescriptor;
  /** False: primary is over the hidden column. */
  readonly hasPrimaryKey: boolean;
  readonly nextColumnId: number;
  /** What the table has for itself of the cluster's settings (ALTER TABLE … SET): their text by their names. */
  readonly settings: TableSettings;
  /** Derived from columns, by storage position. */
  readonly layout: RowLayout;
}
