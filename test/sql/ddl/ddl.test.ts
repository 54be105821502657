import { describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import { decodeRow } from '../../../src/rows/row-codec.ts';
import { indexSpan } from '../../../src/sql/catalog/keys.ts';
import type { TableDescriptor } from '../../../src/sql/catalog/descriptor.ts';
import { FakeDatabase, FakeSession, name } from '../fakes/sessions.ts';
import { FakeStore } from '../fakes/transactions.ts';

async function failure(run: Promise<unknown>): Promise<DbError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DbError);
  return error as DbError;
}

/** Code, message, then what else it says. */
async function complaint(run: Promise<unknown>): Promise<unknown[]> {
  const { code, message, fields } = await failure(run);
  return [code, message, fields];
}

function rowsOf(database: FakeDatabase, table: TableDescriptor): number {
  const { start, end } = indexSpan(table.primary.id);
  return database.store.countIn(start, end);
}

async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

async function setUp(): Promise<{ database: FakeDatabase; session: FakeSession }> {
  const database = await FakeDatabase.open();
  return { database, session: database.session() };
}

const lines = (...rows: readonly string[]): Uint8Array[] => [utf8(`${rows.join('\n')}\n`)];

describe('CREATE TABLE', () => {
  it('makes columns, types, defaults and the key in its own order', async () => {
    const { session } = await setUp();
    const tag = await session.run(
      `CREATE TABLE t (a int, b varchar(5) DEFAULT 'x' || 'y', c numeric(8,2) NOT NULL, PRIMARY KEY (c, a))`,
    );
    expect(tag).toBe('CREATE TABLE');
    const table = session.view.table(name('t'));
    expect(table.columns.map((c) => [c.name, c.position, c.notNull, c.defaultText])).toEqual([
      ['a', 0, true, undefined],
      ['b', 1, false, "'x' || 'y'"],
      ['c', 2, true, undefined],
    ]);
    expect(table.primary).toMatchObject({ name: 't_pkey', id: 100 });
    expect(table.primary.columns.map((c) => c.position)).toEqual([2, 0]);
    expect(table.hasPrimaryKey).toBe(true);
  });

  it('gives a table without a key a hidden one, last in the row', async () => {
    const { session } = await setUp();
    await session.run('CREATE TABLE t (rowid int, b text)');
    const table = session.view.table(name('t'));
    expect(table.hasPrimaryKey).toBe(false);
    expect(table.columns.filter((c) => c.hidden).map((c) => [c.name, c.position])).toEqual([
      ['_rowid', 2],
    ]);
    expect(table.primary.columns.map((c) => c.position)).toEqual([2]);
  });

  it('refuses what PostgreSQL refuses, in its words', async () => {
    const { session } = await setUp();
    await session.run('CREATE TABLE t (a int)');
    const run = (text: string): Promise<unknown[]> => complaint(session.run(text));
    expect(await run('CREATE TABLE t (a int)')).toEqual([
      '42P07',
      'relation "t" already exists',
      {},
    ]);
    expect(await run('CREATE TABLE u (a int, a text)')).toEqual([
      '42701',
      'column "a" specified more than once',
      {},
    ]);
    expect(await run('CREATE TABLE u (a foo)')).toEqual([
      '42704',
      'type "foo" does not exist',
      { position: 19 },
    ]);
    expect(await run('CREATE TABLE u (a int, PRIMARY KEY (b))')).toEqual([
      '42703',
      'column "b" named in key does not exist',
      { position: 24 },
    ]);
    expect(await run('CREATE TABLE u (a int, PRIMARY KEY (a, a))')).toEqual([
      '42701',
      'column "a" appears twice in primary key constraint',
      { position: 24 },
    ]);
    expect((await run('CREATE TABLE u (a int PRIMARY KEY, PRIMARY KEY (a))')).slice(0, 2)).toEqual([
      '42P16',
      'multiple primary keys for table "u" are not allowed',
    ]);
    expect(await run('CREATE TABLE nowhere.u (a int)')).toEqual([
      '3F000',
      'schema "nowhere" does not exist',
      { position: 14 },
    ]);
    expect((await run('CREATE TABLE u (a json PRIMARY KEY)')).slice(0, 2)).toEqual([
      '42704',
      'data type json has no default operator class for access method "btree"',
    ]);
    expect(await run('CREATE TABLE u (a int DEFAULT b)')).toEqual([
      '0A000',
      'cannot use column reference in DEFAULT expression',
      { position: 31 },
    ]);
    expect(await run('CREATE TABLE u (a int DEFAULT true)')).toEqual([
      '42804',
      'column "a" is of type integer but default expression is of type boolean',
      { hint: 'You will need to rewrite or cast the expression.' },
    ]);
    expect((await run('CREATE TABLE u (a int DEFAULT count(*))')).slice(0, 2)).toEqual([
      '42803',
      'aggregate functions are not allowed in DEFAULT expressions',
    ]);
    expect((await run("CREATE TABLE u (a int DEFAULT 'x')")).slice(0, 2)).toEqual([
      '22P02',
      'invalid input syntax for type integer: "x"',
    ]);
    expect(session.view.find(name('u'))).toBeUndefined();
  });

  it('says that a table is there already when told not to mind', async () => {
    const { session } = await setUp();
    await session.run('CREATE TABLE t (a int)');
    expect(await session.run('CREATE TABLE IF NOT EXISTS t (b text)')).toBe('CREATE TABLE');
    expect(session.notices).toEqual(['NOTICE 42P07 relation "t" already exists, skipping']);
  });

  it('disappears with its transaction', async () => {
    const { database, session } = await setUp();
    session.begin();
    await session.run('CREATE TABLE t (a int)');
    expect(session.view.find(name('t'))?.name).toBe('t');
    expect(database.session().view.find(name('t'))).toBeUndefined();
    session.rollback();
    expect(session.view.find(name('t'))).toBeUndefined();
    await session.run('CREATE TABLE t (b text)');
    expect(session.view.table(name('t')).columns[0]?.name).toBe('b');
  });

  it('lets one of two sessions have a name', async () => {
    const { database, session } = await setUp();
    const other = database.session();
    session.begin();
    await session.run('CREATE TABLE t (a int)');
    const second = failure(other.run('CREATE TABLE t (b int)'));
    await settled();
    await session.commit();
    expect((await second).code).toBe('42P07');
    expect(database.catalog.tables().map((t) => t.columns[0]?.name)).toEqual(['a']);
  });
});

