// The database of a node without its doors: put together from the rooms below, the same in a process and in the
// simulator. Opening replays what the log has and the storage has not; closing leaves everything durable.
//
//   SQL sessions -> transactions -> ranges (locks, cache, commit) -> Raft (log) -> storage shard
//                                                              clock orders all of it
//
// A node that is alone leads its ranges from the start. In a cluster each range has replicas on some nodes; the one that
// leads serves, the others apply and say who does.

import { DbError } from '../base/errors.ts';
import { type OwnedClock, openIntervalClock } from '../clock/clock.ts';
import type { RetentionBounds } from '../raft/retention.ts';
import {
  DEFAULT_SCHEDULER_OPTIONS,
  RaftScheduler,
  type SchedulerObserver,
} from '../raft/scheduler.ts';
import type { Ranges } from '../ranges/api.ts';
import { FIRST_DATA_RANGE, firstDescriptors } from '../ranges/layout.ts';
import { RangeService } from '../ranges/remote/range-service.ts';
import { RemoteRangeNodes } from '../ranges/remote/remote-nodes.ts';
import { publish } from '../ranges/routing/directory.ts';
import { DirectoryPublisher } from '../ranges/routing/directory-publisher.ts';
import { Router } from '../ranges/routing/router.ts';
import { Pace } from '../ranges/snapshots/pace.ts';
import { Turns } from '../ranges/turns.ts';
import type { NodeId, Runtime, WorkerEntry } from '../runtime/runtime.ts';
import type { SqlServer } from '../sql/api.ts';
import type { Catalog } from '../sql/catalog/api.ts';
import { createCatalog } from '../sql/catalog/catalog.ts';
import type { TableDescriptor, TableSettings } from '../sql/catalog/descriptor.ts';
import type { ClusterAdmin } from '../sql/cluster-admin.ts';
import { initParser } from '../sql/parse/grammar.ts';
import { createSqlServer } from '../sql/session/server.ts';
import type { Span } from '../storage/engine.ts';
import { RowCache } from '../storage/row-cache.ts';
import { indexIdOf } from '../storage/page-index.ts';
import type { RangeId, Shard } from '../storage/shard.ts';
import { startShard } from '../storage/shard-client.ts';
import type { Fence } from '../txn/fence.ts';
import { Outcomes } from '../txn/outcomes.ts';
import { DEFAULT_TRANSACTION_SETTINGS } from '../txn/settings.ts';
import { Coordinator } from '../txn/transactions.ts';
import type { Addresses } from './bootstrap.ts';
import { Closing } from './closing.ts';
import type { NodeConfig } from './config.ts';
import { gaugesOf } from './figures.ts';
import { loadIdentity, type Member } from './identity.ts';
import { membersAfter } from './members.ts';
import { loadGauges } from './load/load-figures.ts';
import { LoadKeeper } from './load/load-keeper.ts';
import { nodeAdmin } from './placement/node-admin.ts';
import { placementGauges } from './placement/placement-figures.ts';
import { Placement } from './placement/placement-node.ts';
import { localRanges } from './placement/placement-ranges.ts';
import type { NodeRecord } from './placement/registry.ts';
import { parseSetting } from './placement/settings.ts';
import { DEFAULT_SETTINGS, settingFor, type Settings } from './placement/settings-store.ts';
import { createProgramRun } from './program-run.ts';
import { compareLed, ConsistencyChecks } from './ranges/consistency-checks.ts';
import { allDescriptors } from './ranges/directory-rows.ts';
import { LogTruncation } from './ranges/log-truncation.ts';
import { RangeControl } from './ranges/range-control.ts';
import type { RangeHost } from './ranges/range-host.ts';
import { RangeIds } from './ranges/range-ids.ts';
import { RangeStore } from './ranges/range-store.ts';
import { FencedRanges } from './schema/fenced-ranges.ts';
import { SchemaServing } from './schema/schema-serving.ts';
import { notServing, SqlServing } from './schema/sql-serving.ts';
import { SpaceGuard } from './space-guard.ts';
import type { ConsistencyAnswer, DatabaseHealth, Gauge, NodeStatus } from './status.ts';
import { Streams } from './streams.ts';

