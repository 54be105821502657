// One seed of a simulated cluster, whatever its nodes are made of (cluster/subject.ts): clients read and write registers
// of several groups, everything goes wrong that may, and now and then all is well for a while, when every group must soon
// take writes again. Raft's invariants are looked at all the time, leases too; at the end all replicas must be alike, and
// what the clients were told must have happened in some order. The whole run is a function of the seed.

import { checkRegisters, formatViolation } from './checkers/register.ts';
import { Clients } from './cluster/clients.ts';
import { Cluster } from './cluster/cluster.ts';
import type { ClusterNode } from './cluster/cluster-node.ts';
import { Bank } from './cluster/bank.ts';
import {
  type DatabaseChoices,
  type DatabasePlanName,
  databaseShapeOf,
} from './cluster/database-plans.ts';
import { DatabaseSubject } from './cluster/database-subject.ts';
import { ClusterFaults } from './cluster/faults.ts';
import { type ClusterShape, type PlanName, shapeOf } from './cluster/plans.ts';
import { RaftSubject } from './cluster/raft-subject.ts';
import { type RangesPlanName, rangesShapeOf } from './cluster/ranges-plans.ts';
import { RangesSubject, REGISTERS_PER_AREA } from './cluster/ranges-subject.ts';
import type { Subject } from './cluster/subject.ts';
import type { Probe } from './cluster/work.ts';
import { SimNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';
import { SqlWork } from './sql/sql-work.ts';
import { demand, SimulationFailure } from './violation.ts';
import { World } from './world.ts';

const SECOND = 1_000_000;
/** When all is well, every group takes a write within this time. */
const RECOVERY_MICROS_MAX = 15 * SECOND;
/** And all replicas are alike, once nobody asks anything any more. */
const SETTLING_MICROS_MAX = 30 * SECOND;

/** What nodes say of themselves that is counted. */
const SAID: ReadonlySet<string> = new Set(['installed a snapshot', 'sent a snapshot']);

export interface ClusterRunOptions {
  readonly seed: number;
  /** Simulated. */
  readonly seconds: number;
  readonly nodes?: number;
  /** Known bugs to switch on. */
  readonly bugs?: ReadonlySet<string>;
  /** Now and then, of a long run. */
  onProgress?(simulatedMicros: number, operations: number): void;
  onLog?(node: number, level: string, message: string): void;
}

export interface RaftRunOptions extends ClusterRunOptions {
  readonly plan?: PlanName;
  /** Nodes with storage and all, in place of Raft alone. */
  readonly whole?: boolean;
}

export interface RangesRunOptions extends ClusterRunOptions {
  readonly plan?: RangesPlanName;
}

export interface DatabaseRunOptions extends ClusterRunOptions, DatabaseChoices {
  readonly plan?: DatabasePlanName;
}

export interface ClusterRunReport {
  readonly seed: number;
  readonly nodes: number;
  readonly groups: number;
  readonly simulatedSeconds: number;
  readonly operations: number;
  /** Writes that were. */
  readonly acknowledged: number;
  readonly reads: number;
  /** Writes of which the clients never learned the outcome. */
  readonly unknown: number;
  readonly elections: number;
  readonly crashes: number;
  /** How often rare things happened. */
  readonly notes: Readonly<Record<string, number>>;
  /** How often each probe was reached. */
  readonly probes: Readonly<Record<string, number>>;
  /** Kinds of fault. */
  readonly faults: readonly string[];
  readonly events: number;
  readonly traceHash: string;
}

/** Groups of which each has a replica on every node, or on nearly all. Throws SimulationFailure when the cluster broke a
 * promise. */
export function runCluster(options: RaftRunOptions): Promise<ClusterRunReport> {
  const { world, random, notes } = beginningOf(options);
  const shape = shapeOf(options.plan ?? 'any', random, options.nodes);
  return options.whole === true
    ? runSubject(options, world, shape, new DatabaseSubject(world, shape, notes.add), notes)
    : runSubject(options, world, shape, new RaftSubject(world, shape, notes.add), notes);
}

/** Whole nodes with many ranges, which change all the time. Throws SimulationFailure when they broke a promise. */
export function runRanges(options: RangesRunOptions): Promise<ClusterRunReport> {
  const { world, random, notes } = beginningOf(options);
  const shape = rangesShapeOf(options.plan ?? 'any', random, options.nodes);
  const { groups } = shape;
  const subject = new RangesSubject(world, shape, notes.add, (...parts) => {
    return new Bank(...parts, groups, REGISTERS_PER_AREA);
  });
  return runSubject(options, world, shape, subject, notes);
}

/** SQL at all nodes, and everything else too. Throws SimulationFailure when they broke a promise. */
export function runDatabase(options: DatabaseRunOptions): Promise<ClusterRunReport> {
  const { world, random, notes } = beginningOf(options);
  const shape = databaseShapeOf(options.plan ?? 'any', random, options);
  const subject = new RangesSubject(world, shape, notes.add, (...parts) => {
    return new SqlWork(...parts, shape.sql);
  });
  return runSubject(options, world, shape, subject, notes);
}

interface Beginning {
  readonly world: World;
  readonly random: SeededRandom;
  readonly notes: Notes;
}

function beginningOf({ seed, bugs }: ClusterRunOptions): Beginning {
  const world = new World(seed, bugs);
  return { world, random: world.random.fork('run'), notes: new Notes() };
}

async function runSubject<Node extends ClusterNode>(
  options: ClusterRunOptions,
  world: World,
  shape: ClusterShape,
  subject: Subject<Node>,
  notes: Notes,
): Promise<ClusterRunReport> {
  const run = new ClusterRun(options, world, shape, subject, notes);
  try {
    return await run.run();
  } catch (error) {
    options.onLog?.(0, 'state', subject.tell());
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new SimulationFailure(`seed ${options.seed}, ${run.whereabouts}: ${text}`);
  }
}

/** How often rare things happened. */
class Notes {
  readonly #counts = new Map<string, number>();

  readonly add = (kind: string): void => {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  };

  sorted(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

class ClusterRun<Node extends ClusterNode> {
  readonly #options: ClusterRunOptions;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #subject: Subject<Node>;
  readonly #cluster: Cluster<Node>;
  readonly #clients: Clients<Node>;
  readonly #faults: ClusterFaults<Node>;
  readonly #notes: Notes;
  readonly #badMicrosMax: number;
  #seenMicros = 0;

  constructor(
    options: ClusterRunOptions,
    world: World,
    shape: ClusterShape,
    subject: Subject<Node>,
    notes: Notes,
  ) {
    this.#options = options;
    this.#world = world;
    this.#random = world.random.fork('periods');
    this.#subject = subject;
    this.#notes = notes;
    this.#badMicrosMax = shape.badMicrosMax;
    const network = new SimNetwork(world);
    this.#cluster = new Cluster({
      world,
      network,
      nodes: shape.nodes,
      uncertaintyMicros: shape.uncertaintyMicros,
      onLog: (node, level, message, fields) => {
        if (SAID.has(message)) notes.add(message);
        const at = (world.nowMicros / SECOND).toFixed(6);
        options.onLog?.(node, level, `${at} node ${node} ${message} ${JSON.stringify(fields)}`);
      },
      open: (machine, life, broken) => subject.open(machine, life, broken),
      note: (kind) => void this.#faults.happened.add(kind),
    });
    this.#clients = new Clients(world, this.#cluster, {
      clients: subject.clients,
      groups: subject.groups,
      hotGroupsMax: Math.min(subject.groups, shape.hotGroupsMax),
      registersPerGroup: subject.registersPerGroup,
    });
    this.#faults = new ClusterFaults(world, network, this.#cluster, shape.faults);
    subject.onElected = (node) => this.#faults.elected(node);
    subject.onHandOver = (node) => this.#faults.handsOver(node);
  }

  get whereabouts(): string {
    const { crashes, seats } = this.#cluster;
    const at = (this.#world.nowMicros / SECOND).toFixed(6);
    return `${seats.length} nodes, ${this.#subject.groups} groups, ${crashes} crashes, at ${at} s`;
  }

  async run(): Promise<ClusterRunReport> {
    const world = this.#world;
    const end = this.#options.seconds * SECOND;
    await this.#subject.prepare(this.#cluster);
    this.#faults.heal();
    this.#clients.start();
    await this.#recover();
    await this.#subject.furnish();
    while (world.nowMicros < end) {
      this.#faults.begin();
      this.#subject.begin();
      await this.#pass(() => false, SECOND + this.#random.below(this.#badMicrosMax));
      this.#faults.heal();
      this.#subject.pause();
      await this.#recover();
      const operations = this.#clients.operations + this.#subject.counts.operations;
      this.#options.onProgress?.(world.nowMicros, operations);
    }
    await this.#settle();
    await this.#lastReads();
    await this.#subject.judge();
    this.#judgeHistory();
    return this.#report();
  }

  /** Lets events happen, and looks now and then whether all is as it must be. */
  #pass(done: () => boolean, micros: number): Promise<boolean> {
    const world = this.#world;
    const subject = this.#subject;
    return world.run(() => {
      if (world.nowMicros >= this.#seenMicros + subject.lookMicros) {
        this.#seenMicros = world.nowMicros;
        subject.look();
      }
      return done();
    }, world.nowMicros + micros);
  }

  /** Until every group has taken a write, and all else is answered that must be. */
  async #recover(): Promise<void> {
    const world = this.#world;
    const waiting = new Set<string>();
    let isOver = false;
    const groups = Array.from({ length: this.#subject.groups }, (_, i): Probe => {
      const group = i + 1;
      const ask = () => this.#clients.write('probe', { group, register: 0 });
      return { name: `group ${group}`, ask };
    });
    for (const { name, ask } of [...groups, ...this.#subject.probes()]) {
      waiting.add(name);
      const insist = async (): Promise<void> => {
        while (!isOver && !(await ask())) await world.sleep(20_000);
        waiting.delete(name);
      };
      insist().catch((error: unknown) => world.fail(error));
    }
    const seconds = RECOVERY_MICROS_MAX / SECOND;
    const isWell = (): boolean => waiting.size === 0 && this.#cluster.areAllUp;
    const came = await this.#pass(isWell, RECOVERY_MICROS_MAX);
    isOver = true;
    demand(
      came,
      `for ${seconds} s all was well, and yet ${[...waiting].map((name) => `${name} took no write`).join(', ') || 'not all nodes are up'}`,
    );
  }

  /** Nobody asks anything more, and all replicas become alike. */
  async #settle(): Promise<void> {
    const world = this.#world;
    this.#clients.stop();
    await this.#pass(() => this.#clients.areIdle, SETTLING_MICROS_MAX);
    demand(this.#clients.areIdle, 'a client waits for an answer for ever');
    let untidy: string | undefined = 'nothing was tidied up';
    const tidy = async (): Promise<void> => {
      for (;;) {
        untidy = await this.#subject.tidy();
        if (untidy === undefined) return;
        await world.sleep(50_000);
      }
    };
    tidy().catch((error: unknown) => world.fail(error));
    await this.#pass(() => untidy === undefined, SETTLING_MICROS_MAX);
    demand(untidy === undefined, `all was well for long, and yet ${untidy}`);
    let difference: string | undefined = 'nothing was looked at';
    await this.#pass(() => {
      difference = this.#subject.difference();
      return difference === undefined;
    }, SETTLING_MICROS_MAX);
    demand(difference === undefined, `all was well for long, and yet ${difference}`);
  }

  async #lastReads(): Promise<void> {
    const world = this.#world;
    const { groups, registersPerGroup } = this.#subject;
    let left = groups * registersPerGroup;
    const read = async (group: number, register: number): Promise<void> => {
      while (!(await this.#clients.read('last look', { group, register })))
        await world.sleep(20_000);
      left -= 1;
    };
    for (let group = 1; group <= this.#subject.groups; group++) {
      for (let register = 0; register < registersPerGroup; register++) {
        read(group, register).catch((error: unknown) => world.fail(error));
      }
    }
    const done = await this.#pass(() => left === 0, RECOVERY_MICROS_MAX);
    demand(done, 'all was well, and yet not all registers could be read');
  }

  #judgeHistory(): void {
    const violation = checkRegisters(this.#clients.history.operations);
    demand(violation === undefined, violation === undefined ? '' : formatViolation(violation));
  }

  #report(): ClusterRunReport {
    const clients = this.#clients;
    const { trace, nowMicros } = this.#world;
    const { counts } = this.#subject;
    const { probes } = this.#world;
    return {
      seed: this.#options.seed,
      nodes: this.#cluster.seats.length,
      groups: this.#subject.groups,
      simulatedSeconds: Math.round(nowMicros / SECOND),
      operations: clients.operations + counts.operations,
      acknowledged: clients.acknowledged + counts.acknowledged,
      reads: clients.reads,
      unknown: clients.unknown + counts.unknown,
      elections: this.#subject.elections,
      crashes: this.#cluster.crashes,
      notes: this.#notes.sorted(),
      probes: Object.fromEntries([...probes].sort(([a], [b]) => (a < b ? -1 : 1))),
      faults: [...this.#faults.happened].sort(),
      events: trace.events,
      traceHash: trace.digest(),
    };
  }
}
