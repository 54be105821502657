// What others ask of a replica of a range (endpoint.ts), each handed to the part that knows it. Heads say which generation
// was meant; every part holds what it is asked against the range's bounds itself.

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Shard } from '../storage/shard.ts';
import type { ApplyPump } from './apply-pump.ts';
import type { Bounds } from './bounds.ts';
import type { Commits } from './commit/commits.ts';
import type {
  RangeCommit,
  RangeEndpoint,
  RangeHead,
  RangeLocking,
  RangeRefusal,
  RangeRow,
  RangeRows,
  RangeScanning,
  RangeTxn,
  RangeValues,
} from './endpoint.ts';
import type { LockedReads } from './locks/locked-reads.ts';
import type { Sessions } from './locks/sessions.ts';
import type { ScanGrant } from './reads/scan-grant.ts';
import type { SnapshotReads } from './reads/snapshot-reads.ts';
import type { ReplicaTwoPhase } from './replica-two-phase.ts';
import type { RowScan, RowSlice, ScanRequest, Span, Write } from './requests.ts';

export interface AskedParts {
  readonly bounds: Bounds;
  readonly sessions: Sessions;
  readonly snapshots: SnapshotReads;
  readonly locked: LockedReads;
  readonly commits: Commits;
  readonly twoPhase: ReplicaTwoPhase;
  readonly pump: ApplyPump;
  readonly shard: Shard;
}

export class ReplicaEndpoint implements RangeEndpoint {
  readonly twoPhase: ReplicaTwoPhase;
  private readonly bounds: Bounds;
  private readonly sessions: Sessions;
  readonly snapshots: SnapshotReads;
  private readonly locked: LockedReads;
  private readonly commits: Commits;
  private readonly pump: ApplyPump;
  private readonly shard: Shard;

  constructor(parts: AskedParts) {
    this.twoPhase = parts.twoPhase;
    this.bounds = parts.bounds;
    this.sessions = parts.sessions;
    this.snapshots = parts.snapshots;
    this.locked = parts.locked;
    this.commits = parts.commits;
    this.pump = parts.pump;
    this.shard = parts.shard;
  }

  readAt(
    _head: RangeHead,
    key: Uint8Array,
    t: Timestamp,
    into: RowSlice,
  ): Maybe<true | RangeRefusal> {
    return this.snapshots.read(key, t, into);
  }

  getAt(_head: RangeHead, keys: readonly Uint8Array[], t: Timestamp): Maybe<RangeValues> {
    return this.snapshots.getMany(keys, t);
  }

  scanAt(head: RangeHead, request: ScanRequest, t: Timestamp): RowScan {
    return this.snapshots.scan(head, request, t);
  }

  grantScan(head: RangeHead, span: Span, t: Timestamp): ScanGrant | undefined {
    return this.snapshots.grantScan(head, span, t);
  }

  lockedRead(
    _head: RangeHead,
    txn: RangeTxn,
    locking: RangeLocking,
    key: Uint8Array,
    into: RowSlice,
  ): Maybe<RangeRow> {
    return this.locked.read(txn, locking, key, into);
  }

  lockedGet(
    _head: RangeHead,
    txn: RangeTxn,
    locking: RangeLocking,
    keys: readonly Uint8Array[],
  ): Maybe<RangeRows> {
    return this.locked.getMany(txn, locking, keys);
  }

  lockedScan(
    _head: RangeHead,
    txn: RangeTxn,
    locking: RangeLocking,
    request: ScanRequest,
  ): Maybe<RangeScanning> {
    return this.locked.scan(txn, locking, request);
  }

  /** Of what the transaction has read here, all must be the range's: its locks elsewhere are confirmed elsewhere. */
  commit(
    head: RangeHead,
    txn: RangeTxn,
    writes: readonly Write[],
    deadline: Timestamp,
  ): Promise<RangeCommit> {
    return this.commits.commit(head, txn, writes, deadline);
  }

  release(_head: RangeHead, txn: Pick<RangeTxn, 'id'>, isForsaken = false): void {
    this.locked.ended(txn.id);
    const session = this.sessions.find(txn.id);
    if (session === undefined) return;
    // One that is being decided, here or elsewhere, ends with its outcome.
    const { state } = session.owner;
    if (state === 'prepared') this.twoPhase.unattended(txn.id);
    if (state === 'committing' || state === 'prepared') return;
    if (isForsaken && state === 'confirmed') this.twoPhase.forsake(session);
    else this.sessions.release(session);
  }

  bulkWrite(_head: RangeHead, writes: readonly Write[], willBeRead: boolean): Promise<RangeCommit> {
    return this.commits.bulkWrite(writes, willBeRead);
  }

  clearSpan(_head: RangeHead, span: Span): Promise<RangeCommit> {
    return this.commits.clearSpan(span);
  }

  async approximateBytes(_head: RangeHead, span: Span): Promise<number | RangeRefusal> {
    if (!this.bounds.holds(span)) return this.bounds.wrong(span);
    this.pump.flush();
    return this.shard.approximateBytes(span);
  }
}
