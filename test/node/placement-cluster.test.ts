// Whole nodes in simulated time: they join, drain, are decommissioned and die, and what was written is there.

import { describe, expect, it } from 'vitest';
import { nodeOf } from '../../src/raft/types.ts';
import { Cluster, type ClusterNode } from './cluster-fixture.ts';

const SECOND = 1_000_000;

/** Of all nodes that run, by range: who has a replica, as the leader sees it. */
function replicas(cluster: Cluster): Map<number, readonly number[]> {
  const found = new Map<number, readonly number[]>();
  for (const { database } of cluster.nodes) {
    for (const host of database?.ranges.all() ?? []) {
      if (host.isServing) {
        found.set(
          host.range,
          host.descriptor.configuration.voters.map(nodeOf).sort((a, b) => a - b),
        );
      }
    }
  }
  return found;
}

async function fill(cluster: Cluster, node: ClusterNode, rows: number): Promise<void> {
  const session = cluster.session(node);
  await cluster.query(session, 'CREATE TABLE t (id INT8 PRIMARY KEY, v TEXT)');
  await cluster.query(
    session,
    `INSERT INTO t SELECT i, 'value ' || i FROM generate_series(1, ${rows}) AS s(i)`,
  );
}

async function count(cluster: Cluster): Promise<unknown> {
  const session = cluster.session(await cluster.leader());
  return (await cluster.query(session, 'SELECT count(*) AS n FROM t')).rows[0]?.['n'];
}

function tell(cluster: Cluster, node: ClusterNode) {
  return cluster.until(node.open.placement.list());
}