/** Snapshots of other ranges that wait for their turn. */
const SNAPSHOTS_WAITING_MAX = 64;
const NOWHERE: Addresses = { rpc: '', sql: '', http: '' };

export interface DatabaseOptions {
  /** What a storage shard runs: RocksDB on a thread, or an engine in memory in the simulator. */
  readonly shardEntry: WorkerEntry;
  /** Called at most once: a broken invariant or a failed disk, after which this node must not go on. */
  readonly broken: (error: Error) => void;
  /** Of the data directory, when the caller has it already; closing lets go of it. */
  readonly lock?: Disposable;
  readonly observer?: SchedulerObserver;
  /** How much of the log is kept for members that lag behind; left out: as usual. */
  readonly retention?: RetentionBounds;
  /** Where others find this node; left out: as its identity has it. */
  readonly addresses?: Addresses;
  /** 'region=eu,zone=a' */
  readonly locality?: string;
  /** The registry was read: who belongs to the cluster, and where. */
  readonly onNodes?: (records: readonly NodeRecord[]) => void;
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
  const { files, log, timers } = runtime;
  const directory = config.dataDirectory;
  const closing = new Closing();
  let brokenBy: string | undefined;
  let store: RangeStore | undefined;
  let router: Router | undefined;
  let serving: SqlServing | undefined;
  let schema: SchemaServing | undefined;
  let catalog: Catalog | undefined;
  let interrupt: (error: Error) => void = () => {};
  /** A start waits for what a broken node never does: it is told. */
  const interrupted = new Promise<never>((_resolve, reject) => {
    interrupt = reject;
  });
  interrupted.catch(() => {});
  const broken = (reason: unknown): void => {
    if (brokenBy !== undefined) return;
    const error = reason instanceof Error ? reason : new Error(String(reason));
    brokenBy = error.message;
    // P35: whoever waits for a lock or an outcome is told now, for neither will come.
    store?.stop(brokenBy);
    router?.stop();
    serving?.cease();
    interrupt(error);
    options.broken(error);
  };
  if (options.lock !== undefined) closing.add(() => options.lock?.[Symbol.dispose]());
  try {
    await files.makeDirectory(directory);
    if (options.lock === undefined) {
      const lock = await files.lockDirectory(directory);
      closing.add(() => lock[Symbol.dispose]());
    }
    const identity = await loadIdentity(files, runtime.random, directory, config.shards);
    const { nodeId, clusterId, members } = identity;
    const isAlone = members.length <= 1;
    const [clock] = await Promise.all([
      openIntervalClock(runtime, directory, { onFailure: broken }),
      initParser(),
    ]);
    closing.add(() => clock.close());

    const shards: Shard[] = [];
    const cacheBytes = Math.ceil(config.cacheBytes / identity.shards);
    for (let i = 0; i < identity.shards; i++) {
      const path = `${directory}/shard-${i}`;
      await files.makeDirectory(path);
      const shard = startShard(runtime, options.shardEntry, { path, cacheBytes });
      shard.onFailure(broken);
      shards.push(shard);
      closing.add(() => shard.close());
    }
    // What is committed and not applied when the storage closes is in the log; that it finds no storage breaks nothing.
    closing.add(() => {
      brokenBy ??= 'the node was stopped';
    });
    const applied = await Promise.all(shards.map((one) => one.opened));

    const streams = new Streams(runtime.network, log);
    closing.add(() => streams.stop());
    const scheduler = await RaftScheduler.open({ ...runtime, clock, nodeId }, `${directory}/log`, {
      ...DEFAULT_SCHEDULER_OPTIONS,
      timing: config.timing,
      log: { ...DEFAULT_SCHEDULER_OPTIONS.log, segmentBytes: config.logSegmentBytes },
      ...(options.observer === undefined ? {} : { observer: options.observer }),
      ...(options.retention === undefined ? {} : { retention: options.retention }),
    });
    scheduler.onFailure(broken);
    // After the scheduler, which answers what was proposed before.
    closing.add(() => store?.stop('the node is stopping'));
    closing.add(() => scheduler.close());
    // P12
    scheduler.onClock((verdict) => {
      if (verdict.kind === 'disputed') log.warn('clocks disagree', { reason: verdict.reason });
      clock.distrust(verdict.kind === 'outOfBounds' ? verdict.reason : undefined);
    });

    const cache = new RowCache(config.cacheBytes);
    let statements = (): number => 0;
    const remote = new RemoteRangeNodes(runtime);
    const keeper = new LoadKeeper({
      time: runtime.time,
      timers,
      statements: () => statements(),
      asked: () => remote.requests,
    });
    closing.add(() => keeper.stop());
    /** Defaults, until there are others. */
    let settings: Settings = DEFAULT_SETTINGS;
    const hosts = await RangeStore.open(
      {
        nodeId,
        isAlone,
        founders: identity.founders,
        dataDirectory: directory,
        runtime,
        clock,
        timing: config.timing,
        scheduler,
        shards,
        cache,
        loads: keeper.book,
        streams,
        sending: new Turns(SNAPSHOTS_WAITING_MAX),
        receiving: new Turns(SNAPSHOTS_WAITING_MAX),
        sendingPace: new Pace(runtime.time, timers, () =>
          settings.get('snapshot.bytes_per_second'),
        ),
        // Both are made once the router is there: nothing is asked before.
        outcomes: {
          inquire: (txn, anchor, deadline) => outcomes.inquire(txn, anchor, deadline),
          resolve: (request) => outcomes.resolve(request),
        },
        newRangeId: () => rangeIds.next(),
        published: (before) => ranges.directory.before(before),
        onFailure: broken,
      },
      applied,
    );
    store = hosts;
    /** The schema is where its range is led; that begins with the catalog's first key, so its id stays. */
    const home = (): RangeHost | undefined => hosts.get(FIRST_DATA_RANGE);
    let homeTerm: number | undefined;
    const followHome = (): void => {
      const term = home()?.isServing === true ? home()?.group.term : undefined;
      if (term === homeTerm) return;
      if (homeTerm !== undefined) schema?.cease('another node leads it');
      homeTerm = term;
      if (term === undefined) return;
      schema?.begin();
      catalog?.schema.homeMoved();
    };
    hosts.onChange((host) => {
      if (host.range === FIRST_DATA_RANGE) followHome();
    });
    const whyBroken = (): string | undefined =>
      hosts.all().find(({ replica }) => replica.whyBroken !== undefined)?.replica.whyBroken;

    closing.add(() => remote.close());
    const ranges = new Router({
      runtime,
      clock,
      local: {
        node: nodeId,
        find: (range) => hosts.get(range)?.replica,
        reader: (range, t) => {
          const replica = hosts.get(range)?.replica;
          return replica !== undefined && t <= replica.safeTime ? replica : undefined;
        },
      },
      remote,
      // Founders may be gone: of the members, some have the root range, and all know who does.
      seeds: firstDescriptors(isAlone ? identity.founders : members.map((one) => one.nodeId)),
    });
    router = ranges;
    const outcomes = new Outcomes(ranges, timers);
    closing.add(() => ranges.stop());
    const service = new RangeService({
      ranges: {
        lookup: (range) => {
          const host = hosts.get(range);
          return host && { endpoint: host.replica, load: host.load };
        },
        holder: (range) => {
          const host = hosts.holder(range);
          return host && { endpoint: host.replica };
        },
      },
      timers,
      log,
    });
    streams.register('ranges', (from, stream) => service.serve(from, stream));
    closing.add(() => service.close());
    const newCoordinator = (through: Ranges, fence?: Fence): Coordinator => {
      const transactions = new Coordinator({
        ranges: through,
        clock,
        runtime,
        runProgram: createProgramRun,
        settings: DEFAULT_TRANSACTION_SETTINGS,
        ...(fence === undefined ? {} : { fence }),
      });
      closing.add(() => transactions.close());
      return transactions;
    };
    /** The catalog's own and the key-value door's. */
    const system = newCoordinator(ranges);
    const rangeIds = new RangeIds(system);
    const publisher = new DirectoryPublisher({
      runtime,
      publish: (descriptor) => publish(ranges.directory, () => system.begin(), descriptor),
    });
    closing.add(() => publisher.stop());
    const told = (host: RangeHost): void => {
      if (host.isKnown) ranges.learned(host.descriptor);
      if (host.isServing) publisher.publish(host.descriptor);
      else publisher.forget(host.range);
    };
    hosts.onChange(told);
    hosts.confirmBy((range, generation) => publisher.isConfirmed(range, generation));
    for (const host of hosts.all()) told(host);
    /** Of the registry, once that was read. */
    let currentMembers = (): readonly Member[] => members;
    const leaderElsewhere = (): Member | undefined =>
      currentMembers().find((member) => member.nodeId === home()?.leaderElsewhere);
    schema = new SchemaServing({
      nodeId,
      runtime,
      streams,
      transactions: system,
      leads: () => {
        const host = home();
        if (host?.isServing !== true) return false;
        const { lease } = host.group;
        // An only voter leads, whatever its clock says (P7).
        return lease.isAlone || lease.isHeld();
      },
      leader: () => home()?.leaderElsewhere,
      others: () => currentMembers().map((node) => node.nodeId),
      onFailure: broken,
    });
    closing.add(() => schema?.cease('the node is stopping'));
    catalog = createCatalog({
      transactions: system,
      node: nodeId,
      homes: schema,
      clock,
      time: runtime.time,
      timers,
      random: runtime.random,
      log,
      onServing: () => serving?.begin(),
      onCeased: () => serving?.cease(),
      onFailure: broken,
    });
    const leases = catalog.schema;
    closing.add(() => leases.stop());
    /** Of sessions: they wait for the catalog. */
    const transactions = newCoordinator(new FencedRanges(ranges, leases), leases);
    const sqlServing = new SqlServing({
      transactions,
      refusal: () => notServing(nodeId, brokenBy ?? whyBroken(), leaderElsewhere()),
    });
    serving = sqlServing;
    leases.start();
    /** What answers them is made below, before anybody connects. */
    const admin: { -readonly [part in keyof ClusterAdmin]: ClusterAdmin[part] } = {};
    const sql = createSqlServer({
      transactions,
      catalog,
      clock,
      time: runtime.time,
      timers,
      random: runtime.random,
      log,
      cluster: admin,
    });

    statements = () => sql.statistics.statements;

    const guard = new SpaceGuard({
      files,
      timers,
      log,
      path: directory,
      minFreeBytes: config.minFreeBytes,
      onChange: (refusal) => hosts.refuseWrites(refusal),
    });
    await guard.start();
    closing.add(() => guard.stop());
    const truncation = new LogTruncation({
      timers,
      faults: runtime.faults,
      ranges: () => hosts.all(),
      entriesPerFlush: config.entriesPerFlush,
      bytesPerFlush: config.bytesPerFlush,
      broken,
    });
    truncation.start();
    closing.add(() => truncation.stop());
    const checks = new ConsistencyChecks(
      () => hosts.all(),
      timers,
      log,
      config.consistencyCheckMicros,
    );
    closing.add(() => checks.stop());

    /** Of the table that the range begins with. */
    const settingsOf = ({ start }: Span): TableSettings | undefined =>
      start.length < 4 ? undefined : catalog?.settingsOf(indexIdOf(start, 0));
    const own = members.find((member) => member.nodeId === nodeId);
    const placement: Placement = new Placement({
      runtime,
      streams,
      transactions: system,
      clusterId,
      nodeId,
      founders: identity.founders,
      instanceId: identity.instanceId ?? '',
      addresses: options.addresses ?? own ?? NOWHERE,
      locality: options.locality ?? '',
      ranges: () =>
        localRanges(hosts.all(), {
          rates: ({ load }) => load.rates(),
          bytes: ({ range }) => control.queue.bytesOf(range),
          isDividing: ({ range }) => control.queue.isDividing(range),
          factor: ({ descriptor }) =>
            settingFor('replication.factor', settingsOf(descriptor.span), placement.settings),
        }),
      capacity: () => keeper.learnedCapacity ?? 0,
      tableFactor: () => greatestFactor(catalog?.tables() ?? []),
      followLoad: () => keeper.nodeLoad().followWork,
      // A node that is given replicas up to its mark would refuse writes at once.
      roomBytes: () => Math.max(0, guard.freeBytes - 2 * config.minFreeBytes),
      onNodes: (records) => {
        schema?.departed(goneOf(records));
        options.onNodes?.(records);
      },
    });
    settings = placement.settings;
    currentMembers = () =>
      placement.nodes.length > 0 ? membersAfter(members, placement.nodes) : members;
    closing.add(() => placement.stop());
    const control: RangeControl = new RangeControl({
      nodeId,
      runtime,
      clock,
      streams,
      store: hosts,
      keeper,
      placement,
      settingsOf,
      directory: () => allDescriptors(system),
    });
    closing.add(() => control.stop());
    placement.start();
    admin.ranges = control.admin;
    admin.load = control.admin;
    admin.nodes = nodeAdmin(placement);
    admin.settings = placement.settings;

    if (isAlone || brokenBy !== undefined) await Promise.race([sqlServing.served, interrupted]);
    log.info(isAlone ? 'serving' : 'running', { directory, cluster: clusterId, node: nodeId });

    return {
      nodeId,
      clusterId,
      get members() {
        return currentMembers();
      },
      sql: sqlServing.guard(sql.server),
      kv: { ranges, transactions: system, clock, leader: leaderElsewhere },
      clock,
      health: () => {
        const reason = brokenBy ?? whyBroken() ?? clock.suspended;
        const at = home()?.status();
        return {
          serving: reason === undefined,
          status: reason ?? guard.refusal ?? 'ok',
          fields: {
            node: nodeId,
            cluster: clusterId,
            role: at?.role ?? 'follower',
            leader: at?.leaderNode ?? 0,
            ranges: hosts.all().length,
            sessions: sql.statistics.sessions,
            freeBytes: guard.freeBytes,
          },
        };
      },
      metrics: async () => [
        ...gaugesOf({
          ranges: hosts
            .all()
            .map((host) => ({ replica: host.replica.stats(), range: host.status() })),
          cache: cache.stats(),
          sql: sql.statistics,
          syncs: scheduler.syncs,
          usage: await Promise.all(shards.map((shard) => shard.usage())),
          clockWidth: clock.latest() - clock.earliest(),
          freeBytes: guard.freeBytes,
        }),
        ...loadGauges(keeper, control.queue),
        ...placementGauges(placement.driver.counts(), placement.views()),
      ],
      status: () => ({
        nodeId,
        clusterId,
        members: currentMembers(),
        isServing: sqlServing.isServing,
        reason: brokenBy ?? whyBroken() ?? clock.suspended ?? 'ok',
        ranges: [...hosts.hosted()].map((host) => host.status()),
      }),
      transferLeadership: async (to) => {
        const led = hosts.all().filter(({ group }) => group.isLeader);
        if (led.length === 0) throw new DbError('57P03', `node ${nodeId} leads no range`);
        await Promise.all(led.map((host) => host.transferTo(to)));
      },
      ranges: hosts,
      placement,
      checkConsistency: (range = 0) =>
        compareLed(
          hosts.all().filter((host) => range === 0 || host.range === range),
          nodeId,
        ),
      close: async () => {
        sql.close();
        // In the same turn: a statement whose session was just closed must not go on in a transaction of its own.
        transactions.close();
        if (brokenBy === undefined) await hosts.retire();
        // A node that is broken must write nothing more: what it acknowledged is in the log.
        try {
          if (brokenBy === undefined) await truncation.flush();
        } finally {
          await closing.run();
        }
      },
    };
  } catch (error) {
    await closing
      .run()
      .catch((failure: unknown) => log.error('closing failed', { error: String(failure) }));
    throw error;
  }
}

function greatestFactor(tables: readonly TableDescriptor[]): number {
  const factors = tables.flatMap(({ settings }) => settings.get('replication.factor') ?? []);
  return Math.max(0, ...factors.map((text) => parseSetting('replication.factor', text)));
}

function goneOf(records: readonly NodeRecord[]): readonly NodeId[] {
  return records.filter(({ state }) => state === 'decommissioned').map(({ nodeId }) => nodeId);
}
