// Ranges for the transactions of SQL sessions. What comes back from afar is passed on only while this node still has its
// lease on the schema: when that has ended, the keys that were read may have been cleared meanwhile. What is answered at
// once was asked under the lease.

import type { Maybe } from '../../base/maybe.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type {
  CommitAnswer,
  CommitPlan,
  CommitRequest,
  Divided,
  LockedGet,
  LockedGetAnswer,
  LockedReadAnswer,
  LockedScan,
  LockedScanAnswer,
  LockRequest,
  RangeAddress,
  Ranges,
  RowScan,
  RowSlice,
  ScanRequest,
  Span,
  Standing,
  TxnRef,
  Write,
} from '../../ranges/api.ts';
import type { Elsewhere, RangeHead } from '../../ranges/endpoint.ts';
import { leaseLost } from '../../sql/catalog/errors.ts';

/** The lease. */
export interface Holding {
  isHeld(): boolean;
}

export class FencedRanges implements Ranges {
  private readonly ranges: Ranges;
  private readonly lease: Holding;

  constructor(ranges: Ranges, lease: Holding) {
    this.ranges = ranges;
    this.lease = lease;
  }

  readAt(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true> {
    const read = this.ranges.readAt(key, t, into);
    return read === true ? true : read.then(this.passOn);
  }

  getAt(keys: readonly Uint8Array[], t: Timestamp): Maybe<readonly (Uint8Array | undefined)[]> {
    const rows = this.ranges.getAt(keys, t);
    return rows instanceof Promise ? rows.then(this.passOn) : rows;
  }

  scanAt(request: ScanRequest, t: Timestamp): RowScan {
    return new FencedScan(this.ranges.scanAt(request, t), this.passOn);
  }

  readableHere(span: Span): Timestamp {
    return this.ranges.readableHere(span);
  }

  lockedRead(request: LockRequest, key: Uint8Array, into: RowSlice): Maybe<LockedReadAnswer> {
    const answer = this.ranges.lockedRead(request, key, into);
    return answer instanceof Promise ? answer.then(this.passOn) : answer;
  }

  lockedGet(request: LockedGet): Maybe<LockedGetAnswer> {
    const answer = this.ranges.lockedGet(request);
    return answer instanceof Promise ? answer.then(this.passOn) : answer;
  }

  lockedScan(request: LockedScan): Maybe<LockedScanAnswer> {
    const fenced = (answer: LockedScanAnswer): LockedScanAnswer =>
      answer.kind === 'scan'
        ? { kind: 'scan', scan: new FencedScan(answer.scan, this.passOn) }
        : answer;
    const answer = this.ranges.lockedScan(request);
    return answer instanceof Promise ? answer.then(fenced) : fenced(answer);
  }

  commit(request: CommitRequest): Promise<CommitAnswer | Divided> {
    return this.ranges.commit(request);
  }

  release(txn: TxnRef, standing: Standing): void {
    this.ranges.release(txn, standing);
  }

  plan(standing: Standing, writes: readonly Write[]): Maybe<CommitPlan> {
    return this.ranges.plan(standing, writes);
  }

  locate(span: Span): Maybe<readonly RangeAddress[]> {
    return this.ranges.locate(span);
  }

  rangeOf(key: Uint8Array): number {
    return this.ranges.rangeOf(key);
  }

  correct(head: RangeHead, elsewhere: Elsewhere): Maybe<void> {
    return this.ranges.correct(head, elsewhere);
  }

  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<CommitAnswer> {
    return this.ranges.bulkWrite(writes, willBeRead);
  }

  clearSpan(span: Span): Promise<CommitAnswer> {
    return this.ranges.clearSpan(span);
  }

  approximateBytes(span: Span): Promise<number> {
    return this.ranges.approximateBytes(span);
  }

  private readonly passOn = <T>(answer: T): T => {
    if (!this.lease.isHeld()) throw leaseLost();
    return answer;
  };
}

class FencedScan implements RowScan {
  private readonly scan: RowScan;
  private readonly passOn: <T>(answer: T) => T;

  constructor(scan: RowScan, passOn: <T>(answer: T) => T) {
    this.scan = scan;
    this.passOn = passOn;
  }

  next(): ReturnType<RowScan['next']> {
    return this.scan.next().then(this.passOn);
  }

  close(): void {
    this.scan.close();
  }
}
