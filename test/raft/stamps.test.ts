import { describe, expect, it } from 'vitest';
import { NO_STAMP } from '../../src/raft/stamps.ts';
import { at, FakeLife } from './liveness-fixture.ts';

describe('stamps', () => {
  it('say when they were taken, by both clocks', () => {
    const life = new FakeLife();
    life.now = 7_000;
    const stamp = life.live.stamps.take();
    life.now = 9_000;
    expect(life.live.stamps.at(stamp)).toEqual({ monotonicMicros: 7_000, earliest: at(6_900) });
  });

  it('are shared within a millisecond, by what leaves later: a lease gets no longer by it', () => {
    const life = new FakeLife();
    const first = life.live.stamps.take();
    life.now = 999;
    expect(life.live.stamps.take()).toBe(first);
    life.now = 1_000;
    expect(life.live.stamps.take()).toBeGreaterThan(first);
  });

  it('are all different when taken fresh', () => {
    const { stamps } = new FakeLife().live;
    const first = stamps.takeFresh();
    const second = stamps.takeFresh();
    expect(second).toBeGreaterThan(first);
    expect(stamps.take()).toBe(second);
  });

  it('are remembered for longer than a lease, however many are taken', () => {
    const life = new FakeLife();
    const first = life.live.stamps.take();
    while (life.now < life.live.timing.leaseMicros) {
      life.now += 1_000;
      life.live.stamps.take();
    }
    expect(life.live.stamps.at(first)?.monotonicMicros).toBe(0);
    for (let i = 0; i < 4_000; i++) life.live.stamps.takeFresh();
    expect(life.live.stamps.at(first)).toBeUndefined();
  });

  it('mean nothing to another boot, and neither does no stamp or one of the future', () => {
    const before = new FakeLife(1).live.stamps;
    const after = new FakeLife(2).live.stamps;
    const stamp = before.take();
    after.take();
    expect(before.at(stamp)).toBeDefined();
    expect(after.at(stamp)).toBeUndefined();
    expect(before.at(NO_STAMP)).toBeUndefined();
    expect(before.at(stamp + 1)).toBeUndefined();
    expect(before.at(Number.NEGATIVE_INFINITY)).toBeUndefined();
  });

  it('fit into 53 bits', () => {
    for (let seed = 1; seed < 50; seed++) {
      expect(Number.isSafeInteger(new FakeLife(seed).live.stamps.take() + 2 ** 39)).toBe(true);
    }
  });
});
