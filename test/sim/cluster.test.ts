// Clusters in simulated time, with faults: Raft's invariants, leases and what clients were told held, for fixed seeds,
// and for more of them and a fresh one where there is time (MERIDIAN_SEEDS, set by CI); and each bug that is planted on
// purpose is found by seeds that pass without it.

import { describe, expect, it } from 'vitest';
import { type ClusterRunReport, runCluster } from '../../src/sim/cluster-run.ts';
import type { PlanName } from '../../src/sim/cluster/plans.ts';
import { SimulationFailure } from '../../src/sim/violation.ts';

const SECONDS = 60;
const more = process.env['MERIDIAN_SEEDS'];
/** A cluster takes several times as long as a node alone. */
const seeds = Array.from(
  { length: more === undefined ? 3 : Math.ceil(Number(more) / 4) },
  (_, i) => i + 1,
);
if (more !== undefined) seeds.push(Math.floor(Math.random() * 0x100000000));

/** A run worth counting as a seed. */
function worthCounting(report: ClusterRunReport): void {
  expect(report.simulatedSeconds).toBeGreaterThanOrEqual(SECONDS);
  expect(report.operations).toBeGreaterThanOrEqual(500);
  expect(report.acknowledged).toBeGreaterThanOrEqual(300);
  expect(report.elections).toBeGreaterThanOrEqual(3);
  expect(report.faults.length).toBeGreaterThanOrEqual(3);
}

describe('a simulated cluster', () => {
  it.each(seeds)('keeps its promises: seed %i', async (seed) => {
    if (seed > seeds.length) {
      console.log(`fresh: meridian simulate raft --seed ${seed} --seconds ${SECONDS} --plan any`);
    }
    worthCounting(await runCluster({ seed, seconds: SECONDS }));
  });

  it('does the same again for the same seed, and something else for another', async () => {
    const first = await runCluster({ seed: 7, seconds: 5 });
    expect(await runCluster({ seed: 7, seconds: 5 })).toEqual(first);
    expect((await runCluster({ seed: 8, seconds: 5 })).traceHash).not.toBe(first.traceHash);
  });
});

const BUGS: readonly (readonly [bug: string, plan: PlanName, first: number, complaint: RegExp])[] =
  [
    [
      'raft.ack-before-sync',
      'restarts',
      1,
      /damaged|log holds entries|state-machine safety|leader completeness/,
    ],
    ['raft.skip-term-check', 'elections', 1, /election safety/],
    ['raft.forget-vote', 'restarts', 1, /election safety/],
    [
      'raft.count-learner',
      'learners',
      1,
      /leader completeness|state-machine safety|election safety/,
    ],
    ['raft.keep-lease-through-transfer', 'transfers', 1, /both hold the lease|linearizable/],
    ['raft.node-ack-extends-lease', 'sleepers', 1, /both hold the lease|linearizable/],
  ];
const BUG_SECONDS = 40;
const BUG_SEEDS = 4;

describe('bugs on purpose', () => {
  it.each(BUGS)('%s is found', async (bug, plan, first, complaint) => {
    for (let seed = first; seed < first + BUG_SEEDS; seed++) {
      try {
        await runCluster({ seed, seconds: BUG_SECONDS, plan, bugs: new Set([bug]) });
      } catch (error) {
        expect((error as Error).message).toMatch(complaint);
        expect(error).toBeInstanceOf(SimulationFailure);
        // The same seed without the bug.
        await runCluster({ seed, seconds: BUG_SECONDS, plan });
        return;
      }
    }
    expect.fail(`no seed from ${first} on finds ${bug}`);
  });
});
