// Feeds committed entries to the shard, many in one message: nobody waits for an apply, so entries gather for a moment
// (bench: point, INSERT; a message for each round of the log cost the main thread a tenth of its time). One apply is in
// flight for the range; what is committed meanwhile goes into the next one. A read that must see what is committed posts
// the rest first: the shard serves what is posted later from a state that has it (storage/shard.ts).

import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import type { RangeId, Shard } from '../storage/shard.ts';
import type { Timers } from '../runtime/runtime.ts';
import { UNAPPLIED_BYTES_MAX } from './limits.ts';

/** Most ranges of a node are idle. */
const WRITER_BYTES_MIN = 64;
const WRITER_BYTES_KEPT_MAX = 1 << 20;
/** So much is posted at once, less after a while. */
const GATHER_BYTES = 256 * 1024;
const GATHER_MICROS = 100_000;

export class ApplyPump {
  private readonly range: RangeId;
  private readonly shard: Shard;
  private readonly timers: Timers;
  private readonly onFailure: (error: unknown) => void;
  private gathering: Disposable | undefined = undefined;
  private writer = new ByteWriter(WRITER_BYTES_MIN);
  private queuedIndex = 0;
  private appliesInFlight = 0;
  private unappliedBytes = 0;
  private roomWaiters: (() => void)[] = [];
  /** The state is being replaced: nothing is posted. */
  private isHalted = false;
  private whenIdle: (() => void) | undefined = undefined;
  /** Counts replacements of the state: what was read across one is worth nothing. */
  epoch = 0;
  /** The last entry that the shard has applied. */
  appliedIndex: number;

  constructor(
    range: RangeId,
    shard: Shard,
    timers: Timers,
    appliedIndex: number,
    onFailure: (error: unknown) => void,
  ) {
    this.range = range;
    this.shard = shard;
    this.timers = timers;
    this.appliedIndex = appliedIndex;
    this.onFailure = onFailure;
  }

  /** In the order of the log. Nothing is posted before the next pump() or flush(). */
  push(index: number, command: Uint8Array): void {
    this.writer.u53(index);
    this.writer.block(command);
    this.queuedIndex = index;
  }

  /** Sees to it that what is queued is posted: at once when it is much, else soon; not while an apply is in flight. */
  pump(): void {
    if (this.isHalted || this.appliesInFlight > 0 || this.writer.length === 0) return;
    if (this.writer.length >= GATHER_BYTES) this.flush();
    else this.gathering ??= this.timers.after(GATHER_MICROS, this.gathered);
  }

  private readonly gathered = (): void => {
    this.gathering = undefined;
    if (this.appliesInFlight === 0) this.flush();
  };

  /** Posts what is queued: a request posted to the shard from now on sees every entry pushed so far. */
  flush(): void {
    if (this.isHalted || this.writer.length === 0) return;
    this.gathering?.[Symbol.dispose]();
    this.gathering = undefined;
    const entries = this.writer.take();
    if (this.writer.bytes.length > WRITER_BYTES_KEPT_MAX)
      this.writer = new ByteWriter(WRITER_BYTES_MIN);
    else this.writer.reset();
    this.appliesInFlight++;
    this.unappliedBytes += entries.length;
    const lastIndex = this.queuedIndex;
    this.shard
      .apply(this.range, entries, lastIndex)
      .then(() => this.applied(lastIndex, entries.length), this.onFailure);
  }

  /** Drops what is queued: the state is about to be replaced by one that has it. Resolves when no apply is in flight. */
  halt(): Promise<void> {
    this.isHalted = true;
    this.gathering?.[Symbol.dispose]();
    this.gathering = undefined;
    this.writer.reset();
    if (this.appliesInFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.whenIdle = resolve;
    });
  }

  /** The state has been replaced by that at `appliedIndex`. */
  resume(appliedIndex: number): void {
    assert(this.queuedIndex <= appliedIndex, 'a snapshot has all that was committed before it');
    this.appliedIndex = appliedIndex;
    this.queuedIndex = appliedIndex;
    this.writer.reset();
    this.epoch++;
    this.isHalted = false;
    this.wakeWaiters();
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
    if (this.appliesInFlight === 0 && this.whenIdle !== undefined) {
      this.whenIdle();
      this.whenIdle = undefined;
    }
    if (this.roomWaiters.length > 0 && !this.isFull) this.wakeWaiters();
  }
}
