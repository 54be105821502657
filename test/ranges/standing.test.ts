// Which keys a transaction has locked in a range: what it tells must hold all of them, and little else.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, keyAfter } from '../../src/base/bytes.ts';
import { overlaps } from '../../src/ranges/descriptor.ts';
import type { Span } from '../../src/ranges/requests.ts';
import { Stand } from '../../src/ranges/standing.ts';

const SESSION = { range: 3, generation: 1, term: 1, session: 1 };
const key = (n: number): Uint8Array => Uint8Array.of(n >> 8, n);
const keyOrSpan = fc.oneof(
  fc.nat(2000),
  fc.tuple(fc.nat(2000), fc.nat(40)).map(([from, more]): Span => {
    return { start: key(from), end: more === 0 ? undefined : key(from + more) };
  }),
);

function isCovered({ spans }: Stand, one: Uint8Array): boolean {
  return spans.some((span) => overlaps(span, { start: one, end: keyAfter(one) }));
}

describe('where a transaction stands', () => {
  it('is all that it has locked, in order, however much that is', () => {
    fc.assert(
      fc.property(fc.array(keyOrSpan, { minLength: 1, maxLength: 60 }), (all) => {
        const stand = Stand.ofKey(SESSION, key(1000));
        for (const one of all) {
          if (typeof one === 'number') stand.coverKey(key(one));
          else stand.coverSpan(one);
        }
        for (const one of all) {
          if (typeof one === 'number') expect(isCovered(stand, key(one))).toBe(true);
          else {
            expect(isCovered(stand, one.start)).toBe(true);
            if (one.end === undefined) expect(isCovered(stand, key(60_000))).toBe(true);
            else {
              const [high = 0, low = 0] = one.end;
              expect(isCovered(stand, key(high * 256 + low - 1))).toBe(true);
            }
          }
        }
        const { spans } = stand;
        expect(spans.length).toBeLessThanOrEqual(16);
        for (let i = 1; i < spans.length; i++) {
          const { end } = spans[i - 1] as Span;
          expect(end !== undefined && compareBytes(end, (spans[i] as Span).start) <= 0).toBe(true);
        }
        expect(stand.span).toEqual({ start: spans[0]?.start, end: spans.at(-1)?.end });
      }),
    );
  });

  it('is not what lies between a few keys', () => {
    const stand = Stand.ofKey(SESSION, key(5));
    stand.coverKey(key(95));
    stand.coverSpan({ start: key(40), end: key(50) });
    expect([4, 6, 39, 50, 94, 96].filter((n) => isCovered(stand, key(n)))).toEqual([]);
    expect([5, 40, 49, 95].every((n) => isCovered(stand, key(n)))).toBe(true);
  });
});
