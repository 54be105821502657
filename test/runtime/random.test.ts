import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AssertionError } from '../../src/base/assert.ts';
import { createRandom } from '../../src/runtime/node/random.ts';
import type { Random } from '../../src/runtime/runtime.ts';

const draw = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => random.uint32());

it('differs from run to run, and gives unsigned 32 bits', () => {
  const numbers = draw(createRandom(), 2000);
  expect(draw(createRandom(), 8)).not.toEqual(numbers.slice(0, 8));
  expect(numbers.every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32)).toBe(true);
  expect(new Set(numbers).size).toBeGreaterThan(1990);
});

it('is below the bound, for any bound', () => {
  const random = createRandom();
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (bound) => {
      const value = random.below(bound);
      expect(Number.isSafeInteger(value) && value >= 0 && value < bound).toBe(true);
    }),
  );
  expect(() => random.below(0)).toThrow(AssertionError);
});

it('reaches every number below a small bound', () => {
  const random = createRandom();
  const seen = new Set(Array.from({ length: 1000 }, () => random.below(6)));
  expect(seen).toEqual(new Set([0, 1, 2, 3, 4, 5]));
});

it('forks by label: the same one gives the same stream, whenever it is asked for', () => {
  const random = createRandom();
  const first = draw(random.fork('raft'), 5);
  random.uint32();
  expect(draw(random.fork('raft'), 5)).toEqual(first);
  expect(draw(random.fork('txn'), 5)).not.toEqual(first);
  expect(draw(createRandom().fork('raft'), 5)).not.toEqual(first);
});
