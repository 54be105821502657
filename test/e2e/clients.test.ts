// What people use to talk to PostgreSQL, talking to a node: pg, postgres, psql, pgbench (the last two where they are
// installed) and our own shell.

import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, NodeProcess, nodePorts, temporaryDirectory } from '../support/node-process.ts';

const directory = temporaryDirectory();
let node: NodeProcess;

beforeAll(async () => {
  node = new NodeProcess(join(directory.path, 'data'), await nodePorts());
  await node.ready();
});

afterAll(async () => {
  await node.signal('SIGTERM');
  directory.remove();
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(command: string, args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(command, [...args], (error, out, err) => {
      resolve({
        code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1,
        out,
        err,
      });
    });
    child.stdin?.end(input);
  });
}

function installed(command: string): boolean {
  return spawnSync(command, ['--version']).status === 0;
}

describe('pg', () => {
  let client: pg.Client;

  beforeAll(async () => {
    client = new pg.Client({ connectionString: node.url });
    await client.connect();
  });

  afterAll(() => client.end());

  it('reads types as it reads PostgreSQL’s', async () => {
    const { rows } = await client.query(
      `SELECT 1 AS i, 9007199254740993 AS big, 1.50 AS n, 0.1::float8 AS f, true AS b, 'x' AS t,
         '\\x0102'::bytea AS y, timestamptz '2024-01-02 03:04:05.678+00' AS z, NULL AS nothing`,
    );
    expect(rows).toEqual([
      {
        ...{ i: 1, big: '9007199254740993', n: '1.50', f: 0.1, b: true, t: 'x', nothing: null },
        y: Buffer.from([1, 2]),
        z: new Date('2024-01-02T03:04:05.678Z'),
      },
    ]);
  });

  it('binds values of JavaScript', async () => {
    const { rows, fields } = await client.query(
      'SELECT $1::int + 1 AS i, $2::text AS t, $3::bytea AS y, $4::timestamptz AS z, $5::bool AS b, $6::float8 AS f',
      [41, 'tëxt', Buffer.from('bytes'), new Date(0), false, 0.5],
    );
    expect(rows).toEqual([
      { i: 42, t: 'tëxt', y: Buffer.from('bytes'), z: new Date(0), b: false, f: 0.5 },
    ]);
    expect(fields.map((field) => field.dataTypeID)).toEqual([23, 25, 17, 1184, 16, 701]);
  });

  it('takes results as arrays, several results, names, and counts', async () => {
    await client.query('CREATE TABLE p (id int PRIMARY KEY, s text)');
    const inserted = await client.query("INSERT INTO p VALUES (1, 'a'), (2, NULL) RETURNING id");
    expect([inserted.command, inserted.rowCount]).toEqual(['INSERT', 2]);
    const named = {
      name: 'byId',
      text: 'SELECT s FROM p WHERE id = $1',
      rowMode: 'array' as const,
    };
    expect((await client.query({ ...named, values: [1] })).rows).toEqual([['a']]);
    expect((await client.query({ ...named, values: [2] })).rows).toEqual([[null]]);
    const several = (await client.query(
      'SELECT 1 AS a; SELECT 2 AS b',
    )) as unknown as pg.QueryResult[];
    expect(several.map((result) => result.rows)).toEqual([[{ a: 1 }], [{ b: 2 }]]);
  });

  it('tells errors with code, position, detail and constraint, and goes on', async () => {
    await expect(client.query('SELECT nope')).rejects.toMatchObject({
      code: '42703',
      position: '8',
    });
    await expect(client.query('INSERT INTO p VALUES ($1)', [1])).rejects.toMatchObject({
      code: '23505',
      constraint: 'p_pkey',
      table: 'p',
      detail: 'Key (id)=(1) already exists.',
    });
    await client.query('DROP TABLE p');
  });

  it('works through a pool, with a transaction in each client', async () => {
    const pool = new pg.Pool({ connectionString: node.url, max: 4 });
    await pool.query('CREATE TABLE pooled (id int PRIMARY KEY)');
    const one = async (id: number): Promise<void> => {
      const held = await pool.connect();
      await held.query('BEGIN');
      await held.query('INSERT INTO pooled VALUES ($1)', [id]);
      await held.query(id % 2 === 0 ? 'COMMIT' : 'ROLLBACK');
      held.release();
    };
    await Promise.all(Array.from({ length: 20 }, (_, id) => one(id)));
    expect((await pool.query('SELECT count(*)::int AS n FROM pooled')).rows).toEqual([{ n: 10 }]);
    await pool.query('DROP TABLE pooled');
    await pool.end();
  });
});

