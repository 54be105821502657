// Transactions over a map: exclusive locks that wait, buffered writes, bulk writes around it all. Enough of the seam
// for what SQL does beside running plans; the real one has its own tests.
import { compareBytes, toHex } from '../../../src/base/bytes.ts';
import { DbError } from '../../../src/base/errors.ts';
import type { Timestamp } from '../../../src/clock/timestamp.ts';
import type { RowScan, RowSlice, Write } from '../../../src/ranges/api.ts';
import { decodeParameters, decodeProgram, ProgramRunner } from '../../../src/rows/program.ts';
import { PackedRowWriter } from '../../../src/rows/packed-rows.ts';
import type {
  LockOptions,
  ScanSpec,
  Snapshot,
  Transaction,
  Transactions,
} from '../../../src/txn/api.ts';
import { TransactionTimes } from '../../../src/txn/times.ts';

interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}
type Rows = Map<string, Entry>;

export class FakeStore implements Transactions {
  readonly rows: Rows = new Map();
  /** Each holder, and whether it only shares. */
  readonly #locks = new Map<
    string,
    { holders: Map<FakeTransaction, boolean>; waiting: (() => void)[] }
  >();
  readonly open: Set<FakeTransaction> = new Set();
  bulkWrites = 0;
  bulkInFlightMost = 0;
  #bulkInFlight = 0;
  /** Set to make bulk writes wait. */
  bulkGate: Promise<void> | undefined;
  time = 1_000_000;

  uncertaintyMicros(): number {
    return 500;
  }

  begin(): FakeTransaction {
    const txn = new FakeTransaction(this, `txn${++this.time}`);
    this.open.add(txn);
    return txn;
  }

  beginFirst(): FakeTransaction {
    const txn = this.begin();
    txn.isFirst = true;
    return txn;
  }

  nearestSnapshot(): Snapshot {
    return this.snapshot();
  }

  snapshot(): Snapshot {
    return new FakeView(this, undefined);
  }

