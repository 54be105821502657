// A cluster as placement sees it, in virtual time: nodes report, suspect and decide as real ones do (the driver, the
// allocator and the statuses are the node's own); ranges, snapshots and elections are modelled. Every change of replicas
// is judged: it must leave a majority alive, and never fewer voters than the factor asks for.

import { factorOf, quorum } from '../../src/node/placement/allocator-repair.ts';
import type { NodeReport } from '../../src/node/placement/node-report.ts';
import { GivenLoads, NodeStatuses } from '../../src/node/placement/node-status.ts';
import {
  type PlacedRange,
  PlacementDriver,
  type ReplicaStep,
} from '../../src/node/placement/placement-driver.ts';
import type { NodeRecord, NodeState } from '../../src/node/placement/registry.ts';
import { SETTINGS, type SettingName } from '../../src/node/placement/settings.ts';
import {
  applyChange,
  type Change,
  type Configuration,
  configurationOf,
  isJoint,
} from '../../src/raft/configuration.ts';
import { nodeOf, replicaIdOn } from '../../src/raft/types.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { World } from '../../src/sim/world.ts';

export const SECOND = 1_000_000;
const MIB = 1024 * 1024;
const RATE_SECONDS = 3;
const SNAPSHOT_BYTES_PER_SECOND = 64 * MIB;
const ELECTION_MICROS = 2 * SECOND;

export interface Move {
  readonly atMicros: number;
  readonly text: string;
}

export class ModelRange {
  readonly range: number;
  configuration: Configuration;
  leader: number;
  bytes: number;
  /** What clients ask for, in microseconds of the leader's time each second; a part of it falls on followers too. */
  load = 0;
  followShare = 0.2;
  /** As far as the leader has noticed. */
  measured = 0;
  generation = 1;
  incarnation = 1;
  readonly caughtUp: Set<number> = new Set<number>();

  constructor(range: number, nodes: readonly number[], bytes: number) {
    this.range = range;
    this.configuration = configurationOf(nodes.map((node) => replicaIdOn(node, 0)));
    this.leader = nodes[0] as number;
    this.bytes = bytes;
    for (const node of nodes) this.caughtUp.add(node);
  }

  get voters(): readonly number[] {
    return this.configuration.voters.map(nodeOf);
  }

  get nodes(): readonly number[] {
    return [
      ...this.voters,
      ...this.configuration.outgoing.map(nodeOf),
      ...this.configuration.learners.map(nodeOf),
    ];
  }
}

export class ModelNode {
  readonly node: number;
  readonly capacity: number;
  readonly locality: string;
  readonly statuses: NodeStatuses;
  readonly given: GivenLoads;
  readonly driver: PlacementDriver;
  isAlive = true;
  isDraining = false;
  sequence = 0;

  constructor(cluster: ModelCluster, node: number, capacity: number, locality: string) {
    this.node = node;
    this.capacity = capacity;
    this.locality = locality;
    const time = { monotonicMicros: () => cluster.world.nowMicros };
    this.given = new GivenLoads(time);
    this.statuses = new NodeStatuses({
      self: node,
      time,
      nodes: () => cluster.records,
      suspectMicros: () => cluster.setting('node.suspect_after'),
      deadMicros: () => cluster.setting('node.dead_after'),
    });
    this.driver = new PlacementDriver({
      self: node,
      time,
      timers: { after: () => ({ [Symbol.dispose]: () => {} }), soon: () => {} },
      log: {
        info: (message, fields) =>
          cluster.noteMove(message, JSON.stringify({ by: node, ...fields })),
        warn: (message, fields) => cluster.log.push(`${message} ${JSON.stringify(fields)}`),
        error: () => {},
      },
      settings: { get: (name) => cluster.setting(name) },
      given: this.given,
      ranges: () => cluster.placed(node),
      nodes: () => this.statuses.views(),
      isReady: () => true,
    });
  }
}

export class ModelCluster {
  readonly world: World;
  readonly random: SeededRandom;
  readonly nodes: Map<number, ModelNode> = new Map();
  /** What a node learns of itself varies by up to this share. */
  capacityNoise = 0;
  records: readonly NodeRecord[] = [];
  ranges: ModelRange[] = [];
  readonly settings: Map<SettingName, number> = new Map();
  readonly moves: Move[] = [];
  readonly log: string[] = [];
  noise = 0.03;

  constructor(seed: number) {
    this.world = new World(seed);
    this.random = this.world.random.fork('placement');
  }

  setting(name: SettingName): number {
    return this.settings.get(name) ?? SETTINGS[name].defaultValue;
  }

  private capacityShown(): number {
    if (this.capacityNoise === 0) return 1;
    return 1 + this.capacityNoise * (this.random.below(2001) / 1000 - 1);
  }

