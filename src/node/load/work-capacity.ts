// How much work this node can do: microseconds, as ranges/load/work.ts reckons them, in a second. A node that has the
// machine to itself can do a second's worth. One that shares it, or whose processor is slower, can do less, and that
// shows: its main thread is busy for longer than what was counted accounts for. So the capacity is what was counted,
// divided by the part of the time for which the thread was busy. Where that can't be told (in the simulator) it stays
// what it was at first.

/** What the sessions of this node cost it for each statement, beside the ranges: protocol, plan, transaction. */
export const STATEMENT_WORK = 9;
/** What each request that they ask of another node's ranges costs them: its message, the answer, and the wait. */
export const ASKED_WORK = 24;

const INITIAL = 1_000_000;
/** A node that is fifty times slower than reckoned is not slow, but busy with something that is not counted. */
const LEAST = 20_000;
const MOST = 4_000_000;
/** Below these, what a node does beside its ranges (timers, garbage) counts for too much. */
const BUSY_MIN = 0.2;
const WORK_MIN = 2_000;
/** What was learned so long ago counts a third of what shows now. Long enough for nodes that are alike to look alike,
 * whatever else runs for a moment; short enough for a hot spot to be judged within seconds, since what showed before an
 * idle time soon counts for nothing. */
const MEMORY_SECONDS = 6;

export class WorkCapacity {
  #log = Math.log(INITIAL);
  /** Seconds of being busy that it has been learned from, the older ones counting less. */
  #weight = 0;
  #last:
    | { readonly atMicros: number; readonly busyMicros: number; readonly work: number }
    | undefined;
  #isLearned = false;

  get microsPerSecond(): number {
    return Math.exp(this.#log);
  }

  /** The node has been busy enough to show it. */
  get isLearned(): boolean {
    return this.#isLearned;
  }

  /** `busyMicros` and `work`: all since the start. Undefined: nobody can tell how busy it is. */
  learn(atMicros: number, busyMicros: number | undefined, work: number): void {
    if (busyMicros === undefined) return;
    const last = this.#last;
    this.#last = { atMicros, busyMicros, work };
    if (last === undefined || atMicros <= last.atMicros) return;
    const seconds = (atMicros - last.atMicros) / 1e6;
    this.#weight *= Math.exp(-seconds / MEMORY_SECONDS);
    const busySeconds = Math.min(seconds, (busyMicros - last.busyMicros) / 1e6);
    const rate = (work - last.work) / seconds;
    if (busySeconds < BUSY_MIN * seconds || rate < WORK_MIN) return;
    const shown = Math.log(Math.min(MOST, Math.max(LEAST, (work - last.work) / busySeconds)));
    this.#weight += busySeconds;
    this.#log += ((shown - this.#log) * busySeconds) / this.#weight;
    this.#isLearned = true;
  }
}
