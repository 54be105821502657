// The whole node in simulated time, with faults: every promise held, for fixed seeds, and for more of them and a fresh
// one where there is time (MERIDIAN_SEEDS, set by CI); and each bug that is planted on purpose is found.

import { describe, expect, it } from 'vitest';
import { type NodeRunReport, runNode, SimulationFailure } from '../../src/sim/node-run.ts';

const SECONDS = 60;
const more = process.env['MERIDIAN_SEEDS'];
const seeds = Array.from({ length: Number(more ?? 12) }, (_, i) => i + 1);
if (more !== undefined) seeds.push(Math.floor(Math.random() * 0x100000000));

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

  it('does the same again for the same seed, and something else for another', async () => {
    const first = await runNode({ seed: 7, seconds: 5 });
    expect(await runNode({ seed: 7, seconds: 5 })).toEqual(first);
    expect((await runNode({ seed: 8, seconds: 5 })).traceHash).not.toBe(first.traceHash);
  });
});

/** The first of the fixed seeds that finds the bug. */
async function foundBy(bug: string): Promise<{ seed: number; message: string } | undefined> {
  for (let seed = 1; seed <= 8; seed++) {
    try {
      await runNode({ seed, seconds: SECONDS, bugs: new Set([bug]) });
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      return { seed, message: error.message };
    }
  }
  return undefined;
}

// ranges.skip-commit-wait shows only to a second clock: test/txn/consistency.test.ts finds it by timestamps.
describe('bugs on purpose', () => {
  it.each([
    ['raft.ack-before-sync', /damaged|lost|somebody knew|where .* should be|log holds entries/],
    ['ranges.release-before-visible', /an update was lost|sum to/],
    ['ranges.ignore-in-flight', /in one snapshot|a reader saw|sum to/],
    ['clock.ignore-bound', /somebody knew|should be|sum to/],
    ['node.cut-log-unflushed', /applied its log|log holds entries|somebody knew|should be|lacks/],
  ])('%s is found', async (bug, complaint) => {
    const found = await foundBy(bug);
    expect(found?.message).toMatch(complaint);
  });
});
