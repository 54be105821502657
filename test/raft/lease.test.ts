import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configurationOf } from '../../src/raft/configuration.ts';
import { Lease } from '../../src/raft/lease.ts';
import { DEFAULT_TIMING, leaderLeaseMicros } from '../../src/raft/timing.ts';
import { at, FakeLife, viewOf } from './liveness-fixture.ts';

const LEASE = leaderLeaseMicros(DEFAULT_TIMING);
/** Of FakeLife. */
const UNCERTAINTY = 100;

/** A leader of term 5, whose stamps are taken at full milliseconds. */
class Leader {
  readonly life = new FakeLife();
  readonly view: ReturnType<typeof viewOf>;
  readonly lease: Lease;

  constructor(voters: readonly number[]) {
    this.view = viewOf(voters);
    this.lease = new Lease(this.life.live, this.view);
    this.lease.begin(5);
  }

  /** A message leaves at this time, and these acknowledge it. */
  hear(sentMicros: number, ...replicas: readonly number[]): void {
    this.life.now = Math.max(this.life.now, sentMicros);
    const stamp = this.life.live.stamps.takeFresh();
    for (const replica of replicas) this.lease.acknowledged(replica, 5, stamp);
  }

  /** Up to which microsecond since the start it covers timestamps now. */
  reach(): number {
    const limit = 10_000_000;
    if (this.lease.covers(at(limit))) return limit;
    let covered = -1;
    let refused = limit;
    while (refused - covered > 1) {
      const t = (covered + refused) >> 1;
      if (this.lease.covers(at(t))) covered = t;
      else refused = t;
    }
    return covered;
  }
}

const NOTHING = -1;

describe('a lease (P1)', () => {
  it('reaches as far as the promises of a majority, from the sending', () => {
    const leader = new Leader([1, 2, 3]);
    expect(leader.reach()).toBe(NOTHING);
    leader.hear(10_000, 2);
    leader.life.now = 60_000;
    expect(leader.reach()).toBe(10_000 - UNCERTAINTY + LEASE - 1);
  });

  it('needs t below the timestamp end and the present before the monotonic one', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 2);
    leader.life.now = 10_000 + LEASE - 1;
    expect(leader.lease.covers(at(0))).toBe(true);
    expect(leader.lease.isHeld()).toBe(false);
    leader.life.now++;
    expect(leader.lease.covers(at(0))).toBe(false);
  });

  it('is held as long as it covers now().latest', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 2);
    leader.life.now = 10_000 + LEASE - 2 * UNCERTAINTY - 1;
    expect(leader.lease.isHeld()).toBe(true);
    leader.life.now++;
    expect(leader.lease.isHeld()).toBe(false);
  });

  it('is held to the very end, however often that is asked', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 2);
    for (leader.life.now = 10_000; leader.life.now < 10_000 + LEASE; leader.life.now += 997) {
      expect(leader.lease.isHeld()).toBe(
        leader.lease.covers(leader.life.live.runtime.clock.latest()),
      );
    }
    expect(leader.lease.isHeld()).toBe(false);
  });

  it('of five needs two followers', () => {
    const leader = new Leader([1, 2, 3, 4, 5]);
    leader.hear(30_000, 2);
    expect(leader.reach()).toBe(NOTHING);
    leader.hear(40_000, 4);
    expect(leader.reach()).toBe(30_000 - UNCERTAINTY + LEASE - 1);
  });

  it('takes the latest acknowledgement of each, in whatever order they come', () => {
    const leader = new Leader([1, 2, 3]);
    const { stamps } = leader.life.live;
    const early = stamps.takeFresh();
    leader.life.now = 20_000;
    const late = stamps.takeFresh();
    leader.lease.acknowledged(2, 5, late);
    leader.lease.acknowledged(2, 5, early);
    expect(leader.reach()).toBe(20_000 - UNCERTAINTY + LEASE - 1);
  });

  it('counts no answers of other terms, to earlier boots, or without a stamp', () => {
    const leader = new Leader([1, 2, 3]);
    const stamp = leader.life.live.stamps.takeFresh();
    leader.lease.acknowledged(2, 4, stamp);
    leader.lease.acknowledged(2, 5, new FakeLife(9).live.stamps.takeFresh());
    leader.lease.acknowledged(2, 5, 0);
    expect(leader.reach()).toBe(NOTHING);
    leader.lease.acknowledged(2, 5, stamp);
    expect(leader.reach()).not.toBe(NOTHING);
  });

  it('ends in the moment in which the core steps down or enters another term', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 2);
    expect(leader.lease.isHeld()).toBe(true);
    leader.view.role = 'follower';
    expect(leader.lease.isHeld()).toBe(false);
    leader.view.role = 'leader';
    leader.view.term = 6;
    expect(leader.lease.isHeld()).toBe(false);
  });

  it('begins without what an earlier term was told', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 2, 3);
    leader.lease.end();
    leader.view.term = 7;
    leader.lease.begin(7);
    expect(leader.reach()).toBe(NOTHING);
  });

  it('is void while the clock is suspended (P7)', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 2);
    leader.life.suspended = 'stepped';
    expect(leader.lease.isHeld()).toBe(false);
    expect(leader.lease.covers(at(0))).toBe(false);
    leader.life.suspended = undefined;
    expect(leader.lease.isHeld()).toBe(true);
  });
});

