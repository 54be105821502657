// What becomes of proposals whose leader is lost, of leases that are handed over, and of groups whose members change.
import { describe, expect, it } from 'vitest';
import { configurationOf } from '../../src/raft/configuration.ts';
import { FrameWriter } from '../../src/raft/frames.ts';
import type { ProposeAnswer } from '../../src/raft/proposals.ts';
import { replicaIdOn } from '../../src/raft/types.ts';
import { type Node, SchedulerCluster } from './scheduler-cluster.ts';

function follow(promise: Promise<ProposeAnswer>): { answer: ProposeAnswer | undefined } {
  const seen: { answer: ProposeAnswer | undefined } = { answer: undefined };
  void promise.then((answer) => {
    seen.answer = answer;
  });
  return seen;
}

describe('proposals of a leadership that ended', () => {
  it('are committed when the next leader has them', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    await cluster.pass(1);
    // They arrive, the answers don't.
    for (const node of cluster.others(leader)) cluster.network.cut(node.id, leader.id);
    const waiting = follow(leader.propose(5));
    await cluster.leader(1, cluster.others(leader));
    await cluster.until(() => !leader.replica().isLeading, 'the end of the old leadership');
    expect(waiting.answer).toBeUndefined();
    cluster.network.heal();
    await cluster.until(() => waiting.answer !== undefined, 'the answer');
    expect(waiting.answer?.kind).toBe('committed');
    expect(await cluster.agree()).toEqual([5]);
  });

  it('are surely refused when their index has committed something else', async () => {
    const cluster = await SchedulerCluster.start({ seed: 2 });
    const leader = await cluster.leader();
    await cluster.pass(1);
    cluster.isolate(leader);
    const waiting = follow(leader.propose(5));
    await cluster.pass(0.1);
    const next = await cluster.leader(1, cluster.others(leader));
    expect((await cluster.wait(next.propose(6))).kind).toBe('committed');
    expect(waiting.answer).toBeUndefined();
    cluster.network.heal();
    await cluster.until(() => waiting.answer !== undefined, 'the answer');
    expect(waiting.answer).toEqual({ kind: 'notLeader', leader: next.id });
    expect(await cluster.agree()).toEqual([6]);
  });

  it('are of unknown outcome when that is not decided for long', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    await cluster.pass(1);
    cluster.isolate(leader);
    const waiting = follow(leader.propose(5));
    await cluster.until(() => waiting.answer !== undefined, 'the answer', 5);
    expect(waiting.answer?.kind).toBe('unknown');
    expect(leader.replica().isLeading).toBe(false);
  });
});

describe('a transfer', () => {
  it('stops the group, gives the lease up, and only then lets the other campaign (P3)', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    await cluster.pass(1);
    const replica = leader.replica();
    const { group } = replica;
    const [to] = cluster.others(leader) as [Node];
    let wasHeld = false;
    replica.onTransfer = async () => {
      const answer = await leader.propose(9);
      expect(answer.kind).toBe('committed');
      wasHeld = group.lease.isHeld();
    };
    const outcome = cluster.wait(leader.scheduler.transfer(group, to.id));
    expect(await outcome).toBe('transferred');
    expect(wasHeld).toBe(true);
    expect(group.lease.isHeld()).toBe(false);
    await cluster.until(() => to.replica().isLeading, 'the new leadership');
    expect(await cluster.agree()).toEqual([9]);
    expect(replica.leadership).toEqual({ kind: 'following', leader: to.id });
  });

  it('that the group gives up changes nothing', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    await cluster.pass(1);
    const { group } = leader.replica();
    const { term } = group;
    leader.replica().onTransfer = () => Promise.reject(new Error('not now'));
    const [to] = cluster.others(leader) as [Node];
    expect(await cluster.wait(leader.scheduler.transfer(group, to.id))).toBe('failed');
    expect([group.isLeader, group.term, group.lease.isHeld()]).toEqual([true, term, true]);
    // To nobody who could lead.
    expect(await cluster.wait(leader.scheduler.transfer(group, 77))).toBe('failed');
    expect(leader.replica().events.filter((event) => event === 'transfer')).toHaveLength(1);
  });

  it('to a replica that loses its vote meanwhile fails, and another election comes', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    await cluster.pass(1);
    const replica = leader.replica();
    const { group } = replica;
    const { term } = group;
    const [to] = cluster.others(leader) as [Node];
    replica.onTransfer = async () => {
      const steps = [{ kind: 'remove', replica: to.id }] as const;
      const answer = await leader.scheduler.proposeChange(group, { kind: 'simple', steps });
      expect(answer.kind).toBe('committed');
    };
    expect(await cluster.wait(leader.scheduler.transfer(group, to.id))).toBe('failed');
    expect(group.lease.isHeld()).toBe(false);
    const isLedAgain = (node: Node): boolean =>
      node.replica().isLeading && node.replica().group.term > term;
    await cluster.until(() => cluster.nodes.some(isLedAgain), 'another leadership');
  });

  it('to a node that can’t be reached fails, and no lease is held again in that term', async () => {
    const cluster = await SchedulerCluster.start({ seed: 8 });
    const leader = await cluster.leader();
    await cluster.pass(1);
    const { group } = leader.replica();
    const { term } = group;
    const [to] = cluster.others(leader) as [Node];
    cluster.isolate(to);
    let heldInTerm = false;
    leader.replica().onTransfer = () => Promise.resolve();
    const outcome = leader.scheduler.transfer(group, to.id);
    await cluster.pass(0.01);
    const watch = cluster.until(() => {
      heldInTerm ||= group.term === term && group.lease.isHeld();
      return group.term !== term;
    }, 'another term');
    await watch;
    expect(await cluster.wait(outcome)).toBe('failed');
    expect(heldInTerm).toBe(false);
    await cluster.leader(1, cluster.others(to));
  });
});

