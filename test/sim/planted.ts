// Bugs that are planted on purpose, and the seeds that find them.

import { expect } from 'vitest';
import { SimulationFailure } from '../../src/sim/violation.ts';

/** A change of anything moves the moments, so that another seed may find a bug first: so many are tried. */
const SEEDS_MAX = 12;

/** The first seed from `first` on whose run fails, and with which words. */
export async function firstToFind(
  bug: string,
  first: number,
  run: (seed: number, bugs: ReadonlySet<string>) => Promise<unknown>,
): Promise<{ readonly seed: number; readonly message: string }> {
  for (let seed = first; seed < first + SEEDS_MAX; seed++) {
    try {
      await run(seed, new Set([bug]));
    } catch (error) {
      if (error instanceof SimulationFailure) return { seed, message: error.message };
      throw error;
    }
  }
  return expect.fail(`none of ${SEEDS_MAX} seeds finds ${bug}`);
}
