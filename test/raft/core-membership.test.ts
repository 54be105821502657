// Chapter 4 of Ongaro's thesis ("Consensus: Bridging Theory and Practice"), by section: membership changes.
import { describe, expect, it } from 'vitest';
import { encodeChange } from '../../src/raft/codec.ts';
import { type ChangeStep, configurationOf } from '../../src/raft/configuration.ts';
import type { Entry } from '../../src/raft/types.ts';
import { entry, leader, One } from './one-core.ts';

function step(word: string): ChangeStep {
  const kinds = { v: 'addVoter', l: 'addLearner', r: 'remove' } as const;
  return { kind: kinds[word[0] as keyof typeof kinds], replica: Number(word.slice(1)) };
}

function change(one: One, ...words: string[]): ReturnType<One['core']['proposeChange']> {
  return one.core.proposeChange({ kind: 'simple', steps: words.map(step) });
}

function changeEntry(term: number, index: number, ...words: string[]): Entry {
  const data = encodeChange({ kind: 'simple', steps: words.map(step) });
  return { index, term, kind: 'change', data };
}

describe('4.1 membership changes', () => {
  it('are made one at a time', () => {
    const one = leader();
    expect(change(one, 'v4')).toMatchObject({ kind: 'proposed' });
    expect(change(one, 'r3')).toMatchObject({ kind: 'refused' });
    one.settle();
    one.acknowledge(2).settle();
    expect(one.core.configuration.voters).toEqual([1, 2, 3, 4]);
    expect(change(one, 'r3')).toMatchObject({ kind: 'proposed' });
  });

  it('of an earlier leader must have committed, too', () => {
    const one = new One({ term: 1 });
    one.append(1, [0, 0], { entries: [changeEntry(1, 1, 'v4')] }).settle();
    one.tick(10).elect();
    expect(one.core.role).toBe('leader');
    expect(change(one, 'v5')).toMatchObject({ kind: 'refused' });
    one.acknowledge(2);
    expect(one.core.configuration.voters).toEqual([1, 2, 3, 4]);
    expect(change(one, 'v5')).toMatchObject({ kind: 'proposed' });
  });

  it('go with the entries that are replaced', () => {
    const one = new One({ term: 1, log: [1] });
    one.append(1, [1, 1], { entries: [changeEntry(1, 2, 'v4')] }).settle();
    one.append(2, [1, 1], { entries: [entry(2, 2)], commit: 2 }).settle();
    expect(one.core.configuration.voters).toEqual([1, 2, 3]);
    expect(one.core.configurationIndex).toBe(0);
  });

  it('take effect after a restart without the bytes of the log', () => {
    const one = new One({ term: 1 });
    one.append(1, [0, 0], { entries: [changeEntry(1, 1, 'v4'), entry(1, 2)] }).settle();
    one.member.crash();
    expect(one.core.configuration.voters).toEqual([1, 2, 3]);
    one.heartbeat(1, 2).settle();
    expect(one.core.configuration.voters).toEqual([1, 2, 3, 4]);
    one.member.crash();
    expect([one.core.configuration.voters, one.core.configurationIndex]).toEqual([[1, 2, 3, 4], 1]);
  });

  it('are written before the entries that follow them', () => {
    const one = new One({ term: 1 });
    // What brings the next change says that the last one has committed.
    const entries = [changeEntry(1, 1, 'v4'), changeEntry(1, 2, 'v5')];
    one.append(1, [0, 0], { entries, commit: 1 });
    const ready = one.member.ready();
    expect(ready?.configuration).toMatchObject({
      index: 1,
      configuration: { voters: [1, 2, 3, 4] },
    });
    expect(ready?.entries.length).toBe(2);
  });

  it('are applied only with their configuration', () => {
    const one = leader();
    change(one, 'v4');
    one.acknowledge(2, 2);
    one.member.ready();
    one.member.sync();
    // Committed by its own sync; not handed out before the configuration is.
    expect(one.core.configuration.voters).toEqual([1, 2, 3, 4]);
    expect(one.core.takeCommitted()).toBeUndefined();
    expect(one.core.ready()).toMatchObject({ configuration: { index: 2 }, committed: { last: 2 } });
  });
});

