// What a replica keeps only while it leads (Raft paper, figure 2: nextIndex and matchIndex): how far each member is, which
// reads wait, to whom leadership is being handed. It feeds members from the log when a Ready is taken, so that all that
// was proposed since the last one travels together.

import { assert } from '../../base/assert.ts';
import type { AppendAnswer, HeartbeatAnswer } from '../messages.ts';
import { committedIndex, voteResult } from '../quorum.ts';
import type { IndexRange, ReplicaId } from '../types.ts';
import type { CoreParts } from './parts.ts';
import { Progress } from './progress.ts';
import { Reads } from './reads.ts';

export class Leader {
  private readonly term: number;
  private readonly parts: CoreParts;
  private peers: readonly Progress[];
  private readonly reads = new Reads();
  /** 0: leadership is not being handed on. */
  transferee: ReplicaId = 0;
  private transferTicks = 0;
  private heartbeatTicks = 0;
  private electionTicks = 0;
  private isHeartbeatDue = false;
  /** Something may have changed what can be sent. */
  private isFeedDue = true;

  constructor(parts: CoreParts) {
    this.term = parts.standing.term;
    this.parts = parts;
    const { lastIndex } = parts.log;
    this.peers = parts.membership.others.map((replica) => new Progress(replica, lastIndex + 1));
  }

  /** Whether flush() may have something to say. */
  get isDue(): boolean {
    return (this.isFeedDue || this.isHeartbeatDue) && this.peers.length > 0;
  }

  /** Whether flush() has more to say than that something has committed, which can travel with what is said next. */
  get isUrgent(): boolean {
    if (this.isHeartbeatDue) return this.peers.length > 0;
    return this.isFeedDue && this.peers.some((peer) => this.isWanted(peer));
  }

  private isWanted(peer: Progress): boolean {
    switch (peer.state) {
      case 'snapshot':
        return false;
      case 'probe':
        return !peer.isAsked;
      case 'replicate':
        return peer.isPoked || (peer.nextIndex <= this.parts.log.lastIndex && this.hasRoom(peer));
    }
  }

  /** Nothing waits for a member or from one, but for those who are absent. */
  isQuiescent(absent: readonly ReplicaId[]): boolean {
    const { committed, lastIndex } = this.parts.log;
    return (
      committed === lastIndex &&
      this.transferee === 0 &&
      this.reads.isEmpty &&
      this.peers.every(
        ({ replica, state, matchIndex, toldCommit }) =>
          (state === 'replicate' && matchIndex === lastIndex && toldCommit === committed) ||
          absent.includes(replica),
      )
    );
  }

  find(replica: ReplicaId): Progress | undefined {
    for (const peer of this.peers) if (peer.replica === replica) return peer;
    return undefined;
  }

  /** Entries were appended, or committed: members are to hear of it. */
  logChanged(): void {
    this.isFeedDue = true;
  }

  /** What a majority, or both, has acknowledged; this replica itself once its own sync is done (thesis, 10.2.1). */
  get acknowledgedIndex(): number {
    const { faults, membership } = this.parts;
    const { voters, outgoing, learners } = membership.configuration;
    // A bug on purpose, for the simulator to find: learners have a say.
    const isAnyoneCounted = faults?.sometimes('raft.count-learner') === true;
    const counted = isAnyoneCounted ? [...voters, ...learners] : voters;
    return committedIndex(counted, outgoing, this.acknowledged);
  }

  private readonly acknowledged = (replica: ReplicaId): number =>
    replica === this.parts.self ? this.parts.log.stable : (this.find(replica)?.matchIndex ?? 0);

  /** False: this replica must step down, as too few members were heard, or a transfer has failed. */
  tick(): boolean {
    const { tuning } = this.parts;
    if (++this.electionTicks >= tuning.electionTicks) {
      this.electionTicks = 0;
      if (!this.hearsQuorum()) return false;
      for (const peer of this.peers) peer.isActive = false;
    }
    if (this.transferee !== 0 && ++this.transferTicks >= tuning.electionTicks) return false;
    if (++this.heartbeatTicks >= tuning.heartbeatTicks) {
      this.heartbeatTicks = 0;
      this.isHeartbeatDue = true;
      this.urgeTransferee();
    }
    for (const peer of this.peers) {
      // The offer was lost, or the pull failed; a member that is pulling takes no notice.
      if (peer.state === 'snapshot' && ++peer.offerTicks >= tuning.electionTicks) this.offer(peer);
    }
    return true;
  }

  /** Check-quorum (thesis, section 6.2). */
  private hearsQuorum(): boolean {
    const { self, membership } = this.parts;
    const { voters, outgoing } = membership.configuration;
    const hears = (replica: ReplicaId): boolean =>
      replica === self || this.find(replica)?.isActive === true;
    return voteResult(voters, outgoing, hears) === 'won';
  }

