import { describe, expect, test } from 'vitest';
import { keyNumber } from '../../bench/heat/watch.ts';
import {
  chanceOf,
  idPicker,
  Latencies,
  windowStart,
  type Workload,
} from '../../bench/heat/workloads.ts';

function ids(keys: Workload['keys'], count: number, second = 0): number[] {
  const pick = idPicker({ table: 't', rows: 1000, keys, writeShare: 0 }, chanceOf(1));
  return Array.from({ length: count }, () => pick(second));
}

describe('what clients ask for', () => {
  test('is within the table', () => {
    for (const kind of ['uniform', 'zipf'] as const) {
      for (const id of ids({ kind }, 5000)) {
        expect(id).toBeGreaterThanOrEqual(0);
        expect(id).toBeLessThan(1000);
      }
    }
  });

  test('follows Zipf’s law: row 0 about twice as often as row 1, half of all within the first 30', () => {
    const picked = ids({ kind: 'zipf' }, 20_000);
    const of = (id: number): number => picked.filter((one) => one === id).length;
    expect(of(0) / of(1)).toBeGreaterThan(1.5);
    expect(of(0) / of(1)).toBeLessThan(2.1);
    const early = picked.filter((id) => id < 31).length / picked.length;
    expect(early).toBeGreaterThan(0.4);
    expect(early).toBeLessThan(0.6);
  });

  test('stays in a window, which moves far', () => {
    const window = { kind: 'window', share: 0.1, everySeconds: 30 } as const;
    const first = windowStart(1000, 100, 0);
    const second = windowStart(1000, 100, 1);
    expect(Math.abs(first - second)).toBeGreaterThan(100);
    for (const id of ids(window, 1000, 10)) expect(id - first).toBeLessThan(100);
    for (const id of ids(window, 1000, 31)) expect(id - second).toBeLessThan(100);
  });

  test('grows by one', () => {
    expect(ids({ kind: 'growing' }, 3)).toEqual([1000, 1001, 1002]);
  });
});

test('percentiles are right to a tenth', () => {
  const latencies = new Latencies();
  for (let i = 1; i <= 1000; i++) latencies.add(i / 10);
  expect(latencies.percentile(0.99)).toBeGreaterThan(90);
  expect(latencies.percentile(0.99)).toBeLessThan(110);
  const sum = new Latencies();
  sum.merge(latencies.packed());
  expect(sum.percentile(0.5)).toBe(latencies.percentile(0.5));
  expect(new Latencies().percentile(0.99)).toBe(0);
});

test('the number that a key begins with', () => {
  expect(['(42)', "(-7, 'x')", '<start>', "('x')"].map(keyNumber)).toEqual([
    42,
    -7,
    undefined,
    undefined,
  ]);
});
