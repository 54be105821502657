// Whether a range may act at a timestamp, and from where on it may still assign one. Everything that serves, assigns or
// proposes asks here in the turn in which it takes effect (P1).

import type { IntervalClock } from '../clock/interval-clock.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';

/** The leader's lease (P1). The only voter of a range always has it; the question still stands where it must. */
export interface Lease {
  covers(t: Timestamp): boolean;
  /** Whether it is held now: it covers now().latest. */
  isHeld(): boolean;
}

export class Gate {
  private readonly clock: IntervalClock;
  private readonly lease: Lease;
  /** Why nothing is served; undefined while serving. */
  private closed: string | undefined = 'the range has not started yet';
  /** The greatest timestamp known to have passed: spares most reads a look at the clock. */
  private passed: Timestamp = MIN_TIMESTAMP;
  /** Nothing is assigned at or below it: the greatest timestamp served, and what P1 demands of a new leader. */
  floor: Timestamp = MIN_TIMESTAMP;

  constructor(clock: IntervalClock, lease: Lease) {
    this.clock = clock;
    this.lease = lease;
  }

  open(floor: Timestamp): void {
    if (floor > this.floor) this.floor = floor;
    this.closed = undefined;
  }

  close(reason: string): void {
    this.closed = reason;
  }

  /** Why nothing may be served or assigned at `t`; undefined when it may. What is only not yet covered by the synced
   * bound of P8 is not refused here: see isCovered. */
  refusal(t: Timestamp): string | undefined {
    if (this.closed !== undefined) return this.closed;
    const suspended = this.clock.suspended;
    if (suspended !== undefined) return `the clock can't be trusted: ${suspended}`; // P7
    if (!this.lease.covers(t)) return 'the lease does not reach so far'; // P1
    return undefined;
  }

  /** The same for what is served at the present, under locks. */
  refusalNow(): string | undefined {
    if (this.closed !== undefined) return this.closed;
    const suspended = this.clock.suspended;
    if (suspended !== undefined) return `the clock can't be trusted: ${suspended}`; // P7
    if (!this.lease.isHeld()) return 'the lease has run out'; // P1
    return undefined;
  }

  isCovered(t: Timestamp): boolean {
    return this.clock.covers(t);
  }

  /** Waits for the bound of P8 to reach `t`; rejects with a DbError what lies far ahead. */
  cover(t: Timestamp): Promise<void> {
    return this.clock.cover(t);
  }

  /** From now on nothing is assigned at or below `t`: it is being served (P22). */
  raise(t: Timestamp): void {
    if (t > this.floor) this.floor = t;
  }

  /** A commit timestamp: above now().latest (P11), above the floor, never given twice. Undefined: the floor is so far
   * ahead that the clock refuses to follow. */
  assign(): Timestamp | undefined {
    const s = this.clock.issue();
    if (s > this.floor) return s;
    return this.clock.observe(this.floor) ? this.clock.issue() : undefined;
  }

  /** P10: whether a version of this time may be shown. */
  hasPassed(t: Timestamp): boolean {
    if (t <= this.passed) return true;
    if (!this.clock.hasPassed(t)) return false;
    this.passed = t;
    return true;
  }

  waitUntilPassed(t: Timestamp): Promise<void> {
    return this.clock.waitUntilAfter(t);
  }
}
