import { beforeEach, describe, expect, it } from 'vitest';
import { NodeTimers } from '../../src/runtime/node/timers.ts';
import { monotonicMicros } from '../../src/runtime/node/monotonic.ts';

let timers: NodeTimers;
beforeEach(() => {
  timers = new NodeTimers();
});

const waits = [0, 1, 30, 800, 1600, 2400, 2600, 4999, 5000, 7300, 20_000];

describe('after()', () => {
  it('never runs early, on its own or among others', async () => {
    const early: number[] = [];
    const wait = (micros: number): Promise<void> =>
      new Promise((resolve) => {
        const due = monotonicMicros() + micros;
        timers.after(micros, () => {
          if (monotonicMicros() < due) early.push(micros);
          resolve();
        });
      });
    for (const micros of waits) await wait(micros);
    await Promise.all(waits.toReversed().map(wait));
    await Promise.all(waits.map(wait));
    expect(early).toEqual([]);
  });

  it.each([10, 2600, 6000])('of %d microseconds can be taken back', async (micros) => {
    const ran: string[] = [];
    const taken = timers.after(micros, () => ran.push('taken back'));
    const kept = new Promise<void>((resolve) => {
      timers.after(micros + 1, () => {
        ran.push('kept');
        resolve();
      });
    });
    taken[Symbol.dispose]();
    await kept;
    taken[Symbol.dispose]();
    expect(ran).toEqual(['kept']);
  });

  it('lets input in while it spins', async () => {
    let immediates = 0;
    let isOver = false;
    const count = (): void => {
      immediates++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await new Promise<void>((resolve) => {
      timers.after(1400, resolve);
    });
    isOver = true;
    // One that spun without letting go would have none; how many there are is the machine's affair.
    expect(immediates).toBeGreaterThan(0);
  });

  it('may be asked for from within a timer', async () => {
    const ran: number[] = [];
    await new Promise<void>((resolve) => {
      timers.after(50, () => {
        ran.push(1);
        timers.after(20, () => {
          ran.push(2);
          timers.after(3000, resolve);
        });
      });
    });
    expect(ran).toEqual([1, 2]);
  });
});

describe('soon()', () => {
  it('runs in order, once the turn is over', async () => {
    const ran: number[] = [];
    await new Promise<void>((resolve) => {
      timers.soon(() => {
        ran.push(1);
        timers.soon(() => {
          ran.push(3);
          resolve();
        });
      });
      timers.soon(() => ran.push(2));
      expect(ran).toEqual([]);
    });
    expect(ran).toEqual([1, 2, 3]);
  });
});
