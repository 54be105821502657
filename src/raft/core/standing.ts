// A replica's place in the current term: its role, whom it follows, whom it has voted for, and how long it has not heard
// of a leader (Raft paper, figure 2: currentTerm and votedFor).

import { assert } from '../../base/assert.ts';
import type { CoreTuning } from '../tuning.ts';
import type { HardState, ReplicaId, Role, SoftState } from '../types.ts';

export class Standing {
  role: Role = 'follower';
  /** 0: unknown. */
  leader: ReplicaId = 0;
  term: number;
  /** 0: none in this term. */
  vote: ReplicaId;
  /** P2: no promise to a leader stands in the way. */
  mayElect = false;

  private readonly tuning: CoreTuning;
  private readonly random: (bound: number) => number;
  /** Since a leader was heard, a vote was granted, or a campaign began. */
  private electionTicks = 0;
  private timeoutTicks = 0;
  private isHardChanged = false;
  private isSoftChanged = false;

  constructor(hardState: HardState, tuning: CoreTuning, random: (bound: number) => number) {
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.tuning = tuning;
    this.random = random;
    this.restartTimer();
  }

  get hasChanged(): boolean {
    return this.isHardChanged || this.isSoftChanged;
  }

  /** Terms only rise, and each has one vote. */
  enter(term: number): void {
    if (term === this.term) return;
    assert(term > this.term, `term ${term} after ${this.term}`);
    this.term = term;
    this.vote = 0;
    this.isHardChanged = true;
  }

  voteFor(replica: ReplicaId): void {
    if (this.vote === replica) return;
    assert(this.vote === 0, `a second vote in term ${this.term}`);
    this.vote = replica;
    this.isHardChanged = true;
  }

  become(role: Role, leader: ReplicaId): void {
    this.isSoftChanged ||= this.role !== role || this.leader !== leader;
    this.role = role;
    this.leader = leader;
    this.restartTimer();
  }

  /** The leader of the term has spoken. */
  hear(leader: ReplicaId): void {
    assert(this.leader === 0 || this.leader === leader, `two leaders in term ${this.term}`);
    this.isSoftChanged ||= this.leader !== leader;
    this.leader = leader;
    this.electionTicks = 0;
  }

  /** A leader was heard of recently, or is this replica: others are not helped to disrupt it (thesis, section 4.2.3). */
  get hearsLeader(): boolean {
    if (this.role === 'leader') return true;
    return this.leader !== 0 && this.electionTicks < this.tuning.electionTicks;
  }

  /** Whether it is time to campaign; it stays so until the timer starts anew. */
  tick(): boolean {
    this.electionTicks++;
    return this.electionTicks >= this.timeoutTicks;
  }

  postponeElection(): void {
    this.electionTicks = 0;
  }

  private restartTimer(): void {
    const { electionTicks } = this.tuning;
    this.electionTicks = 0;
    // By chance, so that votes seldom split (Raft paper, section 5.2).
    this.timeoutTicks = electionTicks + this.random(electionTicks);
  }

  /** When it has changed since it was last taken. */
  takeHardState(commit: number): HardState | undefined {
    if (!this.isHardChanged) return undefined;
    this.isHardChanged = false;
    return { term: this.term, vote: this.vote, commit };
  }

  takeSoftState(): SoftState | undefined {
    if (!this.isSoftChanged) return undefined;
    this.isSoftChanged = false;
    return { role: this.role, leader: this.leader };
  }
}
