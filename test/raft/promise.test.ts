// P2
import { describe, expect, it } from 'vitest';
import { MIN_TIMESTAMP } from '../../src/clock/timestamp.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import { Lease } from '../../src/raft/lease.ts';
import { ElectionPromise } from '../../src/raft/promise.ts';
import { DEFAULT_TIMING } from '../../src/raft/timing.ts';
import { FakeLife, viewOf } from './liveness-fixture.ts';

const LEASE = DEFAULT_TIMING.leaseMicros;

function follower(voters: readonly number[] = [1, 2, 3]): {
  life: FakeLife;
  view: ReturnType<typeof viewOf>;
  lease: Lease;
  promise: ElectionPromise;
} {
  const life = new FakeLife();
  const view = viewOf(voters, { role: 'follower' });
  const lease = new Lease(life.live, view);
  return { life, view, lease, promise: new ElectionPromise(life.live, lease) };
}

describe('a promise not to help elect another', () => {
  it('was made before the start, as far as anyone knows', () => {
    const { life, promise } = follower();
    life.now = LEASE - 1;
    expect(promise.mayElect()).toBe(false);
    life.now++;
    expect(promise.mayElect()).toBe(true);
  });

  it('was made to nobody by the only voter', () => {
    expect(follower([1]).promise.mayElect()).toBe(true);
  });

  it('holds for a lease from when a leader was heard', () => {
    const { life, promise } = follower();
    life.now = 2_000_000;
    promise.renew();
    life.now += LEASE - 1;
    expect(promise.mayElect()).toBe(false);
    life.now++;
    expect(promise.mayElect()).toBe(true);
  });

  it('binds also who has become the only voter since', () => {
    const { life, view, promise } = follower();
    life.now = 2_000_000;
    promise.renew();
    view.configuration = configurationOf([1]);
    expect(promise.mayElect()).toBe(false);
  });

  it('is inherited by what a split gives birth to, for as long as it lasted, but for its own leader (P25)', () => {
    const { life, view, promise: parent } = follower();
    life.now = 2_000_000;
    parent.renew();
    life.now += 100_000;
    const promise = new ElectionPromise(life.live, new Lease(life.live, view));
    promise.inherit(parent, 3);
    // Here is replica 1: it may help replica 3, and nobody else, not even itself.
    expect([1, 2, 3].map((candidate) => promise.mayElect(candidate))).toEqual([false, false, true]);
    life.now = 2_000_000 + LEASE - 1;
    expect(promise.mayElect()).toBe(false);
    life.now++;
    expect([1, 2, 3].map((candidate) => promise.mayElect(candidate))).toEqual([true, true, true]);
  });

  it('inherited, gives way to a promise of its own (P25)', () => {
    const { life, view, promise: parent } = follower();
    life.now = 2_000_000;
    parent.renew();
    const promise = new ElectionPromise(life.live, new Lease(life.live, view));
    promise.inherit(parent, 3);
    life.now += 100_000;
    promise.renew();
    expect(promise.mayElect(3)).toBe(false);
    life.now += LEASE - 1;
    expect(promise.mayElect(2)).toBe(false);
  });

  it('inherited from a leader, lasts as long as that relied on it (P25)', () => {
    const { life, view, lease, promise: parent } = follower();
    life.now = 2_000_000;
    view.role = 'leader';
    lease.begin(5);
    lease.acknowledged(2, 5, life.live.stamps.takeFresh());
    life.now += 1000;
    const child = viewOf([1, 2, 3], { role: 'follower' });
    const promise = new ElectionPromise(life.live, new Lease(life.live, child));
    promise.inherit(parent, 1);
    expect([1, 2].map((candidate) => promise.mayElect(candidate))).toEqual([true, false]);
    life.now = 2_000_000 + LEASE;
    expect(promise.mayElect(2)).toBe(true);
  });

  it('outlives the role of a leader', () => {
    const { life, view, lease, promise } = follower();
    life.now = 2_000_000;
    view.role = 'leader';
    lease.begin(5);
    lease.acknowledged(2, 5, life.live.stamps.takeFresh());
    expect(lease.isHeld()).toBe(true);
    expect(promise.mayElect()).toBe(false);
    view.role = 'follower';
    view.term = 6;
    lease.end();
    life.now += LEASE - 1;
    expect(promise.mayElect()).toBe(false);
    life.now++;
    expect(promise.mayElect()).toBe(true);
  });

  it('is renewed by every heartbeat of the node with which the replica is registered (P4)', () => {
    const { life, promise } = follower();
    const node = { heardAtMicros: 0, closedAt: MIN_TIMESTAMP };
    life.now = 2_000_000;
    promise.attach(node);
    node.heardAtMicros = 2_400_000;
    life.now = 2_400_000 + LEASE - 1;
    expect(promise.mayElect()).toBe(false);
    promise.detach();
    // Not its own any more, but what was promised stays promised.
    node.heardAtMicros = life.now;
    expect(promise.mayElect()).toBe(false);
    life.now++;
    expect(promise.mayElect()).toBe(true);
  });

  it('is renewed by registering, whenever the last heartbeat was', () => {
    const { life, promise } = follower();
    life.now = 2_000_000;
    promise.attach({ heardAtMicros: 0, closedAt: MIN_TIMESTAMP });
    promise.detach();
    life.now += LEASE - 1;
    expect(promise.mayElect()).toBe(false);
  });
});