describe('4.2.1 new servers', () => {
  it('learn without a say: they count neither for commits nor for elections', () => {
    const one = leader({ voters: [1, 2], learners: [3] });
    one.core.propose(entry(1, 2).data);
    one.settle();
    one.acknowledge(3).settle();
    expect(one.core.committedIndex).toBe(1);
    const other = new One({ voters: [1, 2], learners: [3] });
    other.core.campaign();
    expect(other.said('preVote').map(({ to }) => to)).toEqual([2]);
    expect(other.grant('preVoteAnswer', 3, 1).core.role).toBe('preCandidate');
  });

  it('do not campaign, but answer: who asks may know that they were promoted', () => {
    const one = new One({ voters: [2, 3], learners: [1] }).tick(50);
    expect(one.core.role).toBe('follower');
    expect(one.askVote(1, [0, 0]).said('voteAnswer')).toMatchObject([{ granted: true }]);
  });

  it('that know nothing take a snapshot, which has the configuration, and no entries', () => {
    const one = new One({ voters: [] });
    const answers = one.append(1, [0, 0], { entries: [entry(1, 1)], commit: 1 }).settle();
    expect(answers).toMatchObject([{ kind: 'appendAnswer', rejected: true, index: 0 }]);
    one.step({ kind: 'snapshot', from: 2, term: 1, index: 1, indexTerm: 1, stamp: 0 }).settle();
    expect(one.member.pull).toEqual({ from: 2, index: 1 });
  });

  it('get an offer of a snapshot from a leader that hears so', () => {
    const one = leader({ voters: [1, 2, 3] });
    const rejected = { rejected: true, hintIndex: 0, hintTerm: 0, stamp: 0 };
    one.step({ kind: 'appendAnswer', from: 3, term: 1, index: 0, ...rejected });
    expect(one.said('snapshot')).toMatchObject([{ to: 3, index: 1, indexTerm: 1 }]);
    expect(one.core.progressOf(3)?.state).toBe('snapshot');
  });
});

describe('4.2.2 removing the leader', () => {
  it('says so, for the lease (P5), and steps down when it has committed', () => {
    const one = leader();
    expect(one.core.isLeaving).toBe(false);
    expect(change(one, 'r1')).toMatchObject({ kind: 'proposed', removesLeader: true });
    expect(one.core.isLeaving).toBe(true);
    one.settle();
    expect(one.core.role).toBe('leader');
    const told = one.acknowledge(2).said('append');
    expect(one.core.role).toBe('follower');
    // It tells the others that it is so; with 3, where the logs agree is not known yet.
    expect(told).toMatchObject([{ to: 2, commit: 2 }]);
    expect(one.tick(50).core.role).toBe('follower');
  });

  it('holds for a change to a learner and for a joint configuration', () => {
    expect(change(leader(), 'l1')).toMatchObject({ removesLeader: true });
    const one = leader();
    const steps = [step('v4'), step('r1')];
    const result = one.core.proposeChange({ kind: 'enterJoint', autoLeave: false, steps });
    expect(result).toMatchObject({ removesLeader: true });
    one.settle();
    one.acknowledge(2).settle();
    expect([one.core.role, one.core.isLeaving]).toEqual(['leader', true]);
  });

  it('is known to a leader that has inherited it', () => {
    const one = new One({ term: 1 });
    one.append(1, [0, 0], { entries: [changeEntry(1, 1, 'r1')] }).settle();
    one.tick(10).elect();
    expect([one.core.role, one.core.isLeaving]).toEqual(['leader', true]);
  });
});

