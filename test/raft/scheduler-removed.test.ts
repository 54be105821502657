// A replica that was removed from its group learns it, in one way or another, and nobody else is disturbed by it.
import { describe, expect, it } from 'vitest';
import { type ReplicaId, replicaIdOn } from '../../src/raft/types.ts';
import { type Node, SchedulerCluster } from './scheduler-cluster.ts';

async function remove(cluster: SchedulerCluster, leader: Node, replica: ReplicaId): Promise<void> {
  const { group } = leader.replica();
  const answer = await cluster.wait(
    leader.scheduler.proposeChange(group, {
      kind: 'simple',
      steps: [{ kind: 'remove', replica }],
    }),
  );
  expect(answer.kind).toBe('committed');
  for (const node of cluster.nodes) node.replica().removed = [replica];
}

describe('a replica that was removed', () => {
  it('learns it from its own log', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    const [gone, stays] = cluster.others(leader) as [Node, Node];
    await remove(cluster, leader, gone.id);
    await cluster.until(() => gone.replica().isToldRemoved, 'word of its removal');
    expect(stays.replica().isToldRemoved).toBe(false);
    expect(leader.replica().isToldRemoved).toBe(false);
  });

  it('learns it as the leader that removed itself, once the others have heard', async () => {
    const cluster = await SchedulerCluster.start({ seed: 2 });
    const leader = await cluster.leader();
    await remove(cluster, leader, leader.id);
    await cluster.until(() => leader.replica().isToldRemoved, 'word of its removal');
    const others = cluster.others(leader);
    for (const node of others) expect(node.replica().group.configuration.voters).toHaveLength(2);
    await cluster.leader(1, others);
  });

  it('learns it when it asks for votes, if it missed the news', async () => {
    const cluster = await SchedulerCluster.start({ seed: 3 });
    const leader = await cluster.leader();
    const [gone, stays] = cluster.others(leader) as [Node, Node];
    cluster.isolate(gone);
    await cluster.pass(2);
    const next = await cluster.leader(1, [leader, stays]);
    await remove(cluster, next, gone.id);
    await cluster.pass(1);
    const { term } = next.replica().group;
    cluster.network.heal();
    await cluster.until(() => gone.replica().isToldRemoved, 'word of its removal');
    await cluster.pass(2);
    expect(next.replica().group.term).toBe(term);
    await cluster.wait(gone.scheduler.removeGroup(gone.replica().group, false));
  });

  it('learns from a node that the group is over, though that never had its like', async () => {
    const cluster = await SchedulerCluster.start({ seed: 5 });
    const leader = await cluster.leader();
    const [gone, stays] = cluster.others(leader) as [Node, Node];
    cluster.isolate(gone);
    await cluster.pass(2);
    for (const node of [leader, stays]) {
      await cluster.wait(node.scheduler.removeGroup(node.replica().group, true));
      node.stores.clear();
    }
    await cluster.pass(2);
    expect(gone.replica().isToldRemoved).toBe(false);
    cluster.network.heal();
    await cluster.until(() => gone.replica().isToldRemoved, 'word of its end');
    // No message makes another of it.
    expect([leader, stays].flatMap(({ unknown }) => unknown)).toEqual([]);
  });

  it('is not told by those who merely do not know it', async () => {
    const cluster = await SchedulerCluster.start({ seed: 4 });
    const leader = await cluster.leader();
    const [gone, stays] = cluster.others(leader) as [Node, Node];
    cluster.isolate(gone);
    await cluster.pass(2);
    await remove(cluster, await cluster.leader(1, [leader, stays]), gone.id);
    for (const node of cluster.nodes) node.replica().removed = [];
    cluster.network.heal();
    await cluster.pass(5);
    expect(gone.replica().isToldRemoved).toBe(false);
  });

  it('learns it as a voter that may not ask for votes, because it lost its state', async () => {
    const cluster = await SchedulerCluster.start({ seed: 3 });
    const leader = await cluster.leader();
    const [gone, stays] = cluster.others(leader) as [Node, Node];
    gone.crash();
    const next = await cluster.leader(1, [leader, stays]);
    await remove(cluster, next, gone.id);
    await gone.start();
    gone.stores.clear();
    gone.run(1, undefined, { lacksState: true });
    await cluster.until(() => gone.replica().isToldRemoved, 'word of its removal');
  });

  it('learns it from who took the place of one that it knows', async () => {
    const cluster = await SchedulerCluster.start({ seed: 7, nodes: 5 });
    const leader = await cluster.leader();
    const [gone, replaced] = cluster.others(leader) as [Node, Node];
    cluster.isolate(gone);
    await remove(cluster, leader, gone.id);
    await remove(cluster, leader, replaced.id);
    await cluster.wait(replaced.scheduler.removeGroup(replaced.replica().group, false));
    const learner = replicaIdOn(replaced.id, 1);
    const adding = leader.scheduler.proposeChange(leader.replica().group, {
      kind: 'simple',
      steps: [{ kind: 'addLearner', replica: learner }],
    });
    replaced.stores.clear();
    expect((await cluster.wait(adding)).kind).toBe('committed');
    await cluster.until(() => replaced.unknown.length > 0, 'news of the group');
    replaced.run(1, undefined, { incarnation: 1 });
    // The leader merely does not know it.
    for (const node of cluster.nodes) node.replica().removed = [];
    replaced.replica().removed = [gone.id];
    cluster.network.heal();
    await cluster.until(() => gone.replica().isToldRemoved, 'word of its removal');
  });

  it.each([
    ['whom it has heard', (heard: number) => ({ contact: heard })],
    ['anybody, when it has forgotten that', () => ({ asksAll: true })],
    ['anybody, when that one is gone', () => ({ contact: replicaIdOn(77, 0), asksAll: true })],
  ])('asks %s when it has no vote to ask for', async (_, knowing) => {
    const cluster = await SchedulerCluster.start({ seed: 5 });
    const leader = await cluster.leader();
    const added = await cluster.addNode();
    const learner = replicaIdOn(added.id, 0);
    const { scheduler } = leader;
    const { group } = leader.replica();
    const adding = scheduler.proposeChange(group, {
      kind: 'simple',
      steps: [{ kind: 'addLearner', replica: learner }],
    });
    expect((await cluster.wait(adding)).kind).toBe('committed');
    await cluster.until(() => added.unknown.length > 0, 'news of the group');
    const { from } = added.unknown[0] as { from: number };
    // Before it gets anything.
    cluster.isolate(added);
    added.run(1, undefined, knowing(from));
    await remove(cluster, leader, learner);
    cluster.network.heal();
    await cluster.until(() => added.replica().isToldRemoved, 'word of its removal');
    // Nobody becomes a replica for being asked.
    expect(
      cluster.nodes.flatMap(({ unknown }) => unknown.filter(({ from: by }) => by === learner)),
    ).toEqual([]);
  });
});

describe('frames of other rooms', () => {
  it('reach the same room of another node', async () => {
    const cluster = await SchedulerCluster.start({ seed: 6 });
    const [one, other] = cluster.nodes as [Node, Node];
    const got: string[] = [];
    for (const room of ['closed', 'status'] as const) {
      other.scheduler.onFrame(room, (from, body) => got.push(`${room} ${from} ${body.join(' ')}`));
    }
    one.scheduler.sendFrame('closed', other.id, Uint8Array.of(1, 2));
    one.scheduler.sendFrame('status', other.id, Uint8Array.of(3));
    await cluster.until(() => got.length === 2, 'both frames');
    expect(got.sort()).toEqual(['closed 1 1 2', 'status 1 3']);
  });
});
