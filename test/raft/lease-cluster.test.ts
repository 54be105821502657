// P1, P2, P3 and P4 on real schedulers: with clocks at the bound nothing is found, beyond it, or with a rule turned off,
// something is.
import { describe, expect, it } from 'vitest';
import { type ClusterOptions, LeaseCluster } from './lease-cluster.ts';

const SEEDS = 4;
const SECONDS = 20;

/** The first clock lets go late and is ahead, the others are quick and behind: the worst that is allowed. */
const AT_THE_BOUND = { driftsPerMillion: [-200, 200, 200], wallErrors: [1, -1, -1] };

/** The first violation that a seed finds. */
async function search(options: Omit<ClusterOptions, 'seed'>): Promise<string | undefined> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const found = await new LeaseCluster({ ...AT_THE_BOUND, ...options, seed }).run(SECONDS);
    if (found !== undefined) return found;
  }
  return undefined;
}

describe('in a cluster with clocks at the bound, no two leaders hold a lease at once or for one timestamp', () => {
  it('through isolation, restarts, transfers and sleep', async () => {
    const totals = { isolate: 0, transfer: 0, restart: 0, asleep: 0, elections: 0, looks: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const cluster = new LeaseCluster({ ...AT_THE_BOUND, seed });
      expect(await cluster.run(SECONDS)).toBeUndefined();
      for (const key of Object.keys(totals) as (keyof typeof totals)[]) {
        totals[key] += cluster.counts[key];
      }
    }
    expect(totals.isolate).toBeGreaterThan(10);
    expect(totals.transfer).toBeGreaterThan(5);
    expect(totals.restart).toBeGreaterThan(5);
    expect(totals.asleep).toBeGreaterThan(5);
    expect(totals.elections).toBeGreaterThan(50);
    expect(totals.looks).toBeGreaterThan(10_000);
  });
});

describe('the same search in a cluster finds', () => {
  const either = /both hold a lease|serve.* above the floor/;

  it('a follower whose promise is over too early: its clock runs too fast', async () => {
    expect(await search({ driftsPerMillion: [0, 0, 100_000] })).toMatch(either);
  });

  it('a leader whose wall is further ahead than it claims', async () => {
    expect(await search({ wallErrors: [5, -5, -5] })).toMatch(/serve.* above the floor/);
  });

  it('a leader that keeps its lease through a transfer (P3)', async () => {
    const bugs = ['raft.keep-lease-through-transfer'];
    expect(await search({ bugs, disturbances: ['transfer'] })).toMatch(either);
  });

  it("a lease that any acknowledgement of a follower's node extends (P4)", async () => {
    const bugs = ['raft.node-ack-extends-lease'];
    expect(await search({ bugs, disturbances: ['isolate', 'rest'] })).toMatch(either);
  });
});
