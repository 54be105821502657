// A cluster of whole nodes in simulated time: everything but sockets and threads is what runs in a process.

import { defaultConfig, type NodeConfig } from '../../src/node/config.ts';
import { type Database, openDatabase } from '../../src/node/database.ts';
import { EmbeddedSession, type QueryResult } from '../../src/node/embedded.ts';
import { type Member, writeIdentity } from '../../src/node/identity.ts';
import { FIRST_DATA_RANGE } from '../../src/ranges/layout.ts';
import type { RangeStatus } from '../../src/node/status.ts';
import { SimDisk } from '../../src/sim/disk.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SimClock } from '../../src/sim/sim-clock.ts';
import { simRuntime } from '../../src/sim/sim-runtime.ts';
import { Life, World } from '../../src/sim/world.ts';
import { initParser } from '../../src/sql/parse/grammar.ts';
import { createMemoryDisk, type MemoryDisk } from '../../src/storage/memory-engine.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';

const SECOND = 1_000_000;

export class ClusterNode {
  readonly nodeId: number;
  readonly disk: SimDisk;
  readonly engines: Map<string, MemoryDisk> = new Map();
  readonly clock: SimClock;
  readonly broken: Error[] = [];
  life: Life;
  database: Database | undefined = undefined;

  constructor(world: World, nodeId: number) {
    this.nodeId = nodeId;
    this.disk = new SimDisk(world, `disk ${nodeId}`);
    this.clock = new SimClock(world, `node ${nodeId}`, 250);
    this.life = new Life(nodeId);
    this.life.alive = false;
  }

  get open(): Database {
    if (this.database === undefined) throw new Error(`node ${this.nodeId} is down`);
    return this.database;
  }

  get range(): RangeStatus {
    const range = this.open.status().ranges.find((one) => one.range === FIRST_DATA_RANGE);
    if (range === undefined) throw new Error('a node has a replica of the first data range');
    return range;
  }
}

export interface ClusterOptions {
  readonly nodes?: number;
  /** The first so many nodes found the cluster; left out: all. The others are there to join. */
  readonly founders?: number;
  /** Of each node. */
  readonly localities?: readonly string[];
  readonly seed?: number;
  readonly bugs?: readonly string[];
  readonly config?: Partial<NodeConfig>;
}

export class Cluster {
  readonly world: World;
  readonly network: SimNetwork;
  readonly nodes: readonly ClusterNode[];
  readonly log: string[] = [];
  private readonly options: ClusterOptions;

  private constructor(options: ClusterOptions) {
    this.options = options;
    this.world = new World(options.seed ?? 1, new Set(options.bugs ?? []));
    this.network = new SimNetwork(this.world);
    const count = options.nodes ?? 3;
    this.nodes = Array.from({ length: count }, (_, i) => new ClusterNode(this.world, i + 1));
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    // WebAssembly is compiled outside of simulated time.
    await initParser();
    const cluster = new Cluster(options);
    for (const node of cluster.founders) await cluster.found(node);
    for (const node of cluster.founders) await cluster.open(node);
    return cluster;
  }

  private get founders(): readonly ClusterNode[] {
    return this.nodes.slice(0, this.options.founders ?? this.nodes.length);
  }

  private addresses(nodeId: number): Member {
    const at = (port: number): string => `127.0.0.1:${port + 10 * (nodeId - 1)}`;
    return { nodeId, rpc: at(7433), sql: at(7432), http: at(7434) };
  }

  /** As a waiting node does, through a node of the cluster. It must get the id of its machine: the next that is free. */
  async join(node: ClusterNode, through: ClusterNode): Promise<void> {
    const { rpc, sql, http } = this.addresses(node.nodeId);
    const request = {
      rpc,
      sql,
      http,
      instanceId: `directory ${node.nodeId}`,
      locality: this.options.localities?.[node.nodeId - 1] ?? '',
    };
    const joined = await this.until(through.open.placement.join(request));
    if (joined.nodeId !== node.nodeId) throw new Error(`it is node ${joined.nodeId}`);
    const files = node.disk.files(new Life(node.nodeId));
    await this.until(files.makeDirectory('data'));
    const { instanceId } = request;
    await this.until(writeIdentity(files, 'data', { ...joined, shards: 1, instanceId }));
    await this.open(node);
  }

  private async found(node: ClusterNode): Promise<void> {
    const life = new Life(node.nodeId);
    const files = node.disk.files(life);
    const members = this.founders.map(({ nodeId }) => this.addresses(nodeId));
    const { nodeId } = node;
    await this.until(files.makeDirectory('data'));
    const identity = { clusterId: 'c0ffee', nodeId, shards: 1, members };
    await this.until(writeIdentity(files, 'data', identity));
  }

