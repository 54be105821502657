// What transactions ask of ranges: the seam that later takes many ranges on many nodes. Requests and answers are
// plain data, so that they can travel; what can be answered at once is answered without a promise (Maybe).

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Span } from '../storage/engine.ts';

export {
  KEY_BYTES_MAX,
  TRANSACTION_BYTES_MAX,
  VALUE_BYTES_MAX,
  WRITE_OVERHEAD_BYTES,
} from './limits.ts';
export type { Span } from '../storage/engine.ts';
export type LockMode = 'shared' | 'exclusive';

/** 128 bits in hex. */
export type TxnId = string;

/** Who asks. Age decides wound-wait: smaller is older; it survives retries (P21). */
export interface TxnRef {
  readonly id: TxnId;
  readonly age: Timestamp;
}

/** The fencing token (P15): a transaction's locks in one range belong to one session of its leader. */
export interface LockSession {
  readonly range: number;
  readonly generation: number;
  readonly term: number;
  readonly session: number;
}

/** Why a request was not carried out. The coordinator turns these into SQLSTATEs. */
export type Refusal =
  | { readonly kind: 'wounded'; readonly message: string }
  | { readonly kind: 'lockNotAvailable'; readonly key: Uint8Array }
  | { readonly kind: 'lockTimeout'; readonly key: Uint8Array }
  /** Session unknown here (leader change, restart, expiry). */
  | { readonly kind: 'sessionGone'; readonly message: string }
  /** `leaderNode`: the node that leads the range, when another is known to. */
  | {
      readonly kind: 'notServing';
      readonly message: string;
      readonly leaderNode?: number | undefined;
    }
  | { readonly kind: 'diskFull'; readonly message: string }
  | { readonly kind: 'tooLarge'; readonly message: string };

/** A row as read: bytes inside `bytes` (often a shared slab: valid only until control returns to the event loop or
 * another call into ranges is made; copy to keep). `length` < 0 says that there is no row. */
export interface RowSlice {
  bytes: Uint8Array;
  offset: number;
  length: number;
  /** Version read, tombstones included; MIN_TIMESTAMP when there never was one. */
  timestamp: Timestamp;
}

export interface LockRequest {
  readonly txn: TxnRef;
  readonly session: LockSession | undefined;
  readonly mode: LockMode;
  readonly wait: 'block' | 'nowait' | 'skip';
  readonly timeoutMicros: number;
}

export interface LockedGet extends LockRequest {
  readonly keys: readonly Uint8Array[];
}

export type LockedGetAnswer =
  | {
      readonly kind: 'rows';
      readonly session: LockSession;
      /** Parallel to keys; undefined: no row (or skipped because it is locked). Values are the caller's to keep. */
      readonly rows: readonly (Uint8Array | undefined)[];
    }
  | Refusal;

/** Of one key, into the caller's slice. */
export type LockedReadAnswer = { readonly kind: 'row'; readonly session: LockSession } | Refusal;

export interface ScanRequest {
  readonly span: Span;
  readonly reverse: boolean;
  readonly program: Uint8Array | undefined;
  readonly parameters: Uint8Array | undefined;
  readonly limitRows: number;
  readonly batchBytes: number;
}

export interface LockedScan extends LockRequest, ScanRequest {}

export interface ScanBatch {
  /** rows/packed-rows.ts */
  readonly rows: Uint8Array;
  readonly rowCount: number;
}

export interface RowScan {
  /** Undefined at the end. Throws DbError when the scan can't go on. */
  next(): Promise<ScanBatch | undefined>;
  close(): void;
}

export type LockedScanAnswer =
  | { readonly kind: 'scan'; readonly session: LockSession; readonly scan: RowScan }
  | Refusal;

/** One write of a transaction: value undefined deletes. */
export interface Write {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export interface CommitRequest {
  readonly txn: TxnRef;
  readonly session: LockSession | undefined;
  readonly writes: readonly Write[];
  /** Latest timestamp that the commit may get (P20). */
  readonly deadline: Timestamp;
}

export type CommitAnswer =
  | { readonly kind: 'committed'; readonly timestamp: Timestamp }
  | { readonly kind: 'ambiguous'; readonly message: string }
  | Refusal;

export interface Ranges {
  /** Lock-free snapshot read of one key at t into `into`: true when answered at once (hot-row cache), else the
   * promise of it. Throws DbError when nothing can be served. */
  readAt(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true>;
  /** Lock-free snapshot reads; values are the caller's to keep. */
  getAt(keys: readonly Uint8Array[], t: Timestamp): Maybe<readonly (Uint8Array | undefined)[]>;
  scanAt(request: ScanRequest, t: Timestamp): RowScan;

  /** lockedGet of one key without an object or a copy for it: the slice is as readAt leaves it (no row when skipped),
   * and the request is not looked at any more once this has returned, so that it can be used again. */
  lockedRead(request: LockRequest, key: Uint8Array, into: RowSlice): Maybe<LockedReadAnswer>;
  lockedGet(request: LockedGet): Maybe<LockedGetAnswer>;
  lockedScan(request: LockedScan): Maybe<LockedScanAnswer>;
  /** Takes exclusive locks on what is written and not yet locked, picks s, replicates, waits out s (P11). */
  commit(request: CommitRequest): Promise<CommitAnswer>;
  /** Ends a transaction without writes, or abandons one: its locks go. Never fails. */
  release(txn: TxnRef, session: LockSession | undefined): void;

  /** Writes outside any transaction into a span that nobody can see yet (bulk load, index backfill, clean-up). Each
   * call is one atomic, replicated batch. `willBeRead` says that its rows are likely to be read by key soon: the row
   * cache takes them while it has room. */
  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<CommitAnswer>;
  /** Drops every version in a span that nobody can see any more. */
  clearSpan(span: Span): Promise<CommitAnswer>;
  approximateBytes(span: Span): Promise<number>;
}
