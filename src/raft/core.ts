// The Raft protocol of one replica of one group, as a state machine: inputs are method calls, the output is one Ready.
// No clock, no timer, no I/O, nothing asynchronous; the scheduler carries out what Ready asks for and reports it with
// advance(). The core knows the indexes and terms of its log, not the bytes: those it hands out once.
//
// Here are its surface, terms, and a step for each role. In core/, standing.ts is the replica's place in the term, log.ts
// its log, membership.ts the configuration; election.ts, follower.ts and leader.ts are what the roles do; outbox.ts is
// what waits to be said.

import { assert } from '../base/assert.ts';
import { encodeChange } from './codec.ts';
import type { Change, Configuration } from './configuration.ts';
import { CoreLog } from './core/log.ts';
import { Election } from './core/election.ts';
import { Follower } from './core/follower.ts';
import { Leader } from './core/leader.ts';
import { Membership } from './core/membership.ts';
import {
  isAboutVotes,
  isFromLeader,
  type Message,
  type ReadIndexRequest,
  type VoteAnswer,
  type VoteRequest,
} from './messages.ts';
import type { ChangeProposal, CoreOptions, ProposalRefusal } from './core/options.ts';
import { Outbox } from './core/outbox.ts';
import type { CoreParts } from './core/parts.ts';
import type { ProgressView } from './core/progress.ts';
import type { Ready, SnapshotMark } from './ready.ts';
import { Standing } from './core/standing.ts';
import type { EntryKind, IndexRange, ReplicaId, Role } from './types.ts';

export type { ChangeProposal, CoreOptions, ProposalRefusal } from './core/options.ts';

const NO_BYTES = new Uint8Array(0);
const NOBODY: readonly ReplicaId[] = [];

export class RaftCore {
  readonly replicaId: ReplicaId;
  private readonly parts: CoreParts;
  private readonly standing: Standing;
  private readonly log: CoreLog;
  private readonly membership: Membership;
  private readonly outbox = new Outbox();
  private readonly election: Election;
  private readonly follower: Follower;
  /** While leading. */
  private leadership: Leader | undefined;

  constructor(options: CoreOptions) {
    const { replicaId, hardState, terms, tuning, appliedIndex } = options;
    assert(replicaId > 0, 'replica ids begin at 1');
    // A snapshot may have brought a term that was not written otherwise: its sender had entered it.
    const term = Math.max(hardState.term, terms.compacted.term);
    assert(terms.lastTerm <= term, 'an entry of a term that was never entered');
    this.replicaId = replicaId;
    this.standing = new Standing(hardState, tuning, (bound) => options.random(bound));
    this.standing.enter(term);
    this.membership = new Membership(options);
    const committed = Math.max(hardState.commit, this.membership.committedIn(terms));
    this.log = new CoreLog(terms, committed, appliedIndex);
    this.membership.committed(this.log.committed);
    const { standing, log, membership, outbox } = this;
    const { faults } = options;
    this.parts = { self: replicaId, standing, log, membership, outbox, tuning, faults };
    this.election = new Election(this.parts);
    this.follower = new Follower(this.parts);
    if (options.leadsFromBirth === true) this.standFromBirth();
    // P2: the only voter breaks no promise to anyone, so it need not wait.
    else if (this.membership.isOnlyVoter) this.election.stand(false);
  }

  get role(): Role {
    return this.standing.role;
  }

  get leader(): ReplicaId {
    return this.standing.leader;
  }

  get term(): number {
    return this.standing.term;
  }

  get committedIndex(): number {
    return this.log.committed;
  }

  get lastIndex(): number {
    return this.log.lastIndex;
  }

  get configuration(): Configuration {
    return this.membership.configuration;
  }

  /** Of the change that made the configuration. */
  get configurationIndex(): number {
    return this.membership.index;
  }

  /** Of that change's entry; 0: not known. */
  get configurationTerm(): number {
    return this.membership.term;
  }

