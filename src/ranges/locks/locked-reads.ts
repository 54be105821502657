// Reads of read-write transactions: lock first, then read the newest version. While the lock is held nothing changes
// beneath it, so the answer stands until the session ends; after every await that is asked again (P15). Before that, and
// again after every wait, the range is asked whether the keys are still its own (P28).

import { hashBytes } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Maybe } from '../../base/maybe.ts';
import { laterOf, MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import type { RowCache } from '../../storage/row-cache.ts';
import type { Shard } from '../../storage/shard.ts';
import type { ApplyPump } from '../apply-pump.ts';
import type { Bounds } from '../bounds.ts';
import { whyTooManyLocks } from '../commit/commits.ts';
import type {
  RangeLocking,
  RangeRefusal,
  RangeRow,
  RangeRows,
  RangeScanning,
  RangeTxn,
} from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import type { RangeLoad } from '../load/range-load.ts';
import { RangeGone } from '../range-gone.ts';
import { RangeScan } from '../reads/range-scan.ts';
import type { RowLoader } from '../reads/row-loader.ts';
import { copyOf, detach, fromVersion, newRowSlice, noRow } from '../reads/row-slice.ts';
import type { RowSlice, ScanRequest, TxnId } from '../requests.ts';
import type { LockTable } from './lock-table.ts';
import type { LockOutcome, LockWaits } from './lock-waits.ts';
import { Session } from './session.ts';
import { type Sessions } from './sessions.ts';

/** Requests of one transaction that wait before they have a session. */
interface Entering {
  count: number;
  isOver: boolean;
}

const OVER: RangeRefusal = { kind: 'sessionGone', message: 'the transaction has ended' };

export class LockedReads {
  private readonly bounds: Bounds;
  private readonly gate: Gate;
  private readonly locks: LockTable;
  private readonly lockWaits: LockWaits;
  private readonly sessions: Sessions;
  private readonly cache: RowCache;
  private readonly loader: RowLoader;
  private readonly pump: ApplyPump;
  private readonly shard: Shard;
  private readonly load: RangeLoad;
  private readonly scratch: RowSlice = newRowSlice();
  private readonly entering = new Map<TxnId, Entering>();

  constructor(
    bounds: Bounds,
    gate: Gate,
    locks: LockTable,
    lockWaits: LockWaits,
    sessions: Sessions,
    cache: RowCache,
    loader: RowLoader,
    pump: ApplyPump,
    shard: Shard,
    load: RangeLoad,
  ) {
    this.bounds = bounds;
    this.gate = gate;
    this.locks = locks;
    this.lockWaits = lockWaits;
    this.sessions = sessions;
    this.cache = cache;
    this.loader = loader;
    this.pump = pump;
    this.shard = shard;
    this.load = load;
  }

  /** Neither `txn` nor `locking` is looked at any more once this has returned: they may be used again. */
  read(txn: RangeTxn, locking: RangeLocking, key: Uint8Array, into: RowSlice): Maybe<RangeRow> {
    if (!this.bounds.admitsKey(key)) {
      return this.readOnce(this.bounds.whyNotKey(key), txn, locking, key, into);
    }
    const session = this.admit(txn, 1);
    if (!(session instanceof Session)) {
      return this.readOnce(this.unlessRenewed(session), txn, locking, key, into);
    }
    const hash = hashBytes(key);
    if (!this.locks.tryKey(session.owner, key, hash, locking.mode === 'exclusive')) {
      return this.readLater(locking, session, key, hash, into);
    }
    if (
      this.cache.lookup(key, hash, MAX_TIMESTAMP, into) === 'hit' &&
      this.gate.hasPassed(into.timestamp)
    ) {
      this.load.read(key, into.length);
      return session.rowAnswer;
    }
    return this.readUncached(session, key, into);
  }

  getMany(txn: RangeTxn, locking: RangeLocking, keys: readonly Uint8Array[]): Maybe<RangeRows> {
    const { bounds } = this;
    if (!bounds.admitsKeys(keys)) return this.getOnce(bounds.whyNotKeys(keys), txn, locking, keys);
    const session = this.admit(txn, keys.length);
    if (!(session instanceof Session)) {
      return this.getOnce(this.unlessRenewed(session), txn, locking, keys);
    }
    const isExclusive = locking.mode === 'exclusive';
    const hashes = new Array<number>(keys.length);
    for (let i = 0; i < keys.length; i++) hashes[i] = hashBytes(keys[i] as Uint8Array);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as Uint8Array;
      if (!this.locks.tryKey(session.owner, key, hashes[i] as number, isExclusive)) {
        return this.getLater(locking, keys, session, hashes, i);
      }
    }
    return this.readHeld(session, keys, hashes, undefined);
  }

  /** A span has nothing to skip: 'skip' refuses as 'nowait' does. */
  scan(txn: RangeTxn, locking: RangeLocking, request: ScanRequest): Maybe<RangeScanning> {
    const { bounds } = this;
    const { span } = request;
    if (!bounds.admitsSpan(span)) {
      return this.scanOnce(bounds.whyNot(span), txn, locking, request);
    }
    const session = this.admit(txn, 1);
    if (!(session instanceof Session)) {
      return this.scanOnce(this.unlessRenewed(session), txn, locking, request);
    }
    const isExclusive = locking.mode === 'exclusive';
    if (this.locks.trySpan(session.owner, span.start, span.end, isExclusive)) {
      return this.openScan(request, session);
    }
    if (locking.wait !== 'block') return { kind: 'lockNotAvailable', key: span.start };
    return new Promise<LockOutcome>((done) => {
      this.lockWaits.waitSpan(session, span, isExclusive, locking.timeoutMicros, done);
    }).then((refusal) => refusal ?? this.whyOver(session) ?? this.openScan(request, session));
  }

  /** The transaction is over: nobody would end a session that it begins now. */
  ended(txn: TxnId): void {
    const entering = this.entering.get(txn);
    if (entering !== undefined) entering.isOver = true;
  }

  /** Does it once it may be tried, unless the transaction has ended by then. */
  private async enter<A>(
    wait: Promise<RangeRefusal | void>,
    txn: TxnId,
    then: () => Maybe<A>,
  ): Promise<A | RangeRefusal> {
    const entering = this.entering.get(txn) ?? { count: 0, isOver: false };
    this.entering.set(txn, entering);
    entering.count++;
    try {
      const refusal = await wait;
      if (refusal !== undefined) return refusal;
    } finally {
      entering.count--;
      if (entering.count === 0) this.entering.delete(txn);
    }
    return entering.isOver ? OVER : then();
  }

  private admit(txn: RangeTxn, locks: number): Session | RangeRefusal {
    const reason = this.gate.refusalNow();
    if (reason !== undefined) return this.bounds.notLeader(this.gate, reason);
    const session = this.sessions.admit(txn, txn.session);
    if (!(session instanceof Session)) return session;
    return whyTooManyLocks(session, locks) ?? session;
  }

  /** When the lease is all that is missing: nothing, once it is there. */
  private unlessRenewed(refusal: RangeRefusal): Promise<RangeRefusal | void> | RangeRefusal {
    const renewal = refusal.kind === 'notLeader' ? this.gate.renewal() : undefined;
    if (renewal === undefined) return refusal;
    return renewal.then((isRenewed) => (isRenewed ? undefined : refusal));
  }

  private readOnce(
    wait: Promise<RangeRefusal | void> | RangeRefusal,
    txn: RangeTxn,
    locking: RangeLocking,
    key: Uint8Array,
    into: RowSlice,
  ): Maybe<RangeRow> {
    return wait instanceof Promise ? this.readAfter(wait, txn, locking, key, into) : wait;
  }

  private readAfter(
    wait: Promise<RangeRefusal | void>,
    txn: RangeTxn,
    locking: RangeLocking,
    key: Uint8Array,
    into: RowSlice,
  ): Promise<RangeRow> {
    // The caller uses its own again.
    const keptTxn = keptOf(txn);
    const { mode, wait: waiting, timeoutMicros } = locking;
    return this.enter<RangeRow>(wait, keptTxn.id, () => {
      const read = this.read(keptTxn, { mode, wait: waiting, timeoutMicros }, key, into);
      // Others may run before our caller does.
      if (!(read instanceof Promise) && read.kind === 'row') detach(into);
      return read;
    });
  }

  private getOnce(
    wait: Promise<RangeRefusal | void> | RangeRefusal,
    txn: RangeTxn,
    locking: RangeLocking,
    keys: readonly Uint8Array[],
  ): Maybe<RangeRows> {
    if (!(wait instanceof Promise)) return wait;
    const kept = keptOf(txn);
    return this.enter<RangeRows>(wait, kept.id, () => this.getMany(kept, locking, keys));
  }

  private scanOnce(
    wait: Promise<RangeRefusal | void> | RangeRefusal,
    txn: RangeTxn,
    locking: RangeLocking,
    request: ScanRequest,
  ): Maybe<RangeScanning> {
    if (!(wait instanceof Promise)) return wait;
    const kept = keptOf(txn);
    return this.enter<RangeScanning>(wait, kept.id, () => this.scan(kept, locking, request));
  }

  /** Asked after an await. */
  private whyOver(session: Session): RangeRefusal | undefined {
    const reason = this.gate.refusalNow();
    if (reason !== undefined) return this.bounds.notLeader(this.gate, reason);
    return this.sessions.whyNotLive(session);
  }

  private async readLater(
    locking: RangeLocking,
    session: Session,
    key: Uint8Array,
    hash: number,
    into: RowSlice,
  ): Promise<RangeRow> {
    if (locking.wait === 'nowait') return { kind: 'lockNotAvailable', key };
    if (locking.wait === 'skip') {
      noRow(into);
      return session.rowAnswer;
    }
    const refusal = (await this.waitKey(locking, session, key, hash)) ?? this.whyOver(session);
    if (refusal !== undefined) return refusal;
    if (
      this.cache.lookup(key, hash, MAX_TIMESTAMP, into) === 'hit' &&
      this.gate.hasPassed(into.timestamp)
    ) {
      this.load.read(key, into.length);
      detach(into);
      return session.rowAnswer;
    }
    return this.readUncached(session, key, into);
  }

  /** Not in the cache, or there but not to be shown yet: neither is frequent. */
  private async readUncached(session: Session, key: Uint8Array, into: RowSlice): Promise<RangeRow> {
    const before = this.bounds.version;
    this.load.read(key, 0);
    const version = (await this.loader.load([key], MAX_TIMESTAMP))[0];
    if (version !== undefined && !this.gate.hasPassed(version.timestamp)) {
      await this.gate.waitUntilPassed(version.timestamp); // P10
    }
    const refusal = this.whyOver(session) ?? this.bounds.whyGone(before, [key]);
    if (refusal !== undefined) return refusal;
    fromVersion(version, into);
    return session.rowAnswer;
  }

  private async getLater(
    locking: RangeLocking,
    keys: readonly Uint8Array[],
    session: Session,
    hashes: readonly number[],
    from: number,
  ): Promise<RangeRows> {
    const isExclusive = locking.mode === 'exclusive';
    let skipped: Set<number> | undefined;
    for (let i = from; i < keys.length; i++) {
      const key = keys[i] as Uint8Array;
      const hash = hashes[i] as number;
      // It has waited for the one before.
      if (!this.bounds.admitsKey(key)) {
        const refusal = (await this.bounds.whyNotKey(key)) ?? this.whyOver(session);
        if (refusal !== undefined) return refusal;
        i--;
        continue;
      }
      if (this.locks.tryKey(session.owner, key, hash, isExclusive)) continue;
      if (locking.wait === 'nowait') return { kind: 'lockNotAvailable', key };
      if (locking.wait === 'skip') {
        skipped ??= new Set();
        skipped.add(i);
        continue;
      }
      const refusal = (await this.waitKey(locking, session, key, hash)) ?? this.whyOver(session);
      if (refusal !== undefined) return refusal;
    }
    return this.readHeld(session, keys, hashes, skipped);
  }

  private waitKey(
    locking: RangeLocking,
    session: Session,
    key: Uint8Array,
    hash: number,
  ): Promise<LockOutcome> {
    const isExclusive = locking.mode === 'exclusive';
    return new Promise((done) => {
      this.lockWaits.waitKey(session, key, hash, isExclusive, locking.timeoutMicros, done);
    });
  }

  private readHeld(
    session: Session,
    keys: readonly Uint8Array[],
    hashes: readonly number[],
    skipped: ReadonlySet<number> | undefined,
  ): Maybe<RangeRows> {
    const rows = new Array<Uint8Array | undefined>(keys.length);
    let missing: number[] | undefined;
    let newest = MIN_TIMESTAMP;
    const slice = this.scratch;
    for (let i = 0; i < keys.length; i++) {
      if (skipped?.has(i) === true) continue;
      const hash = hashes[i] as number;
      if (this.cache.lookup(keys[i] as Uint8Array, hash, MAX_TIMESTAMP, slice) === 'hit') {
        newest = laterOf(newest, slice.timestamp);
        rows[i] = copyOf(slice);
        this.load.read(keys[i] as Uint8Array, slice.length);
      } else {
        (missing ??= []).push(i);
        this.load.read(keys[i] as Uint8Array, 0);
      }
    }
    if (missing === undefined && this.gate.hasPassed(newest)) {
      return { kind: 'rows', session: session.token, rows };
    }
    return this.readHeldLater(session, keys, rows, missing ?? [], newest);
  }

  private async readHeldLater(
    session: Session,
    keys: readonly Uint8Array[],
    rows: (Uint8Array | undefined)[],
    missing: readonly number[],
    newestCached: typeof MIN_TIMESTAMP,
  ): Promise<RangeRows> {
    let newest = newestCached;
    const before = this.bounds.version;
    if (missing.length > 0) {
      const wanted = missing.map((i) => keys[i] as Uint8Array);
      const versions = await this.loader.load(wanted, MAX_TIMESTAMP);
      for (let m = 0; m < missing.length; m++) {
        const version = versions[m];
        if (version === undefined) continue;
        newest = laterOf(newest, version.timestamp);
        rows[missing[m] as number] = version.value;
      }
    }
    if (!this.gate.hasPassed(newest)) await this.gate.waitUntilPassed(newest); // P10
    const refusal = this.whyOver(session) ?? this.bounds.whyGone(before, keys);
    return refusal ?? { kind: 'rows', session: session.token, rows };
  }

  private openScan(request: ScanRequest, session: Session): RangeScanning {
    this.pump.flush();
    this.load.scanOpened(request.span, request.reverse, request.limitRows);
    const scan = this.shard.scan({
      span: request.span,
      reverse: request.reverse,
      program: request.program,
      parameters: request.parameters,
      limitRows: request.limitRows,
      batchBytes: request.batchBytes,
      at: MAX_TIMESTAMP,
    });
    const before = this.bounds.version;
    const check = (): void => {
      const refusal = this.whyOver(session);
      if (refusal === undefined) {
        if (this.bounds.version === before || this.bounds.holds(request.span)) return;
        throw new RangeGone(this.bounds.wrong(request.span));
      }
      throw new DbError(
        '40001',
        `could not serialize access: ${'message' in refusal ? refusal.message : refusal.kind}`,
        { hint: 'Retry the transaction.' },
      );
    };
    const { gate, load } = this;
    const rows = new RangeScan([{ span: request.span, gate, load, check }], request.reverse, scan);
    return { kind: 'scan', session: session.token, scan: rows };
  }
}

/** A copy: the caller uses its own again. */
function keptOf({ id, age, session }: RangeTxn): RangeTxn {
  return { id, age, session };
}
