// What arrives from other nodes: frames are taken apart, and each message is given to its group's core.

import { BIRTH } from './birth.ts';
import type { Belonging } from './belonging.ts';
import type { Log, NodeId } from '../runtime/runtime.ts';
import { bodyOf, classOf, FrameReader, type FrameRoom } from './frames.ts';
import type { RaftGroup } from './group.ts';
import { isFromLeader, type Message } from './messages.ts';
import type { Pairs } from './pairs.ts';
import { EVERY_REPLICA, type GroupId, nodeOf, type ReplicaId } from './types.ts';

/** A message came for a replica that does not run here: it may have to be made. */
export interface UnknownReplica {
  readonly groupId: GroupId;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
}

export interface ReceiverParts {
  readonly nodeId: NodeId;
  readonly log: Log;
  readonly groups: ReadonlyMap<GroupId, RaftGroup>;
  readonly pairs: Pairs;
  readonly belonging: Belonging;
  /** For so long a group that nobody knows here is expected to be born by a split of its own accord. */
  readonly birthMicros: number;
  monotonicMicros(): number;
  /** The newest replica of the group that was removed here; 0: none. */
  removedReplica(groupId: GroupId): ReplicaId;
  wakeUp(group: RaftGroup): void;
  /** The core was given something to do. */
  touched(group: RaftGroup): void;
  onUnknown(replica: UnknownReplica): void;
  onRoom(room: FrameRoom, from: NodeId, body: Uint8Array): void;
  failed(error: Error): void;
}

const UNBORN_MAX = 4096;

export class Receiver {
  private readonly parts: ReceiverParts;
  /** Nodes whose frames were refused. */
  private readonly refused = new Set<NodeId>();
  /** Since when leaders of their first term speak to replicas that are not here. */
  private readonly unborn = new Map<GroupId, number>();

  constructor(parts: ReceiverParts) {
    this.parts = parts;
  }

  receive(from: NodeId, frame: Uint8Array): void {
    try {
      const frameClass = classOf(frame);
      switch (frameClass) {
        case 'replicas':
          this.receiveMessages(from, new FrameReader(frame));
          break;
        case 'pair':
          this.parts.pairs.receive(from, bodyOf(frame));
          break;
        case 'closed':
        case 'status':
          this.parts.onRoom(frameClass, from, bodyOf(frame));
          break;
        case 'unknown':
          this.refuseFrame(from, `it begins with ${frame.subarray(0, 2).join(', ')}`);
      }
    } catch (error) {
      if (error instanceof RangeError) this.refuseFrame(from, error.message);
      else this.parts.failed(error as Error);
    }
  }

  /** Said once for each node: the next ones are no better. */
  private refuseFrame(from: NodeId, error: string): void {
    if (this.refused.has(from)) return;
    this.refused.add(from);
    this.parts.log.error('a frame could not be read: does that node run another version?', {
      from,
      error,
    });
  }

  private receiveMessages(from: NodeId, reader: FrameReader): void {
    for (let message = reader.next(); message !== undefined; message = reader.next()) {
      if (nodeOf(message.from) !== from)
        throw new RangeError(`replica ${message.from} is elsewhere`);
      const group = this.parts.groups.get(reader.group);
      if (group?.options.replicaId === message.to) this.step(group, message);
      else this.receiveStray(reader.group, message);
    }
  }

  private receiveStray(groupId: GroupId, message: Message): void {
    const { from, to } = message;
    if (!this.parts.groups.has(groupId) && this.isBeingBorn(groupId, message)) return;
    if (nodeOf(to) !== this.parts.nodeId) return;
    const group = this.parts.groups.get(groupId);
    // P32: neither one that was removed nor one that another has replaced.
    const newest = group?.options.replicaId ?? this.parts.removedReplica(groupId);
    if (to > newest && message.kind !== 'inquiry') this.parts.onUnknown({ groupId, from, to });
    // Whoever knows only those who were here before is told by who is here now.
    else if (group !== undefined) this.parts.belonging.takes(group, message);
    else if (newest === EVERY_REPLICA) this.parts.belonging.refuse(groupId, message);
  }

  /** P26: who leads a group's first term leads it since a split, which this node is about to apply, most likely: what it says
   * comes again. */
  private isBeingBorn(groupId: GroupId, message: Message): boolean {
    if (message.term !== BIRTH.term || !isFromLeader(message)) return false;
    const { unborn, parts } = this;
    const now = parts.monotonicMicros();
    const since = unborn.get(groupId);
    if (since !== undefined) return now - since < parts.birthMicros;
    // Forgotten too early, the replica is made all the same, and gives way to the one that is born.
    if (unborn.size >= UNBORN_MAX) unborn.clear();
    unborn.set(groupId, now);
    return true;
  }

  private step(group: RaftGroup, message: Message): void {
    if (this.parts.belonging.takes(group, message)) return;
    const { core } = group;
    const { kind, term, from } = message;
    if (group.wakefulness === 'asleep') {
      // The last heartbeat before a leader fell asleep is answered.
      if (kind === 'heartbeatAnswer' && term === core.term) {
        group.lease.acknowledged(from, term, message.stamp);
        return;
      }
      // P4: before it votes or changes its term.
      this.parts.wakeUp(group);
    }
    const isVote = kind === 'vote' || kind === 'preVote';
    if (isVote) core.mayElect = group.promise.mayElect(from); // P2
    core.step(message);
    // That it may help another does not mean that it may campaign.
    if (isVote) core.mayElect = group.promise.mayElect();
    if (isFromLeader(message)) {
      if (term === core.term && core.leader === from) group.promise.renew();
    } else if (kind === 'appendAnswer' || kind === 'heartbeatAnswer') {
      group.lease.acknowledged(from, term, message.stamp);
    }
    this.parts.touched(group);
  }
}
