// Whole nodes in simulated time: whatever a client asks, any node answers, wherever the ranges are.

import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { rowKeyOf } from '../../src/doors/kv/keys.ts';
import { KvStore } from '../../src/doors/kv/store.ts';
import type { QueryResult } from '../../src/node/embedded.ts';
import type { CommitAnswer } from '../../src/ranges/api.ts';
import type { Router } from '../../src/ranges/routing/router.ts';
import type { Timers } from '../../src/runtime/runtime.ts';
import { Cluster, type ClusterNode } from './cluster-fixture.ts';

const NO_END = new Uint8Array(0);

function store(cluster: Cluster, node: ClusterNode): KvStore {
  const { transactions } = node.open.kv;
  return new KvStore({ transactions, timers: timersOf(cluster, node) });
}

function timersOf(cluster: Cluster, node: ClusterNode): Timers {
  const { world } = cluster;
  return {
    after: (micros: number, run: () => void) => world.after(Math.ceil(micros), node.life, run),
    soon: (run: () => void) => void world.after(1, node.life, run),
  };
}

function key(n: number): Uint8Array {
  return utf8(`k${String(n).padStart(4, '0')}`);
}

function put(cluster: Cluster, at: KvStore, n: number, value: string): Promise<CommitAnswer> {
  return cluster.until(
    new Promise<CommitAnswer>((resolve) => at.write(key(n), utf8(value), resolve)),
  );
}

async function scanned(
  cluster: Cluster,
  at: KvStore,
  limitRows = 0,
  reverse = false,
): Promise<string[]> {
  const keys: string[] = [];
  const read = async (): Promise<void> => {
    for await (const pairs of at.scan(NO_END, NO_END, limitRows, reverse)) {
      for (const pair of pairs) keys.push(new TextDecoder().decode(pair.key));
    }
  };
  await cluster.until(read());
  return keys;
}

/** Whoever leads the range that holds the key divides it there. */
async function splitAt(cluster: Cluster, n: number): Promise<void> {
  const at = rowKeyOf(key(n));
  const find = (): ClusterNode | undefined =>
    cluster.nodes.find((node) => node.database?.ranges.find(at)?.isServing === true);
  await cluster.when(() => find() !== undefined, 'a leader of the range');
  const host = (find() as ClusterNode).open.ranges.find(at);
  if (host === undefined) throw new Error('it has just been found');
  await cluster.until(host.split({ at, stickyUntil: 0 as Timestamp }));
}

/** Each range is led by another node than the one before, as far as they can. */
async function spread(cluster: Cluster): Promise<void> {
  const ranges = cluster.nodes[0]?.open.ranges.all().map(({ range }) => range) ?? [];
  for (let i = 0; i < ranges.length; i++) {
    const to = (i % cluster.nodes.length) + 1;
    const range = ranges[i] as number;
    const isThere = (): boolean => cluster.node(to).open.ranges.get(range)?.isServing === true;
    for (let tries = 0; tries < 20 && !isThere(); tries++) {
      const leader = cluster.nodes.find((node) => node.open.ranges.get(range)?.isServing === true);
      if (leader !== undefined) {
        const moved = leader.open.ranges.get(range)?.transferTo(to);
        await cluster.until(Promise.resolve(moved).catch(() => undefined));
      }
      await cluster.pass(200_000);
    }
    expect(isThere()).toBe(true);
  }
}

