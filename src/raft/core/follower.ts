// What a replica does with what its leader sends: entries, heartbeats, offers of snapshots.

import { assert } from '../../base/assert.ts';
import type { Heartbeat, IncomingAppend, SnapshotOffer } from '../messages.ts';
import type { CoreParts } from './parts.ts';
import type { SnapshotMark } from '../ready.ts';
import type { ReplicaId } from '../types.ts';

interface Pull {
  readonly from: ReplicaId;
  readonly index: number;
}

export class Follower {
  private readonly parts: CoreParts;
  /** A snapshot is on its way. */
  private pulling: Pull | undefined;
  isPullDue = false;

  constructor(parts: CoreParts) {
    this.parts = parts;
  }

  /** AppendEntries (Raft paper, figure 2). */
  takeAppend(message: IncomingAppend): void {
    const { log, membership } = this.parts;
    const { previousIndex, previousTerm, entries, stamp } = message;
    // Who knows no configuration needs the group's first one, which no entry has: a snapshot does.
    if (!membership.isKnown || !log.matches(previousIndex, previousTerm)) {
      this.reject(previousIndex, previousTerm, stamp);
      return;
    }
    const first = log.accept(entries);
    if (first !== undefined) {
      membership.truncatedFrom(first);
      for (const entry of entries) if (entry.index >= first) membership.logged(entry);
    }
    // A late message may end below what is committed, which is in every leader's log.
    const last = Math.max(log.committed, previousIndex + entries.length);
    this.commitTo(Math.min(message.commit, last));
    this.acknowledge(last, stamp);
  }

  takeHeartbeat({ from: to, commit, readContext, stamp }: Heartbeat): void {
    const { self: from, standing, log, outbox } = this.parts;
    this.commitTo(Math.min(commit, log.lastIndex));
    outbox.send({ kind: 'heartbeatAnswer', from, to, term: standing.term, readContext, stamp });
  }

  takeOffer({ from, index, indexTerm, stamp }: SnapshotOffer): void {
    const { log } = this.parts;
    // What a snapshot holds is committed.
    this.learnCommit(index, indexTerm);
    if (index <= log.committed) {
      this.acknowledge(index, stamp);
      return;
    }
    // An offer that is repeated, or a newer leader's, waits for the end of what is under way.
    if (this.pulling !== undefined) return;
    this.pulling = { from, index };
    this.isPullDue = true;
    // The state machine must not move under the installation.
    log.isHeld = true;
  }

  takePull(): Pull | undefined {
    if (!this.isPullDue) return undefined;
    this.isPullDue = false;
    return this.pulling;
  }

  pullFailed(): void {
    this.pulling = undefined;
    this.isPullDue = false;
    this.parts.log.isHeld = false;
  }

  /** P31: the state machine and the log's beginning are durable no later than the next Ready, with which the
   * acknowledgement leaves. */
  pulled(mark: SnapshotMark): void {
    const { log, membership } = this.parts;
    assert(this.pulling !== undefined, `a snapshot at ${mark.index} that was not asked for`);
    this.pullFailed();
    log.restore(mark);
    membership.truncatedFrom(log.lastIndex + 1);
    membership.forgetTo(mark.index);
    membership.restore(mark.configuration, mark.configurationIndex);
    membership.committed(log.committed);
    this.acknowledge(mark.index, 0);
  }

  /** Somebody knows that this position is committed; it is here too if the log has it. */
  learnCommit(index: number, term: number): void {
    if (this.parts.log.matches(index, term)) this.commitTo(index);
  }

  private commitTo(index: number): void {
    const { log, membership } = this.parts;
    if (index <= log.committed) return;
    log.committed = index;
    membership.committed(index);
  }

  private acknowledge(index: number, stamp: number): void {
    const { self: from, standing, outbox } = this.parts;
    const { leader: to, term } = standing;
    if (to === 0 || to === from) return;
    const nowhere = { hintIndex: 0, hintTerm: 0 };
    outbox.acknowledge({
      kind: 'appendAnswer',
      from,
      to,
      term,
      index,
      rejected: false,
      ...nowhere,
      stamp,
    });
  }

  private reject(index: number, term: number, stamp: number): void {
    const { self: from, standing, log, outbox } = this.parts;
    const hint = log.conflictHint(index, term);
    outbox.sendAfterSync({
      kind: 'appendAnswer',
      from,
      to: standing.leader,
      term: standing.term,
      index,
      rejected: true,
      hintIndex: hint.index,
      hintTerm: hint.term,
      stamp,
    });
  }
}
