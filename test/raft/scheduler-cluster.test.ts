// Schedulers that replicate: what is acknowledged is on a majority and stays, whoever crashes, and whatever the network
// does to frames; many groups share what leaves and what is written.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProposeAnswer } from '../../src/raft/proposals.ts';
import { type Node, SchedulerCluster, SECOND, SMALL_OPTIONS } from './scheduler-cluster.ts';

function kinds(answers: readonly ProposeAnswer[]): string[] {
  return answers.map(({ kind }) => kind);
}

function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

async function proposeAll(
  cluster: SchedulerCluster,
  node: Node,
  list: readonly number[],
  size = 4,
): Promise<ProposeAnswer[]> {
  return cluster.wait(Promise.all(list.map((number) => node.propose(number, 1, size))));
}

describe('replication', () => {
  it('elects one leader, and brings what it takes to all, in one order', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    const answers = await proposeAll(cluster, leader, numbers(50));
    expect(new Set(kinds(answers))).toEqual(new Set(['committed']));
    expect(await cluster.agree()).toEqual(numbers(50));
    const { events } = leader.replica();
    expect(events.indexOf('leading')).toBe(events.indexOf('entry 1') + 1);
    await cluster.until(
      () => cluster.others(leader).every((node) => node.replica().leadership?.kind === 'following'),
      'followers that know their leader',
    );
    for (const node of cluster.others(leader)) {
      const { group, leadership } = node.replica();
      expect(leadership).toEqual({ kind: 'following', leader: leader.id });
      expect(group.lease.isHeld()).toBe(false);
      expect(await cluster.wait(node.propose(1))).toEqual({ kind: 'notLeader', leader: leader.id });
    }
  });

  it('loses nothing that was acknowledged when leaders crash one after another', async () => {
    const cluster = await SchedulerCluster.start({ seed: 3 });
    const acknowledged: number[] = [];
    for (let round = 0; round < 6; round++) {
      const leader = await cluster.leader();
      const list = numbers(20, round * 100);
      await proposeAll(cluster, leader, list);
      acknowledged.push(...list);
      leader.crash(round % 2 === 0);
      const next = await cluster.leader(1, cluster.others(leader));
      expect(next.replica().store.numbers).toEqual(expect.arrayContaining(acknowledged));
      await cluster.startNode(leader);
    }
    expect(await cluster.agree()).toEqual(acknowledged);
  });

  it('keeps order and promises under loss, repetition and delay', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1_000_000), async (seed) => {
        const cluster = await SchedulerCluster.start({ seed });
        await cluster.leader();
        Object.assign(cluster.network.settings, {
          loseOneIn: 8,
          repeatOneIn: 6,
          delayMicrosMax: 60_000,
        });
        const committed: number[] = [];
        for (let i = 0; i < 60; i++) {
          for (const node of cluster.nodes) {
            if (!node.replica().isLeading) continue;
            const number = i * 10 + node.id;
            void node.propose(number).then(({ kind }) => {
              if (kind === 'committed') committed.push(number);
            });
          }
          await cluster.pass(0.05);
        }
        Object.assign(cluster.network.settings, {
          loseOneIn: 0,
          repeatOneIn: 0,
          delayMicrosMax: 500,
        });
        await cluster.pass(5);
        const all = await cluster.agree();
        expect(committed.length).toBeGreaterThan(0);
        expect(all).toEqual(expect.arrayContaining(committed));
        expect(new Set(all).size).toBe(all.length);
      }),
      { numRuns: 8 },
    );
  });

  it('goes on after all nodes have lost power at once', async () => {
    const cluster = await SchedulerCluster.start({ seed: 5, groups: 3 });
    for (let id = 1; id <= 3; id++) {
      const leader = await cluster.leader(id);
      expect((await cluster.wait(leader.propose(id, id))).kind).toBe('committed');
    }
    for (const node of cluster.nodes) node.crash();
    for (const node of cluster.nodes) await cluster.startNode(node);
    for (let id = 1; id <= 3; id++) {
      const leader = await cluster.leader(id);
      expect((await cluster.wait(leader.propose(id + 10, id))).kind).toBe('committed');
      expect(await cluster.agree(id)).toEqual([id, id + 10]);
    }
  });
});

describe('a read index', () => {
  it('tells any replica what it must have applied, and nothing to one that is cut off', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    await proposeAll(cluster, leader, numbers(5));
    const ask = (node: Node): Promise<number | undefined> =>
      cluster.wait(node.scheduler.readIndex(node.replica().group));
    for (const node of cluster.nodes) expect(await ask(node)).toBe(6);
    const [cut] = cluster.others(leader) as [Node];
    cluster.isolate(cut);
    expect(await ask(cut)).toBeUndefined();
    cluster.network.heal();
    cluster.isolate(leader);
    // It takes itself for the leader still, and can't confirm it.
    const stale = leader.scheduler.readIndex(leader.replica().group);
    const next = await cluster.leader(1, cluster.others(leader));
    await cluster.wait(next.propose(9));
    expect(await cluster.wait(stale)).toBeUndefined();
    expect(await ask(next)).toBeGreaterThan(6);
  });
});

