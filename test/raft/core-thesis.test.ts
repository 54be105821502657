// The rules that Ongaro's thesis ("Consensus: Bridging Theory and Practice") adds to the paper and that we use, by
// section, and those of leases and disks that bind the core (P2 to P5, P29, P31, P32). Chapter 4 is in
// core-membership.test.ts.
import { describe, expect, it } from 'vitest';
import { configurationOf } from '../../src/raft/configuration.ts';
import { entry, leader, One } from './one-core.ts';

describe('3.10 leadership transfer', () => {
  it('feeds the target, takes no proposals, and asks it to campaign once it has the whole log', () => {
    const one = leader();
    one.core.propose(entry(1, 2).data);
    one.settle();
    expect(one.core.transferLeadership(2)).toBe(true);
    expect(one.core.propose(entry(1, 3).data)).toBeUndefined();
    expect(one.core.refusal(0)).toBe('transferring');
    const steps = [{ kind: 'addVoter', replica: 4 } as const];
    expect(one.core.proposeChange({ kind: 'simple', steps })).toMatchObject({ kind: 'refused' });
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
    expect(one.core.isQuiescent()).toBe(true);
    one.core.propose(entry(1, 2).data);
    one.settle();
    expect(one.core.isQuiescent()).toBe(false);
    one.acknowledge(2);
    // Not before 2 was told.
    expect(one.core.isQuiescent()).toBe(false);
    one.settle();
    expect(one.core.isQuiescent()).toBe(true);
    one.core.readIndex(1);
    expect(one.core.isQuiescent()).toBe(false);
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
