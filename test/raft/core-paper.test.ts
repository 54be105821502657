// The rules of the Raft paper ("In Search of an Understandable Consensus Algorithm", extended version), each by the place
// where it stands. test/raft/core-thesis.test.ts has those that only the thesis has.
import { describe, expect, it } from 'vitest';
import { entry, One } from './one-core.ts';

describe('figure 2, all servers', () => {
  it('applies in order what is committed', () => {
    const one = new One({ term: 1, log: [1, 1, 1] }).heartbeat(1, 2);
    one.settle();
    expect(one.applied).toEqual([1, 2]);
    one.heartbeat(1, 3).settle();
    expect(one.applied).toEqual([1, 2, 3]);
  });

  it.each(['follower', 'candidate', 'leader'] as const)(
    'enters a term that is newer than its own, and follows: a %s',
    (role) => {
      const one = new One({ voters: [1, 2, 3] });
      if (role === 'leader') one.elect();
      else if (role === 'candidate') {
        one.core.campaign();
        one.grant('preVoteAnswer', 2, 1);
      }
      expect(one.core.role).toBe(role);
      one.append(5, [0, 0]);
      expect([one.core.role, one.core.term, one.core.leader]).toEqual(['follower', 5, 2]);
    },
  );

  it('persists term and vote before it answers (5.1, thesis 3.8)', () => {
    const one = new One().askVote(1, [0, 0]);
    const ready = one.member.ready();
    expect(ready?.hardState).toMatchObject({ term: 1, vote: 2 });
    expect(one.take()).toEqual([]);
    one.member.sync();
    expect(one.take()).toMatchObject([{ kind: 'voteAnswer', granted: true }]);
  });
});

describe('figure 2, AppendEntries', () => {
  it('1. is refused when its term is old', () => {
    const one = new One({ term: 3, log: [1] }).append(2, [1, 1], { entries: [entry(2, 2)] });
    expect(one.settle()).toMatchObject([{ kind: 'appendAnswer', term: 3, rejected: true }]);
    expect(one.terms).toEqual([1]);
    expect(one.core.leader).toBe(0);
  });

  it('2. is refused without an entry of previousTerm at previousIndex', () => {
    const one = new One({ term: 3, log: [1, 2] });
    expect(one.append(3, [2, 3]).said('appendAnswer')).toMatchObject([
      { rejected: true, index: 2 },
    ]);
    expect(one.append(3, [3, 3]).said('appendAnswer')).toMatchObject([
      { rejected: true, index: 3 },
    ]);
    expect(one.append(3, [2, 2]).said('appendAnswer')).toMatchObject([
      { rejected: false, index: 2 },
    ]);
  });

  it('3. removes a conflicting entry and all after it, 4. and appends what is new', () => {
    const one = new One({ term: 3, log: [1, 2, 2, 2] });
    one.append(3, [1, 1], { entries: [entry(2, 2), entry(3, 3)] }).settle();
    expect(one.terms).toEqual([1, 2, 3]);
  });

  it('3. removes nothing when it only repeats a part', () => {
    const one = new One({ term: 2, log: [1, 2, 2, 2] });
    expect(one.append(2, [1, 1], { entries: [entry(2, 2)] }).said('appendAnswer')).toMatchObject([
      { rejected: false, index: 2 },
    ]);
    expect(one.terms).toEqual([1, 2, 2, 2]);
  });

  it('5. commits no more than the last entry that it has brought', () => {
    const one = new One({ term: 2, log: [1, 1, 1] });
    // Entry 3 may be another in the leader's log.
    one.append(2, [1, 1], { entries: [entry(1, 2)], commit: 3 }).settle();
    expect(one.core.committedIndex).toBe(2);
    one.append(2, [3, 1], { commit: 3 }).settle();
    expect(one.core.committedIndex).toBe(3);
    // And never less than before.
    one.append(2, [3, 1], { commit: 1 }).settle();
    expect(one.core.committedIndex).toBe(3);
  });

  it('never replaces what is committed: a leader that would stops the node', () => {
    const one = new One({ term: 2, log: [1, 1], commit: 2 });
    expect(() => one.append(3, [0, 0], { entries: [entry(3, 1)] })).toThrow('entry 1 is committed');
    expect(() => one.append(3, [2, 2])).toThrow('entry 2 is committed');
  });
});

