// The rules that Ongaro's thesis ("Consensus: Bridging Theory and Practice") adds to the paper and that we use, by
// section, and those of docs on leases that bind the core (P2, P3, P5, P29, P31, P32).
import { describe, expect, it } from 'vitest';
import { encodeChange } from '../../src/raft/codec.ts';
import { type ChangeStep, configurationOf } from '../../src/raft/configuration.ts';
import type { Entry } from '../../src/raft/types.ts';
import { entry, One } from './one-core.ts';

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

/** A leader whose first entry is committed. */
function leader(options: ConstructorParameters<typeof One>[0] = {}): One {
  const one = new One(options).elect().acknowledge(2);
  one.settle();
  return one;
}

describe('3.10 leadership transfer', () => {
  it('feeds the target, takes no proposals, and asks it to campaign once it has the whole log', () => {
    const one = leader();
    one.core.propose(entry(1, 2).data);
    one.settle();
    expect(one.core.transferLeadership(2)).toBe(true);
    expect(one.core.propose(entry(1, 3).data)).toBeUndefined();
    expect(one.core.refusal(0)).toBe('transferring');
    expect(change(one, 'v4')).toMatchObject({ kind: 'refused' });
    expect(one.said('timeoutNow')).toEqual([]);
    expect(one.acknowledge(2).said('timeoutNow')).toMatchObject([{ to: 2, term: 1 }]);
  });

  it('is given up after an election timeout, and leadership with it (P3)', () => {
    const one = leader();
    one.core.transferLeadership(3);
    for (let tick = 0; tick < 10; tick++) {
      expect(one.core.role).toBe('leader');
      one.tick(1);
    }
    expect([one.core.role, one.core.term]).toEqual(['follower', 1]);
    // Before, as a lease counts, one answer a tick had been enough to lead on.
    expect(one.core.propose(entry(1, 2).data)).toBeUndefined();
  });

  it('lets the target campaign at once, past promises, but not by an old request (P3)', () => {
    const one = new One({ term: 2, log: [1, 2] }).heartbeat(2);
    one.core.mayElect = false;
    one.settle();
    one.step({ kind: 'timeoutNow', from: 2, term: 1 });
    expect(one.core.role).toBe('follower');
    one.step({ kind: 'timeoutNow', from: 2, term: 2 });
    expect([one.core.role, one.core.term]).toEqual(['candidate', 3]);
    expect(one.said('vote')).toMatchObject([{ isTransfer: true }, { isTransfer: true }]);
  });

  it('is helped by those who hear the leader', () => {
    const one = new One({ term: 1, log: [1] }).heartbeat(1);
    one.core.mayElect = false;
    one.settle();
    expect(one.askVote(2, [1, 1], { from: 3 }).settle()).toEqual([]);
    const answer = one.askVote(2, [1, 1], { from: 3, isTransfer: true }).said('voteAnswer');
    expect(answer).toMatchObject([{ granted: true, term: 2 }]);
  });
});

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

