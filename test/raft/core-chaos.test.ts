// Raft's invariants under faults, for many seeds, and that such seeds find known bugs.
import { describe, expect, it } from 'vitest';
import { Chaos, type ChaosCounts, type ChaosOptions } from './chaos.ts';
import type { MemberBug } from './member.ts';

const SHAPES: readonly Pick<ChaosOptions, 'voters' | 'learners'>[] = [
  { voters: 3, learners: 0 },
  { voters: 5, learners: 1 },
  { voters: 7, learners: 0 },
  { voters: 2, learners: 2 },
];
const SEEDS_OF_SHAPE = 30;
const SEEDS_FOR_BUG = 200;

function runSeed(seed: number, bug?: MemberBug): ChaosCounts {
  const shape = SHAPES[seed % SHAPES.length] as (typeof SHAPES)[number];
  return new Chaos({ ...shape, seed, steps: 6000, ...(bug === undefined ? {} : { bug }) }).run();
}

function runSplit(seed: number, bug?: MemberBug): ChaosCounts {
  const steps = 3000;
  const shape = { voters: 3 + (seed % 2) * 2, learners: seed % 3 === 0 ? 1 : 0, isSplit: true };
  try {
    return new Chaos({ ...shape, seed, steps, ...(bug === undefined ? {} : { bug }) }).run();
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
}

/** How the first seed from there on that finds it shows it. */
function findBug(bug: MemberBug, from: number): string | undefined {
  for (let seed = from; seed < from + SEEDS_FOR_BUG; seed++) {
    try {
      runSeed(seed, bug);
    } catch (error) {
      return (error as Error).message;
    }
  }
  return undefined;
}

describe('a cluster of cores', () => {
  it.each(SHAPES)('keeps the promises of figure 3: $voters voters, $learners learners', (shape) => {
    const total: Partial<Record<keyof ChaosCounts, number>> = {};
    for (let i = 0; i < SEEDS_OF_SHAPE; i++) {
      const seed = i * SHAPES.length + SHAPES.indexOf(shape);
      let counts: ChaosCounts;
      try {
        counts = runSeed(seed);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
      for (const [name, count] of Object.entries(counts) as [keyof ChaosCounts, number][]) {
        total[name] = (total[name] ?? 0) + count;
      }
    }
    // It was not idle.
    const { births: _, lateBirths: __, ...usual } = total;
    for (const [name, count] of Object.entries(usual)) expect(count, name).toBeGreaterThan(10);
    expect(total.committed).toBeGreaterThan(1000);
  });

  it('keeps them when a split brings the group about, its replicas born one after the other', () => {
    const total = { births: 0, lateBirths: 0, committed: 0, crashes: 0, elections: 0 };
    for (let seed = 0; seed < SEEDS_OF_SHAPE; seed++) {
      const counts = runSplit(seed);
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counts[name];
    }
    for (const [name, count] of Object.entries(total)) expect(count, name).toBeGreaterThan(10);
  });

  it('breaks them where birth overwrites the term that a replica has moved on to (P26)', () => {
    let found: string | undefined;
    for (let seed = 0; seed < SEEDS_FOR_BUG && found === undefined; seed++) {
      try {
        runSplit(seed, 'overwriteTerm');
      } catch (error) {
        found = (error as Error).message;
      }
    }
    expect(found).toMatch(/election safety|completeness|state-machine safety|log matching/);
  });

  // The search for a rare one begins at a seed that is near.
  it.each([
    ['ackBeforeSync', 30, /does not recover|completeness|state-machine safety/],
    ['forgetVote', 800, /election safety/],
    ['countUnsynced', 1, /completeness|state-machine safety|outside the log/],
    ['entriesFirst', 1, /an entry of a term that was never entered/],
  ] as const)('breaks them where a replica does this: %s', (bug, from, sign) => {
    expect(findBug(bug, from)).toMatch(sign);
  });
});
