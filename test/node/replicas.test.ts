// Replicas that go and come back on the same node.

import { describe, expect, it } from 'vitest';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import type { RangeHost } from '../../src/node/ranges/range-host.ts';
import type { Cluster, ClusterNode } from './cluster-fixture.ts';
import { rowKey, serving, splitAt, sum, withTable } from './range-cluster.ts';

/** Two ranges that lose their replicas on a node while that hears nothing of it, and become one. */
async function mergedWithout(leave: (cluster: Cluster, away: ClusterNode) => void): Promise<{
  readonly cluster: Cluster;
  readonly session: EmbeddedSession;
  readonly away: ClusterNode;
  readonly left: RangeHost;
  readonly right: RangeHost;
}> {
  const { cluster, session, leader } = await withTable();
  await splitAt(cluster, 50);
  const [away] = cluster.followersOf(leader) as [ClusterNode];
  await cluster.when(() => away.open.ranges.find(rowKey(60))?.lacksState === false, 'the split');
  await cluster.pass(1_000_000);
  leave(cluster, away);
  const left = await serving(cluster, rowKey(40));
  const right = await serving(cluster, rowKey(60));
  for (const host of [left, right]) {
    await cluster.until(host.changeReplicas([{ kind: 'remove', node: away.nodeId }]));
  }
  await cluster.until(left.merge());
  return { cluster, session, away, left, right };
}

describe('a replica that was removed', () => {
  it.each([10, 16, 24])(
    'P32: leaves nothing to the one that takes its place, though the power is lost (seed %i)',
    async (seed) => {
      const { cluster, session, leader } = await withTable({ seed });
      const host = await serving(cluster, rowKey(0));
      const [node] = cluster.followersOf(leader) as [ClusterNode];
      const here = () => [...node.open.ranges.hosted()].find(({ range }) => range === host.range);
      await cluster.until(host.changeReplicas([{ kind: 'remove', node: node.nodeId }]));
      await cluster.when(() => here() === undefined, 'the end of the replica');
      host.changeReplicas([{ kind: 'addLearner', node: node.nodeId }]).catch(() => undefined);
      await cluster.when(() => here() !== undefined, 'another replica');
      // Its log begins with the leader's first message, and is synced; no state comes.
      await cluster.when(() => here()?.group.core.term !== 0, 'a message');
      cluster.cut(node, cluster.nodes);
      await cluster.pass(100_000);
      expect(here()?.isKnown).toBe(false);
      cluster.crash(node, true);
      cluster.network.heal();
      await cluster.open(node);
      await cluster.when(() => here()?.isKnown === true, 'its state');
      expect(node.broken).toEqual([]);
      expect(await sum(cluster, session)).toEqual({ n: 100, s: 0 });
    },
  );

  it.each([100, 200, 300, 400])(
    'P31: is the same one when the node dies in the middle of its snapshot (%i us)',
    async (micros) => {
      const { cluster, session, leader } = await withTable({ seed: micros });
      await cluster.query(session, 'CREATE TABLE u (id int PRIMARY KEY, v text)');
      const rows = "SELECT g, repeat('x', 2000) FROM generate_series(1, 1000) g";
      await cluster.query(session, `INSERT INTO u ${rows}`);
      // Its state says where the logs of those began that it was born to.
      await splitAt(cluster, 50);
      const right = await serving(cluster, rowKey(60));
      const [node] = cluster.nodes.filter(
        ({ database }) => database?.ranges.get(right.range) !== right,
      ) as [ClusterNode];
      const here = () => [...node.open.ranges.hosted()].find(({ range }) => range === right.range);
      await cluster.when(() => here()?.lacksState === false, 'the split');
      await cluster.until(right.changeReplicas([{ kind: 'remove', node: node.nodeId }]));
      await cluster.when(() => here() === undefined, 'the end of the replica');
      const from = cluster.log.length;
      const isSaid = (what: string): boolean =>
        cluster.log
          .slice(from)
          .some((line) => line.includes(what) && line.includes(`node ${node.nodeId} `));
      right.changeReplicas([{ kind: 'addLearner', node: node.nodeId }]).catch(() => undefined);
      await cluster.when(() => isSaid('installing a snapshot'), 'a snapshot');
      await cluster.pass(micros);
      cluster.crash(node);
      expect(isSaid('installed a snapshot')).toBe(false);
      await cluster.open(node);
      await cluster.when(() => here()?.lacksState === false, 'its state');
      expect(isSaid('a replica was removed')).toBe(false);
      expect(leader.broken).toEqual([]);
    },
  );

  it('goes when its range is over, and nothing comes to take its place', async () => {
    const { cluster, away, right } = await mergedWithout((all, node) => {
      all.cut(node, all.nodes);
    });
    // Nobody can tell it yet.
    await cluster.pass(10_000_000);
    const has = (): boolean =>
      [...away.open.ranges.hosted()].some(({ range }) => range === right.range);
    expect(has()).toBe(true);
    cluster.network.heal();
    await cluster.when(() => !has(), 'the end of the replica');
    expect(away.broken).toEqual([]);
  });

  it('goes when its range is over, so that nobody is left to tell it', async () => {
    const { cluster, session, away, left, right } = await mergedWithout((all, node) => {
      all.crash(node);
    });
    await cluster.open(away);
    const add = async (): Promise<void> => {
      const host = await serving(cluster, rowKey(40));
      await cluster.until(host.changeReplicas([{ kind: 'addLearner', node: away.nodeId }]));
    };
    await add().catch(() => undefined);
    const isWhole = (): boolean =>
      away.open.ranges.find(rowKey(60))?.range === left.range &&
      ![...away.open.ranges.hosted()].some(({ range }) => range === right.range);
    await cluster.when(isWhole, 'the range that took it over');
    expect(away.broken).toEqual([]);
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 0 });
  });
});
