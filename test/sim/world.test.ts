// Simulated time: what comes first, what dies with its life, and when a run ends.

import { describe, expect, it } from 'vitest';
import { Life, World } from '../../src/sim/world.ts';

describe('the world', () => {
  it('runs events by time, and those of one time in the order in which they were asked for', async () => {
    const world = new World(1);
    const seen: string[] = [];
    for (const [at, name] of [
      [30, 'd'],
      [10, 'a'],
      [20, 'b'],
      [20, 'c'],
      [30, 'e'],
    ] as const) {
      world.after(at, undefined, () => seen.push(`${name}@${world.nowMicros}`));
    }
    expect(await world.run(() => false, 100)).toBe(false);
    expect(seen).toEqual(['a@10', 'b@20', 'c@20', 'd@30', 'e@30']);
    expect(world.nowMicros).toBe(100);
  });

  it('orders many events as a sort does', async () => {
    const world = new World(2);
    const asked: { at: number; n: number }[] = [];
    const seen: { at: number; n: number }[] = [];
    for (let n = 0; n < 2_000; n++) {
      const event = { at: world.random.below(500), n };
      asked.push(event);
      world.after(event.at, undefined, () => seen.push(event));
    }
    await world.run(() => false, 1_000);
    expect(seen).toEqual(asked.sort((a, b) => a.at - b.at || a.n - b.n));
  });

  it('runs all promise reactions before the next event', async () => {
    const world = new World(1);
    const seen: string[] = [];
    world.after(1, undefined, () => {
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => seen.push('reaction'));
    });
    world.after(1, undefined, () => seen.push('next'));
    await world.run(() => false, 10);
    expect(seen).toEqual(['reaction', 'next']);
  });

  it('forgets what was cancelled, and what a life that is over had asked for', async () => {
    const world = new World(1);
    const life = new Life(1);
    const seen: string[] = [];
    world.after(10, undefined, () => seen.push('cancelled'))[Symbol.dispose]();
    world.after(20, life, () => seen.push('before'));
    world.after(30, undefined, () => {
      life.alive = false;
    });
    world.after(40, life, () => seen.push('after'));
    await world.run(() => false, 100);
    expect(seen).toEqual(['before']);
  });

  it('holds back what a life that stands still should do, and keeps its order', async () => {
    const world = new World(1);
    const life = new Life(1);
    const other = new Life(2);
    const seen: string[] = [];
    const note = (name: string) => () => seen.push(`${name}@${world.nowMicros}`);
    world.after(30, life, note('second'));
    world.after(20, life, note('first'));
    world.after(25, other, note('other'));
    world.after(80, life, note('later'));
    world.after(10, undefined, () => {
      life.pausedUntilMicros = 50;
      world.whenAwake(life, note('asked'));
      world.whenAwake(other, note('at once'));
    });
    await world.run(() => false, 100);
    expect(seen).toEqual([
      'at once@10',
      'other@25',
      'asked@50',
      'first@50',
      'second@50',
      'later@80',
    ]);
  });

  it('stops when it is done, and goes on from there', async () => {
    const world = new World(1);
    let count = 0;
    for (let i = 1; i <= 5; i++) world.after(i * 10, undefined, () => void count++);
    expect(await world.run(() => count === 2, 100)).toBe(true);
    expect(world.nowMicros).toBe(20);
    expect(await world.run(() => false, 35)).toBe(false);
    expect([count, world.nowMicros]).toEqual([3, 35]);
    await world.run(() => false, 100);
    expect(count).toBe(5);
  });

  it('ends with the first failure', async () => {
    const world = new World(1);
    world.after(10, undefined, () => world.fail(new Error('first')));
    world.after(10, undefined, () => world.fail(new Error('second')));
    await expect(world.run(() => false, 100)).rejects.toThrow('first');
  });

  it('leaves a trace that tells runs apart', async () => {
    const digest = async (micros: number): Promise<string> => {
      const world = new World(1);
      world.after(micros, undefined, () => undefined);
      await world.run(() => false, 100);
      return world.trace.digest();
    };
    expect(await digest(10)).toBe(await digest(10));
    expect(await digest(10)).not.toBe(await digest(11));
  });
});
