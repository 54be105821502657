// One range on this node: its Raft group and its replica put together, with everything that the two ask of each other
// and of the same range on other nodes. It begins with what the shard has of the range, with a split, or with nothing:
// then it has no state until a leader has sent one (P26).

import { DbError } from '../../base/errors.ts';
import type { OwnedClock } from '../../clock/clock.ts';
import { laterOf, type Timestamp } from '../../clock/timestamp.ts';
import { membersOf } from '../../raft/configuration.ts';
import type { Birth, Leadership, RaftGroup } from '../../raft/group.ts';
import type { RaftScheduler } from '../../raft/scheduler.ts';
import type { RaftTiming } from '../../raft/timing.ts';
import { nodeOf, type ReplicaId } from '../../raft/types.ts';
import { Consistency } from '../../ranges/consistency/consistency.ts';
import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { OutcomeRoutes } from '../../ranges/endpoint.ts';
import type { SplitBirth } from '../../ranges/handed-over.ts';
import { whyNotBegin } from '../../ranges/layout.ts';
import type { LoadBook } from '../../ranges/load/load-book.ts';
import type { RangeLoad } from '../../ranges/load/range-load.ts';
import { isKnown, type RangeState } from '../../ranges/range-state.ts';
import { Replica } from '../../ranges/replica.ts';
import type { Absorbing, Heir } from '../../ranges/replica-parts.ts';
import type { Pace } from '../../ranges/snapshots/pace.ts';
import { SnapshotReceiver } from '../../ranges/snapshots/snapshot-receiver.ts';
import { SnapshotSender } from '../../ranges/snapshots/snapshot-sender.ts';
import type { Turns } from '../../ranges/turns.ts';
import type { ByteStream, NodeId, Runtime } from '../../runtime/runtime.ts';
import type { Span } from '../../storage/engine.ts';
import type { RowCache } from '../../storage/row-cache.ts';
import type { RangeId, Shard } from '../../storage/shard.ts';
import type { ConsistencyAnswer, RangeStatus } from '../status.ts';
import { markBroken } from './broken-marks.ts';
import { demandChanged, notLeading, outcomeOf } from './range-outcomes.ts';
import { changeOf, type ReplicaStep, wasRemoved } from './replica-steps.ts';

/** Between attempts of a replica that may not serve to hand its leadership over. */
const GIVE_AWAY_MICROS = 1_000_000;
/** A replica that lacks no more keeps up. */
const ENTRIES_UNDER_WAY = 500;

/** What all ranges of a node share. */
export interface NodeParts {
  readonly nodeId: NodeId;
  /** No other node was ever part of the cluster. */
  readonly isAlone: boolean;
  readonly dataDirectory: string;
  readonly runtime: Runtime;
  readonly clock: OwnedClock;
  readonly timing: RaftTiming;
  readonly scheduler: RaftScheduler;
  /** All of the cluster, as far as is known. */
  nodes(): readonly NodeId[];
  readonly cache: RowCache;
  readonly loads: LoadBook;
  /** Of the node: snapshots one at a time, each way. */
  readonly sending: Turns;
  readonly receiving: Turns;
  /** Of what is sent. */
  readonly sendingPace: Pace;
  /** How ranges ask others about transactions that both have to do with. */
  readonly outcomes: OutcomeRoutes;
  /** The id of a range that there never was. */
  newRangeId(): Promise<RangeId>;
  onFailure(error: unknown): void;
}

/** What a range asks of those beside it. */
export interface HostSiblings {
  known(span: Span): readonly RangeDescriptor[];
  flushAll(): void;
  /** P27: the replica of the range to the right, which this one takes over. */
  absorb(left: RangeHost, right: RangeId): Absorbing | undefined;
  merge(left: RangeHost): Promise<void>;
  mayBear(right: RangeDescriptor): boolean;
  born(parent: RangeHost, birth: SplitBirth): Heir | undefined;
  /** P26: no other range here has keys of it. Those that are over for good are removed for it. */
  mayInstall(host: RangeHost, state: RangeState): boolean;
  /** P28: whether the directory has what the range is now, before long. */
  oncePublished(host: RangeHost): Promise<boolean>;
  /** What the range is, or whether it serves, has changed. */
  changed(host: RangeHost): void;
  /** This replica is no member any more. False: it is needed here still. */
  removed(host: RangeHost): boolean;
}

