// Schema changes among several nodes that serve SQL: nobody uses what is not true any more, whoever is cut off, moves or
// dies in the middle.

import { describe, expect, it } from 'vitest';
import type { DbError } from '../../src/base/errors.ts';
import { inOwnTransaction } from '../../src/sql/catalog/attempts.ts';
import { clearRecord, gatewayKey, pendingClearKey } from '../../src/sql/catalog/keys.ts';
import { SCHEMA_LEASE_MICROS } from '../../src/sql/catalog/schema-links.ts';
import { name } from '../sql/fakes/sessions.ts';
import { SchemaCluster, SECOND } from './schema-fixture.ts';

async function withTable(): Promise<SchemaCluster> {
  const cluster = await SchemaCluster.start();
  await cluster.until(cluster.node(1).session().run('CREATE TABLE t (a int)'));
  return cluster;
}

function versionOn(cluster: SchemaCluster, id: number, table = 't'): number | undefined {
  return cluster.node(id).session().view.find(name(table))?.version;
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as DbError).code;
  }
}

/** How long it took, in simulated microseconds. */
async function timed(cluster: SchemaCluster, run: () => Promise<unknown>): Promise<number> {
  const before = cluster.world.nowMicros;
  await cluster.until(run());
  return cluster.world.nowMicros - before;
}

describe('a schema change', () => {
  it('is known on all nodes when it is answered, from whichever it came', async () => {
    const cluster = await withTable();
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([1, 1, 1]);
    await cluster.until(cluster.node(2).session().run('TRUNCATE t'));
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([2, 2, 2]);
    await cluster.until(cluster.node(3).session().run('DROP TABLE t'));
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    await cluster.until(cluster.node(3).session().run('CREATE TABLE t (b int)'));
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([1, 1, 1]);
  });

  it('takes a few round trips', async () => {
    const cluster = await withTable();
    const micros = await timed(cluster, () => cluster.node(2).session().run('TRUNCATE t'));
    expect(micros).toBeLessThan(20_000);
  });

  it('waits for who uses the table on another node, and keeps everybody off meanwhile', async () => {
    const cluster = await withTable();
    const user = cluster.node(3).session();
    user.view.use(user.view.table(name('t')));
    let isDone = false;
    const change = cluster.node(2).session().run('TRUNCATE t');
    void change.then(() => {
      isDone = true;
    });
    await cluster.pass(10 * SECOND);
    expect(isDone).toBe(false);
    for (const id of [1, 2, 3]) expect(codeOf(() => versionOn(cluster, id))).toBe('55P03');
    // It goes on using it.
    expect(user.view.find(name('t'))?.version).toBe(1);
    user.view.releaseAll();
    await cluster.until(change);
    expect(user.view.find(name('t'))?.version).toBe(2);
  });

  it('gives up after a bounded time, saying how many use the table', async () => {
    const cluster = await withTable();
    for (const id of [1, 3]) {
      const user = cluster.node(id).session();
      user.view.use(user.view.table(name('t')));
    }
    const change = cluster.node(2).session().run('TRUNCATE t');
    await expect(cluster.until(change)).rejects.toMatchObject({
      code: '55P03',
      fields: {
        hint: '2 other sessions use it in open transactions: end them, or try again later.',
      },
    });
    await cluster.pass(SECOND);
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([1, 1, 1]);
  });

  it('is open to one session in the cluster at a time', async () => {
    const cluster = await withTable();
    const first = cluster.node(2).session();
    const second = cluster.node(3).session();
    first.begin();
    await cluster.until(first.run('TRUNCATE t'));
    const waiting = second.run('TRUNCATE t');
    await cluster.pass(SECOND);
    await cluster.until(first.commit());
    await cluster.until(waiting);
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([3, 3, 3]);
  });

  it('leaves nothing behind when it is taken back', async () => {
    const cluster = await withTable();
    const session = cluster.node(2).session();
    session.begin();
    await cluster.until(session.run('TRUNCATE t'));
    session.rollback();
    await cluster.pass(SECOND);
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([1, 1, 1]);
  });
});

