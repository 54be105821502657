// etcd's data-driven cases of quorum arithmetic, and what they don't state.
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  committedIndex,
  EVERYTHING,
  majorityIndex,
  majorityVote,
  type ReplicaId,
  voteResult,
  type VoteResult,
} from '../../src/raft/quorum.ts';
import { numbersOf, readTraces, suites, type Trace } from './traces.ts';

/** etcd's picture of who stands where; the bar is as long as the number of voters that stand lower. */
function describeIndexes(voters: readonly ReplicaId[], indexes: Map<ReplicaId, number>): string {
  if (voters.length === 0) return '<empty majority quorum>';
  const count = voters.length;
  let text = `${' '.repeat(count)}    idx\n`;
  for (const voter of [...voters].sort((a, b) => a - b)) {
    const index = indexes.get(voter);
    const lower = voters.filter((other) => (indexes.get(other) ?? 0) < (index ?? 0)).length;
    const bar =
      index === undefined ? '?'.padEnd(count + 1) : `${'x'.repeat(lower)}>`.padEnd(count + 1);
    text += `${bar} ${String(index ?? 0).padStart(5)}    (id=${voter})\n`;
  }
  return text;
}

interface QuorumCase {
  readonly voters: readonly ReplicaId[];
  readonly outgoing: readonly ReplicaId[];
  /** By voter, in order of first mention. `_` is missing. */
  readonly values: Map<ReplicaId, string>;
}

function caseOf(trace: Trace, argument: string): QuorumCase {
  const voters = [...new Set(numbersOf(trace.arguments.get('cfg') ?? ''))];
  const joint = trace.arguments.get('cfgj') ?? '';
  const outgoing = joint === 'zero' ? [] : [...new Set(numbersOf(joint))];
  const given = (trace.arguments.get(argument) ?? '').split(',').map((value) => value.trim());
  const values = new Map<ReplicaId, string>();
  [...new Set([...voters, ...outgoing])].forEach((voter, i) => values.set(voter, given[i] ?? '_'));
  return { voters, outgoing, values };
}

function replayCommitted(trace: Trace): string {
  const { voters, outgoing, values } = caseOf(trace, 'idx');
  const indexes = new Map<ReplicaId, number>();
  for (const [voter, value] of values) if (value !== '_') indexes.set(voter, Number(value));
  const index = committedIndex(voters, outgoing, (voter) => indexes.get(voter) ?? 0);
  const everyone = [...new Set([...voters, ...outgoing])];
  const number = index === EVERYTHING ? '∞' : String(index);
  return `${describeIndexes(everyone, indexes)}${number}\n`;
}

const VERDICTS: Record<VoteResult, string> = {
  pending: 'VotePending',
  lost: 'VoteLost',
  won: 'VoteWon',
};

function replayVote(trace: Trace): string {
  const { voters, outgoing, values } = caseOf(trace, 'votes');
  const result = voteResult(voters, outgoing, (voter) => {
    const value = values.get(voter);
    return value === 'y' ? true : value === 'n' ? false : undefined;
  });
  return `${VERDICTS[result]}\n`;
}

if (suites === undefined) console.log('skipped: etcd quorum cases (MERIDIAN_SUITES is not set)');

describe.runIf(suites !== undefined)("etcd's quorum cases", () => {
  const files = ['majority_commit', 'joint_commit', 'majority_vote', 'joint_vote'];
  it.each(files)('%s', (name) => {
    const path = join(suites as string, 'raft-traces/quorum/testdata', `${name}.txt`);
    const traces = readTraces(path);
    expect(traces.length).toBeGreaterThan(10);
    for (const trace of traces) {
      const output = trace.command === 'vote' ? replayVote(trace) : replayCommitted(trace);
      expect(output, `${name}.txt:${trace.line}`).toBe(trace.expected);
    }
  });
});

const voters = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 });
const indexes = fc.array(fc.nat(20), { minLength: 10, maxLength: 10 });

describe('quorums', () => {
  it('commits the greatest index that more than half have reached', () => {
    fc.assert(
      fc.property(voters, indexes, (members, acknowledged) => {
        const reached = (index: number): number =>
          members.filter((voter) => (acknowledged[voter] as number) >= index).length;
        const index = majorityIndex(members, (voter) => acknowledged[voter] as number);
        expect(reached(index) * 2).toBeGreaterThan(members.length);
        expect(reached(index + 1) * 2).toBeLessThanOrEqual(members.length);
      }),
    );
  });

  it('lets a joint configuration commit and elect only what both halves do', () => {
    fc.assert(
      fc.property(voters, voters, indexes, (incoming, outgoing, acknowledged) => {
        const of = (voter: number): number => acknowledged[voter] as number;
        const vote = (voter: number): boolean | undefined =>
          of(voter) % 3 === 0 ? undefined : of(voter) % 3 === 1;
        expect(committedIndex(incoming, outgoing, of)).toBe(
          Math.min(majorityIndex(incoming, of), majorityIndex(outgoing, of)),
        );
        const halves = [majorityVote(incoming, vote), majorityVote(outgoing, vote)];
        const joint = voteResult(incoming, outgoing, vote);
        expect(joint === 'won').toBe(halves.every((half) => half === 'won'));
        expect(joint === 'lost').toBe(halves.includes('lost'));
      }),
    );
  });

  it('never lets two candidates win one election', () => {
    fc.assert(
      fc.property(voters, indexes, (members, choices) => {
        const candidates = [0, 1, 2].filter(
          (candidate) =>
            majorityVote(members, (voter) => (choices[voter] as number) % 3 === candidate) ===
            'won',
        );
        expect(candidates.length).toBeLessThanOrEqual(1);
      }),
    );
  });
});
