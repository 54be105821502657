import { describe, expect, test } from 'vitest';
import { LoadBook } from '../../../src/ranges/load/load-book.ts';
import { chance, rowKey, SWEEP_MICROS, Traffic, WHOLE_TABLE, write } from './traffic.ts';

describe('rates of a range', () => {
  test('follow what is asked within seconds, and forget it', () => {
    const traffic = new Traffic();
    traffic.run(12, 1000, (load) => load.read(rowKey(1), 80));
    const busy = traffic.load.rates();
    expect(busy.reads).toBeGreaterThan(950);
    expect(busy.reads).toBeLessThanOrEqual(1001);
    expect(busy.readBytes).toBeCloseTo(80 * busy.reads, 3);
    expect(traffic.load.slowRates().reads).toBeLessThan(300);
    for (let i = 0; i < 60; i++) traffic.book.sweep((traffic.nowMicros += SWEEP_MICROS), 1000);
    expect(traffic.load.rates().reads).toBeLessThan(1);
    expect(traffic.load.sample).toBeUndefined();
  });

  test('commits count their rows and bytes', () => {
    const traffic = new Traffic();
    traffic.run(20, 100, (load) => write(load, 1, 2, 3));
    const { requests, writes, writtenBytes } = traffic.load.rates();
    expect(requests).toBeGreaterThan(99);
    expect(writes).toBeCloseTo(3 * requests, 3);
    expect(writtenBytes).toBeCloseTo(300 * requests, 3);
  });

  test('work grows with rows that were not in the cache, and with bytes', () => {
    const [cached, loaded, large] = [new Traffic(), new Traffic(), new Traffic()];
    cached.run(5, 1000, (load) => load.read(rowKey(1), 100));
    loaded.run(5, 1000, (load) => {
      load.read(rowKey(1), 100);
      load.loaded(1);
    });
    large.run(5, 1000, (load) => load.read(rowKey(1), 100_000));
    expect(loaded.load.rates().work).toBeGreaterThan(cached.load.rates().work);
    expect(large.load.rates().work).toBeGreaterThan(loaded.load.rates().work);
  });

  test('a split divides them, a merge unites them', () => {
    const traffic = new Traffic();
    traffic.run(5, 1000, (load) => load.read(rowKey(1), 100));
    const { requests } = traffic.load.rates();
    const right = traffic.book.open();
    traffic.book.divide(traffic.load, right, 0.25);
    expect(right.rates().requests).toBeCloseTo(requests / 4, 6);
    expect(traffic.load.rates().requests).toBeCloseTo((3 * requests) / 4, 6);
    traffic.book.unite(traffic.load, right);
    expect(traffic.load.rates().requests).toBeCloseTo(requests, 6);
    expect(right.rates().requests).toBe(0);
  });
});

test('of a split anywhere, what was sampled tells which half is asked how much', () => {
  const traffic = new Traffic();
  const random = chance(1);
  const share = (id: number): number | undefined =>
    traffic.load.sample?.shareFrom(rowKey(id), WHOLE_TABLE, 0);
  expect(share(500)).toBeUndefined();
  traffic.run(10, 1000, (load) => load.read(rowKey(random(1000)), 80));
  expect(share(0)).toBe(1);
  expect(share(250)).toBeCloseTo(0.75, 1);
  expect(share(900)).toBeCloseTo(0.1, 1);
  const writes = new Traffic();
  writes.run(10, 1000, (load) => write(load, 1, 700));
  expect(writes.load.sample?.shareFrom(rowKey(500), WHOLE_TABLE, 0)).toBe(0.5);
});

describe('the book of a node', () => {
  test('a range gets a clean page, whoever had it before', () => {
    const book = new LoadBook(0);
    const loads = Array.from({ length: 50 }, () => book.open());
    for (const load of loads) load.read(rowKey(1), 10);
    book.sweep(SWEEP_MICROS, 1e9);
    const gone = loads[7];
    if (gone === undefined) throw new Error();
    book.close(gone);
    const fresh = book.open();
    expect(fresh.at).toBe(gone.at);
    expect(fresh.rates().requests).toBe(0);
    for (const load of loads) {
      if (load !== gone) expect(load.rates().requests).toBeGreaterThan(0);
    }
  });

  test('only warm ranges are sampled, and a bounded number of requests of each', () => {
    const book = new LoadBook(0);
    const cold = book.open();
    const warm = book.open();
    let now = 0;
    for (let i = 0; i < 10; i++) {
      for (let k = 0; k < 5000; k++) warm.read(rowKey(k), 10);
      cold.read(rowKey(1), 10);
      book.sweep((now += SWEEP_MICROS), 1000);
    }
    expect(cold.sample).toBeUndefined();
    const before = warm.sample;
    expect(before).toBeDefined();
    // One second's worth: about a third of a full sample.
    for (let k = 0; k < 10_000; k++) warm.read(rowKey(k), 10);
    const fresh = before
      ?.within({ start: rowKey(-1), end: undefined }, now)
      .filter(({ tickMicros }) => tickMicros === now);
    expect(fresh?.length).toBeGreaterThan(100);
    expect(fresh?.length).toBeLessThan(300);
  });

  test('of too many warm ranges the rest is not sampled', () => {
    const book = new LoadBook(0);
    const loads = Array.from({ length: 100 }, () => book.open());
    for (const load of loads) for (let k = 0; k < 5000; k++) load.read(rowKey(k), 10);
    book.sweep(SWEEP_MICROS, 1000);
    expect(loads.filter((load) => load.sample !== undefined)).toHaveLength(64);
  });
});
