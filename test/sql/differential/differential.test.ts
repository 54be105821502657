// Random queries, answered by us and by PostgreSQL 15 where it is installed: both must say the same. The seeds are
// fixed; MERIDIAN_QUERY_SEEDS=from-to tries others.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import { SeededRandom } from '../../../src/sim/random.ts';
import { errorFields, rowValues, type WireClient } from '../../e2e/wire-client.ts';
import { FakeDatabase } from '../exec/fake-database.ts';
import { hasPostgres, Postgres } from '../files/postgres.ts';
import { QueryMaker, schema } from './random-queries.ts';

const QUERIES = 60;
const wanted = (process.env['MERIDIAN_QUERY_SEEDS'] ?? '').split('-').map(Number);
const [from = 0, to = 0] = wanted;
/** Among them such as have found something once. */
const FIXED = [71, 84];
const SEEDS = to === 0 ? FIXED : Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function theirs(client: WireClient, sql: string): Promise<string> {
  const messages = await client.query(sql);
  const error = messages.find((message) => message.type === 'E');
  if (error !== undefined) return `error ${errorFields(error)['C']}`;
  return messages
    .filter((message) => message.type === 'D')
    .map((message) =>
      rowValues(message)
        .map((value) => value?.toString('utf8') ?? 'NULL')
        .join('|'),
    )
    .join('\n');
}

async function ours(database: FakeDatabase, sql: string): Promise<string> {
  try {
    const { rows } = await database.run(sql);
    return rows.map((row) => row.map((value) => value ?? 'NULL').join('|')).join('\n');
  } catch (error) {
    if (error instanceof DbError) return `error ${error.code} ${error.message}`;
    throw error;
  }
}

const postgres = hasPostgres();

describe.runIf(postgres)(
  postgres ? 'random queries' : 'random queries (skipped: PostgreSQL 15 is not installed)',
  () => {
    let server: Postgres;

    beforeAll(async () => {
      server = await Postgres.start();
    });

    afterAll(() => server.stop());

    it.each(SEEDS)('are answered as by PostgreSQL, seed %i', async (seed) => {
      const random = new SeededRandom(seed);
      const client = await server.connect(`seed${seed}`);
      const database = new FakeDatabase();
      database.fold = seed % 2 === 0;
      for (const sql of schema(random)) {
        await theirs(client, sql);
        if (sql.startsWith('CREATE')) database.create(sql);
        else await database.run(sql);
      }
      const maker = new QueryMaker(random);
      let failed = 0;
      for (let i = 0; i < QUERIES; i++) {
        const sql = maker.query();
        const expected = await theirs(client, sql);
        if (expected.startsWith('error')) failed++;
        const answer = await ours(database, sql);
        const same = expected.startsWith('error') && answer.startsWith(expected);
        if (!same) expect(`${sql}\n${answer}`).toBe(`${sql}\n${expected}`);
      }
      client.end();
      // Nearly all of them must be queries that have an answer.
      expect(failed).toBeLessThan(QUERIES / 4);
    });
  },
);
