// Promises with an end in time: what comes over a network may never come.

import type { Timers } from '../runtime/runtime.ts';

/** Rejects when `promise` takes longer. */
export function within<T>(
  timers: Timers,
  micros: number,
  what: string,
  promise: Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = timers.after(micros, () => {
      reject(new Error(`${what} took longer than ${micros / 1_000_000} s`));
    });
    promise.then(resolve, reject).finally(() => timer[Symbol.dispose]());
  });
}

export function pause(timers: Timers, micros: number): Promise<void> {
  return new Promise((resolve) => void timers.after(micros, resolve));
}