describe('DROP TABLE', () => {
  it('drops several, their keys too', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int)');
    await session.run('CREATE TABLE u (a int)');
    await session.copy('COPY t FROM STDIN', lines('1', '2'));
    const table = session.view.table(name('t'));
    expect(rowsOf(database, table)).toBe(2);
    expect(await session.run('DROP TABLE t, u')).toBe('DROP TABLE');
    await settled();
    expect(database.catalog.tables()).toEqual([]);
    expect(rowsOf(database, table)).toBe(0);
  });

  it('drops nothing when one of several is missing', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int)');
    expect(await complaint(session.run('DROP TABLE t, gone'))).toEqual([
      '42P01',
      'table "gone" does not exist',
      {},
    ]);
    expect(database.catalog.tables().map((t) => t.name)).toEqual(['t']);
    expect(await session.run('DROP TABLE IF EXISTS t, gone')).toBe('DROP TABLE');
    expect(session.notices).toEqual(['NOTICE 00000 table "gone" does not exist, skipping']);
    expect((await failure(session.run('DROP TABLE nowhere.gone'))).message).toBe(
      'schema "nowhere" does not exist',
    );
    expect(database.catalog.tables()).toEqual([]);
  });

  it('comes back with a rollback, under its name and rows', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int)');
    await session.copy('COPY t FROM STDIN', lines('1'));
    session.begin();
    await session.run('DROP TABLE t');
    expect(session.view.find(name('t'))).toBeUndefined();
    await session.run('CREATE TABLE t (z text)');
    session.rollback();
    await settled();
    const table = session.view.table(name('t'));
    expect(table.columns[0]?.name).toBe('a');
    expect(rowsOf(database, table)).toBe(1);
  });
});

describe('TRUNCATE', () => {
  it('empties by a fresh index and clears the old one after the commit', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int PRIMARY KEY)');
    await session.copy('COPY t FROM STDIN', lines('1', '2'));
    const before = session.view.table(name('t'));
    session.begin();
    expect(await session.run('TRUNCATE t')).toBe('TRUNCATE TABLE');
    const after = session.view.table(name('t'));
    expect(after.primary.id).not.toBe(before.primary.id);
    expect(session.view.isFresh(after)).toBe(true);
    expect(rowsOf(database, before)).toBe(2);
    await session.commit();
    await settled();
    expect(rowsOf(database, before)).toBe(0);
    expect(session.view.isFresh(session.view.table(name('t')))).toBe(false);
  });

  it('leaves the rows alone when rolled back', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int PRIMARY KEY)');
    await session.copy('COPY t FROM STDIN', lines('1', '2'));
    const before = session.view.table(name('t'));
    session.begin();
    await session.run('TRUNCATE t');
    session.rollback();
    await settled();
    expect(session.view.table(name('t'))).toBe(before);
    expect(rowsOf(database, before)).toBe(2);
  });

  it('complains of a table that is not there', async () => {
    const { session } = await setUp();
    expect(await complaint(session.run('TRUNCATE gone'))).toEqual([
      '42P01',
      'relation "gone" does not exist',
      {},
    ]);
  });
});

