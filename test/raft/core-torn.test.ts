// What a torn write leaves: any beginning of the records of what was not synced. What a restart takes for committed must
// have been synced as such: the log may still hold entries of an earlier term in its place.
import { describe, expect, it } from 'vitest';
import { encodeChange } from '../../src/raft/codec.ts';
import { entry, One } from './one-core.ts';

describe('a follower whose write is torn', () => {
  it('does not take an earlier leader’s entries for the committed ones that were to replace them', () => {
    const one = new One({ term: 2, log: [1, 2, 2], commit: 1 });
    // The leader of term 3 replaces 2 and 3, which have committed elsewhere.
    one.append(3, [1, 1], { entries: [entry(3, 2), entry(3, 3)], commit: 3 });
    one.member.ready();
    // The term's record got through, the entries did not.
    one.member.crash(1);
    expect([one.core.term, one.terms]).toEqual([3, [1, 2, 2]]);
    expect(one.core.committedIndex).toBe(1);
    one.settle();
    expect(one.applied).toEqual([1]);
    one.append(3, [1, 1], { entries: [entry(3, 2), entry(3, 3)], commit: 3 }).settle();
    expect(one.member.applied.map(({ term }) => term)).toEqual([1, 3, 3]);
  });

  it('does not so either when it knows a configuration that was to come with them', () => {
    const one = new One({ term: 3, log: [1, 2, 2], commit: 1 });
    const data = encodeChange({ kind: 'simple', steps: [{ kind: 'addVoter', replica: 4 }] });
    const change = { index: 2, term: 3, kind: 'change', data } as const;
    one.append(3, [1, 1], { entries: [change, entry(3, 3)], commit: 3 });
    expect(one.core.configuration.voters).toEqual([1, 2, 3, 4]);
    one.member.ready();
    one.member.crash(1);
    expect([one.core.configurationIndex, one.terms]).toEqual([2, [1, 2, 2]]);
    expect(one.core.committedIndex).toBe(1);
  });

  it('knows its configuration’s change to be committed when it has that', () => {
    const one = new One({ term: 3, log: [1] });
    const data = encodeChange({ kind: 'simple', steps: [{ kind: 'addVoter', replica: 4 }] });
    const change = { index: 2, term: 3, kind: 'change', data } as const;
    one.append(3, [1, 1], { entries: [change, entry(3, 3)], commit: 2 }).settle();
    one.member.crash();
    expect(one.core.committedIndex).toBe(2);
  });
});
