import { describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import { RowIdCounter } from '../../../src/sql/catalog/counters.ts';
import type { TableDescriptor } from '../../../src/sql/catalog/descriptor.ts';
import { decodeDescriptor, encodeDescriptor } from '../../../src/sql/catalog/encoding.ts';
import { SchemaBusyError } from '../../../src/sql/catalog/errors.ts';
import { LEASE_WAIT_MICROS } from '../../../src/sql/catalog/lease.ts';
import { FakeDatabase, type FakeSession, name } from '../fakes/sessions.ts';
import { FakeStore } from '../fakes/transactions.ts';

/** Of a node with a lease on the schema: its renewal, its end, and the same end at its home. */
const IDLE_TIMERS = 3;

async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return (error as DbError).code;
  }
}

async function withTable(): Promise<{
  database: FakeDatabase;
  ddl: FakeSession;
  user: FakeSession;
  table: TableDescriptor;
}> {
  const database = await FakeDatabase.open();
  const ddl = database.session();
  const user = database.session();
  await ddl.run('CREATE TABLE t (a int)');
  return { database, ddl, user, table: user.view.table(name('t')) };
}

describe('descriptors', () => {
  it('come back as they were', async () => {
    const database = await FakeDatabase.open();
    const session = database.session();
    await session.run(
      `CREATE TABLE "Ünï" (a numeric(10,-2) DEFAULT 1.5, b char(3) NOT NULL, c timestamptz, PRIMARY KEY (c, b))`,
    );
    const table = session.view.table(name('Ünï'));
    expect(decodeDescriptor(encodeDescriptor(table))).toEqual(table);
    const restarted = await FakeDatabase.open(database.store);
    expect(restarted.catalog.tables()).toEqual([table]);
  });

  it('of a newer format are refused with both versions', async () => {
    const { table } = await withTable();
    const bytes = encodeDescriptor(table);
    bytes[0] = 9;
    expect(() => decodeDescriptor(bytes)).toThrow(
      'table descriptor has format version 9; this program reads versions 2 to 4',
    );
  });

  it('are found along the search path only', async () => {
    const { database } = await withTable();
    const nowhere = database.catalog.view(() => ['pg_catalog']);
    expect(nowhere.find(name('t'))).toBeUndefined();
    expect(nowhere.find({ schema: 'public', name: 't', at: -1 })?.name).toBe('t');
    expect(codeOf(() => nowhere.table({ schema: 'x', name: 't', at: 3 }))).toBe('42P01');
  });
});

describe('versions', () => {
  it('never coincide between sessions that see different things', async () => {
    const { database, ddl, user } = await withTable();
    const seen = new Set<number>([user.view.version]);
    ddl.begin();
    await ddl.run('CREATE TABLE u (a int)');
    const own = ddl.view.version;
    expect(seen.has(own)).toBe(false);
    expect(ddl.view.version).toBe(own);
    expect(seen.has(user.view.version)).toBe(true);
    await database.session().run('CREATE TABLE v (a int)');
    expect(ddl.view.version).not.toBe(own);
    expect(user.view.version).not.toBe(ddl.view.version);
    await ddl.commit();
    expect(user.view.version).toBe(ddl.view.version);
  });
});

