// P4
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_TIMING } from '../../src/raft/timing.ts';
import { type Frame, Wire } from './pairs-fixture.ts';

const { heartbeatTicks, electionTicks } = DEFAULT_TIMING;

/** Node 1 leads, and has heard of the others. */
function introduced(groups = 1, ids: readonly number[] = [1, 2]): Wire {
  const wire = new Wire(ids, groups);
  wire.tick(heartbeatTicks);
  return wire;
}

/** All groups sleep. */
function asleep(groups = 1, ids: readonly number[] = [1, 2]): Wire {
  const wire = introduced(groups, ids);
  for (let group = 1; group <= groups; group++) expect(wire.node(1).offer(group)).toBe(true);
  wire.tick(heartbeatTicks);
  for (const id of ids) expect(wire.node(id).group(1).isAsleep).toBe(true);
  return wire;
}

describe('groups that sleep', () => {
  it('keep their lease and their promises by the heartbeats of the pair alone', () => {
    const wire = asleep();
    wire.tick(100);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
    expect(wire.node(2).group(1).promise.mayElect()).toBe(false);
    expect([...wire.node(1).woken, ...wire.node(2).woken]).toEqual([]);
  });

  it('have no lease before their followers have registered', () => {
    const wire = introduced();
    wire.node(1).offer(1);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(false);
    wire.tick(heartbeatTicks);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
  });

  it('cost nothing: ten thousand of them live on a heartbeat and an answer of a few bytes', () => {
    const wire = asleep(10_000);
    wire.tick(2 * heartbeatTicks);
    const bytes: number[] = [];
    for (let i = 0; i < 100 * heartbeatTicks; i++) {
      wire.pass(DEFAULT_TIMING.tickMicros);
      for (const node of wire.nodes.values()) node.pairs.tick();
      while (wire.frames.length > 0) {
        const [frame] = wire.frames.splice(0, 1) as [Frame];
        bytes.push(frame.body.length);
        wire.deliver(frame);
      }
    }
    expect(bytes.length).toBeGreaterThan(100);
    expect(Math.max(...bytes)).toBeLessThan(64);
    for (const { lease } of wire.node(1).groups.values()) expect(lease.isHeld()).toBe(true);
    for (const { promise } of wire.node(2).groups.values()) expect(promise.mayElect()).toBe(false);
  });

  it('beat at the pace of the node with the smaller id: the other answers with a heartbeat of its own', () => {
    const wire = asleep();
    wire.tick(1);
    for (let beat = 0; beat < 20; beat++) {
      for (let i = 0; i < heartbeatTicks; i++) {
        wire.pass(DEFAULT_TIMING.tickMicros);
        for (const node of wire.nodes.values()) node.pairs.tick();
      }
      expect(wire.frames.map(({ from }) => from)).toEqual([1]);
      wire.deliver(wire.frames.shift() as Frame);
      expect(wire.frames.map(({ from }) => from)).toEqual([2, 2]);
      wire.settle();
    }
    // It does not wait for one that says nothing.
    let alone = 0;
    wire.tick(4 * (heartbeatTicks + 1), (from) => {
      if (from === 2) alone++;
      return from !== 1;
    });
    expect(alone).toBe(4);
  });

  it('register in several frames when there are more than fit into one', () => {
    const wire = introduced(20_000);
    for (let group = 1; group <= 20_000; group++) wire.node(1).offer(group);
    for (const node of wire.nodes.values()) node.pairs.tick();
    for (const node of wire.nodes.values()) node.pairs.tick();
    const sizes: number[] = [];
    wire.settle((from, to) => {
      sizes.push(wire.frames.reduce((sum, { body }) => sum + body.length, 0));
      return from !== to;
    });
    expect(Math.max(...sizes)).toBeLessThan(1_000_000);
    expect(wire.node(1).group(20_000).lease.isHeld()).toBe(true);
    expect([...wire.node(2).groups.values()].every(({ isAsleep }) => isAsleep)).toBe(true);
  });

  it('of five replicas need a majority of registrations for their lease', () => {
    const wire = asleep(1, [1, 2, 3, 4, 5]);
    wire.tick(11, (from, to) => ![from, to].some((id) => id >= 4));
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
    wire.tick(11, (from, to) => ![from, to].some((id) => id >= 3));
    expect(wire.node(1).group(1).lease.isHeld()).toBe(false);
  });
});

