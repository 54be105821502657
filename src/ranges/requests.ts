// The words in which ranges are asked and answer: plain data, so that it can travel. api.ts and endpoint.ts say what is
// asked.

import type { Timestamp } from '../clock/timestamp.ts';
import type { Span } from '../storage/engine.ts';

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

export interface ScanRequest {
  readonly span: Span;
  readonly reverse: boolean;
  readonly program: Uint8Array | undefined;
  readonly parameters: Uint8Array | undefined;
  readonly limitRows: number;
  readonly batchBytes: number;
}

export interface ScanBatch {
  /** rows/packed-rows.ts */
  readonly rows: Uint8Array;
  readonly rowCount: number;
  /** Of a scan in a range: it is through with everything up to this key, and its batches say all of that, so that
   * another may go on after it. Undefined with the last batch. */
  readonly lastKey?: Uint8Array | undefined;
  /** Nothing comes after it: next() need not be asked again. Not all scans say so. */
  readonly isLast?: boolean;
}

export interface RowScan {
  /** Undefined at the end. Throws DbError when the scan can't go on. */
  next(): Promise<ScanBatch | undefined>;
  close(): void;
}

/** One write of a transaction: value undefined deletes. */
export interface Write {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** Microseconds of a commit that whoever decided it spent on waiting. */
export interface CommitTimes {
  /** From the proposal until the log had it. */
  readonly replication: number;
  /** From then until its time had passed. */
  readonly wait: number;
}

export type CommitAnswer =
  /** `times`: left out where they are not known, of a commit that was asked about again. */
  | { readonly kind: 'committed'; readonly timestamp: Timestamp; readonly times?: CommitTimes }
  | { readonly kind: 'ambiguous'; readonly message: string }
  | Refusal;
