// The committed descriptors of this node, by id and by name, and what all sessions' views share.

import type { Timers } from '../../runtime/runtime.ts';
import type { Transactions } from '../../txn/api.ts';
import type { IdCounter } from './counters.ts';
import type { TableDescriptor } from './descriptor.ts';
import { TableState } from './lease.ts';

export function qualified(schema: string, name: string): string {
  return `${schema}\0${name}`;
}

export class DescriptorStore {
  readonly transactions: Transactions;
  readonly tableIds: IdCounter;
  readonly indexIds: IdCounter;
  readonly #timers: Timers;
  readonly #states = new Map<number, TableState>();
  readonly #byName = new Map<string, TableState>();
  #numbers = 1;
  /** Of what is committed. */
  version = 1;

  constructor(
    transactions: Transactions,
    timers: Timers,
    tableIds: IdCounter,
    indexIds: IdCounter,
  ) {
    this.transactions = transactions;
    this.#timers = timers;
    this.tableIds = tableIds;
    this.indexIds = indexIds;
  }

  /** Numbers for versions come from one sequence, so that no two states of any session's view share one: plans of an
   * uncommitted schema never meet another's. */
  nextVersion(): number {
    return ++this.#numbers;
  }

  bump(): void {
    this.version = this.nextVersion();
  }

  byId(id: number): TableState | undefined {
    return this.#states.get(id);
  }

  byName(schema: string, name: string): TableState | undefined {
    return this.#byName.get(qualified(schema, name));
  }

  /** What a transaction made is put in place: undefined is a dropped table. */
  install(id: number, table: TableDescriptor | undefined): void {
    const state = this.#states.get(id);
    const before = state?.committed;
    if (before !== undefined) this.#byName.delete(qualified(before.schema, before.name));
    if (table === undefined) {
      if (state !== undefined) state.committed = undefined;
      this.#states.delete(id);
      return;
    }
    const current = state ?? new TableState(id, table, this.#timers);
    current.committed = table;
    this.#states.set(id, current);
    this.#byName.set(qualified(table.schema, table.name), current);
  }

  /** These are all there are. What has not changed stays the same object. */
  replaceAll(tables: readonly TableDescriptor[]): void {
    const ids = new Set(tables.map(({ id }) => id));
    for (const [id, state] of this.#states) {
      if (ids.has(id)) continue;
      state.committed = undefined;
      this.#states.delete(id);
    }
    this.#byName.clear();
    for (const table of tables) {
      const state = this.#states.get(table.id);
      if (state !== undefined && state.committed?.version === table.version) {
        this.#byName.set(qualified(table.schema, table.name), state);
      } else {
        // Its old name, if it had another, is nobody's any more.
        if (state !== undefined) state.committed = undefined;
        this.install(table.id, table);
      }
    }
    this.bump();
  }

  tables(): TableDescriptor[] {
    const tables: TableDescriptor[] = [];
    for (const state of this.#states.values()) {
      if (state.committed !== undefined) tables.push(state.committed);
    }
    return tables;
  }
}
