// The catalog as one session sees it: what is committed, under what its open transaction did itself.

import { DbError } from '../../base/errors.ts';
import type { Maybe } from '../../base/maybe.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { LOCK_EXCLUSIVE, type Transaction } from '../../txn/api.ts';
import type { Name } from '../parse/ast.ts';
import type { CatalogView } from './api.ts';
import { inOwnTransaction } from './attempts.ts';
import { indexIdsOf, type TableDescriptor } from './descriptor.ts';
import { decodeDescriptor, encodeDescriptor, layoutOfTable } from './encoding.ts';
import { changedConcurrently, leaseLost, relationExists, relationMissing } from './errors.ts';
import { descriptorKey, nameKey, pendingClearKey, tableIdBytes } from './keys.ts';
import type { TableState } from './lease.ts';
import type { SchemaGateway } from './schema-gateway.ts';
import type { SchemaOutcome, TableChange } from './schema-messages.ts';
import { holdStint } from './schema-stint.ts';
import { type DescriptorStore, qualified } from './store.ts';

export class SessionCatalogView implements CatalogView {
  readonly #store: DescriptorStore;
  readonly #schema: SchemaGateway;
  readonly #searchPath: () => readonly string[];
  /** Tables that this transaction made, changed or (undefined) dropped, by id and by name. */
  readonly #changed = new Map<number, TableDescriptor | undefined>();
  readonly #changedNames = new Map<string, TableDescriptor | undefined>();
  /** What the schema's home let this transaction do. */
  #requests: number[] = [];
  /** The transaction that is in the way of another home. */
  #held: Transaction | undefined;
  /** Few, and not a Set: it is filled and emptied by every write (see ranges/locks/session-table.ts). */
  readonly #used: TableState[] = [];
  /** Index ids that this transaction gave to its tables; true once rows are loaded around the transaction. */
  readonly #freshIndexes = new Map<number, boolean>();
  #takenIds = new Set<number>();
  /** The version while there are changes, and the committed version that it was made over. */
  #ownVersion = 0;
  #ownOver = 0;

  constructor(store: DescriptorStore, schema: SchemaGateway, searchPath: () => readonly string[]) {
    this.#store = store;
    this.#schema = schema;
    this.#searchPath = searchPath;
  }

