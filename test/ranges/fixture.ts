// One range on a simulated node: simulated time, the real clock, a storage shard over memory run inline, and a log
// whose delay the test decides.
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { createIntervalClock, type OwnedClock } from '../../src/clock/clock.ts';
import { MIN_TIMESTAMP, type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import { createProgramRun } from '../../src/node/program-run.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import { replicaIdOn } from '../../src/raft/types.ts';
import {
  type CommitAnswer,
  type LockMode,
  type LockRequest,
  type LockSession,
  type RowScan,
  type RowSlice,
  type ScanRequest,
  type Span,
  Stand,
  Standing,
  type TxnRef,
  type Write,
} from '../../src/ranges/api.ts';
import type { RangeDescriptor } from '../../src/ranges/descriptor.ts';
import type { RangeHead } from '../../src/ranges/endpoint.ts';
import type { SplitBirth } from '../../src/ranges/handed-over.ts';
import { newState } from '../../src/ranges/range-state.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { Replica } from '../../src/ranges/replica.ts';
import type {
  CommittedEntry,
  ProposalOutcome,
  Proposer,
  ReplicaParts,
} from '../../src/ranges/replica-parts.ts';
import { PackedRowReader } from '../../src/rows/packed-rows.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { SimDisk } from '../../src/sim/disk.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SimClock } from '../../src/sim/sim-clock.ts';
import { simRuntime } from '../../src/sim/sim-runtime.ts';
import { Life, World } from '../../src/sim/world.ts';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import { RowCache } from '../../src/storage/row-cache.ts';
import type { Shard } from '../../src/storage/shard.ts';
import { startShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { DEFAULT_TRANSACTION_SETTINGS } from '../../src/txn/settings.ts';
import { Coordinator } from '../../src/txn/transactions.ts';
import { DirectRanges } from './direct-ranges.ts';

export interface RigOptions {
  readonly seed?: number;
  readonly uncertaintyMicros?: number;
  /** From proposal to commit; a random part of it when `jitter`. */
  readonly logMicros?: number;
  readonly jitter?: boolean;
  readonly bugs?: readonly string[];
  readonly cacheBytes?: number;
  readonly longestMicros?: number;
  /** Another range in the world of others. */
  readonly world?: World;
}

/** A log that commits what is proposed, in order, after a while; or when told to. */
export class FakeLog implements Proposer {
  readonly entries: CommittedEntry[] = [];
  /** Proposals are kept until commitNext(). */
  isHeld = false;
  /** Proposals are answered so at once, and logged all the same. */
  isUnknown = false;
  /** What the next proposals are answered instead of being logged. */
  refusal: ProposalOutcome | undefined;
  private readonly waiting: { commit(): void; told(outcome: ProposalOutcome): void }[] = [];
  private readonly delay: () => number;
  private readonly world: World;
  private readonly life: Life;
  /** Of the entry before the first. */
  private readonly startIndex: number;
  private lastAt = 0;
  onCommitted: (entries: readonly CommittedEntry[]) => unknown = () => undefined;

  constructor(world: World, life: Life, delay: () => number, startIndex = 0) {
    this.world = world;
    this.life = life;
    this.delay = delay;
    this.startIndex = startIndex;
  }

  get heldCount(): number {
    return this.waiting.length;
  }

  submit(data: Uint8Array, told: (outcome: ProposalOutcome) => void): void {
    if (this.refusal !== undefined) {
      told(this.refusal);
      return;
    }
    const { isUnknown } = this;
    this.waiting.push({
      commit: () => {
        this.append(data);
        if (!isUnknown) told({ kind: 'committed' });
      },
      told,
    });
    if (isUnknown) told({ kind: 'unknown', message: 'the log does not answer' });
    if (this.isHeld) return;
    // In the order of proposing, whatever the delays.
    this.lastAt = Math.max(this.lastAt, this.world.nowMicros + this.delay());
    void this.world.after(this.lastAt - this.world.nowMicros, this.life, () => this.commitNext());
  }

  commitNext(): void {
    this.waiting.shift()?.commit();
  }

  /** The next proposal will never be in the log. */
  refuseNext(outcome: ProposalOutcome): void {
    this.waiting.shift()?.told(outcome);
  }

  /** An entry that nobody here proposed. */
  append(data: Uint8Array): void {
    const index = this.startIndex + this.entries.length + 1;
    const entry: CommittedEntry = { index, term: 1, kind: 'command', data };
    this.entries.push(entry);
    this.onCommitted([entry]);
  }
}

export const EVERYTHING: Span = { start: new Uint8Array(0), end: undefined };
/** Of the range that all replicas here are of, unless told otherwise. */
export const EVERYWHERE: RangeDescriptor = {
  range: 7,
  span: EVERYTHING,
  generation: 1,
  configuration: configurationOf([replicaIdOn(1, 0)]),
  nextIncarnation: 1,
  stickyUntil: MIN_TIMESTAMP,
};
/** Whatever the range is there. */
export const ANY: RangeHead = { range: 7, generation: 0 };
const ALWAYS_LEASED = { covers: () => true, isHeld: () => true };

export class Rig {
  readonly world: World;
  readonly runtime: Runtime;
  readonly clock: OwnedClock;
  readonly shard: Shard;
  readonly cache: RowCache;
  readonly log: FakeLog;
  readonly replica: Replica;
  readonly ranges: DirectRanges;
  readonly transactions: Coordinator;
  readonly failures: unknown[] = [];
  private lastTxn = 0;

  constructor(options: RigOptions = {}) {
    this.world = options.world ?? new World(options.seed ?? 1, new Set(options.bugs ?? []));
    const life = new Life(0);
    const uncertainty = options.uncertaintyMicros ?? 10;
    this.runtime = simRuntime({
      world: this.world,
      life,
      clock: new SimClock(this.world, 'node', uncertainty),
      disk: new SimDisk(this.world, 'disk'),
      network: new SimNetwork(this.world),
    });
    this.clock = createIntervalClock(this.runtime);
    const disk = createMemoryDisk();
    this.shard = startShard(
      this.runtime,
      shardEntry(() => disk.open()),
      undefined,
    );
    this.cache = new RowCache(options.cacheBytes ?? 1 << 20);
    const micros = options.logMicros ?? 500;
    const random = this.world.random.fork('log');
    this.log = new FakeLog(this.world, life, () =>
      options.jitter === true ? 1 + random.below(micros) : micros,
    );
    this.replica = this.newReplica(0);
    this.ranges = new DirectRanges({ find: () => this.replica, all: () => [this.replica] });
    this.transactions = new Coordinator({
      runtime: this.runtime,
      clock: this.clock,
      ranges: this.ranges,
      runProgram: createProgramRun,
      settings: {
        ...DEFAULT_TRANSACTION_SETTINGS,
        ...(options.longestMicros === undefined ? {} : { longestMicros: options.longestMicros }),
      },
    });
  }

  static async serving(options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(options);
    await rig.until(rig.shard.opened);
    await rig.until(rig.replica.lead(1));
    return rig;
  }

  /** Over the same shard and cache; the log's entries go to it from now on. */
  newReplica(
    appliedIndex: number,
    cache: RowCache = this.cache,
    other: Partial<ReplicaParts> = {},
  ): Replica {
    const replica = new Replica({
      range: 7,
      nodeId: 1,
      state: newState(EVERYWHERE),
      runtime: this.runtime,
      clock: this.clock,
      lease: ALWAYS_LEASED,
      shard: this.shard,
      cache,
      proposer: this.log,
      appliedIndex,
      stateAtMost: MIN_TIMESTAMP,
      onFailure: (error) => this.failures.push(error),
      ...other,
    });
    this.log.onCommitted = (entries) => replica.committed(entries);
    return replica;
  }

  /** What a split gives birth to, over the same shard, with a log of its own. */
  newChild(birth: SplitBirth, cache: RowCache, log: FakeLog): Replica {
    const child = new Replica({
      range: birth.state.descriptor.range,
      nodeId: 1,
      state: birth.state,
      records: birth.records,
      runtime: this.runtime,
      clock: this.clock,
      lease: ALWAYS_LEASED,
      shard: this.shard,
      cache,
      proposer: log,
      appliedIndex: 1,
      stateAtMost: birth.state.floor,
      onFailure: (error) => this.failures.push(error),
    });
    log.onCommitted = (entries) => child.committed(entries);
    return child;
  }

  /** Lets simulated time pass until the promise is settled. */
  async until<T>(promise: T | Promise<T>): Promise<T> {
    if (!(promise instanceof Promise)) return promise;
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const limit = this.world.nowMicros + 3_600_000_000;
    const isDone = await this.world.run(() => isSettled, limit);
    if (!isDone) throw new Error('it waits for something that never comes');
    return promise;
  }

  /** Lets simulated time pass; answers whether the promise is settled by then. */
  async settledWithin(micros: number, promise: Promise<unknown>): Promise<boolean> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    return this.world.run(() => isSettled, this.world.nowMicros + micros);
  }

  pass(micros: number): Promise<boolean> {
    return this.world.run(() => false, this.world.nowMicros + micros);
  }

  /** The next is younger. */
  txn(): TxnRef {
    this.lastTxn++;
    return {
      id: this.lastTxn.toString(16).padStart(32, '0'),
      age: timestamp(this.lastTxn),
    };
  }

  commit(
    txn: TxnRef,
    writes: readonly Write[],
    session?: LockSession,
    deadlineMicros = 10_000_000,
  ): Promise<CommitAnswer> {
    const deadline = timestamp(this.clock.latest() + deadlineMicros);
    const standing = standingWith(session);
    return this.ranges.commit({ txn, standing, writes, deadline }).then((answer) => {
      if (answer.kind === 'divided') throw new Error('it is of one range');
      return answer;
    });
  }

  /** A transaction that only writes; answers its timestamp. */
  async write(...writes: readonly Write[]): Promise<Timestamp> {
    const answer = await this.until(this.commit(this.txn(), writes));
    if (answer.kind !== 'committed') throw new Error(`not committed: ${answer.kind}`);
    return answer.timestamp;
  }

  readAt(key: string, t: Timestamp): Promise<string | undefined> {
    const into = newRowSlice();
    const read = this.ranges.readAt(utf8(key), t, into);
    if (!(read instanceof Promise)) return Promise.resolve(textOf(into));
    return read.then(() => textOf(into));
  }

  /** Strong. */
  readNow(key: string): Promise<string | undefined> {
    return this.until(this.readAt(key, this.clock.latest()));
  }

  lock(
    txn: TxnRef,
    session: LockSession | undefined,
    mode: LockMode = 'exclusive',
    wait: 'block' | 'nowait' | 'skip' = 'block',
    timeoutMicros = 1_000_000_000,
  ): LockRequest {
    return { txn, standing: standingWith(session), mode, wait, timeoutMicros };
  }
}

