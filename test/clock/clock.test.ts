import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIntervalClock, openIntervalClock } from '../../src/clock/clock.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { FakeDisk, FakeWorld } from './fake.ts';

const after = (t: Timestamp, micros: number): Timestamp => (t + micros) as Timestamp;

describe('the interval', () => {
  it('contains true time and never goes back, whatever the errors and the drift within the bound', () => {
    const step = fc.record({
      advance: fc.nat(3_000_000),
      drift: fc.integer({ min: -200, max: 200 }),
      below: fc.nat(5000),
      above: fc.nat(5000),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        const world = new FakeWorld();
        const clock = createIntervalClock(world);
        let before = clock.now();
        for (const { advance, drift, below, above } of steps) {
          world.drift = drift / 1e6;
          world.errorBelowMicros = below;
          world.errorAboveMicros = above;
          world.advance(advance);
          const now = clock.now();
          expect(now.earliest).toBeLessThanOrEqual(world.trueMicros);
          expect(now.latest).toBeGreaterThanOrEqual(world.trueMicros);
          expect(now.earliest).toBeGreaterThanOrEqual(before.earliest);
          expect(now.latest).toBeGreaterThanOrEqual(before.latest);
          expect([clock.earliest(), clock.latest()]).toEqual([now.earliest, now.latest]);
          before = now;
        }
        expect(clock.suspended).toBeUndefined();
      }),
    );
  });

  it('is made of whole microseconds', () => {
    const world = new FakeWorld();
    world.trueMicros += 0.25;
    const { earliest, latest } = createIntervalClock(world).now();
    expect([earliest, latest].map(Number.isInteger)).toEqual([true, true]);
  });
});

describe('timestamps', () => {
  it('never repeat or go back, and lie above what was observed, also when the wall is stepped', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('advance' as const), micros: fc.nat(2_000_000) }),
      fc.record({
        kind: fc.constant('step' as const),
        micros: fc.integer({ min: -5_000_000, max: 5_000_000 }),
      }),
      fc.record({ kind: fc.constant('observe' as const), micros: fc.nat(600_000) }),
      fc.record({ kind: fc.constant('issue' as const), micros: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = new FakeWorld();
        const clock = createIntervalClock(world);
        let greatest = 0;
        let now = clock.now();
        for (const { kind, micros } of steps) {
          if (kind === 'advance') world.advance(micros);
          if (kind === 'step') world.stepMicros += micros;
          if (kind === 'observe') {
            const t = after(clock.latest(), micros);
            if (clock.observe(t)) greatest = Math.max(greatest, t);
          }
          const latest = clock.latest();
          const issued = clock.issue();
          expect(issued).toBeGreaterThan(greatest);
          expect(issued).toBeGreaterThan(latest);
          greatest = issued;
          const next = clock.now();
          expect(next.earliest).toBeGreaterThanOrEqual(now.earliest);
          expect(next.latest).toBeGreaterThanOrEqual(now.latest);
          expect(next.latest).toBeGreaterThanOrEqual(next.earliest);
          now = next;
        }
      }),
    );
  });
});

describe('P7: a clock that its source does not vouch for', () => {
  it('is not believed, until the source has vouched for it for a while', () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world, { settleMicros: 5_000_000 });
    const before = clock.now();
    world.problem = 'nobody knows';
    world.errorBelowMicros = 10_000_000;
    world.errorAboveMicros = 10_000_000;
    world.advance(6_000_000);
    expect(clock.now()).toEqual(before);
    expect(clock.suspended).toBe('nobody knows');

    world.problem = undefined;
    world.errorBelowMicros = 20;
    world.errorAboveMicros = 20;
    world.advance(4_900_000);
    expect(clock.suspended).toBe('nobody knows');
    world.advance(200_000);
    expect(clock.suspended).toBeUndefined();
    expect(clock.now().latest).toBe(world.trueMicros + 20);
    expect(clock.counts().suspensions).toBe(1);
  });

  it('that was stepped meanwhile is not believed either', () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world, { settleMicros: 1_000_000 });
    world.problem = 'nobody knows';
    clock.now();
    world.problem = undefined;
    world.stepMicros = 3_000_000;
    expect(clock.suspended).toContain('stepped forward');
  });

  it('does not let a node start', async () => {
    const world = new FakeWorld();
    const ready = (): Promise<void> => Promise.reject(new Error('ask somebody'));
    const { timers, log } = world;
    const runtime = { timers, log, files: new FakeDisk(), time: { ...world.time, ready } };
    await expect(openIntervalClock(runtime, '/data')).rejects.toThrow('ask somebody');
  });
});

