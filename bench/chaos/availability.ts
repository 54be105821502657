// How long nobody takes writes: while two nodes run and hear each other there must be an accepted one again within a
// bound after every change, and while there is no such pair, there must be none at all.

import type { Violations } from './violations.ts';

/** Answers that were on their way when the majority went. */
const SLACK_MILLIS = 50;
const LOOK_MILLIS = 50;
/** So late, nothing can be said of anybody: the machine was busy elsewhere. */
const LATE_MILLIS = 500;

export interface Majority {
  readonly fleet: { hasMajority(isReady: boolean): boolean };
  readonly violations: Violations;
  readonly recoveryMillis: number;
}

export class Availability {
  /** While a majority was up. */
  longestMillis = 0;
  readonly #parts: Majority;
  #acceptedAt: number;
  /** Of the majority that is up; undefined: there is none. */
  #since: number | undefined;
  /** Since when surely nothing can be committed. */
  #noneSince: number | undefined;
  /** The last fault, or healing. */
  #changedAt: number;
  #lookedAt: number;
  #isReported = false;
  readonly #timer: NodeJS.Timeout;

  constructor(parts: Majority) {
    this.#parts = parts;
    const now = performance.now();
    this.#acceptedAt = now;
    this.#since = now;
    this.#changedAt = now;
    this.#lookedAt = now;
    this.#timer = setInterval(() => this.#look(), LOOK_MILLIS);
  }

  get acceptedAt(): number {
    return this.#acceptedAt;
  }

  /** Something was broken, or is about to be healed. */
  changed(): void {
    const now = performance.now();
    const { fleet } = this.#parts;
    this.#changedAt = now;
    if (!fleet.hasMajority(true)) this.#since = undefined;
    else this.#since ??= now;
    if (fleet.hasMajority(false)) this.#noneSince = undefined;
    else this.#noneSince ??= now;
  }

  accepted(invokedAt: number, what: string): void {
    const now = performance.now();
    if (this.#noneSince !== undefined && invokedAt > this.#noneSince + SLACK_MILLIS) {
      const since = Math.round(now - this.#noneSince);
      this.#parts.violations.add(
        `${what} was acknowledged although no two nodes could hear each other for ${since} ms`,
      );
    }
    this.#measure(now);
    this.#acceptedAt = now;
    this.#isReported = false;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #measure(now: number): void {
    if (this.#since === undefined) return;
    const gap = now - Math.max(this.#acceptedAt, this.#since);
    this.longestMillis = Math.max(this.longestMillis, gap);
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#lookedAt > LATE_MILLIS) this.#changedAt = now;
    this.#lookedAt = now;
    this.#measure(now);
    if (this.#since === undefined || this.#isReported) return;
    const gap = now - Math.max(this.#acceptedAt, this.#since, this.#changedAt);
    if (gap < this.#parts.recoveryMillis) return;
    this.#isReported = true;
    this.#parts.violations.add(
      `two nodes run and hear each other, and no write was accepted for ${Math.round(gap)} ms`,
      false,
    );
  }
}