  async bulkWrite(writes: readonly Write[]): Promise<void> {
    this.bulkWrites++;
    this.#bulkInFlight++;
    this.bulkInFlightMost = Math.max(this.bulkInFlightMost, this.#bulkInFlight);
    await (this.bulkGate ?? Promise.resolve());
    for (const { key, value } of writes) this.set(key, value);
    this.#bulkInFlight--;
  }

  async clearSpan(start: Uint8Array, end: Uint8Array): Promise<void> {
    for (const { key } of this.between(this.rows, start, end)) this.rows.delete(toHex(key));
  }

  async approximateBytes(): Promise<number> {
    return 0;
  }

  set(key: Uint8Array, value: Uint8Array | undefined): void {
    if (value === undefined) this.rows.delete(toHex(key));
    else this.rows.set(toHex(key), { key, value });
  }

  countIn(start: Uint8Array, end: Uint8Array): number {
    return this.between(this.rows, start, end).length;
  }

  between(rows: Rows, start: Uint8Array, end: Uint8Array | undefined): Entry[] {
    return [...rows.values()]
      .filter(({ key }) => compareBytes(key, start) >= 0)
      .filter(({ key }) => end === undefined || compareBytes(key, end) < 0)
      .sort((a, b) => compareBytes(a.key, b.key));
  }

  async lock(key: Uint8Array, txn: FakeTransaction, isShared = false): Promise<void> {
    const id = toHex(key);
    for (;;) {
      let lock = this.#locks.get(id);
      if (lock === undefined) {
        lock = { holders: new Map(), waiting: [] };
        this.#locks.set(id, lock);
      }
      const others = [...lock.holders].filter(([holder]) => holder !== txn);
      const inTheWay = others.filter(([, shared]) => !(shared && isShared));
      if (inTheWay.length === 0) {
        lock.holders.set(txn, isShared && lock.holders.get(txn) !== false);
        return;
      }
      if (txn.isFirst) {
        for (const [holder] of inTheWay) holder.wound();
        if (inTheWay.every(([holder]) => holder.aborted !== undefined)) continue;
      }
      const { waiting } = lock;
      await new Promise<void>((resolve) => waiting.push(resolve));
      if (txn.aborted !== undefined) throw txn.aborted;
    }
  }

  release(txn: FakeTransaction): void {
    this.open.delete(txn);
    for (const [id, { holders, waiting }] of [...this.#locks]) {
      if (!holders.delete(txn)) continue;
      this.#locks.delete(id);
      if (holders.size > 0) this.#locks.set(id, { holders, waiting: [] });
      for (const wake of waiting) wake();
    }
  }
}

export type Committing = (txn: FakeTransaction) => Promise<void>;

/** The store as one node has it: `committing` is waited for before each commit and may forbid it. */
export class NodeStore implements Transactions {
  readonly #store: FakeStore;
  readonly #committing: Committing;

  constructor(store: FakeStore, committing: Committing) {
    this.#store = store;
    this.#committing = committing;
  }

  uncertaintyMicros(): number {
    return this.#store.uncertaintyMicros();
  }

  begin(): FakeTransaction {
    const txn = this.#store.begin();
    txn.committing = this.#committing;
    return txn;
  }

  beginFirst(): FakeTransaction {
    const txn = this.begin();
    txn.isFirst = true;
    return txn;
  }

  nearestSnapshot(): Snapshot {
    return this.#store.snapshot();
  }

  snapshot(): Snapshot {
    return this.#store.snapshot();
  }

  bulkWrite(writes: readonly Write[]): Promise<void> {
    return this.#store.bulkWrite(writes);
  }

  clearSpan(start: Uint8Array, end: Uint8Array): Promise<void> {
    return this.#store.clearSpan(start, end);
  }

  approximateBytes(): Promise<number> {
    return this.#store.approximateBytes();
  }
}

class FakeView implements Snapshot {
  readonly timestamp: Timestamp;
  protected readonly store: FakeStore;
  readonly buffer: Rows | undefined;

  constructor(store: FakeStore, buffer: Rows | undefined) {
    this.store = store;
    this.buffer = buffer;
    this.timestamp = store.time as Timestamp;
  }

  value(key: Uint8Array): Uint8Array | undefined {
    const id = toHex(key);
    const own = this.buffer?.get(id);
    return own === undefined ? this.store.rows.get(id)?.value : own.value;
  }

  read(key: Uint8Array, into: RowSlice): true {
    const value = this.value(key);
    into.bytes = value ?? new Uint8Array(0);
    into.offset = 0;
    into.length = value?.length ?? -1;
    into.timestamp = this.timestamp;
    return true;
  }

  getMany(keys: readonly Uint8Array[]): readonly (Uint8Array | undefined)[] {
    return keys.map((key) => this.value(key));
  }

  scan(spec: ScanSpec): RowScan {
    const merged: Rows = new Map([...this.store.rows, ...(this.buffer ?? [])]);
    const rows = this.store
      .between(merged, spec.span.start, spec.span.end)
      .filter(({ value }) => value !== undefined);
    if (spec.reverse) rows.reverse();
    let at = 0;
    const next = async (): ReturnType<RowScan['next']> => {
      if (at >= rows.length) return undefined;
      const out = new PackedRowWriter();
      const runner =
        spec.program === undefined
          ? undefined
          : new ProgramRunner(
              decodeProgram(spec.program),
              spec.parameters === undefined ? [] : decodeParameters(spec.parameters),
              out,
            );
      while (at < rows.length && out.byteLength < spec.batchBytes) {
        const { key, value } = rows[at++] as { key: Uint8Array; value: Uint8Array };
        if (runner === undefined) out.add(key, 0, key.length, value, 0, value.length);
        else runner.add(key, value, 0, value.length);
        if (spec.limitRows > 0 && out.rowCount >= spec.limitRows) at = rows.length;
      }
      runner?.finish();
      const rowCount = out.rowCount;
      return { rows: out.take(), rowCount };
    };
    return { next, close: () => {} };
  }
}

export class FakeTransaction extends FakeView implements Transaction {
  lockTimeoutMicros = 0;
  readonly id: string;
  aborted: Error | undefined;
  /** Wounds whoever is in its way. */
  isFirst = false;
  committing: Committing | undefined;
  #isCommitting = false;
  declare readonly buffer: Rows;

  constructor(store: FakeStore, id: string) {
    super(store, new Map());
    this.id = id;
  }

  measure(): TransactionTimes {
    return new TransactionTimes();
  }

  readLocked(key: Uint8Array, into: RowSlice): Promise<true> {
    return this.store.lock(key, this).then(() => this.read(key, into));
  }

  async getManyLocked(
    keys: readonly Uint8Array[],
    lock: LockOptions,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    for (const key of keys) await this.store.lock(key, this, lock.mode === 'shared');
    return this.getMany(keys);
  }

  scanLocked(spec: ScanSpec): RowScan {
    return this.scan(spec);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.buffer.set(toHex(key), { key, value });
  }

  delete(key: Uint8Array): void {
    this.buffer.set(toHex(key), { key, value: undefined });
  }

  savepoint(): number {
    return 0;
  }

  rollbackTo(): void {
    throw new Error('the fake has no savepoints');
  }

  async commit(): Promise<Timestamp> {
    if (this.aborted !== undefined) throw this.aborted;
    for (const { key } of this.buffer.values()) await this.store.lock(key, this);
    if (this.committing !== undefined) {
      this.#isCommitting = true;
      try {
        await this.committing(this);
      } catch (error) {
        this.#isCommitting = false;
        this.rollback();
        throw error;
      }
    }
    for (const { key, value } of this.buffer.values()) this.store.set(key, value);
    this.store.release(this);
    return ++this.store.time as Timestamp;
  }

  wound(): void {
    // One that is being decided takes its course.
    if (this.#isCommitting) return;
    this.aborted ??= new DbError('40001', 'wounded');
    this.store.release(this);
  }

  rollback(): void {
    if (this.#isCommitting) return;
    this.aborted ??= new DbError('40001', 'rolled back');
    this.buffer.clear();
    this.store.release(this);
  }
}
