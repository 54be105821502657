// What SQL asks of transactions. Implementations throw DbError: 40001 for an abort that a retry may cure, 40003 when
// the outcome can't be found out, 55P03 for a lock that was not waited for, 53100 for a full disk.

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type {
  CommitAnswer,
  LockMode,
  RowScan,
  RowSlice,
  ScanRequest,
  Write,
} from '../ranges/api.ts';
import type { TransactionTimes } from './times.ts';

export type { TransactionTimes } from './times.ts';

export type ScanSpec = ScanRequest;

/** Reads are either a snapshot at a timestamp or, in a read-write transaction, locked and newest. */
export interface ReadView {
  /** One key into `into` (valid until control returns to the event loop); true at once or the promise of it. */
  read(key: Uint8Array, into: RowSlice): Maybe<true>;
  /** Many keys; values are the caller's to keep. */
  getMany(keys: readonly Uint8Array[]): Maybe<readonly (Uint8Array | undefined)[]>;
  scan(spec: ScanSpec): Maybe<RowScan>;
}

/** A lock-free read-only view (strong: at now().latest when it was opened). */
export interface Snapshot extends ReadView {
  readonly timestamp: Timestamp;
}

export interface LockOptions {
  readonly mode: LockMode;
  readonly wait: 'block' | 'nowait' | 'skip';
}

export const LOCK_EXCLUSIVE: LockOptions = { mode: 'exclusive', wait: 'block' };
export const LOCK_SHARED: LockOptions = { mode: 'shared', wait: 'block' };

export interface Transaction extends ReadView {
  readonly id: string;
  /** The same calls with a lock of the caller's choice (rows that will be written take it exclusively at once). The
   * transaction's own buffered writes are seen by all reads. */
  readLocked(key: Uint8Array, into: RowSlice, lock: LockOptions): Maybe<true>;
  getManyLocked(
    keys: readonly Uint8Array[],
    lock: LockOptions,
  ): Maybe<readonly (Uint8Array | undefined)[]>;
  scanLocked(spec: ScanSpec, lock: LockOptions): Maybe<RowScan>;

  /** Buffered until commit; taken over, not copied. Throws 54000 beyond the transaction size limit. */
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;

  savepoint(): number;
  rollbackTo(savepoint: number): void;

  commit(): Promise<Timestamp>;
  /** Idempotent; also after a failure. */
  rollback(): void;
  /** Set once the transaction was aborted under way (wounded, expired): every later call throws it. */
  readonly aborted: Error | undefined;
  /** How long a lock is waited for from now on (55P03); 0 is the node's own bound. */
  lockTimeoutMicros: number;
  /** What it waits for from now on is added up there. */
  measure(): TransactionTimes;
}

export interface Transactions {
  /** By how much the clock may be off now, either way, in microseconds. */
  uncertaintyMicros(): number;
  /** `retryOf` keeps the age of the attempt before (P21). */
  begin(retryOf?: Transaction): Transaction;
  /** As if it were older than all others: whoever is in its way is wounded (P21). */
  beginFirst(): Transaction;
  /** Strong unless a timestamp is given. */
  snapshot(at?: Timestamp): Snapshot;
  /** At the newest time not before `oldest` at which this node alone can answer for what it has of the spans. */
  nearestSnapshot(oldest: Timestamp, spans: readonly ScanSpec['span'][]): Snapshot;
  /** See Ranges.bulkWrite and clearSpan. */
  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<void>;
  clearSpan(start: Uint8Array, end: Uint8Array): Promise<void>;
  approximateBytes(start: Uint8Array, end: Uint8Array): Promise<number>;
}

/** What doors without SQL need besides. */
export interface BlindWrites {
  /** See Ranges.rangeOf. */
  rangeOf(key: Uint8Array): number;
  /** A transaction of these writes and nothing else, committed at once. No key comes twice. */
  writeAll(writes: readonly Write[]): Promise<CommitAnswer>;
}
