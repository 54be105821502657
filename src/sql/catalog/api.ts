// What planning, sessions and DDL share: a cache of descriptors over the catalog's keys, and leases on them so that a
// schema change has its table alone on all nodes, as PostgreSQL's ACCESS EXCLUSIVE does. How a change excludes everybody
// else:
//
// 1. exclusive() asks the schema's home (schema-home.ts), which has every node mark the table. From then on find() and
//    use() of every other session throw SchemaBusyError, and `version` changes, so that no cached plan goes on without
//    asking find() again.
// 2. The home waits, for a bounded time (55P03), until no other session uses the table on any node.
// 3. What the DDL's transaction changed is seen by its own session at once, by all others when committed() resolves;
//    abandoned() takes it back. Either lifts the marks.
//
// So nobody reads or writes a table's old keys after its change has begun, and they may be cleared once it committed.
// A session that meets SchemaBusyError may wait for it (whenFree) and then plan again. A node that the home can't reach
// loses its lease and aborts what is open before the home goes on.

import type { Maybe } from '../../base/maybe.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { Transaction } from '../../txn/api.ts';
import type { Name } from '../parse/ast.ts';
import type { TableDescriptor, TableSettings } from './descriptor.ts';
import type { SchemaGateway } from './schema-gateway.ts';
import type { SequenceNumbers } from './sequences.ts';

/** Descriptors as one session's transaction sees them: committed ones, overlaid with its own uncommitted DDL. */
export interface CatalogView {
  /** Undefined when there is no such table. Search path: pg_temp is not there, then the session's, then public.
   * Throws SchemaBusyError (55P03) while another session's DDL has the table. */
  find(name: Name): TableDescriptor | undefined;
  /** find(), or DbError 42P01 pointing at the name. */
  table(name: Name): TableDescriptor;
  /** The table that has the secondary index; without a schema, the first on the search path. Throws SchemaBusyError as
   * find() does. */
  findIndex(name: Name): TableDescriptor | undefined;
  /** All that this view sees, busy tables as they were, in no particular order: what pg_catalog is made of. */
  all(): readonly TableDescriptor[];
  /** Changes whenever any committed descriptor changes or this transaction's own DDL does: plans are cached with it. */
  readonly version: number;
  /** Whether find() or use() of any of them would throw SchemaBusyError: plans made while this session still used the
   * table don't tell. */
  isBusy(tables: readonly TableDescriptor[]): boolean;
  /** Pins the table's version until releaseAll(): DDL on it waits. Throws SchemaBusyError, and 40001 when the
   * descriptor is no longer the table's, or a snapshot of `asOf` is from before it was. */
  use(table: TableDescriptor, asOf?: Timestamp): void;
  releaseAll(): void;

  /** DDL. Each takes effect for others when `txn` commits (call committed() or abandoned() then). 42P07 when the name
   * is taken. */
  create(
    txn: Transaction,
    table: Omit<TableDescriptor, 'id' | 'version' | 'layout'>,
  ): Maybe<TableDescriptor>;
  /** Waits until no other transaction uses the table and keeps others off until this one ends. `check` is asked now
   * and then while waiting and throws to give up. */
  exclusive(txn: Transaction, table: TableDescriptor, check?: () => void): Promise<void>;
  /** Implies exclusive(). The layout is derived anew. 42P07 when it has a new name, or an index of a new name, that is
   * taken. */
  replace(txn: Transaction, table: TableDescriptor): Promise<TableDescriptor>;
  /** Implies exclusive(). */
  drop(txn: Transaction, table: TableDescriptor): Promise<void>;
  /** Ids are taken at once and never given back. */
  newIndexId(): Promise<number>;
  /** Whether the table's rows and entries are under keys that this very transaction made up: nobody else can see them, so that
   * rows may be loaded around the transaction (Transactions.bulkWrite), after bulkLoads(). */
  isFresh(table: TableDescriptor): boolean;
  /** Before the first bulkWrite into an index of its own: after a crash before `txn` commits, its keys are cleared. */
  bulkLoads(txn: Transaction, indexId: number): Promise<void>;
  /** Remembers, in the transaction itself, that an index's keys are to be cleared once it has committed. */
  clearWhenCommitted(txn: Transaction, indexId: number): void;
  /** Throws when this transaction's schema changes may not commit any more; in the turn of the commit. */
  beforeCommit(): void;
  /** Resolves when all nodes have what was changed: only then may its client know. */
  committed(): Maybe<void>;
  /** `mayHaveCommitted`: its answer was lost. What it changed stays out of reach until that is found out. */
  abandoned(mayHaveCommitted: boolean): void;
  /** Throws 40001 when this node may not use what it knows of the schema any more. */
  demandLease(): void;
}

export interface Catalog {
  /** This node's lease: to be started and stopped, and a fence for the transactions of sessions. */
  readonly schema: SchemaGateway;
  view(searchPath: () => readonly string[]): CatalogView;
  tables(): readonly TableDescriptor[];
  /** What the table whose rows are in the index has set for itself (ALTER TABLE … SET), as far as this node knows now. */
  settingsOf(indexId: number): TableSettings;
  /** Never repeats, also across restarts; for hidden keys. Sync: ids are taken in blocks ahead of use. */
  nextRowId(): number;
  /** What this node has taken of sequences. */
  readonly sequences: SequenceNumbers;
  /** Clears the keys of an index that nobody can see any more, and the record that it has to be. */
  clearIndex(indexId: number): Promise<void>;
}
