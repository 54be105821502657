// One seed of a simulated cluster whose nodes are nothing but Raft (cluster/raft-node.ts): clients read and write
// registers of several groups, everything goes wrong that may, and now and then all is well for a while, when every group
// must soon take writes again. Raft's invariants are looked at all the time, leases too; at the end all replicas must be
// alike, and what the clients were told must have happened in some order. The whole run is a function of the seed.

import { DEFAULT_SCHEDULER_OPTIONS, type SchedulerOptions } from '../raft/scheduler.ts';
import { configurationOf, membersOf } from '../raft/configuration.ts';
import { nodeOf, type ReplicaId, replicaIdOn } from '../raft/types.ts';
import { nameOf, RaftInvariants } from './checkers/raft-invariants.ts';
import { checkRegisters, formatViolation } from './checkers/register.ts';
import { Clients } from './cluster/clients.ts';
import { Cluster } from './cluster/cluster.ts';
import { ClusterFaults } from './cluster/faults.ts';
import { Membership } from './cluster/membership.ts';
import { type ClusterShape, type PlanName, shapeOf } from './cluster/plans.ts';
import { RaftNode, type Running } from './cluster/raft-node.ts';
import { RegisterStore, StoredReplica } from './cluster/register-store.ts';
import { SimNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';
import { demand, SimulationFailure, Violation } from './violation.ts';
import { World } from './world.ts';

const SECOND = 1_000_000;
const CLIENTS = 6;
const REGISTERS = 3;
/** Things go wrong for about so long, between times in which all is well. */
const BAD_MICROS_MAX = 20 * SECOND;
/** When all is well, every group takes a write within this time. */
const RECOVERY_MICROS_MAX = 15 * SECOND;
/** And all replicas are alike, once nobody asks anything any more. */
const SETTLING_MICROS_MAX = 30 * SECOND;
const LEASE_CHECK_MICROS = 5_000;

export interface ClusterRunOptions {
  readonly seed: number;
  /** Simulated. */
  readonly seconds: number;
  readonly plan?: PlanName;
  readonly nodes?: number;
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
  const run = new ClusterRun(options);
  try {
    return await run.run();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new SimulationFailure(`seed ${options.seed}, ${run.whereabouts}: ${text}`);
  }
}

class ClusterRun {
  readonly #options: ClusterRunOptions;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #groups: number;
  readonly #invariants = new RaftInvariants();
  readonly #cluster: Cluster<RaftNode>;
  readonly #stores: readonly RegisterStore[];
  readonly #clients: Clients<RaftNode>;
  readonly #faults: ClusterFaults<RaftNode>;
  readonly #membership: Membership;
  readonly #scheduler: SchedulerOptions;
  readonly #notes = new Map<string, number>();

  constructor(options: ClusterRunOptions) {
    this.#options = options;
    const world = new World(options.seed, options.bugs);
    this.#world = world;
    const random = world.random.fork('run');
    this.#random = random;
    const shape = { ...shapeOf(options.plan ?? 'any', random, options.nodes), ...options.shape };
    this.#groups = shape.groups;
    const network = new SimNetwork(world);
    this.#scheduler = {
      ...DEFAULT_SCHEDULER_OPTIONS,
      log: { ...DEFAULT_SCHEDULER_OPTIONS.log, segmentBytes: 16 << 10 },
    };
    this.#cluster = new Cluster({
      world,
      network,
      nodes: shape.nodes,
      uncertaintyMicros: shape.uncertaintyMicros,
      onLog: (node, level, message, fields) => {
        const at = (world.nowMicros / SECOND).toFixed(6);
        options.onLog?.(node, level, `${at} node ${node} ${message} ${JSON.stringify(fields)}`);
      },
      open: (machine, life, broken) =>
        RaftNode.open({
          runtime: machine.runtime(life),
          node: machine.node,
          store: this.#stores[machine.node - 1] as RegisterStore,
          scheduler: this.#scheduler,
          invariants: this.#invariants,
          flushMicros: SECOND,
          keptEntriesMax: shape.keptEntriesMax,
          note: (kind) => this.#note(kind),
          broken,
        }),
      note: (kind) => void this.#faults.happened.add(kind),
    });
    this.#stores = this.#cluster.seats.map(({ machine }) => {
      const store = new RegisterStore();
      machine.keepers.push(store);
      return store;
    });
    this.#membership = new Membership(
      world,
      this.#cluster,
      this.#stores,
      shape.membership,
      (kind) => this.#note(kind),
    );
    this.#found();
    this.#clients = new Clients(world, this.#cluster, {
      clients: CLIENTS,
      groups: shape.groups,
      hotGroupsMax: shape.hotGroupsMax,
      registersPerGroup: REGISTERS,
    });
    this.#faults = new ClusterFaults(world, network, this.#cluster, shape.faults);
  }

  get whereabouts(): string {
    const { crashes, seats } = this.#cluster;
    const at = (this.#world.nowMicros / SECOND).toFixed(6);
    return `${seats.length} nodes, ${this.#groups} groups, ${crashes} crashes, at ${at} s`;
  }

  #note(kind: string): void {
    this.#notes.set(kind, (this.#notes.get(kind) ?? 0) + 1);
  }

  /** Every group begins with voters on some of the nodes. */
  #found(): void {
    const nodes = this.#stores.length;
    for (let group = 1; group <= this.#groups; group++) {
      const voters = nodes <= 3 || this.#random.oneIn(2) ? nodes : nodes - 2;
      const first = this.#random.below(nodes);
      const members = Array.from({ length: voters }, (_, i) => 1 + ((first + i) % nodes));
      const founders = configurationOf(members.map((node) => replicaIdOn(node, 0)));
      this.#membership.govern(group, founders);
      for (const node of members) {
        const replica = new StoredReplica(group, replicaIdOn(node, 0), founders);
        this.#stores[node - 1]?.replicas.set(group, replica);
      }
    }
  }

  async run(): Promise<ClusterRunReport> {
    const world = this.#world;
    const end = this.#options.seconds * SECOND;
    this.#faults.heal();
    this.#watchLeases();
    this.#clients.start();
    await this.#recover();
    while (world.nowMicros < end) {
      this.#faults.begin();
      this.#membership.begin();
      await world.run(() => false, world.nowMicros + SECOND + this.#random.below(BAD_MICROS_MAX));
      this.#faults.heal();
      this.#membership.pause();
      await this.#recover();
    }
    await this.#settle();
    await this.#lastReads();
    this.#judge();
    return this.#report();
  }

  /** P1, seen from outside: no group's lease is held twice. */
  #watchLeases(): void {
    this.#world.after(LEASE_CHECK_MICROS, undefined, () => {
      for (let group = 1; group <= this.#groups; group++) {
        const holders = this.#cluster.seats.filter(({ node }) => node?.holdsLease(group));
        const names = holders.map(({ machine }) => machine.node).join(' and ');
        if (holders.length > 1) {
          this.#world.fail(new Violation(`nodes ${names} both hold the lease of group ${group}`));
        }
      }
      this.#watchLeases();
    });
  }

  /** Until every group has taken a write. */
  async #recover(): Promise<void> {
    const world = this.#world;
    const waiting = new Set<number>();
    let isOver = false;
    for (let group = 1; group <= this.#groups; group++) {
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
    const came = await world.run(isWell, world.nowMicros + RECOVERY_MICROS_MAX);
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
    await world.run(() => this.#clients.areIdle, world.nowMicros + SETTLING_MICROS_MAX);
    demand(this.#clients.areIdle, 'a client waits for an answer for ever');
    let difference: string | undefined = 'nothing was looked at';
    await world.run(() => {
      difference = this.#difference();
      return difference === undefined;
    }, world.nowMicros + SETTLING_MICROS_MAX);
    demand(difference === undefined, `all was well for long, and yet ${difference}`);
  }

  /** How replicas differ; undefined when they are alike. */
  #difference(): string | undefined {
    for (let group = 1; group <= this.#groups; group++) {
      const committed = this.#invariants.committedIndex(group);
      const members = this.#members(group);
      if (members === undefined) return `nobody leads group ${group}`;
      for (const replica of members) {
        const running = this.#replica(group, replica);
        if (running === undefined) return `${nameOf(replica)} of group ${group} does not run`;
        const { appliedIndex } = running.stored.state;
        if (appliedIndex !== committed) {
          return `${nameOf(replica)} of group ${group} has applied ${appliedIndex} of ${committed}`;
        }
      }
    }
    return undefined;
  }

  /** As the leader knows them; undefined without one. */
  #members(group: number): readonly ReplicaId[] | undefined {
    const leader = this.#cluster.running.find((node) => node.leads(group) !== undefined);
    const configuration = leader?.configuration(group);
    return configuration === undefined ? undefined : membersOf(configuration);
  }

  #replica(group: number, replica: ReplicaId): Running | undefined {
    const running = this.#cluster.seat(nodeOf(replica)).node?.running.get(group);
    return running?.stored.replica === replica ? running : undefined;
  }

  async #lastReads(): Promise<void> {
    const world = this.#world;
    let left = this.#groups * REGISTERS;
    const read = async (group: number, register: number): Promise<void> => {
      while (!(await this.#clients.read('last look', { group, register })))
        await world.sleep(20_000);
      left -= 1;
    };
    for (let group = 1; group <= this.#groups; group++) {
      for (let register = 0; register < REGISTERS; register++) {
        read(group, register).catch((error: unknown) => world.fail(error));
      }
    }
    const done = await world.run(() => left === 0, world.nowMicros + RECOVERY_MICROS_MAX);
    demand(done, 'all was well, and yet not all registers could be read');
  }

  #judge(): void {
    for (let group = 1; group <= this.#groups; group++) {
      const members = this.#members(group) ?? [];
      const replicas = members.flatMap((replica) => this.#replica(group, replica) ?? []);
      const states = replicas.map(({ stored }) =>
        JSON.stringify([...stored.state.values].sort(([a], [b]) => a - b)),
      );
      demand(
        new Set(states).size <= 1,
        `replicas of group ${group} that have applied the same differ: ${states.join(' / ')}`,
      );
      this.#invariants.checkLogs(
        group,
        replicas.map(({ group: raft }) => RaftNode.logOf(raft)),
      );
    }
    const violation = checkRegisters(this.#clients.history.operations);
    demand(violation === undefined, violation === undefined ? '' : formatViolation(violation));
  }

  #report(): ClusterRunReport {
    const clients = this.#clients;
    const { trace, nowMicros } = this.#world;
    return {
      seed: this.#options.seed,
      nodes: this.#cluster.seats.length,
      groups: this.#groups,
      simulatedSeconds: Math.round(nowMicros / SECOND),
      operations: clients.operations,
      acknowledged: clients.acknowledged,
      reads: clients.reads,
      unknown: clients.unknown,
      elections: this.#invariants.elections,
      crashes: this.#cluster.crashes,
      notes: Object.fromEntries([...this.#notes].sort(([a], [b]) => (a < b ? -1 : 1))),
      faults: [...this.#faults.happened].sort(),
      events: trace.events,
      traceHash: trace.digest(),
    };
  }
}