describe('leases', () => {
  it('make a change wait for those who use the table', async () => {
    const { ddl, user, table } = await withTable();
    user.view.use(table);
    let done = false;
    const dropping = ddl.run('DROP TABLE t').then(() => {
      done = true;
    });
    await turns();
    expect(done).toBe(false);
    user.view.releaseAll();
    await dropping;
    expect(user.view.find(name('t'))).toBeUndefined();
  });

  it('keep everybody else off while a change is open, and void their plans', async () => {
    const { ddl, user, table } = await withTable();
    const before = user.view.version;
    ddl.begin();
    await ddl.run('TRUNCATE t');
    expect(user.view.version).not.toBe(before);
    expect(codeOf(() => user.view.find(name('t')))).toBe('55P03');
    expect(codeOf(() => user.view.use(table))).toBe('55P03');
    await ddl.commit();
    const after = user.view.table(name('t'));
    expect(after.version).toBe(table.version + 1);
    expect(codeOf(() => user.view.use(table))).toBe('40001');
    user.view.use(after);
  });

  it('let a session that meets a change wait for its end', async () => {
    const { database, ddl, user } = await withTable();
    ddl.begin();
    await ddl.run('TRUNCATE t');
    let busy: unknown;
    try {
      user.view.find(name('t'));
    } catch (error) {
      busy = error;
    }
    expect(busy).toBeInstanceOf(SchemaBusyError);
    let free = false;
    const waiting = (busy as SchemaBusyError).whenFree().then(() => {
      free = true;
    });
    await turns();
    expect(free).toBe(false);
    ddl.rollback();
    await waiting;
    expect(user.view.find(name('t'))?.version).toBe(1);
    expect(database.timers.armed).toBe(IDLE_TIMERS);
  });

  it('are waited for a bounded time, and then the change is off', async () => {
    const { database, ddl, user, table } = await withTable();
    user.view.use(table);
    const dropping = ddl.run('DROP TABLE t').catch((error: unknown) => error);
    await turns();
    database.timers.advance(LEASE_WAIT_MICROS);
    const error = (await dropping) as DbError;
    expect([error.code, error.message, error.fields.hint]).toEqual([
      '55P03',
      'could not change relation "t" while it is in use',
      '1 other session uses it in open transactions: end them, or try again later.',
    ]);
    expect(user.view.find(name('t'))).toBe(table);
    expect(database.timers.armed).toBe(IDLE_TIMERS);
  });

  it('bring apart two transactions that wait for each other', async () => {
    const { database, ddl, user } = await withTable();
    await ddl.run('CREATE TABLE u (a int)');
    ddl.begin();
    user.begin();
    ddl.view.use(ddl.view.table(name('t')));
    user.view.use(user.view.table(name('u')));
    const outcomes: string[] = [];
    const attempt = (session: FakeSession, text: string, label: string): Promise<void> =>
      session.run(text).then(
        async () => {
          outcomes.push(`${label} done`);
          await session.commit();
        },
        (error: unknown) => {
          outcomes.push(`${label} ${(error as DbError).code}`);
          session.rollback();
        },
      );
    const first = attempt(ddl, 'DROP TABLE u', 'first');
    await turns();
    const second = attempt(user, 'DROP TABLE t', 'second');
    await turns();
    expect(outcomes).toEqual([]);
    database.timers.advance(LEASE_WAIT_MICROS);
    await Promise.all([first, second]);
    expect(outcomes).toContain('first 55P03');
    expect(database.timers.armed).toBe(IDLE_TIMERS);
  });

  it('give a wounded change up without waiting further', async () => {
    const { database, ddl, user, table } = await withTable();
    user.view.use(table);
    ddl.begin();
    const dropping = ddl.run('DROP TABLE t').catch((error: unknown) => error);
    await turns();
    ddl.txn.aborted = new DbError('40001', 'wounded');
    database.timers.advance(100_000);
    expect(((await dropping) as DbError).code).toBe('40001');
    ddl.rollback();
    expect(user.view.find(name('t'))).toBe(table);
  });
});

describe('row ids', () => {
  it('never repeat across restarts', async () => {
    const store = new FakeStore();
    const seen = new Set<number>();
    for (let start = 0; start < 5; start++) {
      const { catalog } = await FakeDatabase.open(store);
      for (let i = 0; i < 100; i++) seen.add(catalog.nextRowId());
    }
    expect(seen.size).toBe(500);
    expect([...seen].every((id) => Number.isSafeInteger(id) && id > 0)).toBe(true);
  });

  it('go on from block to block, and refuse rather than repeat', async () => {
    const store = new FakeStore();
    const counter = new RowIdCounter(store, () => {}, 8);
    await counter.start();
    const seen = new Set<number>();
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 4; i++) seen.add(counter.take());
      await turns();
    }
    expect(seen.size).toBe(40);
    const hasty = new RowIdCounter(store, () => {}, 8);
    await hasty.start();
    for (let i = 0; i < 8; i++) seen.add(hasty.take());
    expect(seen.size).toBe(48);
    expect(codeOf(() => hasty.take())).toBe('53400');
    await turns();
    expect(seen.has(hasty.take())).toBe(false);
  });
});

describe('ids', () => {
  it('of tables and indexes are never given twice', async () => {
    const store = new FakeStore();
    const indexes = new Set<number>();
    const tables = new Set<number>();
    for (let start = 0; start < 3; start++) {
      const database = await FakeDatabase.open(store);
      const session = database.session();
      for (let i = 0; i < 30; i++) {
        await session.run(`CREATE TABLE t${start}_${i} (a int)`);
        const table = session.view.table(name(`t${start}_${i}`));
        indexes.add(table.primary.id);
        tables.add(table.id);
      }
    }
    expect([indexes.size, tables.size]).toEqual([90, 90]);
    expect(Math.min(...indexes)).toBe(100);
    expect(Math.min(...tables)).toBe(16384);
  });
});
