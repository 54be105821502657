// SELECT … FOR UPDATE SKIP LOCKED over spans: what queues in tables are made of.

import { describe, expect, it } from 'vitest';
import type { DbError } from '../../src/base/errors.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import type { Cluster } from './cluster-fixture.ts';
import { splitAt, sum, withTable } from './range-cluster.ts';

async function idsOf(cluster: Cluster, session: EmbeddedSession, text: string): Promise<unknown[]> {
  return (await cluster.query(session, text)).rows.map(({ id }) => id);
}

const next = (count: number, order = 'id'): string =>
  `SELECT id FROM t WHERE v = 0 ORDER BY ${order} LIMIT ${count} FOR UPDATE SKIP LOCKED`;

describe('FOR UPDATE SKIP LOCKED', () => {
  it('gives each session rows of its own, and locks no others', async () => {
    const { cluster, session, leader } = await withTable();
    await splitAt(cluster, 50);
    const [one, two, three] = [1, 2, 3].map(() => cluster.session(leader)) as [
      EmbeddedSession,
      EmbeddedSession,
      EmbeddedSession,
    ];
    await cluster.query(session, 'UPDATE t SET v = 1 WHERE id < 48');
    for (const worker of [one, two, three]) await cluster.query(worker, 'BEGIN');
    expect(await idsOf(cluster, one, next(3))).toEqual([48, 49, 50]);
    expect(await idsOf(cluster, two, next(2))).toEqual([51, 52]);
    expect(await idsOf(cluster, three, next(2, 'id DESC'))).toEqual([99, 98]);
    // What was not given is free, and what does not qualify was never locked.
    for (const id of [53, 97, 47]) {
      await cluster.query(session, `SELECT * FROM t WHERE id = ${id} FOR UPDATE NOWAIT`);
    }
    const taken = cluster.query(session, 'SELECT * FROM t WHERE id = 52 FOR UPDATE NOWAIT');
    expect(await taken.catch((error: DbError) => error.code)).toBe('55P03');
    // All that is left, without a limit.
    await cluster.query(session, 'BEGIN');
    const all = 'SELECT id FROM t WHERE v = 0 FOR SHARE SKIP LOCKED';
    expect(await idsOf(cluster, session, all)).toEqual(
      Array.from({ length: 45 }, (_, i) => 53 + i),
    );
    await cluster.query(session, 'ROLLBACK');
    await cluster.query(one, 'ROLLBACK');
    expect(await idsOf(cluster, two, next(1))).toEqual([48]);
  });

  it('sees what its own transaction has written', async () => {
    const { cluster, session } = await withTable();
    await cluster.query(session, 'BEGIN');
    await cluster.query(session, 'UPDATE t SET v = 9 WHERE id < 5');
    await cluster.query(session, 'DELETE FROM t WHERE id = 6');
    await cluster.query(session, 'INSERT INTO t VALUES (-1, 0)');
    expect(await idsOf(cluster, session, next(4))).toEqual([-1, 5, 7, 8]);
    await cluster.query(session, 'ROLLBACK');
  });

  it('does each piece of work once, whoever does it', async () => {
    const { cluster, session, leader } = await withTable();
    for (const id of [30, 60]) await splitAt(cluster, id);
    const worker = async (): Promise<number> => {
      const own = cluster.session(leader);
      for (let done = 0; ; ) {
        try {
          await own.query('BEGIN');
          const { rows } = await own.query(next(3));
          for (const { id } of rows)
            await own.query(`UPDATE t SET v = v + 1 WHERE id = ${String(id)}`);
          await own.query('COMMIT');
          if (rows.length === 0) return done;
          done += rows.length;
        } catch (error) {
          await own.query('ROLLBACK');
          if ((error as DbError).code !== '40001') throw error;
        }
      }
    };
    const done = await cluster.until(Promise.all([1, 2, 3, 4, 5].map(worker)));
    expect(done.reduce((a, b) => a + b, 0)).toBe(100);
    expect(await sum(cluster, session)).toEqual({ n: 100, s: 100 });
  });
});
