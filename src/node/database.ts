// The database of a node without its doors: put together from the rooms below, the same in a process and in the
// simulator. Opening replays what the log has and the storage has not; closing leaves everything durable.
//
//   SQL sessions -> transactions -> ranges (locks, cache, commit) -> Raft (log) -> storage shard
//                                                              clock orders all of it

import { assert } from '../base/assert.ts';
import { EMPTY_BYTES } from '../base/bytes.ts';
import { openIntervalClock, type OwnedClock } from '../clock/clock.ts';
import { MIN_TIMESTAMP } from '../clock/timestamp.ts';
import { configurationOf } from '../raft/configuration.ts';
import { DEFAULT_SCHEDULER_OPTIONS, RaftScheduler } from '../raft/scheduler.ts';
import type { RaftGroup } from '../raft/group.ts';
import type { ProposeAnswer } from '../raft/proposals.ts';
import { Replica } from '../ranges/replica.ts';
import type { ProposalOutcome } from '../ranges/replica-parts.ts';
import { Router } from '../ranges/router.ts';
import type { Runtime, WorkerEntry } from '../runtime/runtime.ts';
import type { SqlServer } from '../sql/api.ts';
import { createCatalog } from '../sql/catalog/catalog.ts';
import { initParser } from '../sql/parse/grammar.ts';
import { createSqlServer } from '../sql/session/server.ts';
import { RowCache } from '../storage/row-cache.ts';
import type { Shard } from '../storage/shard.ts';
import { startShard } from '../storage/shard-client.ts';
import { DEFAULT_TRANSACTION_SETTINGS } from '../txn/settings.ts';
import { Coordinator } from '../txn/transactions.ts';
import type { NodeConfig } from './config.ts';
import { loadIdentity } from './identity.ts';
import { createProgramRun } from './program-run.ts';
import { LogTruncation } from './log-truncation.ts';
import { SpaceGuard } from './space-guard.ts';
import type { DatabaseHealth, Gauge } from './status.ts';

/** The one range there is, and its replica here. */
const RANGE = 1;
const REPLICA = 1;
const GENERATION = 1;

export interface DatabaseOptions {
  /** What a storage shard runs: RocksDB on a thread, or an engine in memory in the simulator. */
  readonly shardEntry: WorkerEntry;
  /** Called at most once: a broken invariant or a failed disk, after which this node must not go on. */
  readonly broken: (error: Error) => void;
}

export interface Database {
  readonly sql: SqlServer;
  readonly clock: OwnedClock;
  health(): DatabaseHealth;
  metrics(): Promise<readonly Gauge[]>;
  close(): Promise<void>;
}

export async function openDatabase(
  runtime: Runtime,
  config: NodeConfig,
  options: DatabaseOptions,
): Promise<Database> {
  const { files, log, timers } = runtime;
  const directory = config.dataDirectory;
  /** What was opened, to be closed in reverse. */
  const opened: (() => Promise<void> | void)[] = [];
  let brokenBy: string | undefined;
  let replica: Replica | undefined;
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
    replica?.stopServing(brokenBy);
    interrupt(error);
    options.broken(error);
  };
  /** All of it, also when some of it fails: the first failure is the one to tell. */
  async function closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of opened.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
  try {
    await files.makeDirectory(directory);
    const lock = await files.lockDirectory(directory);
    opened.push(() => lock[Symbol.dispose]());
    const identity = await loadIdentity(files, runtime.random, directory, config.shards);
    const [clock] = await Promise.all([
      openIntervalClock(runtime, directory, { onFailure: broken }),
      initParser(),
    ]);
    opened.push(() => clock.close());

    const shards: Shard[] = [];
    for (let i = 0; i < identity.shards; i++) {
      const path = `${directory}/shard-${i}`;
      await files.makeDirectory(path);
      const shard = startShard(runtime, options.shardEntry, { path });
      shard.onFailure(broken);
      shards.push(shard);
      opened.push(() => shard.close());
    }
    // What is committed and not applied when the storage closes is in the log; that it finds no storage breaks nothing.
    opened.push(() => {
      brokenBy ??= 'the node was stopped';
    });
    // A range lives on one shard.
    const shard = shards[RANGE % shards.length] as Shard;
    const applied = await Promise.all(shards.map((one) => one.opened));
    const appliedIndex = applied.flat().find((one) => one.range === RANGE)?.appliedIndex ?? 0;

    const parts = { ...runtime, clock, nodeId: identity.nodeId };
    const scheduler = await RaftScheduler.open(parts, `${directory}/log`, {
      ...DEFAULT_SCHEDULER_OPTIONS,
      log: { ...DEFAULT_SCHEDULER_OPTIONS.log, segmentBytes: config.logSegmentBytes },
    });
    scheduler.onFailure(broken);
    opened.push(() => scheduler.close());

    const cache = new RowCache(config.cacheBytes);
    let group: RaftGroup | undefined;
    const leader = new Replica({
      range: RANGE,
      span: { start: EMPTY_BYTES, end: undefined },
      generation: GENERATION,
      runtime,
      clock,
      // The only voter of a range holds its lease for as long as it lives.
      lease: { covers: () => true, isHeld: () => true },
      shard,
      cache,
      proposer: {
        submit: (data, told) => {
          assert(group !== undefined, 'nothing is proposed before the group runs');
          scheduler.submit(group, data, (answer) => told(outcomeOf(answer)));
        },
      },
      appliedIndex,
      stateAtMost: MIN_TIMESTAMP,
      onFailure: broken,
    });
    replica = leader;
    const leading = new Promise<void>((resolve, reject) => {
      group = scheduler.createGroup({
        groupId: RANGE,
        replicaId: REPLICA,
        configuration: configurationOf([REPLICA]),
        appliedIndex,
        onCommitted: (entries) => leader.committed(entries),
        onLeadership: (leadership) => {
          if (leadership.kind === 'leading') leader.lead(leadership.term).then(resolve, reject);
          else leader.follow(undefined);
        },
      });
    });
    await Promise.race([leading, interrupted]);
    const truncation = new LogTruncation({
      timers,
      log,
      faults: runtime.faults,
      shard,
      range: RANGE,
      entriesPerFlush: config.entriesPerFlush,
      appliedIndex: () => leader.appliedIndex,
      truncate: (index) => scheduler.truncate(group as RaftGroup, index),
      broken,
    });
    truncation.start();
    opened.push(() => truncation.stop());
    const guard = new SpaceGuard({
      files,
      timers,
      log,
      path: directory,
      minFreeBytes: config.minFreeBytes,
      onChange: (refusal) => {
        leader.refuseWrites = refusal;
      },
    });
    await guard.start();
    opened.push(() => guard.stop());

    const transactions = new Coordinator({
      ranges: new Router(leader),
      clock,
      runtime,
      runProgram: createProgramRun,
      settings: DEFAULT_TRANSACTION_SETTINGS,
    });
    opened.push(() => transactions.close());
    const catalog = createCatalog({ transactions, timers, log });
    await Promise.race([catalog.load(), interrupted]);
    const sql = createSqlServer({
      transactions,
      catalog,
      clock,
      time: runtime.time,
      timers,
      random: runtime.random,
      log,
    });
    log.info('serving', { directory, cluster: identity.clusterId, node: identity.nodeId });

    return {
      sql: sql.server,
      clock,
      health: () => {
        const reason = brokenBy ?? clock.suspended;
        return {
          serving: reason === undefined,
          status: reason ?? guard.refusal ?? 'ok',
          fields: {
            node: identity.nodeId,
            cluster: identity.clusterId,
            sessions: sql.statistics.sessions,
            freeBytes: guard.freeBytes,
          },
        };
      },
      metrics: async () => {
        const usage = await shard.usage();
        return gauges({
          replica: leader.stats(),
          cache: cache.stats(),
          sql: sql.statistics,
          syncs: scheduler.syncs,
          usage,
          clockWidth: clock.latest() - clock.earliest(),
          freeBytes: guard.freeBytes,
        });
      },
      close: async () => {
        sql.close();
        // In the same turn: a statement whose session was just closed must not go on in a transaction of its own.
        transactions.close();
        // A node that is broken must write nothing more: what it acknowledged is in the log.
        try {
          if (brokenBy === undefined) await truncation.flush();
        } finally {
          await closeAll();
        }
      },
    };
  } catch (error) {
    await closeAll().catch((closing: unknown) =>
      log.error('closing failed', { error: String(closing) }),
    );
    throw error;
  }
}

