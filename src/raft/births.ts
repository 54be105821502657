// Replicas that splits give birth to, as a node's scheduler deals with them (P25, P26): which may be born here, what they
// go on from, and what they inherit. birth.ts says how they begin.

import { assert } from '../base/assert.ts';
import { isInitialised, mayBeBorn } from './birth.ts';
import { membersOf } from './configuration.ts';
import type { Birth, GroupOptions, RaftGroup } from './group.ts';
import type { RaftLog } from './log/log.ts';
import { type GroupId, nodeOf, type ReplicaId } from './types.ts';

export interface BirthsParts {
  readonly log: RaftLog;
  readonly groups: ReadonlyMap<GroupId, RaftGroup>;
  retire(group: RaftGroup, reason: string): void;
  enqueue(group: RaftGroup): void;
  /** The group leads, as of now. */
  leads(group: RaftGroup): void;
  campaign(group: RaftGroup): void;
}

export class Births {
  private readonly parts: BirthsParts;

  constructor(parts: BirthsParts) {
    this.parts = parts;
  }

  /** A replica that was met before its birth, or before a snapshot brought its state, gives way to one that goes on from
   * its term, vote and promises (P26). Whatever it had not written down yet, it has not said either. */
  supersede({ groupId, replicaId, startAt }: GroupOptions): RaftGroup | undefined {
    const before = this.parts.groups.get(groupId);
    if (before === undefined) return undefined;
    const mayGoOn = before.options.replicaId === replicaId && startAt !== undefined;
    assert(mayGoOn && !isInitialised(before.log), `group ${groupId} runs already`);
    this.parts.retire(before, 'the replica is born');
    return before;
  }

  /** P25. */
  born(group: RaftGroup, { parent, entry }: Birth): void {
    const { core, promise, closed } = group;
    const heir = membersOf(core.configuration).find(
      (replica) => nodeOf(replica) === nodeOf(parent.leader),
    );
    promise.inherit(parent.promise, heir ?? 0);
    closed.inherit(parent.closed, entry.index - 1);
    if (!parent.isLeader) return;
    // The others learn of the split before they hear of this group: in the same frame.
    parent.tellsNow = true;
    this.parts.enqueue(parent);
    if (core.role === 'leader') this.parts.leads(group);
    else this.parts.campaign(group);
  }

  awaitsReplay(groupId: GroupId): boolean {
    const { log, groups } = this.parts;
    const known = log.group(groupId);
    return known !== undefined && isInitialised(known) && !groups.has(groupId);
  }

  may(groupId: GroupId, replicaId: ReplicaId): boolean {
    return mayBeBorn(this.parts.log, groupId, replicaId);
  }
}
