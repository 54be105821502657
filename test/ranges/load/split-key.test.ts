import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareBytes } from '../../../src/base/bytes.ts';
import { CHOICE_LIMITS, type SplitChoice } from '../../../src/ranges/load/split-key.ts';
import { chance, idOf, rowKey, Traffic, WHOLE_TABLE, write, zipf } from './traffic.ts';

function balanced(choice: SplitChoice): { at: number; left: number; right: number } {
  expect(choice.kind).toBe('balanced');
  if (choice.kind !== 'balanced') throw new Error();
  return { at: idOf(choice.at), left: choice.left, right: choice.right };
}

function front(choice: SplitChoice): { at: number; side: 'left' | 'right' } {
  expect(choice.kind).toBe('front');
  if (choice.kind !== 'front') throw new Error();
  return { at: idOf(choice.at), side: choice.side };
}

const seeds = fc.integer({ min: 1, max: 1_000_000 });

describe('the key at which a range is split', () => {
  test('uniform reads are halved, wherever the rows lie', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1000, max: 1e9 }), (seed, rows) => {
        const below = chance(seed);
        const traffic = new Traffic();
        traffic.run(5, 2000, (load) => load.read(rowKey(below(rows)), 100));
        const { at, left, right } = balanced(traffic.choose());
        expect(Math.abs(at / rows - 0.5)).toBeLessThan(0.15);
        expect(Math.abs(left - right)).toBeLessThan(0.02);
      }),
      { numRuns: 30 },
    );
  });

  test('what follows Zipf’s law is divided by its work, not by its rows', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const below = chance(seed);
        const rank = zipf(10_000);
        const traffic = new Traffic();
        traffic.run(5, 3000, (load) => load.read(rowKey(rank(below(1e6) / 1e6)), 100));
        const { at, left, right } = balanced(traffic.choose());
        expect(at).toBeLessThan(1000);
        expect(Math.min(left, right)).toBeGreaterThan(0.4);
      }),
      { numRuns: 20 },
    );
  });

  test('halves are split again until one row is left, which is reported', () => {
    const below = chance(7);
    const traffic = new Traffic();
    // One row has four tenths, the rest is even.
    const id = (): number => (below(10) < 4 ? 5000 : below(10_000));
    traffic.run(5, 3000, (load) => load.read(rowKey(id()), 100));
    let span = WHOLE_TABLE;
    const hot = rowKey(5000);
    for (let i = 0; i < 10; i++) {
      const choice = traffic.choose(span, { ...CHOICE_LIMITS, requestsMin: 16 });
      if (choice.kind === 'hotRow') {
        expect(idOf(choice.key)).toBe(5000);
        expect(choice.share).toBeGreaterThan(0.5);
        return;
      }
      const { at } = balanced(choice);
      const isLeft = compareBytes(hot, rowKey(at)) < 0;
      span = isLeft ? { ...span, end: rowKey(at) } : { ...span, start: rowKey(at) };
    }
    expect.unreachable('the hot row was never alone');
  });

  test('one hot row is never split, and told with its key', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 1e12 }), (seed, id) => {
        const below = chance(seed);
        const traffic = new Traffic();
        traffic.run(5, 2000, (load) => write(load, below(20) === 0 ? below(1e9) : id));
        const choice = traffic.choose();
        expect(choice).toMatchObject({ kind: 'hotRow', key: rowKey(id) });
      }),
      { numRuns: 30 },
    );
  });

  test('transactions over two halves that belong together are not torn apart', () => {
    const below = chance(11);
    const traffic = new Traffic();
    // Groups of 100 rows; each transaction stays within its own.
    traffic.run(5, 1000, (load) => {
      const group = below(40) * 100;
      write(load, group + below(100), group + below(100), group + below(100));
    });
    const choice = traffic.choose();
    expect(choice.kind).toBe('balanced');
    if (choice.kind === 'balanced') expect(choice.crossing).toBeLessThan(0.02);
  });

  test('transactions that each write all over the range leave it whole', () => {
    const below = chance(13);
    const traffic = new Traffic();
    traffic.run(5, 1000, (load) => write(load, below(100), 900 + below(100)));
    expect(traffic.choose().kind).toBe('indivisible');
  });

  test('scans of everything are divided where the data has its middle', () => {
    const traffic = new Traffic();
    const table = { start: rowKey(-1), end: rowKey(1000) };
    traffic.run(10, 20, (load) => {
      load.scanOpened(table, false, 0);
      load.scanned(100_000);
    });
    const choice = traffic.choose();
    expect(choice).toEqual({ kind: 'middle', within: table });
  });

  test('scans with a limit count where they begin', () => {
    const below = chance(17);
    const traffic = new Traffic();
    traffic.run(5, 1000, (load) => {
      load.scanOpened({ start: rowKey(below(1000)), end: WHOLE_TABLE.end }, false, 10);
    });
    expect(Math.abs(balanced(traffic.choose()).at - 500)).toBeLessThan(150);
  });

  test('a hot spot that has moved is split where it is now', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const below = chance(seed);
        const traffic = new Traffic();
        traffic.run(30, 2000, (load) => load.read(rowKey(below(1000)), 100));
        traffic.run(5, 2000, (load) => load.read(rowKey(700_000 + below(1000)), 100));
        const { at } = balanced(traffic.choose());
        expect(at).toBeGreaterThan(700_300);
        expect(at).toBeLessThan(700_700);
      }),
      { numRuns: 10 },
    );
  });

  test('nothing is decided by a handful of requests, or by those of an instant', () => {
    const traffic = new Traffic();
    traffic.run(2, 50, (load) => write(load, 1));
    expect(traffic.choose().kind).toBe('unsure');
  });
});

