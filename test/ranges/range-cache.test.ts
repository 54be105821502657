// What a router knows of ranges, against a model that looks at all descriptors it was ever told.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { holdsKey, overlaps, type RangeDescriptor } from '../../src/ranges/descriptor.ts';
import { RangeCache } from '../../src/ranges/routing/range-cache.ts';
import { history } from './range-histories.ts';

const everyKey = Array.from({ length: 42 }, (_, n) =>
  n === 0 ? new Uint8Array(0) : Uint8Array.of(n),
);

function check(cache: RangeCache): void {
  const routes = cache.all();
  for (let i = 1; i < routes.length; i++) {
    const before = routes[i - 1];
    const after = routes[i];
    if (before === undefined || after === undefined) continue;
    expect(compareBytes(before.start, after.start)).toBeLessThan(0);
    expect(overlaps(before.span, after.span)).toBe(false);
  }
  expect(new Set(routes.map(({ range }) => range)).size).toBe(routes.length);
  for (const route of routes) expect(cache.in(route.range)).toBe(route);
  for (const key of everyKey) {
    expect(cache.find(key)).toBe(routes.find((route) => route.holds(key)));
    const before = routes.find(
      ({ start, end }) =>
        compareBytes(start, key) < 0 && (end === undefined || compareBytes(key, end) <= 0),
    );
    expect(cache.findBefore(key)).toBe(before);
  }
  const last = routes.at(-1);
  expect(cache.findBefore(undefined)).toBe(last?.end === undefined ? last : undefined);
}

describe('what a router knows of ranges', () => {
  it('never overlaps, whatever it is told in whatever order', () => {
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat(1_000)), ({ all, now }, picks) => {
        const cache = new RangeCache();
        for (let i = 0; i < all.length; i++) {
          cache.insert(all[picks.next().value % all.length] as RangeDescriptor);
          check(cache);
        }
        // What is true now prevails, in whatever order it comes.
        const order = [...now].sort(() => (picks.next().value % 2) - 0.5);
        for (const one of order) cache.insert(one);
        check(cache);
        for (const key of everyKey) {
          expect(cache.find(key)?.descriptor).toEqual(now.find((one) => holdsKey(one, key)));
        }
        for (const one of all) expect(cache.insert(one)).toBeUndefined();
        for (const route of [...cache.all()]) {
          if (picks.next().value % 2 === 0) cache.remove(route);
          check(cache);
        }
      }),
      { numRuns: 40 },
    );
  });
});
