// The whole node in simulated time, with faults: every promise held, for fixed seeds, and for more of them and a fresh
// one where there is time (test/support/depth.ts).

import { describe, expect, it } from 'vitest';
import { type NodeRunReport, runNode } from '../../src/sim/node-run.ts';
import { moreSeeds } from '../support/depth.ts';

const SECONDS = 60;
const seeds = Array.from({ length: moreSeeds ?? 3 }, (_, i) => i + 1);
if (moreSeeds !== undefined) seeds.push(Math.floor(Math.random() * 0x100000000));

/** A run worth counting as a seed. */
function worthCounting(report: NodeRunReport): void {
  expect(report.simulatedSeconds).toBeGreaterThanOrEqual(SECONDS);
  expect(report.operations).toBeGreaterThanOrEqual(500);
  expect(report.acknowledged).toBeGreaterThanOrEqual(300);
  expect(report.faults.length).toBeGreaterThanOrEqual(3);
}

describe('a simulated node', () => {
  it.each(seeds)('keeps its promises: seed %i', async (seed) => {
    // Every third one with several shards, of which one has the range.
    const shards = seed % 3 === 0 ? 3 : 1;
    if (seed > seeds.length) {
      console.log(
        `fresh: meridian simulate --seed ${seed} --seconds ${SECONDS} --shards ${shards}`,
      );
    }
    worthCounting(await runNode({ seed, seconds: SECONDS, shards }));
  });
});
