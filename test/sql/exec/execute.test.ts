import { describe, expect, it } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { FakeDatabase } from './fake-database.ts';

async function numbers(count: number): Promise<FakeDatabase> {
  const db = new FakeDatabase();
  db.create('create table n (id int primary key, half int, word text)');
  await db.run(`insert into n select i, i / 2, 'w' || i from generate_series(1, ${count}) as g(i)`);
  db.store.asked.length = 0;
  return db;
}

describe('a point read', () => {
  it('asks for one key and sends the stored row', async () => {
    const db = await numbers(3);
    expect((await db.run('select word from n where id = 2')).rows).toEqual([['w2']]);
    expect(db.store.asked).toEqual(['read 00000064' + '01' + '80000002']);
  });

  it('answers at once when the store does', async () => {
    const db = await numbers(3);
    const plan = db.plan('select word from n where id = $1');
    const sent: number[] = [];
    const sink = { stored: (_: unknown, positions: number[]) => sent.push(...positions) };
    const result = plan.execute(db.context(), [2], sink as never, 0);
    expect(result).toBe('SELECT 1');
    expect(sent).toEqual([2]);
  });

  it('keeps executions apart that wait at the same time', async () => {
    const db = await numbers(9);
    db.store.isAsync = true;
    const plan = db.plan('select word from n where id = $1');
    const results = await Promise.all([1, 2, 3, 4].map((id) => db.execute(plan, [id])));
    expect(results.map((r) => r.rows)).toEqual([[['w1']], [['w2']], [['w3']], [['w4']]]);
  });
});

describe('scans', () => {
  it('push the limit down when nothing above needs more rows', async () => {
    const db = await numbers(10);
    await db.run('select word from n where half > 1 limit 2 offset 1');
    await db.run('select word from n order by id desc limit 3');
    await db.run('select word from n order by word limit 3');
    await db.run('select half from n group by half limit 3');
    expect(db.store.asked).toEqual([
      'scan limit 3',
      'scan limit 3 reverse',
      'scan limit 0',
      'scan limit 0',
    ]);
  });

  it('stop for a full sink and go on when it has drained', async () => {
    const db = await numbers(50);
    db.fullEvery = 7;
    const { rows, tag } = await db.run('select id from n');
    expect(rows.length).toBe(50);
    expect(tag).toBe('SELECT 50');
  });

  it('are suspended and resumed by portals', async () => {
    const db = await numbers(10);
    expect(await db.portal('select id from n', 4)).toEqual({ pieces: [4, 4, 2], tag: 'SELECT 2' });
    expect(await db.portal('select id from n order by word', 5)).toEqual({
      pieces: [5, 5, 0],
      tag: 'SELECT 0',
    });
    expect(await db.portal('insert into n values (11), (12) returning id', 1)).toEqual({
      pieces: [1, 1, 0],
      tag: 'INSERT 0 2',
    });
  });

  it('are not asked for more than the batch that says that it is the last', async () => {
    const db = await numbers(7);
    db.store.tellsLast = true;
    const { rows } = await db.run('select id from n where id < 6 or id = 7');
    expect(rows.flat()).toEqual(['1', '2', '3', '4', '5', '7']);
    expect(db.store.batchesAsked).toBe(2);
  });

  it('lock what FOR UPDATE and FOR SHARE read', async () => {
    const db = await numbers(3);
    expect(db.plan('select id from n for update').readOnly).toBe(false);
    expect(db.plan('select id from n').readOnly).toBe(true);
    await db.run('select id from n where id = 1 for update');
    await db.run('select id from n where id > 1 for share');
    expect(db.store.asked).toEqual(['lock exclusive', 'getMany 1', 'lock shared', 'scan limit 0']);
  });

  it('are given up when the statement is cancelled', async () => {
    const db = await numbers(50);
    const plan = db.plan('select count(*) from n a, n b, n c');
    let pauses = 0;
    const context = {
      ...db.context(),
      pause: async () => {
        await Promise.resolve();
        pauses++;
      },
      checkCancelled: () => {
        if (pauses === 3) throw new Error('cancelled');
      },
    };
    const sink = { full: false };
    const run = async (): Promise<unknown> => await plan.execute(context, [], sink as never, 0);
    await expect(run).rejects.toThrow('cancelled');
  });
});

describe('memory', () => {
  it('bounds sorting, joins and DISTINCT', async () => {
    const db = new FakeDatabase();
    const big = "repeat('x', 10000000)";
    const series = 'from generate_series(1, 20) as g(i)';
    expect(await db.failure(`select ${big} || i ${series} order by 1`)).toMatch(
      /^53200 sorting needs more than 134217728 bytes of memory/,
    );
    expect(await db.failure(`select distinct ${big} || i ${series}`)).toMatch(/^53200 DISTINCT/);
    expect(
      await db.failure(
        `select x from generate_series(1, 1) join (select i, ${big} as x ${series}) s on x > 'a'`,
      ),
    ).toMatch(/^53200 a join/);
  });

  it('is not needed for a sort with a limit', async () => {
    const db = new FakeDatabase();
    const { rows } = await db.run(
      'select i from generate_series(1, 20000) as g(i) order by i % 7 desc, i limit 3 offset 1',
    );
    expect(rows).toEqual([['13'], ['20'], ['27']]);
  });

  it('holds sorted runs that are merged in order, equal rows as they came', async () => {
    const db = new FakeDatabase();
    const { rows } = await db.run(
      'select i % 3 as third, i from generate_series(1, 30000) as g(i) order by third desc',
    );
    const expected = [2, 1, 0].flatMap((third) =>
      Array.from({ length: 30000 }, (_, i) => i + 1)
        .filter((i) => i % 3 === third)
        .map((i) => [String(third), String(i)]),
    );
    expect(rows).toEqual(expected);
  });
});

