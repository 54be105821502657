// Clusters in simulated time: each bug that is planted on purpose is found by seeds that pass without it.
// cluster-seeds.test.ts has runs without.

import { describe, expect, it } from 'vitest';
import { runCluster } from '../../src/sim/cluster-run.ts';
import type { PlanName } from '../../src/sim/cluster/plans.ts';
import { firstToFind } from './planted.ts';

describe('a simulated cluster', () => {
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
  readonly firstSeed?: number;
  readonly seconds?: number;
}

const BUGS: readonly Planted[] = [
  {
    bug: 'raft.ack-before-sync',
    plan: 'restarts',
    complaint: /damaged|log holds entries|state-machine safety|leader completeness/,
  },
  { bug: 'raft.skip-term-check', plan: 'elections', firstSeed: 4, complaint: /election safety/ },
  { bug: 'raft.forget-vote', plan: 'restarts', complaint: /election safety/ },
  {
    bug: 'raft.count-learner',
    plan: 'learners',
    // The last: a node says so itself, before the judge sees it.
    complaint: /leader completeness|state-machine safety|election safety|and said to be of term/,
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
    // The last two: no two replicas are alike; what was spoilt is one of the catalog's numbers, and its reader says so first.
    complaint: /differs from others|hold different rows|no majority of 3 agrees|u53 beyond/,
    whole: true,
    firstSeed: 2,
    seconds: 40,
  },
];
const BUG_SECONDS = 25;

describe('bugs on purpose', () => {
  it.each(BUGS)('$bug is found', async ({ bug, complaint, firstSeed = 1, ...options }) => {
    const common = { seconds: BUG_SECONDS, ...options };
    const { seed, message } = await firstToFind(bug, firstSeed, (tried, bugs) =>
      runCluster({ ...common, seed: tried, bugs }),
    );
    expect(message, message).toMatch(complaint);
    await runCluster({ ...common, seed });
  });
});