describe('members', () => {
  it('come as learners, vote after a joint change, and leave for good (P32)', async () => {
    const cluster = await SchedulerCluster.start({ seed: 6 });
    const leader = await cluster.leader();
    const { scheduler } = leader;
    const { group } = leader.replica();
    await cluster.wait(leader.propose(1));
    const fresh = await cluster.addNode();
    const learner = replicaIdOn(fresh.id, 0);
    const added = await cluster.wait(
      scheduler.proposeChange(group, {
        kind: 'simple',
        steps: [{ kind: 'addLearner', replica: learner }],
      }),
    );
    expect(added.kind).toBe('committed');
    // Nobody runs there yet.
    await cluster.until(() => fresh.unknown.length > 0, 'a message to the new replica');
    expect(fresh.unknown[0]).toEqual({ groupId: 1, from: leader.id, to: learner });
    const joined = fresh.run(1);
    const { group: joinedGroup } = joined;
    await cluster.until(
      () => joinedGroup.configuration.learners.includes(learner),
      'the learner’s configuration',
    );
    expect(joined.events).toContain('pull');
    expect(joined.store.numbers).toEqual([1]);

    const [leaving] = cluster.others(leader, fresh) as [Node];
    const swapped = await cluster.wait(
      scheduler.proposeChange(group, {
        kind: 'enterJoint',
        autoLeave: true,
        steps: [
          { kind: 'addVoter', replica: learner },
          { kind: 'remove', replica: leaving.id },
        ],
      }),
    );
    expect(swapped.kind).toBe('committed');
    const remaining = cluster.others(leaving);
    const expected = configurationOf(remaining.map(({ id }) => id));
    await cluster.until(
      () =>
        remaining.every(
          (node) => JSON.stringify(node.replica().group.configuration) === JSON.stringify(expected),
        ),
      'the new configuration everywhere',
    );
    expect(leader.replica().configurations.at(-1)).toEqual(expected);
    expect(group.configuration).toEqual(expected);

    await cluster.wait(leaving.scheduler.removeGroup(leaving.replica().group, false));
    leaving.replicas.clear();
    leaving.stores.clear();
    leaving.crash();
    await leaving.start();
    expect(leaving.scheduler.knownGroups).toEqual([]);
    // A message to what was removed, however late, brings nothing back.
    const late = new FrameWriter();
    late.add(1, { kind: 'timeoutNow', from: leader.id, to: leaving.id, term: 99 });
    leader.runtime.network.send(leaving.id, late.take());
    await cluster.pass(1);
    expect(leaving.unknown).toEqual([]);
    expect(() => leaving.run(1)).toThrow('P32');
    leaving.stores.clear();
    expect(leaving.run(1, undefined, { incarnation: 1 }).group.configuration.voters).toEqual([]);

    // What changed stays changed, whoever restarts.
    for (const node of remaining) node.crash();
    for (const node of remaining) {
      await node.start();
      node.run(1);
      expect(node.replica().group.configuration).toEqual(expected);
    }
    const next = await cluster.leader(1, remaining);
    expect((await cluster.wait(next.propose(2))).kind).toBe('committed');
  });

  it('a leader that proposes its own removal drops its lease at once (P5)', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    await cluster.pass(1);
    const { group } = leader.replica();
    expect(group.lease.isHeld()).toBe(true);
    const change = leader.scheduler.proposeChange(group, {
      kind: 'simple',
      steps: [{ kind: 'remove', replica: leader.id }],
    });
    expect(group.lease.isHeld()).toBe(false);
    expect((await cluster.wait(change)).kind).toBe('committed');
    const next = await cluster.leader(1, cluster.others(leader));
    expect(next.replica().group.configuration.voters).not.toContain(leader.id);
  });

  it('are refused changes that can’t be', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    const { scheduler } = leader;
    const { group } = leader.replica();
    expect(await cluster.wait(scheduler.proposeChange(group, { kind: 'leaveJoint' }))).toEqual({
      kind: 'refused',
      reason: "can't leave a non-joint config",
    });
    const [follower] = cluster.others(leader) as [Node];
    const refused = follower.scheduler.proposeChange(follower.replica().group, {
      kind: 'leaveJoint',
    });
    expect((await cluster.wait(refused)).kind).toBe('notLeader');
  });
});
