// Whole nodes with many ranges in simulated time, while ranges are split, merged and moved and everything goes wrong:
// fixed seeds keep every promise, and bugs that are planted on purpose are found by seeds that pass without them.

import { describe, expect, it } from 'vitest';
import {
  type ClusterRunReport,
  type RangesRunOptions,
  runRanges,
} from '../../src/sim/cluster-run.ts';
import { moreSeeds } from '../support/depth.ts';
import { mean } from './mean.ts';
import { firstToFind } from './planted.ts';

const SECONDS = 10;
const seeds =
  moreSeeds === undefined ? [3] : Array.from({ length: Math.ceil(moreSeeds / 4) }, (_, i) => i + 1);

/** Seeds differ in what goes wrong, and so in how much is done meanwhile: together they must be worth counting. */
function worthCounting(reports: readonly ClusterRunReport[]): void {
  expect(mean(reports, ({ operations }) => operations)).toBeGreaterThanOrEqual(200);
  expect(mean(reports, ({ acknowledged }) => acknowledged)).toBeGreaterThanOrEqual(80);
  expect(mean(reports, ({ faults }) => faults.length)).toBeGreaterThanOrEqual(2);
  expect(mean(reports, ({ notes }) => notes['split'] ?? 0)).toBeGreaterThanOrEqual(1);
  expect(mean(reports, ({ notes }) => notes['transfers'] ?? 0)).toBeGreaterThanOrEqual(10);
}

describe('simulated ranges', () => {
  const reports: ClusterRunReport[] = [];

  it.each(seeds)('keep their promises: seed %i', async (seed) => {
    reports.push(await runRanges({ seed, seconds: SECONDS }));
  });

  it('had enough to do', () => worthCounting(reports));

  it('do the same again for the same seed', async () => {
    const options = { seed: 7, seconds: 2 };
    expect(await runRanges(options)).toEqual(await runRanges(options));
  });
});

interface Planted extends Pick<RangesRunOptions, 'plan'> {
  /** The first that is tried: it finds it, most likely. */
  readonly seed: number;
  /** Left out: as many as seeds have. */
  readonly seconds?: number;
  readonly bug: string;
  readonly complaint: RegExp;
}

const BUGS: readonly Planted[] = [
  {
    bug: 'raft.birth-overwrites-term',
    plan: 'splits',
    seed: 4,
    complaint: /went back from term|election safety/,
  },
  {
    bug: 'raft.drop-tombstone',
    plan: 'replicas',
    seed: 1,
    complaint: /went back from term|leader completeness/,
  },
  {
    bug: 'ranges.believe-stale-route',
    plan: 'hot',
    seed: 5,
    seconds: 4,
    complaint: /the accounts hold/,
  },
  {
    // P24
    bug: 'ranges.read-collected',
    seed: 4,
    seconds: 4,
    complaint: /the accounts hold/,
  },
  {
    bug: 'ranges.merge-unfrozen',
    plan: 'hot',
    seed: 50,
    complaint:
      /P27: range \d+ is not frozen|"kind":"different"|the accounts hold|is half there|not linearizable|locked what is prepared/,
  },
];

describe('bugs on purpose', () => {
  it.each(BUGS)('$bug is found', async ({ bug, complaint, seed: first, ...options }) => {
    const common = { seconds: SECONDS, ...options };
    const { seed, message } = await firstToFind(bug, first, (tried, bugs) =>
      runRanges({ ...common, seed: tried, bugs }),
    );
    expect(message, message).toMatch(complaint);
    await runRanges({ ...common, seed });
  });
});
