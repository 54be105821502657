// Ranges as transactions see them: requests go to the range that holds their keys. There is one range, which covers
// everything; with more of them this is where a request is divided by range and its answers are put together.

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type {
  CommitAnswer,
  CommitRequest,
  LockedGet,
  LockedGetAnswer,
  LockedReadAnswer,
  LockedScan,
  LockedScanAnswer,
  LockRequest,
  LockSession,
  Ranges,
  RowScan,
  RowSlice,
  ScanRequest,
  Span,
  TxnRef,
  Write,
} from './api.ts';
import type { Replica } from './replica.ts';

export class Router implements Ranges {
  private readonly replica: Replica;

  constructor(replica: Replica) {
    this.replica = replica;
  }

  readAt(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true> {
    return this.replica.snapshots.read(key, t, into);
  }

  getAt(keys: readonly Uint8Array[], t: Timestamp): Maybe<readonly (Uint8Array | undefined)[]> {
    return this.replica.snapshots.getMany(keys, t);
  }

  scanAt(request: ScanRequest, t: Timestamp): RowScan {
    return this.replica.snapshots.scan(request, t);
  }

  lockedRead(request: LockRequest, key: Uint8Array, into: RowSlice): Maybe<LockedReadAnswer> {
    return this.replica.locked.read(request, key, into);
  }

  lockedGet(request: LockedGet): Maybe<LockedGetAnswer> {
    return this.replica.locked.getMany(request);
  }

  lockedScan(request: LockedScan): Maybe<LockedScanAnswer> {
    return this.replica.locked.scan(request);
  }

  commit(request: CommitRequest): Promise<CommitAnswer> {
    return this.replica.commits.commit(request);
  }

  release(txn: TxnRef, session: LockSession | undefined): void {
    this.replica.release(txn, session);
  }

  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<CommitAnswer> {
    return this.replica.commits.bulkWrite(writes, willBeRead);
  }

  clearSpan(span: Span): Promise<CommitAnswer> {
    return this.replica.commits.clearSpan(span);
  }

  approximateBytes(span: Span): Promise<number> {
    return this.replica.approximateBytes(span);
  }
}
