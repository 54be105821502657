// A simulated node's clocks: within their bound, whatever is done to them but a step.

import { describe, expect, it } from 'vitest';
import { SimClock } from '../../src/sim/sim-clock.ts';
import { World } from '../../src/sim/world.ts';

const UNCERTAINTY = 500;

async function pass(world: World, micros: number): Promise<void> {
  await world.run(() => false, world.nowMicros + micros);
}

describe('a simulated clock', () => {
  it.each([0, 2 * UNCERTAINTY, -2 * UNCERTAINTY])(
    'holds true time in its interval, with a shift of %i',
    async (shift) => {
      const world = new World(1);
      const clock = new SimClock(world, 'test', UNCERTAINTY);
      clock.shiftMicros = shift;
      for (let i = 0; i < 100; i++) {
        await pass(world, 500_000);
        const { earliestMicros, latestMicros } = clock.wall();
        expect(earliestMicros).toBeLessThanOrEqual(world.trueMicros);
        expect(latestMicros).toBeGreaterThanOrEqual(world.trueMicros);
        expect(latestMicros - earliestMicros).toBe(2 * UNCERTAINTY);
      }
    },
  );

  it('drifts from where it is, and never goes back', async () => {
    const world = new World(1);
    const clock = new SimClock(world, 'test', UNCERTAINTY);
    await pass(world, 3_000_000);
    const before = clock.monotonicMicros();
    clock.drift(-200);
    expect(clock.monotonicMicros()).toBeCloseTo(before);
    await pass(world, 1_000_000);
    expect(clock.monotonicMicros() - before).toBeCloseTo(999_800);
    clock.drift(100_000);
    await pass(world, 1_000_000);
    expect(clock.monotonicMicros() - before).toBeCloseTo(999_800 + 1_100_000);
  });

  it('leaves the interval by a step only', () => {
    const world = new World(1);
    const clock = new SimClock(world, 'test', UNCERTAINTY);
    clock.stepMicros = 3 * UNCERTAINTY;
    expect(clock.wall().earliestMicros).toBeGreaterThan(world.trueMicros);
  });
});
