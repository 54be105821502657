import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, hashBytes, utf8 } from '../../src/base/bytes.ts';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/clock/timestamp.ts';
import { type CachedRow, RowCache } from '../../src/storage/row-cache.ts';

const time = (t: number): Timestamp => t as Timestamp;
const key = (n: number): Uint8Array => utf8(`key ${n}`);
const hashOf = (k: Uint8Array): number => hashBytes(k);

/** 'miss', or what it says: timestamp and value. */
function look(
  cache: RowCache,
  k: Uint8Array,
  t: number,
): 'miss' | { at: number; value: string | undefined } {
  const into: CachedRow = { bytes: new Uint8Array(0), offset: 0, length: -1, timestamp: time(0) };
  if (cache.lookup(k, hashOf(k), time(t), into) === 'miss') return 'miss';
  const value = into.bytes.subarray(into.offset, into.offset + into.length);
  return {
    at: into.timestamp,
    value: into.length < 0 ? undefined : Buffer.from(value).toString('latin1'),
  };
}

const put = (cache: RowCache, k: Uint8Array, at: number, value: string | undefined): void => {
  cache.put(k, hashOf(k), time(at), value === undefined ? undefined : Buffer.from(value, 'latin1'));
};
const version = (at: number, value: string | undefined, isNewest = true) => {
  return { timestamp: time(at), value: value === undefined ? undefined : utf8(value), isNewest };
};