describe('falling asleep', () => {
  it('is not offered to a node that was never heard of, or not for an election timeout', () => {
    expect(new Wire([1, 2]).node(1).offer(1)).toBe(false);
    const wire = introduced();
    wire.tick(electionTicks, () => false);
    expect(wire.node(1).offer(1)).toBe(false);
  });

  it('is over when a follower refuses', () => {
    const wire = introduced(1, [1, 2, 3]);
    wire.node(3).isWilling = false;
    expect(wire.node(1).offer(1)).toBe(true);
    wire.tick(heartbeatTicks);
    expect(wire.node(1).woken).toEqual([1]);
    // The one that had agreed wakes too.
    wire.tick(heartbeatTicks);
    expect(wire.node(2).group(1).isAsleep).toBe(false);
  });

  it('is over when a follower does not answer in time', () => {
    const wire = introduced();
    wire.node(1).offer(1);
    wire.tick(electionTicks / 2 + 1, (from) => from !== 2);
    expect(wire.node(1).woken).toEqual([1]);
    wire.tick(heartbeatTicks);
    expect(wire.node(2).group(1).isAsleep).toBe(false);
  });

  it('survives the loss of the first frames', () => {
    const wire = introduced();
    wire.node(1).offer(1);
    wire.tick(heartbeatTicks, () => false);
    wire.tick(heartbeatTicks);
    expect(wire.node(1).woken).toEqual([]);
    expect(wire.node(2).group(1).isAsleep).toBe(true);
  });

  it('is not for a group with two members on one node, or with none elsewhere', () => {
    const wire = introduced();
    const { lease } = wire.node(1).group(1);
    const offer = { group: 1, term: 5, leader: 1, commit: 7, lease };
    expect(wire.node(1).pairs.offerSleep({ ...offer, followers: [2, 65538], absent: [] })).toBe(
      false,
    );
    expect(wire.node(1).pairs.offerSleep({ ...offer, followers: [], absent: [] })).toBe(false);
  });
});

describe('a replica that leaves, to vote or to change its term', () => {
  it('gets its leader woken, and no acknowledgement of its node counts for it any more', () => {
    const wire = asleep(2);
    wire.node(2).wake(1);
    wire.tick(heartbeatTicks);
    expect(wire.node(1).woken).toEqual([1]);
    wire.tick(10);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(false);
    expect(wire.node(1).group(2).lease.isHeld()).toBe(true);
    expect(wire.node(2).group(1).promise.mayElect()).toBe(true);
    expect(wire.node(2).group(2).promise.mayElect()).toBe(false);
  });

  it('leaves its leader what it had promised', () => {
    const wire = asleep();
    wire.node(2).wake(1);
    wire.tick(heartbeatTicks);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
    expect(wire.node(2).group(1).promise.mayElect()).toBe(false);
  });

  it('was fooled by any acknowledgement, if that were enough', () => {
    const wire = asleep();
    wire.node(1).life.bugs.add('raft.node-ack-extends-lease');
    wire.node(2).wake(1);
    wire.tick(20);
    expect(wire.node(2).group(1).promise.mayElect()).toBe(true);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
  });

  it('is asleep again after the next offer', () => {
    const wire = asleep();
    wire.node(2).wake(1);
    wire.tick(heartbeatTicks);
    expect(wire.node(1).offer(1)).toBe(true);
    wire.tick(20);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
    expect(wire.node(1).woken).toEqual([1]);
  });
});

describe('a leader that wakes', () => {
  it('wakes its followers, and keeps what was promised', () => {
    const wire = asleep();
    wire.node(1).wake(1);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
    wire.tick(heartbeatTicks);
    expect(wire.node(2).woken).toEqual([1]);
    wire.tick(10);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(false);
  });

  it('may offer again before its followers know', () => {
    const wire = asleep();
    wire.node(1).wake(1);
    expect(wire.node(1).offer(1)).toBe(true);
    wire.tick(20);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
    expect(wire.node(2).group(1).isAsleep).toBe(true);
    expect(wire.node(1).woken).toEqual([]);
  });
});