describe('ALTER TABLE … ADD PRIMARY KEY', () => {
  it('keys a table that is full', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int, b text)');
    const rows = Array.from({ length: 1000 }, (_, i) => `${(i * 7919) % 1000}\trow ${i}`);
    await session.copy('COPY t FROM STDIN', lines(...rows));
    const before = session.view.table(name('t'));
    expect(await session.run('ALTER TABLE t ADD PRIMARY KEY (a)')).toBe('ALTER TABLE');
    await settled();
    const table = session.view.table(name('t'));
    expect(table.hasPrimaryKey).toBe(true);
    expect(table.columns.map((c) => [c.name, c.notNull])).toEqual([
      ['a', true],
      ['b', false],
    ]);
    expect(rowsOf(database, before)).toBe(0);
    const { start, end } = indexSpan(table.primary.id);
    const stored = database.store
      .between(database.store.rows, start, end)
      .map(({ value }) => decodeRow(table.layout, value as Uint8Array));
    expect(stored.map(([a]) => a)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(stored[7919 % 1000]).toEqual([7919 % 1000, 'row 1']);
  });

  it('refuses duplicates and NULLs, and leaves everything as it was', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int, b text)');
    await session.copy('COPY t FROM STDIN', lines('2\tx', '1\ty', '2\tz', '3\t\\N'));
    const before = session.view.table(name('t'));
    expect(await complaint(session.run('ALTER TABLE t ADD PRIMARY KEY (a)'))).toEqual([
      '23505',
      'could not create unique index "t_pkey"',
      { detail: 'Key (a)=(2) is duplicated.', table: 't', constraint: 't_pkey' },
    ]);
    expect(await complaint(session.run('ALTER TABLE t ADD PRIMARY KEY (b)'))).toEqual([
      '23502',
      'column "b" of relation "t" contains null values',
      { table: 't', column: 'b' },
    ]);
    await settled();
    expect(session.view.table(name('t'))).toBe(before);
    expect(rowsOf(database, before)).toBe(4);
    const userKeys = database.store.countIn(indexSpan(100).start, indexSpan(1_000_000).start);
    expect(userKeys).toBe(4);
    // Nothing is left to clear at the next start.
    expect(database.store.countIn(indexSpan(5).start, indexSpan(5).end)).toBe(0);
  });

  it('sees rows that its own transaction wrote', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int)');
    session.begin();
    await session.copy('COPY t FROM STDIN', lines('5', '4'));
    await session.run('ALTER TABLE t ADD PRIMARY KEY (a)');
    await session.commit();
    await settled();
    expect(rowsOf(database, session.view.table(name('t')))).toBe(2);
  });

  it('refuses a second key', async () => {
    const { session } = await setUp();
    await session.run('CREATE TABLE t (a int PRIMARY KEY)');
    expect((await complaint(session.run('ALTER TABLE t ADD PRIMARY KEY (a)'))).slice(0, 2)).toEqual(
      ['42P16', 'multiple primary keys for table "t" are not allowed'],
    );
  });

  it('leaves nothing half done after a crash in the middle', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int)');
    await session.copy('COPY t FROM STDIN', lines('1', '2'));
    session.begin();
    await session.run('ALTER TABLE t ADD PRIMARY KEY (a)');
    const fresh = session.view.table(name('t'));
    expect(rowsOf(database, fresh)).toBe(2);
    // The process dies here: only what was committed is left.
    const left = new FakeStore();
    for (const { key, value } of database.store.rows.values()) left.set(key, value);
    const restarted = await FakeDatabase.open(left);
    const table = restarted.session().view.table(name('t'));
    expect(table.hasPrimaryKey).toBe(false);
    expect(rowsOf(restarted, table)).toBe(2);
    expect(rowsOf(restarted, fresh)).toBe(0);
    expect(left.countIn(indexSpan(5).start, indexSpan(5).end)).toBe(0);
  });

  it('clears the old keys at start when the crash came right after the commit', async () => {
    const { database, session } = await setUp();
    await session.run('CREATE TABLE t (a int)');
    await session.copy('COPY t FROM STDIN', lines('1', '2'));
    const before = session.view.table(name('t'));
    session.begin();
    await session.run('TRUNCATE t');
    await session.txn.commit();
    const restarted = await FakeDatabase.open(database.store);
    expect(rowsOf(restarted, before)).toBe(0);
    expect(restarted.catalog.tables().map((t) => t.version)).toEqual([2]);
  });
});
