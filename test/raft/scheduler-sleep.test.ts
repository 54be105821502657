// Groups that rest cost nothing; they wake for whoever needs them, and their leaders are missed in time.
import { describe, expect, it } from 'vitest';
import { type Node, SchedulerCluster, SECOND } from './scheduler-cluster.ts';

async function asleep(cluster: SchedulerCluster, nodes: readonly Node[] = cluster.nodes) {
  await cluster.until(
    () => nodes.every(({ scheduler }) => scheduler.awakeGroups === 0),
    'a time when all groups sleep',
  );
}

/** Frames with messages of replicas that leave within a second. */
async function framesIn(cluster: SchedulerCluster, seconds: number): Promise<number> {
  for (const node of cluster.nodes) node.frames = new Map();
  await cluster.pass(seconds);
  let count = 0;
  for (const { frames } of cluster.nodes) for (const sent of frames.values()) count += sent;
  return count;
}

describe('idle groups', () => {
  it('sleep: no ticks, no messages, and their leaders keep their leases', async () => {
    const cluster = await SchedulerCluster.start({ groups: 30 });
    for (let id = 1; id <= 30; id++) await cluster.leader(id);
    await asleep(cluster);
    const leaders = [];
    for (let id = 1; id <= 30; id++) leaders.push(await cluster.leader(id));
    expect(await framesIn(cluster, 10)).toBe(0);
    await asleep(cluster);
    leaders.forEach((leader, i) => {
      expect(leader.replica(i + 1).group.lease.isHeld()).toBe(true);
    });
    // Only the leader's.
    const { group } = (cluster.others(leaders[0] as Node)[0] as Node).replica(1);
    expect(group.lease.isHeld()).toBe(false);
  });

  it('wake for a proposal, one by one, and sleep again', async () => {
    const cluster = await SchedulerCluster.start({ groups: 10 });
    const leader = await cluster.leader(7);
    await asleep(cluster);
    expect((await cluster.wait(leader.propose(1, 7))).kind).toBe('committed');
    expect(await cluster.agree(7)).toEqual([1]);
    expect(cluster.nodes.map(({ scheduler }) => scheduler.awakeGroups)).toEqual([1, 1, 1]);
    await asleep(cluster);
  });

  it('get another leader soon when their leader’s node dies', async () => {
    const cluster = await SchedulerCluster.start({ groups: 20, seed: 4 });
    const victim = cluster.node(2);
    for (let id = 1; id <= 20; id++) await cluster.lead(victim, id);
    await asleep(cluster);
    victim.crash();
    const died = cluster.world.nowMicros;
    const survivors = cluster.others(victim);
    for (let id = 1; id <= 20; id++) {
      const leader = await cluster.leader(id, survivors);
      expect((await cluster.wait(leader.propose(id, id))).kind).toBe('committed');
    }
    expect(cluster.world.nowMicros - died).toBeLessThan(4 * SECOND);
  });

  it('sleep without a member whose node is down for long, and wake to bring it up to date', async () => {
    const cluster = await SchedulerCluster.start({ groups: 20, seed: 5 });
    for (let id = 1; id <= 20; id++) await cluster.leader(id);
    const victim = cluster.node(3);
    victim.crash();
    const survivors = cluster.others(victim);
    for (let id = 1; id <= 20; id++) {
      const leader = await cluster.leader(id, survivors);
      expect((await cluster.wait(leader.propose(id, id))).kind).toBe('committed');
    }
    await asleep(cluster, survivors);
    expect(await framesIn(cluster, 10)).toBe(0);
    for (let id = 1; id <= 20; id++) {
      const leader = await cluster.leader(id, survivors);
      expect(leader.replica(id).group.lease.isHeld()).toBe(true);
      if (id % 2 === 0) continue;
      // It works, and sleeps again.
      expect((await cluster.wait(leader.propose(100 + id, id))).kind).toBe('committed');
    }
    await asleep(cluster, survivors);
    const terms = survivors.map((node) =>
      [...node.replicas.values()].map(({ group }) => group.term),
    );
    await cluster.startNode(victim);
    await cluster.until(
      () => victim.replica(1).store.numbers.length === 2,
      'what was missed by a group',
    );
    await asleep(cluster);
    for (let id = 1; id <= 20; id++) {
      expect(await cluster.agree(id)).toEqual(id % 2 === 0 ? [id] : [id, 100 + id]);
    }
    // Nobody was disturbed by its return.
    expect(
      survivors.map((node) => [...node.replicas.values()].map(({ group }) => group.term)),
    ).toEqual(terms);
  });

  it('sleep without a majority that is silent? Never: who leads without one steps down', async () => {
    const cluster = await SchedulerCluster.start({ groups: 3, seed: 6 });
    const leader = await cluster.leader(1);
    await asleep(cluster);
    for (const node of cluster.others(leader)) node.crash();
    await cluster.pass(10);
    expect(leader.replica(1).group.isLeader).toBe(false);
    expect(leader.scheduler.awakeGroups).toBe(3);
  });

  it('of one member need no ticks at all', async () => {
    const cluster = await SchedulerCluster.start({ nodes: 1, groups: 5 });
    const node = cluster.node(1);
    await cluster.leader(5);
    expect(node.scheduler.awakeGroups).toBe(0);
    await cluster.pass(1);
    const { events } = cluster.world.trace;
    // Nothing is due any more, ever.
    await cluster.pass(100);
    expect(cluster.world.trace.events).toBe(events);
    expect((await cluster.wait(node.propose(1, 5))).kind).toBe('committed');
  });
});
