// Whole nodes in simulated time whose ranges are merged (P27): what clients notice, and what is left when nodes die, are
// cut off or come late.

import { describe, expect, it } from 'vitest';
import type { DbError } from '../../src/base/errors.ts';
import { MIN_TIMESTAMP } from '../../src/clock/timestamp.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import type { RangeHost } from '../../src/node/ranges/range-host.ts';
import type { Cluster, ClusterNode } from './cluster-fixture.ts';
import { nodeOf, rowKey, serving, splitAt, sum, withTable } from './range-cluster.ts';

const SECOND = 1_000_000;

async function mergeAt(cluster: Cluster, id: number): Promise<void> {
  const left = await serving(cluster, rowKey(id - 1));
  await cluster.until(left.merge());
}

/** Its locks may go with a leader. */
async function insist(cluster: Cluster, session: EmbeddedSession, text: string): Promise<void> {
  for (;;) {
    try {
      await cluster.query(session, text);
      return;
    } catch (error) {
      if ((error as DbError).code !== '40001') throw error;
    }
  }
}

/** How many ranges have rows of the table, on every node. */
function rangesOf(cluster: Cluster): number[] {
  return cluster.nodes.map(({ open }) => open.ranges.all().length - 2);
}

async function allMerged(cluster: Cluster): Promise<void> {
  await cluster.when(() => rangesOf(cluster).every((count) => count === 1), 'one range everywhere');
  // Their logs go once that is durable.
  const isRest = ({ open }: ClusterNode): boolean => [...open.ranges.hosted()].length === 3;
  await cluster.when(() => cluster.nodes.every(isRest), 'the end of the right ranges');
}

async function allConsistent(cluster: Cluster): Promise<void> {
  for (const id of [0, 30, 60, 90]) {
    const host = await serving(cluster, rowKey(id));
    expect(await cluster.until(host.check())).toMatchObject({ kind: 'consistent' });
  }
  expect(cluster.nodes.flatMap(({ broken }) => broken)).toEqual([]);
}

describe.each([1, 3])('on %i nodes', (nodes) => {
  it('two ranges become one again, with all their rows', async () => {
    const { cluster, session } = await withTable({ nodes });
    for (const id of [50, 25]) await splitAt(cluster, id);
    await cluster.query(session, 'UPDATE t SET v = 1');
    await mergeAt(cluster, 25);
    await mergeAt(cluster, 50);
    await allMerged(cluster);
    await cluster.query(session, 'UPDATE t SET v = v + 1');
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 200 });
    await allConsistent(cluster);
  });

  it('no statement fails when ranges are split and merged under load', async () => {
    const { cluster, session, leader } = await withTable({ nodes });
    let isOver = false;
    let done = 0;
    const client = async (name: number): Promise<void> => {
      const own = cluster.session(leader);
      for (let i = 0; !isOver; i++) {
        const id = (name * 37 + i * 7) % 100;
        await own.query(`UPDATE t SET v = v + 1 WHERE id = ${id}`);
        await own.query(`SELECT v FROM t WHERE id = ${(id + 50) % 100}`);
        done++;
      }
    };
    const clients = [1, 2, 3].map(client);
    for (const id of [50, 25, 75]) {
      await splitAt(cluster, id);
      await cluster.pass(50_000);
      await mergeAt(cluster, id);
      await cluster.pass(50_000);
    }
    isOver = true;
    await cluster.until(Promise.all(clients));
    expect(await sum(cluster, session)).toEqual({ n: 100, s: done });
    expect(done).toBeGreaterThan(50);
    await allMerged(cluster);
    await allConsistent(cluster);
  });
});

describe('a transaction that has locked rows of the right range', () => {
  it('goes on when that is merged, and keeps its locks', async () => {
    const { cluster, session, leader } = await withTable();
    await splitAt(cluster, 50);
    await cluster.query(session, 'BEGIN');
    await cluster.query(session, 'UPDATE t SET v = 5 WHERE id IN (80, 90)');
    await mergeAt(cluster, 50);
    const other = cluster.session(leader);
    await cluster.query(other, "SET lock_timeout = '50ms'");
    await expect(
      cluster.query(other, 'SELECT v FROM t WHERE id = 90 FOR UPDATE NOWAIT'),
    ).rejects.toMatchObject({ code: '55P03' });
    await cluster.query(session, 'COMMIT');
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 10 });
  });
});

