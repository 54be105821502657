// The interval clock of a node: readings of the wall made monotone, timestamps that are never given twice, commit-wait,
// and the bound on disk that survives a restart. What may be told to others is decided elsewhere; this room only knows
// what time it is, and when it does not.

import { DbError } from '../base/errors.ts';
import type { Faults, Runtime } from '../runtime/runtime.ts';
import type { Interval, IntervalClock } from './interval-clock.ts';
import { StepGuard } from './step-guard.ts';
import { laterOf, MIN_TIMESTAMP, type Timestamp } from './timestamp.ts';
import { type BoundFiles, UpperBound } from './upper-bound.ts';
import { WaitQueue } from './wait-queue.ts';

export type ClockRuntime = Pick<Runtime, 'time' | 'timers' | 'log'>;

export interface ClockOptions {
  /** P9: a timestamp further ahead than this is somebody's mistake. */
  readonly aheadMicrosMax?: number;
  /** P8: how far ahead the bound on disk is kept. */
  readonly reserveMicros?: number;
  /** P7: how long the source must agree with itself before it is trusted again. */
  readonly settleMicros?: number;
  /** The bound can't be renewed any more: the node must stop. */
  readonly onFailure?: (error: unknown) => void;
}

export interface ClockCounts {
  /** P9: refused by observe(). */
  readonly refused: number;
  /** P7: how often the source was distrusted. */
  readonly suspensions: number;
}

export interface OwnedClock extends IntervalClock {
  counts(): ClockCounts;
  /** P12: peers say that this clock is wrong, or with undefined that it is not. */
  distrust(reason: string | undefined): void;
  /** A clean stop; who still waits for a timestamp to pass is told so. */
  close(): Promise<void>;
}

/** Without a bound: for a node that keeps nothing, and so has nothing to go back on. */
export function createIntervalClock(runtime: ClockRuntime, options: ClockOptions = {}): OwnedClock {
  return new NodeClock(runtime, options, undefined);
}

/** Resolves once true time has surely passed everything that this directory's node ever said (P8). */
export async function openIntervalClock(
  runtime: ClockRuntime & { readonly files: BoundFiles; readonly faults?: Faults },
  directory: string,
  options: ClockOptions = {},
): Promise<OwnedClock> {
  await runtime.time.ready?.();
  const bound = await UpperBound.open(runtime.files, directory);
  const clock = new NodeClock(runtime, options, bound);
  try {
    // A bug on purpose, for the simulator to find: P8 turned off.
    const ignores = runtime.faults?.sometimes('clock.ignore-bound') === true;
    await clock.start(ignores ? MIN_TIMESTAMP : bound.durable);
    return clock;
  } catch (error) {
    await clock.close();
    throw error;
  }
}

/** A wait for the stored bound that is longer than this is worth a word. */
const LONG_WAIT_MICROS = 2_000_000;

class NodeClock implements OwnedClock {
  readonly #runtime: ClockRuntime;
  readonly #guard: StepGuard;
  readonly #waiting: WaitQueue;
  readonly #bound: UpperBound | undefined;
  readonly #aheadMicrosMax: number;
  readonly #reserveMicros: number;
  readonly #onFailure: (error: unknown) => void;
  /** The last answers, which the next ones are never below. */
  #earliest: number = MIN_TIMESTAMP;
  #latest: number = MIN_TIMESTAMP;
  /** What was issued and observed: the next one issued is above. */
  #floor: number = MIN_TIMESTAMP;
  #issued: number = MIN_TIMESTAMP;
  /** The greatest that was said to be covered. */
  #relied: number = MIN_TIMESTAMP;
  #refused = 0;
  #suspensions = 0;
  #distrusted: string | undefined;
  #renewal: Disposable | undefined;
  #isClosed = false;

