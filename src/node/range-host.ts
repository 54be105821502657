// One range on this node: its Raft group and its replica put together, with everything that the two ask of each other
// and of the same range on other nodes.

import { EMPTY_BYTES, fromUtf8, utf8, ByteReader } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { OwnedClock } from '../clock/clock.ts';
import { laterOf, MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import { configurationOf, membersOf } from '../raft/configuration.ts';
import type { Leadership, RaftGroup } from '../raft/group.ts';
import type { ProposeAnswer } from '../raft/proposals.ts';
import type { RaftScheduler } from '../raft/scheduler.ts';
import type { RaftTiming } from '../raft/timing.ts';
import { nodeOf, replicaIdOn } from '../raft/types.ts';
import { Consistency } from '../ranges/consistency.ts';
import { purposeOfChecksums } from '../ranges/consistency-format.ts';
import { Replica } from '../ranges/replica.ts';
import type { ProposalOutcome } from '../ranges/replica-parts.ts';
import { decodeHead } from '../ranges/snapshot-format.ts';
import { snapshotPurpose, SnapshotReceiver } from '../ranges/snapshot-receiver.ts';
import { SnapshotSender } from '../ranges/snapshot-sender.ts';
import type { Turns } from '../ranges/turns.ts';
import type { NodeId, Runtime } from '../runtime/runtime.ts';
import { STATE_RECORD } from '../storage/range-records.ts';
import type { RowCache } from '../storage/row-cache.ts';
import type { AppliedRange, RangeId, Shard } from '../storage/shard.ts';
import type { ConsistencyAnswer, RangeStatus } from './status.ts';
import type { Streams } from './streams.ts';

const GENERATION = 1;
/** Between attempts of a replica that may not serve to hand its leadership over. */
const GIVE_AWAY_MICROS = 1_000_000;

export interface RangeHostParts {
  readonly range: RangeId;
  readonly nodeId: NodeId;
  /** The nodes of a range that is new. */
  readonly founders: readonly NodeId[];
  readonly dataDirectory: string;
  readonly runtime: Runtime;
  readonly clock: OwnedClock;
  readonly timing: RaftTiming;
  readonly scheduler: RaftScheduler;
  readonly shard: Shard;
  readonly cache: RowCache;
  /** What the shard has of the range; undefined: nothing. */
  readonly applied: AppliedRange | undefined;
  readonly streams: Streams;
  /** Of the node: snapshots one at a time, each way. */
  readonly sending: Turns;
  readonly receiving: Turns;
  /** Serves as the leader of this term from now on. */
  onServing(term: number): void;
  /** Serves no more; another node may. */
  onCeased(): void;
  onFailure(error: unknown): void;
}

export class RangeHost {
  readonly replica: Replica;
  readonly group: RaftGroup;
  readonly consistency: Consistency;
  private readonly parts: RangeHostParts;
  private readonly receiver: SnapshotReceiver;
  private readonly sender: SnapshotSender;
  /** Writes why this replica may not serve. */
  private marking: Promise<void> = Promise.resolve();
  private givingAway: Disposable | undefined = undefined;
  private watching: Disposable | undefined = undefined;
  private isStopped = false;

  static async open(parts: RangeHostParts): Promise<RangeHost> {
    const broken = await parts.runtime.files.read(brokenPath(parts));
    return new RangeHost(parts, broken === undefined ? undefined : fromUtf8(broken).trim());
  }

  private constructor(parts: RangeHostParts, broken: string | undefined) {
    const { range, runtime, shard, scheduler, nodeId, applied, streams } = parts;
    const span = { start: EMPTY_BYTES, end: undefined };
    this.parts = parts;
    const record = applied?.records.get(STATE_RECORD);
    const installed = record === undefined ? undefined : decodeHead(new ByteReader(record));
    const appliedIndex = applied?.appliedIndex ?? 0;
    // The group comes last: nothing is asked of it before this constructor is through.
    const lateGroup = (): RaftGroup => this.group;
    this.replica = new Replica({
      range,
      span,
      generation: GENERATION,
      runtime,
      clock: parts.clock,
      lease: {
        covers: (t) => lateGroup().lease.covers(t),
        isHeld: () => lateGroup().lease.isHeld(),
      },
      shard,
      cache: parts.cache,
      proposer: {
        submit: (data, told) =>
          scheduler.submit(lateGroup(), data, (answer) => told(outcomeOf(answer))),
      },
      appliedIndex,
      stateAtMost: laterOf(stateAtMost(parts), installed?.greatest ?? MIN_TIMESTAMP),
      onFailure: (error) => parts.onFailure(error),
    });
    if (broken !== undefined) this.replica.break(broken);
    this.receiver = new SnapshotReceiver({
      range,
      span,
      shard,
      runtime,
      turns: parts.receiving,
      target: this.replica,
      leaderNode: () => this.leaderElsewhere,
    });
    this.sender = new SnapshotSender({
      range,
      span,
      shard,
      timers: runtime.timers,
      log: runtime.log,
      turns: parts.sending,
      origin: this.replica,
      mark: (index) => scheduler.snapshotMark(lateGroup(), index),
    });
    this.consistency = new Consistency({
      range,
      span,
      nodeId,
      shard,
      runtime,
      clock: parts.clock,
      replica: {
        sums: this.replica.sums,
        flushApplies: () => this.replica.flushApplies(),
        proposeChecksum: (id) => this.replica.proposeChecksum(id),
        break: (reason) => this.break(reason),
      },
      members: () => membersOf(this.group.configuration).map(nodeOf),
    });
    this.group = scheduler.createGroup({
      groupId: range,
      replicaId: replicaIdOn(nodeId, 0),
      configuration: configurationOf(parts.founders.map((node) => replicaIdOn(node, 0))),
      appliedIndex,
      ...(installed === undefined ? {} : { startAt: installed.mark }),
      lacksState: applied?.isInstalling === true,
      onCommitted: (entries) => this.replica.committed(entries),
      onLeadership: (leadership) => this.leadershipChanged(leadership),
      onTransfer: () => this.handOver(),
      pullSnapshot: ({ from, index }) => {
        this.watchState();
        return this.receiver.pull(nodeOf(from), index);
      },
    });
    if (this.lacksState) this.watchState();
    streams.register(snapshotPurpose(range), (from, stream) => this.sender.serve(from, stream));
    streams.register(purposeOfChecksums(range), (from, stream) =>
      this.consistency.serve(from, stream),
    );
  }

  /** The node that leads the range, when that is known to be another. */
  get leaderElsewhere(): NodeId | undefined {
    const { leader } = this.group;
    const node = leader === 0 ? 0 : nodeOf(leader);
    return node === 0 || node === this.parts.nodeId ? undefined : node;
  }

  status(): RangeStatus {
    const { group, replica, parts } = this;
    const { core } = group;
    const others = membersOf(group.configuration).filter((one) => nodeOf(one) !== parts.nodeId);
    return {
      range: parts.range,
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
      isInstalling: replica.isInstalling,
      broken: replica.whyBroken,
    };
  }

  async transferTo(node: NodeId): Promise<void> {
    const { group, parts } = this;
    if (!group.isLeader) {
      throw new DbError('57P03', `node ${parts.nodeId} does not lead range ${parts.range}`);
    }
    const target = group.configuration.voters.find((replica) => nodeOf(replica) === node);
    if (target === undefined) {
      throw new DbError('22023', `node ${node} has no vote in range ${parts.range}`);
    }
    const outcome = await parts.scheduler.transfer(group, target);
    if (outcome === 'transferred') return;
    throw new DbError('55000', `leadership of range ${parts.range} was not taken by node ${node}`, {
      hint: 'Look whether that node runs and keeps up, and try again.',
    });
  }

  async check(): Promise<ConsistencyAnswer> {
    if (!this.group.isLeader) {
      throw new DbError('57P03', `node ${this.parts.nodeId} does not lead the range`, {
        hint: 'Ask the node that leads.',
      });
    }
    const { sums, ...verdict } = await this.consistency.check();
    if (verdict.kind !== 'consistent') return verdict;
    return { kind: 'consistent', replicas: sums.length, rows: sums[0]?.sum.rows ?? 0 };
  }

  /** Before the node stops: whoever has most of the log leads from now on, so that nobody has to wait for an election. */
  async retire(): Promise<void> {
    const { group, parts } = this;
    if (!group.isLeader) return;
    const { core } = group;
    let best: { readonly replica: number; readonly matchIndex: number } | undefined;
    for (const replica of core.configuration.voters) {
      const progress = core.progressOf(replica);
      if (nodeOf(replica) === parts.nodeId || progress?.isActive !== true) continue;
      const { matchIndex } = progress;
      if (best === undefined || matchIndex > best.matchIndex) best = { replica, matchIndex };
    }
    if (best !== undefined) await parts.scheduler.transfer(group, best.replica);
  }

  /** Nobody is served any more, nobody waits. */
  stop(reason: string): void {
    this.isStopped = true;
    this.givingAway?.[Symbol.dispose]();
    this.watching?.[Symbol.dispose]();
    this.receiver.stop();
    this.replica.stopServing(reason);
  }

  private leadershipChanged(leadership: Leadership): void {
    if (this.isStopped) return;
    if (leadership.kind === 'following') {
      this.replica.follow(this.leaderElsewhere);
      this.parts.onCeased();
      return;
    }
    const { term } = leadership;
    this.parts.onCeased();
    this.replica.lead(term).then(
      () => {
        if (this.isStopped || this.group.term !== term) return;
        if (this.replica.whyBroken !== undefined) this.giveAway();
        else if (this.replica.isServing) this.parts.onServing(term);
      },
      (error: unknown) => {
        if (!this.isStopped) this.parts.onFailure(error);
      },
    );
  }

  private handOver(): Promise<void> {
    const { term } = this.group;
    this.parts.onCeased();
    return this.replica.handOver().catch((error: unknown) => {
      // Nobody was asked to lead: it goes on.
      if (this.replica.isServing && this.group.term === term) this.parts.onServing(term);
      throw error;
    });
  }

  private break(reason: string): void {
    const { runtime } = this.parts;
    this.replica.break(reason);
    this.parts.onCeased();
    // One after the other: the last word counts.
    this.marking = this.marking
      .then(() => runtime.files.replace(brokenPath(this.parts), utf8(`${reason}\n`)))
      .catch((error: unknown) => this.parts.onFailure(error));
    this.giveAway();
  }

  /** A snapshot is being installed, or was when the node stopped. */
  private get lacksState(): boolean {
    return this.replica.isInstalling || this.group.lacksState;
  }

  /** Its log may be as good as any other's by now, so that it is elected: but it can't serve. */
  private watchState(): void {
    if (this.isStopped || this.watching !== undefined) return;
    this.watching = this.parts.runtime.timers.after(GIVE_AWAY_MICROS, () => {
      this.watching = undefined;
      if (!this.lacksState) return;
      this.giveAway();
      this.watchState();
    });
  }

  /** A replica that may not serve must not lead: again and again, until somebody else takes it. */
  private giveAway(): void {
    const { group, parts } = this;
    if (this.isStopped || this.givingAway !== undefined || !group.isLeader) return;
    const others = group.configuration.voters.filter((one) => nodeOf(one) !== parts.nodeId);
    const target = others[parts.runtime.random.below(Math.max(1, others.length))];
    if (target === undefined) return;
    this.givingAway = parts.runtime.timers.after(GIVE_AWAY_MICROS, () => {
      this.givingAway = undefined;
      if (this.lacksState || this.replica.whyBroken !== undefined) this.giveAway();
    });
    parts.scheduler.transfer(group, target).catch((error: unknown) => parts.onFailure(error));
  }
}

/** What was written when this replica was found to differ from the others. It stays until the directory is replaced. */
function brokenPath({ dataDirectory, range }: RangeHostParts): string {
  return `${dataDirectory}/range-${range}.broken`;
}

/** P1: what the state that was there at the start shows at most. Every timestamp in it was given under a lease, below
 * that lease's E, which was at most true time plus a lease when it was given; and it was given before this start. The
 * only voter has no E, but all that it gave was its own: at most what its clock kept on disk, which has passed (P8). */
function stateAtMost({ founders, clock, timing }: RangeHostParts): Timestamp {
  if (founders.length <= 1) return MIN_TIMESTAMP;
  return (clock.latest() + timing.leaseMicros) as Timestamp;
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
