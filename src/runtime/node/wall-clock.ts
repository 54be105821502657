// True time from this machine's clock, to microseconds, although Date.now() has steps of a millisecond.
//
// wall = monotonic + offset, and each pair of samples says where the offset lies: within a millisecond, or within the
// time between the two samples when Date.now() has just stepped. The intersection of all samples pins it; between
// samples it widens by the drift that the two clocks may have against each other.
//
// The offset is the machine's, not the process's: CLOCK_MONOTONIC and the wall are one each for a boot. So processes of
// one boot derive intervals that all contain the same offset, and agree without talking (P7). After a step of the wall
// they find out at different moments, at most SAMPLE_EVERY_MICROS of use apart; the clock room stops serving for longer
// than that, so no two of them serve with different offsets.
//
// How far the wall itself may be from true time its source says (--clock): that is added on both sides.

import { DbError } from '../../base/errors.ts';
import type { WallReading } from '../runtime.ts';
import { monotonicMicros } from './monotonic.ts';

/** Linux slews both clocks alike; elsewhere the wall alone is slewed, by up to 500 ppm. */
const DRIFT = process.platform === 'linux' ? 200e-6 : 700e-6;
/** Doubles near 2e15 have steps of a quarter. */
const ROUNDING_MICROS = 0.5;
/** How long a step of the wall may go unseen while the clock is read. */
const SAMPLE_EVERY_MICROS = 10_000;
const TICK_MICROS = 1000;
/** The first readings wait for a step of Date.now(), a millisecond away at most; a frozen clock must not hang us. */
const FIRST_SAMPLES_MAX = 50_000;
const FIRST_PINNED_MICROS = 20;
/** Looking at a step of Date.now() until it comes pins the offset, and takes no longer than the interval is wide. */
const SAMPLES_MAX = 400;
const PINNED_MICROS = 5;

/** A wall that may be further off than this tells nothing: no node goes on with it. */
export const ERROR_MICROS_MAX = 10_000_000;

/** How far this machine's clock may be from true time. */
export interface ErrorBound {
  /** At this instant of the monotonic clock; infinite: nobody knows. Hot. */
  atMicros(monotonicMicros: number): number;
  /** Why nobody knows, and what to do. */
  whyUnknown(): { readonly reason: string; readonly hint: string };
  /** Resolves when it was looked for. */
  learn(): Promise<void>;
}

export class WallClock {
  readonly #monotonic: () => number;
  readonly #dateMillis: () => number;
  readonly #error: ErrorBound;
  /** low <= wall - monotonic <= high held at #pinnedAt. */
  #low = Number.NEGATIVE_INFINITY;
  #high = Number.POSITIVE_INFINITY;
  #pinnedAt = 0;
  #sampledAt = 0;
  /** Reused, for the sake of a hot path; see Time.wall(). */
  readonly #reading: { -readonly [name in keyof WallReading]: WallReading[name] } = {
    earliestMicros: 0,
    latestMicros: 0,
    monotonicMicros: 0,
    problem: undefined,
  };

  constructor(
    error: ErrorBound,
    monotonic: () => number = monotonicMicros,
    dateMillis: () => number = Date.now,
  ) {
    this.#monotonic = monotonic;
    this.#dateMillis = dateMillis;
    this.#error = error;
    this.#pinnedAt = monotonic();
    for (let i = 0; i < FIRST_SAMPLES_MAX && this.#high - this.#low > FIRST_PINNED_MICROS; i++) {
      this.#sample();
    }
  }

  read(): WallReading {
    let now = this.#monotonic();
    const drift = (now - this.#pinnedAt) * DRIFT;
    let earliest = now + this.#low - drift;
    let latest = now + this.#high + drift;
    if (straddles(earliest, latest)) {
      let samples = 0;
      do {
        now = this.#sample();
        earliest = now + this.#low;
        latest = now + this.#high;
        samples++;
      } while (
        samples < SAMPLES_MAX &&
        latest - earliest > PINNED_MICROS &&
        straddles(earliest, latest)
      );
    } else if (now - this.#sampledAt > SAMPLE_EVERY_MICROS) {
      now = this.#sample();
      earliest = now + this.#low;
      latest = now + this.#high;
    }
    const error = this.#error.atMicros(now);
    const isUseless = error > ERROR_MICROS_MAX;
    const off = isUseless ? ERROR_MICROS_MAX : error;
    const reading = this.#reading;
    reading.earliestMicros = earliest - off;
    reading.latestMicros = latest + off;
    reading.monotonicMicros = now;
    reading.problem = isUseless ? this.#error.whyUnknown().reason : undefined;
    return reading;
  }

  async ready(): Promise<void> {
    await this.#error.learn();
    const { problem } = this.read();
    if (problem !== undefined) {
      throw new DbError('57P03', problem, { hint: this.#error.whyUnknown().hint });
    }
  }

  /** Intersects with a fresh pair of samples; answers when. */
  #sample(): number {
    const before = this.#monotonic();
    const date = this.#dateMillis() * TICK_MICROS;
    const after = this.#monotonic();
    const drift = (after - this.#pinnedAt) * DRIFT;
    const low = date - after - ROUNDING_MICROS;
    const high = date + TICK_MICROS - before + ROUNDING_MICROS;
    this.#low = Math.max(low, this.#low - drift);
    this.#high = Math.min(high, this.#high + drift);
    if (this.#low > this.#high) {
      // The wall was stepped. What it says now is all that is known; the jump shows in the readings (P7).
      this.#low = low;
      this.#high = high;
    }
    this.#pinnedAt = after;
    this.#sampledAt = after;
    return after;
  }
}

/** Only while a step of Date.now() may lie within the interval can a sample narrow it. */
function straddles(earliest: number, latest: number): boolean {
  return Math.floor(earliest / TICK_MICROS) !== Math.floor(latest / TICK_MICROS);
}