  /** Set by the driver before tick() and step(): no promise to a leader stands in the way (P2). While false this
   * replica neither campaigns nor grants votes or pre-votes, but for transfers; the only voter does not ask. */
  get mayElect(): boolean {
    return this.standing.mayElect;
  }

  set mayElect(value: boolean) {
    this.standing.mayElect = value;
  }

  /** A leader was heard of recently, or is this replica. */
  get hearsLeader(): boolean {
    return this.standing.hearsLeader;
  }

  get isVoter(): boolean {
    return this.membership.isVoter;
  }

  /** As leader: an appended or committed change makes this replica vote no more; it must hold no lease (P5). */
  get isLeaving(): boolean {
    return this.leadership !== undefined && this.membership.isLeaving;
  }

  /** As leader: every member but those who are absent has the whole log, all of it is committed, and nothing is under
   * way. */
  isQuiescent(absent: readonly ReplicaId[] = NOBODY): boolean {
    return this.leadership?.isQuiescent(absent) === true && !this.membership.wantsToLeaveJoint;
  }

  /** What the leader knows of another member; undefined when it is none, or this replica does not lead. */
  progressOf(replica: ReplicaId): ProgressView | undefined {
    return this.leadership?.find(replica);
  }

  /** Why propose() would not take so many bytes now; undefined: it would. */
  refusal(bytes: number): ProposalRefusal | undefined {
    const { leadership } = this;
    if (leadership === undefined) return 'notLeader';
    if (leadership.transferee !== 0) return 'transferring';
    const waiting = this.log.uncommittedBytes;
    return waiting > 0 && waiting + bytes > this.parts.tuning.uncommittedBytesMax
      ? 'busy'
      : undefined;
  }

  /** Appends a command. Its index; undefined when it is not taken: refusal() says why. */
  propose(data: Uint8Array): number | undefined {
    if (this.refusal(data.length) !== undefined) return undefined;
    return this.append('command', data);
  }

  proposeChange(change: Change): ChangeProposal {
    const { leadership, membership } = this;
    if (leadership === undefined) return { kind: 'notLeader' };
    if (leadership.transferee !== 0) return { kind: 'refused', reason: 'leadership is moving' };
    const result = membership.propose(change);
    if (result.kind === 'refused') return result;
    const index = this.append('change', encodeChange(change));
    return { kind: 'proposed', index, removesLeader: membership.isLeaving };
  }

  /** As leader, after the driver kept P3: asks `to` to lead once it has the whole log. No proposal is taken meanwhile.
   * After an election timeout without success this replica steps down: it holds no lease in that term any more. False:
   * it does not lead, `to` has no vote, or leadership is moving to another. */
  transferLeadership(to: ReplicaId): boolean {
    return this.leadership?.transferTo(to) === true;
  }

  /** P3: of a leader that serves no more in its term, though nobody was asked to lead. */
  stepDown(): void {
    if (this.leadership !== undefined) this.becomeFollower(this.standing.term, 0);
  }

  /** Asks up to where the state machine must have applied for a read to see everything that was committed when it was
   * asked (thesis, section 6.4). Answered through Ready.readStates, unless a message is lost. False: no leader is known,
   * or it has committed nothing of its term yet, or too many reads wait. */
  readIndex(context: number): boolean {
    const { leadership, replicaId: from } = this;
    if (leadership !== undefined) {
      return this.hasCommittedInTerm && leadership.read(from, context);
    }
    const { leader: to, term } = this.standing;
    if (to === 0) return false;
    this.outbox.send({ kind: 'readIndex', from, to, term, context });
    return true;
  }

  /** Asks the others for their pre-votes now, if a promise does not forbid it; the only voter campaigns at once. */
  campaign(): void {
    this.election.campaign();
  }

  /** One tick of the driver's clock, while the group is awake. */
  tick(): void {
    const { leadership } = this;
    if (leadership !== undefined) {
      // Check-quorum (thesis, section 6.2), and P3: after a transfer that failed another election must come.
      if (!leadership.tick()) this.becomeFollower(this.standing.term, 0);
    } else if (this.standing.tick()) {
      this.election.campaign();
    }
  }

