// Groups that a split brings about (P25, P26): who leads them, from when on, and what becomes of replicas that were met
// before their birth.
import { describe, expect, it } from 'vitest';
import { replicaIdOn } from '../../src/raft/types.ts';
import { type Node, SchedulerCluster } from './scheduler-cluster.ts';

const CHILD = 7;

function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

async function propose(cluster: SchedulerCluster, node: Node, list: readonly number[], group = 1) {
  const answers = await cluster.wait(
    Promise.all(list.map((number) => node.propose(number, group))),
  );
  return [...new Set(answers.map(({ kind }) => kind))];
}

/** A leader of group 1 that has split it. */
async function withSplit(seed = 1): Promise<{ cluster: SchedulerCluster; leader: Node }> {
  const cluster = await SchedulerCluster.start({ seed });
  const leader = await cluster.leader();
  await propose(cluster, leader, numbers(5));
  expect((await cluster.wait(cluster.split(leader, CHILD))).kind).toBe('committed');
  return { cluster, leader };
}

/** The last node applies nothing of group 1 until released; it doesn't lead it. */
async function withLaggard(seed: number): Promise<{
  cluster: SchedulerCluster;
  leader: Node;
  laggard: Node;
  release: () => void;
}> {
  const cluster = await SchedulerCluster.start({ seed });
  const leader = await cluster.leader();
  const [laggard] = cluster.others(leader) as [Node];
  let letGo = (): void => {};
  laggard.replica().hold = new Promise((resolve) => {
    letGo = resolve;
  });
  await propose(cluster, leader, numbers(3));
  await cluster.until(() => laggard.replica().store.appliedIndex > 0, 'an entry that is held');
  await cluster.wait(cluster.split(leader, CHILD));
  const release = (): void => {
    laggard.replica().hold = undefined;
    letGo();
  };
  return { cluster, leader, laggard, release };
}

describe('a group that a split brings about', () => {
  it('is led from birth by the replica beside the leader that proposed it', async () => {
    const { cluster, leader } = await withSplit();
    const child = leader.replica(CHILD);
    expect(child.group.isLeader).toBe(true);
    expect(child.group.term).toBe(1);
    await cluster.until(() => child.isLeading, 'its first entry');
    expect(child.group.lease.isHeld()).toBe(true);
    expect(await propose(cluster, leader, numbers(20, 10), CHILD)).toEqual(['committed']);
    expect(await cluster.agree(CHILD)).toEqual([...numbers(5), ...numbers(20, 10)]);
    for (const node of cluster.nodes) {
      expect(node.replica(CHILD).group.term).toBe(1);
      // Nobody pulled what the split had left, nor was asked to run an unknown replica.
      expect(node.replica(CHILD).events).not.toContain('pull');
      expect(node.unknown).toEqual([]);
    }
  });

  it('serves within two round trips and the syncs between them', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    await propose(cluster, leader, numbers(3));
    Object.assign(cluster.network.settings, { delayMicrosMin: 1000, delayMicrosMax: 1000 });
    await cluster.wait(cluster.split(leader, CHILD));
    const { nowMicros } = cluster.world;
    await cluster.until(() => leader.replica(CHILD).isLeading, 'its first entry');
    // Less than a tick: nothing waited for one.
    expect(cluster.world.nowMicros - nowMicros).toBeLessThan(20_000);
  });

  it('is led by whoever leads what was split when the one that proposed it does not any more', async () => {
    const { cluster, leader } = await withSplit(3);
    // Another split, whose proposer is cut off once the entry has left, and before it hears of its commit.
    const second = CHILD + 1;
    const others = cluster.others(leader);
    for (const node of others) cluster.network.cut(node.id, leader.id);
    void cluster.split(leader, second);
    const next = await cluster.leader(1, others);
    await cluster.until(() => next.replicas.has(second), 'the split');
    const heir = await cluster.leader(second, others);
    expect(heir).toBe(next);
    expect(heir.replica(second).group.term).toBeGreaterThan(1);
    expect(await propose(cluster, heir, [99], second)).toEqual(['committed']);
    cluster.network.heal();
    await cluster.until(() => leader.replicas.has(second), 'the birth beside the old leader');
    expect(await cluster.agree(second)).toContain(99);
    expect(leader.replica(second).group.term).toBeGreaterThan(1);
  });

  it('has no leader from birth where the split is replayed', async () => {
    const { cluster, leader } = await withSplit(4);
    await cluster.until(() => leader.replica(CHILD).isLeading, 'its first entry');
    // What the split made is lost with the power, and comes again from the log.
    const { store } = leader.replica();
    leader.crash();
    store.appliedIndex = 2;
    store.numbers = store.numbers.slice(0, 1);
    leader.stores.delete(CHILD);
    await cluster.startNode(leader);
    await cluster.until(() => leader.replicas.has(CHILD), 'the replay');
    const { group } = leader.replica(CHILD);
    expect(group.isLeader).toBe(false);
    const next = await cluster.leader(CHILD);
    expect(next.replica(CHILD).group.term).toBeGreaterThan(1);
    expect(await propose(cluster, next, [50], CHILD)).toEqual(['committed']);
    await cluster.agree(CHILD);
  });

  it('goes on after all its nodes have crashed', async () => {
    const { cluster, leader } = await withSplit(5);
    await cluster.until(() => leader.replica(CHILD).isLeading, 'its first entry');
    await propose(cluster, leader, [11], CHILD);
    for (const node of cluster.nodes) node.crash();
    for (const node of cluster.nodes) await cluster.startNode(node);
    await cluster.leader(CHILD);
    expect(await cluster.agree(CHILD)).toEqual([...numbers(5), 11]);
  });

  it('is not born where a newer replica was, or is (P26)', async () => {
    const { cluster, laggard, release } = await withLaggard(6);
    const newer = laggard.scheduler.createGroup({
      ...laggard.replica().group.options,
      groupId: CHILD,
      replicaId: replicaIdOn(laggard.id, 1),
      configuration: undefined as never,
    });
    expect(laggard.scheduler.mayBeBorn(CHILD, replicaIdOn(laggard.id, 0))).toBe(false);
    await cluster.wait(laggard.scheduler.removeGroup(newer, false));
    expect(laggard.scheduler.mayBeBorn(CHILD, replicaIdOn(laggard.id, 0))).toBe(false);
    release();
    await cluster.agree();
    expect(laggard.replicas.has(CHILD)).toBe(false);
  });
});

