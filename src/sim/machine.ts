// What a simulated node runs on, and what outlives it: disk, clock and storage engines. A life ends by a crash of the
// process, or by a power loss, which takes a part of what was not synced.

import { assert } from '../base/assert.ts';
import type { Runtime, WorkerEntry } from '../runtime/runtime.ts';
import { createMemoryDisk, type MemoryDisk } from '../storage/memory-engine.ts';
import { TINY_PAGES } from '../storage/row-store.ts';
import { shardEntry } from '../storage/shard-entry.ts';
import { SimDisk } from './disk.ts';
import type { SimNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';
import { SimClock } from './sim-clock.ts';
import { simRuntime, type SimNodeParts } from './sim-runtime.ts';
import { Life, type World } from './world.ts';

export interface MachineParts {
  readonly world: World;
  readonly network: SimNetwork;
  readonly node: number;
  /** Tells the random streams of machines apart. */
  readonly label: string;
  readonly uncertaintyMicros: number;
  readonly onLog?: SimNodeParts['onLog'];
}

/** Whatever else a machine keeps, apart from files and engines. */
export interface Keeper {
  loseAll(): void;
  losePower(random: SeededRandom): void;
  killProcess(): void;
}

export class Machine {
  readonly node: number;
  readonly disk: SimDisk;
  readonly clock: SimClock;
  readonly keepers: Keeper[] = [];
  readonly #parts: MachineParts;
  readonly #engines = new Map<string, MemoryDisk>();
  #life: Life | undefined;

  constructor(parts: MachineParts) {
    const { world, label, node, uncertaintyMicros } = parts;
    this.#parts = parts;
    this.node = node;
    this.disk = new SimDisk(world, `disk${label}`);
    this.clock = new SimClock(world, `node${label}`, uncertaintyMicros);
  }

  /** Undefined while it is down. */
  get life(): Life | undefined {
    return this.#life?.alive === true ? this.#life : undefined;
  }

  get isPaused(): boolean {
    return (this.life?.pausedUntilMicros ?? 0) > this.#parts.world.nowMicros;
  }

  begin(): Life {
    assert(this.life === undefined, 'a machine runs one node');
    this.#life = new Life(this.node);
    return this.#life;
  }

  runtime(life: Life): Runtime {
    const { world, network, onLog } = this.#parts;
    return simRuntime({
      world,
      life,
      clock: this.clock,
      disk: this.disk,
      network,
      ...(onLog === undefined ? {} : { onLog }),
    });
  }

  /** A storage shard whose engine is one of this machine's. */
  shardEntry(): WorkerEntry {
    const open = (data: unknown) => this.#engine((data as { path: string }).path).open();
    return shardEntry(open, TINY_PAGES);
  }

  #engine(path: string): MemoryDisk {
    let engine = this.#engines.get(path);
    if (engine === undefined) {
      engine = createMemoryDisk();
      this.#engines.set(path, engine);
    }
    return engine;
  }

  /** Ends the life; nothing that it wrote is ever seen again. */
  loseDisk(random: SeededRandom): void {
    this.end(random, false);
    this.disk.replace();
    this.#engines.clear();
    for (const keeper of this.keepers) keeper.loseAll();
  }

  /** Ends the life, if there is one. The kinds of fault that this was. */
  end(random: SeededRandom, keepsPower: boolean): readonly string[] {
    if (this.#life !== undefined) this.#life.alive = false;
    this.#parts.network.crash(this.node);
    if (keepsPower) {
      this.disk.killProcess();
      for (const engine of this.#engines.values()) engine.kill();
      for (const keeper of this.keepers) keeper.killProcess();
      return ['process killed'];
    }
    this.disk.losePower();
    for (const engine of this.#engines.values()) engine.crash(random);
    for (const keeper of this.keepers) keeper.losePower(random);
    const { fates } = this.disk;
    return [
      'power lost',
      ...(fates.lost > 0 ? ['unsynced write lost'] : []),
      ...(fates.torn > 0 ? ['write torn'] : []),
    ];
  }
}