describe('a transaction that has locked rows of both', () => {
  it.each(['here', 'elsewhere'])(
    'has them in one range after the merge (gateway %s)',
    async (where) => {
      const { cluster, session, leader } = await withTable();
      await splitAt(cluster, 50);
      await cluster.pass(SECOND);
      const gateway = where === 'here' ? leader : (cluster.followersOf(leader)[0] as ClusterNode);
      const open = cluster.session(gateway);
      await cluster.query(open, 'BEGIN');
      await cluster.query(open, 'UPDATE t SET v = 5 WHERE id IN (10, 80)');
      await mergeAt(cluster, 50);
      await expect(
        cluster.query(session, 'SELECT v FROM t WHERE id = 80 FOR UPDATE NOWAIT'),
      ).rejects.toMatchObject({ code: '55P03' });
      await cluster.query(open, 'UPDATE t SET v = 5 WHERE id = 60');
      await cluster.query(open, 'COMMIT');
      expect(await sum(cluster, session)).toEqual({ n: 100, s: 15 });
      await cluster.pass(SECOND);
      expect((await serving(cluster, rowKey(80))).replica.stats().sessions).toBe(0);
    },
  );

  it('P15: ends when those of the right half were lost before', async () => {
    const { cluster, session, leader } = await withTable();
    await splitAt(cluster, 50);
    await cluster.pass(SECOND);
    await cluster.query(session, 'BEGIN');
    await cluster.query(session, 'UPDATE t SET v = 5 WHERE id IN (10, 80)');
    const right = await serving(cluster, rowKey(80));
    const [other] = cluster.followersOf(leader) as [ClusterNode];
    await cluster.until(right.transferTo(other.nodeId));
    await mergeAt(cluster, 50);
    await expect(cluster.query(session, 'COMMIT')).rejects.toMatchObject({ code: '40001' });
    await cluster.query(session, 'ROLLBACK');
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 0 });
  });
});

describe('requests of the right range', () => {
  it.each([1, 2, 3])(
    'wait for no longer than the merge of what lines up takes (seed %i)',
    async (seed) => {
      const { cluster, leader } = await withTable({ seed });
      await splitAt(cluster, 50);
      await cluster.pass(SECOND);
      const left = await serving(cluster, rowKey(40));
      const waits: number[] = [];
      let isOver = false;
      const client = async (id: number): Promise<void> => {
        const own = cluster.session(leader);
        while (!isOver) {
          const began = cluster.world.nowMicros;
          await own.query(`UPDATE t SET v = v + 1 WHERE id = ${id}`);
          waits.push(cluster.world.nowMicros - began);
        }
      };
      const clients = [5, 45, 55, 95].map(client);
      await cluster.pass(100_000);
      await cluster.until(left.merge());
      await cluster.pass(100_000);
      isOver = true;
      await cluster.until(Promise.all(clients));
      expect(waits.length).toBeGreaterThan(400);
      // Simulated time.
      expect(Math.max(...waits)).toBeLessThan(20_000);
    },
  );
});

describe('what a gateway elsewhere has locked in the right range', () => {
  it.each(['ROLLBACK', 'COMMIT', 'crash'])('is let go of after the merge (%s)', async (end) => {
    const { cluster, session, leader } = await withTable();
    await splitAt(cluster, 50);
    await cluster.pass(SECOND);
    const [other] = cluster.followersOf(leader) as [ClusterNode];
    const far = cluster.session(other);
    await cluster.query(far, 'BEGIN');
    await cluster.query(far, 'SELECT v FROM t WHERE id = 80 FOR UPDATE');
    await mergeAt(cluster, 50);
    if (end === 'crash') cluster.crash(other);
    else await cluster.query(far, end);
    await cluster.pass(10 * SECOND);
    await cluster.query(session, 'SELECT v FROM t WHERE id = 80 FOR UPDATE NOWAIT');
    const host = await serving(cluster, rowKey(80));
    expect(host.replica.stats().sessions).toBe(0);
  });
});

describe('a range whose right neighbour is led by another node', () => {
  it('takes its lease first', async () => {
    const { cluster, session } = await withTable();
    await splitAt(cluster, 50);
    const left = await serving(cluster, rowKey(40));
    const right = await serving(cluster, rowKey(60));
    const [other] = cluster.followersOf(nodeOf(cluster, right)) as [ClusterNode];
    await cluster.until(right.transferTo(other.nodeId));
    await serving(cluster, rowKey(60));
    await cluster.until(left.merge());
    await allMerged(cluster);
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 0 });
    await allConsistent(cluster);
  });
});

