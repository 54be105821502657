// Up to which timestamp a group is closed, as one of its replicas has heard (P23). A mark says: no write at or below
// `closed` is, or ever will be, committed beyond `index`. So whoever has applied the log up to `index` has all of them,
// but for those whose outcome another range decides (prepared ones, which the ranges know of).
//
// A mark stays true whoever leads afterwards, so it needs no term. Its leader made it under its lease, with the last
// index of its log, at a time that had passed everywhere:
//
//   what it proposes later has a timestamp above its clock's latest time, which is above `closed`;
//   no other leader had written anything that it had not in its log, as its lease lasted beyond `closed`;
//   who leads after it assigns timestamps above its own latest time, and may replace entries up to `index` by such.
//
// While a group sleeps, the heartbeats of its leader's node speak for it: it holds the entries that it fell asleep with,
// and what the node closes counts for all that sleep.

import { laterOf, MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { PairHearing } from './liveness.ts';

/** Marks that wait for the log to be applied as far as they reach; more say nothing that is worth knowing. */
const WAITING_MAX = 8;

export class ClosedMarks {
  /** Of marks whose index was reached. */
  private reached: Timestamp = MIN_TIMESTAMP;
  /** Index, then timestamp, of marks that were not, both rising; undefined: none. */
  private waiting: number[] | undefined = undefined;
  /** Whose heartbeats close the group while it sleeps, and the last entry that it sleeps with. */
  private hearing: PairHearing | undefined = undefined;
  private sleepIndex = 0;

  /** The leader says so. */
  mark(index: number, closed: Timestamp): void {
    if (closed <= this.reached) return;
    const waiting = (this.waiting ??= []);
    // A frame that comes late says less than what is known.
    if (waiting.length > 0 && closed <= (waiting[waiting.length - 1] as number)) return;
    // Those that reach as far, and say less.
    while (waiting.length > 0 && (waiting[waiting.length - 2] as number) >= index) {
      waiting.length -= 2;
    }
    if (waiting.length >= 2 * WAITING_MAX) waiting.length -= 2;
    waiting.push(index, closed);
  }

  attach(hearing: PairHearing, index: number): void {
    this.detach();
    this.hearing = hearing;
    this.sleepIndex = index;
  }

  /** The group wakes; what was closed until now stays so. */
  detach(): void {
    const { hearing } = this;
    this.hearing = undefined;
    if (hearing !== undefined) this.mark(this.sleepIndex, hearing.closedAt);
  }

  /** A split has given birth to the group, of whose keys all this is true (P25). */
  inherit(parent: ClosedMarks, parentIndex: number): void {
    this.reached = parent.reachedBy(parentIndex);
  }

  /** For who has applied the log up to `index`, which only grows. */
  reachedBy(index: number): Timestamp {
    const { waiting, hearing } = this;
    if (waiting !== undefined) {
      let count = 0;
      while (count < waiting.length && (waiting[count] as number) <= index) count += 2;
      if (count > 0) {
        this.reached = laterOf(this.reached, waiting[count - 1] as Timestamp);
        this.waiting = count === waiting.length ? undefined : waiting.slice(count);
      }
    }
    if (hearing !== undefined && index >= this.sleepIndex) {
      this.reached = laterOf(this.reached, hearing.closedAt);
    }
    return this.reached;
  }
}
