// etcd's data-driven cases of configuration changes, and what must hold of every change.
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeChange, encodeChange } from '../../src/raft/codec.ts';
import {
  applyChange,
  type Change,
  type ChangeStep,
  type Configuration,
  configurationOf,
  EMPTY_CONFIGURATION,
  formatConfiguration,
  membersOf,
} from '../../src/raft/configuration.ts';
import { readTraces, suites, type Trace } from './traces.ts';

const STEPS: Record<string, ChangeStep['kind']> = {
  v: 'addVoter',
  l: 'addLearner',
  r: 'remove',
  u: 'update',
};

function stepsOf(input: string): ChangeStep[] {
  return input
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => ({
      kind: STEPS[word[0] as string] as ChangeStep['kind'],
      replica: Number(word.slice(1)),
    }));
}

function changeOf(trace: Trace): Change {
  const steps = stepsOf(trace.input);
  switch (trace.command) {
    case 'simple':
      return { kind: 'simple', steps };
    case 'enter-joint':
      return { kind: 'enterJoint', autoLeave: trace.arguments.get('autoleave') === 'true', steps };
    case 'leave-joint':
      return { kind: 'leaveJoint' };
    default:
      throw new Error(`unknown command ${trace.command}`);
  }
}

/** What etcd tracks for each member: where replication to it begins, fixed when it first becomes one. */
class Members {
  configuration: Configuration = EMPTY_CONFIGURATION;
  private next = new Map<number, number>();

  run(trace: Trace, lastIndex: number): string {
    const result = applyChange(this.configuration, changeOf(trace));
    if (result.kind === 'refused') return `${result.reason}\n`;
    this.configuration = result.configuration;
    const members = membersOf(result.configuration);
    this.next = new Map(members.map((id) => [id, this.next.get(id) ?? Math.max(lastIndex, 1)]));
    const lines = members.map((id) => {
      const learner = result.configuration.learners.includes(id) ? ' learner' : '';
      return `${id}: StateProbe match=0 next=${this.next.get(id) as number}${learner}`;
    });
    return `${[formatConfiguration(result.configuration), ...lines].join('\n')}\n`;
  }
}

if (suites === undefined)
  console.log('skipped: etcd confchange cases (MERIDIAN_SUITES is not set)');

describe.runIf(suites !== undefined)("etcd's configuration changes", () => {
  const files = [
    ...['joint_autoleave', 'joint_idempotency', 'joint_learners_next', 'joint_safety'],
    ...['simple_idempotency', 'simple_promote_demote', 'simple_safety', 'update', 'zero'],
  ];
  it.each(files)('%s', (name) => {
    const path = join(suites as string, 'raft-traces/confchange/testdata', `${name}.txt`);
    const traces = readTraces(path);
    expect(traces.length).toBeGreaterThan(0);
    const members = new Members();
    traces.forEach((trace, i) => {
      expect(members.run(trace, i), `${name}.txt:${trace.line}`).toBe(trace.expected);
    });
  });
});

const step: fc.Arbitrary<ChangeStep> = fc.record({
  kind: fc.constantFrom<ChangeStep['kind']>('addVoter', 'addLearner', 'remove', 'update'),
  replica: fc.integer({ min: 0, max: 6 }),
});
const steps = fc.array(step, { maxLength: 6 });
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('simple' as const), steps }),
  fc.record({ kind: fc.constant('enterJoint' as const), autoLeave: fc.boolean(), steps }),
  fc.record({ kind: fc.constant('leaveJoint' as const) }),
);

describe('configuration changes', () => {
  it('never leave a replica in two places, nor the group without voters', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        let configuration = configurationOf([1, 2, 3]);
        for (const wanted of changes) {
          const result = applyChange(configuration, wanted);
          if (result.kind === 'refused') continue;
          configuration = result.configuration;
          const { voters, outgoing, learners, learnersNext } = configuration;
          expect(voters.length).toBeGreaterThan(0);
          expect(learners.filter((id) => voters.includes(id) || outgoing.includes(id))).toEqual([]);
          expect(learnersNext.filter((id) => !outgoing.includes(id))).toEqual([]);
          expect(learnersNext.filter((id) => voters.includes(id))).toEqual([]);
        }
      }),
    );
  });

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(change, (wanted) => {
        expect(decodeChange(encodeChange(wanted))).toEqual(wanted);
      }),
    );
  });
});
