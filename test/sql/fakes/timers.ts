// Timers that run when the test says that time has passed.
import type { Timers } from '../../../src/runtime/runtime.ts';

export class FakeTimers implements Timers {
  #now = 0;
  #armed: { due: number; run: () => void }[] = [];

  after(micros: number, run: () => void): Disposable {
    const timer = { due: this.#now + micros, run };
    this.#armed.push(timer);
    return { [Symbol.dispose]: () => this.#drop(timer) };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  get nowMicros(): number {
    return this.#now;
  }

  monotonicMicros(): number {
    return this.#now;
  }

  get armed(): number {
    return this.#armed.length;
  }

  #drop(timer: { due: number; run: () => void }): void {
    this.#armed = this.#armed.filter((other) => other !== timer);
  }

  advance(micros: number): void {
    const end = this.#now + micros;
    for (;;) {
      const due = this.#armed.filter((timer) => timer.due <= end);
      const [first] = due.sort((a, b) => a.due - b.due);
      if (first === undefined) break;
      this.#now = first.due;
      this.#drop(first);
      first.run();
    }
    this.#now = end;
  }
}
