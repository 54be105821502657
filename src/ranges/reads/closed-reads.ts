// Reads at a timestamp of a replica that does not lead (P23): up to its safe time it has every write that there is, and
// will ever be, so that it may answer by itself, in any state of its group. The safe time is the least of what leaders
// have closed up to the entries that were committed here (raft/closed-marks.ts), and of the oldest prepared write whose
// outcome is not known here yet: that may lie anywhere at or above its timestamp.
//
// Nothing goes through the row cache, which is the leader's (P14).

import { laterOf, MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { Faults } from '../../runtime/runtime.ts';
import type { Shard } from '../../storage/shard.ts';
import type { ApplyPump } from '../apply-pump.ts';
import type { Bounds } from '../bounds.ts';
import type { RangeRefusal, RangeValues } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import type { RangeLoad } from '../load/range-load.ts';
import type { RowSlice } from '../requests.ts';
import { demandState } from './row-loader.ts';
import { fromVersion } from './row-slice.ts';

export interface ClosedReadsParts {
  /** Up to what was given to committed(). */
  closedAt(): Timestamp;
  /** As of the same entry; undefined: nothing is prepared. */
  oldestPrepare(): Timestamp | undefined;
  readonly faults: Faults;
  /** A snapshot is taking the place of the state, or it goes, with the replica. */
  lacksState(): boolean;
}

export class ClosedReads {
  private readonly parts: ClosedReadsParts;
  private readonly bounds: Bounds;
  private readonly gate: Gate;
  private readonly pump: ApplyPump;
  private readonly shard: Shard;
  private readonly counts: RangeLoad;

  constructor(
    parts: ClosedReadsParts,
    bounds: Bounds,
    gate: Gate,
    pump: ApplyPump,
    shard: Shard,
    counts: RangeLoad,
  ) {
    this.parts = parts;
    this.bounds = bounds;
    this.gate = gate;
    this.pump = pump;
    this.shard = shard;
    this.counts = counts;
  }

  get safeTime(): Timestamp {
    const { parts, gate } = this;
    if (gate.whyBroken !== undefined || parts.lacksState()) return MIN_TIMESTAMP;
    // A bug on purpose, for the simulator to find: P23 turned off.
    if (parts.faults.sometimes('ranges.read-past-safe-time')) return MAX_TIMESTAMP;
    const closed = parts.closedAt();
    const oldest = parts.oldestPrepare();
    return oldest === undefined || oldest > closed ? closed : ((oldest - 1) as Timestamp);
  }

  /** Whether a read at t may be served in this turn. */
  covers(t: Timestamp): boolean {
    if (t > this.safeTime) return false;
    this.parts.faults.reached('reads.closed');
    return true;
  }

  async read(key: Uint8Array, t: Timestamp, into: RowSlice): Promise<true | RangeRefusal> {
    const versions = await this.load([key], t);
    if ('kind' in versions) return versions;
    const version = versions[0];
    if (version !== undefined && !this.gate.hasPassed(version.timestamp)) {
      await this.gate.waitUntilPassed(version.timestamp); // P10
    }
    fromVersion(version, into);
    return true;
  }

  async getMany(keys: readonly Uint8Array[], t: Timestamp): Promise<RangeValues> {
    const versions = await this.load(keys, t);
    if ('kind' in versions) return versions;
    let newest = MIN_TIMESTAMP;
    const values = versions.map((version) => {
      if (version === undefined) return undefined;
      newest = laterOf(newest, version.timestamp);
      return version.value;
    });
    if (!this.gate.hasPassed(newest)) await this.gate.waitUntilPassed(newest); // P10
    return { kind: 'values', values };
  }

  private async load(keys: readonly Uint8Array[], t: Timestamp) {
    const { bounds, pump, counts } = this;
    const { version } = bounds;
    const { epoch } = pump;
    for (const key of keys) counts.read(key, 0);
    counts.loaded(keys.length);
    pump.flush();
    const versions = await this.shard.get(keys, t);
    demandState(pump, epoch);
    // Keys that are another range's by now may be gone from here (P28).
    const gone = bounds.whyGone(version, keys);
    if (gone !== undefined) return gone;
    bounds.demandKept(t); // P24
    return versions;
  }
}