describe('the only voter', () => {
  it('always holds it, for whatever time', () => {
    const leader = new Leader([1]);
    leader.life.now = 3_600_000_000;
    expect(leader.lease.isHeld()).toBe(true);
    expect(leader.lease.covers(at(9e9))).toBe(true);
    leader.view.configuration = { ...configurationOf([1], [2, 3]), outgoing: [1] };
    expect(leader.lease.isHeld()).toBe(true);
  });

  it('does not hold it while the clock is suspended (P7)', () => {
    const leader = new Leader([1]);
    leader.life.suspended = 'stepped';
    expect(leader.lease.isHeld()).toBe(false);
  });

  it('helps elect another only after all that it covered alone has passed', () => {
    const leader = new Leader([1]);
    leader.lease.covers(at(400_000));
    leader.view.configuration = configurationOf([1, 2]);
    leader.view.role = 'follower';
    leader.life.now = 400_000;
    expect(leader.lease.forbidsElections()).toBe(true);
    leader.life.now = 402_000;
    expect(leader.lease.forbidsElections()).toBe(false);
  });

  it('served the present as well, when another voter comes', () => {
    const leader = new Leader([1]);
    leader.life.now = 50_000;
    leader.lease.isHeld();
    leader.view.configuration = configurationOf([1, 2]);
    expect(leader.lease.isHeld()).toBe(false);
    leader.view.role = 'follower';
    leader.life.now += 2 * UNCERTAINTY;
    expect(leader.lease.forbidsElections()).toBe(true);
    leader.life.now++;
    expect(leader.lease.forbidsElections()).toBe(false);
  });
});