  heardFrom(replica: ReplicaId): void {
    const peer = this.find(replica);
    if (peer !== undefined) peer.isActive = true;
  }

  appendAnswered(message: AppendAnswer): void {
    const peer = this.find(message.from);
    if (peer === undefined) return;
    const { log } = this.parts;
    peer.isActive = true;
    this.isFeedDue = true;
    if (message.rejected) {
      this.appendRejected(peer, message);
      return;
    }
    const { index } = message;
    assert(index <= log.lastIndex, `replica ${message.from} has ${index}, beyond the log`);
    const isNews = peer.acknowledged(index);
    if (peer.state === 'probe' && index === peer.matchIndex) {
      peer.replicate();
    } else if (peer.state === 'snapshot' && isNews) {
      if (this.isWithinReach(peer)) peer.replicate();
      else this.offer(peer);
    }
    if (peer.replica === this.transferee) this.urgeTransferee();
  }

  private appendRejected(peer: Progress, { index, hintIndex, hintTerm }: AppendAnswer): void {
    // What follows the beginning fits every log; but who knows no configuration needs a snapshot, which has it.
    if (index === 0 && peer.state === 'probe' && peer.nextIndex === 1) {
      this.offer(peer);
      return;
    }
    // Nothing between the hint and the last entry here of at most its term can be alike in both logs.
    const guess = this.parts.log.terms.lastPositionWithin(hintIndex, hintTerm);
    peer.rejected(index, Math.min(hintIndex, guess.index));
  }

  heartbeatAnswered(message: HeartbeatAnswer): void {
    const peer = this.find(message.from);
    if (peer === undefined) return;
    peer.isActive = true;
    peer.isAsked = false;
    peer.readSequence = Math.max(peer.readSequence, message.readContext);
    if (peer.matchIndex < this.parts.log.lastIndex || peer.state === 'probe') {
      peer.isPoked = true;
      this.isFeedDue = true;
    }
    if (!this.reads.isEmpty) this.releaseReads();
  }

  unreachable(replica: ReplicaId): void {
    const peer = this.find(replica);
    if (peer?.state !== 'replicate') return;
    peer.probe();
    this.isFeedDue = true;
  }

  snapshotReported(replica: ReplicaId, ok: boolean): void {
    const peer = this.find(replica);
    if (peer?.state !== 'snapshot') return;
    peer.offerTicks = 0;
    if (ok) return;
    peer.probe();
    // Its next heartbeat's answer lets it ask again.
    peer.isAsked = true;
  }

  /** Members came or went, perhaps this replica: all hear of it before anybody is forgotten. No entries are sent now: the
   * log may change before the message is filled. */
  membersChanged(): void {
    const { log, membership } = this.parts;
    for (const peer of this.peers) {
      if (peer.state === 'replicate' && !this.isTold(peer)) this.sendAppend(peer, undefined);
    }
    this.isFeedDue = true;
    this.peers = membership.others.map((replica) => {
      const known = this.find(replica);
      if (known !== undefined) return known;
      const peer = new Progress(replica, log.lastIndex + 1);
      // Check-quorum gives it the time to be heard.
      peer.isActive = true;
      return peer;
    });
    if (!this.reads.isEmpty) this.releaseReads();
  }

  /** Whether it can be tried. */
  transferTo(replica: ReplicaId): boolean {
    if (this.transferee !== 0) return this.transferee === replica;
    const { voters } = this.parts.membership.configuration;
    if (!voters.includes(replica) || this.find(replica) === undefined) return false;
    this.transferee = replica;
    this.transferTicks = 0;
    this.urgeTransferee();
    return true;
  }

  /** The transferee campaigns once it has the whole log (thesis, section 3.10); asked again in case that was lost. */
  private urgeTransferee(): void {
    const { self: from, log, outbox } = this.parts;
    if (this.transferee === 0) return;
    const peer = this.find(this.transferee);
    if (peer === undefined || peer.matchIndex !== log.lastIndex) return;
    outbox.send({ kind: 'timeoutNow', from, to: peer.replica, term: this.term });
  }

  /** An entry of this term has committed: what is committed now was so before the read was asked for. Whether the read
   * was taken. */
  read(from: ReplicaId, context: number): boolean {
    const { membership, log } = this.parts;
    if (membership.isOnlyVoter) {
      this.answerRead(from, context, log.committed);
      return true;
    }
    if (this.reads.isFull) return false;
    this.reads.ask(from, context, log.committed);
    this.isHeartbeatDue = true;
    return true;
  }