  addNode(node: number, options: { capacity?: number; locality?: string } = {}): ModelNode {
    const { capacity = SECOND, locality = '' } = options;
    const record: NodeRecord = {
      nodeId: node,
      rpc: '',
      sql: '',
      http: '',
      locality,
      state: 'active',
      instanceId: String(node),
    };
    this.records = [...this.records, record];
    const made = new ModelNode(this, node, capacity, locality);
    this.nodes.set(node, made);
    this.world.after(this.random.below(SECOND), undefined, () => this.beat(made));
    return made;
  }

  setState(node: number, state: NodeState): void {
    this.records = this.records.map((one) => (one.nodeId === node ? { ...one, state } : one));
  }

  kill(node: number): void {
    const dead = this.nodes.get(node) as ModelNode;
    dead.isAlive = false;
    for (const range of this.ranges) {
      if (range.leader === node)
        this.world.after(ELECTION_MICROS, undefined, () => this.elect(range));
    }
  }

  private elect(range: ModelRange): void {
    const alive = range.voters.filter((node) => this.isAlive(node));
    if (this.isAlive(range.leader) || alive.length < quorum(range.voters.length)) return;
    range.leader = alive[this.random.below(alive.length)] as number;
    range.measured = 0;
  }

  isAlive(node: number): boolean {
    return this.nodes.get(node)?.isAlive === true;
  }

  async run(seconds: number): Promise<void> {
    await this.world.run(() => false, this.world.nowMicros + seconds * SECOND);
  }

  /** Once a second for each node: rates follow the load, all are told, and it looks at its ranges. */
  private beat(one: ModelNode): void {
    this.world.after(SECOND, undefined, () => this.beat(one));
    if (!one.isAlive) return;
    const weight = 1 - Math.exp(-1 / RATE_SECONDS);
    for (const range of this.ranges) {
      if (range.leader !== one.node) continue;
      const noisy = range.load * (1 + this.noise * (this.random.below(2001) / 1000 - 1));
      range.measured += (noisy - range.measured) * weight;
    }
    const report = this.reportOf(one);
    one.statuses.tell(report);
    this.world.after(500 + this.random.below(5_000), undefined, () => {
      for (const other of this.nodes.values()) {
        if (other !== one && other.isAlive) other.statuses.take(report);
      }
    });
    one.driver.look();
  }

  private reportOf(one: ModelNode): NodeReport {
    const { node } = one;
    let followLoad = 0;
    const holds = new Map<number, number>();
    let leadLoad = 0;
    let leases = 0;
    let replicas = 0;
    for (const range of this.ranges) {
      const isHere = range.nodes.includes(node);
      if (isHere) replicas += 1;
      if (isHere && range.leader !== node) followLoad += range.measured * range.followShare;
      if (range.leader !== node) continue;
      leases += 1;
      leadLoad += range.measured;
      for (const other of new Set(range.nodes)) {
        holds.set(other, (holds.get(other) ?? 0) + range.bytes);
      }
    }
    one.sequence += 1;
    return {
      node,
      bootId: 1,
      sequence: one.sequence,
      isDraining: one.isDraining,
      capacity: one.capacity * this.capacityShown(),
      leadLoad,
      followLoad,
      leases,
      replicas,
      roomBytes: 1024 * 1024 * MIB,
      readsPerSecond: 0,
      writesPerSecond: 0,
      given: one.given.list(),
      holds: [...holds],
      heard: one.statuses.heardAges(),
    };
  }

  *placed(node: number): Generator<PlacedRange> {
    for (const range of this.ranges) {
      if (range.nodes.includes(node)) yield this.placedRange(range, node);
    }
  }

  private placedRange(range: ModelRange, node: number): PlacedRange {
    return {
      range: range.range,
      descriptor: {
        range: range.range,
        span: { start: new Uint8Array(0), end: undefined },
        generation: range.generation,
        configuration: range.configuration,
        nextIncarnation: range.incarnation,
        stickyUntil: 0 as never,
      },
      isLeading: range.leader === node,
      bytes: range.bytes,
      factor: this.setting('replication.factor'),
      leadLoad: range.measured,
      followLoad: range.measured * range.followShare,
      isCaughtUp: (other) => this.isAlive(other) && range.caughtUp.has(other),
      transferTo: (to) => this.transfer(range, node, to),
      changeReplicas: (step) => this.change(range, node, step),
    };
  }

  private async transfer(range: ModelRange, from: number, to: number): Promise<void> {
    await this.world.sleep(5_000 + this.random.below(50_000));
    if (range.leader !== from || !this.isAlive(from)) throw new Error('it does not lead any more');
    if (!this.isAlive(to) || !range.voters.includes(to)) throw new Error(`node ${to} can't lead`);
    range.leader = to;
    range.measured = 0;
  }

