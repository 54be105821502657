// What a router knows of ranges, against a model that looks at all descriptors it was ever told.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { MIN_TIMESTAMP } from '../../src/clock/timestamp.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import { holdsKey, overlaps, type RangeDescriptor } from '../../src/ranges/descriptor.ts';
import { RangeCache } from '../../src/ranges/range-cache.ts';

function descriptor(
  range: number,
  generation: number,
  start: number,
  end: number | undefined,
): RangeDescriptor {
  const key = (n: number): Uint8Array => (n === 0 ? new Uint8Array(0) : Uint8Array.of(n));
  return {
    range,
    span: { start: key(start), end: end === undefined ? undefined : key(end) },
    generation,
    configuration: configurationOf([1]),
    nextIncarnation: 1,
    stickyUntil: MIN_TIMESTAMP,
  };
}

/** Splits and merges of the keyspace: what was ever true, in the order in which it became so. */
const history = fc
  .array(fc.tuple(fc.boolean(), fc.nat(99), fc.integer({ min: 1, max: 40 })), { maxLength: 30 })
  .map((steps) => {
    let now = [descriptor(1, 1, 0, undefined)];
    const all = [...now];
    let lastId = 1;
    for (const [isSplit, pick, at] of steps) {
      const i = pick % now.length;
      const one = now[i] as RangeDescriptor;
      const next = now[i + 1];
      const start = one.span.start[0] ?? 0;
      const end = one.span.end?.[0];
      let made: RangeDescriptor[];
      if (isSplit && at > start && (end === undefined || at < end)) {
        const generation = one.generation + 1;
        made = [
          descriptor(one.range, generation, start, at),
          descriptor(++lastId, generation, at, end),
        ];
        now = [...now.slice(0, i), ...made, ...now.slice(i + 1)];
      } else if (!isSplit && next !== undefined) {
        const generation = Math.max(one.generation, next.generation) + 1;
        made = [descriptor(one.range, generation, start, next.span.end?.[0])];
        now = [...now.slice(0, i), ...made, ...now.slice(i + 2)];
      } else {
        continue;
      }
      all.push(...made);
    }
    return { all, now };
  });

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
