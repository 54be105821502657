// How long nobody takes writes, for each part of the keyspace: while no more than one node is missing, each must be
// accepting again within a bound after every change; when more were missing, within a longer one after they are back; and
// while no two nodes hear each other, none may at all. A part to which nobody wrote is missed by nobody.

import type { Violations } from './violations.ts';

/** Answers that were on their way when the majority went. */
const SLACK_MILLIS = 50;
const LOOK_MILLIS = 50;
/** So late, nothing can be said of anybody: the machine was busy elsewhere. */
const LATE_MILLIS = 500;

export interface Majority {
  readonly fleet: { readonly hasMajorities: boolean; readonly hasPair: boolean };
  readonly violations: Violations;
  readonly recoveryMillis: number;
  /** After more than one node was missing. */
  readonly resumptionMillis: number;
  /** Parts of the keyspace that clients write to all the time. */
  readonly parts: readonly string[];
}

interface Part {
  readonly name: string;
  acceptedAt: number;
  /** The first attempt since; undefined: there was none. */
  triedAt: number | undefined;
  isReported: boolean;
}

interface Gap {
  readonly millis: number;
  readonly part: string;
}

export class Availability {
  /** While every range had a majority; and where that was. */
  longest: Gap = { millis: 0, part: 'nothing' };
  /** From when every range had one again. */
  longestResumption: Gap = { millis: 0, part: 'nothing' };
  readonly #majority: Majority;
  readonly #parts: ReadonlyMap<string, Part>;
  /** Of the majorities that there are; undefined: some range may have none. */
  #since: number | undefined;
  /** Since when surely nothing can be committed. */
  #noneSince: number | undefined;
  /** The last fault, or healing. */
  #changedAt: number;
  #lookedAt: number;
  readonly #timer: NodeJS.Timeout;

  constructor(majority: Majority) {
    this.#majority = majority;
    const now = performance.now();
    this.#parts = new Map(
      majority.parts.map((name) => [
        name,
        { name, acceptedAt: now, triedAt: undefined, isReported: false },
      ]),
    );
    this.#since = now;
    this.#changedAt = now;
    this.#lookedAt = now;
    this.#timer = setInterval(() => this.#look(), LOOK_MILLIS);
  }

  /** Those that have not accepted anything since then. */
  missingSince(moment: number): readonly string[] {
    return [...this.#parts.values()].flatMap(({ name, acceptedAt }) =>
      acceptedAt <= moment ? [name] : [],
    );
  }

  /** Something was broken, or is about to be healed. */
  changed(): void {
    const now = performance.now();
    const { fleet } = this.#majority;
    this.#changedAt = now;
    if (!fleet.hasMajorities) this.#since = undefined;
    else this.#since ??= now;
    if (fleet.hasPair) this.#noneSince = undefined;
    else this.#noneSince ??= now;
  }

  /** A write that begins now. */
  tries(parts: readonly string[]): void {
    const now = performance.now();
    for (const name of parts) {
      const part = this.#parts.get(name);
      if (part !== undefined) part.triedAt ??= now;
    }
  }

  accepted(invokedAt: number, what: string, parts: readonly string[]): void {
    const now = performance.now();
    if (this.#noneSince !== undefined && invokedAt > this.#noneSince + SLACK_MILLIS) {
      const since = Math.round(now - this.#noneSince);
      this.#majority.violations.add(
        `${what} was acknowledged although no two nodes could hear each other for ${since} ms`,
      );
    }
    for (const name of parts) {
      const part = this.#parts.get(name);
      if (part === undefined) continue;
      this.#measure(part, now);
      part.acceptedAt = now;
      part.triedAt = undefined;
      part.isReported = false;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #measure({ name, acceptedAt, triedAt }: Part, now: number): void {
    if (this.#since === undefined || triedAt === undefined) return;
    const millis = now - Math.max(triedAt, this.#since);
    const isResuming = acceptedAt < this.#since;
    const longest = isResuming ? this.longestResumption : this.longest;
    if (millis <= longest.millis) return;
    if (isResuming) this.longestResumption = { millis, part: name };
    else this.longest = { millis, part: name };
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#lookedAt > LATE_MILLIS) this.#changedAt = now;
    this.#lookedAt = now;
    const { recoveryMillis, resumptionMillis, violations } = this.#majority;
    for (const part of this.#parts.values()) {
      this.#measure(part, now);
      const { name, acceptedAt, triedAt } = part;
      if (this.#since === undefined || triedAt === undefined || part.isReported) continue;
      const gap = now - Math.max(triedAt, this.#since, this.#changedAt);
      const bound = acceptedAt < this.#since ? resumptionMillis : recoveryMillis;
      if (gap < bound) continue;
      part.isReported = true;
      violations.add(
        `no more than one node is missing, and ${name} accepted no write for ${Math.round(gap)} ms`,
        false,
      );
    }
  }
}
