// The database of a node without its doors: put together from the rooms below, the same in a process and in the
// simulator. Opening replays what the log has and the storage has not; closing leaves everything durable.
//
//   SQL sessions -> transactions -> ranges (locks, cache, commit) -> Raft (log) -> storage shard
//                                                              clock orders all of it
//
// A node that is alone leads its range from the start. In a cluster every node has a replica of it; the one that leads
// serves, the others apply and say who does.

import { DbError } from '../base/errors.ts';
import { openIntervalClock, type OwnedClock } from '../clock/clock.ts';
import {
  DEFAULT_SCHEDULER_OPTIONS,
  RaftScheduler,
  type SchedulerObserver,
} from '../raft/scheduler.ts';
import type { RetentionBounds } from '../raft/retention.ts';
import type { Ranges } from '../ranges/api.ts';
import { Router } from '../ranges/router.ts';
import { Turns } from '../ranges/turns.ts';
import type { NodeId, Runtime, WorkerEntry } from '../runtime/runtime.ts';
import type { SqlServer } from '../sql/api.ts';
import type { Catalog } from '../sql/catalog/api.ts';
import { createCatalog } from '../sql/catalog/catalog.ts';
import { initParser } from '../sql/parse/grammar.ts';
import { createSqlServer } from '../sql/session/server.ts';
import { RowCache } from '../storage/row-cache.ts';
import type { Shard } from '../storage/shard.ts';
import { startShard } from '../storage/shard-client.ts';
import type { Fence } from '../txn/fence.ts';
import { DEFAULT_TRANSACTION_SETTINGS } from '../txn/settings.ts';
import { Coordinator } from '../txn/transactions.ts';
import { Closing } from './closing.ts';
import type { NodeConfig } from './config.ts';
import { ConsistencyChecks } from './consistency-checks.ts';
import { FencedRanges } from './fenced-ranges.ts';
import { gaugesOf } from './figures.ts';
import { loadIdentity, type Member } from './identity.ts';
import { LogTruncation } from './log-truncation.ts';
import { createProgramRun } from './program-run.ts';
import { RangeHost } from './range-host.ts';
import { SchemaServing } from './schema-serving.ts';
import { SpaceGuard } from './space-guard.ts';
import { SqlServing } from './sql-serving.ts';
import type { ConsistencyAnswer, DatabaseHealth, Gauge, NodeStatus } from './status.ts';
import { Streams } from './streams.ts';