  /** The pair's heartbeat spoke for the leader of this sleeping group: the election timer starts anew. */
  heardFromLeader(): void {
    const { standing } = this;
    if (standing.role === 'follower' && standing.leader !== 0) standing.postponeElection();
  }

  /** As leader: a pair's acknowledgement from the node of that replica counts for check-quorum. */
  heardFrom(replica: ReplicaId): void {
    this.leadership?.heardFrom(replica);
  }

  /** As leader: what was sent to that replica is lost, perhaps. */
  reportUnreachable(replica: ReplicaId): void {
    this.leadership?.unreachable(replica);
  }

  /** As leader: a snapshot has left for that replica, or could not. */
  reportSnapshot(replica: ReplicaId, ok: boolean): void {
    this.leadership?.snapshotReported(replica, ok);
  }

  /** The driver's log has forgotten everything at and below `index`, which was applied. */
  compacted(index: number): void {
    this.log.compactTo(index);
  }

  /** The snapshot that Ready.snapshot asked for is in the state machine, durably (P31), and the log was reset to it if
   * it did not hold (mark.index, mark.term); that reset is written no later than the next Ready. */
  snapshotInstalled(mark: SnapshotMark): void {
    // The sender may have entered a newer term since it made the offer.
    if (mark.term > this.standing.term) this.becomeFollower(mark.term, 0);
    const { leadership, membership } = this;
    const { index } = membership;
    this.follower.pulled(mark);
    if (leadership !== undefined && membership.index !== index) this.membersChanged(leadership);
  }

  /** It could not be had; the leader offers again. */
  snapshotFailed(): void {
    this.follower.pullFailed();
  }

  /** Whether ready() may have anything to say. */
  get hasReady(): boolean {
    return this.leadership?.isDue === true || this.hasAnything;
  }

  /** Whether ready() has more to say than it could as well say with the next proposal, or at the next tick: to a leader's
   * members, that something has committed. */
  get isUrgent(): boolean {
    return this.leadership?.isUrgent === true || this.hasAnything;
  }

  private get hasAnything(): boolean {
    const { log, standing, membership, follower, outbox } = this;
    return (
      log.hasFresh ||
      log.hasCommitted ||
      standing.hasChanged ||
      membership.hasChanged ||
      follower.isPullDue ||
      !outbox.isEmpty
    );
  }

  /** What is to be done now; undefined when there is nothing. Each thing is handed out once. */
  ready(): Ready | undefined {
    const { log, standing, membership, follower, outbox } = this;
    this.leadership?.flush();
    if (!this.hasAnything) return undefined;
    return {
      softState: standing.takeSoftState(),
      // Of what is not synced a torn write may leave this record and not the entries, but others of an earlier term.
      hardState: standing.takeHardState(Math.min(log.committed, log.stable)),
      entries: log.takeFresh(),
      committed: log.takeCommitted(),
      messages: outbox.takeNow(),
      messagesAfterSync: outbox.takeAfterSync(),
      readStates: outbox.takeReads(),
      snapshot: follower.takePull(),
      configuration: membership.take(),
    };
  }

  /** The committed part of what ready() would answer: for applying at once what a sync has just committed, while more
   * proposals gather for the next ready(). */
  takeCommitted(): IndexRange | undefined {
    // A state machine that had applied a change, and made that durable, before the configuration was written would let
    // the log forget the change.
    return this.membership.hasChanged ? undefined : this.log.takeCommitted();
  }

  /** All that `done` asked to write is synced. Readies are reported in the order in which they were taken. */
  advance(done: Ready): void {
    if (this.log.synced(done.entries) && this.leadership !== undefined) this.tryCommit();
    // P29: a vote, also a candidate's own, counts once it is synced.
    const { standing } = this;
    if (standing.role === 'candidate' && done.hardState?.term === standing.term) {
      if (this.election.count(this.replicaId, true)) this.lead();
    }
  }