describe('postgres', () => {
  it('does tagged queries, inserts by helper, transactions, savepoints, cursors and COPY', async () => {
    const sql = postgres(node.url, { max: 2, onnotice: () => undefined });
    await sql`CREATE TABLE q (id int PRIMARY KEY, s text)`;
    await sql`INSERT INTO q ${sql([
      { id: 1, s: 'one' },
      { id: 2, s: 'two' },
    ])}`;
    expect(await sql`SELECT * FROM q WHERE id IN ${sql([1, 2])} ORDER BY id`).toMatchObject([
      { id: 1, s: 'one' },
      { id: 2, s: 'two' },
    ]);
    await sql.begin(async (tx) => {
      await tx`INSERT INTO q VALUES (3, 'three')`;
      await tx.savepoint((inner) => inner`INSERT INTO q VALUES (1, 'dup')`).catch(() => undefined);
      await tx`UPDATE q SET s = 'drei' WHERE id = 3`;
    });
    await sql
      .begin(async (tx) => {
        await tx`DELETE FROM q`;
        throw new Error('no');
      })
      .catch(() => undefined);
    const seen: number[] = [];
    await sql`SELECT id FROM q ORDER BY id`.cursor(2, (rows) => {
      seen.push(...rows.map((row) => row['id'] as number));
    });
    expect(seen).toEqual([1, 2, 3]);
    const copy = await sql`COPY q FROM STDIN`.writable();
    await new Promise<void>((resolve, reject) => {
      copy.on('error', reject).on('finish', resolve);
      copy.end('4\tfour\n5\t\\N\n');
    });
    const out = await sql`COPY (SELECT id, s FROM q WHERE id > 2 ORDER BY id) TO STDOUT`.readable();
    const chunks: Buffer[] = [];
    for await (const chunk of out) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('3\tdrei\n4\tfour\n5\t\\N\n');
    await expect(sql`SELECT * FROM nosuch`).rejects.toMatchObject({
      code: '42P01',
      position: '15',
    });
    await sql`DROP TABLE q`;
    await sql.end();
  });
});

const psql = installed('psql');

describe.runIf(psql)(psql ? 'psql' : 'psql (skipped: not installed)', () => {
  const options = ['-X', '-q', '-v', 'VERBOSITY=verbose'];

  it('runs a script with COPY, errors in the middle, and \\copy', async () => {
    const { code, out, err } = await run(
      'psql',
      [...options, node.url],
      `CREATE TABLE s (id int PRIMARY KEY, t text);
\\copy s FROM STDIN
1\tone
2\ttwo
\\.
SELECT * FROM s ORDER BY id;
SELECT nope FROM s;
BEGIN; SELECT 1/0; ROLLBACK;
\\copy (SELECT t FROM s ORDER BY id DESC) TO STDOUT csv header
SELECT 2 AS two \\gset
\\echo :two
DROP TABLE s;
`,
    );
    expect(code).toBe(0);
    expect(out).toBe(' id |  t  \n----+-----\n  1 | one\n  2 | two\n(2 rows)\n\nt\ntwo\none\n2\n');
    expect(err).toContain(
      'ERROR:  42703: column "nope" does not exist\nLINE 1: SELECT nope FROM s;',
    );
    expect(err).toContain('ERROR:  22012: division by zero');
  });

  it('leaves with 3 when a script stops at an error', async () => {
    const stop = ['-v', 'ON_ERROR_STOP=1'];
    const { code, out } = await run('psql', [...options, ...stop, node.url], 'SELEC;\nSELECT 1;\n');
    expect([code, out]).toEqual([3, '']);
  });
});

const pgbench = installed('pgbench');

