// Watches free space: below the low-water mark writes are refused with 53100 before RocksDB or the log see the end of
// the disk (RocksDB goes on failing after it, and may not open again); they resume once there is clearly more.

import type { Files, Log, Timers } from '../runtime/runtime.ts';

/** Often enough that a fast writer can't cross the mark's reserve between two looks, and no more often than one could
 * reach the mark: an idle node should sleep. */
const POLL_MICROS_MIN = 100_000;
const POLL_MICROS_MAX = 1_000_000;
/** Of the fastest disk, and more than a shard writes. */
const WRITTEN_BYTES_PER_SECOND = 2 ** 32;
/** Writing resumes this much above the mark, so that it does not flap. */
const RESUME_FACTOR = 1.1;

export class SpaceGuard {
  readonly #files: Files;
  readonly #timers: Timers;
  readonly #log: Log;
  readonly #path: string;
  readonly #minFreeBytes: number;
  readonly #onChange: (refusal: string | undefined) => void;
  #refusal: string | undefined;
  #timer: Disposable | undefined;
  #stopped = false;
  freeBytes = 0;

  constructor(parts: {
    files: Files;
    timers: Timers;
    log: Log;
    path: string;
    minFreeBytes: number;
    /** Undefined: writes are welcome. */
    onChange: (refusal: string | undefined) => void;
  }) {
    this.#files = parts.files;
    this.#timers = parts.timers;
    this.#log = parts.log;
    this.#path = parts.path;
    this.#minFreeBytes = parts.minFreeBytes;
    this.#onChange = parts.onChange;
  }

  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Looks once, then goes on by itself. */
  async start(): Promise<void> {
    await this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
  }

  async #look(): Promise<void> {
    try {
      this.freeBytes = await this.#files.freeBytes(this.#path);
      this.#judge();
    } catch (error) {
      this.#log.warn('free space is unknown', { path: this.#path, error: String(error) });
    }
    if (this.#stopped) return;
    this.#timer = this.#timers.after(this.#pollMicros(), () => void this.#look());
  }

  #pollMicros(): number {
    const room = Math.max(0, this.freeBytes - this.#minFreeBytes);
    const micros = (room / WRITTEN_BYTES_PER_SECOND) * 1e6;
    return Math.min(Math.max(micros, POLL_MICROS_MIN), POLL_MICROS_MAX);
  }

  #judge(): void {
    const mark =
      this.#refusal === undefined ? this.#minFreeBytes : this.#minFreeBytes * RESUME_FACTOR;
    const low = this.freeBytes < mark;
    if (low === (this.#refusal !== undefined)) return;
    const free = Math.round(this.freeBytes / 1048576);
    const least = Math.round(this.#minFreeBytes / 1048576);
    this.#refusal = low
      ? `the disk is nearly full: ${free} MiB are free and ${least} MiB are kept in reserve`
      : undefined;
    if (low) this.#log.error('writes are refused: the disk is nearly full', { free, least });
    else this.#log.info('writes are taken again: there is space', { free, least });
    this.#onChange(this.#refusal);
  }
}
