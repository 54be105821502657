// One seed of a simulated node: SQL clients work, the node is stopped, killed or loses power again and again in the
// middle of it, its disk is slow, fills up, or fails, its clock steps; after every restart the data must still be what
// was acknowledged and shown (workloads/). The whole run is a function of the seed.

import { defaultConfig } from '../node/config.ts';
import { type Database, openDatabase } from '../node/database.ts';
import { initParser } from '../sql/parse/grammar.ts';
import { Machine } from './machine.ts';
import { NodeFaults } from './node-faults.ts';
import { SimNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';
import { SimulationFailure } from './violation.ts';
import { WorkloadDriver } from './workloads/driver.ts';
import { type Life, World } from './world.ts';

const NODE = 1;
const SECOND = 1_000_000;
/** Half-widths of the clock: one for each seed. */
const UNCERTAINTIES_MICROS = [20, 250, 2_000, 20_000];
/** Small, so that rows are read from storage too, and the log rotates and is cut often. */
const CACHE_BYTES = 64 * 1024;
const LOG_SEGMENT_BYTES = 64 * 1024;
const ENTRIES_PER_FLUSH = 40;
export const MIN_FREE_BYTES: number = 8 << 20;
/** A start or a check that takes longer in simulated time hangs. */
const PATIENCE_MICROS = 120 * SECOND;

export interface NodeRunOptions {
  readonly seed: number;
  /** Simulated. */
  readonly seconds: number;
  /** Known bugs to switch on. */
  readonly bugs?: ReadonlySet<string>;
  readonly shards?: number;
  onLog?(node: number, level: string, message: string): void;
}

export interface NodeRunReport {
  readonly seed: number;
  readonly simulatedSeconds: number;
  readonly operations: number;
  readonly acknowledged: number;
  /** How many operations ended with each SQLSTATE. */
  readonly errors: Readonly<Record<string, number>>;
  /** Ends of a life without a clean stop. */
  readonly crashes: number;
  /** Kinds of fault that happened. */
  readonly faults: readonly string[];
  readonly events: number;
  readonly traceHash: string;
}

/** Throws SimulationFailure when the node broke a promise. */
export async function runNode(options: NodeRunOptions): Promise<NodeRunReport> {
  // WebAssembly is compiled outside of simulated time: before it begins.
  await initParser();
  const run = new NodeRun(options);
  try {
    return await run.run();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new SimulationFailure(`seed ${options.seed}, ${run.whereabouts}: ${text}`);
  }
}

class NodeRun {
  readonly #options: NodeRunOptions;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #machine: Machine;
  readonly #driver: WorkloadDriver;
  readonly #faults: NodeFaults;
  #crashes = 0;

  constructor(options: NodeRunOptions) {
    this.#options = options;
    this.#world = new World(options.seed, options.bugs);
    this.#random = this.#world.random.fork('run');
    const world = this.#world;
    this.#machine = new Machine({
      world,
      network: new SimNetwork(world),
      node: NODE,
      label: '',
      uncertaintyMicros: UNCERTAINTIES_MICROS[
        this.#random.below(UNCERTAINTIES_MICROS.length)
      ] as number,
      onLog: (node, level, message, fields) => {
        const at = (world.nowMicros / SECOND).toFixed(6);
        options.onLog?.(node, level, `${at} ${message} ${JSON.stringify(fields)}`);
      },
    });
    const { disk, clock } = this.#machine;
    this.#driver = new WorkloadDriver(world);
    this.#faults = new NodeFaults(world, disk, clock, MIN_FREE_BYTES);
  }

  get whereabouts(): string {
    return `${this.#crashes} crashes, at ${(this.#world.nowMicros / SECOND).toFixed(6)} s`;
  }

  async run(): Promise<NodeRunReport> {
    const world = this.#world;
    const end = this.#options.seconds * SECOND;
    while (world.nowMicros < end) {
      const { life, database } = await this.#start();
      this.#driver.start(database.sql, life);
      this.#faults.schedule(life);
      await world.run(
        () => !life.alive,
        world.nowMicros + 200_000 + this.#random.below(5 * SECOND),
      );
      if (life.alive && this.#random.oneIn(6)) await this.#stop(life, database);
      else await this.#killAtWork(life);
    }
    // The last look at everything.
    const { life, database } = await this.#start();
    await this.#stop(life, database);
    return {
      seed: this.#options.seed,
      simulatedSeconds: Math.round(world.nowMicros / SECOND),
      operations: this.#driver.operations,
      acknowledged: this.#driver.acknowledged,
      errors: Object.fromEntries([...this.#driver.errors].sort(([a], [b]) => (a < b ? -1 : 1))),
      crashes: this.#crashes,
      faults: [...this.#faults.happened].sort(),
      events: world.trace.events,
      traceHash: world.trace.digest(),
    };
  }

  /** Starts the node until it serves and has passed the checks; crashes on the way are part of it. */
  async #start(): Promise<{ life: Life; database: Database }> {
    for (;;) {
      const life = this.#machine.begin();
      this.#faults.begin(life);
      const database = await this.#within(this.#open(life), 'the start', life);
      if (database !== undefined) {
        await this.#within(this.#driver.check(database.sql, life), 'the check', life);
        if (life.alive) return { life, database };
      }
      this.#crash();
    }
  }

  #open(life: Life): Promise<Database> {
    const config = {
      ...defaultConfig('data'),
      shards: this.#options.shards ?? 1,
      cacheBytes: CACHE_BYTES,
      minFreeBytes: MIN_FREE_BYTES,
      logSegmentBytes: LOG_SEGMENT_BYTES,
      entriesPerFlush: ENTRIES_PER_FLUSH,
    };
    return openDatabase(this.#machine.runtime(life), config, {
      shardEntry: this.#machine.shardEntry(),
      broken: (error) => {
        // A disk that fails must stop the node (P35); anything else is a defect.
        if (!this.#faults.mayBreak) this.#world.fail(error);
        life.alive = false;
      },
    });
  }

  /** In the middle of a write or of its sync, if one comes: moments of rest have little to tell. */
  async #killAtWork(life: Life): Promise<void> {
    const world = this.#world;
    const moment = this.#random.below(4);
    if (moment > 0) {
      const isBusy =
        moment === 1 ? () => this.#driver.writing > 0 : () => this.#machine.disk.hasUnsynced;
      await world.run(() => !life.alive || isBusy(), world.nowMicros + SECOND);
      const micros = this.#random.below(moment === 1 ? 3_000 : 100);
      await world.run(() => !life.alive, world.nowMicros + micros);
    }
    this.#crash();
  }

  #crash(): void {
    this.#crashes += 1;
    this.#end(this.#random.oneIn(3));
  }

  async #stop(life: Life, database: Database): Promise<void> {
    this.#faults.happened.add('clean stop');
    await this.#within(database.close(), 'a clean stop', life);
    this.#end(this.#random.oneIn(2));
  }

  #end(keepsPower: boolean): void {
    for (const kind of this.#machine.end(this.#random, keepsPower)) this.#faults.happened.add(kind);
  }

  /** Runs the world until the promise settles; undefined when the life ended first. */
  async #within<T>(promise: Promise<T>, what: string, life: Life): Promise<T | undefined> {
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
    await world.run(() => outcome !== undefined || !life.alive, world.nowMicros + PATIENCE_MICROS);
    if (!life.alive) return undefined;
    if (outcome === undefined) throw new SimulationFailure(`${what} hangs`);
    if ('value' in outcome) return outcome.value;
    throw outcome.error;
  }
}