const COMMITTED: ProposalOutcome = { kind: 'committed' };

function outcomeOf(answer: ProposeAnswer): ProposalOutcome {
  switch (answer.kind) {
    case 'committed':
      return COMMITTED;
    case 'unknown':
      return { kind: 'unknown', message: answer.message };
    case 'notLeader':
      return { kind: 'refused', message: 'this node does not lead the range' };
    case 'busy':
      return { kind: 'refused', message: answer.message };
    case 'diskFull':
    case 'tooLarge':
      return answer;
  }
}

function gauges(figures: {
  replica: ReturnType<Replica['stats']>;
  cache: ReturnType<RowCache['stats']>;
  sql: { statements: number; retries: number; sessions: number };
  syncs: number;
  usage: Awaited<ReturnType<Shard['usage']>>;
  clockWidth: number;
  freeBytes: number;
}): Gauge[] {
  const { replica, cache, sql, usage } = figures;
  const counter = (name: string, help: string, value: number): Gauge => ({
    name,
    help,
    type: 'counter',
    value,
  });
  const gauge = (name: string, help: string, value: number): Gauge => ({
    name,
    help,
    type: 'gauge',
    value,
  });
  return [
    counter('sql_statements_total', 'Statements executed.', sql.statements),
    counter('sql_retries_total', 'Statements tried again after an abort.', sql.retries),
    gauge('sql_sessions', 'Open sessions.', sql.sessions),
    counter('commits_total', 'Transactions committed with writes.', replica.committed),
    counter('wounds_total', 'Transactions wounded by older ones.', replica.wounds),
    gauge('locks_waiting', 'Lock requests that wait.', replica.lockWaits),
    gauge('locked_keys', 'Keys locked.', replica.lockedKeys),
    gauge('writes_in_flight', 'Commits proposed and not yet committed.', replica.inFlight),
    counter(
      'rows_loaded_total',
      'Rows read from storage because the cache had them not.',
      replica.rowsLoaded,
    ),
    counter('cache_hits_total', 'Look-ups that the hot-row cache answered.', cache.hits),
    counter('cache_misses_total', 'Look-ups that it did not.', cache.misses),
    gauge('cache_rows', 'Rows in the hot-row cache.', cache.entries),
    gauge('cache_bytes', 'Memory that the hot-row cache has taken.', cache.bytes),
    counter('log_syncs_total', 'Writes of the log with their sync.', figures.syncs),
    counter('entries_applied_total', 'Log entries applied to storage.', usage.entriesApplied),
    counter('bytes_applied_total', 'Bytes of them.', usage.bytesApplied),
    counter('shard_gets_total', 'Point reads that storage served.', usage.getsServed),
    counter('shard_scans_total', 'Scans that storage served.', usage.scansServed),
    gauge('clock_width_micros', "Width of the clock's interval.", figures.clockWidth),
    gauge('free_bytes', 'Free space on the disk.', figures.freeBytes),
  ];
}
