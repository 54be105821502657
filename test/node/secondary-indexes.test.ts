// Secondary indexes under writers that run at the same time, abort each other, roll back and go back to savepoints:
// afterwards every index holds exactly what the rows say, and answers what a look at every row answers.

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DbError } from '../../src/base/errors.ts';
import { defaultConfig } from '../../src/node/config.ts';
import { type Database, openDatabase } from '../../src/node/database.ts';
import { EmbeddedSession } from '../../src/node/embedded.ts';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { indexContents } from '../support/index-checker.ts';

let directory: string;
let database: Database;

beforeAll(async () => {
  directory = fs.mkdtempSync(join(tmpdir(), 'meridian-indexes-'));
  const disk = createMemoryDisk();
  const runtime = createNodeRuntime({ logLevel: 'silent', threads: 'inline' });
  const config = { ...defaultConfig(join(directory, 'data')), cacheBytes: 1 << 20 };
  database = await openDatabase(runtime, config, {
    shardEntry: shardEntry(() => disk.open()),
    broken: (error) => {
      throw error;
    },
  });
});

afterAll(async () => {
  await database.close();
  fs.rmSync(directory, { recursive: true, force: true });
});

/** What a statement under others may answer; anything else is a defect. */
const EXPECTED = new Set(['40001', '23505', '23514', '21000', '25P02']);

async function attempt(session: EmbeddedSession, text: string): Promise<boolean> {
  try {
    await session.query(text);
    return true;
  } catch (error) {
    if (error instanceof DbError && EXPECTED.has(error.code)) return false;
    throw error;
  }
}

function pick<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}

function statement(random: SeededRandom): string {
  const id = random.below(40);
  const number = (): string => (random.below(6) === 0 ? 'NULL' : String(random.below(12)));
  const text = (): string =>
    random.below(6) === 0 ? 'NULL' : `'${pick(random, 'aAbBcCdD'.split(''))}'`;
  const row = (): string => `(${random.below(40)}, ${number()}, ${text()}, ${random.below(60)})`;
  const where = pick(random, [
    `id = ${id}`,
    `a = ${number()}`,
    `u = ${random.below(60)}`,
    `lower(t) = 'b'`,
    `a > ${random.below(12)} AND u < 30`,
    `a IS NULL`,
    `u BETWEEN ${random.below(30)} AND ${random.below(60)}`,
  ]);
  return pick(random, [
    () => `INSERT INTO x VALUES ${row()}`,
    () => `INSERT INTO x VALUES ${row()}, ${row()}, ${row()} ON CONFLICT DO NOTHING`,
    () =>
      `INSERT INTO x VALUES ${row()}, ${row()} ON CONFLICT (u) DO UPDATE SET a = excluded.a, t = x.t || 'z'`,
    () => `INSERT INTO x VALUES ${row()} ON CONFLICT (id) DO UPDATE SET u = excluded.u, a = 1`,
    () => `UPDATE x SET a = ${number()} WHERE ${where}`,
    () => `UPDATE x SET t = ${text()}, a = a + 1 WHERE ${where}`,
    () => `UPDATE x SET u = u + 1 WHERE ${where}`,
    () => `UPDATE x SET id = id + 40 WHERE ${where} AND id < 40`,
    () => `UPDATE x SET v = 7 WHERE ${where}`,
    () => `DELETE FROM x WHERE ${where}`,
  ])();
}

async function work(session: EmbeddedSession, random: SeededRandom): Promise<void> {
  for (let round = 0; round < 40; round++) {
    if (random.below(3) > 0) {
      await attempt(session, statement(random));
      continue;
    }
    await session.query('BEGIN');
    const before = await attempt(session, statement(random));
    if (before) {
      await session.query('SAVEPOINT s');
      await attempt(session, statement(random));
      await attempt(session, statement(random));
      if (random.below(2) === 0) await attempt(session, 'ROLLBACK TO s');
      await attempt(session, statement(random));
    }
    if (random.below(3) === 0) await session.query('ROLLBACK');
    else if (!(await attempt(session, 'COMMIT'))) await session.query('ROLLBACK');
  }
}

/** Each pair says the same; only the first can be answered through an index. */
const QUESTIONS: readonly (readonly [through: string, plain: string])[] = [
  ['a = 5', 'a + 0 = 5'],
  ['a IS NULL', 'NOT (coalesce(a, -1) <> -1)'],
  ['a > 3', 'a + 0 > 3'],
  ['a IN (1, 5, 7)', 'a + 0 IN (1, 5, 7)'],
  ['u > 10 AND u <= 30', 'u + 0 > 10 AND u + 0 <= 30'],
  [`lower(t) = 'b'`, `lower(t || '') = 'b'`],
  [`lower(t) >= 'b'`, `lower(t || '') >= 'b'`],
  ['a > 0 AND v = 7', 'a + 0 > 0 AND v + 0 = 7'],
  ["a = 1 AND t > 'B'", `a + 0 = 1 AND t || '' > 'B'`],
];

describe('secondary indexes', () => {
  it.each([1, 2, 3])('hold what the rows say after writers of seed %i', async (seed) => {
    const owner = new EmbeddedSession(database.sql);
    await owner.query('DROP TABLE IF EXISTS x');
    await owner.query(
      `CREATE TABLE x (id int PRIMARY KEY, a int, t text, u int UNIQUE CHECK (u < 100), v int,
        g int GENERATED ALWAYS AS (a * 2) STORED)`,
    );
    await owner.query('CREATE INDEX x_a ON x (a DESC NULLS LAST, t) INCLUDE (v)');
    await owner.query('CREATE INDEX x_lower ON x (lower(t))');
    await owner.query('CREATE UNIQUE INDEX x_part ON x (g, u) WHERE a > 0');
    const random = new SeededRandom(seed);
    const sessions = [1, 2, 3].map(() => new EmbeddedSession(database.sql));
    await Promise.all(sessions.map((session, i) => work(session, random.fork(`worker ${i}`))));
    await owner.query('CREATE INDEX x_late ON x (v) WHERE v = 7');
    await Promise.all(sessions.map((session, i) => work(session, random.fork(`late ${i}`))));
    for (const session of sessions) await session.close();

    const { rows, indexes } = await indexContents(database.kv.transactions, 'x');
    expect(rows.length).toBeGreaterThan(0);
    expect(indexes.map(({ index }) => index)).toEqual([
      'x_u_key',
      'x_a',
      'x_lower',
      'x_part',
      'x_late',
    ]);
    for (const { index, stored, demanded } of indexes) expect(stored, index).toEqual(demanded);
    for (const [through, plain] of QUESTIONS) {
      const ids = async (where: string): Promise<unknown> =>
        (await owner.query(`SELECT id FROM x WHERE ${where} ORDER BY id`)).rows;
      expect(await ids(through), through).toEqual(await ids(plain));
    }
    const plan = await owner.query('EXPLAIN SELECT id FROM x WHERE a = 5');
    expect(JSON.stringify(plan.rows)).toContain('x_a');
    await owner.close();
  });
});
