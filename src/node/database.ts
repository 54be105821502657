// The database of a node without its doors: put together from the rooms below, the same in a process and in the
// simulator. Opening replays what the log has and the storage has not; closing leaves everything durable.
//
//   SQL sessions -> transactions -> ranges (locks, cache, commit) -> Raft (log) -> storage shard
//                                                              clock orders all of it
//
// A node that is alone leads its ranges from the start. In a cluster each range has replicas on some nodes; the one that
// leads serves, the others apply and say who does.

import { DbError } from '../base/errors.ts';
import type { OwnedClock } from '../clock/clock.ts';
import type { Ranges } from '../ranges/api.ts';
import { RemoteRangeNodes } from '../ranges/remote/remote-nodes.ts';
import type { NodeId, Runtime } from '../runtime/runtime.ts';
import type { SqlServer } from '../sql/api.ts';
import type { ClusterAdmin } from '../sql/cluster-admin.ts';
import { RowCache } from '../storage/row-cache.ts';
import type { RangeId } from '../storage/shard.ts';
import type { Coordinator } from '../txn/transactions.ts';
import { Breakage } from './breakage.ts';
import { Closing } from './closing.ts';
import type { NodeConfig } from './config.ts';
import { gaugesOf } from './figures.ts';
import { type FoundationOptions, openFoundations } from './foundations.ts';
import type { Member } from './identity.ts';
import { type Keyspace, openKeyspace } from './keyspace.ts';
import { loadGauges } from './load/load-figures.ts';
import { LoadKeeper } from './load/load-keeper.ts';
import { membersAfter } from './members.ts';
import { nodeAdmin } from './placement/node-admin.ts';
import { placementGauges } from './placement/placement-figures.ts';
import type { Placement } from './placement/placement-node.ts';
import { DEFAULT_SETTINGS } from './placement/settings-store.ts';
import { compareLed, ConsistencyChecks } from './ranges/consistency-checks.ts';
import { LogTruncation } from './ranges/log-truncation.ts';
import type { RangeStore } from './ranges/range-store.ts';
import { openRule, type Rule, type RuleOptions, type RuleParts } from './rule.ts';
import { SpaceGuard } from './space-guard.ts';
import { openSqlSide, type SqlSide } from './sql-side.ts';
import type { ConsistencyAnswer, DatabaseHealth, Gauge, NodeStatus } from './status.ts';

export interface DatabaseOptions extends FoundationOptions, RuleOptions {
  /** Called at most once: a broken invariant or a failed disk, after which this node must not go on. */
  readonly broken: (error: Error) => void;
}

/** What the key-value door works with. */
export interface KeyValueAccess {
  readonly ranges: Ranges;
  readonly transactions: Coordinator;
  readonly clock: OwnedClock;
  /** The node that leads in place of this one; undefined: this one, or nobody that is known. */
  leader(): Member | undefined;
}

export interface Database {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** As far as this node knows: without those that were decommissioned. */
  readonly members: readonly Member[];
  readonly sql: SqlServer;
  readonly kv: KeyValueAccess;
  readonly clock: OwnedClock;
  health(): DatabaseHealth;
  metrics(): Promise<readonly Gauge[]>;
  status(): NodeStatus;
  /** Of all ranges that this node leads. Throws DbError. */
  transferLeadership(to: NodeId): Promise<void>;
  /** Whether all replicas hold the same: of a range that this node leads, or of all that it leads. */
  checkConsistency(range?: RangeId): Promise<ConsistencyAnswer>;
  /** Those that this node has replicas of. */
  readonly ranges: RangeStore;
  /** Nodes, settings, and where replicas and leases are. */
  readonly placement: Placement;
  close(): Promise<void>;
}

/** Resolves when the node runs: one that is alone serves by then. */
export async function openDatabase(
  runtime: Runtime,
  config: NodeConfig,
  options: DatabaseOptions,
): Promise<Database> {
  const closing = new Closing();
  if (options.lock !== undefined) closing.add(() => options.lock?.[Symbol.dispose]());
  try {
    return await openAll(runtime, config, options, closing);
  } catch (error) {
    await closing.run().catch((failure: unknown) => {
      runtime.log.error('closing failed', { error: String(failure) });
    });
    throw error;
  }
}

