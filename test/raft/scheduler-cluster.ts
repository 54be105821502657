// Schedulers of several nodes on the simulated network and disks. Their state machines keep numbers, durably at once;
// snapshots are copies of what another node's has.
import { type Configuration, configurationOf } from '../../src/raft/configuration.ts';
import { classOf } from '../../src/raft/frames.ts';
import { BIRTH, birthMark } from '../../src/raft/birth.ts';
import type { Birth, Leadership, RaftGroup, SnapshotSource } from '../../src/raft/group.ts';
import type { ProposeAnswer } from '../../src/raft/proposals.ts';
import type { LogPosition } from '../../src/raft/terms.ts';
import type { SnapshotMark } from '../../src/raft/ready.ts';
import {
  DEFAULT_SCHEDULER_OPTIONS,
  RaftScheduler,
  type SchedulerOptions,
  type UnknownReplica,
} from '../../src/raft/scheduler.ts';
import { type Entry, nodeOf, type ReplicaId, replicaIdOn } from '../../src/raft/types.ts';
import { createIntervalClock } from '../../src/clock/clock.ts';
import type { IntervalClock } from '../../src/clock/interval-clock.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { Machine } from '../../src/sim/machine.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { type Life, World } from '../../src/sim/world.ts';

export const SECOND = 1_000_000;

export const SMALL_OPTIONS: SchedulerOptions = {
  ...DEFAULT_SCHEDULER_OPTIONS,
  log: { segmentBytes: 8 * 1024, cacheBytes: 2048, writeBytesMax: 4 * 1024, keptSegments: 100 },
};