  async open(node: ClusterNode): Promise<void> {
    node.life = new Life(node.nodeId);
    const runtime = simRuntime({
      world: this.world,
      life: node.life,
      clock: node.clock,
      disk: node.disk,
      network: this.network,
      onLog: (id, level, message, fields) => {
        const at = (this.world.nowMicros / SECOND).toFixed(3);
        this.log.push(`${at} node ${id} ${level}: ${message} ${JSON.stringify(fields)}`);
      },
    });
    const { life } = node;
    const config: NodeConfig = {
      ...defaultConfig('data'),
      cacheBytes: 1 << 20,
      logSegmentBytes: 64 * 1024,
      minFreeBytes: 1 << 20,
      consistencyCheckMicros: 0,
      ...this.options.config,
    };
    const database = await this.until(
      openDatabase(runtime, config, {
        shardEntry: shardEntry((data) => this.engine(node, (data as { path: string }).path).open()),
        broken: (error) => node.broken.push(error),
        locality: this.options.localities?.[node.nodeId - 1] ?? '',
      }),
    );
    if (node.life === life) node.database = database;
  }

  private engine(node: ClusterNode, path: string): MemoryDisk {
    let engine = node.engines.get(path);
    if (engine === undefined) {
      engine = createMemoryDisk();
      node.engines.set(path, engine);
    }
    return engine;
  }

  /** As kill -9, or with the power gone: what was not synced may be lost. */
  crash(node: ClusterNode, losesPower = false): void {
    node.life.alive = false;
    node.database = undefined;
    this.network.crash(node.nodeId);
    if (losesPower) {
      node.disk.losePower();
      for (const engine of node.engines.values()) engine.crash(this.world.random);
    } else {
      node.disk.killProcess();
      for (const engine of node.engines.values()) engine.kill();
    }
  }

  async stop(node: ClusterNode): Promise<void> {
    await this.until(node.open.close());
    this.crash(node);
  }

  node(nodeId: number): ClusterNode {
    const node = this.nodes[nodeId - 1];
    if (node === undefined) throw new Error(`there is no node ${nodeId}`);
    return node;
  }

  /** The node that leads the first data range, and so the schema, once it serves SQL. */
  async leader(): Promise<ClusterNode> {
    const find = (): ClusterNode | undefined =>
      this.nodes.find(({ database }) => {
        const status = database?.status();
        const isLeading = status?.ranges.some(
          ({ range, role, isLeaseHeld }) =>
            range === FIRST_DATA_RANGE && role === 'leader' && isLeaseHeld,
        );
        return isLeading === true && status?.isServing === true;
      });
    await this.when(() => find() !== undefined, 'a leader');
    return find() as ClusterNode;
  }

  followersOf(leader: ClusterNode): ClusterNode[] {
    return this.nodes.filter((node) => node !== leader && node.database !== undefined);
  }

  session(node: ClusterNode): EmbeddedSession {
    return new EmbeddedSession(node.open.sql);
  }

  query(session: EmbeddedSession, text: string): Promise<QueryResult> {
    return this.until(session.query(text));
  }

  cut(a: ClusterNode, others: readonly ClusterNode[]): void {
    for (const b of others) {
      if (b === a) continue;
      this.network.cut(a.nodeId, b.nodeId);
      this.network.cut(b.nodeId, a.nodeId);
    }
  }

  /** Lets simulated time pass until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const isDone = await this.world.run(() => isSettled, this.world.nowMicros + 300 * SECOND);
    if (!isDone) throw new Error(`it waits for something that never comes\n${this.tail()}`);
    return promise;
  }

  async when(done: () => boolean, what: string): Promise<void> {
    const isDone = await this.world.run(done, this.world.nowMicros + 120 * SECOND);
    if (!isDone) throw new Error(`${what} never comes\n${this.tail()}`);
  }

  async pass(micros: number): Promise<void> {
    await this.world.run(() => false, this.world.nowMicros + micros);
  }

  /** All replicas have applied the same, and nothing is under way. */
  async settled(): Promise<void> {
    await this.when(() => {
      const ranges = this.nodes
        .filter((node) => node.database !== undefined)
        .map((node) => node.range);
      const last = Math.max(...ranges.map((range) => range.lastIndex));
      return ranges.every((range) => range.appliedIndex === last && !range.isInstalling);
    }, 'rest');
  }

  private tail(): string {
    return this.log.slice(-40).join('\n');
  }
}
