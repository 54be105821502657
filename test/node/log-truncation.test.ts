import { describe, expect, it } from 'vitest';
import {
  LogTruncation,
  type LogTruncationParts,
  type TruncatedRange,
} from '../../src/node/ranges/log-truncation.ts';
import type { AppliedRange, Shard } from '../../src/storage/shard.ts';

const RANGE = 4;

interface Bench {
  readonly truncation: LogTruncation;
  readonly cuts: number[];
  readonly broken: unknown[];
  /** Runs the timer that is due. */
  readonly look: () => void;
}

function bench(
  applied: () => number,
  flush: () => Promise<readonly AppliedRange[]>,
  entryBytes = 100,
): Bench {
  const cuts: number[] = [];
  const broken: unknown[] = [];
  let due: () => void = () => undefined;
  const range: TruncatedRange = {
    range: RANGE,
    shard: { flush } as Shard,
    get appliedIndex() {
      return applied();
    },
    bytesBetween: (after, last) => (last - after) * entryBytes,
    truncate: (index) => cuts.push(index),
  };
  const parts: LogTruncationParts = {
    timers: {
      after: (_micros, run) => {
        due = run;
        return { [Symbol.dispose]: () => undefined };
      },
      soon: () => undefined,
    },
    faults: { sometimes: () => false, reached: () => {} },
    ranges: () => [range],
    entriesPerFlush: 10,
    bytesPerFlush: 5_000,
    broken: (error) => broken.push(error),
  };
  return { truncation: new LogTruncation(parts), cuts, broken, look: () => due() };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the log is cut (P30)', () => {
  it('after few entries when they are large', async () => {
    let applied = 0;
    const flushed = { range: RANGE, appliedIndex: 4, records: new Map(), isInstalling: false };
    const { truncation, cuts, look } = bench(
      () => applied,
      async () => [flushed],
      1_000,
    );
    truncation.start();
    applied = 4;
    look();
    await settle();
    expect(cuts).toEqual([]);
    applied = 5;
    look();
    await settle();
    expect(cuts).toEqual([4]);
  });

  it('at what the flush made durable of its own range, not at what is applied', async () => {
    let applied = 0;
    const { truncation, cuts, look } = bench(
      () => applied,
      async () => [
        { range: 1, appliedIndex: 999, records: new Map(), isInstalling: false },
        { range: RANGE, appliedIndex: 12, records: new Map(), isInstalling: false },
      ],
    );
    truncation.start();
    applied = 9;
    look();
    await settle();
    expect(cuts).toEqual([]);
    applied = 25;
    look();
    await settle();
    expect(cuts).toEqual([12]);
  });

  it('of every range of the shard that was flushed, when all together have written enough', async () => {
    const cuts: string[] = [];
    let flushes = 0;
    let due: () => void = () => undefined;
    const shard = {
      flush: async () => {
        flushes++;
        return [1, 2].map((range) => ({
          range,
          appliedIndex: 6,
          records: new Map(),
          isInstalling: false,
        }));
      },
    } as unknown as Shard;
    const idle = { flush: () => Promise.reject(new Error('nothing was applied')) } as never;
    let applied = 0;
    const range = (id: number, on: Shard): TruncatedRange => ({
      range: id,
      shard: on,
      get appliedIndex() {
        return on === shard ? applied : 0;
      },
      bytesBetween: () => 0,
      truncate: (index) => cuts.push(`${id}: ${index}`),
    });
    const truncation = new LogTruncation({
      timers: {
        after: (_micros, run) => {
          due = run;
          return { [Symbol.dispose]: () => undefined };
        },
        soon: () => undefined,
      },
      faults: { sometimes: () => false, reached: () => {} },
      ranges: () => [range(1, shard), range(2, shard), range(3, idle)],
      entriesPerFlush: 10,
      bytesPerFlush: 5_000,
      broken: (error) => cuts.push(String(error)),
    });
    truncation.start();
    applied = 4;
    due();
    await settle();
    expect(flushes).toBe(0);
    applied = 6;
    due();
    await settle();
    expect(flushes).toBe(1);
    expect(cuts).toEqual(['1: 6', '2: 6']);
  });

  it('not before the flush is through, and not at all when it fails: that stops the node', async () => {
    let fail: (error: Error) => void = () => undefined;
    let applied = 0;
    const { truncation, cuts, broken, look } = bench(
      () => applied,
      () =>
        new Promise((_resolve, reject) => {
          fail = reject;
        }),
    );
    truncation.start();
    applied = 50;
    look();
    await settle();
    expect(cuts).toEqual([]);
    const error = new Error('input/output error');
    fail(error);
    await settle();
    expect(cuts).toEqual([]);
    expect(broken).toEqual([error]);
  });
});
