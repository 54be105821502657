// Load of ranges: what lives here counts what is asked of each range, samples where it falls, and says where a range
// that has too much of it should be split. It knows keys and bytes, nothing of replicas; node/load/split-queue.ts acts on it.
//
// A request only adds to counts, and reads no clock. A sweep, a few times a second, folds the counts of all ranges into
// rates, and decides which ranges are warm enough to have their requests sampled. Thousands of idle ranges cost a sweep
// some tens of microseconds (bench: micro, `load: ...`).

import { assert } from '../../base/assert.ts';
import { LoadCounts, SLOT } from './load-counts.ts';
import { RangeLoad } from './range-load.ts';
import { RequestSample, SAMPLED_REQUESTS_MAX } from './request-sample.ts';

/** At once: few ranges can each do a share of what the node can do that matters. */
const SAMPLED_RANGES_MAX = 64;
/** So far should a full sample reach back: long enough to be sure, short enough to forget a hot spot that has moved. */
const SAMPLE_SECONDS = 3;

export class LoadBook {
  readonly counts: LoadCounts;
  private readonly loads: (RangeLoad | undefined)[] = [];
  private readonly free: number[] = [];
  private sampled = 0;

  constructor(nowMicros: number) {
    this.counts = new LoadCounts(nowMicros);
  }

  /** For a replica that is here. */
  open(): RangeLoad {
    const slot = this.free.pop() ?? this.loads.length;
    this.counts.reset(slot * SLOT);
    const load = new RangeLoad(this.counts, slot * SLOT);
    this.loads[slot] = load;
    return load;
  }

  close(load: RangeLoad): void {
    const slot = load.at / SLOT;
    assert(this.loads[slot] === load, 'a range is taken from the book once');
    if (load.sample !== undefined) this.stopSampling(load);
    this.loads[slot] = undefined;
    this.free.push(slot);
  }

  /** Ranges that do at least `warmWork` microseconds of work a second are sampled from now on, until they do less than
   * half of it. */
  sweep(nowMicros: number, warmWork: number): void {
    const { counts, loads } = this;
    const seconds = (nowMicros - counts.tickMicros) / 1e6;
    if (seconds <= 0) return;
    counts.tickMicros = nowMicros;
    counts.fold(loads.length * SLOT, seconds);
    for (const load of loads) {
      if (load !== undefined) this.sampleWhileWarm(load, warmWork);
    }
  }

  /** Of all ranges here, microseconds of work in a second: as leaders, and as followers. */
  totals(): { readonly leadWork: number; readonly followWork: number } {
    let leadWork = 0;
    let followWork = 0;
    for (const load of this.loads) {
      if (load === undefined) continue;
      leadWork += this.counts.fastWork(load.at);
      followWork += this.counts.fastFollowed(load.at);
    }
    return { leadWork, followWork };
  }

  /** Of a split: so much of what the left half was asked is asked of the right one from now on. Nobody has to wait until
   * the rates have found out, and what was sampled serves both. */
  divide(left: RangeLoad, right: RangeLoad, rightShare: number): void {
    this.counts.move(left.at, right.at, rightShare);
    if (left.sample === undefined || right.sample !== undefined) return;
    if (this.sampled >= SAMPLED_RANGES_MAX) return;
    this.sampled++;
    right.sample = left.sample.copy();
  }

  /** Of a merge: all of what the right one was asked. */
  unite(left: RangeLoad, right: RangeLoad): void {
    this.counts.move(right.at, left.at, 1);
  }

  private sampleWhileWarm(load: RangeLoad, warmWork: number): void {
    const work = this.counts.fastWork(load.at);
    if (load.sample === undefined) {
      if (work < warmWork || this.sampled >= SAMPLED_RANGES_MAX) return;
      this.sampled++;
      load.sample = new RequestSample();
    } else if (work < warmWork / 2) {
      this.stopSampling(load);
      return;
    }
    const requests = this.counts.fastRequests(load.at);
    load.sampleOneIn(Math.round((requests * SAMPLE_SECONDS) / SAMPLED_REQUESTS_MAX));
  }

  private stopSampling(load: RangeLoad): void {
    this.sampled--;
    load.sample = undefined;
  }
}