describe('rounds', () => {
  it('write for all groups with one sync, and send to each node one frame', async () => {
    const groups = 40;
    const cluster = await SchedulerCluster.start({ groups });
    const node = cluster.node(1);
    for (let id = 1; id <= groups; id++) await cluster.lead(node, id);
    // All at rest: nothing but what is proposed now is sent.
    await cluster.until(
      () => cluster.nodes.every(({ scheduler }) => scheduler.awakeGroups === 0),
      'sleep',
    );
    await cluster.pass(0.03);
    const { syncs } = node.scheduler;
    const follower = cluster.node(2);
    const followerSyncs = follower.scheduler.syncs;
    node.frames = new Map();
    follower.frames = new Map();
    const answers = await cluster.wait(
      Promise.all(numbers(groups, 1).map((id) => node.propose(id, id))),
    );
    expect(new Set(kinds(answers))).toEqual(new Set(['committed']));
    expect(node.scheduler.syncs - syncs).toBe(1);
    // The acknowledgements of 40 groups are one frame too. A heartbeat, or the new commit index, may have come between.
    expect(follower.frames.get(1)).toBeLessThanOrEqual(2);
    expect(follower.scheduler.syncs - followerSyncs).toBe(1);
    expect(node.frames.get(2)).toBeLessThanOrEqual(2);
    for (let id = 1; id <= groups; id++) expect(await cluster.agree(id)).toEqual([id]);
  });

  it('let appends leave before the local write is done (thesis, section 10.2.1)', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    await cluster.pass(1);
    leader.machine.disk.settings.latencyMicrosMax = 20 * SECOND;
    const [follower] = cluster.others(leader) as [Node];
    const answer = leader.propose(7);
    const before = cluster.world.nowMicros;
    await cluster.until(() => follower.replica().group.log.lastIndex >= 2, 'the entry', 0.1);
    // P29: it is on a majority, but not here.
    expect(leader.replica().store.numbers).toEqual([]);
    expect((await cluster.wait(answer)).kind).toBe('committed');
    expect(cluster.world.nowMicros - before).toBeGreaterThan(SECOND);
  });

  it('tell proposers to come back when too much waits, and take more once some is decided', async () => {
    const options = { ...SMALL_OPTIONS, groupProposalsMax: 5 };
    const cluster = await SchedulerCluster.start({ options });
    const leader = await cluster.leader();
    for (const node of cluster.others(leader)) cluster.network.cut(node.id, leader.id);
    const answers = numbers(8).map((number) => leader.propose(number));
    const refused = await cluster.wait(Promise.all(answers.slice(5)));
    expect(kinds(refused)).toEqual(['busy', 'busy', 'busy']);
    cluster.network.heal();
    expect(kinds(await cluster.wait(Promise.all(answers.slice(0, 5))))).toEqual(
      Array(5).fill('committed'),
    );
    expect((await cluster.wait(leader.propose(99))).kind).toBe('committed');
    expect(await cluster.agree()).toEqual([0, 1, 2, 3, 4, 99]);
  });

  it('hand on a bounded part of a group, then of the others, in turns', async () => {
    const options = { ...SMALL_OPTIONS, deliveryBytesMax: 300 };
    const cluster = await SchedulerCluster.start({ options, groups: 2 });
    const node = cluster.node(1);
    await cluster.lead(node, 1);
    await cluster.lead(node, 2);
    const order: number[] = [];
    for (const id of [1, 2]) {
      const { group } = node.replica(id);
      const inner = node.replica(id);
      Object.assign(group.options, {
        onCommitted: (entries: Parameters<typeof inner.committed>[0]) => {
          order.push(id);
          return inner.committed(entries);
        },
      });
    }
    await cluster.wait(
      Promise.all([
        ...numbers(20).map((number) => node.propose(number, 1, 100)),
        ...numbers(20).map((number) => node.propose(number, 2, 100)),
      ]),
    );
    // Neither group has to wait for all of the other.
    expect(order.indexOf(2)).toBeLessThanOrEqual(2);
    expect(order.length).toBeGreaterThan(10);
  });
});

describe('a follower that lags', () => {
  it('is caught up from the segments while others go on', async () => {
    const cluster = await SchedulerCluster.start({ seed: 9 });
    const leader = await cluster.leader();
    const [slow, other] = cluster.others(leader) as [Node, Node];
    cluster.isolate(slow);
    for (let i = 0; i < 10; i++) await proposeAll(cluster, leader, numbers(20, i * 20), 100);
    // Far more than the cache has.
    expect(leader.replica().group.log.cachedAt(5)).toBeUndefined();
    cluster.network.heal();
    const more = proposeAll(cluster, leader, numbers(20, 200), 100);
    expect(new Set(kinds(await more))).toEqual(new Set(['committed']));
    expect(await cluster.agree()).toEqual(numbers(220));
    expect(slow.replica().events).not.toContain('pull');
    expect(other.replica().store.numbers).toEqual(slow.replica().store.numbers);
  });

  it('that sleeps through a slow disk does not hold up the majority', async () => {
    const cluster = await SchedulerCluster.start();
    const leader = await cluster.leader();
    const [slow] = cluster.others(leader) as [Node];
    slow.machine.disk.settings.latencyMicrosMax = 20 * SECOND;
    const before = cluster.world.nowMicros;
    await proposeAll(cluster, leader, numbers(20));
    expect(cluster.world.nowMicros - before).toBeLessThan(SECOND / 2);
    slow.machine.disk.settings.latencyMicrosMax = 200;
    expect(await cluster.agree()).toEqual(numbers(20));
  });
});
