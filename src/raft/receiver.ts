// What arrives from other nodes: frames are taken apart, and each message is given to its group's core.

import type { Log, NodeId } from '../runtime/runtime.ts';
import { classOf, FrameReader, pairBody } from './frames.ts';
import type { RaftGroup } from './group.ts';
import { isFromLeader, type Message } from './messages.ts';
import type { Pairs } from './pairs.ts';
import { type GroupId, nodeOf, type ReplicaId } from './types.ts';

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
  /** The newest replica of the group that was removed here; 0: none. */
  removedReplica(groupId: GroupId): ReplicaId;
  wakeUp(group: RaftGroup): void;
  /** The core was given something to do. */
  touched(group: RaftGroup): void;
  onUnknown(replica: UnknownReplica): void;
  failed(error: Error): void;
}

export class Receiver {
  private readonly parts: ReceiverParts;
  /** Nodes whose frames were refused. */
  private readonly refused = new Set<NodeId>();

  constructor(parts: ReceiverParts) {
    this.parts = parts;
  }

  receive(from: NodeId, frame: Uint8Array): void {
    try {
      switch (classOf(frame)) {
        case 'replicas':
          this.receiveMessages(from, new FrameReader(frame));
          break;
        case 'pair':
          this.parts.pairs.receive(from, pairBody(frame));
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

  private receiveStray(groupId: GroupId, { from, to }: Message): void {
    const isOurs = nodeOf(to) === this.parts.nodeId;
    // P32: neither one that was removed nor one that another has replaced.
    const newest =
      this.parts.groups.get(groupId)?.options.replicaId ?? this.parts.removedReplica(groupId);
    if (isOurs && to > newest) this.parts.onUnknown({ groupId, from, to });
  }

  private step(group: RaftGroup, message: Message): void {
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
    if (kind === 'vote' || kind === 'preVote') core.mayElect = group.promise.mayElect(); // P2
    core.step(message);
    if (isFromLeader(message)) {
      if (term === core.term && core.leader === from) group.promise.renew();
    } else if (kind === 'appendAnswer' || kind === 'heartbeatAnswer') {
      group.lease.acknowledged(from, term, message.stamp);
    }
    this.parts.touched(group);
  }
}