describe('writes', () => {
  it('lock and look up all keys of a statement at once', async () => {
    const db = await numbers(0);
    await db.run("insert into n values (1, 1, 'a'), (2, 1, 'b'), (3, 1, 'c')");
    expect(db.store.asked).toEqual(['lock exclusive', 'getMany 3']);
    db.store.asked.length = 0;
    await db.run('insert into n values (4)');
    await db.run('update n set half = half + 1 where id = 4');
    await db.run('delete from n where id = 4');
    const key = `read 000000640180000004`;
    expect(db.store.asked).toEqual([
      ...['lock exclusive', key],
      ...['lock exclusive', key],
      ...['lock exclusive', key],
    ]);
  });

  it('do not look for keys that nobody else can have', async () => {
    const db = new FakeDatabase();
    db.create('create table h (a int)');
    await db.run('insert into h values (1), (1), (null)');
    await db.run('insert into h values (1)');
    expect(db.store.asked).toEqual([]);
    expect((await db.run('select * from h')).rows).toEqual([['1'], ['1'], [null], ['1']]);
  });

  it('do not meet their own rows', async () => {
    const db = await numbers(20);
    await db.run('update n set id = id + 1');
    expect((await db.run('select min(id), max(id), count(*) from n')).rows).toEqual([
      ['2', '21', '20'],
    ]);
    await db.run('insert into n select id + 100 from n');
    expect((await db.run('select count(*) from n')).rows).toEqual([['40']]);
  });

  it('move keys when the statement as a whole leaves them unique', async () => {
    const db = await numbers(3);
    await db.run('update n set id = 4 - id');
    expect((await db.run('select id, word from n')).rows).toEqual([
      ['1', 'w3'],
      ['2', 'w2'],
      ['3', 'w1'],
    ]);
    expect(await db.failure('update n set id = 3 where id < 3')).toBe(
      '23505 duplicate key value violates unique constraint "n_pkey" | Key (id)=(3) already exists.',
    );
    const keys = db.store.sorted().map(({ key }) => toHex(key).slice(-2));
    expect(keys).toEqual(['01', '02', '03']);
  });

  it('give each row its own value of a volatile function', async () => {
    const db = new FakeDatabase();
    let turn = 0;
    db.session = { ...db.session, uint32: () => ++turn * 0x10000000 };
    db.create('create table r (id int primary key, r float8 default random())');
    await db.run('insert into r (id) values (1), (2)');
    await db.run('insert into r (id) select generate_series from generate_series(3, 4)');
    await db.run('update r set r = r + random() where id > 2');
    const { rows } = await db.run('select count(distinct r) from r');
    expect(rows).toEqual([['4']]);
  });
});

describe('joins', () => {
  it('hash what must be equal and check the rest', async () => {
    const db = await numbers(6);
    db.create('create table w (n int, note text)');
    await db.run(
      "insert into w values (1, 'one'), (2, 'two'), (2, 'zwei'), (null, 'none'), (9, 'x')",
    );
    const { rows } = await db.run(
      'select n.id, w.note from n left join w on w.n = n.id and w.note <> $1 where n.id < 4 order by 1, 2',
      ['zwei'],
    );
    expect(rows).toEqual([
      ['1', 'one'],
      ['2', 'two'],
      ['3', null],
    ]);
    expect(
      db.explain('select n.id from n join w on w.n = n.id where n.id = 2 and note > id::text'),
    ).toMatchInlineSnapshot(`
        [
          "Hash Join",
          "  On: id = n",
          "  Condition: note > id::text",
          "  Point Get n",
          "    Key: id = 2",
          "  Scan w",
          "    Span: the whole table",
        ]
      `);
  });
});

describe('virtual tables', () => {
  it('tell tables and columns, joined and filtered as others are', async () => {
    const db = await numbers(0);
    db.create('create table h (a varchar(7) not null)');
    const { rows } = await db.run(
      "select c.relname, a.attname, t.typname, a.atttypmod, a.attnotnull from pg_catalog.pg_class c join pg_namespace s on s.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid join pg_type t on t.oid = a.atttypid where c.relkind = 'r' and s.nspname = 'public' order by 1, a.attnum",
    );
    expect(rows).toEqual([
      ['h', 'a', 'varchar', '11', 't'],
      ['n', 'id', 'int4', '-1', 't'],
      ['n', 'half', 'int4', '-1', 'f'],
      ['n', 'word', 'text', '-1', 'f'],
    ]);
    expect(await db.failure('select * from pg_catalog.pg_nosuch')).toBe(
      '42P01 relation "pg_catalog.pg_nosuch" does not exist @15',
    );
  });
});
