// Lock-free reads at a timestamp (DESIGN.md section 8.7, P22). In one turn: may this replica serve t; nothing is
// assigned at or below t any more; which proposed writes at or below t must be waited for. After a wait, all of it again.

import { hashBytes } from '../base/bytes.ts';
import type { Maybe } from '../base/maybe.ts';
import { laterOf, MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RowCache } from '../storage/row-cache.ts';
import type { Shard, ShardScan } from '../storage/shard.ts';
import type { RowScan, RowSlice, ScanRequest, Span } from './api.ts';
import type { ApplyPump } from './apply-pump.ts';
import type { Gate } from './gate.ts';
import type { InFlight, InFlightWrites } from './in-flight.ts';
import { notServing, RangeScan } from './range-scan.ts';
import { demandState, type RowLoader } from './row-loader.ts';
import { copyOf, detach, fromVersion, newRowSlice } from './row-slice.ts';

type Values = readonly (Uint8Array | undefined)[];

export class SnapshotReads {
  private readonly runtime: Runtime;
  private readonly gate: Gate;
  private readonly inFlight: InFlightWrites;
  private readonly cache: RowCache;
  private readonly loader: RowLoader;
  private readonly pump: ApplyPump;
  private readonly shard: Shard;
  private readonly scratch: RowSlice = newRowSlice();

  constructor(
    runtime: Runtime,
    gate: Gate,
    inFlight: InFlightWrites,
    cache: RowCache,
    loader: RowLoader,
    pump: ApplyPump,
    shard: Shard,
  ) {
    this.runtime = runtime;
    this.gate = gate;
    this.inFlight = inFlight;
    this.cache = cache;
    this.loader = loader;
    this.pump = pump;
    this.shard = shard;
  }

  read(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true> {
    const { gate } = this;
    const admitted = this.admit(t);
    if (admitted !== undefined) return this.readLater(admitted, key, t, into);
    const hash = hashBytes(key);
    if (this.inFlight.mayTouch(hash)) {
      const blocking = this.blockingKey(key, hash, t);
      if (blocking !== undefined) {
        return this.readLater(this.inFlight.wait(blocking), key, t, into);
      }
    }
    if (this.cache.lookup(key, hash, t, into) === 'hit') {
      if (gate.hasPassed(into.timestamp)) return true; // P10
      return this.readLater(gate.waitUntilPassed(into.timestamp), key, t, into);
    }
    return this.readMissing(key, t, into);
  }

  getMany(keys: readonly Uint8Array[], t: Timestamp): Maybe<Values> {
    const admitted = this.admit(t);
    if (admitted !== undefined) return admitted.then(() => this.getMany(keys, t));
    const values = new Array<Uint8Array | undefined>(keys.length);
    let missing: number[] | undefined;
    let newest = MIN_TIMESTAMP;
    const slice = this.scratch;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as Uint8Array;
      const hash = hashBytes(key);
      const blocking = this.blockingKey(key, hash, t);
      if (blocking !== undefined) {
        return this.inFlight.wait(blocking).then(() => this.getMany(keys, t));
      }
      if (this.cache.lookup(key, hash, t, slice) === 'hit') {
        newest = laterOf(newest, slice.timestamp);
        values[i] = copyOf(slice);
      } else {
        (missing ??= []).push(i);
      }
    }
    if (missing === undefined) return this.onceShown(newest, values);
    return this.getMissing(keys, t, values, missing, newest);
  }

  scan(request: ScanRequest, t: Timestamp): RowScan {
    const { pump } = this;
    const { epoch } = pump;
    return new RangeScan(this.gate, this.openScan(request, t), () => demandState(pump, epoch));
  }

  /** Undefined: t may be served, and from now on nothing is assigned at or below it. Else what to wait for before
   * asking again. */
  private admit(t: Timestamp): Promise<void> | undefined {
    const reason = this.gate.refusal(t);
    if (reason !== undefined) {
      const renewal = this.gate.renewal();
      if (renewal === undefined) throw notServing(reason);
      return renewal.then((isRenewed) => {
        if (!isRenewed) throw notServing(reason);
      });
    }
    if (!this.gate.isCovered(t)) return this.gate.cover(t);
    this.gate.raise(t);
    return undefined;
  }

  private async readLater(
    wait: Promise<void>,
    key: Uint8Array,
    t: Timestamp,
    into: RowSlice,
  ): Promise<true> {
    await wait;
    const read = this.read(key, t, into);
    if (read instanceof Promise) return read;
    // Others may run before our caller does.
    detach(into);
    return true;
  }

  private async readMissing(key: Uint8Array, t: Timestamp, into: RowSlice): Promise<true> {
    const version = (await this.loader.load([key], t))[0];
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
  ): Promise<Values> {
    let newest = newestCached;
    const versions = await this.loader.load(
      missing.map((i) => keys[i] as Uint8Array),
      t,
    );
    for (let m = 0; m < missing.length; m++) {
      const version = versions[m];
      if (version === undefined) continue;
      newest = laterOf(newest, version.timestamp);
      values[missing[m] as number] = version.value;
    }
    return this.onceShown(newest, values);
  }

  /** P10. */
  private onceShown(newest: Timestamp, values: Values): Maybe<Values> {
    if (this.gate.hasPassed(newest)) return values;
    return this.gate.waitUntilPassed(newest).then(() => values);
  }

  private openScan(request: ScanRequest, t: Timestamp): Maybe<ShardScan> {
    const admitted = this.admit(t);
    if (admitted !== undefined) return admitted.then(() => this.openScan(request, t));
    const blocking = this.blockingSpan(request.span, t);
    if (blocking !== undefined) {
      return this.inFlight.wait(blocking).then(() => this.openScan(request, t));
    }
    this.pump.flush();
    return this.shard.scan({ ...request, at: t });
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
