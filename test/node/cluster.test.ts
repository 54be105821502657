// Whole nodes in simulated time: who serves, what survives whom, and what clients are told.

import { describe, expect, it } from 'vitest';
import type { DbError } from '../../src/base/errors.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import { FIRST_DATA_RANGE } from '../../src/ranges/layout.ts';
import { Cluster, type ClusterNode } from './cluster-fixture.ts';

const SECOND = 1_000_000;

async function codeOf(cluster: Cluster, session: EmbeddedSession, text: string): Promise<string> {
  try {
    await cluster.query(session, text);
    return 'done';
  } catch (error) {
    return (error as DbError).code;
  }
}

async function count(cluster: Cluster, node: ClusterNode): Promise<unknown> {
  const { rows } = await cluster.query(cluster.session(node), 'SELECT count(*) AS n FROM t');
  return rows[0]?.['n'];
}

/** Rows of about a kilobyte. */
async function fill(cluster: Cluster, session: EmbeddedSession, rows: number): Promise<void> {
  for (let from = 0; from < rows; from += 100) {
    await cluster.query(
      session,
      `INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(${from}, ${from + 99}) g`,
    );
  }
}

async function withTable(
  cluster: Cluster,
): Promise<{ leader: ClusterNode; session: EmbeddedSession }> {
  const leader = await cluster.leader();
  const session = cluster.session(leader);
  await cluster.query(session, 'CREATE TABLE t (id int PRIMARY KEY, v text)');
  return { leader, session };
}

describe('a cluster of three', () => {
  it('elects a leader, and serves SQL on every node', async () => {
    const cluster = await Cluster.start();
    const { leader, session } = await withTable(cluster);
    await cluster.query(session, "INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    for (const node of cluster.nodes) {
      await cluster.when(() => node.open.status().isServing, 'SQL everywhere');
      const { rows } = await cluster.query(cluster.session(node), 'SELECT v FROM t ORDER BY id');
      expect(rows).toEqual([{ v: 'a' }, { v: 'b' }]);
    }
    await cluster.settled();
    expect(leader.range).toMatchObject({ role: 'leader', isLeaseHeld: true, lag: 0 });
  });

  it('goes on when the leader dies, and takes it in again', async () => {
    const cluster = await Cluster.start();
    const { leader, session } = await withTable(cluster);
    await cluster.query(session, "INSERT INTO t VALUES (1, 'before')");
    cluster.crash(leader, true);
    const next = await cluster.leader();
    expect(next).not.toBe(leader);
    await cluster.query(cluster.session(next), "INSERT INTO t VALUES (2, 'after')");
    await cluster.open(leader);
    await cluster.settled();
    expect(await count(cluster, next)).toBe(2);
    await cluster.until(next.open.transferLeadership(leader.nodeId));
    await cluster.when(() => leader.open.status().isServing, 'its leadership');
    expect(await count(cluster, leader)).toBe(2);
  });

  it('P1: a leader without its followers stops serving, and neither loses nor invents a row', async () => {
    const cluster = await Cluster.start();
    const { leader, session } = await withTable(cluster);
    cluster.cut(leader, cluster.nodes);
    const lost = session.query("INSERT INTO t VALUES (1, 'cut off')");
    lost.catch(() => undefined);
    await cluster.when(() => !leader.open.status().isServing, 'the end of its leadership');
    expect(await codeOf(cluster, session, 'SELECT 1 FROM t')).toBe('57P03');
    const next = await cluster.leader();
    await cluster.query(cluster.session(next), "INSERT INTO t VALUES (2, 'after')");
    cluster.network.heal();
    await cluster.settled();
    // Nobody else ever had the entry: the client is told that it did not happen, or that nobody knows.
    await expect(cluster.until(lost)).rejects.toMatchObject({
      code: expect.stringMatching(/^(57P03|40001|40003)$/),
    });
    expect(await count(cluster, next)).toBe(1);
  });

  it('hands leadership over without losing what was acknowledged (P3)', async () => {
    const cluster = await Cluster.start({ seed: 3 });
    const { leader, session } = await withTable(cluster);
    await cluster.query(session, 'INSERT INTO t SELECT g FROM generate_series(1, 10) g');
    const [heir] = cluster.followersOf(leader) as [ClusterNode];
    const floor = leader.open.clock.latest();
    await cluster.until(leader.open.transferLeadership(heir.nodeId));
    expect(leader.range.role).toBe('follower');
    // The session goes on: what it asks for is asked of the new leader.
    expect(await codeOf(cluster, session, 'SELECT 1 FROM t')).toBe('done');
    await cluster.when(() => heir.open.status().isServing, 'its lease on the schema');
    expect(await count(cluster, heir)).toBe(10);
    expect(heir.open.clock.latest()).toBeGreaterThan(floor);
    await expect(cluster.until(leader.open.transferLeadership(heir.nodeId))).rejects.toMatchObject({
      code: '57P03',
    });
  });

  it('hands leadership over when the leader is stopped in order', async () => {
    const cluster = await Cluster.start();
    const { leader } = await withTable(cluster);
    await cluster.stop(leader);
    const before = cluster.world.nowMicros;
    const next = await cluster.leader();
    expect(cluster.world.nowMicros - before).toBeLessThan(SECOND / 2);
    expect(await count(cluster, next)).toBe(0);
  });
});

