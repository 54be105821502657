// A node's part in placement, put together: it registers itself, keeps what the root range says of nodes and settings,
// tells all others how it is, moves what it leads, and can be drained and decommissioned.

import { DbError } from '../../base/errors.ts';
import { nodesOf, type RangeDescriptor } from '../../ranges/descriptor.ts';
import { ROOT_RANGE } from '../../ranges/layout.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { NodeId, Runtime } from '../../runtime/runtime.ts';
import type { Transactions } from '../../txn/api.ts';
import type { Addresses, Joined, JoinRequest } from '../bootstrap.ts';
import { allDescriptors, coverAll } from '../ranges/directory-rows.ts';
import type { Streams } from '../streams.ts';
import { requireEnoughWithout, requireMajoritiesWithout } from './drain.ts';
import { NodeGossip } from './node-gossip.ts';
import type { NodeReport } from './node-report.ts';
import { type NodeStanding, standings } from './node-standing.ts';
import { GivenLoads, NodeStatuses } from './node-status.ts';
import type { NodeView } from './placement.ts';
import { type PlacedRange, PlacementDriver } from './placement-driver.ts';
import { type NodeRecord, Registry } from './registry.ts';
import { SettingsStore } from './settings-store.ts';

const REPORT_MICROS = 1_000_000;
const REFRESH_MICROS = 2_000_000;
/** Looking through the directory is not done at each refresh. */
const REFRESHES_PER_FAREWELL = 5;
const BOOT_IDS = 0x100000000;

export interface LocalRange extends PlacedRange {
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
}

export interface PlacementParts {
  readonly runtime: Pick<Runtime, 'network' | 'time' | 'timers' | 'random' | 'log'>;
  readonly streams: Streams;
  /** They wait for no catalog. */
  readonly transactions: Transactions;
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly founders: readonly NodeId[];
  readonly instanceId: string;
  readonly addresses: Addresses;
  readonly locality: string;
  /** All replicas of this node. */
  ranges(): Iterable<LocalRange>;
  /** Microseconds of work in a second. */
  capacity(): number;
  /** The greatest replication factor that a table has for itself; 0: none has. */
  tableFactor(): number;
  followLoad(): number;
  /** On the disk, beyond what is kept free. */
  roomBytes(): number;
  /** Of the snapshots that are read here, the timestamp of the oldest. */
  oldestRead(): Timestamp | undefined;
  /** The registry was read: who there is, and where. */
  onNodes(records: readonly NodeRecord[]): void;
}

export class Placement {
  readonly settings: SettingsStore;
  readonly statuses: NodeStatuses;
  readonly driver: PlacementDriver;
  readonly registry: Registry;
  private readonly parts: PlacementParts;
  private readonly given: GivenLoads;
  private readonly gossip: NodeGossip;
  private readonly bootId: number;
  private records: readonly NodeRecord[] = [];
  private sequence = 0;
  private refreshes = 0;
  private draining = false;
  private isBlind = false;
  private reportTimer: Disposable | undefined = undefined;
  private refreshTimer: Disposable | undefined = undefined;
  private isStopped = false;

  constructor(parts: PlacementParts) {
    const { runtime, streams, transactions, nodeId } = parts;
    const { time, timers, log, network } = runtime;
    this.parts = parts;
    this.bootId = runtime.random.below(BOOT_IDS);
    this.settings = new SettingsStore(transactions, log);
    this.registry = new Registry(transactions);
    this.given = new GivenLoads(time);
    this.statuses = new NodeStatuses({
      self: nodeId,
      time,
      nodes: () => this.records,
      suspectMicros: () => this.settings.get('node.suspect_after'),
      deadMicros: () => this.settings.get('node.dead_after'),
    });
    this.gossip = new NodeGossip({
      self: nodeId,
      network,
      streams,
      time,
      take: (report) => this.statuses.take(report),
    });
    this.driver = new PlacementDriver({
      self: nodeId,
      time,
      timers,
      log,
      settings: this.settings,
      given: this.given,
      ranges: () => parts.ranges(),
      nodes: () => this.statuses.views(),
      isReady: () => this.isRegistered,
    });
  }

