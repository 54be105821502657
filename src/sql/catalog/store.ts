// The committed descriptors of this node, by id and by name, and what all sessions' views share.

import type { IntervalClock } from '../../clock/interval-clock.ts';
import type { Timers } from '../../runtime/runtime.ts';
import type { Transactions } from '../../txn/api.ts';
import type { IdCounter } from './counters.ts';
import { indexIdsOf, type TableDescriptor } from './descriptor.ts';
import { decodeDescriptor } from './encoding.ts';
import { type LeaseHolder, TableState } from './lease.ts';

export function qualified(schema: string, name: string): string {
  return `${schema}\0${name}`;
}

export class DescriptorStore {
  readonly transactions: Transactions;
  readonly tableIds: IdCounter;
  readonly indexIds: IdCounter;
  /** What stands with an index that is to be cleared by this node. */
  readonly clearRecord: Uint8Array;
  readonly #timers: Timers;
  readonly #clock: Pick<IntervalClock, 'latest'>;
  readonly #states = new Map<number, TableState>();
  readonly #byName = new Map<string, TableState>();
  readonly #byIndex = new Map<number, TableState>();
  /** Of secondary indexes; primary keys' names are not looked for here. */
  readonly #byIndexName = new Map<string, TableState>();
  /** Of tables that are not known here. */
  readonly #earlyMarks = new Map<number, LeaseHolder>();
  #numbers = 1;
  /** Of what is committed. */
  version = 1;

  constructor(
    transactions: Transactions,
    timers: Timers,
    clock: Pick<IntervalClock, 'latest'>,
    tableIds: IdCounter,
    indexIds: IdCounter,
    clearRecord: Uint8Array,
  ) {
    this.transactions = transactions;
    this.#timers = timers;
    this.#clock = clock;
    this.tableIds = tableIds;
    this.indexIds = indexIds;
    this.clearRecord = clearRecord;
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

  byIndexName(schema: string, name: string): TableState | undefined {
    return this.#byIndexName.get(qualified(schema, name));
  }

  byIndex(indexId: number): TableDescriptor | undefined {
    return this.#byIndex.get(indexId)?.committed;
  }

  /** The table is somebody's DDL's: plans must ask again. See TableState.mark. */
  mark(id: number, holder: LeaseHolder, drained: () => void): number {
    this.bump();
    const state = this.#states.get(id);
    if (state !== undefined) return state.mark(holder, drained);
    this.#earlyMarks.set(id, holder);
    drained();
    return 0;
  }

  unmark(id: number): void {
    this.#earlyMarks.delete(id);
    this.#states.get(id)?.unmark();
    this.bump();
  }

  /** Its DDL is over here; others keep off until the mark is lifted. */
  pass(id: number, from: LeaseHolder, to: LeaseHolder): void {
    const state = this.#states.get(id);
    if (state?.owner === from) state.owner = to;
  }

  releaseUsers(): void {
    for (const state of this.#states.values()) state.releaseUsers();
  }

  /** What another session's transaction committed, or this node's own. */
  adopt(id: number, descriptor: Uint8Array | undefined): void {
    this.install(id, descriptor === undefined ? undefined : decodeDescriptor(descriptor));
  }

  /** What a transaction made is put in place: undefined is a dropped table. What is there already stays the same
   * object. */
  install(id: number, table: TableDescriptor | undefined): void {
    const state = this.#states.get(id);
    const before = state?.committed;
    if (before !== undefined && before.version === table?.version) return;
    if (before !== undefined) {
      this.#byName.delete(qualified(before.schema, before.name));
      this.#unlinkIndexes(before);
    }
    if (table === undefined) {
      if (state !== undefined) this.#forget(state);
      return;
    }
    const current = state ?? new TableState(id, table, this.#timers);
    current.committed = table;
    // Its commit has passed everywhere before anybody is told of it (P10).
    if (before !== undefined) current.changedAt = this.#clock.latest();
    this.#states.set(id, current);
    this.#byName.set(qualified(table.schema, table.name), current);
    for (const indexId of indexIdsOf(table)) this.#byIndex.set(indexId, current);
    for (const { name } of table.indexes) {
      this.#byIndexName.set(qualified(table.schema, name), current);
    }
    const holder = this.#earlyMarks.get(id);
    if (holder !== undefined) current.owner ??= holder;
  }

  /** Who waits for it looks again, and finds nothing. */
  #forget(state: TableState): void {
    if (state.committed !== undefined) this.#unlinkIndexes(state.committed);
    state.committed = undefined;
    this.#states.delete(state.id);
    if (state.owner !== undefined) state.unmark();
  }

  #unlinkIndexes(table: TableDescriptor): void {
    for (const indexId of indexIdsOf(table)) this.#byIndex.delete(indexId);
    for (const { name } of table.indexes) this.#byIndexName.delete(qualified(table.schema, name));
  }

  /** These are all there are. What has not changed stays the same object. */
  replaceAll(tables: readonly TableDescriptor[]): void {
    const ids = new Set(tables.map(({ id }) => id));
    for (const [id, state] of this.#states) {
      if (!ids.has(id)) this.#forget(state);
    }
    this.#byName.clear();
    for (const table of tables) {
      const state = this.#states.get(table.id);
      if (state !== undefined && state.committed?.version === table.version) {
        this.#byName.set(qualified(table.schema, table.name), state);
      } else {
        // Its old name, if it had another, is nobody's any more.
        if (state?.committed !== undefined) {
          this.#unlinkIndexes(state.committed);
          state.committed = undefined;
          state.changedAt = this.#clock.latest();
        }
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
