import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LogTerms } from '../../src/raft/terms.ts';

type Step =
  | { readonly kind: 'append'; readonly rise: number }
  | { readonly kind: 'truncateAfter'; readonly at: number }
  | { readonly kind: 'compactTo'; readonly at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), rise: fc.nat(2) }) },
  fc.record({ kind: fc.constant('truncateAfter' as const), at: fc.nat(100) }),
  fc.record({ kind: fc.constant('compactTo' as const), at: fc.nat(100) }),
);

it('answers the term of every index as a plain list would', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let start = 4;
      // list[i] is the term of index start + i.
      let list = [2];
      let terms = new LogTerms({ index: start, term: 2 });
      for (const next of steps) {
        const last = start + list.length - 1;
        const at = 'at' in next ? start + (next.at % list.length) : last;
        switch (next.kind) {
          case 'append':
            list.push((list[list.length - 1] as number) + next.rise);
            terms.append(list[list.length - 1] as number);
            break;
          case 'truncateAfter':
            list = list.slice(0, at - start + 1);
            terms.truncateAfter(at);
            break;
          case 'compactTo':
            list = list.slice(at - start);
            start = at;
            terms.compactTo(at);
            break;
        }
        terms = terms.copy();
        expect(terms.compacted).toEqual({ index: start, term: list[0] });
        expect(terms.lastIndex).toBe(start + list.length - 1);
        expect(terms.lastTerm).toBe(list[list.length - 1]);
        for (let i = -1; i <= list.length; i++) expect(terms.termAt(start + i)).toBe(list[i]);
      }
    }),
  );
});
