// A cluster of nodes that are nothing but Raft (raft-node.ts): groups come to be with voters on some of the nodes, their
// members change, and whatever is committed or led is looked at.

import { configurationOf, membersOf } from '../../raft/configuration.ts';
import { DEFAULT_SCHEDULER_OPTIONS, type SchedulerOptions } from '../../raft/scheduler.ts';
import { nodeOf, type ReplicaId, replicaIdOn } from '../../raft/types.ts';
import { logView, nameOf, RaftInvariants } from '../checkers/raft-invariants.ts';
import type { Machine } from '../machine.ts';
import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';
import type { Life, World } from '../world.ts';
import type { Cluster } from './cluster.ts';
import { Membership } from './membership.ts';
import type { ClusterShape } from './plans.ts';
import { RaftNode, type Running } from './raft-node.ts';
import { RegisterStore, StoredReplica } from './register-store.ts';
import { demandOneHolder, NO_WORK, REGISTER_CLIENTS, type Subject } from './subject.ts';
import type { Probe, WorkCounts } from './work.ts';

const FLUSH_MICROS = 1_000_000;
const SEGMENT_BYTES = 16 << 10;

export class RaftSubject implements Subject<RaftNode> {
  readonly groups: number;
  readonly registersPerGroup = 3;
  readonly clients: number = REGISTER_CLIENTS;
  readonly counts: WorkCounts = NO_WORK;
  readonly lookMicros = 500;
  onElected: (node: number) => void = () => {};
  onHandOver: (node: number) => void = () => {};
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #shape: ClusterShape;
  readonly #note: (kind: string) => void;
  readonly #invariants = new RaftInvariants();
  readonly #scheduler: SchedulerOptions;
  #cluster!: Cluster<RaftNode>;
  #stores: readonly RegisterStore[] = [];
  #membership!: Membership;

  constructor(world: World, shape: ClusterShape, note: (kind: string) => void) {
    this.groups = shape.groups;
    this.#world = world;
    this.#random = world.random.fork('raft');
    this.#shape = shape;
    this.#note = note;
    this.#scheduler = {
      ...DEFAULT_SCHEDULER_OPTIONS,
      log: { ...DEFAULT_SCHEDULER_OPTIONS.log, segmentBytes: SEGMENT_BYTES },
      timing: shape.timing,
      retention: shape.retention,
      observer: this.#invariants.observer((replica) => this.onElected(nodeOf(replica))),
    };
  }

  get elections(): number {
    return this.#invariants.elections;
  }

  async prepare(cluster: Cluster<RaftNode>): Promise<void> {
    this.#cluster = cluster;
    this.#stores = cluster.seats.map(({ machine }) => {
      const store = new RegisterStore();
      machine.keepers.push(store);
      return store;
    });
    const { membership } = this.#shape;
    this.#membership = new Membership(this.#world, cluster, this.#stores, membership, this.#note);
    for (let group = 1; group <= this.groups; group++) this.#found(group);
  }

  /** A group begins with voters on some of the nodes. */
  #found(group: number): void {
    const nodes = this.#stores.length;
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

  open(machine: Machine, life: Life, broken: (error: Error) => void): Promise<RaftNode> {
    return RaftNode.open({
      runtime: machine.runtime(life),
      node: machine.node,
      store: this.#stores[machine.node - 1] as RegisterStore,
      scheduler: this.#scheduler,
      clockReserveMicros: this.#shape.clockReserveMicros,
      flushMicros: FLUSH_MICROS,
      note: this.#note,
      onHandOver: () => this.onHandOver(machine.node),
      broken,
    });
  }

  async furnish(): Promise<void> {}

  probes(): readonly Probe[] {
    return [];
  }

  look(): void {
    for (let group = 1; group <= this.groups; group++) demandOneHolder(this.#cluster, group);
  }

  begin(): void {
    this.#membership.begin();
  }

  pause(): void {
    this.#membership.pause();
  }

  async tidy(): Promise<string | undefined> {
    const isTidy = await this.#membership.tidy();
    return isTidy ? undefined : 'a change of members could not be completed';
  }

  tell(): string {
    return this.difference() ?? 'all replicas are alike';
  }

  difference(): string | undefined {
    for (let group = 1; group <= this.groups; group++) {
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

  async judge(): Promise<void> {
    for (let group = 1; group <= this.groups; group++) {
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
        replicas.map(({ group: { core, log } }) => logView(core, log)),
      );
    }
  }
}
