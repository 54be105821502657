import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Heap } from '../../src/base/heap.ts';

it('hands out what a sorted list would, whatever the order of pushes and pops', () => {
  const step = fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined, freq: 3 });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const heap = new Heap<number>((a, b) => a < b);
      const sorted: number[] = [];
      for (const push of steps) {
        if (push === undefined) {
          expect(heap.pop()).toBe(sorted.shift());
        } else {
          heap.push(push);
          sorted.push(push);
          sorted.sort((a, b) => a - b);
        }
        expect(heap.size).toBe(sorted.length);
        expect(heap.peek()).toBe(sorted[0]);
      }
      expect(heap.drain().toSorted((a, b) => a - b)).toEqual(sorted);
      expect(heap.size).toBe(0);
    }),
  );
});
