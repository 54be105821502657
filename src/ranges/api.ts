// What transactions ask of ranges: the seam that later takes many ranges on many nodes. Requests and answers are
// plain data, so that they can travel; what can be answered at once is answered without a promise (Maybe).

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Elsewhere, RangeHead, TwoPhaseEndpoint } from './endpoint.ts';
import type {
  CommitAnswer,
  LockMode,
  LockSession,
  Refusal,
  RowScan,
  RowSlice,
  ScanRequest,
  Span,
  TxnRef,
  Write,
} from './requests.ts';
import type { Standing } from './standing.ts';

export type {
  DecideRequest,
  Elsewhere,
  OutcomeAnswer,
  RangeHead,
  RangeTxn,
  ResolveAnswer,
  ResolveRequest,
  TwoPhaseEndpoint,
} from './endpoint.ts';
export {
  KEY_BYTES_MAX,
  TRANSACTION_BYTES_MAX,
  VALUE_BYTES_MAX,
  WRITE_OVERHEAD_BYTES,
} from './limits.ts';
export { refusalError, serializationFailure } from './refusals.ts';
export type * from './requests.ts';
export { Stand, Standing } from './standing.ts';

export interface LockRequest {
  readonly txn: TxnRef;
  /** What is locked is written into it, with the session to quote from then on (P15). */
  readonly standing: Standing;
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
      /** Parallel to keys; undefined: no row (or skipped because it is locked). Values are the caller's to keep. */
      readonly rows: readonly (Uint8Array | undefined)[];
    }
  | Refusal;

/** Of one key, into the caller's slice. */
export type LockedReadAnswer = { readonly kind: 'row' } | Refusal;

export interface LockedScan extends LockRequest, ScanRequest {}

export type LockedScanAnswer = { readonly kind: 'scan'; readonly scan: RowScan } | Refusal;

export interface CommitRequest {
  readonly txn: TxnRef;
  /** Undefined: it has asked for nothing under locks. */
  readonly standing: Standing | undefined;
  readonly writes: readonly Write[];
  /** Latest timestamp that the commit may get (P20). */
  readonly deadline: Timestamp;
}

/** Surely not carried out: it stands or writes in several ranges, so that it must be planned (txn/two-phase.ts). */
export interface Divided {
  readonly kind: 'divided';
}

/** A range as two-phase commit asks it. Which one holds a key may change: who is told Elsewhere tells it to correct(),
 * and asks what there is then. */
export interface RangeAddress {
  readonly head: RangeHead;
  /** What it holds, as far as is known here. */
  readonly span: Span;
  readonly endpoint: TwoPhaseEndpoint;
}

/** What a commit has to do with one range (P16, P18): every range is in it where the transaction stands or writes. */
export interface CommitPart extends RangeAddress {
  /** Of the transaction there; none: it only writes there. Several: splits and merges have made one of them. */
  readonly sessions: readonly LockSession[];
  /** Empty: it was only read. */
  readonly writes: readonly Write[];
}

export interface CommitPlan {
  /** In the order of their keys. */
  readonly parts: readonly CommitPart[];
}

export interface Ranges {
  /** Lock-free snapshot read of one key at t into `into`: true when answered at once (hot-row cache), else the
   * promise of it. Throws DbError when nothing can be served. */
  readAt(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true>;
  /** Lock-free snapshot reads; values are the caller's to keep. */
  getAt(keys: readonly Uint8Array[], t: Timestamp): Maybe<readonly (Uint8Array | undefined)[]>;
  scanAt(request: ScanRequest, t: Timestamp): RowScan;
  /** Up to when replicas of this node can answer for what they have of the span by themselves; no bound where it leads,
   * or has none. */
  readableHere(span: Span): Timestamp;

  /** lockedGet of one key without an object or a copy for it: the slice is as readAt leaves it (no row when skipped),
   * and the request is not looked at any more once this has returned, so that it can be used again. The key is kept: it
   * must not change any more. */
  lockedRead(request: LockRequest, key: Uint8Array, into: RowSlice): Maybe<LockedReadAnswer>;
  lockedGet(request: LockedGet): Maybe<LockedGetAnswer>;
  lockedScan(request: LockedScan): Maybe<LockedScanAnswer>;
  /** In one range: takes exclusive locks on what is written and not yet locked, picks s, replicates, waits out s
   * (P11). What was perhaps sent already is never answered with Divided (P20). */
  commit(request: CommitRequest): Promise<CommitAnswer | Divided>;
  /** Ends a transaction without writes, or abandons one: its locks go. Never fails. */
  release(txn: TxnRef, standing: Standing): void;
  /** The ranges that a commit has to do with, as they are now. Throws DbError when they can't be found out. */
  plan(standing: Standing, writes: readonly Write[]): Maybe<CommitPlan>;
  /** The ranges that hold a span now, in the order of their keys. */
  locate(span: Span): Maybe<readonly RangeAddress[]>;
  /** Which range holds the key, as far as is known here; 0: that is not known. Writes that share one can be committed in
   * one step. */
  rangeOf(key: Uint8Array): number;
  /** A range answered Elsewhere. Resolves when it makes sense to ask plan() or locate() again. */
  correct(head: RangeHead, elsewhere: Elsewhere): Maybe<void>;

  /** Writes outside any transaction into a span that nobody can see yet (bulk load, index backfill, clean-up). Each
   * call is one atomic, replicated batch. `willBeRead` says that its rows are likely to be read by key soon: the row
   * cache takes them while it has room. */
  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<CommitAnswer>;
  /** Drops every version in a span that nobody can see any more. */
  clearSpan(span: Span): Promise<CommitAnswer>;
  approximateBytes(span: Span): Promise<number>;
}