export function standingWith(session: LockSession | undefined): Standing {
  const standing = new Standing();
  if (session !== undefined)
    standing.add(new Stand(session, EVERYTHING.start, EVERYTHING.end, false));
  return standing;
}

export function put(key: string, value: string): Write {
  return { key: utf8(key), value: utf8(value) };
}

export function remove(key: string): Write {
  return { key: utf8(key), value: undefined };
}

export function textOf(slice: RowSlice): string | undefined {
  if (slice.length < 0) return undefined;
  return Buffer.from(
    slice.bytes.buffer,
    slice.bytes.byteOffset + slice.offset,
    slice.length,
  ).toString();
}

export function scanOf(from: string, to: string | undefined, reverse = false): ScanRequest {
  return {
    span: { start: utf8(from), end: to === undefined ? undefined : utf8(to) },
    reverse,
    program: undefined,
    parameters: undefined,
    limitRows: 0,
    batchBytes: 1 << 16,
  };
}

/** As 'key=value'. */
export async function rowsOf(scan: RowScan): Promise<string[]> {
  const rows: string[] = [];
  const reader = new PackedRowReader();
  for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
    reader.reset(batch.rows);
    while (reader.next()) {
      rows.push(`${fromUtf8(reader.key())}=${fromUtf8(reader.row())}`);
    }
  }
  return rows;
}