describe('4.2.3 disruptive servers', () => {
  it('are ignored by who hears a leader', () => {
    const one = new One({ term: 1, log: [1] }).heartbeat(1);
    one.settle();
    expect(one.tick(9).askVote(9, [9, 9], { from: 3 }).settle()).toEqual([]);
    expect(one.core.term).toBe(1);
    const later = one.tick(1).askVote(9, [9, 9], { from: 3 }).said('voteAnswer');
    expect(later).toMatchObject([{ granted: true }]);
  });

  it('are ignored by the leader', () => {
    const one = leader();
    expect(one.askVote(9, [9, 9]).settle()).toEqual([]);
    expect(one.core.role).toBe('leader');
  });

  it('are ignored while a promise holds, whoever was the leader (P2)', () => {
    const one = new One({ term: 1, log: [1] });
    one.core.mayElect = false;
    expect(one.askVote(1, [1, 1]).askVote(2, [1, 1], { kind: 'preVote' }).settle()).toEqual([]);
    expect(one.tick(30).core.role).toBe('follower');
    one.core.mayElect = true;
    expect(one.tick(1).core.role).toBe('preCandidate');
  });

  it('end their isolation by making the leader enter their term', () => {
    const one = new One({ term: 5 }).heartbeat(3);
    expect(one.settle()).toMatchObject([{ kind: 'appendAnswer', term: 5, rejected: true }]);
    const other = leader();
    const rejected = { index: 0, rejected: true, hintIndex: 0, hintTerm: 0, stamp: 0 };
    other.step({ kind: 'appendAnswer', from: 3, term: 5, ...rejected });
    expect([other.core.role, other.core.term]).toEqual(['follower', 5]);
  });
});

describe('4.3 joint consensus', () => {
  function joint(autoLeave: boolean): One {
    const one = leader({ voters: [1, 2, 3] });
    const steps = ['v4', 'v5', 'r2', 'r3'].map(step);
    one.core.proposeChange({ kind: 'enterJoint', autoLeave, steps });
    one.settle();
    one.acknowledge(2).settle();
    expect(one.core.configuration).toMatchObject({ voters: [1, 4, 5], outgoing: [1, 2, 3] });
    return one;
  }

  it('commits with both majorities', () => {
    const one = joint(false);
    one.core.propose(entry(1, 3).data);
    one.settle();
    one.acknowledge(2);
    expect(one.core.committedIndex).toBe(2);
    one.acknowledge(4);
    expect(one.core.committedIndex).toBe(3);
  });

  it('elects with both majorities', () => {
    const one = joint(false);
    one.heartbeat(2).tick(10);
    one.settle();
    one.grant('preVoteAnswer', 2, 3);
    expect(one.core.role).toBe('preCandidate');
    one.grant('preVoteAnswer', 5, 3);
    expect(one.core.role).toBe('candidate');
  });

  it('is left when asked for, not by itself', () => {
    const one = joint(false);
    expect(one.core.lastIndex).toBe(2);
    expect(one.core.proposeChange({ kind: 'leaveJoint' })).toMatchObject({ kind: 'proposed' });
    one.settle();
    one.acknowledge(2).acknowledge(4).settle();
    expect(one.core.configuration).toEqual(configurationOf([1, 4, 5]));
  });

  it('is left by the leader itself when that was asked for, also by one that found it so', () => {
    const one = joint(true);
    expect(one.core.lastIndex).toBe(3);
    one.settle();
    one.heartbeat(2).tick(10);
    one.append(2, [2, 1], { entries: [entry(2, 3)] }).settle();
    expect(one.core.lastIndex).toBe(3);
    one.tick(10);
    one.grant('preVoteAnswer', 2, 3).grant('preVoteAnswer', 4, 3).settle();
    one.grant('voteAnswer', 2, 3).grant('voteAnswer', 4, 3).settle();
    expect([one.core.role, one.core.lastIndex]).toEqual(['leader', 4]);
    one.acknowledge(2).acknowledge(4);
    expect(one.core.lastIndex).toBe(5);
  });

  it('is known to have been left from whoever votes', () => {
    const one = joint(true);
    one.settle();
    // 2 and 3 have gone and don't answer; 4 knows that entry 3, which is here too, has committed.
    one.heartbeat(2).tick(10).settle();
    const news = { granted: true, commit: 3, commitTerm: 1 };
    one.step({ kind: 'preVoteAnswer', from: 4, term: 3, ...news });
    expect(one.core.configuration.voters).toEqual([1, 4, 5]);
    one.settle();
    one.step({ kind: 'preVoteAnswer', from: 4, term: 3, ...news });
    expect(one.core.role).toBe('candidate');
  });
});