describe('a node that is cut off', () => {
  it('stops using the schema before a change goes on without it, and is right again afterwards', async () => {
    const cluster = await withTable();
    const user = cluster.node(3).session();
    user.view.use(user.view.table(name('t')));
    cluster.cut(3);
    let heldAtCommit: boolean | undefined;
    cluster.onCommit = () => {
      heldAtCommit = cluster.node(3).isServing;
    };
    const micros = await timed(cluster, () => cluster.node(2).session().run('TRUNCATE t'));
    expect(heldAtCommit).toBe(false);
    expect(micros).toBeGreaterThan(SCHEMA_LEASE_MICROS / 2);
    expect(micros).toBeLessThan(SCHEMA_LEASE_MICROS * 1.1);
    expect(cluster.node(3).turns).toEqual(['serves', 'ceased']);
    cluster.network.heal();
    await cluster.allServe();
    expect(versionOn(cluster, 3)).toBe(2);
  });

  it('goes on when the link comes back in time', async () => {
    const cluster = await withTable();
    const user = cluster.node(3).session();
    user.view.use(user.view.table(name('t')));
    cluster.cut(3);
    const change = cluster.node(2).session().run('TRUNCATE t');
    await cluster.pass(SECOND);
    cluster.network.heal();
    await cluster.pass(5 * SECOND);
    expect(cluster.node(3).turns).toEqual(['serves']);
    expect(codeOf(() => versionOn(cluster, 2))).toBe('55P03');
    user.view.releaseAll();
    await cluster.until(change);
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([2, 2, 2]);
  });

  it('can not commit after its lease', async () => {
    const cluster = await withTable();
    const ddl = cluster.node(2).session();
    ddl.begin();
    await cluster.until(ddl.run('TRUNCATE t'));
    cluster.commitMicros = SCHEMA_LEASE_MICROS + SECOND;
    const commit = ddl.commit();
    commit.catch(() => undefined);
    cluster.cut(2);
    await cluster.pass(SCHEMA_LEASE_MICROS * 2);
    await expect(commit).rejects.toMatchObject({ code: '40001' });
    expect([1, 3].map((id) => versionOn(cluster, id))).toEqual([1, 1]);
  });

  it('and dies after its commit leaves what it committed', async () => {
    const cluster = await withTable();
    const ddl = cluster.node(2).session();
    ddl.begin();
    await cluster.until(ddl.run('TRUNCATE t'));
    await cluster.until(ddl.run('CREATE TABLE u (a int)'));
    cluster.onCommit = () => {
      cluster.cut(2);
    };
    void ddl.commit();
    await cluster.pass(SECOND);
    expect(codeOf(() => versionOn(cluster, 1))).toBe('55P03');
    cluster.crash(2);
    await cluster.pass(SCHEMA_LEASE_MICROS * 1.1);
    expect([1, 3].map((id) => versionOn(cluster, id))).toEqual([2, 2]);
    expect([1, 3].map((id) => versionOn(cluster, id, 'u'))).toEqual([1, 1]);
  });

  it('from the answer to its commit keeps its tables busy until the home has found out', async () => {
    const cluster = await withTable();
    const ddl = cluster.node(2).session();
    ddl.begin();
    await cluster.until(ddl.run('TRUNCATE t'));
    await cluster.until(ddl.txn.commit());
    ddl.view.abandoned(true);
    ddl.view.releaseAll();
    await cluster.pass(SECOND);
    for (const id of [1, 2, 3]) expect(codeOf(() => versionOn(cluster, id))).toBe('55P03');
    await cluster.pass(SCHEMA_LEASE_MICROS);
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([2, 2, 2]);
  });

  it('and starts again takes its marks with it', async () => {
    const cluster = await withTable();
    const ddl = cluster.node(2).session();
    ddl.begin();
    await cluster.until(ddl.run('TRUNCATE t'));
    cluster.crash(2);
    cluster.network.heal();
    cluster.open(2);
    await cluster.allServe();
    await cluster.pass(SCHEMA_LEASE_MICROS * 1.1);
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([1, 1, 1]);
    await cluster.until(cluster.node(3).session().run('TRUNCATE t'));
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([2, 2, 2]);
  });
});

