// Whether a replica still belongs to its group, and how it learns that it does not: from its own log; or because who
// heard of its removal, or of the end of the group, says so when it asks for pre-votes, or asks just that: having no vote
// to ask for, or nobody who answers. It is never told by who merely does not know it: that one may be behind.

import type { RaftGroup } from './group.ts';
import type { NodeId } from '../runtime/runtime.ts';
import type { Message, OutgoingMessage } from './messages.ts';
import { type GroupId, nodeOf, type ReplicaId, replicaIdOn } from './types.ts';

/** For a voter, who asks for pre-votes meanwhile: its leader may be about to be elected. */
const VOTER_PATIENCE = 4;

export interface BelongingParts {
  readonly nodeId: NodeId;
  /** Between two questions of a replica that hears of no leader. */
  readonly patienceTicks: number;
  /** Leaves in this turn. */
  send(group: GroupId, message: OutgoingMessage): void;
}

export class Belonging {
  private readonly parts: BelongingParts;

  constructor(parts: BelongingParts) {
    this.parts = parts;
  }

  /** Once a tick, while the group is awake. */
  tick(group: RaftGroup): void {
    const { core } = group;
    if (group.isToldRemoved) return;
    if (group.isOutside) {
      // What it still has to say, the news of its own removal, leaves first.
      if (!core.hasReady && !group.isQueued) this.told(group);
      return;
    }
    if (core.hearsLeader || core.role === 'leader') {
      group.lonelyTicks = 0;
      return;
    }
    // A voter without a state asks for no votes.
    const hasVote = core.isVoter && !group.isInstalling;
    const patience = this.parts.patienceTicks * (hasVote ? VOTER_PATIENCE : 1);
    if (++group.lonelyTicks < patience) return;
    group.lonelyTicks = 0;
    this.ask(group, hasVote);
  }

  private ask(group: RaftGroup, hasVote: boolean): void {
    const { core, groupId, peers } = group;
    const { replicaId: from, term } = core;
    // Those whom a voter knows have been asked for pre-votes all the while.
    const asked = peers.length > 0 && !hasVote ? peers : whoMayKnow(group);
    for (const to of asked) this.parts.send(groupId, { kind: 'inquiry', from, to, term });
  }

  /** The group is over, as this node knows. */
  refuse(groupId: GroupId, { kind, from: to, term }: Message): void {
    if (kind !== 'inquiry' && kind !== 'preVote' && kind !== 'vote') return;
    const from = replicaIdOn(this.parts.nodeId, 0);
    this.parts.send(groupId, { kind: 'removed', from, to, term });
  }

  /** Whether that was all there is to the message: it is about this, or whoever sent it is told that it was removed, and
   * does not disturb the group any more. Nobody is woken for it. */
  takes(group: RaftGroup, message: Message): boolean {
    const { core, groupId, options } = group;
    const { kind, from: to } = message;
    if (kind === 'removed') {
      if (message.to === group.options.replicaId) this.told(group);
      return true;
    }
    if (kind !== 'inquiry' && kind !== 'preVote' && kind !== 'vote') return false;
    if (options.wasRemoved?.(to) === true) {
      const { replicaId: from, term } = core;
      this.parts.send(groupId, { kind: 'removed', from, to, term });
      return true;
    }
    return kind === 'inquiry';
  }

  private told(group: RaftGroup): void {
    if (group.isToldRemoved || group.isRemoved) return;
    group.isToldRemoved = group.options.onRemoved?.() !== false;
  }
}

/** Nobody has told it who belongs to the group. Its contact may be gone, or forgotten since a restart; whoever is on a
 * node answers for all that were there before it. */
function whoMayKnow({ core, options }: RaftGroup): readonly ReplicaId[] {
  const { contact } = options;
  const nodes = (options.anybody?.() ?? []).filter((node) => node !== nodeOf(core.replicaId));
  const others = nodes.map((node) => replicaIdOn(node, 0));
  return contact === undefined ? others : [contact, ...others];
}