describe.runIf(pgbench)(pgbench ? 'pgbench' : 'pgbench (skipped: not installed)', () => {
  beforeAll(async () => {
    const { code, err } = await run('pgbench', ['-i', '-s', '1', '-q', node.url]);
    expect([code, err]).toEqual([0, expect.stringContaining('done in')]);
  });

  it.each(['simple', 'extended', 'prepared'])('in the %s protocol keeps the sums', async (mode) => {
    const load = ['-n', '-M', mode, '-c', '4', '-t', '10', '--max-tries=1000'];
    const { code, out } = await run('pgbench', [...load, node.url]);
    expect(code).toBe(0);
    expect(out).toContain('number of transactions actually processed: 40/40');
    const client = new pg.Client({ connectionString: node.url });
    await client.connect();
    const sums = new Set<string | undefined>();
    for (const [column, table] of [
      ['abalance', 'pgbench_accounts'],
      ['tbalance', 'pgbench_tellers'],
      ['bbalance', 'pgbench_branches'],
      ['delta', 'pgbench_history'],
    ]) {
      const { rows } = await client.query(`SELECT sum(${column})::text AS sum FROM ${table}`);
      sums.add((rows as { sum: string }[])[0]?.sum);
    }
    await client.end();
    expect(sums.size).toBe(1);
  });
});

describe('the shell', () => {
  const shell = (args: readonly string[], input?: string): Promise<Ran> =>
    run(process.execPath, [CLI, 'sql', '--url', node.url, ...args], input);

  it('-e prints aligned tables and tags', async () => {
    const { code, out } = await shell([
      '-e',
      "SELECT 1 AS a, NULL AS b, 'x' AS \"C d\"; SET work_mem = '8MB'",
    ]);
    expect([code, out]).toEqual([0, ' a | b | C d\n---+---+-----\n 1 |   | x\n(1 row)\nSET\n']);
  });

  it('-e shows where an error is, and fails', async () => {
    const { code, err } = await shell(['-e', "SELECT 'ä', nope"]);
    expect(code).toBe(1);
    expect(err).toBe(
      'ERROR:  42703: column "nope" does not exist\nLINE 1: SELECT \'ä\', nope\n                    ^\n',
    );
  });

  it('reads standard input: COPY inline, \\d, \\timing, several lines', async () => {
    const { code, out, err } = await shell(
      ['-k'],
      `CREATE TABLE sh (a int PRIMARY KEY, b varchar(5) NOT NULL DEFAULT 'x', c numeric(6,2));
COPY sh (a, b) FROM STDIN;
1\tone
2\ttwo
\\.
\\d
\\d sh
COPY sh (a, b) FROM STDIN;
x\tbad
3\tskipped as data
\\.
SELECT count(*)
  FROM sh;
DROP TABLE sh;
`,
    );
    expect(code).toBe(1);
    expect(err).toBe('ERROR:  22P02: invalid input syntax for type integer: "x"\n');
    expect(out).toContain('COPY 2\n');
    expect(out).toContain('public | sh');
    expect(out).toContain(' b      | character varying(5) | not null | ');
    expect(out).toContain(' c      | numeric(6,2)         |          |');
    expect(out).toContain('Primary key: sh_pkey (a)');
    expect(out).toContain(' count\n-------\n     2\n');
    expect(out).toContain('DROP TABLE\n');
  });

  it('-f stops at the first error unless told to go on', async () => {
    const file = join(directory.path, 'script.sql');
    writeFileSync(file, 'SELEC;\nSELECT 7 AS seven;\n');
    expect(await shell(['-f', file])).toMatchObject({ code: 1, out: '' });
    expect(await shell(['-k', '-f', file])).toMatchObject({
      code: 1,
      out: expect.stringContaining('7'),
    });
    expect(await shell(['-f', `${file}.not`])).toMatchObject({
      code: 1,
      err: expect.stringContaining('no such file'),
    });
  });

  it('says who it can’t reach', async () => {
    const nowhere = ['sql', '--url', 'postgres://root@127.0.0.1:1/defaultdb', '-e', 'SELECT 1'];
    const { code, err } = await run(process.execPath, [CLI, ...nowhere]);
    expect(code).toBe(1);
    expect(err).toContain('nobody listens');
  });
});