/** What a range on this node begins with. */
export interface HostBeginning {
  readonly range: RangeId;
  readonly replicaId: ReplicaId;
  readonly shard: Shard;
  readonly state: RangeState;
  readonly appliedIndex: number;
  readonly records: ReadonlyMap<string, Uint8Array>;
  /** A snapshot was being installed when the node stopped, or none has come yet (P31). */
  readonly lacksState: boolean;
  /** Why it may not serve: it was found to differ from the others. */
  readonly broken: string | undefined;
  /** In this turn. */
  readonly birth?: Birth;
  /** Who has spoken to it. */
  readonly contact?: ReplicaId;
}

export class RangeHost {
  readonly range: RangeId;
  readonly shard: Shard;
  readonly replica: Replica;
  readonly group: RaftGroup;
  readonly consistency: Consistency;
  /** What is asked of the range here. */
  readonly load: RangeLoad;
  private readonly node: NodeParts;
  private readonly siblings: HostSiblings;
  private readonly receiver: SnapshotReceiver;
  private readonly sender: SnapshotSender;
  /** Writes why this replica may not serve. */
  private marking: Promise<void> = Promise.resolve();
  private givingAway: Disposable | undefined = undefined;
  private watching: Disposable | undefined = undefined;
  private isStopped = false;

  constructor(node: NodeParts, siblings: HostSiblings, from: HostBeginning) {
    const { range, shard, state } = from;
    const { runtime, scheduler, clock } = node;
    this.range = range;
    this.shard = shard;
    this.node = node;
    this.siblings = siblings;
    this.load = node.loads.open();
    // The group comes last: nothing is asked of it before this constructor is through.
    const lateGroup = (): RaftGroup => this.group;
    this.replica = new Replica({
      range,
      nodeId: node.nodeId,
      state,
      known: (span) => siblings.known(span),
      runtime,
      clock,
      lease: {
        covers: (t) => lateGroup().lease.covers(t),
        isHeld: () => lateGroup().lease.isHeld(),
      },
      shard,
      cache: node.cache,
      proposer: {
        submit: (data, told) =>
          scheduler.submit(lateGroup(), data, (answer) => told(outcomeOf(answer))),
      },
      appliedIndex: from.appliedIndex,
      records: from.records,
      stateAtMost: from.birth === undefined ? stateAtMost(node, state) : state.floor,
      closedAt: () => lateGroup().closedAt(lateGroup().delivered),
      flushAll: () => siblings.flushAll(),
      absorb: (right) => siblings.absorb(this, right),
      mayBear: (right) => siblings.mayBear(right),
      born: (birth) => siblings.born(this, birth),
      outcomes: node.outcomes,
      changed: () => siblings.changed(this),
      load: this.load,
      onFailure: (error) => node.onFailure(error),
    });
    if (from.broken !== undefined) this.replica.break(from.broken);
    this.receiver = new SnapshotReceiver({
      range,
      shard,
      runtime,
      turns: node.receiving,
      target: this.replica,
      leaderNode: () => this.leaderElsewhere,
      mayInstall: (there) => siblings.mayInstall(this, there),
    });
    this.sender = new SnapshotSender({
      range,
      shard,
      timers: runtime.timers,
      log: runtime.log,
      turns: node.sending,
      pace: node.sendingPace,
      origin: this.replica,
      load: this.load,
      mark: (index) => scheduler.snapshotMark(lateGroup(), index),
    });
    const { replica } = this;
    this.consistency = new Consistency({
      range,
      get span() {
        return replica.descriptor.span;
      },
      nodeId: node.nodeId,
      shard,
      runtime,
      clock,
      replica: {
        sums: replica.sums,
        flushApplies: () => replica.flushApplies(),
        demandKept: (t) => replica.past.demand(t),
        proposeChecksum: (id) => replica.proposeChecksum(id),
        break: (reason) => this.break(reason),
      },
      members: () => membersOf(this.group.configuration).map(nodeOf),
    });
    const { configuration } = state.descriptor;
    this.group = scheduler.createGroup({
      groupId: range,
      replicaId: from.replicaId,
      // P31: of a snapshot that was not installed to its end there is what its sender had, which says of itself where that
      // one's log began.
      ...(isKnown(state) && !from.lacksState ? { configuration } : {}),
      appliedIndex: from.appliedIndex,
      ...(state.mark === undefined || from.lacksState ? {} : { startAt: state.mark }),
      ...(from.birth === undefined ? {} : { birth: from.birth }),
      ...(from.contact === undefined ? {} : { contact: from.contact }),
      lacksState: from.lacksState,
      onCommitted: (entries) => replica.committed(entries),
      onLeadership: (leadership) => this.leadershipChanged(leadership),
      onTransfer: () => this.handOver(),
      pullSnapshot: ({ from: source, index }) => {
        this.watchState();
        return this.receiver.pull(nodeOf(source), index);
      },
      anybody: () => node.nodes(),
      wasRemoved: (other) => wasRemoved(replica.descriptor, other),
      onRemoved: () => siblings.removed(this),
    });
    if (this.lacksState) this.watchState();
  }