  get version(): number {
    if (this.#changed.size === 0) return this.#store.version;
    if (this.#ownOver !== this.#store.version) this.#changes();
    return this.#ownVersion;
  }

  find(name: Name): TableDescriptor | undefined {
    if (name.schema !== undefined) return this.#findIn(name.schema, name.name);
    for (const schema of this.#searchPath()) {
      const table = this.#findIn(schema, name.name);
      if (table !== undefined) return table;
    }
    return undefined;
  }

  #findIn(schema: string, name: string): TableDescriptor | undefined {
    if (this.#changedNames.size > 0) {
      const key = qualified(schema, name);
      if (this.#changedNames.has(key)) return this.#changedNames.get(key);
    }
    const state = this.#store.byName(schema, name);
    if (state === undefined) return undefined;
    if (state.busyFor(this)) throw state.busyError(name);
    return state.committed;
  }

  table(name: Name): TableDescriptor {
    const table = this.find(name);
    if (table === undefined) throw relationMissing(name);
    return table;
  }

  findIndex(name: Name): TableDescriptor | undefined {
    const schemas = name.schema === undefined ? this.#searchPath() : [name.schema];
    for (const schema of schemas) {
      const table = this.#findIndexIn(schema, name.name);
      if (table !== undefined) return table;
    }
    return undefined;
  }

  #findIndexIn(schema: string, name: string): TableDescriptor | undefined {
    for (const table of this.#changed.values()) {
      if (table?.schema === schema && table.indexes.some((index) => index.name === name)) {
        return table;
      }
    }
    const state = this.#store.byIndexName(schema, name);
    if (state === undefined || this.#changed.has(state.id)) return undefined;
    if (state.busyFor(this)) throw state.busyError(name);
    return state.committed;
  }

  all(): readonly TableDescriptor[] {
    const committed = this.#store.tables();
    if (this.#changed.size === 0) return committed;
    const others = committed.filter((table) => !this.#changed.has(table.id));
    for (const table of this.#changed.values()) if (table !== undefined) others.push(table);
    return others;
  }

  isBusy(tables: readonly TableDescriptor[]): boolean {
    for (let i = 0; i < tables.length; i++) {
      const state = this.#store.byId((tables[i] as TableDescriptor).id);
      if (state?.busyFor(this) === true) return true;
    }
    return false;
  }

  use(table: TableDescriptor, asOf?: Timestamp): void {
    if (this.#changed.size > 0 && this.#changed.has(table.id)) {
      if (this.#changed.get(table.id) !== table) throw changedConcurrently(table.name);
      return;
    }
    const state = this.#store.byId(table.id);
    if (state?.committed !== table) throw changedConcurrently(table.name);
    if (asOf !== undefined && asOf < state.changedAt) throw changedConcurrently(table.name);
    if (this.#used.includes(state)) return;
    if (state.busyFor(this)) throw state.busyError(table.name);
    state.use(this);
    this.#used.push(state);
  }

  releaseAll(): void {
    if (this.#requests.length > 0) void this.#over('abandoned', []);
    for (let state = this.#used.pop(); state !== undefined; state = this.#used.pop()) {
      state.release(this);
    }
  }

  async create(
    txn: Transaction,
    fields: Omit<TableDescriptor, 'id' | 'version' | 'layout'>,
  ): Promise<TableDescriptor> {
    const names = namesOf(fields);
    await demandFree(txn, fields.schema, names);
    const id = await this.#store.tableIds.take();
    this.#requests.push(await this.#schema.requests.claim(id, this));
    await this.#holdStint(txn, fields.name);
    const table = { ...fields, id, version: 1, layout: layoutOfTable(fields) };
    for (const name of names) txn.put(nameKey(fields.schema, name), tableIdBytes(id));
    txn.put(descriptorKey(id), encodeDescriptor(table));
    this.#claim(table);
    this.#set(table);
    return table;
  }

  async exclusive(txn: Transaction, table: TableDescriptor, check?: () => void): Promise<void> {
    const state = this.#store.byId(table.id);
    // Its own new table: nobody else knows of it.
    if (state === undefined && this.#changed.get(table.id) !== undefined) return;
    if (state === undefined) throw changedConcurrently(table.name);
    if (state.owner === this) return;
    const request = await this.#schema.requests.exclusive(table.id, this, () => {
      check?.();
      if (txn.aborted !== undefined) throw txn.aborted;
    });
    this.#requests.push(request);
    if (state.committed !== table) throw changedConcurrently(table.name);
    await this.#holdStint(txn, table.name);
    const [stored] = await txn.getManyLocked([descriptorKey(table.id)], LOCK_EXCLUSIVE);
    if (stored === undefined || decodeDescriptor(stored).version !== table.version) {
      throw changedConcurrently(table.name);
    }
  }

  /** No other home lets anybody in before this transaction is over. */
  async #holdStint(txn: Transaction, table: string): Promise<void> {
    if (this.#held === txn) return;
    if ((await holdStint(txn)) !== this.#schema.stint) throw changedConcurrently(table);
    this.#held = txn;
  }

  async replace(txn: Transaction, table: TableDescriptor): Promise<TableDescriptor> {
    const current = await this.#exclusiveById(txn, table);
    await this.#rename(txn, current, table);
    const next = {
      ...table,
      version: table.version + 1,
      layout: layoutOfTable(table),
    };
    txn.put(descriptorKey(table.id), encodeDescriptor(next));
    this.#claim(next);
    if (current.name !== next.name || current.schema !== next.schema) {
      this.#changedNames.set(qualified(current.schema, current.name), undefined);
    }
    this.#set(next);
    return next;
  }

  /** Names of `to` that are new become its own; those that only `from` has are free. */
  async #rename(txn: Transaction, from: TableDescriptor, to: TableDescriptor): Promise<void> {
    const old = new Set(namesOf(from));
    const names = new Set(namesOf(to));
    const entered = [...names].filter((name) => !old.has(name));
    const left = [...old].filter((name) => !names.has(name));
    if (entered.length > 0) await demandFree(txn, to.schema, entered);
    for (const name of entered) txn.put(nameKey(to.schema, name), tableIdBytes(to.id));
    await this.#freeNames(txn, from.schema, left);
  }

  async #freeNames(txn: Transaction, schema: string, names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const keys = names.map((name) => nameKey(schema, name));
    await txn.getManyLocked(keys, LOCK_EXCLUSIVE);
    for (const key of keys) txn.delete(key);
  }

  async drop(txn: Transaction, table: TableDescriptor): Promise<void> {
    await this.#exclusiveById(txn, table);
    await this.#freeNames(txn, table.schema, namesOf(table));
    txn.delete(descriptorKey(table.id));
    this.#changed.set(table.id, undefined);
    this.#changedNames.set(qualified(table.schema, table.name), undefined);
    this.#changes();
  }

  /** The value given is changed already: what must hold is that its id's current version is the one it came from. */
  async #exclusiveById(txn: Transaction, table: TableDescriptor): Promise<TableDescriptor> {
    const current = this.#changed.get(table.id) ?? this.#store.byId(table.id)?.committed;
    if (current === undefined || current.version !== table.version) {
      throw changedConcurrently(table.name);
    }
    await this.exclusive(txn, current);
    return current;
  }

  async newIndexId(): Promise<number> {
    const id = await this.#store.indexIds.take();
    this.#takenIds.add(id);
    return id;
  }

  isFresh(table: TableDescriptor): boolean {
    return indexIdsOf(table).every((id) => this.#freshIndexes.has(id));
  }

  async bulkLoads(txn: Transaction, id: number): Promise<void> {
    const recorded = this.#freshIndexes.get(id) ?? (this.#takenIds.has(id) ? false : undefined);
    if (recorded === undefined) {
      throw new DbError('XX000', `index ${id} is not this transaction's own`);
    }
    if (recorded) return;
    const key = pendingClearKey(id);
    const record = this.#store.clearRecord;
    await inOwnTransaction(this.#store.transactions, async (own) => own.put(key, record));
    // Taken away by the commit that makes the index somebody's.
    txn.delete(key);
    this.#freshIndexes.set(id, true);
  }

  clearWhenCommitted(txn: Transaction, indexId: number): void {
    txn.put(pendingClearKey(indexId), this.#store.clearRecord);
  }

  beforeCommit(): void {
    if (this.#requests.length > 0) this.#schema.requests.demand(this.#requests);
  }

  demandLease(): void {
    if (!this.#schema.isHeld()) throw leaseLost();
  }

  committed(): Maybe<void> {
    const changes: TableChange[] = [];
    for (const [table, descriptor] of this.#changed) {
      changes.push({
        table,
        descriptor: descriptor === undefined ? undefined : encodeDescriptor(descriptor),
      });
    }
    return this.#over('committed', changes);
  }

  abandoned(mayHaveCommitted: boolean): void {
    void this.#over(mayHaveCommitted ? 'unknown' : 'abandoned', []);
  }

  /** New ids are free for bulk loads as long as the transaction that took them is open. */
  #claim(table: TableDescriptor): void {
    for (const id of indexIdsOf(table)) {
      if (this.#takenIds.has(id) && !this.#freshIndexes.has(id)) this.#freshIndexes.set(id, false);
    }
  }

  #set(table: TableDescriptor): void {
    this.#changed.set(table.id, table);
    this.#changedNames.set(qualified(table.schema, table.name), table);
    this.#changes();
  }

  #changes(): void {
    this.#ownOver = this.#store.version;
    this.#ownVersion = this.#store.nextVersion();
  }

  #over(outcome: SchemaOutcome, changes: readonly TableChange[]): Maybe<void> {
    const requests = this.#requests;
    this.#requests = [];
    this.#held = undefined;
    if (this.#changed.size > 0) {
      this.#changed.clear();
      this.#changedNames.clear();
      this.#store.bump();
    }
    this.#freshIndexes.clear();
    this.#takenIds = new Set();
    if (requests.length > 0) return this.#schema.requests.over(requests, outcome, changes);
  }
}

/** What of a table has a name among the relations of its schema. A primary key's index has none of its own there. */
function namesOf(table: Pick<TableDescriptor, 'name' | 'indexes'>): readonly string[] {
  return [table.name, ...table.indexes.map(({ name }) => name)];
}

/** The locks on the names decide between two sessions that use one at once. */
async function demandFree(
  txn: Transaction,
  schema: string,
  names: readonly string[],
): Promise<void> {
  const keys = names.map((name) => nameKey(schema, name));
  const found = await txn.getManyLocked(keys, LOCK_EXCLUSIVE);
  const taken = found.findIndex((id) => id !== undefined);
  if (taken >= 0) throw relationExists(names[taken] as string);
}
