import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlanCache } from '../../../src/sql/parse/index.ts';

describe('the plan cache', () => {
  it('holds what it was given, counts hits and misses, forgets on demand', () => {
    const cache = new PlanCache<number>(2);
    cache.set('a', 1);
    cache.set('a', 2);
    expect([cache.get('a'), cache.get('b'), cache.size]).toEqual([2, undefined, 1]);
    expect([cache.hits, cache.misses]).toEqual([1, 1]);
    cache.delete('a');
    expect(cache.get('a')).toBeUndefined();
    cache.set('b', 3);
    cache.clear();
    expect(cache.size).toBe(0);
  });

  it('drops the one that was not used for longest', () => {
    const cache = new PlanCache<number>(3);
    for (const key of ['a', 'b', 'c']) cache.set(key, 0);
    cache.get('a');
    cache.set('d', 0);
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual([0, undefined, 0, 0]);
  });

  it('keeps what is used all the time, whatever passes through', () => {
    const cache = new PlanCache<number>(20);
    for (let i = 0; i < 1000; i++) {
      cache.set(`passing ${i}`, i);
      for (let k = 0; k < 5; k++) {
        if (cache.get(`hot ${k}`) === undefined) cache.set(`hot ${k}`, k);
      }
    }
    expect(cache.misses).toBe(5);
  });

  it('never grows beyond its capacity, and keeps the newest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.array(fc.nat(30)), (capacity, keys) => {
        const cache = new PlanCache<number>(capacity);
        for (const key of keys) {
          cache.set(String(key), key);
          expect(cache.size).toBeLessThanOrEqual(capacity);
          expect(cache.get(String(key))).toBe(key);
        }
      }),
    );
  });
});
