// Keeps the load of this node's ranges: turns counts into rates a few times a second, and learns what the node can do.

import { LoadBook } from '../../ranges/load/load-book.ts';
import type { RangeLoad } from '../../ranges/load/range-load.ts';
import type { Time, Timers } from '../../runtime/runtime.ts';
import { ASKED_WORK, STATEMENT_WORK, WorkCapacity } from './work-capacity.ts';

const SWEEP_MICROS = 500_000;
/** Ranges are sampled that take at least this share of what the node can do: the least that is ever split. */
const WARM_SHARE = 0.005;

export interface LoadKeeperParts {
  readonly time: Time;
  readonly timers: Timers;
  /** Executed by this node's sessions since the start. */
  statements(): number;
  /** Requests that this node has made of others' ranges since the start. */
  asked(): number;
}

/** For who compares nodes. */
export interface NodeLoad {
  /** Microseconds of work that this node can do in a second. */
  readonly capacity: number;
  /** In a second: for ranges that it leads, and for those that it follows. */
  readonly leadWork: number;
  readonly followWork: number;
}

export class LoadKeeper {
  readonly book: LoadBook;
  readonly #parts: LoadKeeperParts;
  readonly #capacity = new WorkCapacity();
  #timer: Disposable | undefined;

  constructor(parts: LoadKeeperParts) {
    this.#parts = parts;
    this.book = new LoadBook(parts.time.monotonicMicros());
    this.#schedule();
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  get capacity(): number {
    return this.#capacity.microsPerSecond;
  }

  /** Undefined: this node has not been busy enough to show it. */
  get learnedCapacity(): number | undefined {
    return this.#capacity.isLearned ? this.capacity : undefined;
  }

  /** Of what this node can do. */
  shareOf(load: RangeLoad): number {
    return load.work / this.capacity;
  }

  /** For how long the main thread has been busy since the start; undefined: nobody can tell. */
  get busyMicros(): number | undefined {
    return this.#parts.time.busyMicros?.();
  }

  nodeLoad(): NodeLoad {
    return { capacity: this.capacity, ...this.book.totals() };
  }

  #schedule(): void {
    this.#timer = this.#parts.timers.after(SWEEP_MICROS, () => {
      this.#sweep();
      this.#schedule();
    });
  }

  #sweep(): void {
    const { time } = this.#parts;
    const now = time.monotonicMicros();
    this.book.sweep(now, WARM_SHARE * this.capacity);
    const beside = this.#parts.statements() * STATEMENT_WORK + this.#parts.asked() * ASKED_WORK;
    const work = this.book.counts.workCounted + beside;
    this.#capacity.learn(now, time.busyMicros?.(), work);
  }
}
