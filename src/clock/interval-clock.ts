// The seam between time and everything that orders by it.

import type { Timestamp } from './timestamp.ts';

export interface Interval {
  readonly earliest: Timestamp;
  readonly latest: Timestamp;
}

/** TrueTime's idea: now() is an interval that contains true time. */
export interface IntervalClock {
  now(): Interval;
  /** now().earliest and now().latest without an object: for hot paths. */
  earliest(): Timestamp;
  latest(): Timestamp;

  /** A timestamp above now().latest, above the floor, and above all that this clock issued: never given twice. */
  issue(): Timestamp;
  /** Raises the floor; never moves now() (P9). Refuses, with false, what is too far in the future. */
  observe(t: Timestamp): boolean;

  /** True once now().earliest > t: t has passed everywhere. */
  hasPassed(t: Timestamp): boolean;
  /** Commit-wait. */
  waitUntilAfter(t: Timestamp): Promise<void>;

  /** Whether t is within the synced upper bound of what this node may issue or serve (P8). */
  covers(t: Timestamp): boolean;
  /** Resolves when it is; extends the bound if need be. */
  cover(t: Timestamp): Promise<void>;

  /** Undefined while the clock may be trusted; otherwise why not (P7): nothing may be served then. */
  readonly suspended: string | undefined;
}
