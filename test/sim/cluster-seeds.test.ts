// Clusters in simulated time, with faults: Raft's invariants, leases and what clients were told held, for fixed seeds,
// and for more of them and a fresh one where there is time (test/support/depth.ts).

import { describe, expect, it } from 'vitest';
import { type ClusterRunReport, runCluster } from '../../src/sim/cluster-run.ts';
import { moreSeeds } from '../support/depth.ts';

const SECONDS = 60;
/** A cluster takes several times as long as a node alone. */
const seeds = Array.from(
  { length: moreSeeds === undefined ? 1 : Math.ceil(moreSeeds / 5) },
  (_, i) => i + 1,
);
if (moreSeeds !== undefined) seeds.push(Math.floor(Math.random() * 0x100000000));

/** A run worth counting as a seed. */
function worthCounting(report: ClusterRunReport): void {
  expect(report.simulatedSeconds).toBeGreaterThanOrEqual(SECONDS);
  expect(report.operations).toBeGreaterThanOrEqual(500);
  expect(report.acknowledged).toBeGreaterThanOrEqual(300);
  expect(report.elections).toBeGreaterThanOrEqual(3);
  expect(report.faults.length).toBeGreaterThanOrEqual(3);
}

/** The one that nobody has run before is printed. */
function tell(seed: number, options: string): void {
  if (seed <= seeds.length) return;
  console.log(`fresh: meridian simulate raft --seed ${seed} --seconds ${SECONDS} ${options}`);
}

describe('a simulated cluster', () => {
  it.each(seeds)('of Raft alone keeps its promises: seed %i', async (seed) => {
    tell(seed, '--plan any');
    worthCounting(await runCluster({ seed, seconds: SECONDS }));
  });

  it.each(seeds)('of whole nodes keeps its promises: seed %i', async (seed) => {
    tell(seed, '--whole --plan any');
    worthCounting(await runCluster({ seed, seconds: SECONDS, whole: true }));
  });
});
