// P1, P2, P3 and P4 where they hurt: leaders that are cut off, restarted, asked to hand over, asleep, while the others want
// another; with clocks at the bound nothing is found, beyond it something is.
import { describe, expect, it } from 'vitest';
import { LeaseModel, type ModelOptions } from './lease-model.ts';

const SEEDS = 40;
const SECONDS = 20;
const everything = { restarts: true, transfers: true, sleeps: true, partialOutages: true };

/** The first violation that a seed finds. */
function search(options: Omit<ModelOptions, 'seed'>): string | undefined {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const model = new LeaseModel({ ...options, seed });
    model.run(SECONDS);
    if (model.violations.length > 0) return model.violations[0];
  }
  return undefined;
}

describe('no two leaders hold a lease at once, or for one timestamp (P1)', () => {
  it('with clocks at the bound, through outages, restarts, transfers and sleep', () => {
    const totals = { wins: 0, transfers: 0, sleeps: 0, restarts: 0, served: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const model = new LeaseModel({ ...everything, seed });
      model.run(SECONDS);
      expect(model.violations).toEqual([]);
      for (const key of Object.keys(totals) as (keyof typeof totals)[]) {
        totals[key] += model.counts[key];
      }
    }
    // It was worth looking.
    expect(totals.wins).toBeGreaterThan(500);
    expect(totals.transfers).toBeGreaterThan(100);
    expect(totals.sleeps).toBeGreaterThan(1000);
    expect(totals.restarts).toBeGreaterThan(100);
    expect(totals.served).toBeGreaterThan(10_000);
  });

  it('with five nodes and more groups', () => {
    for (let seed = 1; seed <= SEEDS / 4; seed++) {
      const model = new LeaseModel({ ...everything, nodes: 5, groups: 4, seed });
      model.run(SECONDS / 2);
      expect(model.violations).toEqual([]);
    }
  });
});

describe('the same search finds', () => {
  it('two holders at once where monotonic clocks drift beyond the bound', () => {
    const found = search({
      ...everything,
      driftPerMillion: 20_000,
      // The wider now() is, the earlier a lease ends by its timestamp end.
      uncertaintyMicros: 100,
      ignoresTimestamps: true,
    });
    expect(found).toMatch(/hold a lease/);
  });

  it('a timestamp of two leaders where monotonic clocks drift beyond the bound', () => {
    expect(search({ ...everything, driftPerMillion: 5_000 })).toMatch(/serve.* above the floor/);
  });

  it('a timestamp of two leaders where walls are off by a tenth more than they claim', () => {
    expect(search({ ...everything, wallError: 1.1 })).toMatch(/serve.* above the floor/);
  });

  it('a leader that keeps its lease through a transfer (P3)', () => {
    const bugs = ['raft.keep-lease-through-transfer'];
    expect(search({ transfers: true, bugs })).toMatch(/above the floor|hold a lease/);
  });

  it("a lease that any acknowledgement of a follower's node extends (P4)", () => {
    const bugs = ['raft.node-ack-extends-lease'];
    const found = search({ partialOutages: true, bugs, ignoresTimestamps: true });
    expect(found).toMatch(/hold a lease/);
  });
});