describe('silence', () => {
  it('of a leader’s node wakes its followers after an election timeout, once', () => {
    const wire = asleep(3);
    wire.tick(electionTicks - heartbeatTicks, (from) => from !== 1);
    expect(wire.node(2).suspected).toEqual([]);
    wire.tick(3 * electionTicks, (from) => from !== 1);
    expect(wire.node(2).suspected).toEqual([{ node: 1, groups: [1, 2, 3] }]);
    expect(wire.node(2).pairs.isSuspected(1)).toBe(true);
    wire.tick(heartbeatTicks);
    expect(wire.node(2).pairs.isSuspected(1)).toBe(false);
  });

  it('of a follower’s node wakes the leaders', () => {
    const wire = asleep();
    wire.tick(electionTicks + heartbeatTicks, (from) => from !== 2);
    expect(wire.node(1).woken).toEqual([1]);
  });

  it('is counted in ticks: a stall of the whole process is none', () => {
    const wire = asleep();
    wire.pass(10_000_000);
    wire.tick(heartbeatTicks);
    expect(wire.node(2).suspected).toEqual([]);
    // But what was promised has run out meanwhile, and is renewed.
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
    expect(wire.node(2).group(1).promise.mayElect()).toBe(false);
  });

  it('voids all: what one side has forgotten the other must not count', () => {
    const wire = asleep();
    // Node 2 hears nothing, its own heartbeats arrive.
    wire.tick(electionTicks, (from) => from !== 1);
    expect(wire.node(2).group(1).isAsleep).toBe(false);
    wire.tick(heartbeatTicks);
    expect(wire.node(1).woken).toEqual([1]);
    wire.tick(10);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(false);
  });
});

describe('a new boot', () => {
  it('of the follower’s node voids what it had registered', () => {
    const wire = asleep();
    wire.restart(2);
    wire.tick(heartbeatTicks);
    expect(wire.node(1).woken).toEqual([1]);
    wire.tick(10);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(false);
  });

  it('of the leader’s node wakes its followers', () => {
    const wire = asleep();
    wire.restart(1);
    wire.tick(heartbeatTicks);
    expect(wire.node(2).woken).toEqual([1]);
  });

  it('is met again also when its clock went back', () => {
    const wire = asleep();
    wire.stepMicros = -3_600_000_000;
    wire.restart(2);
    wire.tick(3 * electionTicks);
    expect(wire.node(1).offer(1)).toBe(true);
    wire.tick(2 * heartbeatTicks);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
  });

  it('is not confused by frames of an earlier one', () => {
    const wire = asleep();
    for (const node of wire.nodes.values()) node.pairs.tick();
    for (const node of wire.nodes.values()) node.pairs.tick();
    const old = wire.frames.splice(0);
    wire.restart(1);
    wire.tick(heartbeatTicks);
    const { length } = wire.node(2).woken;
    for (const frame of old) wire.deliver(frame);
    wire.tick(heartbeatTicks);
    expect(wire.node(2).woken).toHaveLength(length);
    expect(wire.node(1).warnings).toEqual([]);
  });
});

