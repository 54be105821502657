// What the catalog knows of a table. Descriptors are immutable values with a version: a change makes a new one.

import type { Datum } from '../../rows/datum.ts';
import type { RowLayout } from '../../rows/row-codec.ts';
import type { ColumnType } from '../../rows/types.ts';

export type Identity = 'always' | 'byDefault';

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
  /** SQL text of GENERATED ALWAYS AS (…) STORED, over the table's columns. */
  readonly generatedText: string | undefined;
  /** GENERATED … AS IDENTITY; its default is then its sequence's next number. */
  readonly identity: Identity | undefined;
  /** What rows have in it that were written before it was added. */
  readonly missing: Datum;
  /** The hidden key of a table without a primary key: not in *, not in INSERT's default column list. */
  readonly hidden: boolean;
}

/** Its place in packed rows is never used again. */
export interface DroppedColumn {
  readonly position: number;
  readonly type: ColumnType;
}

export interface IndexColumn {
  /** Storage position; of a secondary index -1 - n is its n-th expression. */
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

export interface IndexExpression {
  readonly text: string;
  readonly type: ColumnType;
}

/** An index whose entries lead to rows; what they hold: catalog/index-entry.ts. */
export interface SecondaryIndex extends IndexDescriptor {
  readonly unique: boolean;
  /** It is there for a UNIQUE constraint of its name. */
  readonly isConstraint: boolean;
  readonly expressions: readonly IndexExpression[];
  /** Storage positions of the columns that INCLUDE or STORING names. */
  readonly stored: readonly number[];
  /** Only rows for which this is true have entries. */
  readonly predicateText: string | undefined;
}

export interface CheckConstraint {
  readonly name: string;
  readonly text: string;
  /** False: NOT VALID; rows from before it may not satisfy it. */
  readonly validated: boolean;
}

export interface SequenceOptions {
  readonly increment: bigint;
  readonly min: bigint;
  readonly max: bigint;
  readonly start: bigint;
  readonly cache: bigint;
  readonly cycle: boolean;
  /** int2, int4 or int8. */
  readonly typeOid: number;
  /** Goes with this table's column; 0: with nobody's. */
  readonly ownerTable: number;
  readonly ownerColumn: number;
}

export type TableSettings = ReadonlyMap<string, string>;

export const NO_SETTINGS: TableSettings = new Map();

export interface TableDescriptor {
  readonly id: number;
  readonly version: number;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ColumnDescriptor[];
  readonly dropped: readonly DroppedColumn[];
  /** Its keys hold the rows. */
  readonly primary: IndexDescriptor;
  /** False: primary is over the hidden column. */
  readonly hasPrimaryKey: boolean;
  readonly indexes: readonly SecondaryIndex[];
  readonly checks: readonly CheckConstraint[];
  /** Of a sequence, which is a relation without columns; its state lies under the primary index. */
  readonly sequence: SequenceOptions | undefined;
  readonly nextColumnId: number;
  /** What the table has for itself of the cluster's settings (ALTER TABLE … SET): their text by their names. */
  readonly settings: TableSettings;
  /** Derived from columns, by storage position. */
  readonly layout: RowLayout;
}

/** A column as a plain one begins. */
export const PLAIN_COLUMN: Pick<
  ColumnDescriptor,
  'defaultText' | 'generatedText' | 'identity' | 'missing' | 'hidden'
> = {
  defaultText: undefined,
  generatedText: undefined,
  identity: undefined,
  missing: null,
  hidden: false,
};

/** A table as a plain one begins. */
export const PLAIN_TABLE: Pick<
  TableDescriptor,
  'dropped' | 'indexes' | 'checks' | 'sequence' | 'settings'
> = {
  dropped: [],
  indexes: [],
  checks: [],
  sequence: undefined,
  settings: NO_SETTINGS,
};

/** All index ids that hold keys of the table. */
export function indexIdsOf(table: TableDescriptor): readonly number[] {
  if (table.indexes.length === 0) return [table.primary.id];
  return [table.primary.id, ...table.indexes.map(({ id }) => id)];
}

export function columnAt(table: TableDescriptor, position: number): ColumnDescriptor | undefined {
  return table.columns.find((column) => column.position === position);
}
