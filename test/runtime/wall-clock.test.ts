import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseClockSource } from '../../src/runtime/node/clock-source.ts';
import { createErrorBound } from '../../src/runtime/node/error-bound.ts';
import { createLog } from '../../src/runtime/node/log.ts';
import { monotonicMicros } from '../../src/runtime/node/monotonic.ts';
import { WallClock } from '../../src/runtime/node/wall-clock.ts';

const START = 1_700_000_000_000_000;

const boundOf = (source: string): ReturnType<typeof createErrorBound> =>
  createErrorBound(parseClockSource(source), createLog('silent'));

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
    return new WallClock(boundOf(source), this.monotonic, this.dateMillis);
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
    const clock = new WallClock(boundOf('system'), monotonicMicros, () => 1_700_000_000_000);
    expect(clock.read().latestMicros).toBeGreaterThan(1_700_000_000_000_000);
  });

  it('is near what this machine says', () => {
    const clock = new WallClock(boundOf('system'));
    const before = Date.now();
    const { earliestMicros, latestMicros } = clock.read();
    const after = Date.now();
    expect(latestMicros).toBeGreaterThanOrEqual(before * 1000);
    expect(earliestMicros).toBeLessThan((after + 1) * 1000);
  });
});

describe('a fixed clock', () => {
  it('is as much wider on both sides as told', () => {
    const machine = new Machine();
    const clock = machine.clock('fixed:500');
    const { earliestMicros, latestMicros } = clock.read();
    expect(latestMicros - earliestMicros).toBeGreaterThan(1000);
    expect(latestMicros - earliestMicros).toBeLessThan(1050);
    const centre = (latestMicros + earliestMicros) / 2 - START;
    expect(Math.abs(centre - machine.trueMicros)).toBeLessThan(20);
  });

  it('is always ready', async () => {
    await new Machine().clock('fixed:10000000').ready();
  });
});

describe('--clock', () => {
  it.each([
    ['system', { kind: 'system' }],
    ['fixed:500', { kind: 'fixed', halfWidthMicros: 500 }],
    ['chrony', { kind: 'chrony', everyMicros: 1_000_000, port: 323 }],
    ['chrony:0.25', { kind: 'chrony', everyMicros: 250_000, port: 323 }],
    ['clockbound', { kind: 'clockbound', path: '/var/run/clockbound/shm0' }],
    ['clockbound:/run/a b:c', { kind: 'clockbound', path: '/run/a b:c' }],
  ])('takes "%s"', (text, source) => {
    expect(parseClockSource(text)).toEqual(source);
  });

  it.each([
    ['', 'System', 'ntp', 'toString', 'system:', 'system:1', ' system'],
    ['fixed', 'fixed:', 'fixed:-1', 'fixed:1.5', 'fixed:99999999'],
    ['chrony:', 'chrony:0', 'chrony:0.01', 'chrony:1001', 'chrony:1s', 'chrony:1:323'],
    ['clockbound:', 'clockbound:shm0'],
  ])('refuses "%s" and the like', (...texts) => {
    for (const text of texts) {
      expect(() => parseClockSource(text)).toThrow(
        expect.objectContaining({
          code: '22023',
          fields: { hint: expect.stringContaining('chrony:SECONDS') },
        }),
      );
    }
  });
});
