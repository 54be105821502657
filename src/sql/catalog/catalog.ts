// The catalog: which tables there are. Descriptors are rows under system keys, changed by ordinary transactions, cached
// whole in memory. This room knows descriptors, their bytes, ids and leases; it knows nothing of statements or plans.

import { ByteReader } from '../../base/bytes.ts';
import { decodeKeyDatum } from '../../rows/key-codec.ts';
import { PackedRowReader } from '../../rows/packed-rows.ts';
import { INT8 } from '../../rows/types.ts';
import type { Log, Timers } from '../../runtime/runtime.ts';
import type { Transactions } from '../../txn/api.ts';
import type { Catalog, CatalogView } from './api.ts';
import { inOwnTransaction } from './attempts.ts';
import { IdCounter, RowIdCounter } from './counters.ts';
import type { TableDescriptor } from './descriptor.ts';
import { decodeDescriptor } from './encoding.ts';
import {
  DESCRIPTOR_SPAN,
  FIRST_INDEX_ID,
  FIRST_TABLE_ID,
  indexSpan,
  type KeySpan,
  PENDING_CLEAR_SPAN,
  pendingClearKey,
} from './keys.ts';
import { DescriptorStore } from './store.ts';
import { SessionCatalogView } from './view.ts';

const SCAN_BATCH_BYTES = 1 << 20;

export interface CatalogDependencies {
  readonly transactions: Transactions;
  readonly timers: Timers;
  readonly log: Log;
}

export function createCatalog(dependencies: CatalogDependencies): Catalog {
  return new StoredCatalog(dependencies);
}

class StoredCatalog implements Catalog {
  readonly #transactions: Transactions;
  readonly #log: Log;
  readonly #store: DescriptorStore;
  readonly #rowIds: RowIdCounter;

  constructor({ transactions, timers, log }: CatalogDependencies) {
    this.#transactions = transactions;
    this.#log = log;
    this.#store = new DescriptorStore(
      transactions,
      timers,
      new IdCounter(transactions, 'tables', FIRST_TABLE_ID),
      new IdCounter(transactions, 'indexes', FIRST_INDEX_ID),
    );
    this.#rowIds = new RowIdCounter(transactions, (error) =>
      log.warn('row ids could not be reserved; trying again', { error: String(error) }),
    );
  }

  async load(): Promise<void> {
    await this.#clearOrphans();
    const tables: TableDescriptor[] = [];
    await this.#scan(DESCRIPTOR_SPAN, (_, row) => tables.push(decodeDescriptor(row)));
    this.#store.replaceAll(tables);
    await this.#rowIds.start();
  }

  view(searchPath: () => readonly string[]): CatalogView {
    return new SessionCatalogView(this.#store, searchPath);
  }

  tables(): readonly TableDescriptor[] {
    return this.#store.tables();
  }

  nextRowId(): number {
    return this.#rowIds.take();
  }

  async clearIndex(indexId: number): Promise<void> {
    const { start, end } = indexSpan(indexId);
    await this.#transactions.clearSpan(start, end);
    await inOwnTransaction(this.#transactions, async (txn) => txn.delete(pendingClearKey(indexId)));
  }

  /** A record that is still there belongs to a transaction that did not commit, or to one that did and whose old keys
   * were not cleared before the crash. Nobody sees the keys either way. */
  async #clearOrphans(): Promise<void> {
    const indexIds: number[] = [];
    await this.#scan(PENDING_CLEAR_SPAN, (key) => {
      indexIds.push(Number(decodeKeyDatum(new ByteReader(key, 4), INT8, false)));
    });
    for (const indexId of indexIds) {
      this.#log.info('clearing what an unfinished schema change left', { index: indexId });
      await this.clearIndex(indexId);
    }
  }

  async #scan(span: KeySpan, row: (key: Uint8Array, value: Uint8Array) => void): Promise<void> {
    const scan = await this.#transactions.snapshot().scan({
      span,
      reverse: false,
      program: undefined,
      parameters: undefined,
      limitRows: 0,
      batchBytes: SCAN_BATCH_BYTES,
    });
    try {
      for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
        const reader = new PackedRowReader(batch.rows);
        while (reader.next()) {
          row(
            reader.bytes.slice(reader.keyStart, reader.keyEnd),
            reader.bytes.slice(reader.rowStart, reader.rowEnd),
          );
        }
      }
    } finally {
      scan.close();
    }
  }
}
