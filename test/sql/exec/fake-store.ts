// A store for tests of planning and execution: a sorted list of rows with ReadView and Transaction over it. `isAsync`
// makes every answer a promise, so that both ways through the executor are walked.

import { compareBytes, EMPTY_BYTES, toHex } from '../../../src/base/bytes.ts';
import type { Maybe } from '../../../src/base/maybe.ts';
import type { RowScan, RowSlice, ScanBatch } from '../../../src/ranges/api.ts';
import { decodeParameters, decodeProgram, ProgramRunner } from '../../../src/rows/program.ts';
import { PackedRowWriter } from '../../../src/rows/packed-rows.ts';
import type { Timestamp } from '../../../src/clock/timestamp.ts';
import type { LockOptions, ScanSpec, Transaction } from '../../../src/txn/api.ts';
import { TransactionTimes } from '../../../src/txn/times.ts';

export class FakeStore {
  readonly rows: Map<string, { key: Uint8Array; value: Uint8Array }> = new Map();
  isAsync: boolean = false;
  /** Rows in one batch of a scan. */
  batchRows: number = 3;
  /** Whether the last batch of a scan says that it is the last. */
  tellsLast: boolean = false;
  /** How often a scan was asked for its next batch. */
  batchesAsked: number = 0;
  /** What was asked for, for tests of what is pushed down. */
  readonly asked: string[] = [];

  sorted(): { key: Uint8Array; value: Uint8Array }[] {
    return [...this.rows.values()].sort((a, b) => compareBytes(a.key, b.key));
  }
}

export class FakeTransaction implements Transaction {
  lockTimeoutMicros = 0;
  readonly id = 'fake';
  readonly aborted = undefined;
  readonly #store: FakeStore;

  constructor(store: FakeStore) {
    this.#store = store;
  }

  measure(): TransactionTimes {
    return new TransactionTimes();
  }

  read(key: Uint8Array, into: RowSlice): Maybe<true> {
    this.#store.asked.push(`read ${toHex(key)}`);
    const found = this.#store.rows.get(toHex(key))?.value;
    const fill = (): true => {
      into.bytes = found ?? EMPTY_BYTES;
      into.offset = 0;
      into.length = found === undefined ? -1 : found.length;
      return true;
    };
    return this.#store.isAsync ? Promise.resolve().then(fill) : fill();
  }

  getMany(keys: readonly Uint8Array[]): Maybe<readonly (Uint8Array | undefined)[]> {
    this.#store.asked.push(`getMany ${keys.length}`);
    const rows = keys.map((key) => this.#store.rows.get(toHex(key))?.value);
    return this.#store.isAsync ? Promise.resolve(rows) : rows;
  }

  scan(spec: ScanSpec): Maybe<RowScan> {
    const { start, end } = spec.span;
    this.#store.asked.push(`scan limit ${spec.limitRows}${spec.reverse ? ' reverse' : ''}`);
    const rows = this.#store
      .sorted()
      .filter(
        ({ key }) =>
          compareBytes(key, start) >= 0 && (end === undefined || compareBytes(key, end) < 0),
      );
    if (spec.reverse) rows.reverse();
    const scan = new FakeScan(this.#store, batches(spec, rows, this.#store.batchRows));
    return this.#store.isAsync ? Promise.resolve(scan) : scan;
  }

  readLocked(key: Uint8Array, into: RowSlice, lock: LockOptions): Maybe<true> {
    this.#store.asked.push(`lock ${lock.mode}`);
    return this.read(key, into);
  }

  getManyLocked(
    keys: readonly Uint8Array[],
    lock: LockOptions,
  ): Maybe<readonly (Uint8Array | undefined)[]> {
    this.#store.asked.push(`lock ${lock.mode}`);
    return this.getMany(keys);
  }

  scanLocked(spec: ScanSpec, lock: LockOptions): Maybe<RowScan> {
    this.#store.asked.push(`lock ${lock.mode}`);
    return this.scan(spec);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#store.rows.set(toHex(key), { key, value });
  }

  delete(key: Uint8Array): void {
    this.#store.rows.delete(toHex(key));
  }

  savepoint(): number {
    return 0;
  }

  rollbackTo(): void {
    throw new Error('the fake has no savepoints');
  }

  commit(): Promise<Timestamp> {
    return Promise.resolve(0 as Timestamp);
  }

  rollback(): void {
    throw new Error('the fake keeps no undo');
  }
}

function batches(
  spec: ScanSpec,
  rows: readonly { key: Uint8Array; value: Uint8Array }[],
  batchRows: number,
): ScanBatch[] {
  const out: ScanBatch[] = [];
  let writer = new PackedRowWriter();
  const params = spec.parameters === undefined ? [] : decodeParameters(spec.parameters);
  const runner =
    spec.program === undefined
      ? undefined
      : new ProgramRunner(decodeProgram(spec.program), params, writer);
  const flush = (): void => {
    if (writer.rowCount === 0) return;
    // Batches may be overwritten once the next one is asked for: whoever keeps one must copy.
    out.push({ rows: writer.writer.take(), rowCount: writer.rowCount });
    writer.writer.reset();
    writer.rowCount = 0;
  };
  let sent = 0;
  for (const { key, value } of rows) {
    if (spec.limitRows > 0 && sent === spec.limitRows) break;
    if (runner === undefined) {
      writer.add(key, 0, key.length, value, 0, value.length);
      sent++;
    } else if (runner.add(key, value, 0, value.length)) {
      sent++;
    }
    if (writer.rowCount >= batchRows) flush();
  }
  runner?.finish();
  flush();
  writer = new PackedRowWriter();
  return out;
}

class FakeScan implements RowScan {
  readonly #store: FakeStore;
  readonly #batches: readonly ScanBatch[];
  #at = 0;

  constructor(store: FakeStore, list: readonly ScanBatch[]) {
    this.#store = store;
    this.#batches = list;
  }

  async next(): Promise<ScanBatch | undefined> {
    await Promise.resolve();
    // Scribble over the batch before, as a reused buffer would.
    this.#batches[this.#at - 1]?.rows.fill(0xee);
    this.#store.batchesAsked++;
    const batch = this.#batches[this.#at++];
    const isLast = this.#store.tellsLast && this.#at === this.#batches.length;
    return batch && isLast ? { ...batch, isLast } : batch;
  }

  close(): void {
    this.#at = this.#batches.length;
  }
}
