// How much work this node can do: microseconds, as ranges/load/work.ts reckons them, in a second. A node that has the
// machine to itself can do a second's worth. One that shares it, or whose processor is slower, can do less, and that
// shows: its main thread is busy for longer than what was counted accounts for. So the capacity is what was counted,
// divided by the part of the time for which the thread was busy. Where that can't be told (in the simulator) it stays
// what it was at first.

/** What the sessions of this node cost it for each statement, beside the ranges: protocol, plan, transaction. */
export const STATEMENT_WORK = 9;

const INITIAL = 1_000_000;
/** A node that is fifty times slower than reckoned is not slow, but busy with something that is not counted. */
const LEAST = 20_000;
const MOST = 4_000_000;
/** Below these, what a node does beside its ranges (timers, garbage) counts for too much. */
const BUSY_MIN = 0.2;
const WORK_MIN = 2_000;
/** What is learned counts as much as what was believed after so long: a hot spot must be judged within seconds. */
const LEARNING_SECONDS = 2;

export class WorkCapacity {
  #log = Math.log(INITIAL);
  /** How often it has shown. */
  #times = 0;
  #last:
    | { readonly atMicros: number; readonly busyMicros: number; readonly work: number }
    | undefined;

  get microsPerSecond(): number {
    return Math.exp(this.#log);
  }

  /** The node has been busy enough to show it. */
  get isLearned(): boolean {
    return this.#times > 0;
  }

  /** `busyMicros` and `work`: all since the start. Undefined: nobody can tell how busy it is. */
  learn(atMicros: number, busyMicros: number | undefined, work: number): void {
    if (busyMicros === undefined) return;
    const last = this.#last;
    this.#last = { atMicros, busyMicros, work };
    if (last === undefined || atMicros <= last.atMicros) return;
    const seconds = (atMicros - last.atMicros) / 1e6;
    const busy = Math.min(1, (busyMicros - last.busyMicros) / (atMicros - last.atMicros));
    const rate = (work - last.work) / seconds;
    if (busy < BUSY_MIN || rate < WORK_MIN) return;
    const shown = Math.log(Math.min(MOST, Math.max(LEAST, rate / busy)));
    // What was believed at first counts for nothing.
    this.#times += 1;
    const weight = Math.max(1 / this.#times, 1 - Math.exp(-seconds / LEARNING_SECONDS));
    this.#log += (shown - this.#log) * weight;
  }
}