  private async change(range: ModelRange, by: number, step: ReplicaStep): Promise<void> {
    const replicaOn = (node: number): number => {
      const all = [...range.configuration.voters, ...range.configuration.learners];
      return (
        all.find((replica) => nodeOf(replica) === node) ?? replicaIdOn(node, range.incarnation++)
      );
    };
    switch (step.kind) {
      case 'addLearner':
        await this.propose(range, by, {
          kind: 'simple',
          steps: [{ kind: 'addLearner', replica: replicaOn(step.node) }],
        });
        this.sendSnapshot(range, step.node);
        return;
      case 'remove':
        await this.propose(range, by, {
          kind: 'simple',
          steps: [{ kind: 'remove', replica: replicaOn(step.node) }],
        });
        range.caughtUp.delete(step.node);
        return;
      case 'promote': {
        const add = { kind: 'addVoter', replica: replicaOn(step.node) } as const;
        if (step.instead === undefined) {
          await this.propose(range, by, { kind: 'simple', steps: [add] });
          return;
        }
        const remove = { kind: 'remove', replica: replicaOn(step.instead) } as const;
        await this.propose(range, by, {
          kind: 'enterJoint',
          autoLeave: true,
          steps: [add, remove],
        });
        await this.propose(range, by, { kind: 'leaveJoint' });
        range.caughtUp.delete(step.instead);
      }
    }
  }

  private sendSnapshot(range: ModelRange, node: number): void {
    const micros = (range.bytes / SNAPSHOT_BYTES_PER_SECOND) * SECOND + 100_000;
    this.world.after(micros, undefined, () => {
      if (this.isAlive(node) && range.nodes.includes(node)) range.caughtUp.add(node);
    });
  }

  private async propose(range: ModelRange, by: number, change: Change): Promise<void> {
    await this.world.sleep(5_000 + this.random.below(20_000));
    if (range.leader !== by || !this.isAlive(by)) throw new Error('it does not lead any more');
    const before = range.configuration;
    const result = applyChange(before, change);
    if (result.kind === 'refused') throw new Error(result.reason);
    const after = result.configuration;
    this.judge(range, before, after);
    range.configuration = after;
    range.generation += 1;
  }

  private judge(range: ModelRange, before: Configuration, after: Configuration): void {
    const alive = (replicas: readonly number[]): number =>
      replicas.filter((replica) => this.isAlive(nodeOf(replica))).length;
    for (const half of [after.voters, after.outgoing]) {
      if (half.length > 0 && alive(half) < quorum(half.length)) {
        this.world.fail(
          new Error(`range ${range.range} loses its majority: ${JSON.stringify(after)}`),
        );
      }
    }
    if (
      after.voters.some(
        (replica) => !range.caughtUp.has(nodeOf(replica)) && !before.voters.includes(replica),
      )
    ) {
      this.world.fail(new Error(`range ${range.range}: a voter that has nothing`));
    }
    const staying = this.records.filter(({ state }) => state === 'active').length;
    const least = factorOf(this.setting('replication.factor'), staying);
    if (!isJoint(after) && after.voters.length < Math.min(before.voters.length, least)) {
      this.world.fail(
        new Error(`range ${range.range} has ${after.voters.length} voters, ${least} are wanted`),
      );
    }
    if (!after.voters.some((replica) => nodeOf(replica) === range.leader)) {
      this.world.fail(new Error(`range ${range.range} removes its leader`));
    }
  }

  noteMove(message: string, fields: string): void {
    this.moves.push({ atMicros: this.world.nowMicros, text: `${message} ${fields}` });
  }

  movesSince(micros: number): readonly string[] {
    return this.moves
      .filter(({ atMicros }) => atMicros >= micros)
      .map(({ atMicros, text }) => `${(atMicros / SECOND).toFixed(1)} ${text}`);
  }

  /** True load of each node that lives, as a share of what it can do; and of even. */
  evenness(): { readonly even: number; readonly busy: ReadonlyMap<number, number> } {
    const load = new Map<number, number>();
    const add = (node: number, more: number): void =>
      void load.set(node, (load.get(node) ?? 0) + more);
    for (const range of this.ranges) {
      for (const node of range.voters)
        add(node, node === range.leader ? range.load : range.load * range.followShare);
    }
    const alive = [...this.nodes.values()].filter((one) => one.isAlive && this.takes(one));
    let all = 0;
    let capacity = 0;
    for (const one of alive) {
      all += load.get(one.node) ?? 0;
      capacity += one.capacity;
    }
    const busy = new Map(alive.map((one) => [one.node, (load.get(one.node) ?? 0) / one.capacity]));
    return { even: all / capacity, busy };
  }

  private takes(one: ModelNode): boolean {
    const state = this.records.find(({ nodeId }) => nodeId === one.node)?.state;
    return !one.isDraining && state === 'active';
  }
}