async function openAll(
  runtime: Runtime,
  config: NodeConfig,
  options: DatabaseOptions,
  closing: Closing,
): Promise<Database> {
  const { log } = runtime;
  const breakage = new Breakage(options.broken);
  /** What is made below, and asked once it is there. */
  const later: { keyspace?: Keyspace; sqlSide?: SqlSide; rule?: Rule } = {};

  const foundations = await openFoundations({
    runtime,
    config,
    options,
    breakage,
    closing,
    raftClosed: () => later.keyspace?.hosts.stop('the node is stopping'),
  });
  const { identity, isAlone } = foundations;
  const members = (): readonly Member[] => {
    const known = later.rule?.placement.nodes ?? [];
    return known.length > 0 ? membersAfter(identity.members, known) : identity.members;
  };
  const remote = new RemoteRangeNodes(runtime);
  const keeper = new LoadKeeper({
    time: runtime.time,
    timers: runtime.timers,
    statements: () => later.sqlSide?.sql.statistics.statements ?? 0,
    asked: () => remote.requests,
  });
  closing.add(() => keeper.stop());
  const cache = new RowCache(config.cacheBytes);
  const keyspace = await openKeyspace({
    runtime,
    config,
    foundations,
    breakage,
    closing,
    cache,
    loads: keeper.book,
    remote,
    members,
    snapshotRate: () =>
      (later.rule?.placement.settings ?? DEFAULT_SETTINGS).get('snapshot.bytes_per_second'),
  });
  later.keyspace = keyspace;
  const admin: { -readonly [part in keyof ClusterAdmin]: ClusterAdmin[part] } = {};
  const sqlSide = openSqlSide({
    runtime,
    foundations,
    keyspace,
    breakage,
    closing,
    admin,
    members,
  });
  later.sqlSide = sqlSide;
  const upkeep = await startUpkeep(runtime, config, keyspace, breakage, closing);
  const parts = {
    runtime,
    config,
    options,
    foundations,
    keyspace,
    sqlSide,
    keeper,
    closing,
  };
  const rule = openRule({ ...parts, guard: upkeep.guard });
  later.rule = rule;
  rule.placement.start();
  admin.ranges = rule.control.admin;
  admin.load = rule.control.admin;
  admin.nodes = nodeAdmin(rule.placement);
  admin.settings = rule.placement.settings;

  if (isAlone || breakage.reason !== undefined) {
    await Promise.race([sqlSide.serving.served, breakage.interrupted]);
  }
  log.info(isAlone ? 'serving' : 'running', {
    directory: config.dataDirectory,
    cluster: identity.clusterId,
    node: identity.nodeId,
  });
  return new NodeDatabase({ ...parts, ...upkeep, ...rule, breakage, cache, members });
}

interface Upkeep {
  readonly guard: SpaceGuard;
  readonly truncation: LogTruncation;
}

/** What goes on by itself, on each node alone. */
async function startUpkeep(
  { files, timers, log, faults }: Runtime,
  config: NodeConfig,
  { hosts }: Keyspace,
  { broken }: Breakage,
  closing: Closing,
): Promise<Upkeep> {
  const guard = new SpaceGuard({
    files,
    timers,
    log,
    path: config.dataDirectory,
    minFreeBytes: config.minFreeBytes,
    onChange: (refusal) => hosts.refuseWrites(refusal),
  });
  await guard.start();
  closing.add(() => guard.stop());
  const ranges = (): ReturnType<RangeStore['all']> => hosts.all();
  const { entriesPerFlush, bytesPerFlush } = config;
  const truncation = new LogTruncation({
    timers,
    faults,
    ranges,
    entriesPerFlush,
    bytesPerFlush,
    broken,
  });
  truncation.start();
  closing.add(() => truncation.stop());
  const checks = new ConsistencyChecks(ranges, timers, log, config.consistencyCheckMicros);
  closing.add(() => checks.stop());
  return { guard, truncation };
}