describe('a home that moves', () => {
  it('interrupts nobody', async () => {
    const cluster = await withTable();
    for (const id of [2, 3, 1]) {
      await cluster.lead(id);
      await cluster.pass(5 * SECOND);
    }
    await cluster.allServe();
    for (const id of [1, 2, 3]) expect(cluster.node(id).turns).toEqual(['serves']);
    const micros = await timed(cluster, () => cluster.node(3).session().run('TRUNCATE t'));
    expect(micros).toBeLessThan(20_000);
  });

  it('interrupts nobody when the one before stands still, and whom links are opened to in vain', async () => {
    const cluster = await withTable();
    cluster.node(1).life.pausedUntilMicros = cluster.world.nowMicros + 20 * SECOND;
    // By now everybody has missed two answers, and looks for the home where it was.
    await cluster.pass(1.8 * SECOND);
    await cluster.lead(2);
    await cluster.pass(5 * SECOND);
    for (const id of [2, 3]) expect(cluster.node(id).turns).toEqual(['serves']);
  });

  it('lets no change commit that the one before let in', async () => {
    const cluster = await withTable();
    const ddl = cluster.node(2).session();
    ddl.begin();
    await cluster.until(ddl.run('TRUNCATE t'));
    await cluster.lead(3);
    await cluster.pass(SECOND);
    expect([1, 3].map((id) => versionOn(cluster, id))).toEqual([1, 1]);
    const commit = ddl.commit().catch((error: DbError) => error.code);
    expect(await cluster.until(commit)).toBe('40001');
    ddl.rollback();
    await cluster.pass(SECOND);
    await cluster.until(cluster.node(2).session().run('TRUNCATE t'));
    expect([1, 2, 3].map((id) => versionOn(cluster, id))).toEqual([2, 2, 2]);
  });

  it('waits for the leases that the one before gave to nodes that it does not hear of', async () => {
    const cluster = await withTable();
    const user = cluster.node(3).session();
    user.view.use(user.view.table(name('t')));
    cluster.cut(3);
    await cluster.lead(2);
    let heldAtCommit: boolean | undefined;
    cluster.onCommit = () => {
      heldAtCommit = cluster.node(3).isServing;
    };
    const micros = await timed(cluster, () => cluster.node(1).session().run('TRUNCATE t'));
    expect(heldAtCommit).toBe(false);
    expect(micros).toBeGreaterThan(SCHEMA_LEASE_MICROS / 2);
    expect(micros).toBeLessThan(SCHEMA_LEASE_MICROS * 1.1);
  });

  it('goes on where the one before died in the middle of a change', async () => {
    const cluster = await withTable();
    const change = cluster.node(1).session().run('TRUNCATE t');
    change.catch(() => undefined);
    await cluster.pass(1500);
    cluster.crash(1);
    await cluster.pass(SECOND);
    await cluster.lead(2);
    await cluster.pass(SCHEMA_LEASE_MICROS * 1.1);
    const before = versionOn(cluster, 2) as number;
    await cluster.until(cluster.node(3).session().run('TRUNCATE t'));
    expect([2, 3].map((id) => versionOn(cluster, id))).toEqual([before + 1, before + 1]);
  });
});

describe('a node that is gone for good', () => {
  const isKept = (cluster: SchemaCluster, key: Uint8Array): Promise<boolean> =>
    cluster
      .until(Promise.resolve(cluster.node(1).store.snapshot().getMany([key])))
      .then(([value]) => value !== undefined);

  it('leaves nothing in the catalog once its lease has ended, and may come after all', async () => {
    const cluster = await withTable();
    const left = pendingClearKey(777);
    await cluster.until(
      inOwnTransaction(cluster.node(3).store, async (txn) => txn.put(left, clearRecord(3))),
    );
    cluster.crash(3);
    const home = cluster.node(1).serving;
    home.departed([3]);
    await cluster.pass(SECOND / 10);
    expect(await isKept(cluster, gatewayKey(3))).toBe(true);
    expect(await isKept(cluster, left)).toBe(true);
    await cluster.pass(SCHEMA_LEASE_MICROS * 2);
    home.departed([3]);
    await cluster.pass(SECOND);
    expect(await isKept(cluster, gatewayKey(3))).toBe(false);
    expect(await isKept(cluster, left)).toBe(false);
    expect(await isKept(cluster, gatewayKey(2))).toBe(true);
    cluster.open(3);
    await cluster.allServe();
    expect(await isKept(cluster, gatewayKey(3))).toBe(true);
  });
});

describe('row ids and ids', () => {
  it('come in blocks that no two nodes share', async () => {
    const cluster = await withTable();
    const rows = new Set<number>();
    const tables = new Set<number>();
    for (const id of [1, 2, 3]) {
      const node = cluster.node(id);
      for (let i = 0; i < 100; i++) rows.add(node.catalog.nextRowId());
      for (let i = 0; i < 5; i++) {
        const session = node.session();
        await cluster.until(session.run(`CREATE TABLE t${id}_${i} (a int)`));
        const table = session.view.table(name(`t${id}_${i}`));
        tables.add(table.id).add(table.primary.id);
      }
    }
    expect(rows.size).toBe(300);
    expect(tables.size).toBe(30);
  });
});
