// How leaders close timestamps (P23; closed-marks.ts says what that means). Those of groups that are awake, several times
// a second, in one frame for each node that has replicas of them; for those that sleep, pairs of nodes close one
// timestamp for all with their heartbeats (pairs.ts), so that they need not wake.
//
//   frame   [u53 closed][count], for each group [id][last index]; varints

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { Faults, NodeId } from '../runtime/runtime.ts';
import type { RaftGroup } from './group.ts';
import type { LivenessRuntime } from './liveness.ts';
import { type GroupId, nodeOf } from './types.ts';

const CLOSE_TICKS = 4;
/** A frame stays far below a megabyte. */
const GROUPS_PER_FRAME_MAX = 16 * 1024;

export interface ClosingParts {
  readonly clock: LivenessRuntime['clock'];
  readonly faults: Faults;
  group(groupId: GroupId): RaftGroup | undefined;
  send(node: NodeId, body: Uint8Array): void;
}

interface Frame {
  readonly groups: ByteWriter;
  count: number;
}

export class Closing {
  private readonly parts: ClosingParts;
  private readonly frames = new Map<NodeId, Frame>();
  private ticks = 0;

  constructor(parts: ClosingParts) {
    this.parts = parts;
  }

  /** Once a tick. */
  tick(awake: Iterable<RaftGroup>): void {
    if (++this.ticks % CLOSE_TICKS !== 0) return;
    const closed = closable(this.parts.clock);
    if (closed === MIN_TIMESTAMP) return;
    for (const group of awake) if (this.closes(group, closed)) this.add(group, closed);
    for (const [node, frame] of this.frames) this.flush(node, frame, closed);
  }

  private closes(group: RaftGroup, closed: Timestamp): boolean {
    if (group.core.role !== 'leader' || group.peers.length === 0) return false;
    // Its timestamp was taken a while ago, and it is not in the log yet.
    if (group.reserving > 0) return false;
    // A bug on purpose, for the simulator to find: P23 turned off.
    if (this.parts.faults.sometimes('raft.close-beyond-lease')) return true;
    return group.lease.covers(closed);
  }

  private add({ groupId, core, peers }: RaftGroup, closed: Timestamp): void {
    for (let i = 0; i < peers.length; i++) {
      const node = nodeOf(peers[i] as number);
      let frame = this.frames.get(node);
      if (frame === undefined) {
        frame = { groups: new ByteWriter(256), count: 0 };
        this.frames.set(node, frame);
      }
      frame.groups.varint(groupId);
      frame.groups.varint(core.lastIndex);
      if (++frame.count >= GROUPS_PER_FRAME_MAX) this.flush(node, frame, closed);
    }
  }

  private flush(node: NodeId, frame: Frame, closed: Timestamp): void {
    if (frame.count === 0) {
      // Nothing was led for it of late.
      this.frames.delete(node);
      return;
    }
    const writer = new ByteWriter(16 + frame.groups.length);
    writer.u53(closed);
    writer.varint(frame.count);
    writer.raw(frame.groups.peek());
    this.parts.send(node, writer.take());
    frame.groups.reset();
    frame.count = 0;
  }

  /** Throws RangeError when it makes no sense. */
  receive(body: Uint8Array): void {
    const reader = new ByteReader(body);
    const closed = reader.u53() as Timestamp;
    const count = reader.varint();
    for (let i = 0; i < count; i++) {
      const group = this.parts.group(reader.varint());
      const index = reader.varint();
      group?.closed.mark(index, closed);
    }
  }
}

/** What has passed everywhere, and may be told in this turn (P1, P7, P8); MIN_TIMESTAMP: nothing may. */
export function closable(clock: LivenessRuntime['clock']): Timestamp {
  if (clock.suspended !== undefined) return MIN_TIMESTAMP;
  const earliest = (clock.earliest() - 1) as Timestamp;
  return clock.covers(earliest) ? earliest : MIN_TIMESTAMP;
}
