// A running hash of everything that a simulation did, in order: two runs of one seed must agree on it.

import { hashBytes } from '../base/bytes.ts';

export class Trace {
  #low = 0x811c9dc5;
  #high = 0x01000193;
  events = 0;

  number(value: number): void {
    this.events += 1;
    const low = value >>> 0;
    const high = Math.floor(value / 0x100000000) >>> 0;
    this.#low = Math.imul(this.#low ^ low, 0x01000193) >>> 0;
    this.#high = (Math.imul(this.#high ^ high ^ this.#low, 0x85ebca6b) + 0x9e3779b9) >>> 0;
    this.#low = (this.#low ^ (this.#high >>> 13)) >>> 0;
  }

  bytes(value: Uint8Array): void {
    this.number(hashBytes(value));
  }

  /** Sixteen hexadecimal digits. */
  digest(): string {
    return this.#high.toString(16).padStart(8, '0') + this.#low.toString(16).padStart(8, '0');
  }
}