export function bytesOf(number: number, size = 4): Uint8Array {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

export function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

/** The entry of a split: the other half's numbers are its own from then on. */
export interface SplitEntry {
  readonly child: number;
  readonly proposerNode: number;
}

const SPLIT_BYTES = 9;

export function splitBytes({ child, proposerNode }: SplitEntry): Uint8Array {
  const bytes = bytesOf(child, SPLIT_BYTES);
  bytes[8] = proposerNode;
  return bytes;
}

function splitOf(bytes: Uint8Array): SplitEntry {
  return { child: numberOf(bytes), proposerNode: bytes[8] as number };
}

/** What a state machine has on its disk. */
export class Store {
  numbers: number[] = [];
  appliedIndex = 0;
  installed: SnapshotMark | undefined;
}

/** A replica that runs. */
export class Replica {
  readonly store: Store;
  readonly events: string[] = [];
  readonly configurations: Configuration[] = [];
  leadership: Leadership | undefined;
  group!: RaftGroup;
  /** What onCommitted waits for. */
  hold: Promise<void> | undefined;
  onTransfer: () => Promise<void> = () => Promise.resolve();
  /** A split was applied. */
  onSplit: (split: SplitEntry, entry: LogPosition) => void = () => {};
  /** Replicas that this one knows to be removed. */
  removed: readonly ReplicaId[] = [];
  isToldRemoved = false;

  constructor(store: Store) {
    this.store = store;
  }

  get isLeading(): boolean {
    return this.leadership?.kind === 'leading';
  }

  committed(entries: readonly Entry[]): Promise<void> | undefined {
    for (const { index, kind, data, term } of entries) {
      if (index !== this.store.appliedIndex + 1) throw new Error(`entry ${index} out of order`);
      this.store.appliedIndex = index;
      if (data.length === SPLIT_BYTES) this.onSplit(splitOf(data), { index, term });
      else if (kind === 'command' && data.length > 0) this.store.numbers.push(numberOf(data));
      this.events.push(`entry ${index}`);
    }
    return this.hold;
  }
}

export interface RunOptions {
  readonly incarnation?: number;
  readonly lacksState?: boolean;
  readonly birth?: Birth;
  readonly contact?: ReplicaId;
  /** It may ask all nodes. */
  readonly asksAll?: boolean;
}

/** One node, over its lives. */
export class Node {
  readonly cluster: SchedulerCluster;
  readonly id: number;
  readonly machine: Machine;
  readonly stores: Map<number, Store> = new Map();
  readonly replicas: Map<number, Replica> = new Map();
  readonly unknown: UnknownReplica[] = [];
  readonly failures: string[] = [];
  /** Frames with messages of replicas that were sent, by destination. */
  frames: Map<number, number> = new Map();
  runtime!: Runtime;
  clock!: IntervalClock;
  scheduler!: RaftScheduler;
  life!: Life;

  constructor(cluster: SchedulerCluster, id: number) {
    this.cluster = cluster;
    this.id = id;
    const { world, network } = cluster;
    this.machine = new Machine({
      world,
      network,
      node: id,
      label: ` ${id}`,
      uncertaintyMicros: 100,
    });
  }

  async start(): Promise<void> {
    this.life = this.machine.begin();
    const runtime = this.counted(this.machine.runtime(this.life));
    this.runtime = runtime;
    const clock = createIntervalClock(runtime);
    this.clock = clock;
    this.replicas.clear();
    this.scheduler = await this.cluster.wait(
      RaftScheduler.open({ ...runtime, clock, nodeId: this.id }, 'raft', this.cluster.options),
    );
    this.scheduler.onFailure((error) => {
      this.failures.push(error.message);
      this.cluster.world.fail(error);
    });
    this.scheduler.onUnknownReplica((replica) => this.unknown.push(replica));
  }

  private counted(runtime: Runtime): Runtime {
    const { network } = runtime;
    return {
      ...runtime,
      network: {
        ...network,
        send: (to, frame) => {
          if (classOf(frame) === 'replicas') this.frames.set(to, (this.frames.get(to) ?? 0) + 1);
          network.send(to, frame);
        },
      },
    };
  }

  /** Brings a replica to life, with what its store has. */
  run(groupId: number, configuration?: Configuration, more: RunOptions = {}): Replica {
    const store = this.stores.get(groupId) ?? new Store();
    this.stores.set(groupId, store);
    const replica = new Replica(store);
    replica.onSplit = (split, entry) => this.split(replica, split, entry);
    this.replicas.set(groupId, replica);
    replica.group = this.scheduler.createGroup({
      groupId,
      replicaId: replicaIdOn(this.id, more.incarnation ?? 0),
      appliedIndex: store.appliedIndex,
      ...(configuration === undefined ? {} : { configuration }),
      ...(store.installed === undefined ? {} : { startAt: store.installed }),
      ...(more.lacksState === undefined ? {} : { lacksState: more.lacksState }),
      ...(more.birth === undefined ? {} : { birth: more.birth }),
      ...(more.contact === undefined ? {} : { contact: more.contact }),
      ...(more.asksAll === true ? { anybody: () => this.cluster.nodes.map(({ id }) => id) } : {}),
      onCommitted: (entries) => replica.committed(entries),
      onLeadership: (leadership) => {
        replica.leadership = leadership;
        replica.events.push(leadership.kind);
      },
      onTransfer: () => {
        replica.events.push('transfer');
        return replica.onTransfer();
      },
      onChange: (changed) => replica.configurations.push(changed),
      wasRemoved: (one) => replica.removed.includes(one),
      onRemoved: () => {
        replica.isToldRemoved = true;
        return true;
      },
      pullSnapshot: (source) => this.pull(replica, groupId, source),
    });
    return replica;
  }

  /** P25, P26: what a split leaves is there already where the node has stopped since. */
  private split(parent: Replica, { child, proposerNode }: SplitEntry, entry: LogPosition): void {
    const replicaId = replicaIdOn(this.id, 0);
    if (!this.scheduler.mayBeBorn(child, replicaId)) return;
    if (this.stores.get(child)?.installed !== undefined) return;
    const store = new Store();
    store.numbers = [...parent.store.numbers];
    store.appliedIndex = BIRTH.index;
    store.installed = birthMark(this.cluster.founders);
    this.stores.set(child, store);
    const proposer = replicaIdOn(proposerNode, 0);
    this.run(child, undefined, { birth: { parent: parent.group, entry, proposer } });
  }

  private async pull(
    replica: Replica,
    groupId: number,
    { from, index }: SnapshotSource,
  ): Promise<SnapshotMark | undefined> {
    const { world } = this.cluster;
    replica.events.push('pull');
    if (this.cluster.isUnsplitOn(this, groupId)) return undefined;
    await world.sleep(20_000, this.life);
    const source = this.cluster.node(nodeOf(from));
    const sender = source.replicas.get(groupId);
    if (sender === undefined || !source.life.alive) throw new Error('nobody is there');
    if (sender.store.appliedIndex < index) throw new Error('it has less than was offered');
    const { numbers, appliedIndex } = sender.store;
    const mark = source.scheduler.snapshotMark(sender.group, appliedIndex);
    await world.sleep(20_000, this.life);
    replica.store.numbers = [...numbers];
    replica.store.appliedIndex = mark.index;
    replica.store.installed = mark;
    replica.events.push(`installed ${mark.index}`);
    return mark;
  }

  replica(groupId = 1): Replica {
    const replica = this.replicas.get(groupId);
    if (replica === undefined) throw new Error(`node ${this.id} has no replica of ${groupId}`);
    return replica;
  }

  propose(number: number, groupId = 1, size = 4): Promise<ProposeAnswer> {
    return this.scheduler.propose(this.replica(groupId).group, bytesOf(number, size));
  }

  /** The process dies, or power goes. */
  crash(keepsPower = false): void {
    this.machine.end(this.cluster.world.random.fork(`crash of ${this.id}`), keepsPower);
  }
}

export interface ClusterOptions {
  readonly seed?: number;
  readonly nodes?: number;
  readonly groups?: number;
  readonly options?: SchedulerOptions;
  readonly bugs?: ReadonlySet<string>;
}

export class SchedulerCluster {
  readonly world: World;
  readonly network: SimNetwork;
  readonly options: SchedulerOptions;
  readonly nodes: Node[] = [];
  private readonly children = new Set<number>();
  readonly groups: number;
  readonly founders: Configuration;

  private constructor({ seed = 1, nodes = 3, groups = 1, options, bugs }: ClusterOptions) {
    this.world = new World(seed, bugs);
    this.network = new SimNetwork(this.world);
    this.options = options ?? SMALL_OPTIONS;
    this.groups = groups;
    for (let id = 1; id <= nodes; id++) this.nodes.push(new Node(this, id));
    this.founders = configurationOf(this.nodes.map(({ id }) => replicaIdOn(id, 0)));
  }

  static async start(options: ClusterOptions = {}): Promise<SchedulerCluster> {
    const cluster = new SchedulerCluster(options);
    for (const node of cluster.nodes) await cluster.startNode(node);
    return cluster;
  }

  /** With a replica of every group that it is a member of. */
  async startNode(node: Node): Promise<void> {
    await node.start();
    const known = node.scheduler.knownGroups;
    const isHere = (groupId: number): boolean => !this.isUnsplitOn(node, groupId);
    if (known.length > 0) for (const groupId of known.filter(isHere)) node.run(groupId);
    else for (let id = 1; id <= this.groups; id++) node.run(id, this.founders);
  }

  /** Divides group 1 by an entry that `node` proposes. */
  split(node: Node, child: number): Promise<ProposeAnswer> {
    this.children.add(child);
    const data = splitBytes({ child, proposerNode: node.id });
    return node.scheduler.propose(node.replica().group, data);
  }

  /** P26: whether the node has a replica of group 1 that will give birth to one of that group. */
  isUnsplitOn(node: Node, groupId: number): boolean {
    return this.children.has(groupId) && node.stores.get(groupId)?.installed === undefined;
  }

  /** Another node, without any replica. */
  async addNode(): Promise<Node> {
    const node = new Node(this, this.nodes.length + 1);
    this.nodes.push(node);
    await node.start();
    return node;
  }

  node(id: number): Node {
    return this.nodes[id - 1] as Node;
  }

  async wait<T>(promise: Promise<T>, seconds = 30): Promise<T> {
    let outcome: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await this.until(() => outcome !== undefined, 'a promise', seconds);
    const settled = outcome as unknown as { value: T } | { error: unknown };
    if ('error' in settled) throw settled.error;
    return settled.value;
  }

  async until(done: () => boolean, what: string, seconds = 30): Promise<void> {
    const { world } = this;
    const came = await world.run(done, world.nowMicros + seconds * SECOND);
    if (!came) throw new Error(`${what} did not come within ${seconds} simulated seconds`);
  }

  async pass(seconds: number): Promise<void> {
    const { world } = this;
    await world.run(() => false, world.nowMicros + seconds * SECOND);
  }

  /** The node that leads, once one does. */
  async leader(groupId = 1, among: readonly Node[] = this.nodes): Promise<Node> {
    let leading: Node | undefined;
    await this.until(() => {
      leading = among.find(
        ({ life, replicas }) => life.alive && replicas.get(groupId)?.isLeading === true,
      );
      return leading !== undefined;
    }, `a leader of group ${groupId}`);
    return leading as Node;
  }

  /** Leadership of a group by this node. */
  async lead(node: Node, groupId = 1): Promise<void> {
    while (!node.replica(groupId).isLeading) {
      const leader = await this.leader(groupId);
      if (leader === node) return;
      const to: ReplicaId = node.replica(groupId).group.options.replicaId;
      await this.wait(leader.scheduler.transfer(leader.replica(groupId).group, to));
    }
  }

  /** All replicas that run have the same numbers. */
  async agree(groupId = 1): Promise<readonly number[]> {
    const lists = (): string[] => [
      ...new Set(
        this.nodes
          .filter(({ life, replicas }) => life.alive && replicas.has(groupId))
          .map((node) => node.replica(groupId).store.numbers.join(',')),
      ),
    ];
    await this.until(() => lists().length === 1, 'agreement');
    return (lists()[0] as string).split(',').filter(Boolean).map(Number);
  }

  isolate(node: Node): void {
    for (const other of this.nodes) {
      if (other === node) continue;
      this.network.cut(node.id, other.id);
      this.network.cut(other.id, node.id);
    }
  }

  others(...nodes: readonly Node[]): Node[] {
    return this.nodes.filter((node) => !nodes.includes(node));
  }
}
