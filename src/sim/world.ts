// Simulated time: one queue of events ordered by (time, sequence), and lives whose events die with them. A life is one
// run of a node between start and crash; what it had scheduled never happens after its end.

import { assert } from '../base/assert.ts';
import { PROBES } from './probes.ts';
import { SeededRandom } from './random.ts';
import { Trace } from './trace.ts';

/** True time at the start of every simulation, in microseconds since 1970. */
const EPOCH_MICROS = 1_700_000_000_000_000;

export class Life {
  readonly node: number;
  alive = true;
  /** Its event loop stands still until then: what is due happens afterwards, in its order. */
  pausedUntilMicros = 0;

  constructor(node: number) {
    this.node = node;
  }
}

interface Event {
  at: number;
  sequence: number;
  readonly life: Life | undefined;
  readonly run: () => void;
  cancelled: boolean;
}

export class World {
  readonly random: SeededRandom;
  readonly trace: Trace = new Trace();
  /** Known bugs that are switched on, by name. */
  readonly bugs: ReadonlySet<string>;
  /** How often each rare path was taken (probes.ts). */
  readonly probes: Map<string, number> = new Map();
  #now = 0;
  #sequence = 0;
  #heap: Event[] = [];
  #failure: Error | undefined;

  constructor(seed: number, bugs: ReadonlySet<string> = new Set()) {
    this.random = new SeededRandom(seed);
    this.bugs = bugs;
  }

  /** Microseconds since the simulation began. */
  get nowMicros(): number {
    return this.#now;
  }

  /** True time, in microseconds since 1970. */
  get trueMicros(): number {
    return EPOCH_MICROS + this.#now;
  }

  reached(point: string): void {
    assert(PROBES.has(point), `no probe is called '${point}'`);
    this.probes.set(point, (this.probes.get(point) ?? 0) + 1);
  }

  after(micros: number, life: Life | undefined, run: () => void): Disposable {
    assert(micros >= 0, 'an event in the past');
    const event: Event = {
      at: this.#now + micros,
      sequence: this.#sequence++,
      life,
      run,
      cancelled: false,
    };
    this.#push(event);
    return {
      [Symbol.dispose]: () => {
        event.cancelled = true;
      },
    };
  }

  /** Runs it now, or when the life can act again. */
  whenAwake(life: Life, run: () => void): void {
    const micros = life.pausedUntilMicros - this.#now;
    if (micros > 0) this.after(micros, life, run);
    else run();
  }

  /** Resolves after simulated time. */
  sleep(micros: number, life?: Life): Promise<void> {
    return new Promise((resolve) => void this.after(micros, life, resolve));
  }

  /** Something that must not happen did: the run ends with it. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }

  /** Runs events until `done` or the time is over; throws what failed. Answers whether `done` came. */
  async run(done: () => boolean, untilMicros: number): Promise<boolean> {
    while (this.#failure === undefined) {
      await drainMicrotasks();
      if (this.#failure !== undefined || done()) break;
      let event = this.#pop();
      while (event !== undefined && (event.cancelled || event.life?.alive === false))
        event = this.#pop();
      if (event === undefined || event.at > untilMicros) {
        if (event !== undefined) this.#push(event);
        this.#now = Math.max(this.#now, Math.min(untilMicros, event?.at ?? untilMicros));
        return done();
      }
      this.#now = event.at;
      if (event.life !== undefined && event.life.pausedUntilMicros > event.at) {
        event.at = event.life.pausedUntilMicros;
        event.sequence = this.#sequence++;
        this.#push(event);
        continue;
      }
      this.trace.number(event.at);
      this.trace.number(event.life === undefined ? 0 : event.life.node + 1);
      event.run();
    }
    if (this.#failure !== undefined) throw this.#failure;
    return true;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event))
        child += 1;
      if (!before(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/** All promise reactions that are due have run when this resolves: an immediate comes after every microtask. */
function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
