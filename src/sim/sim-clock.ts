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
  readonly #rate: number;
  readonly #phase: number;
  /** A step that the node is not told of: within nothing, it is the fault that commit-wait can't survive. */
  stepMicros = 0;

  constructor(world: World, label: string, uncertaintyMicros: number) {
    this.#world = world;
    this.#random = world.random.fork(`clock ${label}`);
    this.uncertaintyMicros = uncertaintyMicros;
    this.#rate = 1 + (this.#random.below(201) - 100) / 1_000_000;
    this.#phase = this.#random.below(1_000_000);
  }

  monotonicMicros(): number {
    return this.#phase + this.#world.nowMicros * this.#rate;
  }

  /** Wanders slowly within nine tenths of the bound. */
  wall(): WallReading {
    const wander = Math.sin(this.#phase + this.#world.nowMicros / 3_000_000);
    const centre =
      this.#world.trueMicros + Math.round(wander * 0.9 * this.uncertaintyMicros) + this.stepMicros;
    return {
      earliestMicros: centre - this.uncertaintyMicros,
      latestMicros: centre + this.uncertaintyMicros,
      monotonicMicros: this.monotonicMicros(),
    };
  }
}