describe('P7: a stepped clock', () => {
  it.each([
    ['forward', 3_000_000],
    ['back', -3_000_000],
    ['forward by little', 1000],
    ['back by little', -1000],
  ])('is distrusted when stepped %s, until the source agrees with itself again', (_how, micros) => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world, { settleMicros: 5_000_000 });
    const before = clock.now();
    world.advance(100);
    world.stepMicros = micros;

    // It stands still rather than say what it can't know.
    expect(clock.now()).toEqual(before);
    expect(clock.suspended).toContain(`stepped ${micros > 0 ? 'forward' : 'back'}`);
    world.advance(4_900_000);
    expect(clock.suspended).toBeDefined();
    expect(clock.hasPassed(after(before.latest, 1000))).toBe(false);

    world.advance(200_000);
    expect(clock.suspended).toBeUndefined();
    expect(clock.now().earliest).toBe(world.trueMicros + micros - world.errorBelowMicros);
    expect(clock.counts().suspensions).toBe(1);
  });

  it('stays distrusted until it has caught up with what was said', () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world, { settleMicros: 1_000_000 });
    clock.now();
    world.stepMicros = -60_000_000;
    clock.now();
    world.advance(59_000_000);
    expect(clock.suspended).toBeDefined();
    world.advance(1_100_000);
    expect(clock.suspended).toBeUndefined();
  });

  it('must agree for the whole time: another step starts it anew', () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world, { settleMicros: 5_000_000 });
    for (let i = 0; i < 3; i++) {
      world.stepMicros += 1_000_000;
      clock.now();
      world.advance(4_000_000);
      expect(clock.suspended).toBeDefined();
    }
    world.advance(1_000_001);
    expect(clock.suspended).toBeUndefined();
  });

  it('is not seen where there is none: slewing, and wide intervals', () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world);
    world.drift = 500e-6;
    for (let i = 0; i < 100; i++) {
      world.advance(1_000_000);
      clock.now();
    }
    world.errorAboveMicros = 2000;
    clock.now();
    world.stepMicros = 1500;
    clock.now();
    expect(clock.suspended).toBeUndefined();
  });
});

describe('P9: observe()', () => {
  it('raises what is issued and never moves now()', () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world);
    const now = clock.now();
    const seen = after(now.latest, 400_000);
    expect(clock.observe(seen)).toBe(true);
    expect(clock.now()).toEqual(now);
    expect(clock.issue()).toBe(seen + 1);
    expect(clock.now()).toEqual(now);
  });

  it('refuses and counts what is far in the future', () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world, { aheadMicrosMax: 500_000 });
    const latest = clock.latest();
    expect(clock.observe(after(latest, 500_000))).toBe(true);
    expect(clock.observe(after(latest, 500_001))).toBe(false);
    expect(clock.counts().refused).toBe(1);
    expect(clock.issue()).toBe(latest + 500_001);
  });
});

describe('P10: commit-wait', () => {
  it('ends once now().earliest is past the timestamp, and not before', async () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world);
    const issued = clock.issue();
    expect(clock.hasPassed(issued)).toBe(false);
    await world.until(clock.waitUntilAfter(issued));
    expect(clock.earliest()).toBe(issued + 1);
    expect(clock.hasPassed(issued)).toBe(true);
    await clock.waitUntilAfter(issued);
  });

  it('lets everyone go in order, on one timer', async () => {
    const delays = fc.array(fc.nat(100_000), { minLength: 1, maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(delays, fc.integer({ min: -200, max: 200 }), async (micros, drift) => {
        const world = new FakeWorld();
        // When it is fast, timers come too early.
        world.drift = drift / 1e6;
        const clock = createIntervalClock(world);
        const now = clock.latest();
        const gone: number[] = [];
        const waits = micros.map(async (delay) => {
          const t = after(now, delay);
          await clock.waitUntilAfter(t);
          expect(clock.earliest()).toBeGreaterThan(t);
          gone.push(delay);
        });
        expect(world.timersArmed).toBe(1);
        await world.until(Promise.all(waits));
        expect(gone).toEqual(micros.toSorted((a, b) => a - b));
        expect(world.timersArmed).toBe(0);
      }),
    );
  });

  it('does not end while the clock is suspended (P7), and does when it goes on', async () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world, { settleMicros: 5_000_000 });
    const wait = clock.waitUntilAfter(clock.issue());
    world.stepMicros = 10_000_000;
    const start = world.trueMicros;
    await world.until(wait);
    expect(world.trueMicros - start).toBeGreaterThanOrEqual(5_000_000);
  });

  it('is told when the node stops', async () => {
    const world = new FakeWorld();
    const clock = createIntervalClock(world);
    const wait = clock.waitUntilAfter(clock.issue());
    await clock.close();
    await expect(wait).rejects.toMatchObject({ code: '57P01' });
    await expect(clock.waitUntilAfter(clock.issue())).rejects.toMatchObject({ code: '57P01' });
    expect(world.timersArmed).toBe(0);
  });
});