describe('5.1 log compaction', () => {
  it('offers a snapshot to who lacks what was compacted, and nothing else until that is there', () => {
    const one = leader();
    for (let i = 2; i <= 5; i++) one.core.propose(entry(1, i).data);
    one.settle();
    one.acknowledge(2).settle();
    one.member.compact(4);
    const rejected = { index: 1, rejected: true, hintIndex: 0, hintTerm: 0, stamp: 0 };
    one.core.reportUnreachable(3);
    one.step({ kind: 'appendAnswer', from: 3, term: 1, ...rejected, index: 0 });
    expect(one.said('snapshot')).toMatchObject([{ to: 3, index: 4, indexTerm: 1 }]);
    one.core.propose(entry(1, 6).data);
    expect(one.said('append').map(({ to }) => to)).toEqual([2]);
    // What it has installed is the beginning.
    const [append] = one.acknowledge(3, 5).said('append');
    expect(append).toMatchObject({ to: 3, previousIndex: 5 });
    expect(one.core.progressOf(3)?.state).toBe('replicate');
  });

  it('repeats the offer, as messages get lost and pulls fail', () => {
    const one = leader();
    one.member.compact(1);
    const rejected = { index: 0, rejected: true, hintIndex: 0, hintTerm: 0, stamp: 0 };
    one.step({ kind: 'appendAnswer', from: 3, term: 1, ...rejected });
    expect(one.said('snapshot').length).toBe(1);
    one.heartbeatAnswers(2);
    expect(one.tick(9).said('snapshot')).toEqual([]);
    expect(one.tick(1).said('snapshot')).toMatchObject([{ to: 3 }]);
    one.core.reportSnapshot(3, false);
    expect(one.core.progressOf(3)?.state).toBe('probe');
  });

  it('hands out nothing while a snapshot is pulled, and goes on behind it (P31)', () => {
    const one = new One({ term: 1, log: [1] });
    const offer = { kind: 'snapshot', from: 2, term: 1, indexTerm: 1, stamp: 0 } as const;
    one.step({ ...offer, index: 3 }).settle();
    expect(one.member.pull).toEqual({ from: 2, index: 3 });
    // Repeated offers change nothing.
    one.member.pull = undefined;
    one.step({ ...offer, index: 4 }).settle();
    expect(one.member.pull).toBeUndefined();
    const entries = [2, 3, 4, 5].map((index) => entry(1, index));
    one.append(1, [1, 1], { entries, commit: 5 }).settle();
    expect(one.applied).toEqual([]);
    one.member.install({
      state: { applied: [entry(1, 4)], position: { index: 4, term: 1 } },
      mark: { index: 4, term: 1, configuration: configurationOf([1, 2]), configurationIndex: 2 },
    });
    expect(one.core.lastIndex).toBe(5);
    const ready = one.member.ready();
    expect(ready).toMatchObject({ committed: { first: 5, last: 5 }, configuration: { index: 2 } });
    // The acknowledgement leaves when the log's beginning is synced.
    expect(one.take()).toEqual([]);
    one.member.sync();
    expect(one.take()).toMatchObject([{ kind: 'appendAnswer', index: 4, rejected: false }]);
  });

  it('goes on as before when the snapshot can not be had', () => {
    const one = new One({ term: 1, log: [1], commit: 1 });
    one.step({ kind: 'snapshot', from: 2, term: 1, index: 3, indexTerm: 1, stamp: 0 }).settle();
    one.heartbeat(1, 1).settle();
    expect(one.applied).toEqual([]);
    one.core.snapshotFailed();
    one.settle();
    expect(one.applied).toEqual([1]);
  });

  it('replaces a log that differs, with the term that the sender was in', () => {
    const one = new One({ term: 3, log: [1, 3, 3, 3, 3, 3] });
    one.step({ kind: 'snapshot', from: 2, term: 4, index: 4, indexTerm: 2, stamp: 0 }).settle();
    one.member.install({
      state: { applied: [entry(5, 5)], position: { index: 5, term: 5 } },
      mark: { index: 5, term: 5, configuration: configurationOf([1, 2, 3]), configurationIndex: 0 },
    });
    one.settle();
    expect([one.core.lastIndex, one.core.committedIndex, one.core.term]).toEqual([5, 5, 5]);
    // A crash before the reset of the log was written changes nothing.
    one.member.crash();
    expect([one.core.lastIndex, one.core.term]).toEqual([5, 5]);
  });
});

describe('6.2 check-quorum', () => {
  it('steps down after an election timeout without a majority', () => {
    // The first timeout has heard an acknowledgement, the second and third one of these.
    const one = leader().tick(10);
    one.core.heardFrom(3);
    one.tick(10);
    expect(one.core.role).toBe('leader');
    one.heartbeatAnswers(2).tick(10);
    expect(one.core.role).toBe('leader');
    one.tick(9);
    expect(one.core.role).toBe('leader');
    one.tick(1);
    expect([one.core.role, one.core.leader]).toEqual(['follower', 0]);
  });
});

describe('6.4 read-only queries', () => {
  it('wait for an entry of the own term, and for a majority that confirms the leader', () => {
    const one = new One({ term: 1, log: [1] }).elect();
    expect(one.core.readIndex(5)).toBe(false);
    one.acknowledge(2).settle();
    expect(one.core.readIndex(5)).toBe(true);
    expect(one.core.readIndex(6)).toBe(true);
    const heartbeats = one.said('heartbeat');
    expect(heartbeats.map(({ readContext }) => readContext)).toEqual([2, 2]);
    one.core.propose(entry(2, 3).data);
    one.acknowledge(2).settle();
    expect(one.member.readStates).toEqual([]);
    one.heartbeatAnswers(2, 1).settle();
    expect(one.member.readStates).toEqual([{ context: 5, index: 2 }]);
    one.heartbeatAnswers(3, 2).settle();
    expect(one.member.readStates.at(1)).toEqual({ context: 6, index: 2 });
  });

  it('of followers are asked of the leader', () => {
    const one = new One({ term: 1, log: [1] });
    expect(one.core.readIndex(1)).toBe(false);
    one.heartbeat(1);
    expect(one.core.readIndex(1)).toBe(true);
    expect(one.said('readIndex')).toMatchObject([{ to: 2, context: 1 }]);
    one.step({ kind: 'readIndexAnswer', from: 2, term: 1, context: 1, index: 9 }).settle();
    expect(one.member.readStates).toEqual([{ context: 1, index: 9 }]);
  });

  it('are refused by who does not lead, and by a leader that steps down', () => {
    const one = new One({ term: 1 });
    one.step({ kind: 'readIndex', from: 3, term: 1, context: 4 });
    expect(one.said('readIndexAnswer')).toMatchObject([{ to: 3, context: 4, index: 0 }]);
    const other = leader();
    other.core.readIndex(7);
    other.step({ kind: 'readIndex', from: 3, term: 1, context: 8 });
    expect(other.heartbeat(2).said('readIndexAnswer')).toMatchObject([{ context: 8, index: 0 }]);
    expect(other.member.readStates).toEqual([{ context: 7, index: 0 }]);
  });

  it('do not pile up without bound', () => {
    const one = leader();
    let taken = 0;
    while (taken < 10_000 && one.core.readIndex(taken)) taken++;
    expect(taken).toBe(4096);
  });
});

