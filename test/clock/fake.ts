// A world whose true time the test knows: a wall that reads it with errors and can be stepped, a monotonic clock that
// drifts, timers that run when time is advanced, and a disk of slots.
import { Heap } from '../../src/base/heap.ts';
import type { ClockRuntime } from '../../src/clock/clock.ts';
import type { BoundFiles } from '../../src/clock/upper-bound.ts';
import { FileError, type OpenFile } from '../../src/runtime/runtime.ts';

interface Timer {
  readonly dueMicros: number;
  run: (() => void) | undefined;
}

export class FakeWorld implements ClockRuntime {
  trueMicros = 1_700_000_000_000_000;
  monotonicMicros = 5_000;
  /** The monotonic clock's rate against true time, less one. */
  drift = 0;
  /** What is added to the wall by whoever set it wrong. */
  stepMicros = 0;
  /** The reading's claim on both sides. */
  errorBelowMicros = 20;
  errorAboveMicros = 20;
  /** Why it makes no claim. */
  problem: string | undefined;
  readonly logged: string[] = [];
  readonly #timers = new Heap<Timer>((a, b) => a.dueMicros < b.dueMicros);

  readonly time: ClockRuntime['time'] = {
    monotonicMicros: () => this.monotonicMicros,
    wall: () => {
      const wall = this.trueMicros + this.stepMicros;
      return {
        earliestMicros: wall - this.errorBelowMicros,
        latestMicros: wall + this.errorAboveMicros,
        monotonicMicros: this.monotonicMicros,
        problem: this.problem,
      };
    },
  };

  readonly timers: ClockRuntime['timers'] = {
    after: (micros, run) => {
      const timer: Timer = { dueMicros: this.monotonicMicros + micros, run };
      this.#timers.push(timer);
      return {
        [Symbol.dispose]: () => {
          timer.run = undefined;
        },
      };
    },
    soon: (run) => void this.timers.after(0, run),
  };

  readonly log: ClockRuntime['log'] = {
    info: (message) => void this.logged.push(message),
    warn: (message) => void this.logged.push(message),
    error: (message) => void this.logged.push(message),
  };

  get timersArmed(): number {
    const timers = this.#timers.drain();
    for (const timer of timers) this.#timers.push(timer);
    return timers.filter(({ run }) => run !== undefined).length;
  }

  /** True time passes, and timers run on the way. */
  advance(micros: number): void {
    const end = this.monotonicMicros + micros * (1 + this.drift);
    for (let next = this.#timers.peek(); next !== undefined; next = this.#timers.peek()) {
      if (next.dueMicros > end) break;
      this.#timers.pop();
      this.#moveTo(next.dueMicros);
      next.run?.();
    }
    this.#moveTo(end);
  }

  #moveTo(monotonicMicros: number): void {
    if (monotonicMicros <= this.monotonicMicros) return;
    this.trueMicros += (monotonicMicros - this.monotonicMicros) / (1 + this.drift);
    this.monotonicMicros = monotonicMicros;
  }

  /** Lets time pass, timer by timer, until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let turns = 0; turns < 10_000; turns++) {
      await microtasks();
      if (isSettled) return promise;
      const next = this.#timers.peek();
      if (next === undefined) throw new Error('waits for something that no timer will bring');
      this.advance(Math.max(0, next.dueMicros - this.monotonicMicros) / (1 + this.drift));
    }
    throw new Error('waits for too long');
  }
}

/** Whatever can happen without time passing has happened. */
export function microtasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One file whose writes are durable, until the power fails in the middle of one. */
export class FakeDisk implements BoundFiles {
  bytes: Uint8Array = new Uint8Array(0);
  writes = 0;
  /** How many bytes of the next write get to the disk before the power fails: it never resolves. */
  tearNextAfter: number | undefined;
  failure: FileError | undefined;

  open(path: string): Promise<OpenFile> {
    const file: OpenFile = {
      path,
      size: async () => this.bytes.length,
      read: async (offset, length) => this.bytes.slice(offset, offset + length),
      write: async (offset, bytes) => this.bytes.set(bytes, offset),
      writeSynced: (offset, bytes) => this.#write(offset, bytes),
      sync: async () => {},
      preallocate: async (size) => {
        const grown = new Uint8Array(Math.max(size, this.bytes.length));
        grown.set(this.bytes);
        this.bytes = grown;
      },
      truncate: async (size) => {
        this.bytes = this.bytes.slice(0, size);
      },
      close: async () => {},
    };
    return Promise.resolve(file);
  }

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const torn = this.tearNextAfter;
    // After the power has failed nothing is written.
    if (torn === -1) return new Promise(() => {});
    this.bytes.set(bytes.subarray(0, torn ?? bytes.length), offset);
    this.writes++;
    if (torn === undefined) return undefined;
    this.tearNextAfter = -1;
    return new Promise(() => {});
  }

  /** What the next process finds. */
  afterCrash(): FakeDisk {
    const disk = new FakeDisk();
    disk.bytes = this.bytes.slice();
    return disk;
  }

  syncDirectory(): Promise<void> {
    return Promise.resolve();
  }
}

/** A full-disk or broken-disk error. */
export function diskError(kind: 'full' | 'io'): FileError {
  return new FileError(kind, '/data/clock-bound', `the disk is ${kind}`);
}
