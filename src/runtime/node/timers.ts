// Timers finer than a millisecond for short waits (commit-wait is tens of microseconds), Node's own for the others.
//
// A short wait sleeps for as long as Node's timers can be trusted not to oversleep, and spins through setImmediate for
// the rest: the event loop takes in what has arrived between two turns, so nothing starves. All short waits share one
// spinner.

import { Heap } from '../../base/heap.ts';
import type { Timers } from '../runtime.ts';
import { monotonicMicros } from './monotonic.ts';

/** Longer waits don't need the spinner: an election timeout may be a millisecond late. */
const SHORT_MICROS = 5000;
/** How late Node's timers may be, with a busy loop: the last stretch is spun. */
const SPIN_MICROS = 1500;
const SLEEP_MICROS_MIN = 1000;
/** Turns that soon() gives between two looks for input. */
const SOON_TURNS = 4;

class ShortWait implements Disposable {
  readonly dueMicros: number;
  run: (() => void) | undefined;

  constructor(dueMicros: number, run: () => void) {
    this.dueMicros = dueMicros;
    this.run = run;
  }

  [Symbol.dispose](): void {
    this.run = undefined;
  }
}

class LongWait implements Disposable {
  readonly #dueMicros: number;
  readonly #run: () => void;
  #timeout: NodeJS.Timeout;

  constructor(micros: number, run: () => void) {
    this.#dueMicros = monotonicMicros() + micros;
    this.#run = run;
    // An idle node does little but wake up (bench: idle-groups): once, not twice, where a millisecond is nothing.
    const more = micros < WHOLE_MILLIS_MICROS ? 0 : 1;
    this.#timeout = setTimeout(this.#wake, Math.ceil(micros / 1000) + more);
  }

  readonly #wake = (): void => {
    const remaining = this.#dueMicros - monotonicMicros();
    if (remaining > 0) this.#timeout = setTimeout(this.#wake, Math.ceil(remaining / 1000));
    else this.#run();
  };

  [Symbol.dispose](): void {
    clearTimeout(this.#timeout);
  }
}

/** From here on a wait may be a millisecond longer: Node wakes up to one early. */
const WHOLE_MILLIS_MICROS = 20_000;

/** Node's timers take 32 bits of milliseconds. */
const LONGEST_MICROS = 2 ** 31 * 1000 - 1000;

export class NodeTimers implements Timers {
  readonly #short = new Heap<ShortWait>((a, b) => a.dueMicros < b.dueMicros);
  #spinning = false;
  #coarse: NodeJS.Timeout | undefined;
  #coarseDueMicros = 0;
  #soon: (() => void)[] = [];
  #isRunningSoon = false;

  after(micros: number, run: () => void): Disposable {
    if (!(micros < SHORT_MICROS)) return new LongWait(Math.min(micros, LONGEST_MICROS), run);
    const wait = new ShortWait(monotonicMicros() + Math.max(0, micros), run);
    this.#short.push(wait);
    if (this.#short.peek() === wait) this.#arm(micros);
    return wait;
  }

  soon(run: () => void): void {
    if (this.#soon.push(run) === 1 && !this.#isRunningSoon) setImmediate(this.#runSoon);
  }

  /** What asks for another turn meanwhile gets it at once, a few times: a put passes several rooms, each of which
   * gathers a turn's input, and looking for input in between would only cost (bench: put). */
  readonly #runSoon = (): void => {
    this.#isRunningSoon = true;
    try {
      for (let turn = 0; turn < SOON_TURNS && this.#soon.length > 0; turn++) this.#runBatch();
    } finally {
      this.#isRunningSoon = false;
      if (this.#soon.length > 0) setImmediate(this.#runSoon);
    }
  };

  #runBatch(): void {
    const batch = this.#soon;
    this.#soon = [];
    let done = 0;
    try {
      for (const run of batch) {
        done++;
        run();
      }
    } finally {
      // One that throws takes nobody with it.
      for (let i = done; i < batch.length; i++) this.#soon.push(batch[i] as () => void);
    }
  }

  /** Sleeps or spins until the next short wait, which is so far away. */
  #arm(micros: number): void {
    if (this.#spinning) return;
    if (micros < SPIN_MICROS + SLEEP_MICROS_MIN) {
      this.#spinning = true;
      setImmediate(this.#spin);
      return;
    }
    const due = monotonicMicros() + micros;
    if (this.#coarse !== undefined) {
      if (this.#coarseDueMicros <= due) return;
      clearTimeout(this.#coarse);
    }
    this.#coarseDueMicros = due;
    this.#coarse = setTimeout(this.#wake, Math.floor((micros - SPIN_MICROS) / 1000));
  }

  readonly #wake = (): void => {
    this.#coarse = undefined;
    this.#armNext();
  };

  readonly #spin = (): void => {
    this.#spinning = false;
    const now = monotonicMicros();
    try {
      for (let next = this.#short.peek(); next !== undefined; next = this.#short.peek()) {
        if (next.run !== undefined && next.dueMicros > now) break;
        this.#short.pop();
        const run = next.run;
        next.run = undefined;
        run?.();
      }
    } finally {
      this.#armNext();
    }
  };

  #armNext(): void {
    for (let next = this.#short.peek(); next !== undefined; next = this.#short.peek()) {
      if (next.run !== undefined) {
        this.#arm(next.dueMicros - monotonicMicros());
        return;
      }
      this.#short.pop();
    }
  }
}
