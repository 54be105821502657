// AS OF SYSTEM TIME on whole nodes: what is read is what was there, whoever answers.

import { describe, expect, it } from 'vitest';
import type { DbError } from '../../src/base/errors.ts';
import type { Cluster, ClusterNode } from './cluster-fixture.ts';
import { rowKey, serving, splitAt, withTable } from './range-cluster.ts';

const SECOND = 1_000_000;

async function failure(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'none';
  } catch (error) {
    return (error as DbError).code;
  }
}

/** Sums as of now, 2, 4 and 6 seconds ago: each second adds one to every row. */
async function history(cluster: Cluster, node: ClusterNode): Promise<readonly number[]> {
  const session = cluster.session(node);
  const sums: number[] = [];
  for (const past of ['0s', '2s', '4s', '6s']) {
    const { rows } = await cluster.query(
      session,
      `SELECT sum(v) AS s FROM t AS OF SYSTEM TIME '-${past}'`,
    );
    sums.push(Number(rows[0]?.['s']));
  }
  return sums;
}

describe('AS OF SYSTEM TIME', () => {
  it('shows what was there at that time, on every node, over ranges', async () => {
    const { cluster, session } = await withTable();
    for (const id of [30, 60]) await splitAt(cluster, id);
    for (let i = 0; i < 8; i++) {
      await cluster.query(session, 'UPDATE t SET v = v + 1');
      await cluster.pass(SECOND);
    }
    for (const node of cluster.nodes) {
      const [now, ...past] = await history(cluster, node);
      expect(now).toBe(800);
      expect(past.every((s) => s % 100 === 0 && s < 800 && s > 0)).toBe(true);
      expect(past).toEqual([...past].sort((a, b) => b - a));
      expect(new Set(past).size).toBe(3);
    }
  });

  it('reads all of a block at one time, which nothing written since disturbs', async () => {
    const { cluster, session, leader } = await withTable();
    await cluster.pass(SECOND);
    const reader = cluster.session(leader);
    await cluster.query(reader, "BEGIN AS OF SYSTEM TIME '-100ms'");
    const sumOf = async (): Promise<unknown> =>
      (await cluster.query(reader, 'SELECT sum(v) AS s FROM t')).rows[0]?.['s'];
    const before = await sumOf();
    await cluster.query(session, 'UPDATE t SET v = 7');
    expect(await sumOf()).toEqual(before);
    expect(await failure(cluster.query(reader, 'UPDATE t SET v = 1'))).toBe('25006');
    await cluster.query(reader, 'ROLLBACK');
    expect(Number(await sumOf())).toBe(700);
    await cluster.query(reader, 'BEGIN');
    await cluster.query(reader, 'SET TRANSACTION AS OF SYSTEM TIME follower_read_timestamp()');
    expect(await sumOf()).toEqual(before);
    await cluster.query(reader, 'COMMIT');
  });

  it('is answered by a replica nearby when that has come so far', async () => {
    const { cluster, session } = await withTable();
    const leader = await serving(cluster, rowKey(7));
    await cluster.query(session, 'UPDATE t SET v = 5 WHERE id = 7');
    await cluster.pass(3 * SECOND);
    const [node] = cluster.nodes.filter(
      ({ database }) => database?.ranges.find(rowKey(7)) !== leader,
    ) as [ClusterNode];
    const own = cluster.session(node);
    const read = async (asOf: string): Promise<unknown> => {
      const text = `SELECT v FROM t AS OF SYSTEM TIME ${asOf} WHERE id = 7`;
      return (await cluster.query(own, text)).rows[0]?.['v'];
    };
    for (const asOf of [
      'follower_read_timestamp()',
      "with_max_staleness('5s')",
      "with_min_timestamp('2020-01-01')",
    ]) {
      expect(await read(asOf)).toBe(5);
    }
    // Its leader is gone, and nobody has taken its place yet: what is near answers all the same.
    const leading = cluster.nodes.find(
      ({ database }) => database?.ranges.find(rowKey(7)) === leader,
    ) as ClusterNode;
    cluster.crash(leading);
    expect(await read("with_max_staleness('5s')")).toBe(5);
    expect(await read('follower_read_timestamp()')).toBe(5);
  });

  it('is no older than it must be', async () => {
    const { cluster, session } = await withTable();
    await cluster.pass(2 * SECOND);
    await cluster.query(session, 'UPDATE t SET v = 1');
    // Every replica has closed that by then; half of the bound would show what was before.
    await cluster.pass(SECOND);
    for (const node of cluster.nodes) {
      const own = cluster.session(node);
      for (const bound of ["with_max_staleness('1h')", "with_min_timestamp('2020-01-01')"]) {
        const { rows } = await cluster.query(
          own,
          `SELECT min(v) AS v FROM t AS OF SYSTEM TIME ${bound}`,
        );
        expect(rows[0]?.['v']).toBe(1);
      }
    }
  });

  it('says why it can not', async () => {
    const { cluster, session } = await withTable();
    const codeOf = (text: string): Promise<string> => failure(cluster.query(session, text));
    expect(await codeOf("SELECT * FROM t AS OF SYSTEM TIME '1h'")).toBe('22007');
    expect(await codeOf("SELECT * FROM t AS OF SYSTEM TIME '+1h'")).toBe('22023');
    expect(await codeOf("SELECT * FROM t AS OF SYSTEM TIME '2200-01-01'")).toBe('22023');
    expect(await codeOf("SELECT * FROM t AS OF SYSTEM TIME with_max_staleness('-1s')")).toBe(
      '22023',
    );
    expect(await codeOf("SELECT * FROM t AS OF SYSTEM TIME '-1ms' FOR UPDATE")).toBe('25006');
    // The table was not there, or another.
    expect(await codeOf("SELECT * FROM t AS OF SYSTEM TIME '-1h'")).toBe('55000');
    await cluster.pass(3 * SECOND);
    await cluster.query(session, 'TRUNCATE t');
    expect(await codeOf("SELECT * FROM t AS OF SYSTEM TIME '-2s'")).toBe('55000');
    expect(await codeOf("SELECT * FROM t AS OF SYSTEM TIME '-0s'")).toBe('none');
    await cluster.query(session, "BEGIN AS OF SYSTEM TIME '-2s'");
    expect(await codeOf('SELECT * FROM t')).not.toBe('none');
    await cluster.query(session, 'ROLLBACK');
    await cluster.query(session, 'BEGIN');
    expect(await codeOf("SELECT * FROM t AS OF SYSTEM TIME '-1ms'")).toBe('0A000');
    await cluster.query(session, 'ROLLBACK');
    expect(await codeOf("BEGIN AS OF SYSTEM TIME with_max_staleness('1s')")).toBe('0A000');
    await cluster.query(session, 'BEGIN');
    await cluster.query(session, 'SELECT 1 FROM t');
    expect(await codeOf("SET TRANSACTION AS OF SYSTEM TIME '-1s'")).toBe('25001');
    await cluster.query(session, 'ROLLBACK');
  });
});
