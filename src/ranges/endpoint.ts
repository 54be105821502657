// One range as the router asks it: its replica, when that is here and leads, or a stand-in for the node where it does
// (remote-range.ts). Every request names the range and the generation that the asker believes in, and its keys must lie
// within the range at that node: who is behind is told what there is now, never given a wrong answer (P28).

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { NodeId } from '../runtime/runtime.ts';
import type { RangeId } from '../storage/shard.ts';
import type {
  CommitAnswer,
  LockMode,
  LockSession,
  Refusal,
  RowScan,
  RowSlice,
  ScanRequest,
  Span,
  TxnId,
  Write,
} from './requests.ts';
import type { RangeDescriptor } from './descriptor.ts';
import type { ScanGrant } from './reads/scan-grant.ts';

/** Whom a request is meant for. */
export interface RangeHead {
  readonly range: RangeId;
  /** 0: whatever it is there. */
  readonly generation: number;
}

/** Not carried out, surely: ask elsewhere. */
export type Elsewhere =
  /** Keys of the request are not in the range any more, or the range is not known there. `known`: descriptors of what
   * overlaps its keys there, newest first; perhaps none. */
  | { readonly kind: 'wrongRange'; readonly known: readonly RangeDescriptor[] }
  /** It is the right range, and another node leads it, or none that is known. */
  | {
      readonly kind: 'notLeader';
      readonly leaderNode: NodeId | undefined;
      readonly message: string;
      readonly known: RangeDescriptor | undefined;
    };

export type RangeRefusal = Refusal | Elsewhere;

/** Who asks under locks, as plain data. `age` decides wound-wait (P21); `session`: quoted, when the asker has one there
 * (P15); `also`: of a commit, others whose locks may be there, which must be one with that by now. */
export interface RangeTxn {
  readonly id: TxnId;
  readonly age: Timestamp;
  readonly session: LockSession | undefined;
  readonly also?: readonly LockSession[];
}

export interface RangeLocking {
  readonly mode: LockMode;
  readonly wait: 'block' | 'nowait' | 'skip';
  readonly timeoutMicros: number;
}

export type RangeRow = { readonly kind: 'row'; readonly session: LockSession } | RangeRefusal;
export type RangeRows =
  | {
      readonly kind: 'rows';
      readonly session: LockSession;
      readonly rows: readonly (Uint8Array | undefined)[];
    }
  | RangeRefusal;
export type RangeScanning =
  | { readonly kind: 'scan'; readonly session: LockSession; readonly scan: RowScan }
  | RangeRefusal;
export type RangeValues =
  | { readonly kind: 'values'; readonly values: readonly (Uint8Array | undefined)[] }
  | RangeRefusal;
export type RangeCommit = CommitAnswer | Elsewhere;

/** A request for a key outside is refused as a whole. A scan that meets the end of the range's life in the middle
 * throws RangeGone (scans are resumed by the router after the last key that it passed on). */
export interface RangeEndpoint {
  /** True: `into` holds the row. */
  readAt(
    head: RangeHead,
    key: Uint8Array,
    t: Timestamp,
    into: RowSlice,
  ): Maybe<true | RangeRefusal>;
  getAt(head: RangeHead, keys: readonly Uint8Array[], t: Timestamp): Maybe<RangeValues>;
  /** Refusals come as the rejection of next(), a RangeGone. */
  scanAt(head: RangeHead, request: ScanRequest, t: Timestamp): RowScan;
  /** Of a replica here: its part in a scan that takes in its neighbours, too, and is opened in this turn. Undefined: it
   * has to be asked by itself. */
  grantScan?(head: RangeHead, span: Span, t: Timestamp): ScanGrant | undefined;

  lockedRead(
    head: RangeHead,
    txn: RangeTxn,
    locking: RangeLocking,
    key: Uint8Array,
    into: RowSlice,
  ): Maybe<RangeRow>;
  lockedGet(
    head: RangeHead,
    txn: RangeTxn,
    locking: RangeLocking,
    keys: readonly Uint8Array[],
  ): Maybe<RangeRows>;
  lockedScan(
    head: RangeHead,
    txn: RangeTxn,
    locking: RangeLocking,
    request: ScanRequest,
  ): Maybe<RangeScanning>;

