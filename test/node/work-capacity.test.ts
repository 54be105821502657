import { expect, test } from 'vitest';
import { WorkCapacity } from '../../src/node/load/work-capacity.ts';

/** Once a second: busy for that part of it, with so much work counted. */
function after(seconds: number, busy: number, work: number): number {
  const capacity = new WorkCapacity();
  for (let i = 0; i <= seconds; i++) capacity.learn(i * 1e6, i * busy * 1e6, i * work);
  return capacity.microsPerSecond;
}

test('a node that is busy for as long as was counted can do a second’s worth', () => {
  expect(after(10, 0.5, 500_000)).toBeCloseTo(1_000_000, -3);
});

test('one that is busy for longer can do less, which shows within seconds', () => {
  expect(after(4, 0.8, 80_000)).toBeLessThan(200_000);
  expect(after(20, 0.8, 80_000)).toBeCloseTo(100_000, -3);
});

test('what it showed before an idle time soon counts for nothing', () => {
  const capacity = new WorkCapacity();
  let at = 0;
  let busy = 0;
  let work = 0;
  const second = (share: number, capacityThen: number): void => {
    at += 1e6;
    busy += share * 1e6;
    work += share * capacityThen;
    capacity.learn(at, busy, work);
  };
  for (let i = 0; i < 30; i++) second(0.8, 200_000);
  for (let i = 0; i < 20; i++) second(0.01, 200_000);
  for (let i = 0; i < 2; i++) second(0.8, 100_000);
  expect(capacity.microsPerSecond).toBeLessThan(110_000);
  // A moment in which something else ran is no reason to think otherwise.
  for (let i = 0; i < 20; i++) second(0.8, 100_000);
  second(0.8, 50_000);
  expect(capacity.microsPerSecond).toBeGreaterThan(85_000);
});

test('what little it does when it is nearly idle says nothing', () => {
  expect(after(20, 0.05, 10_000)).toBeCloseTo(1_000_000);
  expect(after(20, 0.9, 500)).toBeCloseTo(1_000_000);
});

test('it never seems to be able to do nearly nothing', () => {
  expect(after(60, 1, 3_000)).toBeGreaterThan(19_000);
});

test('where nobody can tell how busy it is, nothing is learned', () => {
  const capacity = new WorkCapacity();
  for (let i = 0; i < 10; i++) capacity.learn(i * 1e6, undefined, i * 100_000);
  expect(capacity.microsPerSecond).toBeCloseTo(1_000_000);
});

test('a node says that it does not know before it has been busy', () => {
  const capacity = new WorkCapacity();
  capacity.learn(0, 0, 0);
  capacity.learn(1e6, 0.05e6, 10_000);
  expect(capacity.isLearned).toBe(false);
  capacity.learn(2e6, 0.55e6, 60_000);
  expect(capacity.isLearned).toBe(true);
});
