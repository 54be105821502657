// Committed entries on their way to the state machine: in order, each once, none missing, a bounded number of bytes at a
// time, one batch of a group at a time, and the groups in turns.

import { assert } from '../base/assert.ts';
import { isPromise } from '../base/maybe.ts';
import type { Timers } from '../runtime/runtime.ts';
import type { RaftGroup } from './group.ts';
import type { RaftLog } from './log/log.ts';
import type { ProposeAnswer } from './proposals.ts';
import type { Entry, IndexRange } from './types.ts';

export interface DeliveryParts {
  readonly log: RaftLog;
  readonly timers: Timers;
  readonly bytesMax: number;
  /** So many bytes of proposals have been answered. */
  answered(bytes: number): void;
  /** Before the group is told. */
  onEntries: ((group: RaftGroup, entries: readonly Entry[]) => void) | undefined;
  failed(error: Error): void;
}

export class Delivery {
  private readonly parts: DeliveryParts;
  /** Groups with more than one batch, in turns. */
  private due: RaftGroup[] = [];

  constructor(parts: DeliveryParts) {
    this.parts = parts;
  }

  /** The core has handed these out. */
  committed(group: RaftGroup, range: IndexRange | undefined): void {
    if (range === undefined) return;
    assert(range.first === group.committed + 1, 'committed entries come in order');
    group.committed = range.last;
    this.next(group);
  }

  /** Delivers a batch if there is one and the group waits for none. */
  next(group: RaftGroup): void {
    if (group.delivery !== undefined || group.isDeliveryDue) return;
    if (group.isInstalling || group.isRemoved || group.delivered >= group.committed) return;
    const { log, bytesMax } = this.parts;
    const entries = log.read(group.log, group.delivered + 1, group.committed, bytesMax);
    const handed = isPromise(entries)
      ? entries.then((read) => this.hand(group, read))
      : this.hand(group, entries);
    if (isPromise(handed)) this.wait(group, handed);
    else if (group.delivered < group.committed) this.later(group);
  }

  /** Other groups come first. */
  private later(group: RaftGroup): void {
    group.isDeliveryDue = true;
    if (this.due.push(group) === 1) this.parts.timers.soon(this.turn);
  }

  private readonly turn = (): void => {
    const { due } = this;
    this.due = [];
    for (const group of due) {
      group.isDeliveryDue = false;
      this.next(group);
    }
  };

  private wait(group: RaftGroup, step: Promise<void>): void {
    group.delivery = step.then(
      () => {
        group.delivery = undefined;
        this.next(group);
      },
      (error: unknown) => this.parts.failed(error as Error),
    );
  }

  private hand(group: RaftGroup, entries: readonly Entry[]): void | Promise<void> {
    const last = entries[entries.length - 1] as Entry;
    assert((entries[0] as Entry).index === group.delivered + 1, 'no committed entry is left out');
    if (group.isRemoved) return;
    const { core, options } = group;
    const { onEntries } = this.parts;
    group.delivered = last.index;
    if (onEntries !== undefined) onEntries(group, entries);
    const applied = options.onCommitted(entries);
    group.log.delivered((entries[0] as Entry).index, last.index);
    // P13: whoever is answered now finds the write among what onCommitted was given.
    this.parts.answered(group.proposals.commitTo(last.index, core.term));
    if (group.lost.length > 0) this.settleLost(group, last.index);
    // All that earlier leaders committed lies before the own term's first entry.
    if (
      core.role === 'leader' &&
      last.term === core.term &&
      !(group.told?.kind === 'leading' && group.told.term === core.term)
    ) {
      group.told = { kind: 'leading', term: core.term };
      options.onLeadership(group.told);
    }
    return applied;
  }

  /** What an index has committed is known now: it is what was proposed for it, or never will be. */
  private settleLost(group: RaftGroup, lastIndex: number): void {
    const { terms } = group.log;
    const refusal: ProposeAnswer = { kind: 'notLeader', leader: group.core.leader };
    for (const { queue, term } of group.lost) {
      const freed = queue.settleTo(lastIndex, (index) =>
        terms?.termAt(index) === term ? { kind: 'committed', index, term } : refusal,
      );
      this.parts.answered(freed);
    }
    group.lost = group.lost.filter(({ queue }) => queue.count > 0);
  }
}
