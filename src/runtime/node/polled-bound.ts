// A bound that a daemon says anew every so often. Between two of its words it grows by what the clock may drift: a
// saw-tooth, as TrueTime's. While the daemon is silent it goes on growing, so that the interval stays true, and leases
// end what it has become too wide for. When the daemon takes its word back, or that has expired, nothing is known, and
// nothing is served (P7).
//
// The clock's readers drive the asking, and never wait for it: who reads no clock needs no bound, and nothing is left to
// be closed.

import type { Log } from '../runtime.ts';
import { monotonicMicros } from './monotonic.ts';
import type { ErrorBound } from './wall-clock.ts';

/** The clock was within `boundMicros` of true time at `atMicros`, goes wrong by no more than `drift` times what has passed
 * since, and nothing is known of it after `voidAfterMicros`. All by this process's monotonic clock. */
export interface Vouched {
  readonly boundMicros: number;
  readonly atMicros: number;
  readonly drift: number;
  readonly voidAfterMicros: number;
}

export type DaemonAnswer =
  | { readonly kind: 'vouched'; readonly vouched: Vouched }
  /** It can't vouch for the clock now. What it said before stands. */
  | { readonly kind: 'unsure'; readonly reason: string }
  /** What it said before does not stand either. */
  | { readonly kind: 'void'; readonly reason: string };

export interface TimeDaemon {
  readonly name: string;
  /** What to do when it does not vouch for the clock. */
  readonly hint: string;
  readonly everyMicros: number;
  /** Rejects, soon, when there is no answer, or none that can be understood. */
  ask(): Promise<DaemonAnswer>;
}

export class PolledBound implements ErrorBound {
  readonly #daemon: TimeDaemon;
  readonly #log: Log;
  readonly #monotonic: () => number;
  #vouched: Vouched | undefined;
  #reason = 'it was not asked yet';
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  /** Whether its silence was told of; the first words are not waited for in the log, a start that fails says more. */
  #isSilent = true;
  #hasVouched = false;

  constructor(daemon: TimeDaemon, log: Log, monotonic: () => number = monotonicMicros) {
    this.#daemon = daemon;
    this.#log = log;
    this.#monotonic = monotonic;
  }

  atMicros(now: number): number {
    if (now - this.#askedAt >= this.#daemon.everyMicros) void this.#ask(now);
    const vouched = this.#vouched;
    if (vouched === undefined || now > vouched.voidAfterMicros) return Number.POSITIVE_INFINITY;
    const passed = now - vouched.atMicros;
    return passed > 0 ? vouched.boundMicros + passed * vouched.drift : vouched.boundMicros;
  }

  whyUnknown(): { readonly reason: string; readonly hint: string } {
    const { name, hint } = this.#daemon;
    const reason = this.#isSilent ? this.#reason : 'what it said last says too little by now';
    return { reason: `${name} does not vouch for this machine's clock: ${reason}`, hint };
  }

  learn(): Promise<void> {
    return this.#ask(this.#monotonic());
  }

  /** One question at a time. Never rejects. */
  #ask(now: number): Promise<void> {
    this.#askedAt = now;
    this.#asking ??= this.#exchange().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #exchange(): Promise<void> {
    let answer: DaemonAnswer;
    try {
      answer = await this.#daemon.ask();
    } catch (error) {
      answer = { kind: 'unsure', reason: error instanceof Error ? error.message : String(error) };
    }
    if (answer.kind === 'vouched') {
      this.#vouched = answer.vouched;
      this.#speaks();
      return;
    }
    if (answer.kind === 'void') this.#vouched = undefined;
    this.#falls(answer.reason);
  }

  #speaks(): void {
    if (this.#isSilent && this.#hasVouched) {
      this.#log.warn(`${this.#daemon.name} vouches for the clock again`);
    }
    this.#isSilent = false;
    this.#hasVouched = true;
  }

  #falls(reason: string): void {
    this.#reason = reason;
    if (!this.#isSilent) {
      this.#log.warn(`${this.#daemon.name} does not vouch for the clock`, {
        reason,
        hint: this.#daemon.hint,
      });
    }
    this.#isSilent = true;
  }
}