  /** The whole transaction in this range: one entry. */
  commit(
    head: RangeHead,
    txn: RangeTxn,
    writes: readonly Write[],
    deadline: Timestamp,
  ): Promise<RangeCommit>;
  /** `isForsaken`: not its coordinator says so, who is not heard of any more; what it was promised still holds (P16). */
  release(head: RangeHead, txn: RangeTxn, isForsaken?: boolean): void;

  bulkWrite(head: RangeHead, writes: readonly Write[], willBeRead: boolean): Promise<RangeCommit>;
  /** A span within the range. */
  clearSpan(head: RangeHead, span: Span): Promise<RangeCommit>;
  approximateBytes(head: RangeHead, span: Span): Promise<number | RangeRefusal>;

  readonly twoPhase: TwoPhaseEndpoint;
}

/** Two-phase commit as one participant is asked (P16 to P20); two-phase.ts in txn asks. */
export interface TwoPhaseEndpoint {
  /** Locks what is written and not yet locked, confirms what was read, and logs a prepared record: from then on the
   * transaction's fate in this range is its coordinator's word. Asking again is harmless (P20). */
  prepare(head: RangeHead, request: PrepareRequest): Promise<PrepareAnswer | Elsewhere>;
  /** Of a range that was only read: whether all locks are still held, and until when (P16, P17). */
  confirm(head: RangeHead, txn: RangeTxn): Promise<ConfirmAnswer | Elsewhere>;
  /** Of the range that holds `anchor`: decides, once (P19). */
  decide(head: RangeHead, request: DecideRequest): Promise<CommitAnswer | Elsewhere>;
  /** Carries the outcome out in a prepared range, and raises its floor to s (P19). Asking again is harmless. */
  resolve(head: RangeHead, request: ResolveRequest): Promise<ResolveAnswer | Elsewhere>;
  /** Of the range that holds `anchor`: the outcome. A transaction that it does not know, or that still waits for locks
   * to be decided under, is aborted, for good (P19, P21). */
  inquire(
    head: RangeHead,
    txn: TxnId,
    anchor: Uint8Array,
    deadline: Timestamp,
  ): Promise<OutcomeAnswer | Elsewhere>;
  /** Of the range that holds `anchor`: every participant is resolved, so the decision may be forgotten once its deadline
   * has passed (P18). Nothing depends on its being told: the anchor's leader finds out by itself after a while. */
  settled(head: RangeHead, txn: TxnId, anchor: Uint8Array): Promise<ResolveAnswer | Elsewhere>;
}

export interface PrepareRequest {
  readonly txn: RangeTxn;
  readonly writes: readonly Write[];
  /** A key of the coordinator range (P18). */
  readonly anchor: Uint8Array;
  readonly deadline: Timestamp;
}

export type PrepareAnswer =
  | {
      readonly kind: 'prepared';
      /** s must be at or above it. */
      readonly at: Timestamp;
      /** s must lie below it: so long the locks on what was read are protected (P16). */
      readonly until: Timestamp;
    }
  | { readonly kind: 'ambiguous'; readonly message: string }
  | Refusal;

export type ConfirmAnswer = { readonly kind: 'confirmed'; readonly until: Timestamp } | Refusal;

export interface DecideRequest {
  readonly txn: RangeTxn;
  /** What it writes in the anchor's own range. */
  readonly writes: readonly Write[];
  readonly anchor: Uint8Array;
  /** Keys of the prepared ranges, one for each: spans that must be resolved before the decision may be forgotten. */
  readonly participants: readonly Span[];
  readonly atLeast: Timestamp;
  readonly below: Timestamp;
  readonly deadline: Timestamp;
}

export interface ResolveRequest {
  readonly txn: TxnId;
  readonly outcome:
    | { readonly kind: 'committed'; readonly timestamp: Timestamp }
    | { readonly kind: 'aborted' };
  /** Within which the prepared records lie. */
  readonly span: Span;
}

export type ResolveAnswer = { readonly kind: 'resolved' } | Refusal;

export type OutcomeAnswer =
  | { readonly kind: 'committed'; readonly timestamp: Timestamp }
  | { readonly kind: 'aborted' }
  | Refusal;

/** How other ranges are asked, wherever they are led now; txn/outcomes.ts does. They answer with a refusal when they
 * can't be reached for a while. */
export interface OutcomeRoutes {
  inquire(txn: TxnId, anchor: Uint8Array, deadline: Timestamp): Promise<OutcomeAnswer>;
  resolve(request: ResolveRequest): Promise<ResolveAnswer>;
}
