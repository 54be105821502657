// Old versions are removed on all replicas, and what is too long ago is refused everywhere (P24).

import { describe, expect, it } from 'vitest';
import type { DbError } from '../../src/base/errors.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import { keptMicros } from '../../src/node/ranges/kept-past.ts';
import type { Cluster } from './cluster-fixture.ts';
import { rowKey, serving, splitAt, sum, withTable } from './range-cluster.ts';

const SECOND = 1_000_000;

async function failure(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'none';
  } catch (error) {
    return (error as DbError).code;
  }
}

/** Of each node. */
async function collected(cluster: Cluster): Promise<readonly number[]> {
  const counts: number[] = [];
  for (const { database } of cluster.nodes) {
    const gauges = (await cluster.until(database?.metrics() as Promise<unknown>)) as readonly {
      readonly name: string;
      readonly value: number;
    }[];
    counts.push(gauges.find(({ name }) => name === 'versions_collected_total')?.value ?? -1);
  }
  return counts;
}

async function update(cluster: Cluster, session: EmbeddedSession, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await cluster.query(session, 'UPDATE t SET v = v + 1');
    await cluster.pass(SECOND);
  }
}

describe('collecting versions', () => {
  it('removes what is too old on every node, and refuses to read it', async () => {
    const { cluster, session } = await withTable();
    await splitAt(cluster, 50);
    await cluster.query(session, "SET CLUSTER SETTING gc.ttl = '4s'");
    await update(cluster, session, 5);
    await cluster.query(session, 'DELETE FROM t WHERE id >= 90');
    // The setting is read within some seconds, and the default looks again after half a minute.
    await cluster.pass(60 * SECOND);
    // 100 rows with 5 versions before their last, and 10 tombstones with what they removed.
    for (const count of await collected(cluster)) expect(count).toBeGreaterThanOrEqual(520);
    for (const { database } of cluster.nodes) {
      const own = cluster.session(
        cluster.nodes.find((node) => node.database === database) as never,
      );
      const past = (ago: string): Promise<unknown> =>
        cluster.query(own, `SELECT sum(v) AS s FROM t AS OF SYSTEM TIME '-${ago}'`);
      expect(await failure(past('62s'))).toBe('72000');
      expect(await failure(past('1s'))).toBe('none');
      expect(await sum(cluster, own)).toEqual({ n: 90, s: 450 });
    }
    for (const id of [10, 60]) {
      const host = await serving(cluster, rowKey(id));
      const answer = await cluster.until(host.check());
      expect(answer).toMatchObject({ kind: 'consistent', replicas: 3 });
    }
    // Nothing is written, and nothing is left to do.
    const before = await collected(cluster);
    await cluster.pass(60 * SECOND);
    expect(await collected(cluster)).toEqual(before);
  });

  it('keeps what an open transaction reads, and no longer', async () => {
    const { cluster, session, leader } = await withTable();
    await cluster.query(session, "SET CLUSTER SETTING gc.ttl = '4s'");
    await cluster.pass(40 * SECOND);
    const [elsewhere] = cluster.nodes.filter((node) => node !== leader);
    const reader = cluster.session(elsewhere as never);
    await cluster.query(reader, 'BEGIN READ ONLY');
    expect(await sum(cluster, reader)).toEqual({ n: 100, s: 0 });
    await update(cluster, session, 20);
    expect(await sum(cluster, reader)).toEqual({ n: 100, s: 0 });
    const during = await collected(cluster);
    for (const count of during) expect(count).toBeLessThan(100);
    await cluster.query(reader, 'COMMIT');
    await cluster.pass(10 * SECOND);
    for (const count of await collected(cluster)) expect(count).toBeGreaterThan(1900);
  });

  it('keeps the past of a table as long as that asks for', async () => {
    const { cluster, session } = await withTable();
    await cluster.query(session, "ALTER TABLE t SET (gc.ttl = '10min')");
    await cluster.query(session, "SET CLUSTER SETTING gc.ttl = '1s'");
    await cluster.pass(10 * SECOND);
    await update(cluster, session, 3);
    await cluster.pass(60 * SECOND);
    const { rows } = await cluster.query(
      session,
      "SELECT sum(v) AS s FROM t AS OF SYSTEM TIME '-62s'",
    );
    expect(Number(rows[0]?.['s'])).toBeGreaterThan(0);
  });
});

describe('how long a range keeps its past', () => {
  const span = (from: number, to: number) => ({
    start: Uint8Array.of(0, 0, 0, from),
    end: Uint8Array.of(0, 0, 0, to),
  });
  const table = (id: number, micros: number) => ({ spans: [span(id, id + 1)], micros });

  it.each([
    ['nobody says otherwise', span(100, 104), [], 50],
    ['one table, which wants less', span(101, 102), [table(101, 10)], 10],
    [
      'a part of a table that wants less',
      { start: Uint8Array.of(0, 0, 0, 101, 7), end: Uint8Array.of(0, 0, 0, 102) },
      [table(101, 10)],
      10,
    ],
    ['several, of which one wants less', span(100, 104), [table(101, 10)], 50],
    ['several, of which one wants more', span(100, 104), [table(101, 90), table(103, 70)], 90],
    ['others than those that say', span(100, 101), [table(101, 90)], 50],
    ['the schema, for whoever keeps longest', span(3, 4), [table(101, 90)], 90],
  ])('%s', (_name, asked, tables, wanted) => {
    expect(keptMicros(asked, { micros: 50, tables })).toBe(wanted);
  });
});
