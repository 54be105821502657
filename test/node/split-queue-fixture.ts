// A cluster of nodes with nothing but ranges, their load, and the queue that splits and merges them: no replicas, no
// log. Time is a FakeWorld's; traffic is made by the test.

import { compareBytes } from '../../src/base/bytes.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../../src/clock/timestamp.ts';
import { LoadKeeper } from '../../src/node/load/load-keeper.ts';
import { SplitQueue } from '../../src/node/load/split-queue.ts';
import type { LedRange, Neighbour, SplitLimits } from '../../src/node/load/split-queue-range.ts';
import { DEFAULT_SPLIT_LIMITS } from '../../src/node/load/split-queue-rules.ts';
import type { NodeView } from '../../src/node/placement/placement.ts';
import { holdsKey, type RangeDescriptor, splitAt } from '../../src/ranges/descriptor.ts';
import { firstDescriptors } from '../../src/ranges/layout.ts';
import type { RangeLoad } from '../../src/ranges/load/range-load.ts';
import type { NodeId } from '../../src/runtime/runtime.ts';
import type { Span } from '../../src/storage/engine.ts';
import { FakeWorld } from '../clock/fake.ts';
import { idOf, rowKey } from '../ranges/load/traffic.ts';

export const ROW_BYTES = 100;
/** Of what is read and written to make load: large, so that few requests do. */
const LOAD_BYTES = 40_000;

class FakeRange implements LedRange {
  descriptor: RangeDescriptor;
  leader: FakeNode;
  load: RangeLoad;
  private readonly cluster: FakeCluster;

  constructor(cluster: FakeCluster, descriptor: RangeDescriptor, leader: FakeNode) {
    this.cluster = cluster;
    this.descriptor = descriptor;
    this.leader = leader;
    this.load = leader.keeper.book.open();
  }

  async approximateBytes(): Promise<number> {
    return this.cluster.rows.filter((row) => holdsKey(this.descriptor, row)).length * ROW_BYTES;
  }

  async middleKey(within: Span): Promise<Uint8Array | undefined> {
    const rows = this.cluster.rows
      .filter(
        (row) =>
          holdsKey(this.descriptor, row) && holdsKey({ ...this.descriptor, span: within }, row),
      )
      .sort(compareBytes);
    return rows.length < 2 ? undefined : rows[rows.length >> 1];
  }

  async split({ at, stickyUntil }: { at: Uint8Array; stickyUntil: Timestamp }): Promise<LedRange> {
    await this.cluster.act(`split ${this.descriptor.range}`);
    const { left, right } = splitAt(this.descriptor, at, {
      range: this.cluster.nextRange++,
      configuration: this.descriptor.configuration,
      stickyUntil,
    });
    this.descriptor = left;
    const child = new FakeRange(this.cluster, right, this.leader);
    this.cluster.ranges.push(child);
    return child;
  }

  async merge(): Promise<void> {
    await this.cluster.act(`merge ${this.descriptor.range}`);
    const right = this.cluster.at(this.descriptor.span.end as Uint8Array);
    this.cluster.ranges.splice(this.cluster.ranges.indexOf(right), 1);
    right.leader.keeper.book.close(right.load);
    this.descriptor = {
      ...this.descriptor,
      span: { start: this.descriptor.span.start, end: right.descriptor.span.end },
      generation: Math.max(this.descriptor.generation, right.descriptor.generation) + 1,
    };
  }

  async transferTo(node: NodeId): Promise<void> {
    this.leader.keeper.book.close(this.load);
    this.leader = this.cluster.node(node);
    this.load = this.leader.keeper.book.open();
    this.cluster.moves.push({ range: this.descriptor.range, to: node });
  }
}

class FakeNode {
  readonly id: NodeId;
  readonly keeper: LoadKeeper;
  readonly queue: SplitQueue;

