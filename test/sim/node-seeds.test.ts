// The whole node in simulated time, with faults: every promise held, for fixed seeds, and for more of them and a fresh
// one where there is time (test/support/depth.ts).

import { describe, expect, it } from 'vitest';
import { type NodeRunReport, runNode } from '../../src/sim/node-run.ts';
import { moreSeeds } from '../support/depth.ts';
import { mean } from './mean.ts';

const SECONDS = 60;
const seeds = Array.from({ length: moreSeeds ?? 3 }, (_, i) => i + 1);
if (moreSeeds !== undefined) seeds.push(Math.floor(Math.random() * 0x100000000));

describe('a simulated node', () => {
  /** Those of the fixed seeds. */
  const reports: NodeRunReport[] = [];

  it.each(seeds)('keeps its promises: seed %i', async (seed) => {
    // Every third one with several shards, of which one has the range.
    const shards = seed % 3 === 0 ? 3 : 1;
    const isFresh = seed > seeds.length;
    if (isFresh) {
      console.log(
        `fresh: meridian simulate database --nodes 1 --seed ${seed} --seconds ${SECONDS} --shards ${shards}`,
      );
    }
    const report = await runNode({ seed, seconds: SECONDS, shards });
    if (!isFresh) reports.push(report);
  });

  // Seeds differ in what goes wrong, and so in how much is done meanwhile: together they must be worth counting.
  it('had enough to do', () => {
    expect(
      Math.min(...reports.map(({ simulatedSeconds }) => simulatedSeconds)),
    ).toBeGreaterThanOrEqual(SECONDS);
    expect(mean(reports, ({ operations }) => operations)).toBeGreaterThanOrEqual(500);
    expect(mean(reports, ({ acknowledged }) => acknowledged)).toBeGreaterThanOrEqual(300);
    expect(mean(reports, ({ faults }) => faults.length)).toBeGreaterThanOrEqual(3);
  });
});