  get descriptor(): RangeDescriptor {
    return this.replica.descriptor;
  }

  /** Whether it is known here what the range is: else it holds no key. */
  get isKnown(): boolean {
    return isKnown(this.replica.rangeState);
  }

  /** This node leads the range, and serves. */
  get isServing(): boolean {
    return this.group.isLeader && this.replica.isServing;
  }

  /** The node that leads the range, when that is known to be another. */
  get leaderElsewhere(): NodeId | undefined {
    const { leader } = this.group;
    const node = leader === 0 ? 0 : nodeOf(leader);
    return node === 0 || node === this.node.nodeId ? undefined : node;
  }

  get appliedIndex(): number {
    return this.replica.appliedIndex;
  }

  /** Followers learn at once what has committed. */
  tellCommits(): void {
    this.node.scheduler.tellCommits(this.group);
  }

  bytesBetween(after: number, last: number): number {
    return this.group.bytesBetween(after, last);
  }

  truncate(index: number): void {
    this.node.scheduler.truncate(this.group, Math.min(index, this.group.delivered));
  }

  status(): RangeStatus {
    const { group, replica } = this;
    const { core } = group;
    const others = membersOf(group.configuration).filter((one) => nodeOf(one) !== this.node.nodeId);
    return {
      range: this.range,
      role: core.role,
      leaderNode: group.leader === 0 ? 0 : nodeOf(group.leader),
      term: group.term,
      appliedIndex: replica.appliedIndex,
      committedIndex: core.committedIndex,
      lastIndex: core.lastIndex,
      isLeaseHeld: group.isLeader && group.lease.isHeld(),
      lag: Math.max(0, core.committedIndex - replica.appliedIndex),
      followers: group.isLeader
        ? others.map((one) => ({
            nodeId: nodeOf(one),
            behind: core.lastIndex - (core.progressOf(one)?.matchIndex ?? 0),
          }))
        : [],
      isInstalling: this.lacksState,
      broken: replica.whyBroken,
    };
  }

