// Now and then the leader has the replicas compared.

import type { Log, Timers } from '../runtime/runtime.ts';
import type { ConsistencyAnswer, RangeStatus } from './status.ts';

export interface CheckedRange {
  status(): RangeStatus;
  check(): Promise<ConsistencyAnswer>;
}

export class ConsistencyChecks {
  readonly #range: CheckedRange;
  readonly #timers: Timers;
  readonly #log: Log;
  readonly #micros: number;
  #timer: Disposable | undefined;
  #stopped = false;

  /** `micros` 0: never. */
  constructor(range: CheckedRange, timers: Timers, log: Log, micros: number) {
    this.#range = range;
    this.#timers = timers;
    this.#log = log;
    this.#micros = micros;
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
  }

  #schedule(): void {
    if (this.#stopped || this.#micros === 0) return;
    this.#timer = this.#timers.after(this.#micros, () => {
      void this.#look().finally(() => this.#schedule());
    });
  }

  async #look(): Promise<void> {
    const { role, followers, isLeaseHeld } = this.#range.status();
    if (role !== 'leader' || !isLeaseHeld || followers.length === 0) return;
    try {
      const answer = await this.#range.check();
      if (answer.kind === 'undecided') {
        this.#log.warn('the replicas could not be compared', { reason: answer.reason });
      }
    } catch (error) {
      this.#log.warn('the replicas could not be compared', { error: String(error) });
    }
  }
}
