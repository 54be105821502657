// The counts and rates of all ranges of a node, in one array: what a request adds to, and what a sweep turns into rates
// for a second. Two exponentially decayed rates for each count, one that follows within seconds (splits, leases) and
// one within a minute (what is cold enough to merge).

import { followerWorkOf, workOf } from './work.ts';

/** Offsets of a range's counts from where it begins. */
export const READS = 0;
export const LOADED = 1;
export const SCANS = 2;
export const COMMITS = 3;
export const WRITTEN = 4;
export const READ_BYTES = 5;
export const WRITTEN_BYTES = 6;
/** Entries of other leaders that this replica follows. */
export const FOLLOWED = 7;
export const FOLLOWED_BYTES = 8;
/** Requests that came from another node. */
export const SERVED = 9;
const COUNTS = 10;
const FAST = COUNTS;
const SLOW = 2 * COUNTS;
/** Numbers that a range takes. */
export const SLOT: number = 3 * COUNTS;

const FAST_SECONDS = 3;
const SLOW_SECONDS = 60;
/** Below it a rate is none: halving for ever would end in denormal numbers, which are slow. */
const LEAST_RATE = 1e-6;

/** Decayed rates, each for a second. */
export interface LoadRates {
  /** Keys read, scans, commits. */
  readonly requests: number;
  /** Keys read, scans. */
  readonly reads: number;
  /** Rows written. */
  readonly writes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Microseconds of the main thread of the node that leads, as work.ts reckons. */
  readonly work: number;
  /** The same of each node that follows. */
  readonly followerWork: number;
}

export class LoadCounts {
  /** Of every slot: counts since the last sweep, fast rates, slow rates. Replaced when it grows. */
  values: Float64Array = new Float64Array(16 * SLOT);
  /** When the last sweep was; what is sampled bears it. */
  tickMicros: number;
  /** Of all ranges since the start: requests of those that are led here, their work with that of those that are
   * followed, and bytes of snapshots that were sent. */
  requestsCounted = 0;
  workCounted = 0;
  snapshotBytesSent = 0;

  constructor(nowMicros: number) {
    this.tickMicros = nowMicros;
  }

  /** Makes room for a range that begins at `at`, and has nothing. */
  reset(at: number): void {
    if (at + SLOT > this.values.length) {
      const larger = new Float64Array(Math.max(at + SLOT, this.values.length * 2));
      larger.set(this.values);
      this.values = larger;
    }
    this.values.fill(0, at, at + SLOT);
  }

  /** Turns what was counted of all ranges below `end` into rates. */
  fold(end: number, seconds: number): void {
    const { values } = this;
    const fast = 1 - Math.exp(-seconds / FAST_SECONDS);
    const slow = 1 - Math.exp(-seconds / SLOW_SECONDS);
    for (let at = 0; at < end; at += SLOT) {
      this.workCounted += this.work(at) + this.followed(at);
      this.requestsCounted += this.requests(at);
      for (let i = at; i < at + COUNTS; i++) {
        const rate = (values[i] as number) / seconds;
        values[i] = 0;
        values[i + FAST] = decayed(values[i + FAST] as number, rate, fast);
        values[i + SLOW] = decayed(values[i + SLOW] as number, rate, slow);
      }
    }
  }

  /** Takes a share of the rates of one range to another. */
  move(from: number, to: number, share: number): void {
    const { values } = this;
    for (let i = FAST; i < SLOT; i++) {
      const whole = values[from + i] as number;
      values[to + i] = (values[to + i] as number) + whole * share;
      values[from + i] = whole * (1 - share);
    }
  }

  fastRequests(at: number): number {
    return this.requests(at + FAST);
  }

  fastWork(at: number): number {
    return this.work(at + FAST);
  }

  fastFollowed(at: number): number {
    return this.followed(at + FAST);
  }

  fastWrittenBytes(at: number): number {
    return this.values[at + FAST + WRITTEN_BYTES] as number;
  }

  fastRates(at: number): LoadRates {
    return this.rates(at + FAST);
  }

  slowRates(at: number): LoadRates {
    return this.rates(at + SLOW);
  }

  private rates(at: number): LoadRates {
    const { values } = this;
    return {
      requests: this.requests(at),
      reads: (values[at + READS] as number) + (values[at + SCANS] as number),
      writes: values[at + WRITTEN] as number,
      readBytes: values[at + READ_BYTES] as number,
      writtenBytes: values[at + WRITTEN_BYTES] as number,
      work: this.work(at),
      followerWork: followerWorkOf(
        values[at + COMMITS] as number,
        values[at + WRITTEN] as number,
        values[at + WRITTEN_BYTES] as number,
      ),
    };
  }

  private requests(at: number): number {
    const { values } = this;
    return (
      (values[at + READS] as number) +
      (values[at + SCANS] as number) +
      (values[at + COMMITS] as number)
    );
  }

  private followed(at: number): number {
    const { values } = this;
    const entries = values[at + FOLLOWED] as number;
    return followerWorkOf(entries, entries, values[at + FOLLOWED_BYTES] as number);
  }

  private work(at: number): number {
    const { values } = this;
    return workOf(
      values[at + READS] as number,
      values[at + LOADED] as number,
      values[at + SCANS] as number,
      values[at + COMMITS] as number,
      values[at + SERVED] as number,
      values[at + WRITTEN] as number,
      values[at + READ_BYTES] as number,
      values[at + WRITTEN_BYTES] as number,
    );
  }
}

function decayed(old: number, rate: number, weight: number): number {
  const next = old + (rate - old) * weight;
  return next < LEAST_RATE ? 0 : next;
}