describe('9.6 pre-vote', () => {
  it('asks before it enters a term, and changes nobody by it', () => {
    const one = new One({ term: 2, log: [1, 2] });
    one.core.campaign();
    const asked = one.said('preVote');
    expect(asked).toMatchObject([
      { to: 2, term: 3 },
      { to: 3, term: 3 },
    ]);
    expect([one.core.term, one.member.log.hardState.term]).toEqual([2, 2]);
    const other = new One({ term: 2, log: [1, 2] });
    other.askVote(3, [2, 2], { kind: 'preVote' });
    expect(other.said('preVoteAnswer')).toMatchObject([{ granted: true, term: 3 }]);
    expect(other.core.term).toBe(2);
    // So both of two may be told that they would win.
    other.askVote(3, [2, 2], { kind: 'preVote', from: 3 });
    expect(other.said('preVoteAnswer')).toMatchObject([{ granted: true }]);
  });

  it('is refused to shorter logs, and with the term by those ahead', () => {
    const one = new One({ term: 5, log: [1, 2] });
    one.askVote(6, [1, 2], { kind: 'preVote' });
    expect(one.said('preVoteAnswer')).toMatchObject([{ granted: false, term: 5 }]);
    one.askVote(4, [9, 9], { kind: 'preVote' });
    expect(one.said('preVoteAnswer')).toMatchObject([{ granted: false, term: 5 }]);
    const other = new One({ term: 2 });
    other.core.campaign();
    const refused = { granted: false, commit: 0, commitTerm: 0 };
    other.step({ kind: 'preVoteAnswer', from: 2, term: 5, ...refused });
    expect([other.core.role, other.core.term]).toEqual(['follower', 5]);
  });

  it('is lost to a majority that refuses', () => {
    const one = new One();
    one.core.campaign();
    const refused = { term: 0, granted: false, commit: 0, commitTerm: 0 };
    one.step({ kind: 'preVoteAnswer', from: 2, ...refused });
    one.step({ kind: 'preVoteAnswer', from: 2, ...refused });
    expect(one.core.role).toBe('preCandidate');
    one.step({ kind: 'preVoteAnswer', from: 3, ...refused });
    expect(one.core.role).toBe('follower');
  });

  it('does not make a candidate of who has promised meanwhile (P2)', () => {
    const one = new One();
    one.core.campaign();
    one.core.mayElect = false;
    one.grant('preVoteAnswer', 2, 1);
    expect([one.core.role, one.core.term]).toEqual(['follower', 0]);
  });
});

describe("10.2.1 writing to the leader's disk in parallel", () => {
  it('sends appends before it has synced, and may commit before, too', () => {
    const one = leader();
    one.core.propose(entry(1, 2).data);
    one.member.ready();
    expect(one.take()).toMatchObject([{ kind: 'append', to: 2, previousIndex: 1 }]);
    one.acknowledge(2, 2);
    expect(one.core.committedIndex).toBe(1);
    one.acknowledge(3, 2);
    expect(one.core.committedIndex).toBe(2);
    // P29: committed by the others, but applied here after the sync.
    expect(one.core.takeCommitted()).toBeUndefined();
    one.member.sync();
    expect(one.applied).toEqual([1, 2]);
  });

  it("sends a candidate's requests after the sync: they are about the log as it will be", () => {
    const one = new One({ log: [], voters: [1, 2, 3] });
    one.core.campaign();
    one.grant('preVoteAnswer', 2, 1).member.ready();
    expect(one.take().map(({ kind }) => kind)).toEqual(['preVote', 'preVote']);
    one.member.sync();
    expect(one.take().map(({ kind }) => kind)).toEqual(['vote', 'vote']);
  });

  it('does not count what was replaced before its sync was reported (P29)', () => {
    const one = new One({ term: 1, log: [1] });
    one.append(1, [1, 1], { entries: [entry(1, 2), entry(1, 3)] });
    one.member.ready();
    one.append(2, [2, 1], { entries: [entry(2, 3)], commit: 3 });
    one.member.ready();
    one.member.sync();
    expect(one.applied).toEqual([1, 2]);
    one.member.sync();
    expect(one.applied).toEqual([1, 2, 3]);
  });
});

