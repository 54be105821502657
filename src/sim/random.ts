// Seeded randomness: sfc32. The same seed and label give the same stream in every process.

import { hashBytes, utf8 } from '../base/bytes.ts';
import { assert } from '../base/assert.ts';
import type { Random } from '../runtime/runtime.ts';

export class SeededRandom implements Random {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#a = this.#seed;
    this.#b = 0x9e3779b9;
    this.#c = 0x243f6a88;
    this.#counter = 1;
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const sum = (((this.#a + this.#b) >>> 0) + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) >>> 0;
    this.#c = (this.#c + sum) >>> 0;
    return sum;
  }

  below(bound: number): number {
    assert(bound > 0 && bound <= 0x100000000, `below(${bound})`);
    // The bias of scaling 32 bits is below 2^-20 for the small bounds that simulations use.
    return Math.floor((this.uint32() / 0x100000000) * bound);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  fork(label: string): SeededRandom {
    return new SeededRandom(this.#seed ^ hashBytes(utf8(label)));
  }
}
