// Everyone who waits for a timestamp to pass, earliest first, on one timer: commit-wait.

import { DbError } from '../base/errors.ts';
import { Heap } from '../base/heap.ts';
import type { Timers } from '../runtime/runtime.ts';
import type { Timestamp } from './timestamp.ts';

interface Waiter {
  readonly until: Timestamp;
  readonly resolve: () => void;
  readonly reject: (error: DbError) => void;
}

/** While the clock stands still (P7) nothing passes, however often we look. */
const LOOK_AGAIN_MICROS_MIN = 10_000;

export class WaitQueue {
  readonly #timers: Timers;
  readonly #earliest: () => Timestamp;
  readonly #standsStill: () => boolean;
  readonly #waiters = new Heap<Waiter>((a, b) => a.until < b.until);
  #timer: Disposable | undefined;
  #isClosed = false;

  constructor(timers: Timers, earliest: () => Timestamp, standsStill: () => boolean) {
    this.#timers = timers;
    this.#earliest = earliest;
    this.#standsStill = standsStill;
  }

  waitUntilAfter(t: Timestamp): Promise<void> {
    if (this.#isClosed) return Promise.reject(stopping());
    return new Promise((resolve, reject) => {
      const waiter = { until: t, resolve, reject };
      this.#waiters.push(waiter);
      if (this.#waiters.peek() === waiter) this.#arm(t, this.#earliest());
    });
  }

  #arm(until: Timestamp, now: Timestamp): void {
    this.#timer?.[Symbol.dispose]();
    // After until, not at it.
    const remaining = until - now + 1;
    const micros = this.#standsStill() ? Math.max(remaining, LOOK_AGAIN_MICROS_MIN) : remaining;
    this.#timer = this.#timers.after(micros, this.#release);
  }

  readonly #release = (): void => {
    this.#timer = undefined;
    const now = this.#earliest();
    for (let next = this.#waiters.peek(); next !== undefined; next = this.#waiters.peek()) {
      if (next.until >= now) {
        this.#arm(next.until, now);
        return;
      }
      this.#waiters.pop();
      next.resolve();
    }
  };

  /** Who still waits is told that it is over. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    for (const waiter of this.#waiters.drain()) waiter.reject(stopping());
  }
}

function stopping(): DbError {
  return new DbError('57P01', 'the node is stopping: a commit was waiting for its time to pass');
}