  constructor(cluster: FakeCluster, id: NodeId) {
    const { world } = cluster;
    this.id = id;
    const { time, timers, log } = world;
    this.keeper = new LoadKeeper({ time, timers, statements: () => 0, asked: () => 0 });
    this.queue = new SplitQueue({
      self: id,
      time,
      timers,
      log,
      clock: { earliest: () => world.trueMicros as Timestamp },
      keeper: this.keeper,
      ranges: {
        led: () => cluster.ranges.filter((range) => range.leader.id === id),
        neighbour: (start) => cluster.neighbour(start),
      },
      cluster: {
        views: () => cluster.views(),
        gave: () => undefined,
      },
      limits: () => cluster.limits,
    });
  }
}

export class FakeCluster {
  readonly world: FakeWorld = new FakeWorld();
  readonly nodes: FakeNode[] = [];
  readonly ranges: FakeRange[] = [];
  readonly moves: { readonly range: number; readonly to: NodeId }[] = [];
  /** Keys of rows: what there is of data. */
  rows: Uint8Array[] = [];
  nextRange = 4;
  limits: SplitLimits = DEFAULT_SPLIT_LIMITS;
  refusing: string | undefined = undefined;
  /** Of all nodes, in order. */
  readonly actions: string[] = [];

  constructor(nodes: number) {
    for (let id = 1; id <= nodes; id++) this.nodes.push(new FakeNode(this, id));
    const ids = this.nodes.map(({ id }) => id);
    for (const descriptor of firstDescriptors(ids)) {
      this.ranges.push(new FakeRange(this, descriptor, this.node(1)));
    }
  }

  node(id: NodeId): FakeNode {
    return this.nodes.find((node) => node.id === id) as FakeNode;
  }

  at(key: Uint8Array): FakeRange {
    return this.ranges.find(({ descriptor }) => holdsKey(descriptor, key)) as FakeRange;
  }

  /** Of the table's ranges, in order: where they begin. */
  bounds(): number[] {
    return this.ranges
      .map(({ descriptor }) => descriptor.span.start)
      .filter((start) => start.length > 4)
      .sort(compareBytes)
      .map(idOf);
  }

  async act(what: string): Promise<void> {
    if (this.refusing !== undefined) throw new Error(this.refusing);
    this.actions.push(what);
  }

  async neighbour(start: Uint8Array): Promise<Neighbour | undefined> {
    const range = this.at(start);
    const { queue } = range.leader;
    await queue.measure(range);
    return queue.tell(range);
  }

  views(): readonly NodeView[] {
    return this.nodes.map(({ id, keeper }) => {
      const { capacity, leadWork, followWork } = keeper.nodeLoad();
      return {
        node: id,
        locality: [],
        liveness: 'live',
        isDraining: false,
        isDecommissioning: false,
        capacity,
        leadLoad: leadWork,
        followLoad: followWork,
        leases: 0,
        replicas: 0,
        bytes: 0,
        roomBytes: 1e12,
      };
    });
  }

  /** So many requests a second for so long; what the queues do in between happens in between. */
  async run(
    seconds: number,
    perSecond = 0,
    request?: (cluster: FakeCluster) => void,
  ): Promise<void> {
    const stepMicros = 10_000;
    for (let passed = 0; passed < seconds * 1e6; passed += stepMicros) {
      for (let i = 0; i < (perSecond * stepMicros) / 1e6; i++) request?.(this);
      this.world.advance(stepMicros);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    }
  }

  read(id: number): void {
    const key = rowKey(id);
    this.at(key).load.read(key, LOAD_BYTES);
  }

  write(id: number, bytes: number = LOAD_BYTES): void {
    const key = rowKey(id);
    this.at(key).load.wrote([{ key, value: undefined }], bytes);
  }

  stop(): void {
    for (const { keeper, queue } of this.nodes) {
      queue.stop();
      keeper.stop();
    }
  }
}

export function manualSplit(
  cluster: FakeCluster,
  id: number,
  stickyUntil: Timestamp = MIN_TIMESTAMP,
): Promise<LedRange> {
  const at = rowKey(id);
  return cluster.at(at).split({ at, stickyUntil });
}
