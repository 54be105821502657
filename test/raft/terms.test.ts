import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ENTRY_OVERHEAD_BYTES, LogTerms } from '../../src/raft/terms.ts';

type Step =
  | { readonly kind: 'append'; readonly rise: number; readonly bytes: number }
  | { readonly kind: 'truncateAfter'; readonly at: number }
  | { readonly kind: 'compactTo'; readonly at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      rise: fc.nat(2),
      bytes: fc.nat(100),
    }),
  },
  fc.record({ kind: fc.constant('truncateAfter' as const), at: fc.nat(100) }),
  fc.record({ kind: fc.constant('compactTo' as const), at: fc.nat(100) }),
);

it('answers terms, bytes and positions as a plain list would', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let start = 4;
      // list[i] is the term of index start + i.
      let list = [2];
      /** sizes[i] is what the entry start + i weighs. */
      let sizes = [0];
      let terms = new LogTerms({ index: start, term: 2 });
      for (const next of steps) {
        const last = start + list.length - 1;
        const at = 'at' in next ? start + (next.at % list.length) : last;
        switch (next.kind) {
          case 'append':
            list.push((list[list.length - 1] as number) + next.rise);
            sizes.push(next.bytes + ENTRY_OVERHEAD_BYTES);
            terms.append(list[list.length - 1] as number, next.bytes);
            break;
          case 'truncateAfter':
            list = list.slice(0, at - start + 1);
            sizes = sizes.slice(0, at - start + 1);
            terms.truncateAfter(at);
            break;
          case 'compactTo':
            list = list.slice(at - start);
            sizes = sizes.slice(at - start);
            start = at;
            terms.compactTo(at);
            break;
        }
        terms = terms.copy();
        expect(terms.compacted).toEqual({ index: start, term: list[0] });
        expect(terms.lastIndex).toBe(start + list.length - 1);
        expect(terms.lastTerm).toBe(list[list.length - 1]);
        for (let i = -1; i <= list.length; i++) expect(terms.termAt(start + i)).toBe(list[i]);
        const sum = (from: number, to: number): number =>
          sizes.slice(from + 1, to + 1).reduce((total, size) => total + size, 0);
        for (let i = 0; i < list.length; i++) {
          expect(terms.bytesBetween(start, start + i)).toBe(sum(0, i));
          expect(terms.bytesBetween(start + i, terms.lastIndex)).toBe(sum(i, list.length - 1));
          const asked = (list[i] as number) + (i % 3) - 1;
          let expected = i;
          while (expected > 0 && (list[expected] as number) > asked) expected--;
          expect(terms.lastPositionWithin(start + i, asked)).toEqual({
            index: start + expected,
            term: list[expected],
          });
          if (i === 0) continue;
          let last = i;
          while (last + 1 < list.length && sum(i - 1, last + 1) <= 250) last++;
          expect(terms.lastWithin(start + i, 250)).toBe(start + last);
        }
      }
    }),
  );
});

it('knows what follows a long backlog that has gone', () => {
  const terms = new LogTerms({ index: 0, term: 1 });
  for (let i = 1; i <= 100_000; i++) terms.append(1, i % 10);
  terms.compactTo(99_000);
  let bytes = 0;
  for (let i = 99_001; i <= 100_000; i++) bytes += (i % 10) + ENTRY_OVERHEAD_BYTES;
  expect(terms.bytesBetween(0, 100_000)).toBe(bytes);
  expect(terms.copy().bytesBetween(99_500, 99_501)).toBe(1 + ENTRY_OVERHEAD_BYTES);
});
