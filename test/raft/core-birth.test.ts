// Replicas that a split gives birth to (P25, P26; birth.ts): one leads the first term without an election, once.
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import type { Message } from '../../src/raft/messages.ts';
import { RaftInvariants } from '../../src/sim/checkers/raft-invariants.ts';
import { Member, type MemberBug, MemoryLog } from './member.ts';
import { TUNING } from './one-core.ts';

const VOTERS = configurationOf([1, 2, 3]);

class Siblings {
  readonly members: Member[];
  readonly queue: Message[] = [];

  constructor(bug?: MemberBug) {
    this.members = [1, 2, 3].map((id) => {
      const member = new Member(id, new MemoryLog(), 0, {
        tuning: TUNING,
        random: () => id,
        send: (message) => this.queue.push(message),
        ...(bug === undefined ? {} : { bug }),
      });
      member.core.mayElect = true;
      return member;
    });
  }

  one(id: number): Member {
    return this.members[id - 1] as Member;
  }

  bear(id: number, isFirst: boolean): Member {
    const member = this.one(id);
    member.bear(VOTERS, 1, isFirst);
    member.core.mayElect = true;
    return member;
  }

  settle(...ids: readonly number[]): void {
    for (let round = 0; round < 20; round++) {
      for (const id of ids) while (this.one(id).ready() !== undefined || this.one(id).sync());
      for (const message of this.queue.splice(0)) {
        if (ids.includes(message.to)) this.one(message.to).core.step(message);
      }
    }
  }

  /** Heartbeats bring what was lost. */
  beat(id: number): void {
    for (let i = 0; i < TUNING.heartbeatTicks; i++) this.one(id).core.tick();
    this.settle(1, 2, 3);
  }

  checkLogs(): void {
    new RaftInvariants().checkLogs(
      1,
      this.members.map(({ id, log }) => ({
        replica: id,
        lastIndex: log.lastIndex,
        termAt: (index) => log.termAt(index),
      })),
    );
  }
}

/** The leader from birth says something, crashes before anything of it is synced, and is born again; then others are. */
function bornTwice(bug?: MemberBug): Siblings {
  const siblings = new Siblings(bug);
  siblings.bear(1, true);
  siblings.bear(2, false);
  siblings.one(1).core.propose(utf8('first'));
  siblings.one(1).ready();
  siblings.settle(2);
  // Its messages leave before its own sync.
  expect(siblings.one(2).log.lastIndex).toBe(3);
  siblings.one(1).crash(0);
  expect(siblings.one(1).isUnborn).toBe(true);
  siblings.bear(1, false);
  siblings.bear(3, false);
  siblings.queue.length = 0;
  return siblings;
}

describe('replicas born by a split', () => {
  it('begin with the leader of their first term, who needs no vote', () => {
    const siblings = new Siblings();
    const leader = siblings.bear(1, true);
    expect(leader.core).toMatchObject({ role: 'leader', term: 1, lastIndex: 2 });
    for (const id of [2, 3]) siblings.bear(id, false);
    leader.core.propose(utf8('x'));
    siblings.settle(1, 2, 3);
    expect(siblings.queue).toEqual([]);
    for (const { core, applied } of siblings.members) {
      expect(core.term).toBe(1);
      expect(core.leader).toBe(1);
      expect(applied.map(({ index, term }) => [index, term])).toEqual([
        [2, 1],
        [3, 1],
      ]);
    }
  });

  it('elect in the next term when nobody leads the first', () => {
    const siblings = new Siblings();
    for (const id of [1, 2, 3]) siblings.bear(id, false);
    expect(siblings.members.map(({ core }) => core.role)).toEqual(Array(3).fill('follower'));
    siblings.one(2).core.campaign();
    siblings.settle(1, 2, 3);
    expect(siblings.one(2).core).toMatchObject({ role: 'leader', term: 2 });
  });

  it('keep the term and the vote of before their birth, and do not lead then (P26)', () => {
    const siblings = new Siblings();
    for (const id of [2, 3]) siblings.bear(id, false);
    // The others have met it unborn, and elect one of their own with its vote.
    siblings.one(2).core.campaign();
    siblings.settle(1, 2);
    expect(siblings.one(1).core.term).toBe(2);
    expect(siblings.one(1).log.hardState).toMatchObject({ term: 2, vote: 2 });
    const born = siblings.bear(1, true);
    expect(born.core).toMatchObject({ role: 'follower', term: 2 });
    expect(born.log.hardState).toMatchObject({ term: 2, vote: 2 });
  });

  it('make a leader from birth step down when they have moved on', () => {
    const siblings = new Siblings();
    siblings.bear(2, false);
    siblings.bear(3, false);
    siblings.one(3).core.campaign();
    siblings.settle(2, 3);
    expect(siblings.one(3).core).toMatchObject({ role: 'leader', term: 2 });
    const late = siblings.bear(1, true);
    expect(late.core).toMatchObject({ role: 'leader', term: 1 });
    siblings.settle(1, 2, 3);
    expect(late.core).toMatchObject({ role: 'follower', term: 2 });
    siblings.beat(3);
    expect(late.core.leader).toBe(3);
    siblings.checkLogs();
  });

  it('do not lead again when the split is replayed', () => {
    const siblings = bornTwice();
    expect(siblings.one(1).core).toMatchObject({ role: 'follower', term: 1 });
    siblings.one(1).core.campaign();
    siblings.settle(1, 3);
    expect(siblings.one(1).core).toMatchObject({ role: 'leader', term: 2 });
    siblings.one(1).core.propose(utf8('second'));
    siblings.beat(1);
    siblings.checkLogs();
    expect(siblings.one(2).log.entries.map(({ term }) => term)).toEqual([2, 2]);
  });

  it('would have two entries of one index and term if they did', () => {
    const siblings = bornTwice('leadAgain');
    expect(siblings.one(1).core).toMatchObject({ role: 'leader', term: 1 });
    siblings.one(1).core.propose(utf8('second'));
    siblings.settle(1, 3);
    const texts = [1, 2].map((id) => String.fromCharCode(...siblings.one(id).log.at(3).data));
    expect(siblings.one(1).log.termAt(3)).toBe(siblings.one(2).log.termAt(3));
    expect(texts).toEqual(['second', 'first']);
  });
});