  /** Whether the replica there has nearly all that the log has here; of the leader. */
  isCaughtUp(node: NodeId): boolean {
    const { core } = this.group;
    const replica = membersOf(core.configuration).find((one) => nodeOf(one) === node);
    const progress = replica === undefined ? undefined : core.progressOf(replica);
    // While the range is written to, what the others have just acknowledged is on its way there.
    const isNear = (progress?.matchIndex ?? 0) + ENTRIES_UNDER_WAY >= core.committedIndex;
    return progress?.state === 'replicate' && isNear;
  }

  /** Answers the range that begins at `at` from then on. `stickyUntil`: no merge takes that away before then. */
  async split(request: {
    readonly at: Uint8Array;
    readonly stickyUntil: Timestamp;
  }): Promise<RangeId> {
    this.demandLeading();
    const refusal = whyNotBegin(request.at);
    if (refusal !== undefined) {
      throw new DbError('54000', refusal, { hint: 'Split at a shorter key.' });
    }
    const right = await this.node.newRangeId();
    demandChanged(await this.replica.changes.split({ ...request, right }), this.range);
    return right;
  }

  /** With the range to its right, on nodes where both are. */
  merge(): Promise<void> {
    this.demandLeading();
    return this.siblings.merge(this);
  }

  /** See RangeDescriptor.stickyUntil. */
  async stick(until: Timestamp): Promise<void> {
    demandChanged(await this.replica.changes.stick(until), this.range);
  }

  /** One change; resolves once it has been made, and joint configurations are left behind. */
  async changeReplicas(steps: readonly ReplicaStep[]): Promise<void> {
    const { group, node } = this;
    // P28: else those who look for it may be left with nodes that don't have it any more.
    const isRemoving = steps.some(({ kind }) => kind === 'remove');
    if (isRemoving && !(await this.siblings.oncePublished(this))) {
      throw new DbError('55006', `range ${this.range}: the directory does not know its replicas`);
    }
    // Before it serves, its log may hold a freeze that it does not know of (P27).
    if (!this.isServing) throw notLeading(node.nodeId, this.range);
    const refusal = this.replica.changes.whyBusy();
    if (refusal !== undefined) throw new DbError('55006', `range ${this.range}: ${refusal}`);
    const answer = await node.scheduler.proposeChange(group, changeOf(this.descriptor, steps));
    switch (answer.kind) {
      case 'committed':
        return;
      case 'refused':
        throw new DbError(
          '55000',
          `the replicas of range ${this.range} can't be changed so: ${answer.reason}`,
        );
      case 'notLeader':
        throw notLeading(node.nodeId, this.range);
      default:
        throw new DbError(
          '57P03',
          `the replicas of range ${this.range} were not changed: ${answer.message}`,
          { hint: 'Look whether they were after all, and try again.' },
        );
    }
  }

  async transferTo(node: NodeId): Promise<void> {
    this.demandLeading();
    const { group } = this;
    const target = group.configuration.voters.find((replica) => nodeOf(replica) === node);
    if (target === undefined) {
      throw new DbError('22023', `node ${node} has no vote in range ${this.range}`);
    }
    const outcome = await this.node.scheduler.transfer(group, target);
    if (outcome === 'transferred') return;
    throw new DbError('55000', `leadership of range ${this.range} was not taken by node ${node}`, {
      hint: 'Look whether that node runs and keeps up, and try again.',
    });
  }

  async check(): Promise<ConsistencyAnswer> {
    this.demandLeading();
    const { sums, ...verdict } = await this.consistency.check();
    if (verdict.kind !== 'consistent') return verdict;
    return { kind: 'consistent', replicas: sums.length, rows: sums[0]?.sum.rows ?? 0 };
  }

  serveSnapshot(from: NodeId, stream: ByteStream): Promise<void> {
    return this.sender.serve(from, stream);
  }