describe('sessions', () => {
  it('outlive changes of leaders: schema and plans are those of the time', async () => {
    const cluster = await Cluster.start();
    const { leader, session } = await withTable(cluster);
    await cluster.query(session, "INSERT INTO t VALUES (1, 'a')");
    await cluster.query(session, "SET application_name = 'mine'");
    const statement = 'SELECT * FROM t';
    expect((await cluster.query(session, statement)).rows).toEqual([{ id: 1, v: 'a' }]);

    const [other] = cluster.followersOf(leader) as [ClusterNode];
    await cluster.until(leader.open.transferLeadership(other.nodeId));
    await cluster.when(() => other.open.status().isServing, 'the new leadership');
    const elsewhere = cluster.session(other);
    await cluster.query(elsewhere, 'DROP TABLE t');
    await cluster.query(elsewhere, 'CREATE TABLE t (w text, id int PRIMARY KEY)');
    await cluster.query(elsewhere, "INSERT INTO t VALUES ('b', 2)");
    await cluster.query(elsewhere, 'CREATE TABLE u (id int PRIMARY KEY)');
    await cluster.query(elsewhere, 'DROP TABLE u');
    await cluster.query(elsewhere, 'CREATE TABLE u (id text PRIMARY KEY)');

    await cluster.until(other.open.transferLeadership(leader.nodeId));
    await cluster.when(() => leader.open.status().isServing, 'the old leadership again');
    expect((await cluster.query(session, statement)).rows).toEqual([{ w: 'b', id: 2 }]);
    await cluster.query(session, "INSERT INTO u VALUES ('x')");
    const shown = await cluster.query(session, 'SHOW application_name');
    expect(shown.rows).toEqual([{ application_name: 'mine' }]);
  });

  it('lose what they have locked, and go on reading what was there', async () => {
    const cluster = await Cluster.start();
    const { leader, session } = await withTable(cluster);
    const reader = cluster.session(leader);
    await cluster.query(session, 'BEGIN');
    await cluster.query(session, "INSERT INTO t VALUES (1, 'never')");
    await cluster.query(reader, 'BEGIN READ ONLY');
    expect((await cluster.query(reader, 'SELECT * FROM t')).rows).toEqual([]);
    const [other] = cluster.followersOf(leader) as [ClusterNode];
    await cluster.until(leader.open.transferLeadership(other.nodeId));
    await cluster.when(() => other.open.status().isServing, 'the new leadership');
    await cluster.until(other.open.transferLeadership(leader.nodeId));
    await cluster.when(() => leader.open.status().isServing, 'the old leadership again');
    expect(await codeOf(cluster, session, 'SELECT * FROM t')).toBe('40001');
    expect((await cluster.query(reader, 'SELECT * FROM t')).rows).toEqual([]);
    await cluster.query(session, 'ROLLBACK');
    await cluster.query(reader, 'ROLLBACK');
    expect((await cluster.query(session, 'SELECT * FROM t')).rows).toEqual([]);
  });
});

