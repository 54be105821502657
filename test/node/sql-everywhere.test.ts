// Whole nodes in simulated time: each of them serves SQL over ranges that any of them may lead.

import { describe, expect, it } from 'vitest';
import type { DbError } from '../../src/base/errors.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import { Cluster, type ClusterNode } from './cluster-fixture.ts';

const SECOND = 1_000_000;

async function allServe(cluster: Cluster): Promise<EmbeddedSession[]> {
  const up = cluster.nodes.filter((node) => node.database !== undefined);
  await cluster.when(() => up.every(({ open }) => open.status().isServing), 'SQL on all nodes');
  return up.map((node) => cluster.session(node));
}

async function started(nodes = 3): Promise<{ cluster: Cluster; sessions: EmbeddedSession[] }> {
  const cluster = await Cluster.start({ nodes });
  return { cluster, sessions: await allServe(cluster) };
}

async function codeOf(cluster: Cluster, session: EmbeddedSession, text: string): Promise<string> {
  try {
    await cluster.query(session, text);
    return 'done';
  } catch (error) {
    return (error as DbError).code;
  }
}

describe('SQL on every node', () => {
  it('sees the same tables and rows, wherever they were made', async () => {
    const { cluster, sessions } = await started();
    const [one, two, three] = sessions as [EmbeddedSession, EmbeddedSession, EmbeddedSession];
    await cluster.query(one, 'CREATE TABLE t (id int PRIMARY KEY, v text)');
    await cluster.query(two, "INSERT INTO t VALUES (1, 'two')");
    await cluster.query(three, "INSERT INTO t VALUES (2, 'three')");
    for (const session of sessions) {
      const { rows } = await cluster.query(session, 'SELECT v FROM t ORDER BY id');
      expect(rows).toEqual([{ v: 'two' }, { v: 'three' }]);
    }
    await cluster.query(three, 'TRUNCATE t');
    for (const session of sessions) {
      expect((await cluster.query(session, 'SELECT * FROM t')).rows).toEqual([]);
    }
    await cluster.query(two, 'DROP TABLE t');
    for (const session of sessions) {
      expect(await codeOf(cluster, session, 'SELECT * FROM t')).toBe('42P01');
    }
  });

  it('gives hidden keys that no other node gives', async () => {
    const { cluster, sessions } = await started();
    await cluster.query(sessions[0] as EmbeddedSession, 'CREATE TABLE t (v int)');
    for (const session of sessions) {
      await cluster.query(session, 'INSERT INTO t SELECT g FROM generate_series(1, 50) g');
    }
    const { rows } = await cluster.query(
      sessions[1] as EmbeddedSession,
      'SELECT count(*) n FROM t',
    );
    expect(rows).toEqual([{ n: 150 }]);
  });

  it('makes a schema change wait for a transaction on another node', async () => {
    const { cluster, sessions } = await started();
    const [one, two] = sessions as [EmbeddedSession, EmbeddedSession];
    await cluster.query(one, 'CREATE TABLE t (id int PRIMARY KEY)');
    await cluster.query(one, 'BEGIN');
    await cluster.query(one, 'INSERT INTO t VALUES (1)');
    let isDone = false;
    const dropping = two.query('DROP TABLE t').then(() => {
      isDone = true;
    });
    await cluster.pass(5 * SECOND);
    expect(isDone).toBe(false);
    await cluster.query(one, 'COMMIT');
    await cluster.until(dropping);
    expect(await codeOf(cluster, one, 'SELECT * FROM t')).toBe('42P01');
  });

  it('does not read a table at a moment before it was changed', async () => {
    const { cluster, sessions } = await started();
    const [one, two] = sessions as [EmbeddedSession, EmbeddedSession];
    await cluster.query(one, 'CREATE TABLE t (id int)');
    await cluster.query(one, 'INSERT INTO t VALUES (1)');
    await cluster.query(one, 'CREATE TABLE u (id int)');
    await cluster.query(one, 'BEGIN READ ONLY');
    await cluster.query(one, 'SELECT * FROM u');
    await cluster.query(two, 'ALTER TABLE t ADD PRIMARY KEY (id)');
    // Its rows have other keys by now, which that moment has nothing of.
    expect(await codeOf(cluster, one, 'SELECT * FROM t')).toBe('40001');
    await cluster.query(one, 'ROLLBACK');
    expect((await cluster.query(one, 'SELECT * FROM t')).rows).toEqual([{ id: 1 }]);
  });

  it('goes on where the node that leads dies', async () => {
    const { cluster, sessions } = await started();
    await cluster.query(sessions[0] as EmbeddedSession, 'CREATE TABLE t (id int PRIMARY KEY)');
    const leader = cluster.nodes.find(({ open }) =>
      open.status().ranges.some(({ range, role }) => range === 3 && role === 'leader'),
    ) as ClusterNode;
    cluster.crash(leader);
    const left = await allServe(cluster);
    await cluster.pass(5 * SECOND);
    for (const [i, session] of left.entries()) {
      await cluster.query(session, `INSERT INTO t VALUES (${i})`);
    }
    await cluster.query(left[0] as EmbeddedSession, 'CREATE TABLE u (id int PRIMARY KEY)');
    expect(await codeOf(cluster, left[1] as EmbeddedSession, 'SELECT * FROM u')).toBe('done');
    await cluster.open(leader);
    const again = await allServe(cluster);
    for (const session of again) {
      const { rows } = await cluster.query(session, 'SELECT count(*) n FROM t');
      expect(rows).toEqual([{ n: 2 }]);
    }
  });
});

describe('ranges in SQL', () => {
  it('are shown, divided and set from any node', async () => {
    const { cluster, sessions } = await started();
    const [one, two, three] = sessions as [EmbeddedSession, EmbeddedSession, EmbeddedSession];
    await cluster.query(one, 'CREATE TABLE t (id int, v text, PRIMARY KEY (id, v))');
    await cluster.query(one, "INSERT INTO t SELECT g, 'x' FROM generate_series(1, 100) g");
    const split = await cluster.query(two, "ALTER TABLE t SPLIT AT VALUES (20), (40, 'm')");
    expect(split.rows.map((row) => row['key'])).toEqual(['(20)', "(40, 'm')"]);
    const { rows } = await cluster.query(three, 'SHOW RANGES FROM TABLE t');
    expect(rows.map((row) => [row['start_key'], row['end_key'], row['replicas']])).toEqual([
      ['<start>', '(20)', '1,2,3'],
      ['(20)', "(40, 'm')", '1,2,3'],
      ["(40, 'm')", '<end>', '1,2,3'],
    ]);
    for (const session of sessions) {
      const sum = await cluster.query(session, 'SELECT count(*) n, sum(id) s FROM t');
      expect(sum.rows).toEqual([{ n: 100, s: 5050 }]);
    }
    await cluster.pass(5 * SECOND);
    const nodes = await cluster.query(one, 'SHOW NODES');
    expect(nodes.rows.map((row) => [row['node_id'], row['state']])).toEqual([
      [1, 'live'],
      [2, 'live'],
      [3, 'live'],
    ]);
    await cluster.query(two, "SET CLUSTER SETTING range.bytes_max = '32MiB'");
    await cluster.query(two, "ALTER TABLE t SET (range.bytes_max = '16MiB')");
    const set = await cluster.query(three, 'SHOW CLUSTER SETTINGS FROM TABLE t');
    expect(set.rows.find((row) => row['name'] === 'range.bytes_max')).toMatchObject({
      value: '16MiB',
      source: 'table',
    });
  });
});
