// Keeps the log short: now and then the shard makes what it has applied durable, and the log forgets what lies below
// (P30: the index that counts was read before the flush).

import type { Faults, Log, Timers } from '../runtime/runtime.ts';
import type { Shard } from '../storage/shard.ts';

const LOOK_MICROS = 1_000_000;
/** Even little is flushed after this many looks, so that a restart replays little. */
const LOOKS_PER_FLUSH = 60;

export interface LogTruncationParts {
  readonly timers: Timers;
  readonly log: Log;
  readonly faults: Faults;
  readonly shard: Shard;
  readonly range: number;
  /** A flush writes the memtable out, so it is not done for little. */
  readonly entriesPerFlush: number;
  /** Nor does the log grow longer than this beyond what is flushed, however few entries make it. */
  readonly bytesPerFlush: number;
  /** Of the log's entries in (after, last]. */
  bytesBetween(after: number, last: number): number;
  appliedIndex(): number;
  truncate(index: number): void;
  broken(error: unknown): void;
}

export class LogTruncation {
  readonly #parts: LogTruncationParts;
  #truncatedTo = 0;
  #looks = 0;
  #timer: Disposable | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: LogTruncationParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#truncatedTo = this.#parts.appliedIndex();
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** One flush now; for a clean stop. */
  flush(): Promise<void> {
    this.#running ??= this.#flush().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #flush(): Promise<void> {
    const { shard, range, faults } = this.#parts;
    this.#looks = 0;
    // A bug on purpose, for the simulator to find: P30 turned off.
    const skips = faults.sometimes('node.cut-log-unflushed');
    const durable = skips ? [] : await shard.flush();
    const index = skips
      ? this.#parts.appliedIndex()
      : durable.find((one) => one.range === range)?.appliedIndex;
    if (index === undefined || index <= this.#truncatedTo || this.#stopped) return;
    this.#truncatedTo = index;
    this.#parts.truncate(index);
  }

  #schedule(): void {
    this.#timer = this.#parts.timers.after(LOOK_MICROS, () => {
      if (this.#stopped) return;
      this.#looks += 1;
      const { entriesPerFlush, bytesPerFlush } = this.#parts;
      const applied = this.#parts.appliedIndex();
      const behind = applied - this.#truncatedTo;
      const due =
        behind >= entriesPerFlush ||
        (behind > 0 &&
          (this.#looks >= LOOKS_PER_FLUSH ||
            this.#parts.bytesBetween(this.#truncatedTo, applied) >= bytesPerFlush));
      if (due) this.flush().catch((error: unknown) => this.#parts.broken(error));
      this.#schedule();
    });
  }
}