describe('a replica far behind', () => {
  const config = { entriesPerFlush: 10 };

  /** Messages take so long that there is a middle of an installation. */
  async function inTheMiddle(cluster: Cluster, behind: ClusterNode): Promise<void> {
    const { settings } = cluster.network;
    settings.delayMicrosMin = 20_000;
    settings.delayMicrosMax = 40_000;
    await cluster.open(behind);
    await cluster.when(() => behind.range.isInstalling, 'a snapshot');
    await cluster.pass(5_000);
    expect(installedIn(cluster)).toEqual([]);
  }

  /** Of the range that was filled. */
  function installedIn(cluster: Cluster): string[] {
    const about = `installed a snapshot {"range":${FIRST_DATA_RANGE},`;
    return cluster.log.filter((line) => line.includes(about));
  }

  async function leftBehind(
    cluster: Cluster,
  ): Promise<{ leader: ClusterNode; behind: ClusterNode }> {
    const { leader, session } = await withTable(cluster);
    const [behind] = cluster.followersOf(leader) as [ClusterNode];
    await cluster.settled();
    cluster.crash(behind);
    // For who is there the leader would keep its log.
    await cluster.pass(2 * SECOND);
    await fill(cluster, session, 3000);
    await cluster.pass(5 * SECOND);
    return { leader, behind };
  }

  it('gets a snapshot, and the others go on meanwhile', async () => {
    const cluster = await Cluster.start({ config });
    const { leader, behind } = await leftBehind(cluster);
    await cluster.open(behind);
    await cluster.when(() => behind.range.isInstalling, 'a snapshot');
    expect(await count(cluster, leader)).toBe(3000);
    await cluster.settled();
    expect(installedIn(cluster)).toHaveLength(1);
    await cluster.until(leader.open.transferLeadership(behind.nodeId));
    await cluster.when(() => behind.open.status().isServing, 'its leadership');
    expect(await count(cluster, behind)).toBe(3000);
    // What was installed is there after a restart, and goes on from there.
    cluster.crash(behind, true);
    await cluster.open(behind);
    await cluster.leader();
    await cluster.settled();
    const next = await cluster.leader();
    expect(await cluster.until(next.open.checkConsistency())).toMatchObject({ kind: 'consistent' });
  });

  it.each([true, false])(
    'P31: begins anew when it dies during the installation (power lost: %s)',
    async (losesPower) => {
      const cluster = await Cluster.start({ config });
      const { leader, behind } = await leftBehind(cluster);
      await inTheMiddle(cluster, behind);
      cluster.crash(behind, losesPower);
      await cluster.open(behind);
      await cluster.settled();
      const answer = await cluster.until(leader.open.checkConsistency());
      expect(answer).toMatchObject({ kind: 'consistent', replicas: 3 });
      expect(behind.broken).toEqual([]);
    },
  );

  it('tries again where the leader is by then', async () => {
    const cluster = await Cluster.start({ config });
    const { leader, behind } = await leftBehind(cluster);
    await inTheMiddle(cluster, behind);
    cluster.crash(leader);
    await cluster.when(() => !behind.range.isInstalling, 'the end of the installation');
    const [source] = cluster.followersOf(behind) as [ClusterNode];
    expect(cluster.log.join()).toContain(`"from":${source.nodeId}`);
    await cluster.open(leader);
    await cluster.settled();
    const next = await cluster.leader();
    expect(await count(cluster, next)).toBe(3000);
    expect(await cluster.until(next.open.checkConsistency())).toMatchObject({ kind: 'consistent' });
  });
});

describe('replicas are compared', () => {
  it('and found to hold the same, whatever was written meanwhile', async () => {
    const cluster = await Cluster.start();
    const { leader, session } = await withTable(cluster);
    await fill(cluster, session, 200);
    const writing = session.query("INSERT INTO t SELECT g, 'y' FROM generate_series(1000, 1300) g");
    const answer = await cluster.until(leader.open.checkConsistency());
    await cluster.until(writing);
    expect(answer).toMatchObject({ kind: 'consistent', replicas: 3 });
  });

  it('and one that differs names the first key, stops serving, and stays stopped', async () => {
    const cluster = await Cluster.start({ bugs: ['ranges.corrupt-apply'], seed: 5 });
    const { leader, session } = await withTable(cluster);
    let answer = await cluster.until(leader.open.checkConsistency());
    for (let i = 0; answer.kind === 'consistent' && i < 400; i++) {
      await cluster.query(session, `INSERT INTO t VALUES (${i}, 'row ${i}')`);
      if (i % 20 === 19) answer = await cluster.until(leader.open.checkConsistency());
    }
    expect(answer.kind).toBe('different');
    const wrong = cluster.nodes.filter((node) => node.range.broken !== undefined);
    expect(wrong.map(({ nodeId }) => nodeId)).toEqual('nodes' in answer ? answer.nodes : []);
    const [first] = wrong as [ClusterNode];
    await cluster.when(() => first.range.broken?.includes('the first is') === true, 'the key');
    expect(first.open.health()).toMatchObject({ serving: false });
    const leads = ({ database }: ClusterNode): boolean =>
      database?.ranges.get(FIRST_DATA_RANGE)?.isServing === true;
    await cluster.when(() => cluster.nodes.some(leads), 'another leader');
    expect(wrong.some(leads)).toBe(false);
    await cluster.pass(SECOND);
    cluster.crash(first);
    await cluster.open(first);
    expect(first.range.broken).toContain('the first is');
    expect(first.open.health()).toMatchObject({ serving: false });
  });
});