describe('figure 2, RequestVote', () => {
  it('1. is refused when its term is old', () => {
    const one = new One({ term: 3 });
    expect(one.askVote(2, [9, 2]).settle()).toEqual([]);
    expect(one.member.log.hardState.vote).toBe(0);
  });

  it('2. is granted once a term, and to the same again', () => {
    const one = new One();
    expect(one.askVote(1, [0, 0]).said('voteAnswer')).toMatchObject([{ granted: true }]);
    expect(one.askVote(1, [0, 0], { from: 3 }).said('voteAnswer')).toMatchObject([
      { granted: false },
    ]);
    expect(one.askVote(1, [0, 0]).said('voteAnswer')).toMatchObject([{ granted: true }]);
    expect(one.askVote(2, [0, 0], { from: 3 }).said('voteAnswer')).toMatchObject([
      { granted: true },
    ]);
  });

  it('2. is kept over a restart (thesis, 3.8)', () => {
    const one = new One();
    one.askVote(1, [0, 0]).settle();
    one.member.crash();
    one.core.mayElect = true;
    expect(one.askVote(1, [0, 0], { from: 3 }).said('voteAnswer')).toMatchObject([
      { granted: false },
    ]);
  });
});

describe('figure 2, followers', () => {
  it('campaign when they hear of no leader for an election timeout', () => {
    const one = new One({ patience: 4 }).heartbeat(1).tick(13);
    expect(one.core.role).toBe('follower');
    one.heartbeat(1).tick(13);
    expect(one.core.role).toBe('follower');
    one.tick(1);
    expect(one.core.role).toBe('preCandidate');
  });

  it('wait anew when they have granted a vote', () => {
    const one = new One().tick(9).askVote(1, [0, 0]).tick(9);
    expect(one.core.role).toBe('follower');
  });
});

describe('figure 2, candidates', () => {
  function candidate(): One {
    const one = new One({ term: 2, log: [1, 2] });
    one.core.campaign();
    one.settle();
    return one.grant('preVoteAnswer', 3, 3);
  }

  it('enter a new term, vote for themselves and ask all others', () => {
    const one = candidate();
    const ready = one.member.ready();
    expect(ready?.hardState).toMatchObject({ term: 3, vote: 1 });
    expect(ready?.messagesAfterSync).toMatchObject([
      { kind: 'vote', to: 2, term: 3, lastIndex: 2, lastTerm: 2 },
      { kind: 'vote', to: 3, term: 3, lastIndex: 2, lastTerm: 2 },
    ]);
  });

  it('lead with the votes of a majority', () => {
    const one = candidate();
    one.settle();
    expect(one.core.role).toBe('candidate');
    one.grant('voteAnswer', 3, 3);
    expect(one.core.role).toBe('leader');
  });

  it('follow another leader of the same term', () => {
    const one = candidate().append(3, [2, 2]);
    expect([one.core.role, one.core.term, one.core.leader]).toEqual(['follower', 3, 2]);
  });

  it('begin anew when nobody wins', () => {
    const one = candidate();
    one.settle();
    one.tick(10);
    expect(one.core.role).toBe('preCandidate');
    one.grant('preVoteAnswer', 2, 4);
    expect(one.core.term).toBe(4);
  });
});

describe('figure 2, leaders', () => {
  it('tell all others at once, and in every heartbeat', () => {
    const one = new One();
    one.core.campaign();
    one.grant('preVoteAnswer', 2, 1).settle();
    one.grant('voteAnswer', 2, 1);
    expect(one.said('append').map(({ to }) => to)).toEqual([2, 3]);
    expect(one.tick(1).settle()).toEqual([]);
    expect(one.tick(1).said('heartbeat')).toMatchObject([{ to: 2 }, { to: 3 }]);
  });

  it('append what is proposed, and answer once it is applied', () => {
    const one = new One().elect().acknowledge(2);
    one.settle();
    expect(one.core.propose(entry(1, 2).data)).toBe(2);
    one.settle();
    expect(one.applied).toEqual([1]);
    one.acknowledge(2).settle();
    expect(one.applied).toEqual([1, 2]);
  });

  it('go back where a follower differs, and on where it agrees', () => {
    const one = new One({ term: 3, log: [1, 1, 2, 3] }).elect();
    const rejection = { index: 4, rejected: true, hintIndex: 2, hintTerm: 1, stamp: 0 };
    one.step({ kind: 'appendAnswer', from: 2, term: 4, ...rejection });
    const [again] = one.said('append');
    expect(again).toMatchObject({ to: 2, previousIndex: 2, previousTerm: 1 });
    expect(again?.entries.map(({ index }) => index)).toEqual([3, 4, 5]);
    one.acknowledge(2);
    expect(one.core.progressOf(2)).toMatchObject({ matchIndex: 5, nextIndex: 6 });
  });

  it('commit what a majority has, themselves included once they have synced it', () => {
    const one = new One({ voters: [1, 2, 3, 4, 5] });
    one.core.campaign();
    one.grant('preVoteAnswer', 2, 1).grant('preVoteAnswer', 3, 1).settle();
    one.grant('voteAnswer', 2, 1).grant('voteAnswer', 3, 1).settle();
    one.acknowledge(2);
    expect(one.core.committedIndex).toBe(0);
    one.acknowledge(3);
    expect(one.core.committedIndex).toBe(1);
  });
});

