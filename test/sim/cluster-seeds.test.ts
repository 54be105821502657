// Clusters in simulated time, with faults: Raft's invariants, leases and what clients were told held, for fixed seeds,
// and for more of them and a fresh one where there is time (test/support/depth.ts).

import { describe, expect, it } from 'vitest';
import { type ClusterRunReport, runCluster } from '../../src/sim/cluster-run.ts';
import { moreSeeds } from '../support/depth.ts';
import { mean } from './mean.ts';

const SECONDS = 60;
/** A cluster takes several times as long as a node alone. */
const seeds = Array.from(
  { length: moreSeeds === undefined ? 1 : Math.ceil(moreSeeds / 5) },
  (_, i) => i + 1,
);
if (moreSeeds !== undefined) seeds.push(Math.floor(Math.random() * 0x100000000));

/** Those of the fixed seeds. */
const alone: ClusterRunReport[] = [];
const whole: ClusterRunReport[] = [];

/** Seeds differ in what goes wrong, and so in how much is done meanwhile: together they must be worth counting. */
function worthCounting(reports: readonly ClusterRunReport[]): void {
  expect(Math.min(...reports.map((report) => report.simulatedSeconds))).toBeGreaterThanOrEqual(
    SECONDS,
  );
  expect(mean(reports, (report) => report.operations)).toBeGreaterThanOrEqual(500);
  expect(mean(reports, (report) => report.acknowledged)).toBeGreaterThanOrEqual(300);
  expect(mean(reports, (report) => report.elections)).toBeGreaterThanOrEqual(3);
  expect(mean(reports, (report) => report.faults.length)).toBeGreaterThanOrEqual(3);
}

function isFresh(seed: number): boolean {
  return seed > seeds.length;
}

/** The one that nobody has run before is printed. */
function tell(seed: number, options: string): void {
  if (!isFresh(seed)) return;
  console.log(`fresh: meridian simulate raft --seed ${seed} --seconds ${SECONDS} ${options}`);
}

describe('a simulated cluster', () => {
  it.each(seeds)('of Raft alone keeps its promises: seed %i', async (seed) => {
    tell(seed, '--plan any');
    const report = await runCluster({ seed, seconds: SECONDS });
    if (!isFresh(seed)) alone.push(report);
  });

  it.each(seeds)('of whole nodes keeps its promises: seed %i', async (seed) => {
    tell(seed, '--whole --plan any');
    const report = await runCluster({ seed, seconds: SECONDS, whole: true });
    if (!isFresh(seed)) whole.push(report);
  });

  it('had enough to do', () => {
    worthCounting(alone);
    worthCounting(whole);
  });
});
