// Where COPY's rows and the entries of their indexes go: into the transaction, batch by batch, with one locked look-up of
// a batch's keys; or, when the table's keys are this transaction's own invention, around it (BulkLoader), so that a load of any size fits.

import type { DbError } from '../../base/errors.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Log } from '../../runtime/runtime.ts';
import { LOCK_EXCLUSIVE, type Transaction, type Transactions } from '../../txn/api.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import { indexSpan } from '../catalog/keys.ts';
import { clearNow, nothingToDo } from '../ddl/tables.ts';
import type { IndexEntries, IndexEntry } from '../exec/index-entries.ts';
import { BulkLoader } from './bulk-loader.ts';
import { firstTwin } from './twins.ts';

const BATCH_ROWS = 1000;
const BATCH_BYTES = 1 << 20;

export interface RowSinkContext {
  readonly txn: Transaction;
  readonly catalog: CatalogView;
  readonly transactions: Transactions;
  clearIndex(indexId: number): Promise<void>;
  schemaChanged(committed: () => void, rolledBack: () => void): void;
  readonly log: Log;
}

/** How keys that are there already are told. */
export interface SinkComplaints {
  row(row: Uint8Array, line: number): unknown;
  entry(error: DbError, line: number): unknown;
}

interface SunkEntry extends IndexEntry {
  readonly entries: IndexEntries;
  readonly line: number;
}

export class RowSink {
  readonly #table: TableDescriptor;
  readonly #indexes: readonly IndexEntries[];
  readonly #ctx: RowSinkContext;
  readonly #complaints: SinkComplaints;
  readonly #fresh: boolean;
  /** Parallel to #indexes, beside #loader. */
  #entryLoaders: BulkLoader[] = [];
  #entries: SunkEntry[] = [];
  #loader: BulkLoader | undefined;
  #keys: Uint8Array[] = [];
  #rows: Uint8Array[] = [];
  #lines: number[] = [];
  #bytes = 0;

  constructor(
    table: TableDescriptor,
    indexes: readonly IndexEntries[],
    ctx: RowSinkContext,
    complaints: SinkComplaints,
  ) {
    this.#table = table;
    this.#indexes = indexes;
    this.#ctx = ctx;
    this.#complaints = complaints;
    this.#fresh = ctx.catalog.isFresh(table);
  }

  add(key: Uint8Array, row: Uint8Array, line: number): void {
    if (this.#loader !== undefined) {
      this.#loader.add(key, row, line);
      return;
    }
    this.#keys.push(key);
    this.#rows.push(row);
    this.#lines.push(line);
    this.#bytes += key.length + row.length;
  }

  /** Of the row that was added last. */
  addEntries(values: readonly Datum[], line: number): void {
    for (let i = 0; i < this.#indexes.length; i++) {
      const entries = this.#indexes[i] as IndexEntries;
      const entry = entries.entry(values);
      if (entry === undefined) continue;
      if (this.#loader !== undefined) {
        this.#entryLoaders[i]?.add(entry.key, entry.value, line);
        continue;
      }
      this.#entries.push({ ...entry, entries, line });
      this.#bytes += entry.key.length + entry.value.length;
    }
  }

  get full(): boolean {
    if (this.#loader !== undefined) {
      return this.#loader.full || this.#entryLoaders.some((loader) => loader.full);
    }
    return this.#keys.length >= BATCH_ROWS || this.#bytes >= BATCH_BYTES;
  }