  start(): void {
    this.report();
    this.refreshLater(0);
    this.driver.start();
  }

  stop(): void {
    this.isStopped = true;
    this.reportTimer?.[Symbol.dispose]();
    this.refreshTimer?.[Symbol.dispose]();
    this.driver.stop();
    this.gossip.stop();
  }

  /** Of all nodes, this one included; empty until the registry was read. */
  views(): readonly NodeView[] {
    return this.statuses.views();
  }

  /** A lease was given away, and with it so much work will go. */
  gave(node: NodeId, work: number): void {
    this.given.add(node, work);
  }

  get nodes(): readonly NodeRecord[] {
    return this.records;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** Reads anew who there is. */
  async list(): Promise<readonly NodeStanding[]> {
    await this.refresh();
    return standings(this.records, this.statuses);
  }

  /** Takes a waiting node in. */
  async join(request: JoinRequest): Promise<Joined> {
    const { clusterId, founders } = this.parts;
    await this.refresh();
    const missing = founders.filter((id) => this.records.every(({ nodeId }) => nodeId !== id));
    if (missing.length > 0) {
      throw new DbError(
        '55000',
        `the cluster is being founded: node ${missing.join(', node ')} has not started yet`,
      );
    }
    const record = await this.registry.join(request, founders);
    if (record.state !== 'active') throw goneForGood(record.nodeId);
    await this.refresh();
    const members = this.records
      .filter(({ state }) => state !== 'decommissioned')
      .map(({ nodeId, rpc, sql, http }) => ({ nodeId, rpc, sql, http }));
    this.parts.runtime.log.info('a node joins', { node: record.nodeId, rpc: record.rpc });
    return { clusterId, nodeId: record.nodeId, members, founders };
  }

  /** Of this node. Its leases are gone when list() says so. */
  async drain(undo: boolean, force: boolean): Promise<void> {
    const { nodeId, runtime } = this.parts;
    if (undo) {
      this.draining = false;
    } else {
      if (!force) {
        const descriptors = await allDescriptors(this.parts.transactions);
        requireMajoritiesWithout(nodeId, descriptors, this.views());
      }
      this.draining = true;
    }
    runtime.log.info(undo ? 'takes leases again' : 'drains', { node: nodeId });
    this.reportNow();
    this.driver.look();
  }

  /** Of any node. It is gone when list() says so. */
  async decommission(node: NodeId, undo: boolean): Promise<void> {
    const { log } = this.parts.runtime;
    await this.settings.refresh();
    await this.refresh();
    // Whoever is told twice is gone already.
    const isGone = this.records.some(
      ({ nodeId, state }) => nodeId === node && state === 'decommissioned',
    );
    if (isGone && !undo) return;
    const factor = Math.max(this.settings.get('replication.factor'), this.parts.tableFactor());
    await this.registry.setState(node, undo ? 'active' : 'decommissioning', (records) => {
      const before = records.find(({ nodeId }) => nodeId === node);
      if (before?.state === 'decommissioned') throw goneForGood(node);
      if (!undo) requireEnoughWithout(node, records, this.views(), factor);
    });
    log.info(undo ? 'a node stays after all' : 'a node is being decommissioned', { node });
    await this.refresh();
  }

  /** Throws DbError while the root range can't be read. */
  private async refresh(): Promise<void> {
    this.records = await this.registry.list();
    this.parts.onNodes(this.records);
  }

  private get isRegistered(): boolean {
    return this.records.some(({ nodeId }) => nodeId === this.parts.nodeId);
  }

  private refreshLater(micros: number): void {
    if (this.isStopped) return;
    this.refreshTimer = this.parts.runtime.timers.after(micros, () => {
      this.keepUp()
        .then(
          () => {
            this.isBlind = false;
          },
          (error: unknown) => this.wasBlind(error),
        )
        .finally(() => this.refreshLater(REFRESH_MICROS));
    });
  }

  /** While the root range is not served, what was known holds on. */
  private wasBlind(error: unknown): void {
    if (!this.isBlind && !this.isStopped) {
      this.parts.runtime.log.warn('the registry of nodes can not be read', {
        error: error instanceof DbError ? error.message : String(error),
      });
    }
    this.isBlind = true;
  }

  private async keepUp(): Promise<void> {
    await this.refresh();
    await this.settings.refresh();
    const { nodeId, instanceId, addresses, locality } = this.parts;
    const own = this.records.find((record) => record.nodeId === nodeId);
    const { rpc, sql, http } = addresses;
    const isCurrent =
      own !== undefined &&
      own.rpc === rpc &&
      own.sql === sql &&
      own.http === http &&
      own.locality === locality;
    if (!isCurrent && !this.isStopped) {
      await this.registry.register({ nodeId, instanceId, locality, rpc, sql, http });
      await this.refresh();
    }
    this.refreshes += 1;
    if (this.refreshes % REFRESHES_PER_FAREWELL === 0) await this.sayFarewell();
  }

  /** Whoever leads the root range strikes off those that have nothing left. */
  private async sayFarewell(): Promise<void> {
    const leaving = this.records.filter(({ state }) => state === 'decommissioning');
    if (leaving.length === 0 || !this.leadsRoot()) return;
    const descriptors = await allDescriptors(this.parts.transactions);
    if (!coverAll(descriptors)) return;
    for (const { nodeId } of leaving) {
      if (descriptors.some((one) => hasReplicaOn(one, nodeId))) continue;
      await this.registry.setState(nodeId, 'decommissioned');
      this.parts.runtime.log.info('a node was decommissioned', { node: nodeId });
    }
    await this.refresh();
  }

  private leadsRoot(): boolean {
    for (const range of this.parts.ranges()) {
      if (range.range === ROOT_RANGE) return range.isLeading;
    }
    return false;
  }

  private report(): void {
    if (this.isStopped) return;
    this.reportNow();
    this.reportTimer = this.parts.runtime.timers.after(REPORT_MICROS, () => this.report());
  }

  private reportNow(): void {
    const report = this.reportOf();
    this.statuses.tell(report);
    const others = this.records
      .filter(({ state, nodeId }) => state !== 'decommissioned' && nodeId !== this.parts.nodeId)
      .map(({ nodeId }) => nodeId);
    this.gossip.send(report, others);
  }

  private reportOf(): NodeReport {
    const { parts } = this;
    const holds = new Map<NodeId, number>();
    const sum = { lead: 0, leases: 0, replicas: 0, reads: 0, writes: 0 };
    for (const range of parts.ranges()) {
      sum.replicas += 1;
      if (!range.isLeading) continue;
      sum.leases += 1;
      sum.lead += range.leadLoad;
      sum.reads += range.readsPerSecond;
      sum.writes += range.writesPerSecond;
      for (const node of nodesOf(range.descriptor)) {
        holds.set(node, (holds.get(node) ?? 0) + range.bytes);
      }
    }
    this.sequence += 1;
    const oldestRead = parts.oldestRead();
    return {
      node: parts.nodeId,
      bootId: this.bootId,
      sequence: this.sequence,
      isDraining: this.draining,
      capacity: parts.capacity(),
      leadLoad: Math.round(sum.lead),
      followLoad: Math.round(parts.followLoad()),
      leases: sum.leases,
      replicas: sum.replicas,
      roomBytes: parts.roomBytes(),
      readsPerSecond: sum.reads,
      writesPerSecond: sum.writes,
      given: this.given.list(),
      holds: [...holds],
      heard: this.statuses.heardAges(),
      ...(oldestRead === undefined ? {} : { oldestRead }),
    };
  }
}

function hasReplicaOn(descriptor: RangeDescriptor, node: NodeId): boolean {
  return nodesOf(descriptor).includes(node);
}

function goneForGood(node: NodeId): DbError {
  return new DbError('55000', `node ${node} was decommissioned: it does not come back`, {
    hint: 'Start a new node with an empty data directory and --join.',
  });
}
