// What happens to a simulated node besides its end: when each fault comes, how bad it is and when it is over.

import type { SimDisk } from './disk.ts';
import type { SeededRandom } from './random.ts';
import type { SimClock } from './sim-clock.ts';
import type { Life, World } from './world.ts';

const SECOND = 1_000_000;
const SPACE_BYTES = 1 << 30;

export class NodeFaults {
  readonly #world: World;
  readonly #disk: SimDisk;
  readonly #clock: SimClock;
  readonly #minFreeBytes: number;
  readonly #random: SeededRandom;
  /** Kinds of fault that there have been. */
  readonly happened: Set<string> = new Set();
  #failuresBefore = 0;
  #hasNoSpace = false;

  constructor(world: World, disk: SimDisk, clock: SimClock, minFreeBytes: number) {
    this.#world = world;
    this.#disk = disk;
    this.#clock = clock;
    this.#minFreeBytes = minFreeBytes;
    this.#random = world.random.fork('faults');
  }

  /** Whether something happened in this life that a node may stop for by itself. */
  get mayBreak(): boolean {
    return this.#disk.failures > this.#failuresBefore || this.#hasNoSpace;
  }

  /** Before a life: the disk is in order, the clock may have been set meanwhile, the next crash may come at once. */
  begin(life: Life): void {
    const { settings } = this.#disk;
    this.#failuresBefore = this.#disk.failures;
    settings.failOneIn = 0;
    settings.slowOneIn = 0;
    if (settings.capacityBytes < SPACE_BYTES && !this.#hasNoSpace && this.#random.oneIn(2)) {
      this.happened.add('start on a disk nearly full');
      this.#later(life, () => this.#clearDisk());
    } else {
      this.#clearDisk();
    }
    this.#hasNoSpace = false;
    this.#clock.stepMicros = 0;
    if (this.#random.oneIn(5)) {
      this.happened.add('clock set back while down');
      this.#clock.stepMicros = -this.#random.below(2 * SECOND);
    }
    if (this.#random.oneIn(4)) {
      this.happened.add('crash while starting');
      this.#world.after(
        this.#random.below(this.#random.oneIn(2) ? 5_000 : 2 * SECOND),
        life,
        () => {
          life.alive = false;
        },
      );
    }
  }

  /** While clients work. */
  schedule(life: Life): void {
    if (this.#random.oneIn(3)) this.#later(life, () => this.#slowDisk());
    if (this.#random.oneIn(4)) this.#later(life, () => this.#fillDisk(life));
    if (this.#random.oneIn(6)) this.#later(life, () => this.#failDisk());
    if (this.#random.oneIn(6)) this.#later(life, () => this.#stepClock(life));
  }

  #later(life: Life, run: () => void): void {
    this.#world.after(this.#random.below(4 * SECOND), life, run);
  }

  #slowDisk(): void {
    this.happened.add('slow disk');
    this.#disk.settings.slowOneIn = 5 + this.#random.below(50);
  }

  /** At once, or down to where the node must notice in time and refuse writes before the end. */
  #fillDisk(life: Life): void {
    const { settings, usedBytes } = this.#disk;
    if (this.#random.oneIn(3)) {
      this.happened.add('disk full at once');
      this.#hasNoSpace = true;
      settings.capacityBytes = usedBytes + this.#random.below(32 << 10);
    } else {
      this.happened.add('disk nearly full');
      settings.capacityBytes =
        usedBytes + this.#minFreeBytes / 2 + this.#random.below(this.#minFreeBytes);
    }
    this.#later(life, () => this.#clearDisk());
  }

  #clearDisk(): void {
    this.#disk.settings.capacityBytes = SPACE_BYTES;
  }

  #failDisk(): void {
    this.happened.add('failing disk');
    this.#disk.settings.failOneIn = 20 + this.#random.below(200);
  }

  /** Beyond what the node is told: it must notice (P7). */
  #stepClock(life: Life): void {
    this.happened.add('clock step');
    const stepMicros = 1_000 + this.#random.below(100_000);
    this.#clock.stepMicros += this.#random.oneIn(2) ? stepMicros : -stepMicros;
    this.#later(life, () => {
      this.#clock.stepMicros = 0;
    });
  }
}
