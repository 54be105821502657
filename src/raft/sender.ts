// What leaves this node, gathered by destination: one frame for each node and round, more when it grows large.

import type { Network, NodeId } from '../runtime/runtime.ts';
import { FrameWriter } from './frames.ts';
import type { OutgoingMessage } from './messages.ts';
import type { Stamps } from './stamps.ts';
import { type Entry, type GroupId, nodeOf } from './types.ts';

/** A frame is sent once it has so many bytes; the message that passes it may be larger. */
const FRAME_BYTES = 1024 * 1024;

export class Sender {
  private readonly network: Network;
  private readonly stamps: Stamps;
  private readonly writers = new Map<NodeId, FrameWriter>();
  /** Nodes for which something waits, or has left already. */
  private waiting: NodeId[] = [];

  constructor(network: Network, stamps: Stamps) {
    this.network = network;
    this.stamps = stamps;
  }

  /** Leaves with the next flush(), in the same turn: what is sent from a leader is stamped here (P1). */
  add(group: GroupId, message: OutgoingMessage, entries?: readonly Entry[]): void {
    if (message.kind === 'append' || message.kind === 'heartbeat' || message.kind === 'snapshot') {
      message.stamp = this.stamps.take();
    }
    const node = nodeOf(message.to);
    let writer = this.writers.get(node);
    if (writer === undefined) {
      writer = new FrameWriter();
      this.writers.set(node, writer);
    }
    if (writer.isEmpty) this.waiting.push(node);
    writer.add(group, message, entries);
    if (writer.bytes >= FRAME_BYTES) {
      this.network.send(node, writer.take());
    }
  }

  flush(): void {
    if (this.waiting.length === 0) return;
    const { waiting } = this;
    this.waiting = [];
    for (const node of waiting) {
      const writer = this.writers.get(node) as FrameWriter;
      if (!writer.isEmpty) this.network.send(node, writer.take());
    }
  }
}
