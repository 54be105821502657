// What the ranges of a node stand on: the data directory and who the node is, the clock, the storage shards, and Raft with
// its log.

import { type OwnedClock, openIntervalClock } from '../clock/clock.ts';
import type { RetentionBounds } from '../raft/retention.ts';
import {
  DEFAULT_SCHEDULER_OPTIONS,
  RaftScheduler,
  type SchedulerObserver,
} from '../raft/scheduler.ts';
import type { Runtime, WorkerEntry } from '../runtime/runtime.ts';
import { initParser } from '../sql/parse/grammar.ts';
import type { AppliedRange, Shard } from '../storage/shard.ts';
import { startShard } from '../storage/shard-client.ts';
import type { Breakage } from './breakage.ts';
import type { Closing } from './closing.ts';
import type { NodeConfig } from './config.ts';
import { loadIdentity, type NodeIdentity } from './identity.ts';
import { Streams } from './streams.ts';

export interface FoundationOptions {
  /** What a storage shard runs: RocksDB on a thread, or an engine in memory in the simulator. */
  readonly shardEntry: WorkerEntry;
  /** Of the data directory, when the caller has it already; closing lets go of it. */
  readonly lock?: Disposable;
  readonly observer?: SchedulerObserver;
  /** How much of the log is kept for members that lag behind; left out: as usual. */
  readonly retention?: RetentionBounds;
}

export interface Foundations {
  readonly identity: NodeIdentity;
  /** No other node was ever part of the cluster. */
  readonly isAlone: boolean;
  readonly clock: OwnedClock;
  readonly shards: readonly Shard[];
  /** What each shard had applied before this start. */
  readonly applied: readonly (readonly AppliedRange[])[];
  readonly streams: Streams;
  readonly scheduler: RaftScheduler;
}

export interface FoundationParts {
  readonly runtime: Runtime;
  readonly config: NodeConfig;
  readonly options: FoundationOptions;
  readonly breakage: Breakage;
  readonly closing: Closing;
  /** When the node stops: Raft has answered all that was proposed. */
  readonly raftClosed: () => void;
}

export async function openFoundations(parts: FoundationParts): Promise<Foundations> {
  const { runtime, config, options, breakage, closing } = parts;
  const { files, log } = runtime;
  const directory = config.dataDirectory;
  await files.makeDirectory(directory);
  if (options.lock === undefined) {
    const lock = await files.lockDirectory(directory);
    closing.add(() => lock[Symbol.dispose]());
  }
  const identity = await loadIdentity(files, runtime.random, directory, config.shards);
  const [clock] = await Promise.all([
    openIntervalClock(runtime, directory, { onFailure: breakage.broken }),
    initParser(),
  ]);
  closing.add(() => clock.close());

  const shards = await startShards(parts, identity);
  // What is committed and not applied when the storage closes is in the log; that it finds no storage breaks nothing.
  closing.add(() => breakage.stopped());
  const applied = await Promise.all(shards.map((one) => one.opened));

  const streams = new Streams(runtime.network, log);
  closing.add(() => streams.stop());
  const { nodeId } = identity;
  const scheduler = await RaftScheduler.open({ ...runtime, clock, nodeId }, `${directory}/log`, {
    ...DEFAULT_SCHEDULER_OPTIONS,
    timing: config.timing,
    log: { ...DEFAULT_SCHEDULER_OPTIONS.log, segmentBytes: config.logSegmentBytes },
    ...(options.observer === undefined ? {} : { observer: options.observer }),
    ...(options.retention === undefined ? {} : { retention: options.retention }),
  });
  scheduler.onFailure(breakage.broken);
  closing.add(parts.raftClosed);
  closing.add(() => scheduler.close());
  // P12
  scheduler.onClock((verdict) => {
    if (verdict.kind === 'disputed') log.warn('clocks disagree', { reason: verdict.reason });
    const { faults } = runtime;
    // A bug on purpose, for the simulator to find: P12 turned off.
    const isWrong = verdict.kind === 'outOfBounds' && !faults.sometimes('clock.ignore-skew');
    if (isWrong) faults.reached('clock.skewed');
    clock.distrust(isWrong ? verdict.reason : undefined);
  });
  const isAlone = identity.members.length <= 1;
  return { identity, isAlone, clock, shards, applied, streams, scheduler };
}

async function startShards(
  { runtime, config, options, breakage, closing }: FoundationParts,
  identity: NodeIdentity,
): Promise<ReturnType<typeof startShard>[]> {
  const shards: ReturnType<typeof startShard>[] = [];
  const cacheBytes = Math.ceil(config.cacheBytes / identity.shards);
  for (let i = 0; i < identity.shards; i++) {
    const path = `${config.dataDirectory}/shard-${i}`;
    await runtime.files.makeDirectory(path);
    const shard = startShard(runtime, options.shardEntry, { path, cacheBytes });
    shard.onFailure(breakage.broken);
    shards.push(shard);
    closing.add(() => shard.close());
  }
  return shards;
}
