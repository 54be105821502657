// Whether a range may act at a timestamp, and from where on it may still assign one. Everything that serves, assigns or
// proposes asks here in the turn in which it takes effect (P1).

import type { IntervalClock } from '../clock/interval-clock.ts';
import { laterOf, MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { Timers } from '../runtime/runtime.ts';
import type { Refusal } from './api.ts';

/** The leader's lease (P1). The only voter of a range always has it; the question still stands where it must. */
export interface Lease {
  covers(t: Timestamp): boolean;
  /** Whether it is held now: it covers now().latest. */
  isHeld(): boolean;
}

/** A lease that ran out while its leader still leads is renewed with the next heartbeat: requests wait for that, but no
 * longer than an election would take. */
const RENEWAL_MICROS_MAX = 1_500_000;
const RENEWAL_LOOK_MICROS = 5_000;

/** How long locks are promised to stay: for a decision to be made elsewhere. Whoever takes over waits for as long. */
export const PROMISE_MICROS_MAX = 250_000;
const PROMISE_MICROS_MIN = 2_000;

export class Gate {
  private readonly clock: IntervalClock;
  private readonly lease: Lease;
  private readonly timers: Timers;
  /** Shared by all who wait now. */
  private renewing: Promise<boolean> | undefined = undefined;
  /** Why nothing is served; undefined while serving. */
  private closed: string | undefined = 'the range has not started yet';
  /** The node that is known to lead in place of this one. */
  leaderNode: number | undefined = undefined;
  /** Why it will never open again. */
  private broken: string | undefined = undefined;
  /** The greatest timestamp that was assigned. */
  private assigned: Timestamp = MIN_TIMESTAMP;
  /** The greatest timestamp known to have passed: spares most reads a look at the clock. */
  private passed: Timestamp = MIN_TIMESTAMP;
  /** Nothing is assigned at or below it: the greatest timestamp served, and what P1 demands of a new leader. */
  floor: Timestamp = MIN_TIMESTAMP;

  /** Until here locks were promised to stay (P16). Locks end with leadership, so whoever leads next keeps above it (P3). */
  promised: Timestamp = MIN_TIMESTAMP;

  constructor(clock: IntervalClock, lease: Lease, timers: Timers) {
    this.clock = clock;
    this.lease = lease;
    this.timers = timers;
  }

  open(floor: Timestamp): void {
    if (floor > this.floor) this.floor = floor;
    this.leaderNode = undefined;
    this.closed = this.broken;
  }

  close(reason: string, leaderNode?: number): void {
    this.closed = this.broken ?? reason;
    this.leaderNode = leaderNode;
  }

  /** For good: what is here is not to be trusted. */
  break(reason: string): void {
    this.broken = reason;
    this.closed = this.broken;
  }

  get whyBroken(): string | undefined {
    return this.broken;
  }

  get isOpen(): boolean {
    return this.closed === undefined;
  }

  /** Nothing above it was served or assigned here (P3). */
  get highest(): Timestamp {
    return laterOf(this.floor, this.assigned);
  }

  /** P16: promises that locks held now protect what was read under them until the timestamp that this answers;
   * undefined: not even for a moment. The lease reaches so far, and so does the bound of P8: whoever leads next, this
   * node after a restart too, assigns only above it. */
  promise(): Timestamp | undefined {
    const latest = this.clock.latest();
    for (let micros = PROMISE_MICROS_MAX; micros >= PROMISE_MICROS_MIN; micros /= 2) {
      const until = (latest + Math.floor(micros)) as Timestamp;
      if (!this.isCovered(until) || this.refusal(until) !== undefined) continue;
      this.promised = laterOf(this.promised, until);
      return until;
    }
    return undefined;
  }

  notServing(message: string): Refusal {
    const { leaderNode } = this;
    return { kind: 'notServing', message, leaderNode };
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

  /** When nothing but the lease stands in the way now: whether it was renewed, once that is known. Ask again then. */
  renewal(): Promise<boolean> | undefined {
    if (this.closed !== undefined || this.clock.suspended !== undefined) return undefined;
    if (this.lease.isHeld()) return undefined;
    this.renewing ??= new Promise((resolve) => {
      let left = RENEWAL_MICROS_MAX / RENEWAL_LOOK_MICROS;
      const look = (): void => {
        left--;
        const isOver = this.closed !== undefined || left === 0;
        if (!isOver && !this.lease.isHeld()) {
          this.timers.after(RENEWAL_LOOK_MICROS, look);
          return;
        }
        this.renewing = undefined;
        resolve(!isOver);
      };
      this.timers.after(RENEWAL_LOOK_MICROS, look);
    });
    return this.renewing;
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
    let s = this.clock.issue();
    if (s <= this.floor) {
      if (!this.clock.observe(this.floor)) return undefined;
      s = this.clock.issue();
    }
    this.assigned = s;
    return s;
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
