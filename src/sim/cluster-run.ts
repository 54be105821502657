// One seed of a simulated cluster whose nodes are nothing but Raft (cluster/raft-node.ts): clients read and write
// registers of several groups, everything goes wrong that may, and now and then all is well for a while, when every group
// must soon take writes again. Raft's invariants are looked at all the time, leases too; at the end all replicas must be
// alike, and what the clients were told must have happened in some order. The whole run is a function of the seed.

import { checkRegisters, formatViolation } from './checkers/register.ts';
import { Clients } from './cluster/clients.ts';
import { Cluster } from './cluster/cluster.ts';
import type { ClusterNode } from './cluster/cluster-node.ts';
import { DatabaseSubject } from './cluster/database-subject.ts';
import { ClusterFaults } from './cluster/faults.ts';
import { type ClusterShape, type PlanName, shapeOf } from './cluster/plans.ts';
import { RaftSubject } from './cluster/raft-subject.ts';
import type { Subject } from './cluster/subject.ts';
import { SimNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';
import { demand, SimulationFailure } from './violation.ts';
import { World } from './world.ts';

const SECOND = 1_000_000;
const CLIENTS = 6;
/** Things go wrong for about so long, between times in which all is well. */
const BAD_MICROS_MAX = 20 * SECOND;
/** When all is well, every group takes a write within this time. */
const RECOVERY_MICROS_MAX = 15 * SECOND;
/** And all replicas are alike, once nobody asks anything any more. */
const SETTLING_MICROS_MAX = 30 * SECOND;
const LEASE_CHECK_MICROS = 500;

/** What nodes say of themselves that is counted. */
const SAID: ReadonlySet<string> = new Set(['installed a snapshot', 'sent a snapshot']);

export interface ClusterRunOptions {
  readonly seed: number;
  /** Simulated. */
  readonly seconds: number;
  readonly plan?: PlanName;
  readonly nodes?: number;
  /** Nodes with storage and all, in place of Raft alone. */
  readonly whole?: boolean;
  /** Known bugs to switch on. */
  readonly bugs?: ReadonlySet<string>;
  /** What the plan would have otherwise. */
  readonly shape?: Partial<ClusterShape>;
  onLog?(node: number, level: string, message: string): void;
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
  /** Kinds of fault. */
  readonly faults: readonly string[];
  readonly events: number;
  readonly traceHash: string;
}

/** Throws SimulationFailure when the cluster broke a promise. */
export async function runCluster(options: ClusterRunOptions): Promise<ClusterRunReport> {
  const world = new World(options.seed, options.bugs);
  const random = world.random.fork('run');
  const shape = { ...shapeOf(options.plan ?? 'any', random, options.nodes), ...options.shape };
  const notes = new Notes();
  const run =
    options.whole === true
      ? new ClusterRun(options, world, shape, new DatabaseSubject(world, shape, notes.add), notes)
      : new ClusterRun(options, world, shape, new RaftSubject(world, shape, notes.add), notes);
  try {
    return await run.run();
  } catch (error) {
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
  #leasesSeenMicros = 0;

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
      clients: CLIENTS,
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
    while (world.nowMicros < end) {
      this.#faults.begin();
      this.#subject.begin();
      await this.#pass(() => false, SECOND + this.#random.below(BAD_MICROS_MAX));
      this.#faults.heal();
      this.#subject.pause();
      await this.#recover();
    }
    await this.#settle();
    await this.#lastReads();
    await this.#subject.judge();
    this.#judgeHistory();
    return this.#report();
  }

  /** Lets events happen, and looks at leases now and then. */
  #pass(done: () => boolean, micros: number): Promise<boolean> {
    const world = this.#world;
    return world.run(() => {
      if (world.nowMicros >= this.#leasesSeenMicros + LEASE_CHECK_MICROS) this.#checkLeases();
      return done();
    }, world.nowMicros + micros);
  }

  /** P1, seen from outside: no group's lease is held twice. */
  #checkLeases(): void {
    this.#leasesSeenMicros = this.#world.nowMicros;
    for (let group = 1; group <= this.#subject.groups; group++) {
      let holder = 0;
      for (const { node, machine } of this.#cluster.seats) {
        if (node?.holdsLease(group) !== true) continue;
        demand(
          holder === 0,
          `nodes ${holder} and ${machine.node} both hold the lease of group ${group}`,
        );
        holder = machine.node;
      }
    }
  }

  /** Until every group has taken a write. */
  async #recover(): Promise<void> {
    const world = this.#world;
    const waiting = new Set<number>();
    let isOver = false;
    for (let group = 1; group <= this.#subject.groups; group++) {
      waiting.add(group);
      const ask = async (): Promise<void> => {
        while (!isOver && !(await this.#clients.write('probe', { group, register: 0 }))) {
          await world.sleep(20_000);
        }
        waiting.delete(group);
      };
      ask().catch((error: unknown) => world.fail(error));
    }
    const seconds = RECOVERY_MICROS_MAX / SECOND;
    const isWell = (): boolean => waiting.size === 0 && this.#cluster.areAllUp;
    const came = await this.#pass(isWell, RECOVERY_MICROS_MAX);
    isOver = true;
    demand(
      came,
      `for ${seconds} s all was well, and yet ${[...waiting].map((group) => `group ${group} took no write`).join(', ') || 'not all nodes are up'}`,
    );
  }

  /** Nobody asks anything more, and all replicas become alike. */
  async #settle(): Promise<void> {
    const world = this.#world;
    this.#clients.stop();
    await this.#pass(() => this.#clients.areIdle, SETTLING_MICROS_MAX);
    demand(this.#clients.areIdle, 'a client waits for an answer for ever');
    let isTidy = false;
    const tidy = async (): Promise<void> => {
      while (!(await this.#subject.tidy())) await world.sleep(50_000);
      isTidy = true;
    };
    tidy().catch((error: unknown) => world.fail(error));
    await this.#pass(() => isTidy, SETTLING_MICROS_MAX);
    demand(isTidy, 'all was well for long, and yet a change of members could not be completed');
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
    return {
      seed: this.#options.seed,
      nodes: this.#cluster.seats.length,
      groups: this.#subject.groups,
      simulatedSeconds: Math.round(nowMicros / SECOND),
      operations: clients.operations,
      acknowledged: clients.acknowledged,
      reads: clients.reads,
      unknown: clients.unknown,
      elections: this.#subject.elections,
      crashes: this.#cluster.crashes,
      notes: this.#notes.sorted(),
      faults: [...this.#faults.happened].sort(),
      events: trace.events,
      traceHash: trace.digest(),
    };
  }
}