describe('what is not merged', () => {
  it('is what has no neighbour, or one of another kind, or replicas elsewhere', async () => {
    const { cluster } = await withTable();
    const last = await serving(cluster, rowKey(0));
    await expect(cluster.until(last.merge())).rejects.toMatchObject({ code: '55000' });
    const directory = await serving(cluster, Uint8Array.of(0, 0, 0, 2));
    await expect(cluster.until(directory.merge())).rejects.toMatchObject({ code: '55000' });
    await splitAt(cluster, 50);
    const right = await serving(cluster, rowKey(60));
    const leaving = cluster.nodes.find((node) => node !== nodeOf(cluster, right)) as ClusterNode;
    await cluster.until(right.changeReplicas([{ kind: 'remove', node: leaving.nodeId }]));
    const left = await serving(cluster, rowKey(40));
    await expect(cluster.until(left.merge())).rejects.toMatchObject({ code: '55000' });
    expect(await sum(cluster, cluster.session(await cluster.leader()))).toMatchObject({ n: 100 });
  });

  it('P28: nor what the directory does not know yet, which keeps its replicas too', async () => {
    const { cluster } = await withTable();
    await splitAt(cluster, 50);
    const left = await serving(cluster, rowKey(40));
    const right = await serving(cluster, rowKey(60));
    const home = nodeOf(cluster, left);
    home.open.ranges.confirmBy((range) => range !== right.range);
    await expect(cluster.until(left.merge())).rejects.toMatchObject({ code: '55000' });
    const [other] = cluster.followersOf(home) as [ClusterNode];
    await expect(
      cluster.until(right.changeReplicas([{ kind: 'remove', node: other.nodeId }])),
    ).rejects.toMatchObject({ code: '55006' });
    home.open.ranges.confirmBy(() => true);
    await cluster.until(left.merge());
    await allMerged(cluster);
  });

  it('is taken back when a node does not answer, and serves again', async () => {
    const { cluster, session, leader } = await withTable();
    await splitAt(cluster, 50);
    const [away] = cluster.followersOf(leader) as [ClusterNode];
    cluster.cut(away, cluster.nodes);
    await cluster.pass(2 * SECOND);
    const left = await serving(cluster, rowKey(40));
    await expect(cluster.until(left.merge())).rejects.toThrow();
    await cluster.query(session, 'UPDATE t SET v = 1');
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 100 });
    cluster.network.heal();
    await cluster.settled();
    await mergeAt(cluster, 50);
    await allMerged(cluster);
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 100 });
  });
});

describe('when nodes die at any moment of a merge', () => {
  it.each([0, 500, 1500, 2500, 3500, 5000, 8000, 15_000])(
    'it is either one range or two, and no row is lost (leader dies after %i µs)',
    async (micros) => {
      const { cluster } = await withTable({ seed: 1 + micros });
      await splitAt(cluster, 50);
      const left = await serving(cluster, rowKey(40));
      const home = nodeOf(cluster, left);
      const merging = left.merge();
      merging.catch(() => undefined);
      await cluster.pass(micros);
      cluster.crash(home, true);
      const next = await cluster.leader();
      const session = cluster.session(next);
      await insist(cluster, session, 'UPDATE t SET v = v + 1');
      await cluster.open(home);
      await cluster.settled();
      expect(await sum(cluster, session)).toEqual({ n: 100, s: 100 });
      await allConsistent(cluster);
      const counts = new Set(rangesOf(cluster));
      expect(counts.size).toBe(1);
      const again = await serving(cluster, rowKey(40));
      if (counts.has(2)) await cluster.until(again.merge());
      await allMerged(cluster);
      expect(await sum(cluster, session)).toEqual({ n: 100, s: 100 });
    },
  );

  it.each([1, 2, 3])('all of them, with the power (seed %i)', async (seed) => {
    const { cluster } = await withTable({ seed });
    await splitAt(cluster, 50);
    const left = await serving(cluster, rowKey(40));
    await cluster.until(left.merge());
    for (const node of cluster.nodes) cluster.crash(node, true);
    for (const node of cluster.nodes) await cluster.open(node);
    const session = cluster.session(await cluster.leader());
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 0 });
    await allMerged(cluster);
    await allConsistent(cluster);
  });
});

describe('a follower', () => {
  it('P27: that is behind the merge gets one snapshot, in place of both', async () => {
    const { cluster, session, leader } = await withTable({ config: { entriesPerFlush: 10 } });
    await splitAt(cluster, 50);
    const [behind] = cluster.followersOf(leader) as [ClusterNode];
    const left = await serving(cluster, rowKey(40));
    // It has the freeze, and dies before the merge reaches it.
    const isFrozen = (): boolean =>
      behind.open.ranges.find(rowKey(60))?.replica.rangeState.frozen !== undefined;
    const merging = left.merge();
    merging.catch(() => undefined);
    await cluster.when(isFrozen, 'the freeze');
    await cluster.pass(2_000);
    cluster.crash(behind);
    await cluster.pass(15 * SECOND);
    if ((await serving(cluster, rowKey(40))) !== (await serving(cluster, rowKey(60)))) return;
    for (let i = 0; i < 40; i++) await cluster.query(session, 'UPDATE t SET v = v + 1');
    await cluster.pass(5 * SECOND);
    await cluster.open(behind);
    await cluster.settled();
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 4000 });
    await allMerged(cluster);
    await allConsistent(cluster);
  });
});

describe('ranges that were split by hand', () => {
  it('are merged by hand all the same', async () => {
    const { cluster } = await withTable();
    const host: RangeHost = await serving(cluster, rowKey(50));
    const later = cluster.nodes[0]?.open.clock.latest() ?? MIN_TIMESTAMP;
    await cluster.until(host.split({ at: rowKey(50), stickyUntil: later }));
    await mergeAt(cluster, 50);
    await allMerged(cluster);
  });
});