  /** A message arrived; foreign ones and those of old terms are dropped. Terms come first (Raft paper, figure 2, "all
   * servers"), then a step for each role. */
  step(message: Message): void {
    const { standing } = this;
    // P32: a replica that was here before is another.
    if (message.to !== this.replicaId) return;
    if (isAboutVotes(message)) this.learnCommit(message);
    if (message.term < standing.term) {
      this.answerStale(message);
      return;
    }
    if (message.term > standing.term && !this.meetNewerTerm(message)) return;
    if (message.kind === 'vote' || message.kind === 'preVote') this.election.answer(message);
    else if (standing.role === 'leader') this.stepLeader(message);
    else if (standing.role === 'follower') this.stepFollower(message);
    else this.stepCandidate(message);
  }

  /** A leader or candidate of the past hears that there is a newer term, so that it gives up; else it could go on
   * without ever being answered, as pre-vote keeps this replica from campaigning. All else is dropped, a late
   * TimeoutNow too (P3). */
  private answerStale(message: Message): void {
    const { kind, from: to } = message;
    const { replicaId: from, outbox } = this;
    const { term } = this.standing;
    if (isFromLeader(message)) {
      const nowhere = { index: 0, hintIndex: 0, hintTerm: 0, stamp: 0 };
      outbox.sendAfterSync({ kind: 'appendAnswer', from, to, term, rejected: true, ...nowhere });
    } else if (kind === 'preVote') {
      this.election.answerPreVote(to, term, false);
    }
  }

  /** What is committed is so in every term. */
  private learnCommit({ commit, commitTerm }: VoteRequest | VoteAnswer): void {
    const { standing, membership } = this;
    if (standing.role === 'leader') return;
    const { index } = membership;
    this.follower.learnCommit(commit, commitTerm);
    if (membership.index === index || standing.role === 'follower') return;
    // Others are to be asked, or this replica has no vote any more.
    standing.become('follower', 0);
    this.election.campaign();
  }

  /** False: the message is to be ignored. */
  private meetNewerTerm(message: Message): boolean {
    const { kind, term, from } = message;
    if (kind === 'vote' || kind === 'preVote') {
      // Who hears a leader does not help to disrupt it (thesis, section 4.2.3), unless that leader asked for it.
      const isBound = this.election.isPromised || this.standing.hearsLeader;
      if (isBound && !message.isTransfer) return false;
      // A term that somebody asks about is not entered yet (thesis, section 9.6).
      if (kind === 'vote') this.becomeFollower(term, 0);
    } else if (kind !== 'preVoteAnswer' || !message.granted) {
      // A granted pre-vote repeats the term that was asked about; all other terms were entered by somebody.
      this.becomeFollower(term, isFromLeader(message) || kind === 'timeoutNow' ? from : 0);
    }
    return true;
  }

  private stepFollower(message: Message): void {
    switch (message.kind) {
      case 'append':
        this.standing.hear(message.from);
        this.follower.takeAppend(message);
        return;
      case 'heartbeat':
        this.standing.hear(message.from);
        this.follower.takeHeartbeat(message);
        return;
      case 'snapshot':
        this.standing.hear(message.from);
        this.follower.takeOffer(message);
        return;
      case 'timeoutNow':
        if (this.membership.isVoter) this.election.stand(true);
        return;
      case 'readIndex':
        this.refuseRead(message);
        return;
      case 'readIndexAnswer':
        this.outbox.answerRead(message.context, message.index);
        return;
      default:
      // Answers to what this replica asked in another role.
    }
  }

  private stepCandidate(message: Message): void {
    switch (message.kind) {
      case 'append':
      case 'heartbeat':
      case 'snapshot':
        this.becomeFollower(message.term, message.from);
        this.stepFollower(message);
        return;
      case 'preVoteAnswer':
      case 'voteAnswer':
        if (this.election.answered(message)) this.lead();
        return;
      case 'readIndex':
        this.refuseRead(message);
        return;
      case 'readIndexAnswer':
        this.outbox.answerRead(message.context, message.index);
        return;
      default:
    }
  }