/** The one range there is. */
const RANGE = 1;
/** Snapshots of other ranges that wait for their turn. */
const SNAPSHOTS_WAITING_MAX = 64;

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
  readonly members: readonly Member[];
  readonly sql: SqlServer;
  readonly kv: KeyValueAccess;
  readonly clock: OwnedClock;
  health(): DatabaseHealth;
  metrics(): Promise<readonly Gauge[]>;
  status(): NodeStatus;
  /** Of all ranges that this node leads. Throws DbError. */
  transferLeadership(to: NodeId): Promise<void>;
  /** Whether all replicas hold the same; of the node that leads. */
  checkConsistency(): Promise<ConsistencyAnswer>;
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
  let host: RangeHost | undefined;
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
    host?.stop(brokenBy);
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
    for (let i = 0; i < identity.shards; i++) {
      const path = `${directory}/shard-${i}`;
      await files.makeDirectory(path);
      const shard = startShard(runtime, options.shardEntry, { path });
      shard.onFailure(broken);
      shards.push(shard);
      closing.add(() => shard.close());
    }
    // What is committed and not applied when the storage closes is in the log; that it finds no storage breaks nothing.
    closing.add(() => {
      brokenBy ??= 'the node was stopped';
    });
    // A range lives on one shard.
    const shard = shards[RANGE % shards.length] as Shard;
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
    closing.add(() => host?.stop('the node is stopping'));
    closing.add(() => scheduler.close());
    // P12
    scheduler.onClock((verdict) => {
      if (verdict.kind === 'disputed') log.warn('clocks disagree', { reason: verdict.reason });
      clock.distrust(verdict.kind === 'outOfBounds' ? verdict.reason : undefined);
    });

    const cache = new RowCache(config.cacheBytes);
    const range = await RangeHost.open({
      range: RANGE,
      nodeId,
      founders: isAlone ? [nodeId] : members.map((member) => member.nodeId),
      dataDirectory: directory,
      runtime,
      clock,
      timing: config.timing,
      scheduler,
      shard,
      cache,
      applied: applied.flat().find((one) => one.range === RANGE),
      streams,
      sending: new Turns(SNAPSHOTS_WAITING_MAX),
      receiving: new Turns(SNAPSHOTS_WAITING_MAX),
      onServing: () => schema?.begin(),
      onCeased: () => {
        schema?.cease('another node leads it');
        catalog?.schema.giveUp();
      },
      onFailure: broken,
    });
    host = range;
    const { replica } = range;

    const ranges = new Router(replica);
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
    const leaderElsewhere = (): Member | undefined =>
      members.find((member) => member.nodeId === range.leaderElsewhere);
    schema = new SchemaServing({
      nodeId,
      runtime,
      streams,
      transactions: system,
      isReachedByOthers: false,
      leads: () => {
        const { lease } = range.group;
        // An only voter leads, whatever its clock says (P7).
        return replica.isServing && (lease.isAlone || lease.isHeld());
      },
      leader: () => range.leaderElsewhere,
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
      refusal: () => notServing(nodeId, brokenBy ?? replica.whyBroken, leaderElsewhere()),
    });
    serving = sqlServing;
    leases.start();
    const sql = createSqlServer({
      transactions,
      catalog,
      clock,
      time: runtime.time,
      timers,
      random: runtime.random,
      log,
    });

    const guard = new SpaceGuard({
      files,
      timers,
      log,
      path: directory,
      minFreeBytes: config.minFreeBytes,
      onChange: (refusal) => {
        replica.refuseWrites = refusal;
      },
    });
    await guard.start();
    closing.add(() => guard.stop());
    const truncation = new LogTruncation({
      timers,
      log,
      faults: runtime.faults,
      shard,
      range: RANGE,
      entriesPerFlush: config.entriesPerFlush,
      bytesPerFlush: config.bytesPerFlush,
      bytesBetween: (after, last) => range.group.bytesBetween(after, last),
      appliedIndex: () => replica.appliedIndex,
      truncate: (index) => scheduler.truncate(range.group, Math.min(index, range.group.delivered)),
      broken,
    });
    truncation.start();
    closing.add(() => truncation.stop());
    const checks = new ConsistencyChecks(range, timers, log, config.consistencyCheckMicros);
    closing.add(() => checks.stop());

    if (isAlone || brokenBy !== undefined) await Promise.race([sqlServing.served, interrupted]);
    log.info(isAlone ? 'serving' : 'running', { directory, cluster: clusterId, node: nodeId });

    return {
      nodeId,
      clusterId,
      members,
      sql: sqlServing.guard(sql.server),
      kv: { ranges, transactions: system, clock, leader: leaderElsewhere },
      clock,
      health: () => {
        const reason = brokenBy ?? replica.whyBroken ?? clock.suspended;
        const { role, leaderNode } = range.status();
        return {
          serving: reason === undefined,
          status: reason ?? guard.refusal ?? 'ok',
          fields: {
            node: nodeId,
            cluster: clusterId,
            role,
            leader: leaderNode,
            sessions: sql.statistics.sessions,
            freeBytes: guard.freeBytes,
          },
        };
      },
      metrics: async () =>
        gaugesOf({
          replica: replica.stats(),
          range: range.status(),
          cache: cache.stats(),
          sql: sql.statistics,
          syncs: scheduler.syncs,
          usage: await shard.usage(),
          clockWidth: clock.latest() - clock.earliest(),
          freeBytes: guard.freeBytes,
        }),
      status: () => ({
        nodeId,
        clusterId,
        members,
        isServing: sqlServing.isServing,
        reason: brokenBy ?? replica.whyBroken ?? clock.suspended ?? 'ok',
        ranges: [range.status()],
      }),
      transferLeadership: (to) => range.transferTo(to),
      checkConsistency: () => range.check(),
      close: async () => {
        sql.close();
        // In the same turn: a statement whose session was just closed must not go on in a transaction of its own.
        transactions.close();
        if (brokenBy === undefined) await range.retire();
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

function notServing(
  nodeId: NodeId,
  broken: string | undefined,
  leader: Member | undefined,
): DbError {
  if (broken !== undefined) {
    return new DbError('57P03', `node ${nodeId} does not serve: ${broken}`, {
      hint: 'Look at the log of the node.',
    });
  }
  if (leader === undefined) {
    return new DbError('57P03', `node ${nodeId} does not serve SQL: no leader is known`, {
      hint: 'Try again in a moment.',
    });
  }
  return new DbError('57P03', `node ${nodeId} does not serve SQL: node ${leader.nodeId} leads`, {
    hint: `Connect to ${leader.sql}.`,
  });
}
