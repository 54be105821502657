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
  { length: more === undefined ? 2 : Math.ceil(Number(more) / 5) },
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

  it('does the same again for the same seed, and something else for another', async () => {
    const first = await runCluster({ seed: 7, seconds: 5 });
    expect(await runCluster({ seed: 7, seconds: 5 })).toEqual(first);
    expect((await runCluster({ seed: 8, seconds: 5 })).traceHash).not.toBe(first.traceHash);
  });
});

interface Planted {
  readonly bug: string;
  readonly plan: PlanName;
  readonly complaint: RegExp;
  readonly whole?: boolean;
}

const BUGS: readonly Planted[] = [
  {
    bug: 'raft.ack-before-sync',
    plan: 'restarts',
    complaint: /damaged|log holds entries|state-machine safety|leader completeness/,
  },
  { bug: 'raft.skip-term-check', plan: 'elections', complaint: /election safety/ },
  { bug: 'raft.forget-vote', plan: 'restarts', complaint: /election safety/ },
  {
    bug: 'raft.count-learner',
    plan: 'learners',
    complaint: /leader completeness|state-machine safety|election safety/,
  },
  {
    bug: 'raft.keep-lease-through-transfer',
    plan: 'transfers',
    complaint: /both hold the lease|linearizable/,
  },
  {
    bug: 'raft.node-ack-extends-lease',
    plan: 'sleepers',
    complaint: /both hold the lease|linearizable/,
  },
  {
    bug: 'ranges.corrupt-apply',
    plan: 'any',
    // The last: what was spoilt is one of the catalog's own numbers, and its reader says so first.
    complaint: /differs from others|hold different rows|u53 beyond/,
    whole: true,
  },
];
const BUG_SECONDS = 40;
const BUG_SEEDS = 6;

describe('bugs on purpose', () => {
  it.each(BUGS)(
    '$bug is found',
    { timeout: 120_000 },
    async ({ bug, plan, complaint, whole = false }) => {
      for (let seed = 1; seed <= BUG_SEEDS; seed++) {
        const options = { seed, seconds: BUG_SECONDS, plan, whole };
        try {
          await runCluster({ ...options, bugs: new Set([bug]) });
        } catch (error) {
          expect((error as Error).message).toMatch(complaint);
          expect(error).toBeInstanceOf(SimulationFailure);
          await runCluster(options);
          return;
        }
      }
      expect.fail(`none of ${BUG_SEEDS} seeds finds ${bug}`);
    },
  );
});