describe('a replica that is met before its birth', () => {
  it('is not made at once for a leader from birth, whose split is about to be applied', async () => {
    const { cluster, leader, laggard, release } = await withLaggard(7);
    await cluster.until(() => leader.replica(CHILD).isLeading, 'its first entry');
    await cluster.pass(0.3);
    expect(laggard.unknown).toEqual([]);
    release();
    expect(await propose(cluster, leader, [8], CHILD)).toEqual(['committed']);
    expect(await cluster.agree(CHILD)).toEqual([0, 1, 2, 8]);
    expect(laggard.replica(CHILD).events).not.toContain('pull');
  });

  it('votes, pulls nothing while its parent is whole, and keeps its vote when it is born', async () => {
    const { cluster, leader, laggard, release } = await withLaggard(8);
    await cluster.until(() => laggard.unknown.length > 0, 'news of the group');
    const { from } = laggard.unknown[0] as { from: number };
    const unborn = laggard.run(CHILD, undefined, { contact: from });
    await cluster.until(() => unborn.events.includes('pull'), 'an offer');
    expect(unborn.store.installed).toBeUndefined();
    // Whoever led is gone: of three replicas one is unborn, and has to vote.
    cluster.isolate(leader);
    const [next] = cluster.others(leader, laggard) as [Node];
    await cluster.until(() => next.replica(CHILD).group.isLeader, 'another leader of the group');
    const { term } = next.replica(CHILD).group;
    expect(term).toBeGreaterThan(1);
    expect(unborn.group.term).toBe(term);
    release();
    // Group 1 needs the laggard to elect, too, and hears what has committed then.
    await cluster.until(() => laggard.replica(CHILD) !== unborn, 'the birth');
    expect(unborn.group.isRemoved).toBe(true);
    const born = laggard.replica(CHILD).group;
    expect(born.term).toBeGreaterThanOrEqual(term);
    expect(await propose(cluster, next, [31], CHILD)).toEqual(['committed']);
    cluster.network.heal();
    expect(await cluster.agree(CHILD)).toEqual([0, 1, 2, 31]);
  });
});