  private stepLeader(message: Message): void {
    const leadership = this.leadership as Leader;
    switch (message.kind) {
      case 'appendAnswer':
        leadership.appendAnswered(message);
        this.tryCommit();
        return;
      case 'heartbeatAnswer':
        leadership.heartbeatAnswered(message);
        return;
      case 'readIndex': {
        const { from, context } = message;
        if (!this.hasCommittedInTerm || !leadership.read(from, context)) this.refuseRead(message);
        return;
      }
      case 'append':
      case 'heartbeat':
      case 'snapshot':
        assert(false, `replica ${message.from} leads in term ${message.term} too`);
        return;
      default:
    }
  }

  private refuseRead({ from: to, context }: ReadIndexRequest): void {
    const { replicaId: from, outbox } = this;
    const { term } = this.standing;
    outbox.send({ kind: 'readIndexAnswer', from, to, term, context, index: 0 });
  }

  private becomeFollower(term: number, leader: ReplicaId): void {
    this.leadership?.end();
    this.leadership = undefined;
    this.standing.enter(term);
    this.standing.become('follower', leader);
  }

  /** All votes of the term are its own, given at birth (birth.ts). */
  private standFromBirth(): void {
    const { standing, log, membership } = this;
    const isNew = standing.vote === this.replicaId && log.lastIndex === log.terms.compactedIndex;
    assert(isNew && membership.isVoter, 'who leads from birth has its vote and an empty log');
    standing.become('candidate', 0);
    this.lead();
  }

  private lead(): void {
    assert(this.standing.role === 'candidate', 'only a candidate becomes leader');
    this.standing.become('leader', this.replicaId);
    const { log, membership } = this;
    // Who is elected has every entry that has committed. Followers must hear of this one with the next change.
    assert(
      membership.index <= log.lastIndex,
      'a leader lacks the change that made its configuration',
    );
    log.committed = Math.max(log.committed, membership.index);
    this.leadership = new Leader(this.parts);
    // An entry of the own term, by which entries of earlier terms commit (Raft paper, sections 5.4.2 and 8).
    this.append('command', NO_BYTES);
  }

  private append(kind: EntryKind, data: Uint8Array): number {
    const entry = this.log.append(this.standing.term, kind, data);
    if (kind === 'change') this.membership.logged(entry);
    this.leadership?.logChanged();
    return entry.index;
  }

  private get hasCommittedInTerm(): boolean {
    return this.log.terms.termAt(this.log.committed) === this.standing.term;
  }

  private tryCommit(): void {
    const { log, membership } = this;
    // A change in what counts as a majority may commit more.
    for (;;) {
      const { leadership } = this;
      if (leadership === undefined) return;
      const index = leadership.acknowledgedIndex;
      // A leader commits by counting only entries of its own term (Raft paper, section 5.4.2).
      if (index <= log.committed || log.terms.termAt(index) !== this.standing.term) break;
      log.committed = index;
      leadership.logChanged();
      if (membership.committed(index)) this.membersChanged(leadership);
    }
    const { leadership } = this;
    if (membership.wantsToLeaveJoint && this.hasCommittedInTerm && leadership?.transferee === 0) {
      this.append('change', encodeChange({ kind: 'leaveJoint' }));
    }
  }

  /** A change has taken effect while this replica leads. */
  private membersChanged(leadership: Leader): void {
    leadership.membersChanged();
    const { voters } = this.membership.configuration;
    const { transferee } = leadership;
    const isTransferLost = transferee !== 0 && !voters.includes(transferee);
    // A leader that was removed leads until that has committed (thesis, section 4.2.2).
    if (!this.membership.isVoter || isTransferLost) this.becomeFollower(this.standing.term, 0);
  }
}
