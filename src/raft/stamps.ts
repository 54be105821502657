// When a message left, told by a number that travels with it and comes back in its answer: a lease is reckoned from the
// sending (P1), and only the sender's own clocks count. The numbers of one boot rise with time; what they stand for is
// kept in a ring that reaches further back than any lease.
//
// A number holds the boot that took it, chosen by chance: an answer to an earlier life of this node means nothing here.
// (The term of such an answer is old too, so that this is the second of two fences.)

import { assert } from '../base/assert.ts';
import type { IntervalClock } from '../clock/interval-clock.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Random, Time } from '../runtime/runtime.ts';
import type { RaftTiming } from './timing.ts';

/** No stamp: nothing was sent. Less than every stamp. */
export const NO_STAMP = 0;

/** What leaves within this time shares a stamp, the oldest's: a lease gets shorter by that much at most, and the ring
 * has a bound however many messages leave. */
const SHARED_MICROS = 1000;
/** Of 53 bits the lower 40 count, for 30 years at one a millisecond; the others are the boot. */
const BOOTS = 2 ** 13;
const NUMBERS = 2 ** 40;

export interface Sending {
  readonly monotonicMicros: number;
  readonly earliest: Timestamp;
}

export class Stamps {
  private readonly time: Pick<Time, 'monotonicMicros'>;
  private readonly clock: Pick<IntervalClock, 'earliest'>;
  private readonly base: number;
  private readonly mask: number;
  private readonly monotonic: Float64Array;
  private readonly earliest: Float64Array;
  private count = 0;
  private takenAt = Number.NEGATIVE_INFINITY;

  constructor(
    time: Pick<Time, 'monotonicMicros'>,
    clock: Pick<IntervalClock, 'earliest'>,
    random: Random,
    timing: RaftTiming,
  ) {
    this.time = time;
    this.clock = clock;
    this.base = (1 + random.below(BOOTS - 1)) * NUMBERS;
    // Twice as many as share a lease: pairs take some of their own.
    const capacity = 2 ** Math.ceil(Math.log2((2 * timing.leaseMicros) / SHARED_MICROS + 64));
    this.mask = capacity - 1;
    this.monotonic = new Float64Array(capacity);
    this.earliest = new Float64Array(capacity);
  }

  /** For what leaves now. */
  take(): number {
    const now = this.time.monotonicMicros();
    if (now - this.takenAt < SHARED_MICROS) return this.base + this.count;
    return this.takeAt(now);
  }

  /** One that nothing else has. */
  takeFresh(): number {
    return this.takeAt(this.time.monotonicMicros());
  }

  private takeAt(now: number): number {
    this.count++;
    assert(this.count < NUMBERS, 'a boot takes fewer than 2^40 stamps');
    const slot = this.count & this.mask;
    this.takenAt = now;
    this.monotonic[slot] = now;
    this.earliest[slot] = this.clock.earliest();
    return this.base + this.count;
  }

  /** Undefined: not of this boot, or so old that no lease reaches from there to now. */
  at(stamp: number): Sending | undefined {
    const number = stamp - this.base;
    if (!(number >= 1 && number <= this.count && number > this.count - this.mask)) return undefined;
    const slot = number & this.mask;
    return {
      monotonicMicros: this.monotonic[slot] as number,
      earliest: this.earliest[slot] as Timestamp,
    };
  }
}