  /** Before the node stops: whoever has most of the log leads from now on, so that nobody has to wait for an election. */
  async retire(): Promise<void> {
    const { group } = this;
    if (!group.isLeader) return;
    const { core } = group;
    let best: { readonly replica: number; readonly matchIndex: number } | undefined;
    for (const replica of core.configuration.voters) {
      const progress = core.progressOf(replica);
      if (nodeOf(replica) === this.node.nodeId || progress?.isActive !== true) continue;
      const { matchIndex } = progress;
      if (best === undefined || matchIndex > best.matchIndex) best = { replica, matchIndex };
    }
    if (best !== undefined) await this.node.scheduler.transfer(group, best.replica);
  }

  /** Nobody is served any more, nobody waits. */
  stop(reason: string): void {
    if (!this.isStopped) this.node.loads.close(this.load);
    this.isStopped = true;
    this.givingAway?.[Symbol.dispose]();
    this.watching?.[Symbol.dispose]();
    this.receiver.stop();
    this.replica.stopServing(reason);
  }

  private demandLeading(): void {
    if (!this.group.isLeader) throw notLeading(this.node.nodeId, this.range);
  }

  private leadershipChanged(leadership: Leadership): void {
    if (this.isStopped) return;
    if (leadership.kind === 'following') {
      this.replica.follow(this.leaderElsewhere);
      this.siblings.changed(this);
      return;
    }
    const { term } = leadership;
    this.siblings.changed(this);
    this.replica.lead(term).then(
      () => {
        if (this.isStopped || this.group.term !== term) return;
        if (this.replica.whyBroken !== undefined) this.giveAway();
        else if (this.replica.isServing) this.siblings.changed(this);
      },
      (error: unknown) => {
        if (!this.isStopped) this.node.onFailure(error);
      },
    );
  }

  private handOver(): Promise<void> {
    const handing = this.replica.handOver();
    this.siblings.changed(this);
    return handing.catch((error: unknown) => {
      // Nobody was asked to lead: it goes on.
      this.siblings.changed(this);
      throw error;
    });
  }

  private break(reason: string): void {
    const { runtime, dataDirectory } = this.node;
    this.replica.break(reason);
    this.siblings.changed(this);
    // One after the other: the last word counts.
    this.marking = this.marking
      .then(() => markBroken(runtime.files, dataDirectory, this.range, reason))
      .catch((error: unknown) => this.node.onFailure(error));
    this.giveAway();
  }

  /** A snapshot is being installed, or has to be. */
  get lacksState(): boolean {
    return this.replica.isInstalling || this.group.lacksState;
  }

  /** Its log may be as good as any other's by now, so that it is elected: but it can't serve. */
  private watchState(): void {
    if (this.isStopped || this.watching !== undefined) return;
    this.watching = this.node.runtime.timers.after(GIVE_AWAY_MICROS, () => {
      this.watching = undefined;
      if (!this.lacksState) return;
      this.giveAway();
      this.watchState();
    });
  }

  /** A replica that may not serve must not lead: again and again, until somebody else takes it. */
  private giveAway(): void {
    const { group, node } = this;
    if (this.isStopped || this.givingAway !== undefined || !group.isLeader) return;
    const others = group.configuration.voters.filter((one) => nodeOf(one) !== node.nodeId);
    const target = others[node.runtime.random.below(Math.max(1, others.length))];
    if (target === undefined) return;
    this.givingAway = node.runtime.timers.after(GIVE_AWAY_MICROS, () => {
      this.givingAway = undefined;
      if (this.lacksState || this.replica.whyBroken !== undefined) this.giveAway();
    });
    node.scheduler.transfer(group, target).catch((error: unknown) => node.onFailure(error));
  }
}

/** P1: what the state that was there at the start shows at most. Every timestamp in it was given under a lease, below
 * that lease's E, which was at most true time plus a lease when it was given; and it was given before this start. The
 * only node has no E, but all that it gave was its own: at most what its clock kept on disk, which has passed (P8). */
function stateAtMost({ isAlone, clock, timing }: NodeParts, state: RangeState): Timestamp {
  if (isAlone) return state.floor;
  return laterOf(state.floor, (clock.latest() + timing.leaseMicros) as Timestamp);
}