describe('heartbeats', () => {
  it('flow between nodes that share groups, one each way an interval, with an answer', () => {
    const wire = introduced();
    for (let i = 0; i < heartbeatTicks; i++) {
      for (const node of wire.nodes.values()) node.pairs.tick();
    }
    expect(wire.frames.map(({ from, to }) => [from, to])).toEqual([
      [1, 2],
      [2, 1],
    ]);
    wire.settle();
    for (const node of wire.nodes.values()) node.pairs.part(3 - node.id);
    wire.tick(5 * heartbeatTicks, () => {
      throw new Error('a heartbeat to a stranger');
    });
  });

  it('measure round trips', () => {
    const wire = introduced();
    expect(wire.node(1).pairs.roundTripMicros(2)).toBe(0);
    for (let i = 0; i < 200; i++) {
      for (const node of wire.nodes.values()) node.pairs.tick();
      for (const frame of wire.frames.splice(0)) {
        wire.pass(300);
        wire.deliver(frame);
      }
      for (const frame of wire.frames.splice(0)) wire.deliver(frame);
    }
    expect(wire.node(1).pairs.roundTripMicros(2)).toBeGreaterThan(250);
    expect(wire.node(1).pairs.roundTripMicros(9)).toBeUndefined();
  });

  it('that are garbage are logged and left', () => {
    const wire = asleep();
    for (const body of [[], [9, 9], [1, 0, 0, 0], Array.from({ length: 60 }, () => 255)]) {
      wire.node(1).pairs.receive(2, Uint8Array.from(body));
    }
    expect(wire.node(1).warnings).toHaveLength(4);
    expect(wire.node(1).group(1).lease.isHeld()).toBe(true);
  });

  it('tell a node whose clock is wrong so, with three nodes (P12)', () => {
    const wire = new Wire([1, 2, 3]);
    const node = wire.node(2);
    node.life.stepMicros = 70_000;
    wire.tick(2 * heartbeatTicks);
    expect(node.verdicts.map(({ kind }) => kind)).toEqual(['outOfBounds']);
    // Each of the others hears two that disagree, and agrees with one.
    expect(wire.node(1).verdicts.map(({ kind }) => kind)).not.toContain('outOfBounds');
    expect(wire.node(3).verdicts.map(({ kind }) => kind)).not.toContain('outOfBounds');
  });
});

describe('whatever is lost, repeated, reordered, restarted', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('tick' as const) }) },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('deliver' as const),
        which: fc.nat(7),
        repeats: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), which: fc.nat(7) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('offer' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wake' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restartFollower' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('pause' as const), ticks: fc.nat(15) }) },
  );

  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

  /** How often the lease was held; throws when it was while the follower was free. */
  function play(steps: readonly Step[], bug?: string): number {
    const wire = introduced();
    if (bug !== undefined) wire.node(1).life.bugs.add(bug);
    wire.ranBeforeMicros = 0;
    let held = 0;
    for (const taken of steps) {
      const leader = wire.node(1);
      const follower = wire.node(2);
      switch (taken.kind) {
        case 'tick':
          wire.pass(DEFAULT_TIMING.tickMicros);
          for (const node of wire.nodes.values()) node.pairs.tick();
          break;
        case 'deliver': {
          const [frame] = wire.frames.splice(taken.which % (wire.frames.length + 1), 1);
          if (frame === undefined) break;
          wire.deliver(frame);
          if (taken.repeats) wire.frames.push(frame);
          break;
        }
        case 'lose':
          wire.frames.splice(taken.which % (wire.frames.length + 1), 1);
          break;
        case 'offer':
          if (!leader.pairs.isAsleep(1)) leader.offer(1);
          break;
        case 'wake':
          leader.wake(1);
          break;
        case 'leave':
          follower.wake(1);
          break;
        case 'restartFollower':
          wire.restart(2);
          break;
        case 'pause':
          wire.pass(taken.ticks * DEFAULT_TIMING.tickMicros);
          break;
      }
      if (leader.group(1).lease.isHeld()) {
        held++;
        expect(wire.node(2).group(1).promise.mayElect()).toBe(false);
      }
    }
    return held;
  }

  it('a lease is held only while the follower’s promise stands', () => {
    let held = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 40, maxLength: 160 }), (steps) => {
        held += play(steps);
      }),
      { numRuns: 400 },
    );
    expect(held).toBeGreaterThan(1000);
  });

  it('which is not so when any acknowledgement extends it', () => {
    const found = fc.check(
      fc.property(fc.array(step, { minLength: 40, maxLength: 160 }), (steps) => {
        play(steps, 'raft.node-ack-extends-lease');
      }),
      { numRuns: 400, endOnFailure: true },
    );
    expect(found.failed).toBe(true);
  });
});
