// Holds a flow of bytes to a rate, so that what has time leaves the processors to what has not.

import type { Time, Timers } from '../../runtime/runtime.ts';
import { pause } from '../within.ts';

/** A flow that was held up makes up for so much of it: timers are late, and chunks take unequally long. */
const CREDIT_MICROS = 100_000;

export class Pace {
  private readonly time: Time;
  private readonly timers: Timers;
  private readonly bytesPerSecond: () => number;
  /** When all that has passed may have passed. */
  private paidMicros = 0;

  constructor(time: Time, timers: Timers, bytesPerSecond: () => number) {
    this.time = time;
    this.timers = timers;
    this.bytesPerSecond = bytesPerSecond;
  }

  /** So many bytes have passed. Resolves when more may. */
  async passed(bytes: number): Promise<void> {
    const now = this.time.monotonicMicros();
    const from = Math.max(this.paidMicros, now - CREDIT_MICROS);
    this.paidMicros = from + (bytes * 1_000_000) / this.bytesPerSecond();
    if (this.paidMicros > now) await pause(this.timers, this.paidMicros - now);
  }
}
