// Random expressions answered here and by PostgreSQL 15, where it is installed: the same value, or an error of the same
// code. What we refuse as not built (0A000) says nothing of it. MERIDIAN_EXPRESSIONS=20000 asks more of them, from
// MERIDIAN_SEED.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorFields, rowValues, type WireClient } from '../../e2e/wire-client.ts';
import { DbError } from '../../../src/base/errors.ts';
import { hasPostgres, Postgres } from '../files/postgres.ts';
import { FakeDatabase } from './fake-database.ts';
import { RandomExpressions } from './random-expressions.ts';

const COUNT = Number(process.env['MERIDIAN_EXPRESSIONS'] ?? 3000);
const SEED = Number(process.env['MERIDIAN_SEED'] ?? 1);

/** Why an answer may differ, by what is asked. */
const DIFFERENCES: readonly { readonly why: string; readonly asked: RegExp }[] = [
  {
    why: 'PostgreSQL counts with the infinities as if they were dates',
    asked: /\bage\(.*infinity/,
  },
  { why: 'PostgreSQL lets integers wrap around', asked: /make_interval\(.*(\d{9}|e\d)/ },
  { why: 'PostgreSQL lets microseconds wrap around', asked: /294276/ },
  { why: 'an interval has up to 285 years of hours', asked: /\*.*hours|interval \*/ },
  { why: 'char(n) has no padding inside', asked: /::character\)::bytea/ },
];

function isError(answer: string): boolean {
  return answer.startsWith('! ');
}

async function oursTo(db: FakeDatabase, sql: string): Promise<string> {
  try {
    const { rows } = await db.run(sql);
    return rows[0]?.[0] ?? 'NULL';
  } catch (error) {
    if (error instanceof DbError) return `! ${error.code}`;
    throw new Error(`${sql}: ${String(error)}`, { cause: error });
  }
}

async function theirsTo(client: WireClient, sql: string): Promise<string> {
  const messages = await client.query(sql);
  const error = messages.find((message) => message.type === 'E');
  if (error !== undefined) return `! ${errorFields(error)['C']}`;
  const row = messages.find((message) => message.type === 'D');
  const [value] = row === undefined ? [] : rowValues(row);
  return value?.toString('utf8') ?? 'NULL';
}

const postgres = hasPostgres();

describe.runIf(postgres)(
  postgres ? 'random expressions' : 'random expressions (skipped: PostgreSQL 15 is not installed)',
  () => {
    let server: Postgres;
    let client: WireClient;

    beforeAll(async () => {
      server = await Postgres.start();
      client = await server.connect('expressions');
    });

    afterAll(async () => {
      client.end();
      await server.stop();
    });

    it('are answered as PostgreSQL answers them', { timeout: 600_000 }, async () => {
      const db = new FakeDatabase();
      const expressions = new RandomExpressions(SEED);
      const differing: string[] = [];
      let compared = 0;
      for (let i = 0; i < COUNT; i++) {
        const isDeep = i % 2 === 1;
        const sql = `SELECT ${expressions.next(isDeep)}`;
        const ours = await oursTo(db, sql);
        if (ours === '! 0A000') continue;
        const theirs = await theirsTo(client, sql);
        compared++;
        // Which of several parts fails, and whether one is looked at, is up to the order in which they are.
        if (isDeep && (isError(ours) || isError(theirs))) continue;
        if (ours === theirs || DIFFERENCES.some(({ asked }) => asked.test(sql))) continue;
        differing.push(`${sql}\n  ours       ${ours}\n  PostgreSQL ${theirs}`);
      }
      expect(differing).toEqual([]);
      expect(compared).toBeGreaterThan(COUNT * 0.9);
    });
  },
);
