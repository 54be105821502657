// P7: a clock that was stepped, or whose machine was asleep, can't be told from one that is wrong. When the wall has
// gone another way than the monotonic clock, by more than both intervals and drift allow, the readings are distrusted
// until they have agreed for a while, and until they have caught up with what was said before. The same holds for a wall
// whose source does not vouch for it.

import type { WallReading } from '../runtime/runtime.ts';

/** Drift between the wall and the monotonic clock of one machine, slewing by the operating system included. */
const DISAGREEMENT_MAX = 1000e-6;
/** Doubles near 2e15 have steps of a quarter of a microsecond; a reading is the sum of some. */
const ROUNDING_MICROS = 2;

export interface StepGuardOptions {
  /** How long the source must agree with itself before it is trusted again. */
  readonly settleMicros: number;
  readonly onSuspend: (reason: string) => void;
  readonly onResume: () => void;
}

export class StepGuard {
  readonly #options: StepGuardOptions;
  /** wall - monotonic, at the last reading. */
  #low = Number.NEGATIVE_INFINITY;
  #high = Number.POSITIVE_INFINITY;
  #readAt = 0;
  /** Since when the source agrees with itself, while suspended. */
  #agreesSince = 0;
  suspended: string | undefined;

  constructor(options: StepGuardOptions) {
    this.#options = options;
  }

  /** Whether the reading may be believed. `saidEarliest` was claimed before: true time is past it. */
  trusts(reading: WallReading, saidEarliest: number): boolean {
    const at = reading.monotonicMicros;
    if (reading.problem !== undefined) {
      // What it says is compared with nothing: it is made up.
      this.#suspend(at, reading.problem);
      return false;
    }
    const low = reading.earliestMicros - at;
    const high = reading.latestMicros - at;
    const slack = (at - this.#readAt) * DISAGREEMENT_MAX + ROUNDING_MICROS;
    const agrees = low <= this.#high + slack && high >= this.#low - slack;
    if (!agrees) this.#suspend(at, stepped(low > this.#high ? low - this.#high : high - this.#low));
    this.#low = low;
    this.#high = high;
    this.#readAt = at;
    return this.suspended === undefined || this.#resumes(at, reading.earliestMicros, saidEarliest);
  }

  #suspend(at: number, reason: string): void {
    this.#agreesSince = at;
    const isNew = this.suspended === undefined;
    this.suspended = reason;
    if (isNew) this.#options.onSuspend(reason);
  }

  #resumes(at: number, earliest: number, saidEarliest: number): boolean {
    if (at - this.#agreesSince < this.#options.settleMicros || earliest < saidEarliest)
      return false;
    this.suspended = undefined;
    this.#options.onResume();
    return true;
  }
}

function stepped(byMicros: number): string {
  const direction = byMicros > 0 ? 'forward' : 'back';
  const micros = Math.round(Math.abs(byMicros));
  return `the wall clock was stepped ${direction} by ${micros} microseconds or more`;
}