describe('nodes of a cluster', () => {
  it('know each other, and how each is', async () => {
    const cluster = await Cluster.start({ localities: ['zone=a', 'zone=b', 'zone=c'] });
    await cluster.leader();
    await cluster.pass(10 * SECOND);
    for (const node of cluster.nodes) {
      const nodes = await tell(cluster, node);
      expect(nodes.map(({ nodeId, state, locality }) => [nodeId, state, locality])).toEqual([
        [1, 'live', 'zone=a'],
        [2, 'live', 'zone=b'],
        [3, 'live', 'zone=c'],
      ]);
      expect(nodes.map(({ replicas: count }) => count)).toEqual([3, 3, 3]);
      expect(nodes.reduce((sum, { leases }) => sum + (leases ?? 0), 0)).toBe(3);
    }
  });

  it('take settings over from each other', async () => {
    const cluster = await Cluster.start();
    await cluster.leader();
    await cluster.pass(5 * SECOND);
    await cluster.until(cluster.node(1).open.placement.settings.set('node.dead_after', '20s'));
    await cluster.pass(5 * SECOND);
    for (const node of cluster.nodes) {
      expect(node.open.placement.settings.get('node.dead_after')).toBe(20 * SECOND);
    }
  });

  it('are replaced when they are dead, by one that joined', async () => {
    const cluster = await Cluster.start({ nodes: 4, founders: 3 });
    const leader = await cluster.leader();
    await fill(cluster, leader, 200);
    await cluster.pass(5 * SECOND);
    await cluster.until(leader.open.placement.settings.set('node.dead_after', '10s'));
    await cluster.join(cluster.node(4), leader);
    await cluster.pass(5 * SECOND);
    expect((await tell(cluster, cluster.node(4))).map(({ state }) => state)).toEqual([
      'live',
      'live',
      'live',
      'live',
    ]);
    const victim = cluster.nodes.find((node) => node !== leader && node.nodeId <= 3) as ClusterNode;
    cluster.crash(victim);
    const staying = [1, 2, 3, 4].filter((id) => id !== victim.nodeId);
    await cluster.when(() => {
      const now = [...replicas(cluster).values()];
      return now.length >= 3 && now.every((nodes) => String(nodes) === String(staying));
    }, 'the replacement');
    expect(await count(cluster)).toBe(200);
  });

  it('lose all that they have when they are decommissioned, and only then', async () => {
    const cluster = await Cluster.start({ nodes: 4, founders: 3 });
    const leader = await cluster.leader();
    await fill(cluster, leader, 200);
    await cluster.pass(5 * SECOND);
    await expect(
      cluster.until(leader.open.placement.decommission(leader.nodeId, false)),
    ).rejects.toThrow('2 nodes would be left');
    await cluster.join(cluster.node(4), leader);
    await cluster.pass(5 * SECOND);
    await cluster.until(cluster.node(4).open.placement.decommission(leader.nodeId, false));
    await cluster.when(() => {
      const now = [...replicas(cluster).values()];
      return now.length >= 3 && now.every((nodes) => !nodes.includes(leader.nodeId));
    }, 'the move');
    await cluster.pass(30 * SECOND);
    const nodes = await tell(cluster, cluster.node(4));
    expect(nodes.find(({ nodeId }) => nodeId === leader.nodeId)).toMatchObject({
      state: 'decommissioned',
    });
    await cluster.stop(leader);
    expect(await count(cluster)).toBe(200);
  });

  it('stay as many as a table wants replicas', async () => {
    const cluster = await Cluster.start({ nodes: 5 });
    const leader = await cluster.leader();
    await fill(cluster, leader, 1);
    await cluster.pass(5 * SECOND);
    const session = cluster.session(leader);
    await cluster.query(session, 'ALTER TABLE t SET (replication.factor = 5)');
    await expect(cluster.until(leader.open.placement.decommission(2, false))).rejects.toThrow(
      '4 nodes would be left, and each range has 5 replicas',
    );
    await cluster.query(session, 'ALTER TABLE t RESET (replication.factor)');
    await cluster.until(leader.open.placement.decommission(2, false));
  });

  it('go on when all founders are gone, also after a restart', async () => {
    const cluster = await Cluster.start({ nodes: 6, founders: 3 });
    await fill(cluster, await cluster.leader(), 50);
    await cluster.pass(5 * SECOND);
    for (const joining of [4, 5, 6]) await cluster.join(cluster.node(joining), cluster.node(1));
    await cluster.pass(5 * SECOND);
    for (const leaving of [1, 2, 3]) {
      await cluster.until(cluster.node(6).open.placement.decommission(leaving, false));
      await cluster.pass(45 * SECOND);
      const nodes = await tell(cluster, cluster.node(6));
      expect(nodes[leaving - 1]).toMatchObject({ nodeId: leaving, state: 'decommissioned' });
      await cluster.stop(cluster.node(leaving));
    }
    const restarted = cluster.node(5);
    await cluster.stop(restarted);
    await cluster.open(restarted);
    await cluster.pass(5 * SECOND);
    expect((await tell(cluster, restarted)).filter(({ state }) => state === 'live').length).toBe(3);
    expect(await count(cluster)).toBe(50);
  });

  it('lead nothing while they drain', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    await fill(cluster, leader, 20);
    await cluster.pass(10 * SECOND);
    await cluster.until(leader.open.placement.drain(false, false));
    const leads = (): boolean => leader.open.ranges.all().some((host) => host.isServing);
    await cluster.when(() => !leads(), 'the end of leadership');
    await cluster.pass(10 * SECOND);
    expect(leads()).toBe(false);
    expect((await tell(cluster, leader))[leader.nodeId - 1]).toMatchObject({
      state: 'draining',
      leases: 0,
    });
    expect(await count(cluster)).toBe(20);
    // One of the others is gone: the third can't be spared.
    const other = cluster.nodes.find((node) => node !== leader) as ClusterNode;
    cluster.crash(other);
    await cluster.pass(5 * SECOND);
    const third = cluster.nodes.find((node) => node !== leader && node !== other) as ClusterNode;
    await expect(cluster.until(third.open.placement.drain(false, false))).rejects.toThrow(
      'would have no majority',
    );
  });
});
