// Whole nodes in simulated time whose ranges are split: what clients notice, and what is left when nodes die on the way.

import { describe, expect, it } from 'vitest';
import { compareBytes, concatBytes } from '../../src/base/bytes.ts';
import { MIN_TIMESTAMP } from '../../src/clock/timestamp.ts';
import type { RangeHost } from '../../src/node/ranges/range-host.ts';
import type { ClusterNode } from './cluster-fixture.ts';
import { rowKey, serving, splitAt, sum, withTable } from './range-cluster.ts';
import { firstSeeds } from '../support/depth.ts';

const SECOND = 1_000_000;

describe.each([1, 3])('on %i nodes', (nodes) => {
  it('a split range goes on where it was, and its rows are all there', async () => {
    const { cluster, session } = await withTable({ nodes });
    for (const id of [50, 25, 75]) await splitAt(cluster, id);
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 0 });
    await cluster.query(session, 'UPDATE t SET v = v + 1');
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 100 });
    const hosts = (cluster.nodes[0] as ClusterNode).open.ranges.all();
    expect(hosts.map(({ descriptor }) => descriptor.span.start.length)).toHaveLength(6);
  });

  it('no statement fails, nor waits for long, when ranges are split under load', async () => {
    const { cluster, session, leader } = await withTable({ nodes });
    let isOver = false;
    let done = 0;
    let longest = 0;
    const client = async (name: number): Promise<void> => {
      const own = cluster.session(leader);
      for (let i = 0; !isOver; i++) {
        const began = cluster.world.nowMicros;
        const id = (name * 37 + i * 7) % 100;
        await own.query(`UPDATE t SET v = v + 1 WHERE id = ${id}`);
        await own.query(`SELECT v FROM t WHERE id = ${(id + 50) % 100}`);
        longest = Math.max(longest, cluster.world.nowMicros - began);
        done++;
      }
    };
    const clients = [1, 2, 3, 4].map(client);
    for (const id of [50, 25, 75, 12, 60]) {
      await cluster.pass(100_000);
      await splitAt(cluster, id);
    }
    await cluster.pass(SECOND);
    isOver = true;
    await cluster.until(Promise.all(clients));
    expect(await sum(cluster, session)).toEqual({ n: 100, s: done });
    expect(done).toBeGreaterThan(200);
    // A statement is two round trips of the log and of the network here; a split costs as much once more, or two.
    expect(longest).toBeLessThan(100_000);
  });
});

describe('after a restart', () => {
  it.each([true, false])('the halves are there (power lost: %s)', async (losesPower) => {
    const { cluster, session } = await withTable();
    for (const id of [50, 25]) await splitAt(cluster, id);
    await cluster.query(session, 'UPDATE t SET v = 3');
    for (const node of cluster.nodes) cluster.crash(node, losesPower);
    for (const node of cluster.nodes) await cluster.open(node);
    const next = await cluster.leader();
    for (const id of [0, 30, 60]) await serving(cluster, rowKey(id));
    expect(await sum(cluster, cluster.session(next))).toEqual({ n: 100, s: 300 });
    await cluster.when(
      () => cluster.nodes.every(({ open }) => open.ranges.all().length === 5),
      'the right halves',
    );
    expect(cluster.nodes.flatMap(({ broken }) => broken)).toEqual([]);
  });
});

