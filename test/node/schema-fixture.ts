// Nodes with nothing but schema leases, on the simulated network, over one store that all of them share: what the
// protocol does, without ranges. Who leads the catalog's first key is said by the test; leads end as Raft's do.

import { DbError } from '../../src/base/errors.ts';
import { createIntervalClock } from '../../src/clock/clock.ts';
import { SchemaServing } from '../../src/node/schema/schema-serving.ts';
import { Streams } from '../../src/node/streams.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { SimDisk } from '../../src/sim/disk.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SimClock } from '../../src/sim/sim-clock.ts';
import { simRuntime } from '../../src/sim/sim-runtime.ts';
import { Life, World } from '../../src/sim/world.ts';
import type { Catalog } from '../../src/sql/catalog/api.ts';
import { createCatalog } from '../../src/sql/catalog/catalog.ts';
import { initParser } from '../../src/sql/parse/grammar.ts';
import { FakeSession } from '../sql/fakes/sessions.ts';
import {
  type Committing,
  FakeStore,
  type FakeTransaction,
  NodeStore,
} from '../sql/fakes/transactions.ts';

export const SECOND = 1_000_000;
const UNCERTAINTY_MICROS = 250;
/** Of the range that holds the catalog. */
const RANGE_LEASE_MICROS = 500_000;
const SILENCE_MICROS = 3 * SECOND;

/** One process. */
export class SchemaNode {
  readonly id: number;
  readonly life: Life;
  readonly catalog: Catalog;
  readonly serving: SchemaServing;
  /** What a session's transactions go through. */
  readonly store: NodeStore;
  readonly committing: Committing;
  private readonly committingOwn: Committing;
  /** When SQL was served, and when not any more. */
  readonly turns: ('serves' | 'ceased')[] = [];

  private readonly among: SchemaCluster;

  constructor(cluster: SchemaCluster, id: number, runtime: Runtime, life: Life) {
    this.among = cluster;
    this.id = id;
    this.life = life;
    const clock = createIntervalClock(runtime);
    const { time, timers, random, log, network } = runtime;
    const system = new NodeStore(cluster.store, (this.committingOwn = () => cluster.travel(life)));
    this.serving = new SchemaServing({
      nodeId: id,
      runtime,
      streams: new Streams(network, log),
      transactions: system,
      leads: () => cluster.leads(id),
      // Not every node knows.
      leader: () => (id === 3 ? undefined : cluster.leader),
      others: () => [1, 2, 3],
      onFailure: (error) => cluster.world.fail(error),
    });
    this.catalog = createCatalog({
      transactions: system,
      node: id,
      homes: this.serving,
      clock,
      time,
      timers,
      random,
      log,
      onServing: () => this.turns.push('serves'),
      onCeased: () => {
        this.turns.push('ceased');
        for (const txn of cluster.store.open) {
          if (txn.committing === this.committing) txn.wound();
        }
      },
      onFailure: (error) => cluster.world.fail(error),
    });
    const { schema } = this.catalog;
    this.committing = async (txn) => {
      schema.demand(clock.latest());
      const deadline = schema.end;
      await cluster.travel(life);
      await cluster.world.sleep(cluster.commitMicros);
      if (cluster.world.trueMicros + UNCERTAINTY_MICROS >= deadline) {
        throw new DbError('40001', 'the deadline of the commit has passed');
      }
      cluster.onCommit?.(this, txn);
    };
    this.store = new NodeStore(cluster.store, this.committing);
    schema.start();
  }

  get isServing(): boolean {
    return this.catalog.schema.isHeld();
  }

  session(): FakeSession {
    return new FakeSession(this);
  }

  /** What its process left open. */
  orphans(): FakeTransaction[] {
    return [...this.among.store.open].filter(
      ({ committing }) => committing === this.committing || committing === this.committingOwn,
    );
  }
}

export class SchemaCluster {
  readonly world: World;
  readonly network: SimNetwork;
  readonly store: FakeStore = new FakeStore();
  readonly log: string[] = [];
  commitMicros = 1000;
  onCommit: ((node: SchemaNode, txn: FakeTransaction) => void) | undefined;
  private readonly clocks = new Map<number, SimClock>();
  private readonly nodes = new Map<number, SchemaNode>();
  leader: number | undefined;
  private leaseEnd = Number.POSITIVE_INFINITY;