describe('ranges over three nodes', () => {
  it('are read, written and scanned through every node', async () => {
    const cluster = await Cluster.start();
    const stores = cluster.nodes.map((node) => store(cluster, node));
    for (let n = 0; n < 60; n++) {
      const answer = await put(cluster, stores[n % 3] as KvStore, n, `v${n}`);
      expect(answer.kind).toBe('committed');
    }
    for (const at of [10, 20, 30, 40]) await splitAt(cluster, at);
    await spread(cluster);
    const expected = Array.from({ length: 60 }, (_, n) => `k${String(n).padStart(4, '0')}`);
    for (const at of stores) {
      for (let n = 0; n < 60; n += 7) {
        const { value } = await cluster.until(at.get(key(n)));
        expect(new TextDecoder().decode(value)).toBe(`v${n}`);
      }
      expect(await scanned(cluster, at)).toEqual(expected);
      expect(await scanned(cluster, at, 25)).toEqual(expected.slice(0, 25));
      expect(await scanned(cluster, at, 25, true)).toEqual(expected.toReversed().slice(0, 25));
    }
    // One transaction in all five ranges.
    const writes = [5, 15, 25, 35, 45].map((n) => ({ key: key(n), value: utf8('all') }));
    const answer = await cluster.until((stores[0] as KvStore).batch(writes));
    expect(answer.kind).toBe('committed');
    for (const at of stores) {
      for (const one of writes) {
        const { value } = await cluster.until(at.get(one.key));
        expect(new TextDecoder().decode(value)).toBe('all');
      }
    }
  });

  it('are found in the directory', async () => {
    const cluster = await Cluster.start();
    const [first] = cluster.nodes.map((node) => store(cluster, node));
    for (let n = 0; n < 40; n++) await put(cluster, first as KvStore, n, 'x');
    for (const at of [10, 20, 30]) await splitAt(cluster, at);
    await spread(cluster);
    await cluster.pass(2_000_000);
    for (const node of cluster.nodes) {
      const { directory } = node.open.kv.ranges as Router;
      const found = await cluster.until(directory.all());
      const here = node.open.ranges.all().map(({ range }) => range);
      expect(new Set(found.map(({ range }) => range))).toEqual(new Set(here));
      expect(found).toHaveLength(here.length);
    }
  });

  it('goes on when a node dies, whoever is asked', async () => {
    const cluster = await Cluster.start();
    const stores = cluster.nodes.map((node) => store(cluster, node));
    for (let n = 0; n < 40; n++) await put(cluster, stores[0] as KvStore, n, 'before');
    for (const at of [10, 20, 30]) await splitAt(cluster, at);
    await spread(cluster);
    const gone = cluster.node(2);
    cluster.crash(gone);
    for (const at of [stores[0], stores[2]] as KvStore[]) {
      for (let n = 0; n < 40; n += 3) {
        expect((await put(cluster, at, n, 'after')).kind).toBe('committed');
      }
      expect(await scanned(cluster, at)).toHaveLength(40);
    }
    await cluster.open(gone);
    const back = store(cluster, gone);
    expect(await scanned(cluster, back)).toHaveLength(40);
    expect((await put(cluster, back, 3, 'again')).kind).toBe('committed');
  });

  it('answer SQL as one range does', async () => {
    const cluster = await Cluster.start();
    const leader = await cluster.leader();
    const session = cluster.session(leader);
    const run = (text: string): Promise<QueryResult> => cluster.query(session, text);
    await run('CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, s text)');
    await run("INSERT INTO t SELECT g, g % 7, 'row ' || g FROM generate_series(1, 300) g");
    const queries = [
      'SELECT count(*), sum(v), min(id), max(s), avg(v) FROM t',
      'SELECT v, count(*), sum(id) FROM t GROUP BY v ORDER BY v',
      'SELECT id FROM t ORDER BY id DESC LIMIT 7',
      'SELECT id, s FROM t WHERE id BETWEEN 90 AND 130 ORDER BY id',
      'SELECT id FROM t WHERE v = 3 ORDER BY id LIMIT 20',
      'SELECT s FROM t WHERE id IN (1, 99, 100, 101, 250, 999) ORDER BY id',
      'SELECT count(*) FROM t a JOIN t b ON a.id = b.id + 100',
      "SELECT string_agg(s, ',') FROM t WHERE id % 50 = 0",
      'SELECT count(*) FROM t WHERE id > 1000',
    ];
    const expected: unknown[] = [];
    for (const query of queries) expected.push((await run(query)).rows);
    await run('ALTER TABLE t SPLIT AT VALUES (50), (100), (101), (200), (290)');
    await spread(cluster);
    await cluster.when(
      () => cluster.nodes.every((node) => node.open.status().isServing),
      'SQL on every node',
    );
    for (const node of cluster.nodes) {
      for (let i = 0; i < queries.length; i++) {
        const { rows } = await cluster.query(cluster.session(node), queries[i] as string);
        expect({ query: queries[i], rows }).toEqual({ query: queries[i], rows: expected[i] });
      }
    }
    const at = cluster.session(cluster.node(3));
    await cluster.query(at, 'UPDATE t SET v = v + 1 WHERE id > 80 AND id < 220');
    await cluster.query(at, 'DELETE FROM t WHERE id % 10 = 0');
    await cluster.query(at, "INSERT INTO t VALUES (1000, 1, 'x'), (10, 1, 'y')");
    const { rows } = await cluster.query(at, 'SELECT count(*), sum(v) FROM t');
    const left = Array.from({ length: 300 }, (_, i) => i + 1).filter((id) => id % 10 !== 0);
    const sum = left.reduce((all, id) => all + (id % 7) + (id > 80 && id < 220 ? 1 : 0), 2);
    expect(rows).toEqual([{ count: left.length + 2, sum }]);
  });

  it('lets go of the locks of a node that falls silent', async () => {
    const cluster = await Cluster.start();
    const stores = cluster.nodes.map((node) => store(cluster, node));
    await put(cluster, stores[0] as KvStore, 1, 'x');
    await spread(cluster);
    const at = rowKeyOf(key(1));
    const leader = cluster.nodes.find((node) => node.open.ranges.find(at)?.isServing === true);
    const other = cluster.nodes.find((node) => node !== leader) as ClusterNode;
    const transaction = other.open.kv.transactions.begin();
    const slice = { bytes: NO_END, offset: 0, length: -1, timestamp: 0 as Timestamp };
    await cluster.until(
      Promise.resolve(transaction.readLocked(at, slice, { mode: 'exclusive', wait: 'block' })),
    );
    await cluster.pass(10_000_000);
    // It is heard from, so its lock lasts.
    let answer: CommitAnswer | undefined;
    const at2 = stores[(leader?.nodeId ?? 1) - 1] as KvStore;
    at2.write(key(1), utf8('y'), (told) => {
      answer = told;
    });
    await cluster.pass(4_000_000);
    expect(answer).toBeUndefined();
    cluster.crash(other);
    await cluster.when(() => answer !== undefined, 'the lock');
    expect(answer?.kind).toBe('committed');
  });
});
