// A node's clocks against true time: the wall is off by at most its bound (unless a fault steps it), the monotonic
// clock runs a little fast or slow.

import type { Time, WallReading } from '../runtime/runtime.ts';
import type { SeededRandom } from './random.ts';
import type { World } from './world.ts';

export class SimClock implements Time {
  readonly #world: World;
  readonly #random: SeededRandom;
  /** Half-width that the node is told. */
  readonly uncertaintyMicros: number;
  #rate: number;
  readonly #phase: number;
  /** The monotonic clock read `#base` when true time was `#since`. */
  #base: number;
  #since = 0;
  /** A step that the node is not told of: within nothing, it is the fault that commit-wait can't survive. */
  stepMicros = 0;
  /** A step within the bound, of which the node need not be told. */
  shiftMicros = 0;

  constructor(world: World, label: string, uncertaintyMicros: number) {
    this.#world = world;
    this.#random = world.random.fork(`clock ${label}`);
    this.uncertaintyMicros = uncertaintyMicros;
    this.#rate = 1 + (this.#random.below(201) - 100) / 1_000_000;
    this.#phase = this.#random.below(1_000_000);
    this.#base = this.#phase;
  }

  monotonicMicros(): number {
    return this.#base + (this.#world.nowMicros - this.#since) * this.#rate;
  }

  /** From now on the monotonic clock gains so many microseconds a second. */
  drift(partsPerMillion: number): void {
    this.#base = this.monotonicMicros();
    this.#since = this.#world.nowMicros;
    this.#rate = 1 + partsPerMillion / 1_000_000;
  }

  /** Wanders slowly within nine tenths of the bound; with a shift, in all of it. */
  wall(): WallReading {
    const wander = Math.sin(this.#phase + this.#world.nowMicros / 3_000_000);
    const bound = this.uncertaintyMicros;
    const off = Math.round(wander * 0.9 * bound) + this.shiftMicros;
    const centre =
      this.#world.trueMicros + Math.max(-bound, Math.min(bound, off)) + this.stepMicros;
    return {
      earliestMicros: centre - this.uncertaintyMicros,
      latestMicros: centre + this.uncertaintyMicros,
      monotonicMicros: this.monotonicMicros(),
    };
  }
}
