// Numbers by which the two ends of a pair know that they speak of the same thing.

import type { LivenessRuntime } from './liveness.ts';

const SALTS = 1024;

/** A new epoch of one end: everything that was registered before it is void (P4). Above the earlier ones of this boot,
 * and of earlier boots as far as the clock goes forward; the salt tells boots apart where it did not. */
export function nextEpoch(runtime: LivenessRuntime, previous: number): number {
  const millis = Math.floor(runtime.clock.latest() / 1000);
  return Math.max(previous + 1, millis * SALTS + runtime.random.below(SALTS));
}

/** Numbered items that the other end has not confirmed yet, oldest first. */
export class Unconfirmed<T> {
  private items: T[] = [];
  /** The number of items[0]. */
  first = 1;

  /** The number of the last; 0 when there never was one. */
  get last(): number {
    return this.first + this.items.length - 1;
  }

  get count(): number {
    return this.items.length;
  }

  /** Its number. */
  push(item: T): number {
    this.items.push(item);
    return this.last;
  }

  confirm(number: number): void {
    const count = Math.min(number - this.first + 1, this.items.length);
    if (count <= 0) return;
    this.items = this.items.slice(count);
    this.first += count;
  }

  /** From this number on, or from the first that is still here; as many as asked for at most. */
  from(number: number, countMax: number): { readonly first: number; readonly items: readonly T[] } {
    const first = Math.min(Math.max(number, this.first), this.last + 1);
    const at = first - this.first;
    return { first, items: this.items.slice(at, at + countMax) };
  }

  reset(): void {
    this.items = [];
    this.first = 1;
  }
}