describe('work that moves through the keys', () => {
  test('growing keys: the split lies ahead of them, about as far as they get in the time asked for', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 1e12 }), (seed, first) => {
        const below = chance(seed);
        const traffic = new Traffic();
        let next = first;
        // Eight clients: a little out of order.
        traffic.run(6, 1500, (load) => write(load, next++ - below(8)));
        const { at, side } = front(traffic.choose());
        expect(side).toBe('right');
        expect(at).toBeGreaterThan(next + 1000);
        expect(at).toBeLessThan(next + 6000);
      }),
      { numRuns: 30 },
    );
  });

  test('three nodes with blocks of keys of their own advance side by side', () => {
    const below = chance(19);
    const traffic = new Traffic();
    let nextBlock = 3000;
    const nodes = [0, 1000, 2000];
    traffic.run(8, 3000, (load) => {
      const node = below(3);
      const id = nodes[node] as number;
      nodes[node] = id + 1;
      if ((id + 1) % 1000 === 0) {
        nodes[node] = nextBlock;
        nextBlock += 1000;
      }
      write(load, id);
    });
    const { at, side } = front(traffic.choose());
    expect(side).toBe('right');
    expect(at).toBeGreaterThan(nextBlock - 1000);
  });

  test('reads anywhere don’t hide growing writes', () => {
    const below = chance(23);
    const traffic = new Traffic();
    let next = 1_000_000;
    traffic.run(6, 2000, (load) => {
      if (below(2) === 0) load.read(rowKey(below(next)), 100);
      else write(load, next++);
    });
    expect(front(traffic.choose()).side).toBe('right');
  });

  test('falling keys: the split lies below them', () => {
    const traffic = new Traffic();
    let next = 10_000_000;
    traffic.run(6, 1500, (load) => write(load, next--));
    const { at, side } = front(traffic.choose());
    expect(side).toBe('left');
    expect(at).toBeLessThan(next - 1000);
    expect(at).toBeGreaterThan(next - 6000);
  });

  test('without time to prepare, the split is right behind the last key', () => {
    const traffic = new Traffic();
    let next = 0;
    traffic.run(6, 1500, (load) => write(load, next++));
    const choice = traffic.choose(WHOLE_TABLE, { ...CHOICE_LIMITS, aheadMicros: 0 });
    const { at } = front(choice);
    expect(at).toBeLessThanOrEqual(next);
    expect(at).toBeGreaterThan(next - 20);
  });

  test('a range that the work is about to leave is left alone', () => {
    const traffic = new Traffic();
    let next = 0;
    traffic.run(6, 1500, (load) => write(load, next++));
    expect(traffic.choose({ ...WHOLE_TABLE, end: rowKey(next + 10) }).kind).toBe('indivisible');
  });

  test('uniform work never looks like a movement', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const below = chance(seed);
        const traffic = new Traffic();
        traffic.run(4, 1000, (load) => write(load, below(1000)));
        expect(traffic.choose().kind).toBe('balanced');
      }),
      { numRuns: 100 },
    );
  });
});
