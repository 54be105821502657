// How a replica asks for votes, and gives its own (Raft paper, sections 5.2 and 5.4.1). Before it disturbs anybody with a
// new term it asks whether it would win (pre-vote: thesis, section 9.6).

import type { VoteAnswer, VoteRequest } from '../messages.ts';
import type { CoreParts } from './parts.ts';
import { voteResult } from '../quorum.ts';
import type { ReplicaId } from '../types.ts';

export class Election {
  private readonly parts: CoreParts;
  private readonly answers = new Map<ReplicaId, boolean>();

  constructor(parts: CoreParts) {
    this.parts = parts;
  }

  /** P2: a promise to a leader stands in the way; the only voter promises nobody anything. */
  get isPromised(): boolean {
    const { standing, membership } = this.parts;
    return !standing.mayElect && !membership.isOnlyVoter;
  }

  campaign(): void {
    const { standing, membership } = this.parts;
    if (standing.role === 'leader' || !membership.isVoter) return;
    if (membership.isOnlyVoter) this.stand(false);
    else if (standing.mayElect) this.sound();
  }

  /** Asks for pre-votes. Term and vote stay as they are. */
  private sound(): void {
    const { self, standing, membership } = this.parts;
    standing.become('preCandidate', 0);
    this.answers.clear();
    this.answers.set(self, true);
    for (const to of membership.otherVoters) this.ask('preVote', to, standing.term + 1, false);
  }

  /** Enters a new term as a candidate. Promises don't matter to a transfer: the leader that they were made to has given
   * up its lease (P3). */
  stand(isTransfer: boolean): void {
    const { self, standing, membership } = this.parts;
    standing.become('candidate', 0);
    standing.enter(standing.term + 1);
    standing.voteFor(self);
    // Its own vote counts once it is synced (P29).
    this.answers.clear();
    for (const to of membership.otherVoters) this.ask('vote', to, standing.term, isTransfer);
  }

  private ask(kind: 'preVote' | 'vote', to: ReplicaId, term: number, isTransfer: boolean): void {
    const { self: from, log, outbox } = this.parts;
    const { lastIndex, lastTerm, committed: commit, committedTerm: commitTerm } = log;
    const position = { lastIndex, lastTerm, commit, commitTerm };
    const request: VoteRequest = { kind, from, to, term, ...position, isTransfer };
    if (kind === 'preVote') outbox.send(request);
    // Were it to leave before its sync, this replica could lose the term and the log's end in a crash, campaign in the
    // same term once more, and be elected by votes that were given to the longer log.
    else outbox.sendAfterSync(request);
  }

  /** Answers a request of this or, a pre-vote, of a later term. Learners answer too: who asks may know of a promotion
   * that they have not heard of. */
  answer(request: VoteRequest): void {
    const { self: from, standing, log, outbox } = this.parts;
    const { kind, from: to, lastIndex, lastTerm } = request;
    if (this.isPromised && !request.isTransfer) return;
    // A bug on purpose, for the simulator to find: a second vote in one term.
    if (this.parts.faults?.sometimes('raft.skip-term-check') === true) standing.vote = 0;
    const isFree =
      standing.vote === to ||
      (standing.vote === 0 && standing.leader === 0) ||
      (kind === 'preVote' && request.term > standing.term);
    const granted = isFree && log.isUpToDate(lastIndex, lastTerm);
    if (kind === 'preVote') {
      this.answerPreVote(to, granted ? request.term : standing.term, granted);
      return;
    }
    if (granted) {
      standing.voteFor(to);
      standing.postponeElection();
    }
    const { term } = standing;
    const { committed: commit, committedTerm: commitTerm } = log;
    outbox.sendAfterSync({ kind: 'voteAnswer', from, to, term, granted, commit, commitTerm });
  }

  /** A pre-vote is no promise, so there is nothing to sync. */
  answerPreVote(to: ReplicaId, term: number, granted: boolean): void {
    const { self: from, log, outbox } = this.parts;
    const { committed: commit, committedTerm: commitTerm } = log;
    outbox.send({ kind: 'preVoteAnswer', from, to, term, granted, commit, commitTerm });
  }

  /** An answer to what this replica asked. True: it is elected. */
  answered({ kind, from, term, granted }: VoteAnswer): boolean {
    const { standing } = this.parts;
    if (kind === 'voteAnswer') return standing.role === 'candidate' && this.count(from, granted);
    const isMine = !granted || term === standing.term + 1;
    return standing.role === 'preCandidate' && isMine && this.count(from, granted);
  }

  /** True: this replica is elected. Answers of those who have no vote, such as learners, count nothing; a first answer
   * stands when it comes again. */
  count(from: ReplicaId, granted: boolean): boolean {
    const { standing, membership } = this.parts;
    if (!this.answers.has(from)) this.answers.set(from, granted);
    const { voters, outgoing } = membership.configuration;
    switch (voteResult(voters, outgoing, (voter) => this.answers.get(voter))) {
      case 'pending':
        return false;
      case 'lost':
        standing.become('follower', 0);
        return false;
      case 'won':
        if (standing.role === 'candidate') return true;
        // A promise may have been made since the pre-votes were asked for.
        if (this.isPromised) standing.become('follower', 0);
        else this.stand(false);
        return false;
    }
  }
}
