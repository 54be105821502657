// Two and more clients at once on a real node: what serializable promises, who waits for whom, who is aborted, and
// what a vanished or cancelled client leaves behind. Order is made by the clients' own statements and by asking the
// node's metrics who waits, never by time.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NodeProcess, nodePorts, temporaryDirectory } from '../support/node-process.ts';
import { cancel, errorFields, types, WireClient } from './wire-client.ts';

const directory = temporaryDirectory();
let node: NodeProcess;
let open: pg.Client[] = [];

async function client(): Promise<pg.Client> {
  const one = new pg.Client({ connectionString: node.url });
  // The node may close it in the middle of a test that ends it on purpose.
  one.on('error', () => undefined);
  await one.connect();
  open.push(one);
  return one;
}

/** Its SQLSTATE; 'ok' when it went well. */
async function outcome(running: Promise<unknown>): Promise<string> {
  try {
    await running;
    return 'ok';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

async function metric(name: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${node.ports.http}/metrics`);
  const line = (await response.text()).split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ')[1]);
}

/** Asks until it is so: what we wait for is an event in another process. */
async function until(name: string, value: number): Promise<void> {
  while ((await metric(name)) !== value);
}

async function value(id: number): Promise<number | undefined> {
  const { rows } = await (open[0] as pg.Client).query('SELECT v FROM t WHERE id = $1', [id]);
  return (rows as { v: number }[])[0]?.v;
}

beforeAll(async () => {
  node = new NodeProcess(directory.path, await nodePorts());
  await node.ready();
});

afterAll(async () => {
  await node.signal('SIGTERM');
  directory.remove();
});

beforeEach(async () => {
  const first = await client();
  await first.query('CREATE TABLE t (id int PRIMARY KEY, v int)');
  await first.query('INSERT INTO t VALUES (1, 10), (2, 20)');
});

afterEach(async () => {
  const [first, ...others] = open;
  await Promise.all(others.map((one) => one.end().catch(() => undefined)));
  await first?.query('ROLLBACK');
  await first?.query('DROP TABLE t');
  await first?.end();
  open = [];
});

describe('serializable', () => {
  it('refuses one of two transactions of a write skew, with a hint', async () => {
    const [a, b] = [await client(), await client()];
    await a.query('BEGIN');
    await b.query('BEGIN');
    await a.query('SELECT * FROM t');
    await b.query('SELECT * FROM t');
    const first = a.query('UPDATE t SET v = 0 WHERE id = 1').then(() => a.query('COMMIT'));
    const second = b.query('UPDATE t SET v = 0 WHERE id = 2').then(() => b.query('COMMIT'));
    const outcomes = await Promise.allSettled([first, second]);
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatchObject({
      code: '40001',
      hint: expect.stringMatching(/retry|again/i),
    });
  });

  it('loses no update', async () => {
    const [a, b] = [await client(), await client()];
    for (const one of [a, b]) {
      await one.query('BEGIN');
      await one.query('SELECT v FROM t WHERE id = 1');
    }
    const outcomes = await Promise.all(
      [a, b].map(async (one) => [
        await outcome(one.query('UPDATE t SET v = v + 1 WHERE id = 1')),
        await outcome(one.query('COMMIT')),
      ]),
    );
    expect(outcomes.filter(([update]) => update === 'ok')).toHaveLength(1);
    expect(outcomes.flat()).toContain('40001');
    expect(await value(1)).toBe(11);
  });

  it('shows no phantom', async () => {
    const [a, b] = [await client(), await client()];
    await a.query('BEGIN');
    const before = await a.query('SELECT count(*) FROM t WHERE id > 0');
    const insert = b.query('INSERT INTO t VALUES (3, 30)');
    await until('meridian_locks_waiting', 1);
    const after = await a.query('SELECT count(*) FROM t WHERE id > 0');
    await a.query('COMMIT');
    await insert;
    expect(after.rows).toEqual(before.rows);
  });

  it('lets read-only transactions see one moment while others write, without waiting', async () => {
    const [a, b] = [await client(), await client()];
    await a.query('BEGIN READ ONLY');
    const before = await a.query('SELECT * FROM t ORDER BY id');
    await b.query('BEGIN');
    await b.query('UPDATE t SET v = v + 1');
    expect((await a.query('SELECT * FROM t ORDER BY id')).rows).toEqual(before.rows);
    await b.query('COMMIT');
    expect((await a.query('SELECT * FROM t ORDER BY id')).rows).toEqual(before.rows);
    await a.query('COMMIT');
    expect((await a.query('SELECT v FROM t WHERE id = 1')).rows).toEqual([{ v: 11 }]);
  });

  it('reads a single statement past a writer that has not committed', async () => {
    const [a, b] = [await client(), await client()];
    await a.query('BEGIN');
    await a.query('UPDATE t SET v = 99 WHERE id = 1');
    expect((await b.query('SELECT v FROM t WHERE id = 1')).rows).toEqual([{ v: 10 }]);
    await a.query('COMMIT');
    expect((await b.query('SELECT v FROM t WHERE id = 1')).rows).toEqual([{ v: 99 }]);
  });
});

describe('wound-wait', () => {
  it('aborts the younger holder when the older one needs its lock', async () => {
    const [older, younger] = [await client(), await client()];
    await older.query('BEGIN');
    await older.query('SELECT * FROM t WHERE id = 2 FOR UPDATE');
    await younger.query('BEGIN');
    await younger.query('SELECT * FROM t WHERE id = 1 FOR UPDATE');
    await older.query('UPDATE t SET v = 1 WHERE id = 1');
    expect(await outcome(younger.query('SELECT 1 FROM t WHERE id = 1'))).toBe('40001');
    await older.query('COMMIT');
    await younger.query('ROLLBACK');
    expect(await value(1)).toBe(1);
  });

  it('makes the younger one wait', async () => {
    const [older, younger] = [await client(), await client()];
    await older.query('BEGIN');
    await older.query('UPDATE t SET v = v + 1 WHERE id = 1');
    const waits = younger.query('UPDATE t SET v = v * 2 WHERE id = 1');
    await until('meridian_locks_waiting', 1);
    await older.query('COMMIT');
    await waits;
    expect(await value(1)).toBe(22);
  });

  it('answers NOWAIT with 55P03', async () => {
    const [a, b] = [await client(), await client()];
    await a.query('BEGIN');
    await a.query('SELECT * FROM t WHERE id = 1 FOR UPDATE');
    expect(await outcome(b.query('SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT'))).toBe('55P03');
    await a.query('ROLLBACK');
  });
});

const contended: readonly (readonly [string, (one: pg.Client) => Promise<unknown>])[] = [
  ['simple', (one) => one.query('UPDATE t SET v = v + 1 WHERE id = 1')],
  ['extended', (one) => one.query('UPDATE t SET v = v + $1 WHERE id = 1', [1])],
  [
    'prepared with RETURNING',
    (one) =>
      one.query({
        name: 'u',
        text: 'UPDATE t SET v = v + $1 WHERE id = 1 RETURNING v',
        values: [1],
      }),
  ],
  ['scan', (one) => one.query('UPDATE t SET v = v + 1 WHERE id < $1', [9])],
  [
    'upsert',
    (one) =>
      one.query('INSERT INTO t VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET v = t.v + 1', [1]),
  ],
];

describe('statements outside a block', () => {
  it.each(contended)('never answer 40001 under contention: %s', async (_, run) => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => client()));
    const outcomes = await Promise.all(
      clients.map(async (one) => {
        const seen: string[] = [];
        for (let i = 0; i < 10; i++) seen.push(await outcome(run(one)));
        return seen;
      }),
    );
    expect(outcomes.flat().filter((one) => one !== 'ok')).toEqual([]);
    expect(await value(1)).toBe(90);
  });
});

describe('schema changes', () => {
  it('wait for a transaction that uses the table', async () => {
    const [a, b] = [await client(), await client()];
    await a.query('BEGIN');
    await a.query('INSERT INTO t VALUES (3, 30)');
    const truncated = outcome(b.query('TRUNCATE t'));
    await a.query('INSERT INTO t VALUES (4, 40)');
    await a.query('COMMIT');
    expect(await truncated).toBe('ok');
    expect((await b.query('SELECT * FROM t')).rows).toEqual([]);
    await b.query('INSERT INTO t VALUES (5, 50)');
  });

  it('keep others off the table until they commit', async () => {
    const [a, b] = [await client(), await client()];
    await a.query('BEGIN');
    await a.query('DROP TABLE t');
    await a.query('CREATE TABLE t (id int PRIMARY KEY, v int, w text)');
    const insert = b.query("INSERT INTO t VALUES (1, 1, 'new')");
    const select = open[0]?.query('SELECT count(*) FROM t');
    await a.query('COMMIT');
    await Promise.all([insert, select]);
    expect((await a.query('SELECT w FROM t')).rows).toEqual([{ w: 'new' }]);
  });

  it('go through while clients run prepared statements', async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => client()));
    let stop = false;
    const loops = clients.map(async (one, i) => {
      const seen = new Set<string>();
      for (let n = 0; !stop; n++) {
        const values = [i * 1_000_000 + n + 10];
        seen.add(
          await outcome(one.query({ name: 'i', text: 'INSERT INTO t VALUES ($1, 0)', values })),
        );
      }
      return [...seen];
    });
    const first = open[0] as pg.Client;
    for (let i = 0; i < 5; i++) await first.query('TRUNCATE t');
    stop = true;
    expect(new Set((await Promise.all(loops)).flat())).toEqual(new Set(['ok']));
  });
});

describe('a client that goes', () => {
  it('in a transaction releases its locks', async () => {
    const gone = await WireClient.connect(node.ports.sql);
    await gone.query('BEGIN');
    await gone.query('UPDATE t SET v = 0');
    gone.socket.destroy();
    const other = await client();
    await other.query('UPDATE t SET v = v + 1');
    expect(await value(1)).toBe(11);
  });

  it('while it waits for a lock gives up its place', async () => {
    const [holder, other] = [await client(), await client()];
    await holder.query('BEGIN');
    await holder.query('UPDATE t SET v = 0');
    const gone = await WireClient.connect(node.ports.sql);
    gone.query('UPDATE t SET v = 77').catch(() => undefined);
    await until('meridian_locks_waiting', 1);
    gone.socket.destroy();
    await until('meridian_locks_waiting', 0);
    await holder.query('ROLLBACK');
    await other.query('UPDATE t SET v = v + 1');
    expect(await value(1)).toBe(11);
  });

  it('by Terminate with a statement running rolls it back', async () => {
    const gone = await WireClient.connect(node.ports.sql);
    await gone.query('BEGIN');
    await gone.query('INSERT INTO t VALUES (3, 30)');
    gone.end();
    await until('meridian_sql_sessions', 1);
    expect(await value(3)).toBeUndefined();
  });
});

describe('cancelling', () => {
  async function waiting(begin: boolean): Promise<{ holder: pg.Client; waiter: WireClient }> {
    const holder = await client();
    await holder.query('BEGIN');
    await holder.query('UPDATE t SET v = 0 WHERE id = 1');
    const waiter = await WireClient.connect(node.ports.sql);
    if (begin) await waiter.query('BEGIN');
    return { holder, waiter };
  }

  it.each([false, true])('ends a wait for a lock (in a block: %s)', async (inBlock) => {
    const { holder, waiter } = await waiting(inBlock);
    const answer = waiter.query('UPDATE t SET v = 1 WHERE id = 1');
    await until('meridian_locks_waiting', 1);
    await cancel(node.ports.sql, waiter);
    const messages = await answer;
    expect(types(messages)).toBe('EZ');
    const [error, ready] = messages;
    expect(error && errorFields(error)).toMatchObject({
      C: '57014',
      M: 'canceling statement due to user request',
    });
    expect(ready?.body.toString()).toBe(inBlock ? 'E' : 'I');
    await waiter.query('ROLLBACK');
    expect(types(await waiter.query('SELECT 1'))).toBe('TDCZ');
    await holder.query('ROLLBACK');
    waiter.end();
  });

  it('ends a wait in the extended protocol, up to Sync', async () => {
    const { holder, waiter } = await waiting(false);
    const answer = waiter.parse('UPDATE t SET v = 1 WHERE id = 1').bind().execute().answers();
    await until('meridian_locks_waiting', 1);
    await cancel(node.ports.sql, waiter);
    const messages = await answer;
    expect(types(messages)).toBe('12EZ');
    await holder.query('ROLLBACK');
    expect(await value(1)).toBe(10);
    waiter.end();
  });

  it('ends a statement that computes', async () => {
    const one = await WireClient.connect(node.ports.sql);
    await one.query('CREATE TABLE many (a int)');
    await one.query('INSERT INTO many SELECT 1 FROM t');
    for (let i = 0; i < 12; i++) await one.query('INSERT INTO many SELECT a FROM many');
    const running = one.query('SELECT count(*) FROM many a, many b, many c WHERE a.a + b.a < c.a');
    await cancel(node.ports.sql, one);
    const [last] = (await running).slice(-2);
    expect(last && errorFields(last)['C']).toBe('57014');
    await one.query('DROP TABLE many');
    one.end();
  });

  it('does nothing without the right secret, or while nothing runs', async () => {
    const one = await WireClient.connect(node.ports.sql);
    const { processId, secret } = one;
    one.secret = secret ^ 1;
    await cancel(node.ports.sql, one);
    one.secret = secret;
    await cancel(node.ports.sql, one);
    expect(one.processId).toBe(processId);
    expect(types(await one.query('SELECT 1'))).toBe('TDCZ');
    one.end();
  });

  it('by statement_timeout ends a wait for a lock', async () => {
    const { holder, waiter } = await waiting(false);
    await waiter.query("SET statement_timeout = '20ms'");
    const [error] = await waiter.query('UPDATE t SET v = 1 WHERE id = 1');
    expect(error && errorFields(error)).toMatchObject({
      C: '57014',
      M: 'canceling statement due to statement timeout',
    });
    await holder.query('ROLLBACK');
    await waiter.query('RESET statement_timeout');
    expect(types(await waiter.query('UPDATE t SET v = 1 WHERE id = 1'))).toBe('CZ');
    waiter.end();
  });
});

const suites = process.env['MERIDIAN_SUITES'];

describe.runIf(suites)(`Hermitage${suites ? '' : ' (skipped: MERIDIAN_SUITES is not set)'}`, () => {
  it('finds no anomaly', async () => {
    const script = `${suites}/anomalies/hermitage.mjs`;
    const env = {
      ...process.env,
      SLT_URL: node.url,
      SLT_REQUIRE_FROM: fileURLToPath(new URL('../..', import.meta.url)),
    };
    const { stdout } = await promisify(execFile)(process.execPath, [script], { env });
    expect(stdout).toContain('15 cases, 0 anomalies');
  });
});
