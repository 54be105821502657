// Lock-free reads at a timestamp (DESIGN.md section 8.7, P22). In one turn: are the keys the range's (P28); may this
// replica serve t; nothing is assigned at or below t any more; which proposed writes at or below t must be waited for.
// After a wait, all of it again. Whoever may not serve t as the leader may still serve what is closed (P23).

import { hashBytes } from '../../base/bytes.ts';
import type { Maybe } from '../../base/maybe.ts';
import { laterOf, MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { RowCache } from '../../storage/row-cache.ts';
import type { Shard, ShardScan } from '../../storage/shard.ts';
import type { ApplyPump } from '../apply-pump.ts';
import type { Bounds } from '../bounds.ts';
import type { InFlight, InFlightWrites } from '../commit/in-flight.ts';
import type { Elsewhere, RangeHead, RangeRefusal, RangeValues } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import type { RangeLoad } from '../load/range-load.ts';
import { RangeGone } from '../range-gone.ts';
import type { RowScan, RowSlice, ScanRequest, Span } from '../requests.ts';
import type { ClosedReads } from './closed-reads.ts';
import { openScan, RangeScan } from './range-scan.ts';
import type { RowLoader } from './row-loader.ts';
import { copyOf, detach, fromVersion, newRowSlice } from './row-slice.ts';
import type { ScanGrant } from './scan-grant.ts';

type Values = readonly (Uint8Array | undefined)[];

export class SnapshotReads {
  private readonly runtime: Runtime;
  private readonly bounds: Bounds;
  private readonly gate: Gate;
  private readonly inFlight: InFlightWrites;
  private readonly cache: RowCache;
  private readonly loader: RowLoader;
  private readonly pump: ApplyPump;
  private readonly shard: Shard;
  private readonly closed: ClosedReads;
  private readonly load: RangeLoad;
  private readonly scratch: RowSlice = newRowSlice();

  constructor(
    runtime: Runtime,
    bounds: Bounds,
    gate: Gate,
    inFlight: InFlightWrites,
    cache: RowCache,
    loader: RowLoader,
    pump: ApplyPump,
    shard: Shard,
    closed: ClosedReads,
    load: RangeLoad,
  ) {
    this.runtime = runtime;
    this.bounds = bounds;
    this.gate = gate;
    this.inFlight = inFlight;
    this.cache = cache;
    this.loader = loader;
    this.pump = pump;
    this.shard = shard;
    this.closed = closed;
    this.load = load;
  }

  read(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true | RangeRefusal> {
    const { gate, bounds } = this;
    if (!bounds.admitsKey(key)) return this.readOnce(bounds.whyNotKey(key), key, t, into);
    bounds.demandKept(t); // P24
    const admitted = this.admit(t);
    if (admitted !== undefined) {
      if (this.closed.covers(t)) return this.closed.read(key, t, into);
      return this.readOnce(admitted, key, t, into);
    }
    const hash = hashBytes(key);
    if (this.inFlight.mayTouch(hash)) {
      const blocking = this.blockingKey(key, hash, t);
      if (blocking !== undefined) {
        return this.readOnce(this.inFlight.wait(blocking), key, t, into);
      }
    }
    if (this.cache.lookup(key, hash, t, into) === 'hit') {
      if (gate.hasPassed(into.timestamp)) {
        this.load.read(key, into.length);
        return true; // P10
      }
      return this.readOnce(gate.waitUntilPassed(into.timestamp), key, t, into);
    }
    return this.readMissing(key, t, into);
  }

  getMany(keys: readonly Uint8Array[], t: Timestamp): Maybe<RangeValues> {
    if (!this.bounds.admitsKeys(keys)) return this.getOnce(this.bounds.whyNotKeys(keys), keys, t);
    this.bounds.demandKept(t); // P24
    const admitted = this.admit(t);
    if (admitted !== undefined) {
      if (this.closed.covers(t)) return this.closed.getMany(keys, t);
      return this.getOnce(admitted, keys, t);
    }
    const values = new Array<Uint8Array | undefined>(keys.length);
    let missing: number[] | undefined;
    let newest = MIN_TIMESTAMP;
    const slice = this.scratch;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as Uint8Array;
      const hash = hashBytes(key);
      const blocking = this.blockingKey(key, hash, t);
      if (blocking !== undefined) return this.getOnce(this.inFlight.wait(blocking), keys, t);
      if (this.cache.lookup(key, hash, t, slice) === 'hit') {
        newest = laterOf(newest, slice.timestamp);
        values[i] = copyOf(slice);
        this.load.read(key, slice.length);
      } else {
        (missing ??= []).push(i);
        this.load.read(key, 0);
      }
    }
    if (missing === undefined) return this.onceShown(newest, values);
    return this.getMissing(keys, t, values, missing, newest);
  }

  /** Its next() throws RangeGone when the range can't go on with it. */
  scan(head: RangeHead, request: ScanRequest, t: Timestamp): RowScan {
    const part = this.part(head, request.span, t);
    return new RangeScan([part], request.reverse, this.openScan(part, request, t));
  }

  /** Undefined: the span can't be read in this turn; scan() waits for what it has to wait for, or says what is wrong. */
  grantScan(head: RangeHead, span: Span, t: Timestamp): ScanGrant | undefined {
    if (!this.bounds.keeps(t) || this.obstacle(span, t) !== undefined) return undefined;
    this.pump.flush();
    return this.part(head, span, t);
  }

  private part(head: RangeHead, span: Span, t: Timestamp): ScanGrant {
    const { bounds, gate, load, shard } = this;
    let { version } = bounds;
    const check = (): void => {
      if (bounds.version === version) return;
      ({ version } = bounds);
      if (!bounds.holds(span)) throw new RangeGone(bounds.wrong(span), head);
      bounds.demandKept(t); // P24
    };
    return { span, gate, load, shard, check };
  }

  /** Undefined: t may be served, and from now on nothing is assigned at or below it. Else what to wait for before
   * asking again, or why it can't be. */
  private admit(t: Timestamp): Promise<void | Elsewhere> | Elsewhere | undefined {
    const reason = this.gate.refusal(t);
    if (reason !== undefined) {
      const refusal = this.bounds.notLeader(this.gate, reason);
      const renewal = this.gate.renewal();
      return renewal === undefined
        ? refusal
        : renewal.then((isRenewed) => (isRenewed ? undefined : refusal));
    }
    if (!this.gate.isCovered(t)) return this.gate.cover(t);
    this.gate.raise(t);
    return undefined;
  }

  private readOnce(
    wait: Promise<void | Elsewhere> | Elsewhere,
    key: Uint8Array,
    t: Timestamp,
    into: RowSlice,
  ): Maybe<true | RangeRefusal> {
    return wait instanceof Promise ? this.readLater(wait, key, t, into) : wait;
  }

  private async readLater(
    wait: Promise<void | Elsewhere>,
    key: Uint8Array,
    t: Timestamp,
    into: RowSlice,
  ): Promise<true | RangeRefusal> {
    const refusal = await wait;
    if (refusal !== undefined) return refusal;
    const read = this.read(key, t, into);
    if (read !== true) return read;
    // Others may run before our caller does.
    detach(into);
    return true;
  }

  private getOnce(
    wait: Promise<void | Elsewhere> | Elsewhere,
    keys: readonly Uint8Array[],
    t: Timestamp,
  ): Maybe<RangeValues> {
    if (!(wait instanceof Promise)) return wait;
    return wait.then((refusal) => refusal ?? this.getMany(keys, t));
  }

  private async readMissing(
    key: Uint8Array,
    t: Timestamp,
    into: RowSlice,
  ): Promise<true | RangeRefusal> {
    const { version: before } = this.bounds;
    this.load.read(key, 0);
    const version = (await this.loader.load([key], t))[0];
    if (this.bounds.version !== before) return this.readLater(Promise.resolve(), key, t, into);
    if (version !== undefined && !this.gate.hasPassed(version.timestamp)) {
      await this.gate.waitUntilPassed(version.timestamp); // P10
    }
    fromVersion(version, into);
    return true;
  }

  private async getMissing(
    keys: readonly Uint8Array[],
    t: Timestamp,
    values: (Uint8Array | undefined)[],
    missing: readonly number[],
    newestCached: Timestamp,
  ): Promise<RangeValues> {
    let newest = newestCached;
    const { version: before } = this.bounds;
    const versions = await this.loader.load(
      missing.map((i) => keys[i] as Uint8Array),
      t,
    );
    if (this.bounds.version !== before) return this.getMany(keys, t);
    for (let m = 0; m < missing.length; m++) {
      const version = versions[m];
      if (version === undefined) continue;
      newest = laterOf(newest, version.timestamp);
      values[missing[m] as number] = version.value;
    }
    return this.onceShown(newest, values);
  }

  /** P10. */
  private onceShown(newest: Timestamp, values: Values): Maybe<RangeValues> {
    const answer: RangeValues = { kind: 'values', values };
    if (this.gate.hasPassed(newest)) return answer;
    return this.gate.waitUntilPassed(newest).then(() => answer);
  }

  private openScan(part: ScanGrant, request: ScanRequest, t: Timestamp): Maybe<ShardScan> {
    const obstacle = this.obstacle(request.span, t);
    if (obstacle !== undefined) return this.openOnce(obstacle(), part, request, t);
    if (!this.bounds.keeps(t)) return Promise.reject(this.bounds.pastGone(t)); // P24
    this.pump.flush();
    return openScan([part], request, t);
  }

  private async openOnce(
    wait: Promise<void | Elsewhere> | Elsewhere | undefined,
    part: ScanGrant,
    request: ScanRequest,
    t: Timestamp,
  ): Promise<ShardScan> {
    const refusal = await wait;
    if (refusal !== undefined) throw new RangeGone(refusal);
    return this.openScan(part, request, t);
  }

  /** Undefined: the span may be read at t in this turn, and nothing is assigned at or below it from now on. Else answers,
   * in this turn, what to wait for before asking again, or why it can't be. */
  private obstacle(
    span: Span,
    t: Timestamp,
  ): (() => Promise<void | Elsewhere> | Elsewhere | undefined) | undefined {
    const { bounds, gate, inFlight } = this;
    if (!bounds.admitsSpan(span)) return () => bounds.whyNot(span);
    if (gate.refusal(t) !== undefined || !gate.isCovered(t)) {
      return this.closed.covers(t) ? undefined : () => this.admit(t);
    }
    gate.raise(t);
    const blocking = this.blockingSpan(span, t);
    return blocking === undefined ? undefined : () => inFlight.wait(blocking);
  }

  private blockingKey(key: Uint8Array, hash: number, t: Timestamp): InFlight | undefined {
    return this.unlessIgnored(this.inFlight.blockingKey(key, hash, t));
  }

  private blockingSpan(span: Span, t: Timestamp): InFlight | undefined {
    return this.unlessIgnored(this.inFlight.blockingSpan(span, t));
  }

  private unlessIgnored(blocking: InFlight | undefined): InFlight | undefined {
    if (blocking === undefined) return undefined;
    return this.runtime.faults.sometimes('ranges.ignore-in-flight') ? undefined : blocking;
  }
}
