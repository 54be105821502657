// Where COPY's rows go: into the transaction, batch by batch, with one locked look-up of a batch's keys; or, when the
// table's keys are this transaction's own invention, around it (BulkLoader), so that a load of any size fits.

import type { Log } from '../../runtime/runtime.ts';
import { LOCK_EXCLUSIVE, type Transaction, type Transactions } from '../../txn/api.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import { indexSpan } from '../catalog/keys.ts';
import { clearNow, nothingToDo } from '../ddl/tables.ts';
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

export class RowSink {
  readonly #table: TableDescriptor;
  readonly #ctx: RowSinkContext;
  readonly #duplicate: (row: Uint8Array, line: number) => unknown;
  readonly #fresh: boolean;
  #loader: BulkLoader | undefined;
  #keys: Uint8Array[] = [];
  #rows: Uint8Array[] = [];
  #lines: number[] = [];
  #bytes = 0;

  constructor(
    table: TableDescriptor,
    ctx: RowSinkContext,
    duplicate: (row: Uint8Array, line: number) => unknown,
  ) {
    this.#table = table;
    this.#ctx = ctx;
    this.#duplicate = duplicate;
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

  get full(): boolean {
    if (this.#loader !== undefined) return this.#loader.full;
    return this.#keys.length >= BATCH_ROWS || this.#bytes >= BATCH_BYTES;
  }

  async flush(): Promise<void> {
    if (this.#fresh && this.#loader === undefined) this.#loader = await this.#startLoader();
    if (this.#loader !== undefined) await this.#loader.flush();
    else await this.#flushBatch();
  }

  /** A small load into a fresh table is the transaction's like any other: most tests and scripts are this. */
  async finish(): Promise<void> {
    if (this.#loader !== undefined) await this.#loader.finish();
    else await this.#flushBatch();
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    await this.#loader?.stop();
  }

  async #startLoader(): Promise<BulkLoader> {
    const ctx = this.#ctx;
    const table = this.#table;
    // Hidden keys are new by making; others may meet what the transaction wrote before.
    const mayHoldRows = table.hasPrimaryKey && (await this.#holdsRows());
    const loader = new BulkLoader(
      {
        // Rows under a hidden key are only ever scanned.
        bulkWrite: (writes) => ctx.transactions.bulkWrite(writes, table.hasPrimaryKey),
        existing: (keys) => (mayHoldRows ? ctx.txn : ctx.transactions.snapshot()).getMany(keys),
        duplicate: this.#duplicate,
      },
      mayHoldRows,
    );
    // From here on a savepoint can't take the rows back, only the whole transaction can.
    ctx.schemaChanged(nothingToDo, () => {
      void loader.stop().then(() => clearNow(ctx, table.primary.id));
    });
    await ctx.catalog.bulkLoads(ctx.txn, table);
    for (let i = 0; i < this.#keys.length; i++) {
      loader.add(
        this.#keys[i] as Uint8Array,
        this.#rows[i] as Uint8Array,
        this.#lines[i] as number,
      );
    }
    this.#reset();
    return loader;
  }

  async #holdsRows(): Promise<boolean> {
    const scan = await this.#ctx.txn.scan({
      span: indexSpan(this.#table.primary.id),
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
      if (bad >= 0) throw this.#duplicate(rows[bad] as Uint8Array, this.#lines[bad] as number);
    }
    for (let i = 0; i < keys.length; i++) {
      txn.put(keys[i] as Uint8Array, rows[i] as Uint8Array);
    }
    this.#reset();
  }

  #reset(): void {
    this.#keys = [];
    this.#rows = [];
    this.#lines = [];
    this.#bytes = 0;
  }
}
