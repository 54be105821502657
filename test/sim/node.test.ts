// The whole node in simulated time: each bug that is planted on purpose is found. node-seeds.test.ts has runs without.

import { describe, expect, it } from 'vitest';
import { runNode } from '../../src/sim/node-run.ts';
import { firstToFind } from './planted.ts';

const SECONDS = 60;

describe('a simulated node', () => {
  it('does the same again for the same seed, and something else for another', async () => {
    const first = await runNode({ seed: 7, seconds: 5 });
    expect(await runNode({ seed: 7, seconds: 5 })).toEqual(first);
    expect((await runNode({ seed: 8, seconds: 5 })).traceHash).not.toBe(first.traceHash);
  });
});

// Some need rarer moments than others: they begin where one is. ranges.skip-commit-wait shows only to a second clock: test/txn/consistency.test.ts finds it by timestamps.
describe('bugs on purpose', () => {
  it.each([
    ['raft.ack-before-sync', 1, /damaged|lost|somebody knew|where .* should be|log holds entries/],
    ['ranges.release-before-visible', 1, /an update was lost|sum to/],
    ['ranges.ignore-in-flight', 1, /in one snapshot|a reader saw|sum to/],
    ['clock.ignore-bound', 16, /somebody knew|should be|sum to/],
    [
      'node.cut-log-unflushed',
      1,
      /applied its log|log holds entries|somebody knew|should be|lacks/,
    ],
  ] as const)('%s is found', async (bug, first, complaint) => {
    const { message } = await firstToFind(bug, first, (seed, bugs) =>
      runNode({ seed, seconds: SECONDS, bugs }),
    );
    expect(message, message).toMatch(complaint);
  });
});
