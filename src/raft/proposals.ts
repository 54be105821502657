// Proposals that wait for their entry to commit, in the order of their indexes.

import { assert } from '../base/assert.ts';
import type { ReplicaId } from './types.ts';

/** What became of a proposal. Only `unknown` leaves it open whether the entry commits: it was logged, perhaps. */
export type ProposeAnswer =
  | { readonly kind: 'committed'; readonly index: number; readonly term: number }
  /** The bound on what waits was reached: try again once some of it has committed. */
  | { readonly kind: 'busy'; readonly message: string }
  | { readonly kind: 'tooLarge'; readonly message: string }
  | { readonly kind: 'diskFull'; readonly message: string }
  /** 0: nobody is known to lead. */
  | { readonly kind: 'notLeader'; readonly leader: ReplicaId }
  | { readonly kind: 'unknown'; readonly message: string };

export type OnAnswer = (answer: ProposeAnswer) => void;

/** A queue in parallel arrays: every proposal passes through. */
export class ProposalQueue {
  private indexes: number[] = [];
  private sizes: number[] = [];
  private answers: (OnAnswer | undefined)[] = [];
  private head = 0;
  bytes = 0;

  get count(): number {
    return this.indexes.length - this.head;
  }

  push(index: number, size: number, answer: OnAnswer): void {
    assert(
      this.count === 0 || index > (this.indexes[this.indexes.length - 1] as number),
      'proposals are queued in the order of their indexes',
    );
    this.indexes.push(index);
    this.sizes.push(size);
    this.answers.push(answer);
    this.bytes += size;
  }

  /** Answers everything up to `lastIndex`: it has committed in `term`. The bytes that this frees. */
  commitTo(lastIndex: number, term: number): number {
    const before = this.bytes;
    while (this.head < this.indexes.length) {
      const index = this.indexes[this.head] as number;
      if (index > lastIndex) break;
      this.shift()({ kind: 'committed', index, term });
    }
    return before - this.bytes;
  }

  /** Answers everything that waits with the same words. The bytes that this frees. */
  abandon(answer: ProposeAnswer): number {
    const before = this.bytes;
    while (this.head < this.indexes.length) this.shift()(answer);
    return before - this.bytes;
  }

  /** Answers everything up to `lastIndex` with what `answerTo` says of its index. The bytes that this frees. */
  settleTo(lastIndex: number, answerTo: (index: number) => ProposeAnswer): number {
    const before = this.bytes;
    while (this.head < this.indexes.length) {
      const index = this.indexes[this.head] as number;
      if (index > lastIndex) break;
      this.shift()(answerTo(index));
    }
    return before - this.bytes;
  }

  /** Takes everything from `firstIndex` on out into a queue of its own. */
  splitFrom(firstIndex: number): ProposalQueue {
    const split = new ProposalQueue();
    let at = this.indexes.length;
    while (at > this.head && (this.indexes[at - 1] as number) >= firstIndex) at--;
    split.indexes = this.indexes.splice(at);
    split.sizes = this.sizes.splice(at);
    split.answers = this.answers.splice(at);
    for (const size of split.sizes) split.bytes += size;
    this.bytes -= split.bytes;
    return split;
  }

  private shift(): OnAnswer {
    const answer = this.answers[this.head] as OnAnswer;
    // The queue is seldom empty under load: what was answered must not keep a thousand commits alive until it is cut.
    this.answers[this.head] = undefined;
    this.bytes -= this.sizes[this.head] as number;
    this.head++;
    if (this.head === this.indexes.length) {
      this.indexes = [];
      this.sizes = [];
      this.answers = [];
      this.head = 0;
    } else if (this.head >= 1024 && this.head * 2 >= this.indexes.length) {
      this.indexes = this.indexes.slice(this.head);
      this.sizes = this.sizes.slice(this.head);
      this.answers = this.answers.slice(this.head);
      this.head = 0;
    }
    return answer;
  }
}
