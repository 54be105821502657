// How far one member of the group is, as its leader sees it: where the next append begins, and how much may be under way.
//
// matchIndex < nextIndex; while probing or sending a snapshot nothing but one question is under way.

import type { ReplicaId } from '../types.ts';

/** `probe`: where the logs agree is not known, one append at a time asks. `replicate`: appends leave before the last
 * ones are acknowledged. `snapshot`: it lacks entries that the log no longer has, and pulls them as a snapshot. */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

export interface ProgressView {
  readonly state: ProgressState;
  /** It has everything up to here, synced. */
  readonly matchIndex: number;
  /** The next append begins here. */
  readonly nextIndex: number;
  /** It was heard since check-quorum last looked. */
  readonly isActive: boolean;
}

export class Progress implements ProgressView {
  readonly replica: ReplicaId;
  state: ProgressState = 'probe';
  matchIndex = 0;
  nextIndex: number;
  isActive = false;
  /** Probing, and the question is under way; a heartbeat's answer allows another. */
  isAsked = false;
  /** An append must leave though it brings nothing new: those under way were lost, perhaps. */
  isPoked = false;
  /** The commit index that it was told, as far as its log goes. */
  toldCommit = 0;
  /** Of the newest read that it has confirmed (thesis, section 6.4). */
  readSequence = 0;
  /** Ticks since it was offered a snapshot. */
  offerTicks = 0;
  /** Last indexes of the appends under way, oldest first. */
  private readonly inflight: number[] = [];

  constructor(replica: ReplicaId, nextIndex: number) {
    this.replica = replica;
    this.nextIndex = nextIndex;
  }

  get inflightMessages(): number {
    return this.inflight.length;
  }

  sent(last: number): void {
    this.nextIndex = last + 1;
    this.inflight.push(last);
  }

  /** It has acknowledged everything up to `index`. Whether that is news. */
  acknowledged(index: number): boolean {
    while (this.inflight.length > 0 && (this.inflight[0] as number) <= index) this.inflight.shift();
    if (index <= this.matchIndex) return false;
    this.matchIndex = index;
    this.nextIndex = Math.max(this.nextIndex, index + 1);
    this.isAsked = false;
    return true;
  }

  /** It has rejected an append after `rejected`, and may agree at `hint`. Whether that is news: answers may come late
   * or twice. */
  rejected(rejected: number, hint: number): boolean {
    switch (this.state) {
      case 'replicate':
        if (rejected <= this.matchIndex) return false;
        this.probe();
        // The hint may save a round of probing, but nothing below what has matched is asked again.
        this.nextIndex = Math.max(this.matchIndex + 1, Math.min(rejected, hint + 1));
        return true;
      case 'probe':
        if (rejected !== this.nextIndex - 1) return false;
        this.nextIndex = Math.max(this.matchIndex + 1, Math.min(rejected, hint + 1));
        this.isAsked = false;
        return true;
      case 'snapshot':
        return false;
    }
  }

  probe(): void {
    this.begin('probe');
    // What told it may be lost.
    this.toldCommit = 0;
  }

  replicate(): void {
    this.begin('replicate');
  }

  offerSnapshot(): void {
    this.begin('snapshot');
    this.toldCommit = 0;
  }

  private begin(state: ProgressState): void {
    this.state = state;
    this.nextIndex = this.matchIndex + 1;
    this.isAsked = false;
    this.isPoked = false;
    this.offerTicks = 0;
    this.inflight.length = 0;
  }
}