  constructor(runtime: ClockRuntime, options: ClockOptions, bound: UpperBound | undefined) {
    this.#runtime = runtime;
    this.#bound = bound;
    // Also when it never starts: a stop must not lower what is stored.
    this.#relied = bound?.durable ?? MIN_TIMESTAMP;
    this.#aheadMicrosMax = options.aheadMicrosMax ?? 500_000;
    this.#reserveMicros = options.reserveMicros ?? 1_000_000;
    this.#onFailure = options.onFailure ?? (() => {});
    this.#guard = new StepGuard({
      settleMicros: options.settleMicros ?? 5_000_000,
      onSuspend: (reason) => {
        this.#suspensions++;
        runtime.log.error('clock suspended: nothing is served until it can be trusted', { reason });
      },
      onResume: () => runtime.log.warn('clock trusted again'),
    });
    this.#waiting = new WaitQueue(
      runtime.timers,
      () => this.earliest(),
      () => this.#guard.suspended !== undefined,
    );
    this.#read();
  }

  /** Waits until what is stored has passed. */
  async start(stored: Timestamp): Promise<void> {
    const bound = this.#bound;
    if (bound === undefined) return;
    const micros = stored - this.earliest();
    if (micros > LONG_WAIT_MICROS) {
      const seconds = Math.ceil(micros / 1_000_000);
      this.#runtime.log.warn('waiting for the clock to pass what this node has served before', {
        seconds,
        hint: 'the clock was set back, or is behind',
      });
    }
    await this.waitUntilAfter(stored);
    await bound.extendTo((this.#latest + this.#reserveMicros) as Timestamp);
    this.#renewLater(bound);
  }

  #renewLater(bound: UpperBound): void {
    if (this.#isClosed) return;
    this.#renewal = this.#runtime.timers.after(
      this.#reserveMicros / 2,
      () => void this.#renew(bound),
    );
  }

  async #renew(bound: UpperBound): Promise<void> {
    try {
      await bound.extendTo((this.latest() + this.#reserveMicros) as Timestamp);
    } catch (error) {
      this.#runtime.log.error('the bound on timestamps could not be written', {
        error: String(error),
      });
      if (!bound.mayRecover) {
        this.#onFailure(error);
        return;
      }
    }
    this.#renewLater(bound);
  }

  /** Takes a reading in; the answers stand still while it can't be trusted (P7). */
  #read(): void {
    const reading = this.#runtime.time.wall();
    if (!this.#guard.trusts(reading, this.#earliest)) return;
    const earliest = Math.floor(reading.earliestMicros);
    const latest = Math.ceil(reading.latestMicros);
    if (earliest > this.#earliest) this.#earliest = earliest;
    if (latest > this.#latest) this.#latest = latest;
  }

  now(): Interval {
    this.#read();
    return { earliest: this.#earliest as Timestamp, latest: this.#latest as Timestamp };
  }

  earliest(): Timestamp {
    this.#read();
    return this.#earliest as Timestamp;
  }

  latest(): Timestamp {
    this.#read();
    return this.#latest as Timestamp;
  }

  issue(): Timestamp {
    this.#read();
    const above = this.#latest > this.#floor ? this.#latest : this.#floor;
    const issued = above + 1;
    this.#floor = issued;
    this.#issued = issued;
    return issued as Timestamp;
  }

  // P9
  observe(t: Timestamp): boolean {
    if (t <= this.#floor) return true;
    if (t > this.latest() + this.#aheadMicrosMax) {
      this.#refused++;
      return false;
    }
    this.#floor = t;
    return true;
  }

  // P10
  hasPassed(t: Timestamp): boolean {
    return t < this.#earliest || t < this.earliest();
  }

  waitUntilAfter(t: Timestamp): Promise<void> {
    return this.hasPassed(t) ? PASSED : this.#waiting.waitUntilAfter(t);
  }

  // P8
  covers(t: Timestamp): boolean {
    const bound = this.#bound;
    if (bound !== undefined && (t > bound.durable || this.#isClosed)) return false;
    if (t > this.#relied) this.#relied = t;
    return true;
  }

  async cover(t: Timestamp): Promise<void> {
    if (this.covers(t)) return;
    if (this.#isClosed) throw new DbError('57P01', 'the node is stopping: its clock is closed');
    const latest = this.latest();
    if (t > latest + this.#aheadMicrosMax) {
      throw new DbError('22023', `timestamp ${t} is too far in the future`, {
        detail: `It is now ${latest}, in microseconds since 1970.`,
      });
    }
    await this.#bound?.extendTo((laterOf(t, latest) + this.#reserveMicros) as Timestamp);
    this.covers(t);
  }

  get suspended(): string | undefined {
    // Nobody else may ask what time it is meanwhile, and the answer may have changed.
    if (this.#guard.suspended !== undefined) this.#read();
    return this.#guard.suspended ?? this.#distrusted;
  }

  distrust(reason: string | undefined): void {
    this.#distrusted = reason;
  }

  counts(): ClockCounts {
    return { refused: this.#refused, suspensions: this.#suspensions };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#renewal?.[Symbol.dispose]();
    this.#waiting.close();
    await this.#bound?.close(Math.max(this.#relied, this.#issued, this.#latest) as Timestamp);
  }
}

const PASSED: Promise<void> = Promise.resolve();
