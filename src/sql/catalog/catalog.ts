// The catalog: which tables there are. Descriptors are rows under system keys, changed by ordinary transactions, cached
// whole in memory of every node that serves SQL, under a lease. This room knows descriptors, their bytes, ids and leases; it knows nothing of statements or plans.

import type { IntervalClock } from '../../clock/interval-clock.ts';
import type { Log, NodeId, Random, Time, Timers } from '../../runtime/runtime.ts';
import type { Transactions } from '../../txn/api.ts';
import type { Catalog, CatalogView } from './api.ts';
import { IdCounter, RowIdCounter } from './counters.ts';
import { NO_SETTINGS, type TableDescriptor, type TableSettings } from './descriptor.ts';
import { decodeDescriptor } from './encoding.ts';
import { clearRecord, DESCRIPTOR_SPAN, FIRST_INDEX_ID, FIRST_TABLE_ID } from './keys.ts';
import { clearIndex, clearLeavings } from './leavings.ts';
import { scanRows } from './scan.ts';
import { SchemaGateway } from './schema-gateway.ts';
import type { SchemaHomes } from './schema-links.ts';
import { SequenceNumbers } from './sequences.ts';
import { DescriptorStore } from './store.ts';
import { SessionCatalogView } from './view.ts';

export interface CatalogDependencies {
  /** The catalog's own, which nothing fences. */
  readonly transactions: Transactions;
  readonly node: NodeId;
  readonly homes: SchemaHomes;
  readonly clock: Pick<IntervalClock, 'earliest' | 'latest' | 'suspended'>;
  readonly time: Pick<Time, 'monotonicMicros'>;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  /** The schema may be used from now on. */
  onServing(): void;
  /** Not any more: all that is open must be aborted. */
  onCeased(): void;
  /** The catalog can't be read. */
  readonly onFailure: (error: unknown) => void;
}

export function createCatalog(dependencies: CatalogDependencies): Catalog {
  return new StoredCatalog(dependencies);
}

class StoredCatalog implements Catalog {
  readonly schema: SchemaGateway;
  readonly sequences: SequenceNumbers;
  readonly #transactions: Transactions;
  readonly #node: NodeId;
  readonly #log: Log;
  readonly #store: DescriptorStore;
  readonly #rowIds: RowIdCounter;
  /** What an earlier process of this node left is cleared, and row ids are there. */
  #isPrepared = false;

  constructor(dependencies: CatalogDependencies) {
    const { transactions, timers, log, node } = dependencies;
    this.#transactions = transactions;
    this.sequences = new SequenceNumbers(transactions);
    this.#log = log;
    this.#node = node;
    this.#store = new DescriptorStore(
      transactions,
      timers,
      dependencies.clock,
      new IdCounter(transactions, 'tables', FIRST_TABLE_ID),
      new IdCounter(transactions, 'indexes', FIRST_INDEX_ID),
      clearRecord(node),
    );
    this.#rowIds = new RowIdCounter(transactions, (error) =>
      log.warn('row ids could not be reserved; trying again', { error: String(error) }),
    );
    this.schema = new SchemaGateway({
      ...dependencies,
      store: this.#store,
      load: () => this.#load(),
    });
  }

  async #load(): Promise<readonly TableDescriptor[]> {
    if (!this.#isPrepared) {
      // Other nodes clear their own.
      await clearLeavings(this.#transactions, this.#node, this.#log);
      await this.#rowIds.start();
      this.#isPrepared = true;
    }
    const tables: TableDescriptor[] = [];
    await scanRows(this.#transactions, DESCRIPTOR_SPAN, (_, row) => {
      tables.push(decodeDescriptor(row));
    });
    return tables;
  }

  view(searchPath: () => readonly string[]): CatalogView {
    return new SessionCatalogView(this.#store, this.schema, searchPath);
  }

  tables(): readonly TableDescriptor[] {
    return this.#store.tables();
  }

  settingsOf(indexId: number): TableSettings {
    return this.#store.byIndex(indexId)?.settings ?? NO_SETTINGS;
  }

  nextRowId(): number {
    return this.#rowIds.take();
  }

  clearIndex(indexId: number): Promise<void> {
    return clearIndex(this.#transactions, indexId);
  }
}