describe('row cache', () => {
  it('answers only at or above the version that it has (P14)', () => {
    const cache = new RowCache(1 << 16);
    put(cache, key(1), 10, 'a');
    expect(look(cache, key(1), 9)).toBe('miss');
    expect(look(cache, key(1), 10)).toEqual({ at: 10, value: 'a' });
    expect(look(cache, key(1), MAX_TIMESTAMP)).toEqual({ at: 10, value: 'a' });
    put(cache, key(1), 20, undefined);
    expect(look(cache, key(1), 19)).toBe('miss');
    expect(look(cache, key(1), 20)).toEqual({ at: 20, value: undefined });
  });

  it('keeps the newer of two versions, whichever comes first', () => {
    const cache = new RowCache(1 << 16);
    put(cache, key(1), 20, 'new');
    put(cache, key(1), 10, 'old');
    expect(look(cache, key(1), 30)).toEqual({ at: 20, value: 'new' });
  });

  it('keeps large timestamps, empty values and values of growing sizes', () => {
    const cache = new RowCache(1 << 16);
    for (let size = 0; size < 200; size++) {
      const at = 2 ** 52 + size;
      put(cache, key(1), at, 'x'.repeat(size));
      expect(look(cache, key(1), at)).toEqual({ at, value: 'x'.repeat(size) });
      expect(look(cache, key(1), at - 1)).toBe('miss');
    }
  });

  it('forgets the old version of a row that has become too large to keep', () => {
    const cache = new RowCache(1 << 16);
    put(cache, key(1), 10, 'small');
    put(cache, key(1), 20, 'x'.repeat(1 << 16));
    expect(look(cache, key(1), 30)).toBe('miss');
    put(cache, utf8('k'.repeat(5000)), 10, 'x');
    expect(look(cache, utf8('k'.repeat(5000)), 30)).toBe('miss');
  });

  it('refuses to be filled by a read that something overtook (P14)', () => {
    const overtakers: [string, (cache: RowCache) => void][] = [
      ['a proposal', (cache) => cache.proposed(hashOf(key(1)))],
      ['a commit', (cache) => put(cache, key(1), 20, 'new')],
      ['the loss of the span', (cache) => cache.dropSpan({ start: key(1), end: undefined })],
      ['the loss of everything', (cache) => cache.clear()],
    ];
    for (const [, overtake] of overtakers) {
      const cache = new RowCache(1 << 16);
      const token = cache.readToken(hashOf(key(1)));
      overtake(cache);
      cache.fill(key(1), hashOf(key(1)), version(10, 'stale'), token);
      const found = look(cache, key(1), 100);
      expect(found === 'miss' || found.value === 'new').toBe(true);
      const later = cache.readToken(hashOf(key(1)));
      cache.fill(key(1), hashOf(key(1)), version(30, 'fresh'), later);
      expect(look(cache, key(1), 100)).toEqual({ at: 30, value: 'fresh' });
    }
  });

  it('is not filled by a version that was not the newest (P14)', () => {
    const cache = new RowCache(1 << 16);
    const token = cache.readToken(hashOf(key(1)));
    cache.fill(key(1), hashOf(key(1)), version(10, 'old', false), token);
    expect(look(cache, key(1), 100)).toBe('miss');
  });

  it('drops a span, and takes its rows again afterwards', () => {
    const cache = new RowCache(1 << 18);
    for (let n = 0; n < 100; n++) put(cache, key(n), 10, `old ${n}`);
    cache.dropSpan({ start: key(3), end: key(5) });
    for (let n = 0; n < 100; n++) {
      const inside = compareBytes(key(n), key(3)) >= 0 && compareBytes(key(n), key(5)) < 0;
      expect(look(cache, key(n), 20)).toEqual(inside ? 'miss' : { at: 10, value: `old ${n}` });
    }
    put(cache, key(4), 30, 'new');
    expect(look(cache, key(4), 40)).toEqual({ at: 30, value: 'new' });
    expect(look(cache, key(40), 40)).toBe('miss');
  });

  it('stays within its bytes, and keeps what is asked for over what is not', () => {
    const bytesMax = 1 << 20;
    const cache = new RowCache(bytesMax);
    const hot = Array.from({ length: 200 }, (_, n) => key(n));
    // Among the cold ones, so that they move when their segment is reused.
    hot.forEach((k, n) => {
      put(cache, k, 1, `hot ${n}`.padEnd(100));
      put(cache, key(500_000 + n), 1, 'cold'.padEnd(50));
    });
    for (let n = 1000; n < 60_000; n++) {
      put(cache, key(n), 1, 'cold'.padEnd(100));
      if (n % 10 !== 0) continue;
      const i = (n / 10) % hot.length;
      expect(look(cache, hot[i] as Uint8Array, 5)).toEqual({
        at: 1,
        value: `hot ${i}`.padEnd(100),
      });
    }
    expect(cache.stats().bytes).toBeLessThanOrEqual(bytesMax);
    expect(cache.stats().entries).toBeGreaterThan(4000);
  });

  it('bounds the number of small rows too', () => {
    const cache = new RowCache(1 << 20);
    for (let n = 0; n < 100_000; n++) put(cache, Uint8Array.of(n >>> 16, n >>> 8, n), 1, '');
    expect(cache.stats().entries).toBeLessThanOrEqual((1 << 14) * 0.75);
    expect(look(cache, Uint8Array.of(99_999 >>> 16, 99_999 >>> 8, 99_999), 5)).toEqual({
      at: 1,
      value: '',
    });
  });

  it('takes memory only as it fills', () => {
    const cache = new RowCache();
    put(cache, key(1), 1, 'x');
    expect(cache.stats().bytes).toBeLessThan(16 << 20);
  });

  it('never returns a stale or foreign value, under random puts, fills, drops and lookups', () => {
    // Few keys, so that they meet; a small cache and values of many sizes, so that segments are reused all the time.
    const number = fc.nat(60);
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.constant('put' as const), number, fc.nat(230)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('remove' as const), number, fc.constant(0)) },
      { weight: 4, arbitrary: fc.tuple(fc.constant('fill' as const), number, fc.nat(5)) },
      { weight: 6, arbitrary: fc.tuple(fc.constant('look' as const), number, fc.nat(30)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('drop' as const), number, number) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('clear' as const), fc.constant(0), fc.nat(9)) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 300, maxLength: 600 }), (steps) => {
        const cache = new RowCache(16 << 10);
        /** The truth: all versions of each key. */
        const truth = new Map<number, { at: number; value: string | undefined }[]>();
        const newestOf = (n: number, t: number) => {
          return (
            truth
              .get(n)
              ?.filter(({ at }) => at <= t)
              .at(-1) ?? { at: 0, value: undefined }
          );
        };
        /** Reads that have begun and not ended. */
        const reads: {
          n: number;
          token: number;
          found: { at: number; value: string | undefined };
        }[] = [];
        let now = 1;
        for (const [kind, n, m] of steps) {
          now++;
          switch (kind) {
            case 'put':
            case 'remove': {
              const value = kind === 'remove' ? undefined : `${n}:${now}:`.padEnd(m, '.');
              truth.set(n, [...(truth.get(n) ?? []), { at: now, value }]);
              put(cache, key(n), now, value);
              break;
            }
            case 'fill':
              reads.push({ n, token: cache.readToken(hashOf(key(n))), found: newestOf(n, now) });
              if (reads.length > m) {
                const read = reads.shift() as (typeof reads)[number];
                cache.fill(
                  key(read.n),
                  hashOf(key(read.n)),
                  version(read.found.at, read.found.value),
                  read.token,
                );
              }
              break;
            case 'look': {
              const found = look(cache, key(n), now - m);
              if (found !== 'miss') expect(found).toEqual(newestOf(n, now - m));
              break;
            }
            case 'drop': {
              // Someone else leads for a while: every row in the span changes unseen.
              const [from, to] = [key(Math.min(n, m)), key(Math.max(n, m))];
              cache.dropSpan({ start: from, end: to });
              for (let k = 0; k <= 60; k++) {
                if (compareBytes(key(k), from) < 0 || compareBytes(key(k), to) >= 0) continue;
                expect(look(cache, key(k), MAX_TIMESTAMP)).toBe('miss');
                truth.set(k, [...(truth.get(k) ?? []), { at: now, value: `unseen ${now}` }]);
              }
              break;
            }
            case 'clear':
              if (m === 0) cache.clear();
              break;
          }
        }
      }),
      // Shrinking hundreds of steps would take longer than finding the fault with the seed that is printed.
      { numRuns: 100, endOnFailure: true },
    );
  });
});