describe('10.2.2 batching and pipelining', () => {
  it('sends one append for all that was proposed, and the next before it is answered', () => {
    const one = leader();
    for (let i = 2; i <= 4; i++) one.core.propose(entry(1, i).data);
    expect(one.said('append').map(({ entries }) => entries.length)).toEqual([3]);
    one.core.propose(entry(1, 5).data);
    expect(one.said('append')).toMatchObject([{ previousIndex: 4 }]);
  });

  it('acknowledges several appends of one write at once', () => {
    const one = new One();
    one.append(1, [0, 0], { entries: [entry(1, 1)], stamp: 3 });
    one.append(1, [1, 1], { entries: [entry(1, 2)], stamp: 4 });
    expect(one.said('appendAnswer')).toMatchObject([{ index: 2, stamp: 4 }]);
  });

  it('has bounds: bytes of an append, appends and bytes under way, bytes uncommitted', () => {
    const tuning = {
      appendBytesMax: 250,
      inflightMessagesMax: 3,
      inflightBytesMax: 500,
      uncommittedBytesMax: 1000,
    };
    const one = leader({ tuning });
    // Each weighs 124.
    const data = new Uint8Array(100);
    let proposed = 0;
    while (one.core.propose(data) !== undefined) proposed++;
    expect([proposed, one.core.refusal(100)]).toEqual([8, 'busy']);
    // Two of an append's size: 496 bytes; the third brings it over the bound, and then nothing more leaves.
    expect(one.said('append').map(({ entries }) => entries.length)).toEqual([2, 2, 2]);
    expect(
      one
        .acknowledge(2, 3)
        .said('append')
        .map(({ entries }) => entries.length),
    ).toEqual([2]);
    expect(one.core.refusal(100)).toBeUndefined();
    const small = leader({ tuning: { ...tuning, inflightMessagesMax: 2, inflightBytesMax: 9999 } });
    for (let i = 0; i < 8; i++) small.core.propose(data);
    expect(small.said('append').length).toBe(2);
  });
});

describe('P32', () => {
  it('drops what is meant for a replica that was here before', () => {
    const one = new One();
    one.core.step({
      kind: 'heartbeat',
      from: 2,
      to: 0x10001,
      term: 9,
      commit: 0,
      readContext: 0,
      stamp: 0,
    });
    expect(one.core.term).toBe(0);
  });
});

describe('sleeping groups', () => {
  it('are quiet when all have everything and know that it is committed', () => {
    const one = leader({ voters: [1, 2] });
    expect(one.core.isQuiescent).toBe(true);
    one.core.propose(entry(1, 2).data);
    one.settle();
    expect(one.core.isQuiescent).toBe(false);
    one.acknowledge(2);
    // Not before 2 was told.
    expect(one.core.isQuiescent).toBe(false);
    one.settle();
    expect(one.core.isQuiescent).toBe(true);
    one.core.readIndex(1);
    expect(one.core.isQuiescent).toBe(false);
  });

  it("follow a leader whose node's heartbeats speak for it (P4)", () => {
    const one = new One({ term: 1, log: [1] }).heartbeat(1);
    for (let i = 0; i < 5; i++) {
      one.tick(9);
      one.core.heardFromLeader();
    }
    expect(one.core.role).toBe('follower');
    // One without a leader does not.
    const other = new One().tick(9);
    other.core.heardFromLeader();
    expect(other.tick(1).core.role).toBe('preCandidate');
  });

  it('get the stamp of each message back, for the lease (P1)', () => {
    const one = new One({ term: 1, log: [1] }).heartbeat(1);
    expect(one.said('heartbeatAnswer')).toMatchObject([{ stamp: 7 }]);
    expect(one.append(1, [1, 1], { stamp: 8 }).said('appendAnswer')).toMatchObject([{ stamp: 8 }]);
  });
});