interface NodeParts extends RuleParts, Rule, Upkeep {
  readonly breakage: Breakage;
  readonly cache: RowCache;
  members(): readonly Member[];
}

class NodeDatabase implements Database {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly sql: SqlServer;
  readonly kv: KeyValueAccess;
  readonly clock: OwnedClock;
  readonly ranges: RangeStore;
  readonly placement: Placement;
  readonly #parts: NodeParts;

  constructor(parts: NodeParts) {
    const { foundations, keyspace, sqlSide } = parts;
    const { clock, identity } = foundations;
    this.#parts = parts;
    this.nodeId = identity.nodeId;
    this.clusterId = identity.clusterId;
    this.sql = sqlSide.serving.guard(sqlSide.sql.server);
    const { router: ranges, system: transactions } = keyspace;
    this.kv = { ranges, transactions, clock, leader: () => sqlSide.leaderElsewhere() };
    this.clock = clock;
    this.ranges = keyspace.hosts;
    this.placement = parts.placement;
  }

  get members(): readonly Member[] {
    return this.#parts.members();
  }

  health(): DatabaseHealth {
    const { guard, keyspace, sqlSide } = this.#parts;
    const reason = this.#whyNotServing();
    const home = keyspace.home()?.status();
    return {
      serving: reason === undefined,
      status: reason ?? guard.refusal ?? 'ok',
      fields: {
        node: this.nodeId,
        cluster: this.clusterId,
        role: home?.role ?? 'follower',
        leader: home?.leaderNode ?? 0,
        ranges: this.ranges.all().length,
        sessions: sqlSide.sql.statistics.sessions,
        freeBytes: guard.freeBytes,
      },
    };
  }

  async metrics(): Promise<readonly Gauge[]> {
    const { cache, collection, control, foundations, guard, keeper, placement, sqlSide } =
      this.#parts;
    const { clock, shards, scheduler } = foundations;
    return [
      ...gaugesOf({
        ranges: this.ranges
          .all()
          .map((host) => ({ replica: host.replica.stats(), range: host.status() })),
        cache: cache.stats(),
        sql: sqlSide.sql.statistics,
        syncs: scheduler.syncs,
        usage: await Promise.all(shards.map((shard) => shard.usage())),
        versionsCollected: collection.collected,
        clockWidth: clock.latest() - clock.earliest(),
        freeBytes: guard.freeBytes,
      }),
      ...loadGauges(keeper, control.queue),
      ...placementGauges(placement.driver.counts(), placement.views()),
    ];
  }

  status(): NodeStatus {
    return {
      nodeId: this.nodeId,
      clusterId: this.clusterId,
      members: this.members,
      isServing: this.#parts.sqlSide.serving.isServing,
      reason: this.#whyNotServing() ?? 'ok',
      ranges: [...this.ranges.hosted()].map((host) => host.status()),
    };
  }

  async transferLeadership(to: NodeId): Promise<void> {
    const led = this.ranges.all().filter(({ group }) => group.isLeader);
    if (led.length === 0) throw new DbError('57P03', `node ${this.nodeId} leads no range`);
    await Promise.all(led.map((host) => host.transferTo(to)));
  }

  checkConsistency(range: RangeId = 0): Promise<ConsistencyAnswer> {
    const asked = this.ranges.all().filter((host) => range === 0 || host.range === range);
    return compareLed(asked, this.nodeId);
  }

  async close(): Promise<void> {
    const { breakage, closing, sqlSide, truncation } = this.#parts;
    sqlSide.sql.close();
    // In the same turn: a statement whose session was just closed must not go on in a transaction of its own.
    sqlSide.transactions.close();
    if (breakage.reason === undefined) await this.ranges.retire();
    // A node that is broken must write nothing more: what it acknowledged is in the log.
    try {
      if (breakage.reason === undefined) await truncation.flush();
    } finally {
      await closing.run();
    }
  }

  #whyNotServing(): string | undefined {
    const { breakage, keyspace } = this.#parts;
    return breakage.reason ?? keyspace.hosts.whyBroken ?? this.clock.suspended;
  }
}
