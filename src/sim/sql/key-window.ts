// Which keys are in use: a few at a time, so that they are fought for, and never for long, so that no row grows for ever.

import type { SeededRandom } from '../random.ts';

export class KeyWindow {
  readonly #width: number;
  readonly #usesMax: number;
  #first = 0;
  #uses = 0;

  constructor(width: number, usesMax: number) {
    this.#width = width;
    this.#usesMax = usesMax;
  }

  /** To be written. */
  use(random: SeededRandom): number {
    this.#uses += 1;
    if (this.#uses % this.#usesMax === 0) this.#first += 2;
    return this.some(random);
  }

  some(random: SeededRandom): number {
    return this.#first + random.below(this.#width);
  }

  /** All that were ever in use. */
  all(): number[] {
    return Array.from({ length: this.#first + this.#width }, (_, key) => key);
  }
}
