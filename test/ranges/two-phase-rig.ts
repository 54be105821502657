// Several ranges, each with three replicas on three simulated nodes, and a log for each range that the test may delay,
// cut or hand to another leader. What travels between a transaction and a range takes time, and may be lost or repeated.

import { utf8 } from '../../src/base/bytes.ts';
import { DbError } from '../../src/base/errors.ts';
import type { Maybe } from '../../src/base/maybe.ts';
import { createIntervalClock, type OwnedClock } from '../../src/clock/clock.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../../src/clock/timestamp.ts';
import { createProgramRun } from '../../src/node/program-run.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import { replicaIdOn } from '../../src/raft/types.ts';
import {
  type CommitAnswer,
  type CommitPart,
  type CommitPlan,
  type CommitRequest,
  type Divided,
  type Elsewhere,
  type LockedGet,
  type LockedGetAnswer,
  type RangeAddress,
  type RangeHead,
  type Ranges,
  type Span,
  Stand,
  Standing,
  type TwoPhaseEndpoint,
  type TxnRef,
  type Write,
} from '../../src/ranges/api.ts';
import { holdsKey, overlaps, type RangeDescriptor } from '../../src/ranges/descriptor.ts';
import { newState } from '../../src/ranges/range-state.ts';
import { Replica } from '../../src/ranges/replica.ts';
import type { CommittedEntry, ProposalOutcome } from '../../src/ranges/replica-parts.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { SimDisk } from '../../src/sim/disk.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { SimClock } from '../../src/sim/sim-clock.ts';
import { simRuntime } from '../../src/sim/sim-runtime.ts';
import { Life, World } from '../../src/sim/world.ts';
import { createMemoryDisk, type MemoryDisk } from '../../src/storage/memory-engine.ts';
import { RowCache } from '../../src/storage/row-cache.ts';
import type { AppliedRange, Shard } from '../../src/storage/shard.ts';
import { startShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { Outcomes } from '../../src/txn/outcomes.ts';
import { DEFAULT_TRANSACTION_SETTINGS } from '../../src/txn/settings.ts';
import { Coordinator } from '../../src/txn/transactions.ts';

const LEASE_MICROS = 400_000;
const HEARTBEAT_MICROS = 100_000;
const UNCERTAINTY_MICROS = 2_000;
export const NODES = 3;

export interface TwoPhaseOptions {
  readonly seed?: number;
  readonly bugs?: readonly string[];
  /** Where ranges begin, besides at the start of everything. */
  readonly bounds?: readonly string[];
  readonly commitDeadlineMicros?: number;
}

/** What happens to a message on its way, or to its answer. */
export type Fate = 'arrives' | 'lostBefore' | 'lostAfter' | 'repeated';

class RigNode {
  readonly id: number;
  readonly clock: OwnedClock;
  readonly life: Life;
  readonly runtime: Runtime;
  readonly shard: Shard;
  readonly cache: RowCache = new RowCache(1 << 20);
  applied: readonly AppliedRange[] = [];
  readonly died: Promise<void>;
  die: () => void = () => undefined;

  constructor(world: World, id: number, clock: SimClock, disk: SimDisk, store: MemoryDisk) {
    this.id = id;
    this.died = new Promise((resolve) => {
      this.die = resolve;
    });
    this.life = new Life(id);
    this.runtime = simRuntime({
      world,
      life: this.life,
      clock,
      disk,
      network: new SimNetwork(world),
    });
    this.clock = createIntervalClock(this.runtime);
    this.shard = startShard(
      this.runtime,
      shardEntry(() => store.open()),
      undefined,
    );
  }
}

interface Pending {
  readonly data: Uint8Array;
  readonly told: (outcome: ProposalOutcome) => void;
}

/** One range: its log, its replicas, and who leads. */
export class RigRange {
  readonly descriptor: RangeDescriptor;
  readonly entries: CommittedEntry[] = [];
  readonly replicas: Map<number, { replica: Replica; given: number }> = new Map();
  leader = 0;
  term = 0;
  /** Proposals wait for commitNext(). */
  isHeld = false;
  private pending: Pending[] = [];
  private readonly rig: TwoPhaseRig;
  private readonly random: SeededRandom;
  private isChanging = false;

  constructor(rig: TwoPhaseRig, range: number, span: Span) {
    this.rig = rig;
    this.random = rig.world.random.fork(`range ${range}`);
    this.descriptor = {
      range,
      span,
      generation: 1,
      configuration: configurationOf([1, 2, 3].map((node) => replicaIdOn(node, 0))),
      nextIncarnation: 1,
      stickyUntil: MIN_TIMESTAMP,
    };
  }

  get leading(): Replica {
    return (this.replicas.get(this.leader) as { replica: Replica }).replica;
  }

  get pendingCount(): number {
    return this.pending.length;
  }

  addReplica(node: RigNode): void {
    const { rig } = this;
    const { range } = this.descriptor;
    const applied = node.applied.find((one) => one.range === range);
    const appliedIndex = applied?.appliedIndex ?? 0;
    const replica = new Replica({
      range,
      nodeId: node.id,
      state: newState(this.descriptor),
      runtime: node.runtime,
      clock: node.clock,
      lease: {
        covers: (t) => this.leader === node.id && t < this.leaseEnd(),
        isHeld: () => this.leader === node.id && node.clock.latest() < this.leaseEnd(),
      },
      shard: node.shard,
      cache: node.cache,
      proposer: { submit: (data, told) => this.submit(node.id, data, told) },
      appliedIndex,
      stateAtMost: appliedIndex === 0 ? MIN_TIMESTAMP : this.leaseEnd(),
      ...(applied === undefined ? {} : { records: applied.records }),
      outcomes: new Outcomes(rig.newRanges(), node.runtime.timers),
      onFailure: (error) => rig.world.fail(error),
    });
    this.replicas.set(node.id, { replica, given: appliedIndex });
    this.deliver(node.id);
  }

  commitNext(): void {
    const next = this.pending.shift();
    if (next === undefined) return;
    this.append(next.data);
    next.told({ kind: 'committed' });
  }

  /** Whoever leads now stops at once, or hands over; another takes its place, with some of what was pending. */
  async changeLeader(to: number, isHandedOver: boolean): Promise<void> {
    if (this.isChanging || to === this.leader) return;
    this.isChanging = true;
    const before = this.replicas.get(this.leader)?.replica;
    if (isHandedOver && before !== undefined) {
      const died = this.rig.nodes.get(this.leader)?.died;
      await Promise.race([before.handOver().catch(() => undefined), died]);
    }
    const leaseEnd = this.leaseEnd();
    this.leader = 0;
    const kept = this.random.below(this.pending.length + 1);
    const pending = this.pending;
    this.pending = [];
    before?.follow(to);
    if (!isHandedOver) {
      while (this.rig.world.trueMicros - UNCERTAINTY_MICROS * 2 <= leaseEnd) {
        await this.rig.world.sleep(5_000);
      }
    }
    for (let i = 0; i < pending.length; i++) {
      const { data, told } = pending[i] as Pending;
      if (i < kept) {
        this.append(data);
        told(this.random.oneIn(2) ? { kind: 'committed' } : { kind: 'unknown', message: 'lost' });
      } else {
        told({ kind: 'refused', message: 'another leads' });
      }
    }
    await this.lead(to);
    this.isChanging = false;
    // It may have died meanwhile.
    if (!this.replicas.has(this.leader)) await this.changeLeader(1 + (to % NODES), false);
  }

  async lead(wanted: number): Promise<void> {
    const node = this.replicas.has(wanted) ? wanted : ([...this.replicas.keys()][0] as number);
    const one = this.replicas.get(node);
    if (one === undefined) return;
    this.term++;
    this.leader = node;
    this.append(new Uint8Array(0));
    await this.giveAll(node);
    await Promise.race([one.replica.lead(this.term), this.rig.nodes.get(node)?.died]);
  }

  dropReplica(node: number): void {
    const one = this.replicas.get(node);
    this.replicas.delete(node);
    one?.replica.stopServing('the node has died');
  }

  private submit(node: number, data: Uint8Array, told: Pending['told']): void {
    if (node !== this.leader) {
      told({ kind: 'refused', message: 'another leads' });
      return;
    }
    // The encoder's slab is used again.
    const pending = { data: data.slice(), told };
    this.pending.push(pending);
    if (this.isHeld) return;
    void this.rig.world.after(300 + this.random.below(1_500), undefined, () => {
      // In order: what was proposed before comes first.
      while (this.pending.includes(pending) && !this.isHeld) this.commitNext();
    });
  }

  private append(data: Uint8Array): void {
    const index = this.entries.length + 1;
    this.entries.push({ index, term: this.term, kind: 'command', data });
    for (const node of this.replicas.keys()) {
      if (node === this.leader) this.deliver(node);
      else
        void this.rig.world.after(this.random.below(50_000), undefined, () => this.deliver(node));
    }
  }

  private deliver(node: number): void {
    void this.giveAll(node);
  }

  private async giveAll(node: number): Promise<void> {
    const one = this.replicas.get(node);
    if (one === undefined) return;
    while (one.given < this.entries.length) {
      const entries = this.entries.slice(one.given);
      one.given = this.entries.length;
      await one.replica.committed(entries);
    }
  }

  private leaseEnd(): Timestamp {
    const now = this.rig.world.trueMicros;
    return (now - (now % HEARTBEAT_MICROS) + LEASE_MICROS) as Timestamp;
  }
}

export class TwoPhaseRig {
  readonly world: World;
  readonly nodes: Map<number, RigNode> = new Map();
  readonly ranges: RigRange[] = [];
  private readonly gateways = new Map<number, RigRanges>();
  readonly random: SeededRandom;
  /** What becomes of messages between nodes. */
  fate: (what: string) => Fate = () => 'arrives';
  readonly coordinators: Map<number, Coordinator> = new Map();
  private readonly disks = new Map<number, { sim: SimDisk; store: MemoryDisk; clock: SimClock }>();
  private readonly options: TwoPhaseOptions;

  constructor(options: TwoPhaseOptions = {}) {
    this.options = options;
    this.world = new World(options.seed ?? 1, new Set(options.bugs ?? []));
    this.random = this.world.random.fork('rig');
    const bounds = (options.bounds ?? ['b', 'c']).map(utf8);
    const starts = [new Uint8Array(0), ...bounds];
    starts.forEach((start, i) => {
      this.ranges.push(new RigRange(this, i + 1, { start, end: bounds[i] }));
    });
  }

  static async serving(options: TwoPhaseOptions = {}): Promise<TwoPhaseRig> {
    const rig = new TwoPhaseRig(options);
    for (let node = 1; node <= NODES; node++) await rig.until(rig.start(node));
    await rig.until(
      Promise.all(rig.ranges.map((range, i) => range.lead(1 + (i % NODES)))).then(() => undefined),
    );
    return rig;
  }

  async start(id: number): Promise<void> {
    if (this.nodes.has(id)) return;
    let kept = this.disks.get(id);
    if (kept === undefined) {
      kept = {
        sim: new SimDisk(this.world, `disk ${id}`),
        store: createMemoryDisk(),
        clock: new SimClock(this.world, `node ${id}`, UNCERTAINTY_MICROS),
      };
      this.disks.set(id, kept);
    }
    const node = new RigNode(this.world, id, kept.clock, kept.sim, kept.store);
    this.nodes.set(id, node);
    node.applied = await node.shard.opened;
    for (const range of this.ranges) range.addReplica(node);
    this.coordinators.set(
      id,
      new Coordinator({
        runtime: node.runtime,
        clock: node.clock,
        ranges: this.gatewayOf(id),
        runProgram: createProgramRun,
        settings: {
          ...DEFAULT_TRANSACTION_SETTINGS,
          commitDeadlineMicros: this.options.commitDeadlineMicros ?? 10_000_000,
        },
      }),
    );
  }

  /** Its memory is gone, and a random part of what its store has not flushed. */
  crash(id: number): void {
    const node = this.nodes.get(id) as RigNode;
    node.life.alive = false;
    node.die();
    this.nodes.delete(id);
    this.coordinators.delete(id);
    const begun = this.gateways.get(id)?.planned ?? [];
    for (const range of this.ranges) {
      range.dropReplica(id);
      if (range.leader === id) {
        void range.changeLeader(1 + (id % NODES), false);
      }
    }
    this.disks.get(id)?.store.crash(this.random);
    // Whoever it asked notices that it is gone (ranges/gateway.ts).
    for (const { replicas } of this.ranges) {
      for (const { replica } of replicas.values()) {
        for (const txn of begun)
          replica.endpoint.release({ range: 0, generation: 0 }, { id: txn }, true);
      }
    }
  }

  coordinator(node = 1): Coordinator {
    return this.coordinators.get(node) as Coordinator;
  }

  newRanges(): Ranges {
    return new RigRanges(this);
  }

  private gatewayOf(id: number): Ranges {
    const ranges = new RigRanges(this);
    this.gateways.set(id, ranges);
    return ranges;
  }

  rangeOf(key: string): RigRange {
    return this.ranges.find(({ descriptor }) => holdsKey(descriptor, utf8(key))) as RigRange;
  }

  async until<T>(promise: T | Promise<T>): Promise<T> {
    if (!(promise instanceof Promise)) return promise;
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const isDone = await this.world.run(() => isSettled, this.world.nowMicros + 600_000_000);
    if (!isDone) throw new Error('it waits for something that never comes');
    return promise;
  }

  pass(micros: number): Promise<boolean> {
    return this.world.run(() => false, this.world.nowMicros + micros);
  }

  /** Strong, through a node that lives. */
  async read(...keys: readonly string[]): Promise<(string | undefined)[]> {
    const coordinator = [...this.coordinators.values()][0] as Coordinator;
    const values = await this.until(coordinator.snapshot().getMany(keys.map(utf8)));
    return values.map((value) => (value === undefined ? undefined : Buffer.from(value).toString()));
  }

  /** Nothing is prepared anywhere, whoever's replica is asked. */
  get preparedCount(): number {
    let count = 0;
    for (const { replicas } of this.ranges) {
      for (const { replica } of replicas.values()) count += replica.twoPhase.preparedCount;
    }
    return count;
  }

  /** A call to the range's leader: takes time both ways, and may be lost. */
  async call<A>(
    range: RigRange,
    what: string,
    ask: (replica: Replica) => Maybe<A>,
  ): Promise<A | Elsewhere> {
    const fate = this.fate(what);
    await this.world.sleep(100 + this.random.below(1_000));
    if (fate === 'lostBefore') return this.broken(what);
    const one = range.replicas.get(range.leader);
    if (one === undefined) return this.nobody();
    if (fate === 'repeated') {
      void this.world.after(this.random.below(30_000), undefined, () => {
        void Promise.resolve(ask(one.replica)).catch(() => undefined);
      });
    }
    const died = this.nodes.get(range.leader)?.died.then(() => this.broken(what));
    const answer = await Promise.race([ask(one.replica), died as Promise<never>]);
    await this.world.sleep(100 + this.random.below(1_000));
    return fate === 'lostAfter' ? this.broken(what) : answer;
  }

  private async nobody(): Promise<Elsewhere> {
    await this.world.sleep(1_000);
    return { kind: 'notLeader', leaderNode: undefined, message: 'nobody', known: undefined };
  }

  private async broken(what: string): Promise<never> {
    await this.world.sleep(50_000);
    throw new DbError('08006', `the way is broken: ${what}`);
  }
}

/** Ranges as one node's transactions see them: which range holds what is known, who leads is found out. */
class RigRanges implements Ranges {
  private readonly rig: TwoPhaseRig;
  /** Transactions that came to be committed. */
  readonly planned: Set<string> = new Set();

  constructor(rig: TwoPhaseRig) {
    this.rig = rig;
  }

  readAt(): never {
    throw new Error('not here');
  }

  scanAt(): never {
    throw new Error('not here');
  }

  readableHere(): never {
    throw new Error('not here');
  }

  lockedRead(): never {
    throw new Error('not here');
  }

  lockedScan(): never {
    throw new Error('not here');
  }

  rangeOf(): number {
    return 0;
  }

  bulkWrite(): never {
    throw new Error('not here');
  }

  clearSpan(): never {
    throw new Error('not here');
  }

  approximateBytes(): never {
    throw new Error('not here');
  }

  async getAt(
    keys: readonly Uint8Array[],
    t: Timestamp,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    return Promise.all(
      keys.map(async (key) => {
        for (;;) {
          const range = this.holding(key);
          const answer = await this.rig
            .call(range, 'read', (replica) => replica.endpoint.getAt(headOf(range), [key], t))
            .catch(() => undefined);
          if (answer?.kind === 'values') return answer.values[0];
          await this.rig.world.sleep(5_000);
        }
      }),
    );
  }

  async lockedGet(request: LockedGet): Promise<LockedGetAnswer> {
    const { txn, standing, keys, mode, wait, timeoutMicros } = request;
    const rows: (Uint8Array | undefined)[] = [];
    for (const key of keys) {
      const range = this.holding(key);
      const session = standing.in(range.descriptor.range)?.session;
      const answer = await this.rig
        .call(range, 'lock', (replica) =>
          replica.endpoint.lockedGet(
            headOf(range),
            { id: txn.id, age: txn.age, session },
            { mode, wait, timeoutMicros },
            [key],
          ),
        )
        .catch(() => undefined);
      if (answer === undefined || answer.kind === 'notLeader' || answer.kind === 'wrongRange') {
        return { kind: 'sessionGone', message: 'the range is not there' };
      }
      if (answer.kind !== 'rows') return answer;
      if (session === undefined) {
        standing.add(Stand.ofKey(answer.session, key));
      } else if (session.session !== answer.session.session) {
        return { kind: 'sessionGone', message: 'its locks were lost' };
      }
      rows.push(answer.rows[0]);
    }
    return { kind: 'rows', rows };
  }

  async commit(request: CommitRequest): Promise<CommitAnswer | Divided> {
    const { txn, standing, writes, deadline } = request;
    this.planned.add(txn.id);
    const { parts } = this.plan(standing ?? new Standing(), writes);
    const only = parts[0] as CommitPart;
    if (parts.length > 1) return { kind: 'divided' };
    const [session] = only.sessions;
    const range = this.byId(only.head);
    const answer = await this.rig
      .call(range, 'commit', (replica) =>
        replica.endpoint.commit(only.head, { id: txn.id, age: txn.age, session }, writes, deadline),
      )
      .catch((error: unknown) => ({ kind: 'ambiguous', message: String(error) }) as const);
    if (answer.kind === 'notLeader' || answer.kind === 'wrongRange') {
      return { kind: 'notServing', message: 'nobody leads' };
    }
    return answer;
  }

  release(txn: TxnRef, standing: Standing): void {
    const { id } = txn;
    const wasPlanned = this.planned.delete(id);
    for (const range of this.rig.ranges) {
      if (!wasPlanned && standing.in(range.descriptor.range) === undefined) continue;
      void this.rig
        .call(range, 'release', (replica) => replica.endpoint.release(headOf(range), { id }))
        .catch(() => undefined);
    }
  }

  plan(standing: Standing, writes: readonly Write[]): CommitPlan {
    const parts: CommitPart[] = [];
    for (const range of this.rig.ranges) {
      const session = standing.in(range.descriptor.range)?.session;
      const own = session?.range === range.descriptor.range ? session : undefined;
      const here = writes.filter(({ key }) => holdsKey(range.descriptor, key));
      if (own === undefined && here.length === 0) continue;
      parts.push({
        ...this.address(range),
        sessions: own === undefined ? [] : [own],
        writes: here,
      });
    }
    return { parts };
  }

  locate(span: Span): readonly RangeAddress[] {
    return this.rig.ranges
      .filter(({ descriptor }) => overlaps(descriptor.span, span))
      .map((range) => this.address(range));
  }

  async correct(): Promise<void> {
    await this.rig.world.sleep(5_000);
  }

  private address(range: RigRange): RangeAddress {
    return {
      head: headOf(range),
      span: range.descriptor.span,
      endpoint: this.endpoint(range),
    };
  }

  private endpoint(range: RigRange): TwoPhaseEndpoint {
    const { rig } = this;
    return {
      prepare: (head, request) =>
        rig.call(range, 'prepare', ({ twoPhase }) => twoPhase.prepare(head, request)),
      confirm: (head, txn) =>
        rig.call(range, 'confirm', ({ twoPhase }) => twoPhase.confirm(head, txn)),
      decide: (head, request) =>
        rig.call(range, 'decide', ({ twoPhase }) => twoPhase.decide(head, request)),
      resolve: (head, request) =>
        rig.call(range, 'resolve', ({ twoPhase }) => twoPhase.resolve(head, request)),
      inquire: (head, txn, anchor, deadline) =>
        rig.call(range, 'inquire', ({ twoPhase }) => twoPhase.inquire(head, txn, anchor, deadline)),
      settled: (head, txn, anchor) =>
        rig.call(range, 'settled', ({ twoPhase }) => twoPhase.settled(head, txn, anchor)),
    };
  }

  private holding(key: Uint8Array): RigRange {
    return this.rig.ranges.find(({ descriptor }) => holdsKey(descriptor, key)) as RigRange;
  }

  private byId({ range }: { readonly range: number }): RigRange {
    return this.rig.ranges.find(({ descriptor }) => descriptor.range === range) as RigRange;
  }
}

function headOf({ descriptor }: RigRange): RangeHead {
  return { range: descriptor.range, generation: descriptor.generation };
}