describe('a lease follows the configuration (P5)', () => {
  it('is reckoned anew at the first check after a change', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 3);
    leader.hear(20_000, 2);
    expect(leader.reach()).toBe(20_000 - UNCERTAINTY + LEASE - 1);
    leader.view.configuration = configurationOf([1, 3, 4]);
    expect(leader.reach()).toBe(10_000 - UNCERTAINTY + LEASE - 1);
    leader.view.configuration = configurationOf([1, 4, 5]);
    expect(leader.reach()).toBe(NOTHING);
  });

  it('ends with the earlier of both halves while joint', () => {
    const leader = new Leader([1, 2, 3]);
    leader.view.configuration = { ...configurationOf([1, 4, 5]), outgoing: [1, 2, 3] };
    leader.hear(20_000, 2);
    expect(leader.reach()).toBe(NOTHING);
    leader.hear(50_000, 5);
    expect(leader.reach()).toBe(20_000 - UNCERTAINTY + LEASE - 1);
  });

  it('never counts learners', () => {
    const leader = new Leader([1, 2, 3]);
    leader.view.configuration = configurationOf([1, 2, 3], [4, 5]);
    leader.hear(10_000, 4, 5);
    expect(leader.reach()).toBe(NOTHING);
  });

  it('is none for a leader that has no vote, or none in the incoming half', () => {
    const leader = new Leader([2, 3]);
    leader.hear(10_000, 2, 3);
    expect(leader.reach()).toBe(NOTHING);
    leader.view.configuration = { ...configurationOf([2, 3]), outgoing: [1, 2, 3] };
    expect(leader.reach()).toBe(NOTHING);
  });

  it('is dropped by a leader that proposes its own removal, for good', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 2);
    leader.lease.changeProposed({ kind: 'simple', steps: [{ kind: 'remove', replica: 3 }] });
    expect(leader.lease.isHeld()).toBe(true);
    leader.lease.changeProposed({
      kind: 'enterJoint',
      autoLeave: true,
      steps: [
        { kind: 'addVoter', replica: 4 },
        { kind: 'addLearner', replica: 1 },
      ],
    });
    expect(leader.lease.isHeld()).toBe(false);
    leader.hear(20_000, 2, 3);
    expect(leader.lease.isHeld()).toBe(false);
  });

  it('ends no later than a majority of each half promises, whatever was acknowledged', () => {
    const replica = fc.integer({ min: 1, max: 7 });
    const half = fc.uniqueArray(replica, { minLength: 1, maxLength: 5 });
    const acknowledgement = fc.record({ replica, after: fc.integer({ min: 1, max: 90_000 }) });
    fc.assert(
      fc.property(
        half,
        half,
        fc.boolean(),
        fc.array(acknowledgement, { maxLength: 12 }),
        (a, b, isJoint, heard) => {
          const leader = new Leader([...new Set([1, ...a])]);
          if (isJoint) {
            const { voters } = leader.view.configuration;
            leader.view.configuration = { ...configurationOf(voters), outgoing: b };
          }
          const latest = new Map<number, number>();
          for (const { replica: from, after } of heard) {
            const sent = leader.life.now + after;
            leader.hear(sent, from);
            latest.set(from, sent);
          }
          const { now } = leader.life;
          latest.set(1, Number.POSITIVE_INFINITY);
          const { voters, outgoing } = leader.view.configuration;
          // For a timestamp t, counts who promises beyond it.
          const isCovered = (t: number): boolean =>
            [voters, outgoing].every((members) => {
              const promising = members.filter((member) => {
                const sent = latest.get(member) ?? Number.NEGATIVE_INFINITY;
                return t < sent - UNCERTAINTY + LEASE && now < sent + LEASE;
              });
              return members.length === 0 || promising.length * 2 > members.length;
            });
          for (const t of [now, now + UNCERTAINTY, now + 100_000, now + 300_000, now + LEASE]) {
            expect(leader.lease.covers(at(t))).toBe(isCovered(t));
          }
        },
      ),
    );
  });
});

describe('giving up (P3)', () => {
  it('lasts for the rest of the term', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 2);
    leader.lease.giveUp();
    leader.hear(20_000, 2, 3);
    expect(leader.lease.isHeld()).toBe(false);
    expect(leader.reach()).toBe(NOTHING);
    leader.view.term = 6;
    leader.lease.begin(6);
    leader.lease.acknowledged(3, 6, leader.life.live.stamps.takeFresh());
    expect(leader.lease.isHeld()).toBe(true);
  });

  it('binds the only voter too', () => {
    const leader = new Leader([1]);
    leader.lease.giveUp();
    expect(leader.lease.isHeld()).toBe(false);
  });
});

describe("the leader's own promise (P2)", () => {
  it('lasts for a whole lease from what its lease rested on, also when it leads no more', () => {
    const leader = new Leader([1, 2, 3]);
    leader.hear(10_000, 2);
    expect(leader.lease.isHeld()).toBe(true);
    leader.view.role = 'follower';
    leader.lease.end();
    leader.life.now = 10_000 + DEFAULT_TIMING.leaseMicros - 1;
    expect(leader.lease.forbidsElections()).toBe(true);
    leader.life.now++;
    expect(leader.lease.forbidsElections()).toBe(false);
  });

  it('is not broken while the lease is held, and not made without one', () => {
    const leader = new Leader([1, 2, 3]);
    expect(leader.lease.forbidsElections()).toBe(false);
    leader.hear(10_000, 3);
    expect(leader.lease.forbidsElections()).toBe(true);
  });
});
