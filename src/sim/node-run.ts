// One seed of a simulated node: SQL clients work, the node is killed again and again in the middle of it, its disk
// keeps, tears or loses what was not synced, is slow, fills up, or fails; after every restart the data must still be
// what was acknowledged (workload.ts). The whole run is a function of the seed.

import { defaultConfig } from '../node/config.ts';
import { type Database, openDatabase } from '../node/database.ts';
import { initParser } from '../sql/parse/grammar.ts';
import { createMemoryDisk, type MemoryDisk } from '../storage/memory-engine.ts';
import { shardEntry } from '../storage/shard-entry.ts';
import { SimDisk } from './disk.ts';
import { SimNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';
import { SimClock } from './sim-clock.ts';
import { simRuntime } from './sim-runtime.ts';
import { Workload } from './workload.ts';
import { Life, World } from './world.ts';

const NODE = 1;
const SECOND = 1_000_000;
const UNCERTAINTY_MICROS = 250;
/** Small, so that the log rotates and is cut often. */
const CACHE_BYTES = 64 * 1024;
/** A start or a check that takes longer in simulated time hangs. */
const PATIENCE_MICROS = 120 * SECOND;

export interface NodeRunOptions {
  readonly seed: number;
  /** Simulated. */
  readonly seconds: number;
  readonly bugs?: ReadonlySet<string>;
  readonly shards?: number;
  onLog?(node: number, level: string, message: string): void;
}

export interface NodeRunReport {
  readonly seed: number;
  readonly simulatedSeconds: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly crashes: number;
  /** Kinds of fault that happened. */
  readonly faults: readonly string[];
  readonly events: number;
  readonly traceHash: string;
}

export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
}

/** Throws SimulationFailure when the node broke a promise. */
export async function runNode(options: NodeRunOptions): Promise<NodeRunReport> {
  // WebAssembly is compiled outside of simulated time: before it begins.
  await initParser();
  const run = new NodeRun(options);
  try {
    return await run.run();
  } catch (error) {
    if (error instanceof SimulationFailure) throw error;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new SimulationFailure(`seed ${options.seed}: ${text}`);
  }
}

class NodeRun {
  readonly #options: NodeRunOptions;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #disk: SimDisk;
  readonly #network: SimNetwork;
  readonly #clock: SimClock;
  readonly #engines = new Map<string, MemoryDisk>();
  readonly #workload: Workload;
  readonly #faults = new Set<string>();
  #crashes = 0;

  constructor(options: NodeRunOptions) {
    this.#options = options;
    this.#world = new World(options.seed, options.bugs);
    this.#random = this.#world.random.fork('faults');
    this.#disk = new SimDisk(this.#world, 'disk');
    this.#network = new SimNetwork(this.#world);
    this.#clock = new SimClock(this.#world, 'node', UNCERTAINTY_MICROS);
    this.#workload = new Workload(this.#world);
  }

