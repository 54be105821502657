// Reads of read-write transactions: lock first, then read the newest version. While the lock is held nothing changes
// beneath it, so the answer stands until the session ends; after every await that is asked again (P15).

import { hashBytes } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Maybe } from '../base/maybe.ts';
import { laterOf, MAX_TIMESTAMP, MIN_TIMESTAMP } from '../clock/timestamp.ts';
import type { RowCache } from '../storage/row-cache.ts';
import type { Shard } from '../storage/shard.ts';
import type { ApplyPump } from './apply-pump.ts';
import { whyTooManyLocks } from './commits.ts';
import type {
  Elsewhere,
  RangeLocking,
  RangeRow,
  RangeRows,
  RangeScanning,
  RangeTxn,
} from './endpoint.ts';
import type { Gate } from './gate.ts';
import type { LockTable } from './lock-table.ts';
import type { LockOutcome, LockWaits } from './lock-waits.ts';
import { RangeScan } from './range-scan.ts';
import type { Refusal, RowSlice, ScanRequest } from './requests.ts';
import type { RowLoader } from './row-loader.ts';
import { copyOf, detach, fromVersion, newRowSlice, noRow } from './row-slice.ts';
import { Session } from './session.ts';
import { type Sessions } from './sessions.ts';

type Row = Exclude<RangeRow, Elsewhere>;
type Rows = Exclude<RangeRows, Elsewhere>;
type Scanning = Exclude<RangeScanning, Elsewhere>;

export class LockedReads {
  private readonly gate: Gate;
  private readonly locks: LockTable;
  private readonly lockWaits: LockWaits;
  private readonly sessions: Sessions;
  private readonly cache: RowCache;
  private readonly loader: RowLoader;
  private readonly pump: ApplyPump;
  private readonly shard: Shard;
  private readonly scratch: RowSlice = newRowSlice();

  constructor(
    gate: Gate,
    locks: LockTable,
    lockWaits: LockWaits,
    sessions: Sessions,
    cache: RowCache,
    loader: RowLoader,
    pump: ApplyPump,
    shard: Shard,
  ) {
    this.gate = gate;
    this.locks = locks;
    this.lockWaits = lockWaits;
    this.sessions = sessions;
    this.cache = cache;
    this.loader = loader;
    this.pump = pump;
    this.shard = shard;
  }

  /** Neither `txn` nor `locking` is looked at any more once this has returned: they may be used again. */
  read(txn: RangeTxn, locking: RangeLocking, key: Uint8Array, into: RowSlice): Maybe<Row> {
    const session = this.admit(txn, 1);
    if (!(session instanceof Session)) {
      const keptTxn = keptOf(txn);
      const { mode, wait, timeoutMicros } = locking;
      return this.onceRenewed(session, () => {
        const read = this.read(keptTxn, { mode, wait, timeoutMicros }, key, into);
        // Others may run before our caller does.
        if (!(read instanceof Promise) && read.kind === 'row') detach(into);
        return read;
      });
    }
    const hash = hashBytes(key);
    if (!this.locks.tryKey(session.owner, key, hash, locking.mode === 'exclusive')) {
      return this.readLater(locking, session, key, hash, into);
    }
    if (
      this.cache.lookup(key, hash, MAX_TIMESTAMP, into) === 'hit' &&
      this.gate.hasPassed(into.timestamp)
    ) {
      return session.rowAnswer;
    }
    return this.readUncached(session, key, into);
  }

  getMany(txn: RangeTxn, locking: RangeLocking, keys: readonly Uint8Array[]): Maybe<Rows> {
    const session = this.admit(txn, keys.length);
    if (!(session instanceof Session)) {
      const kept = keptOf(txn);
      return this.onceRenewed(session, () => this.getMany(kept, locking, keys));
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
  scan(txn: RangeTxn, locking: RangeLocking, request: ScanRequest): Maybe<Scanning> {
    const session = this.admit(txn, 1);
    if (!(session instanceof Session)) {
      const kept = keptOf(txn);
      return this.onceRenewed(session, () => this.scan(kept, locking, request));
    }
    const { span } = request;
    const isExclusive = locking.mode === 'exclusive';
    if (this.locks.trySpan(session.owner, span.start, span.end, isExclusive)) {
      return this.openScan(request, session);
    }
    if (locking.wait !== 'block') return { kind: 'lockNotAvailable', key: span.start };
    return new Promise<LockOutcome>((done) => {
      this.lockWaits.waitSpan(session, span, isExclusive, locking.timeoutMicros, done);
    }).then((refusal) => refusal ?? this.whyOver(session) ?? this.openScan(request, session));
  }

  private admit(txn: RangeTxn, locks: number): Session | Refusal {
    const reason = this.gate.refusalNow();
    if (reason !== undefined) return this.gate.notServing(reason);
    const session = this.sessions.admit(txn, txn.session);
    if (!(session instanceof Session)) return session;
    return whyTooManyLocks(session, locks) ?? session;
  }

  /** Again when the lease was all that was missing, and is there. */
  private onceRenewed<A>(refusal: Refusal, again: () => Maybe<A>): Maybe<A | Refusal> {
    const renewal = refusal.kind === 'notServing' ? this.gate.renewal() : undefined;
    if (renewal === undefined) return refusal;
    return renewal.then((isRenewed) => (isRenewed ? again() : refusal));
  }

  /** Asked after an await. */
  private whyOver(session: Session): Refusal | undefined {
    const reason = this.gate.refusalNow();
    if (reason !== undefined) return this.gate.notServing(reason);
    return this.sessions.whyNotLive(session);
  }

  private async readLater(
    locking: RangeLocking,
    session: Session,
    key: Uint8Array,
    hash: number,
    into: RowSlice,
  ): Promise<Row> {
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
      detach(into);
      return session.rowAnswer;
    }
    return this.readUncached(session, key, into);
  }

  /** Not in the cache, or there but not to be shown yet: neither is frequent. */
  private async readUncached(session: Session, key: Uint8Array, into: RowSlice): Promise<Row> {
    const version = (await this.loader.load([key], MAX_TIMESTAMP))[0];
    if (version !== undefined && !this.gate.hasPassed(version.timestamp)) {
      await this.gate.waitUntilPassed(version.timestamp); // P10
    }
    const refusal = this.whyOver(session);
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
  ): Promise<Rows> {
    const isExclusive = locking.mode === 'exclusive';
    let skipped: Set<number> | undefined;
    for (let i = from; i < keys.length; i++) {
      const key = keys[i] as Uint8Array;
      const hash = hashes[i] as number;
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
  ): Maybe<Rows> {
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
      } else {
        (missing ??= []).push(i);
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
  ): Promise<Rows> {
    let newest = newestCached;
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
    return this.whyOver(session) ?? { kind: 'rows', session: session.token, rows };
  }

  private openScan(request: ScanRequest, session: Session): Scanning {
    this.pump.flush();
    const scan = this.shard.scan({
      span: request.span,
      reverse: request.reverse,
      program: request.program,
      parameters: request.parameters,
      limitRows: request.limitRows,
      batchBytes: request.batchBytes,
      at: MAX_TIMESTAMP,
    });
    const check = (): void => {
      const refusal = this.whyOver(session);
      if (refusal === undefined || !('message' in refusal)) return;
      throw new DbError('40001', `could not serialize access: ${refusal.message}`, {
        hint: 'Retry the transaction.',
      });
    };
    return { kind: 'scan', session: session.token, scan: new RangeScan(this.gate, scan, check) };
  }
}

/** A copy: the caller uses its own again. */
function keptOf({ id, age, session }: RangeTxn): RangeTxn {
  return { id, age, session };
}