describe('5.2 leader election', () => {
  it('takes different times to lose patience', () => {
    const timeouts = [0, 3, 9].map((patience) => {
      const one = new One({ patience });
      let ticks = 0;
      for (; one.core.role === 'follower'; ticks++) one.tick(1);
      return ticks;
    });
    expect(timeouts).toEqual([10, 13, 19]);
  });
});

describe('5.3 log replication', () => {
  it('skips a whole term of conflicts for each rejection', () => {
    const one = new One({ term: 4, log: [1, 1, 1, 4, 4, 4] });
    const [answer] = one.append(6, [5, 5]).said('appendAnswer');
    expect(answer).toMatchObject({ rejected: true, hintIndex: 5, hintTerm: 4 });
    const [other] = one.append(6, [6, 3]).said('appendAnswer');
    expect(other).toMatchObject({ rejected: true, hintIndex: 3, hintTerm: 1 });
  });

  it('bears that requests come twice or late', () => {
    const one = new One();
    one.append(1, [0, 0], { entries: [entry(1, 1), entry(1, 2)], commit: 2 }).settle();
    const late = one.append(1, [0, 0], { entries: [entry(1, 1)], commit: 0 }).said('appendAnswer');
    expect(late).toMatchObject([{ rejected: false, index: 2 }]);
    expect(one.terms).toEqual([1, 1]);
    expect(one.core.committedIndex).toBe(2);
  });
});

describe('5.4.1 election restriction (thesis, 3.6.1)', () => {
  it.each([
    ['a later last term', 4, [1, 3], true],
    ['the same term, longer', 4, [4, 2], true],
    ['the same', 4, [3, 2], true],
    ['the same term, shorter', 4, [2, 2], false],
    ['an earlier last term, longer', 4, [9, 1], false],
  ] as const)('votes by how the logs end: %s', (_, term, position, granted) => {
    const one = new One({ term: 3, log: [1, 1, 2] });
    expect(one.askVote(term, position).said('voteAnswer')).toMatchObject([{ granted }]);
    // The term is entered either way.
    expect(one.core.term).toBe(4);
  });
});

describe('5.4.2 entries of earlier terms (figure 8; thesis, 3.6.2)', () => {
  it('are not committed by counting, but by an entry of the own term', () => {
    const one = new One({ term: 2, log: [1, 2] }).elect();
    // A majority has entry 2, of an earlier term.
    one.acknowledge(2, 2).settle();
    expect(one.core.committedIndex).toBe(0);
    one.acknowledge(2, 3).settle();
    expect(one.core.committedIndex).toBe(3);
  });
});

describe('5.5 crashes', () => {
  it('leave term, vote and log as they were synced', () => {
    const one = new One();
    one.append(2, [0, 0], { entries: [entry(1, 1), entry(2, 2)] }).settle();
    one.append(2, [2, 2], { entries: [entry(2, 3)] });
    one.member.ready();
    one.member.crash();
    expect([one.core.term, one.core.lastIndex, one.core.role]).toEqual([2, 2, 'follower']);
  });
});

describe('8 client interaction', () => {
  it('begins a term with an entry without bytes', () => {
    const one = new One({ term: 2, log: [1, 2] }).elect();
    expect(one.member.log.at(3)).toMatchObject({
      term: 3,
      kind: 'command',
      data: new Uint8Array(0),
    });
  });
});