  async flush(): Promise<void> {
    if (this.#fresh && this.#loader === undefined) this.#loader = await this.#startLoader();
    if (this.#loader === undefined) {
      await this.#flushBatch();
      return;
    }
    await this.#loader.flush();
    for (const loader of this.#entryLoaders) await loader.flush();
  }

  /** A small load into a fresh table is the transaction's like any other: most tests and scripts are this. */
  async finish(): Promise<void> {
    if (this.#loader === undefined) {
      await this.#flushBatch();
      return;
    }
    await this.#loader.finish();
    for (const loader of this.#entryLoaders) await loader.finish();
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    await this.#loader?.stop();
    for (const loader of this.#entryLoaders) await loader.stop();
  }

  async #startLoader(): Promise<BulkLoader> {
    const ctx = this.#ctx;
    const table = this.#table;
    // Hidden keys are new by making; others may meet what the transaction wrote before.
    const mayHoldRows = table.hasPrimaryKey && (await this.#holdsRows(table.primary.id));
    const loader = new BulkLoader(
      {
        // Rows under a hidden key are only ever scanned.
        bulkWrite: (writes) => ctx.transactions.bulkWrite(writes, table.hasPrimaryKey),
        existing: (keys) => (mayHoldRows ? ctx.txn : ctx.transactions.snapshot()).getMany(keys),
        duplicate: (row, line) => this.#complaints.row(row, line),
      },
      mayHoldRows,
    );
    // From here on a savepoint can't take the rows back, only the whole transaction can.
    ctx.schemaChanged(nothingToDo, () => {
      void loader.stop().then(() => clearNow(ctx, table.primary.id));
    });
    await ctx.catalog.bulkLoads(ctx.txn, table.primary.id);
    for (const entries of this.#indexes) {
      this.#entryLoaders.push(await this.#startEntryLoader(entries));
    }
    for (let i = 0; i < this.#keys.length; i++) {
      loader.add(
        this.#keys[i] as Uint8Array,
        this.#rows[i] as Uint8Array,
        this.#lines[i] as number,
      );
    }
    for (const { entries, key, value, line } of this.#entries) {
      this.#entryLoaders[this.#indexes.indexOf(entries)]?.add(key, value, line);
    }
    this.#reset();
    return loader;
  }

  async #startEntryLoader(entries: IndexEntries): Promise<BulkLoader> {
    const ctx = this.#ctx;
    const { id, unique } = entries.index;
    const mayHoldEntries = unique && (await this.#holdsRows(id));
    const loader = new BulkLoader(
      {
        bulkWrite: (writes) => ctx.transactions.bulkWrite(writes, true),
        existing: (keys) => (mayHoldEntries ? ctx.txn : ctx.transactions.snapshot()).getMany(keys),
        duplicate: (entry, line) => this.#complaints.entry(entries.duplicateOf(entry), line),
      },
      mayHoldEntries,
      !unique,
    );
    ctx.schemaChanged(nothingToDo, () => {
      void loader.stop().then(() => clearNow(ctx, id));
    });
    await ctx.catalog.bulkLoads(ctx.txn, id);
    return loader;
  }

  async #holdsRows(indexId: number): Promise<boolean> {
    const scan = await this.#ctx.txn.scan({
      span: indexSpan(indexId),
      reverse: false,
      program: undefined,
      parameters: undefined,
      limitRows: 1,
      batchBytes: 1024,
    });
    try {
      const batch = await scan.next();
      return batch !== undefined && batch.rowCount > 0;
    } finally {
      scan.close();
    }
  }

  async #flushBatch(): Promise<void> {
    const { txn } = this.#ctx;
    const keys = this.#keys;
    const rows = this.#rows;
    if (keys.length === 0) return;
    if (this.#table.hasPrimaryKey) {
      const found = await txn.getManyLocked(keys, LOCK_EXCLUSIVE);
      const bad = firstTwin(keys, found);
      if (bad >= 0) throw this.#complaints.row(rows[bad] as Uint8Array, this.#lines[bad] as number);
    }
    if (this.#entries.length > 0) await this.#flushEntries();
    for (let i = 0; i < keys.length; i++) {
      txn.put(keys[i] as Uint8Array, rows[i] as Uint8Array);
    }
    this.#reset();
  }

  async #flushEntries(): Promise<void> {
    const { txn } = this.#ctx;
    const unique = this.#entries.filter((entry) => entry.isUnique);
    if (unique.length > 0) {
      const keys = unique.map(({ key }) => key);
      const bad = firstTwin(keys, await txn.getManyLocked(keys, LOCK_EXCLUSIVE));
      if (bad >= 0) {
        const { entries, value, line } = unique[bad] as SunkEntry;
        throw this.#complaints.entry(entries.duplicateOf(value), line);
      }
    }
    for (const { key, value } of this.#entries) txn.put(key, value);
  }

  #reset(): void {
    this.#entries = [];
    this.#keys = [];
    this.#rows = [];
    this.#lines = [];
    this.#bytes = 0;
  }
}