  async run(): Promise<NodeRunReport> {
    const world = this.#world;
    const end = this.#options.seconds * SECOND;
    while (world.nowMicros < end) {
      const { life, database } = await this.#start();
      this.#workload.start(database.sql, life);
      this.#schedule(life);
      // The life ends when somebody kills it.
      const lifetime = 200_000 + this.#random.below(6 * SECOND);
      await world.run(() => !life.alive, world.nowMicros + lifetime);
      this.#crash(life);
    }
    // The last look at everything, and a clean stop.
    const { life, database } = await this.#start();
    await this.#within(database.close(), 'a clean stop');
    life.alive = false;
    return {
      seed: this.#options.seed,
      simulatedSeconds: Math.round(world.nowMicros / SECOND),
      operations: this.#workload.operations,
      acknowledged: this.#workload.acknowledged,
      crashes: this.#crashes,
      faults: [...this.#faults].sort(),
      events: world.trace.events,
      traceHash: world.trace.digest(),
    };
  }

  /** Starts the node until it serves and has passed the checks; crashes on the way are part of it. */
  async #start(): Promise<{ life: Life; database: Database }> {
    this.#disk.settings.failOneIn = 0;
    this.#disk.settings.capacityBytes = 1 << 30;
    for (;;) {
      const life = new Life(NODE);
      if (this.#random.oneIn(4)) {
        this.#faults.add('crash while starting');
        this.#world.after(this.#random.below(20_000), life, () => {
          life.alive = false;
        });
      }
      const database = await this.#within(this.#open(life), 'the start', life);
      if (database !== undefined && life.alive) {
        const problem = await this.#within(this.#workload.check(database.sql), 'the check', life);
        if (problem !== undefined && problem !== '') throw this.#broken(problem);
        if (life.alive) return { life, database };
      }
      this.#crash(life);
    }
  }

  #open(life: Life): Promise<Database> {
    const runtime = simRuntime({
      world: this.#world,
      life,
      clock: this.#clock,
      disk: this.#disk,
      network: this.#network,
      onLog: (node, level, message, fields) =>
        this.#options.onLog?.(node, level, `${message} ${JSON.stringify(fields)}`),
    });
    return openDatabase(
      runtime,
      {
        ...defaultConfig('data'),
        shards: this.#options.shards ?? 1,
        cacheBytes: CACHE_BYTES,
        minFreeBytes: 8 << 20,
        logSegmentBytes: 64 * 1024,
      },
      {
        shardEntry: shardEntry((data) => this.#engine((data as { path: string }).path).open()),
        broken: (error) => {
          // A disk that fails must stop the node; anything else is a defect.
          if (this.#faults.has('failing disk') && /input\/output|stopp/.test(error.message)) life.alive = false;
          else this.#world.fail(this.#broken(`the node broke: ${error.stack ?? error.message}`));
        },
      },
    );
  }

  #engine(path: string): MemoryDisk {
    let engine = this.#engines.get(path);
    if (engine === undefined) {
      engine = createMemoryDisk();
      this.#engines.set(path, engine);
    }
    return engine;
  }

  #crash(life: Life): void {
    life.alive = false;
    this.#crashes += 1;
    this.#faults.add('crash');
    this.#disk.crash();
    for (const engine of this.#engines.values()) engine.crash(this.#random);
    this.#network.crash(NODE);
  }

  /** Faults that do not end the life by themselves. */
  #schedule(life: Life): void {
    const { settings } = this.#disk;
    const world = this.#world;
    const when = (): number => this.#random.below(4 * SECOND);
    settings.slowOneIn = 0;
    if (this.#random.oneIn(3)) {
      world.after(when(), life, () => {
        this.#faults.add('slow disk');
        settings.slowOneIn = 5 + this.#random.below(50);
      });
    }
    if (this.#random.oneIn(4)) {
      world.after(when(), life, () => {
        this.#faults.add('full disk');
        settings.capacityBytes = this.#disk.usedBytes + this.#random.below(8 << 20);
        world.after(100_000 + when(), life, () => {
          settings.capacityBytes = 1 << 30;
        });
      });
    }
    if (this.#random.oneIn(6)) {
      world.after(when(), life, () => {
        this.#faults.add('failing disk');
        settings.failOneIn = 20 + this.#random.below(200);
      });
    }
    if (this.#random.oneIn(6)) {
      world.after(when(), life, () => {
        this.#faults.add('clock step');
        this.#clock.stepMicros += this.#random.oneIn(2) ? 2_000 : -2_000;
        world.after(when(), undefined, () => {
          this.#clock.stepMicros = 0;
        });
      });
    }
  }

  /** Runs the world until the promise settles; undefined when the life ended first. */
  async #within<T>(promise: Promise<T>, what: string, life?: Life): Promise<T | undefined> {
    let outcome: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    const world = this.#world;
    await world.run(() => outcome !== undefined || life?.alive === false, world.nowMicros + PATIENCE_MICROS);
    if (outcome !== undefined) {
      if ('value' in outcome) return outcome.value;
      throw outcome.error;
    }
    if (life?.alive === false) return undefined;
    throw this.#broken(`${what} hangs`);
  }

  #broken(problem: string): SimulationFailure {
    const { seed } = this.#options;
    const at = (this.#world.nowMicros / SECOND).toFixed(6);
    return new SimulationFailure(`seed ${seed}, ${this.#crashes} crashes, at ${at} s: ${problem}`);
  }
}
