// What planning, sessions and DDL share: a cache of descriptors over the catalog's keys, and leases on them so that a
// schema change waits for the transactions that use the version before.

import type { Maybe } from '../../base/maybe.ts';
import type { Transaction } from '../../txn/api.ts';
import type { Name } from '../parse/ast.ts';
import type { TableDescriptor } from './descriptor.ts';

/** Descriptors as one session's transaction sees them: committed ones, overlaid with its own uncommitted DDL. */
export interface CatalogView {
  /** Undefined when there is no such table. Search path: pg_temp is not there, then the session's, then public. */
  find(name: Name): TableDescriptor | undefined;
  /** find(), or DbError 42P01 pointing at the name. */
  table(name: Name): TableDescriptor;
  /** Changes whenever any committed descriptor changes or this transaction's own DDL does: plans are cached with it. */
  readonly version: number;
  /** Pins the table's version until releaseAll(): DDL on it waits. */
  use(table: TableDescriptor): void;
  releaseAll(): void;

  /** DDL. Each takes effect for others when `txn` commits (call committed() or abandoned() then). */
  create(txn: Transaction, table: Omit<TableDescriptor, 'id' | 'version' | 'layout'>): Maybe<TableDescriptor>;
  /** Waits until no other transaction uses the old version. */
  replace(txn: Transaction, table: TableDescriptor): Promise<TableDescriptor>;
  drop(txn: Transaction, table: TableDescriptor): Promise<void>;
  /** Ids are taken at once and never given back. */
  newIndexId(): Promise<number>;
  committed(): void;
  abandoned(): void;
}

export interface Catalog {
  /** Reads all descriptors; once, at start. */
  load(): Promise<void>;
  view(searchPath: () => readonly string[]): CatalogView;
  tables(): readonly TableDescriptor[];
  /** Never repeats, also across restarts; for hidden keys. Sync: ids are taken in blocks ahead of use. */
  nextRowId(): number;
}
