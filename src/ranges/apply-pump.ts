// Feeds committed entries to the shard: one apply in flight for the range, what is committed meanwhile goes into the
// next one. A read that must see what is committed posts the rest first: the shard serves what is posted later from a
// state that has it (storage/shard.ts).

import { ByteWriter } from '../base/bytes.ts';
import type { RangeId, Shard } from '../storage/shard.ts';
import { UNAPPLIED_BYTES_MAX } from './limits.ts';

const WRITER_BYTES_KEPT_MAX = 1 << 20;

export class ApplyPump {
  private readonly range: RangeId;
  private readonly shard: Shard;
  private readonly onFailure: (error: unknown) => void;
  private writer = new ByteWriter(4096);
  private queuedIndex = 0;
  private appliesInFlight = 0;
  private unappliedBytes = 0;
  private roomWaiters: (() => void)[] = [];
  /** The last entry that the shard has applied. */
  appliedIndex: number;

  constructor(
    range: RangeId,
    shard: Shard,
    appliedIndex: number,
    onFailure: (error: unknown) => void,
  ) {
    this.range = range;
    this.shard = shard;
    this.appliedIndex = appliedIndex;
    this.onFailure = onFailure;
  }

  /** In the order of the log. Nothing is posted before the next pump() or flush(). */
  push(index: number, command: Uint8Array): void {
    this.writer.u53(index);
    this.writer.block(command);
    this.queuedIndex = index;
  }

  /** Posts what is queued, unless an apply is in flight: then it goes when that is through. */
  pump(): void {
    if (this.appliesInFlight === 0) this.flush();
  }

  /** Posts what is queued: a request posted to the shard from now on sees every entry pushed so far. */
  flush(): void {
    if (this.writer.length === 0) return;
    const entries = this.writer.take();
    if (this.writer.bytes.length > WRITER_BYTES_KEPT_MAX) this.writer = new ByteWriter(4096);
    else this.writer.reset();
    this.appliesInFlight++;
    this.unappliedBytes += entries.length;
    const lastIndex = this.queuedIndex;
    this.shard
      .apply(this.range, entries, lastIndex)
      .then(() => this.applied(lastIndex, entries.length), this.onFailure);
  }

  /** Too much is committed and not applied: proposers must wait. */
  get isFull(): boolean {
    return this.unappliedBytes + this.writer.length > UNAPPLIED_BYTES_MAX;
  }

  room(): Promise<void> {
    return new Promise((resolve) => {
      this.roomWaiters.push(resolve);
    });
  }

  /** Whoever waits for room looks again: there may be another reason to stop waiting. */
  wakeWaiters(): void {
    const waiters = this.roomWaiters;
    this.roomWaiters = [];
    for (const wake of waiters) wake();
  }

  private applied(lastIndex: number, bytes: number): void {
    this.appliesInFlight--;
    this.unappliedBytes -= bytes;
    if (lastIndex > this.appliedIndex) this.appliedIndex = lastIndex;
    this.pump();
    if (this.roomWaiters.length > 0 && !this.isFull) this.wakeWaiters();
  }
}
