import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseClockSource } from '../../src/runtime/node/clock-source.ts';
import { monotonicMicros, WallClock } from '../../src/runtime/node/wall-clock.ts';

const START = 1_700_000_000_000_000;

/** A machine whose true time is known: each look at a clock takes a while. */
class Machine {
  /** Since START: numbers near 2e15 are too coarse to add small ones to. */
  trueMicros = 123.5;
  monotonicMicros = 77_000;
  /** The monotonic clock's rate against the wall, less one. */
  drift = 0;
  stepMicros = 0;
  readonly #lookMicros: () => number;

  constructor(lookMicros: () => number = () => 0.1) {
    this.#lookMicros = lookMicros;
  }

  advance(micros: number): void {
    this.trueMicros += micros;
    this.monotonicMicros += micros * (1 + this.drift);
  }

  readonly monotonic = (): number => {
    this.advance(this.#lookMicros());
    return this.monotonicMicros;
  };

  readonly dateMillis = (): number => {
    this.advance(this.#lookMicros());
    return START / 1000 + Math.floor((this.trueMicros + this.stepMicros) / 1000);
  };

  clock(source: string): WallClock {
    return new WallClock(parseClockSource(source), this.monotonic, this.dateMillis);
  }
}

const step = fc.record({
  advance: fc.oneof(fc.nat(100), fc.nat(1_000_000)),
  drift: fc.integer({ min: -200, max: 200 }),
});

describe('the system clock', () => {
  it('contains true time at the instant of reading, whatever drifts and dawdles within the bound', () => {
    const looks = fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), looks, (steps, micros) => {
        let look = 0;
        const machine = new Machine(() => micros[look++ % micros.length] as number);
        const clock = machine.clock('system');
        for (const { advance, drift } of steps) {
          machine.drift = drift / 1e6;
          machine.advance(advance);
          const reading = clock.read();
          // Nothing has moved since the last look, which is what the reading is of.
          expect(reading.monotonicMicros).toBe(machine.monotonicMicros);
          expect(reading.earliestMicros - START).toBeLessThanOrEqual(machine.trueMicros);
          expect(reading.latestMicros - START).toBeGreaterThanOrEqual(machine.trueMicros);
        }
      }),
    );
  });

  it('is pinned to microseconds although Date.now() has steps of a millisecond', () => {
    const machine = new Machine();
    const clock = machine.clock('system');
    const widths: number[] = [];
    for (let i = 0; i < 10_000; i++) {
      machine.advance(97);
      const { earliestMicros, latestMicros } = clock.read();
      widths.push(latestMicros - earliestMicros);
    }
    widths.sort((a, b) => a - b);
    expect(widths[5000]).toBeLessThan(10);
    expect(widths[9999]).toBeLessThan(50);
  });

  it('widens by the drift while nobody looks', () => {
    const machine = new Machine();
    const clock = machine.clock('fixed:0');
    const width = (): number => {
      const { earliestMicros, latestMicros } = clock.read();
      return latestMicros - earliestMicros;
    };
    const before = width();
    machine.advance(1_000);
    expect(width() - before).toBeGreaterThanOrEqual(0.3);
  });

  it('P7: shows a step of the wall within 10 ms of use', () => {
    const machine = new Machine();
    const clock = machine.clock('system');
    const offset = (): number => {
      const { earliestMicros, monotonicMicros: at } = clock.read();
      return earliestMicros - at;
    };
    const before = offset();
    machine.stepMicros = 5_000_000;
    machine.advance(10_001);
    expect(offset() - before).toBeGreaterThan(4_998_000);
    expect(offset() - before).toBeLessThan(5_001_000);
  });

  it('P7: of two processes on one machine contains the same instant', () => {
    const machine = new Machine();
    const one = machine.clock('system');
    machine.advance(123_456_789);
    const other = machine.clock('system');
    machine.advance(50_000);
    const a = { ...one.read() };
    const b = { ...other.read() };
    const elapsed = b.monotonicMicros - a.monotonicMicros;
    expect(a.earliestMicros + elapsed).toBeLessThanOrEqual(b.latestMicros);
    expect(b.earliestMicros).toBeLessThanOrEqual(a.latestMicros + elapsed);
  });

  it('survives a Date.now() that stands still', () => {
    const clock = new WallClock({ kind: 'system' }, monotonicMicros, () => 1_700_000_000_000);
    expect(clock.read().latestMicros).toBeGreaterThan(1_700_000_000_000_000);
  });

  it('is near what this machine says', () => {
    const clock = new WallClock({ kind: 'system' });
    const before = Date.now();
    const { earliestMicros, latestMicros } = clock.read();
    const after = Date.now();
    expect(latestMicros).toBeGreaterThanOrEqual(before * 1000);
    expect(earliestMicros).toBeLessThan((after + 1) * 1000);
  });
});

describe('a fixed clock', () => {
  it('is at least as wide as told, around the same centre', () => {
    const machine = new Machine();
    const clock = machine.clock('fixed:500');
    const { earliestMicros, latestMicros } = clock.read();
    expect(latestMicros - earliestMicros).toBe(1000);
    const centre = (latestMicros + earliestMicros) / 2 - START;
    expect(Math.abs(centre - machine.trueMicros)).toBeLessThan(20);
  });
});

describe('--clock', () => {
  it('takes system and fixed', () => {
    expect(parseClockSource('system')).toEqual({ kind: 'system' });
    expect(parseClockSource('fixed:500')).toEqual({ kind: 'fixed', halfWidthMicros: 500 });
  });

  it.each(['chrony', 'clockbound'])('says that %s is not built', (source) => {
    expect(() => parseClockSource(source)).toThrow(
      expect.objectContaining({ code: '0A000', message: expect.stringContaining(source) }),
    );
  });

  it.each(['', 'fixed', 'fixed:', 'fixed:-1', 'fixed:1.5', 'fixed:99999999', 'System', 'ntp'])(
    'refuses "%s"',
    (source) => {
      expect(() => parseClockSource(source)).toThrow(expect.objectContaining({ code: '22023' }));
    },
  );
});