describe('a follower', () => {
  it('that was away during the split makes up for it', async () => {
    const { cluster, leader } = await withTable();
    const [away] = cluster.followersOf(leader) as [ClusterNode];
    cluster.crash(away);
    const at = await splitAt(cluster, 50);
    await cluster.open(away);
    await cluster.when(() => away.open.ranges.get(at) !== undefined, 'the right half');
    await cluster.settled();
    const { descriptor } = away.open.ranges.get(at) as RangeHost;
    expect(descriptor).toEqual((await serving(cluster, rowKey(60))).descriptor);
  });

  it.each(firstSeeds(4))(
    'P26: that was cut off, and may meet the right half before its split, loses nothing (seed %i)',
    async (seed) => {
      const { cluster, leader, session } = await withTable({ seed });
      const [late] = cluster.followersOf(leader) as [ClusterNode];
      cluster.cut(late, cluster.nodes);
      await cluster.pass(2 * SECOND);
      const host = await serving(cluster, rowKey(50));
      const right = await splitAt(cluster, 50);
      await cluster.query(session, 'UPDATE t SET v = 1 WHERE id > 60');
      cluster.network.heal();
      await cluster.when(() => late.open.ranges.get(right) !== undefined, 'the right half');
      await cluster.settled();
      expect(await sum(cluster, session)).toEqual({ n: 100, s: 39 });
      const child = await serving(cluster, rowKey(60));
      for (const one of [host, child]) {
        expect(await cluster.until(one.check())).toMatchObject({ kind: 'consistent', replicas: 3 });
      }
      expect(cluster.nodes.flatMap(({ broken }) => broken)).toEqual([]);
    },
  );
});

describe('when nodes die at any moment of a split', () => {
  it.each([0, 200, 400, 600, 1000, 1500, 2500, 5000])(
    'either it happened, or not, and no row is lost (leader dies after %i µs)',
    async (micros) => {
      const { cluster } = await withTable({ seed: 1 + micros });
      const host = await serving(cluster, rowKey(50));
      const home = cluster.nodes.find(({ database }) => database?.ranges.find(rowKey(50)) === host);
      // Its id is taken before, so that the moment is one of the split.
      await splitAt(cluster, 90);
      const splitting = host.split({ at: rowKey(50), stickyUntil: MIN_TIMESTAMP });
      splitting.catch(() => undefined);
      await cluster.pass(micros);
      cluster.crash(home as ClusterNode, true);
      const next = await cluster.leader();
      const left = await serving(cluster, rowKey(49));
      const right = await serving(cluster, rowKey(50));
      const { span } = left.descriptor;
      expect(left === right || compareBytes(span.end as Uint8Array, rowKey(50)) === 0).toBe(true);
      const session = cluster.session(next);
      await cluster.query(session, 'UPDATE t SET v = v + 1');
      await cluster.open(home as ClusterNode);
      await cluster.settled();
      expect(await sum(cluster, session)).toEqual({ n: 100, s: 100 });
      for (const one of new Set([
        await serving(cluster, rowKey(49)),
        await serving(cluster, rowKey(50)),
      ])) {
        expect(await cluster.until(one.check())).toMatchObject({ kind: 'consistent' });
      }
      expect(cluster.nodes.flatMap(({ broken }) => broken)).toEqual([]);
    },
  );
});

describe('a key that is too long for a range to begin with', () => {
  it('is refused with a clear error', async () => {
    const { cluster } = await withTable({ nodes: 1 });
    const host = await serving(cluster, rowKey(50));
    const at = concatBytes(rowKey(50), new Uint8Array(16_000));
    await expect(
      cluster.until(host.split({ at, stickyUntil: MIN_TIMESTAMP })),
    ).rejects.toMatchObject({ code: '54000', message: /16\d{3} bytes; at most 4096/ });
    // The directory can be told of this one.
    const short = concatBytes(rowKey(50), new Uint8Array(4_000));
    await cluster.until(host.split({ at: short, stickyUntil: MIN_TIMESTAMP }));
  });
});

describe('a transaction that has locked two rows far apart', () => {
  it('goes on when a range comes between them', async () => {
    const { cluster, session } = await withTable();
    await cluster.pass(SECOND);
    await cluster.query(session, 'BEGIN');
    await cluster.query(session, 'UPDATE t SET v = 5 WHERE id IN (5, 95)');
    await splitAt(cluster, 70);
    await splitAt(cluster, 30);
    await cluster.pass(SECOND);
    // It has nothing there: neither to confirm, nor to quote.
    await cluster.query(session, 'UPDATE t SET v = 5 WHERE id = 50');
    await cluster.query(session, 'COMMIT');
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 15 });
    for (const id of [5, 50, 95]) {
      const { replica } = await serving(cluster, rowKey(id));
      await cluster.when(() => replica.stats().sessions === 0, 'the end of its sessions');
    }
  });
});
