// Reads that ask the leader up to where the log is committed (thesis, section 6.4): any replica may, and serves the read
// once its state machine has come so far. A message that is lost leaves a request without an answer: it is given up
// after an election timeout, and whoever asked asks again.

import type { OnReadIndex, RaftGroup } from './group.ts';
import type { ReadState } from './ready.ts';

export class ReadRequests {
  private readonly patienceTicks: number;
  /** Contexts of this node. */
  private asked = 0;

  constructor(patienceTicks: number) {
    this.patienceTicks = patienceTicks;
  }

  ask(group: RaftGroup, answer: OnReadIndex): void {
    this.asked++;
    if (!group.core.readIndex(this.asked)) {
      answer(undefined);
      return;
    }
    group.reads ??= new Map();
    group.reads.set(this.asked, { answer, ticksLeft: this.patienceTicks });
  }

  answered(group: RaftGroup, states: readonly ReadState[]): void {
    for (const { context, index } of states) {
      this.settle(group, context, index === 0 ? undefined : index);
    }
  }

  /** Once a tick, while the group is awake. */
  tick(group: RaftGroup): void {
    if (group.reads === undefined) return;
    for (const [context, read] of group.reads) {
      if (--read.ticksLeft <= 0) this.settle(group, context, undefined);
    }
  }

  /** The group is removed, or the node stops. */
  abandon(group: RaftGroup): void {
    if (group.reads === undefined) return;
    for (const context of group.reads.keys()) this.settle(group, context, undefined);
  }

  private settle(group: RaftGroup, context: number, index: number | undefined): void {
    const { reads } = group;
    const read = reads?.get(context);
    if (reads === undefined || read === undefined) return;
    reads.delete(context);
    if (reads.size === 0) group.reads = undefined;
    read.answer(index);
  }
}