  private releaseReads(): void {
    const { self, membership } = this.parts;
    const { voters, outgoing } = membership.configuration;
    const confirmed = committedIndex(voters, outgoing, (replica) =>
      replica === self ? Number.POSITIVE_INFINITY : (this.find(replica)?.readSequence ?? 0),
    );
    for (const { from, context, index } of this.reads.take(confirmed)) {
      this.answerRead(from, context, index);
    }
  }

  /** This replica leads no more: what waits is refused. */
  end(): void {
    for (const { from, context } of this.reads.take(Number.POSITIVE_INFINITY)) {
      this.answerRead(from, context, 0);
    }
  }

  private answerRead(to: ReplicaId, context: number, index: number): void {
    const { self: from, outbox } = this.parts;
    const { term } = this;
    if (to === from) outbox.answerRead(context, index);
    else outbox.send({ kind: 'readIndexAnswer', from, to, term, context, index });
  }

  /** Sends what can be sent now. */
  flush(): void {
    if (this.isHeartbeatDue) {
      this.isHeartbeatDue = false;
      for (const peer of this.peers) this.sendHeartbeat(peer);
    }
    if (!this.isFeedDue) return;
    this.isFeedDue = false;
    for (const peer of this.peers) this.feed(peer);
  }

  private sendHeartbeat({ replica: to, matchIndex }: Progress): void {
    const { self: from, log, outbox } = this.parts;
    const { term } = this;
    // Beyond what has matched the member may have another's entries.
    const commit = Math.min(matchIndex, log.committed);
    const readContext = this.reads.newest;
    outbox.send({ kind: 'heartbeat', from, to, term, commit, readContext, stamp: 0 });
  }

  private feed(peer: Progress): void {
    switch (peer.state) {
      case 'snapshot':
        return;
      case 'probe':
        if (!peer.isAsked && this.sendAppend(peer, this.nextRange(peer))) peer.isAsked = true;
        return;
      case 'replicate':
        this.pipeline(peer);
    }
  }

  private pipeline(peer: Progress): void {
    const before = peer.nextIndex;
    while (this.hasRoom(peer)) {
      const range = this.nextRange(peer);
      if (range === undefined) break;
      this.sendAppend(peer, range);
      peer.sent(range.last);
    }
    const isNews = peer.isPoked || !this.isTold(peer);
    if (peer.nextIndex === before && isNews) this.sendAppend(peer, undefined);
    peer.isPoked = false;
  }

  private isTold({ toldCommit, nextIndex }: Progress): boolean {
    return toldCommit >= Math.min(this.parts.log.committed, nextIndex - 1);
  }

  /** The bounds on what is under way to one member. */
  private hasRoom({ inflightMessages, matchIndex, nextIndex }: Progress): boolean {
    const { log, tuning } = this.parts;
    return (
      inflightMessages < tuning.inflightMessagesMax &&
      log.terms.bytesBetween(matchIndex, nextIndex - 1) < tuning.inflightBytesMax
    );
  }

  private nextRange(peer: Progress): IndexRange | undefined {
    const { log, tuning } = this.parts;
    const first = peer.nextIndex;
    if (first > log.lastIndex || !this.isWithinReach(peer)) return undefined;
    return { first, last: log.terms.lastWithin(first, tuning.appendBytesMax) };
  }

  /** Whether the log still has what the member lacks. */
  private isWithinReach({ nextIndex }: Progress): boolean {
    return nextIndex - 1 >= this.parts.log.terms.compactedIndex;
  }

  /** False: it was offered a snapshot in its place. */
  private sendAppend(peer: Progress, range: IndexRange | undefined): boolean {
    if (!this.isWithinReach(peer)) {
      this.offer(peer);
      return false;
    }
    const { self: from, log, outbox } = this.parts;
    const { term } = this;
    const { replica: to } = peer;
    const previousIndex = peer.nextIndex - 1;
    const previousTerm = log.terms.termAt(previousIndex);
    assert(previousTerm !== undefined, `no term of entry ${previousIndex}`);
    const position = { previousIndex, previousTerm, commit: log.committed };
    outbox.send({ kind: 'append', from, to, term, ...position, range, stamp: 0 });
    peer.toldCommit = Math.min(log.committed, range?.last ?? previousIndex);
    return true;
  }

  private offer(peer: Progress): void {
    const { self: from, log, outbox } = this.parts;
    const { term } = this;
    peer.offerSnapshot();
    const index = Math.max(1, log.terms.compactedIndex);
    const indexTerm = log.terms.termAt(index);
    assert(indexTerm !== undefined, `no term of entry ${index}`);
    const { replica: to } = peer;
    outbox.send({ kind: 'snapshot', from, to, term, index, indexTerm, stamp: 0 });
  }
}
