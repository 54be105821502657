import type { Random } from '../../src/runtime/runtime.ts';

/** Gives the numbers listed, then zeros. */
export function scriptedRandom(numbers: readonly number[]): Random {
  let at = 0;
  const random: Random = {
    uint32: () => (numbers[at++] ?? 0) >>> 0,
    below: (bound) => random.uint32() % bound,
    fork: () => random,
  };
  return random;
}
