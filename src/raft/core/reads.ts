// Reads that wait until a majority has confirmed that their leader still leads (thesis, section 6.4). Each heartbeat
// quotes the newest of them, and an answer confirms it and all before it.

import type { ReplicaId } from '../types.ts';

interface PendingRead {
  /** Counted by the leader: askers choose contexts without knowing each other. */
  readonly sequence: number;
  readonly from: ReplicaId;
  readonly context: number;
  /** The commit index when it was asked. */
  readonly index: number;
}

const READS_MAX = 4096;

export class Reads {
  private waiting: PendingRead[] = [];
  private asked = 0;

  get isFull(): boolean {
    return this.waiting.length >= READS_MAX;
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** What heartbeats quote; 0: no read waits. */
  get newest(): number {
    return this.waiting.length === 0 ? 0 : this.asked;
  }

  ask(from: ReplicaId, context: number, index: number): void {
    this.waiting.push({ sequence: ++this.asked, from, context, index });
  }

  /** A majority has confirmed the leader since read `sequence` was asked: that one and those before it. */
  take(sequence: number): readonly PendingRead[] {
    let count = 0;
    while (
      count < this.waiting.length &&
      (this.waiting[count] as PendingRead).sequence <= sequence
    ) {
      count++;
    }
    return count === 0 ? [] : this.waiting.splice(0, count);
  }
}