  private constructor(seed: number) {
    this.world = new World(seed);
    this.network = new SimNetwork(this.world);
  }

  static async start(seed = 1, count = 3): Promise<SchemaCluster> {
    await initParser();
    const cluster = new SchemaCluster(seed);
    for (let id = 1; id <= count; id++) cluster.open(id);
    await cluster.lead(1);
    await cluster.allServe();
    return cluster;
  }

  open(id: number): SchemaNode {
    const life = new Life(id);
    const clock = this.clocks.get(id) ?? new SimClock(this.world, `node ${id}`, UNCERTAINTY_MICROS);
    this.clocks.set(id, clock);
    const runtime = simRuntime({
      world: this.world,
      life,
      clock,
      disk: new SimDisk(this.world, `disk ${id}`),
      network: this.network,
      onLog: (node, level, message, fields) => {
        const at = (this.world.nowMicros / SECOND).toFixed(3);
        this.log.push(`${at} node ${node} ${level}: ${message} ${JSON.stringify(fields)}`);
      },
    });
    const node = new SchemaNode(this, id, runtime, life);
    this.nodes.set(id, node);
    return node;
  }

  crash(id: number): void {
    const node = this.node(id);
    node.life.alive = false;
    this.nodes.delete(id);
    this.network.crash(id);
    // Locks of a node that is silent go (DESIGN.md section 8.9).
    this.world.after(SILENCE_MICROS, undefined, () => {
      for (const txn of node.orphans()) txn.wound();
    });
    if (this.leader === id) this.resign();
  }

  /** The leader is not one any more, and may not know: its lease goes on for a while. */
  resign(): void {
    this.leader = undefined;
    this.leaseEnd = Math.min(this.leaseEnd, this.world.nowMicros + RANGE_LEASE_MICROS);
  }

  /** Resolves when the node leads: the lease of the one before has ended. */
  async lead(id: number, isOrderly = false): Promise<void> {
    await this.until(this.leadLater(id, isOrderly));
  }

  async leadLater(id: number, isOrderly: boolean): Promise<void> {
    const before = this.leading;
    if (isOrderly) this.leaseEnd = this.world.nowMicros;
    else if (before !== undefined) this.resign();
    this.leader = undefined;
    if (before !== undefined) {
      const left = this.leaseEnd - this.world.nowMicros;
      await this.world.sleep(Math.max(0, left) + 1);
      // One that stands still hears of it later.
      const process = this.nodes.get(before);
      if (process !== undefined) {
        this.world.after(1, process.life, () => {
          if (this.leading !== before) process.serving.cease('another node leads');
        });
      }
    }
    if (!this.nodes.has(id)) return;
    this.leading = id;
    this.leader = id;
    this.leaseEnd = Number.POSITIVE_INFINITY;
    const node = this.nodes.get(id);
    node?.serving.begin();
    node?.catalog.schema.homeMoved();
  }

  private leading: number | undefined;

  leads(id: number): boolean {
    return this.leading === id && this.world.nowMicros < this.leaseEnd;
  }

  node(id: number): SchemaNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`node ${id} is down`);
    return node;
  }

  all(): SchemaNode[] {
    return [...this.nodes.values()];
  }

  cut(id: number): void {
    for (const other of this.clocks.keys()) {
      if (other === id) continue;
      this.network.cut(id, other);
      this.network.cut(other, id);
    }
  }

  /** To where the range is, and back: a node that is gone never hears the answer. */
  travel(life: Life): Promise<void> {
    return this.world.sleep(100 + this.world.random.below(900), life);
  }

  async allServe(): Promise<void> {
    await this.when(() => this.all().every((node) => node.isServing), 'leases for all');
  }

  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.when(() => isSettled, 'the end of it');
    return promise;
  }

  async when(done: () => boolean, what: string): Promise<void> {
    const isDone = await this.world.run(done, this.world.nowMicros + 120 * SECOND);
    if (!isDone) throw new Error(`${what} never comes\n${this.log.slice(-40).join('\n')}`);
  }

  async pass(micros: number): Promise<void> {
    await this.world.run(() => false, this.world.nowMicros + micros);
  }
}
