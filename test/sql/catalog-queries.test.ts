// The statements that real clients send to find out about a database (MERIDIAN_SUITES has them): each runs, but for those
// that need what is not built. Which these are stands here: what is mended is to be struck out.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WireClient } from '../e2e/wire-client.ts';
import { NodeProcess, nodePorts, temporaryDirectory } from '../support/node-process.ts';
import { answer, type Record } from './files/runner.ts';

const SUITES = process.env['MERIDIAN_SUITES'] ?? '';
const FOLDER = join(SUITES, 'catalog-queries');
const HAS_SUITES = SUITES !== '' && existsSync(FOLDER);

/** By file: how many of its statements are refused at most. */
const REFUSED: { readonly [file: string]: number } = {
  'jdbc.sql': 2,
  'kysely.sql': 4,
  'pg_dump.sql': 24,
  'pgbench.sql': 5,
  'pgcli.sql': 1,
  'psql.sql': 2,
  'psycopg2.sql': 3,
  'sequelize.sql': 5,
  'sqlalchemy.sql': 3,
  'typeorm.sql': 3,
};

function statementsOf(file: string): readonly string[] {
  return (
    readFileSync(join(FOLDER, file), 'utf8')
      .split(/^-- .*$/m)
      .map((text) => text.trim().replace(/;$/, ''))
      // Loading is tested elsewhere, and needs data.
      .filter((text) => text !== '' && !/^copy\b/i.test(text))
  );
}

/** A statement with parameters is run by each of its kinds with NULLs in their places. */
function withNulls(text: string): string {
  return text.replaceAll(/\$\d+/g, 'NULL');
}

function recordOf(sql: string): Record {
  return {
    line: 0,
    differs: undefined,
    comments: [],
    head: 'query',
    sql,
    expected: [],
    data: undefined,
  };
}

/** Not: tables of the client's own that are not there, because nobody has made them, or to be made twice. */
function isOurs(outcome: string): boolean {
  const code = outcome.split(' ')[2] ?? '';
  if (['0A000', '42883', '42846', '42804', 'XX000'].includes(code)) return true;
  return ['42P01', '42703'].includes(code) && /"(pg_|information_schema)|pg_\w+\./.test(outcome);
}

describe.skipIf(!HAS_SUITES)('the statements of', () => {
  const directory = temporaryDirectory();
  let node: NodeProcess;

  beforeAll(async () => {
    node = new NodeProcess(directory.path, await nodePorts());
    await node.ready();
  });

  afterAll(async () => {
    await node.signal('SIGTERM');
    directory.remove();
  });

  it.each(HAS_SUITES ? readdirSync(FOLDER) : ['each client'])('%s run', async (file) => {
    const client = await WireClient.connect(node.ports.sql);
    const refused: string[] = [];
    for (const text of statementsOf(file)) {
      const [first = ''] = await answer(client, recordOf(withNulls(text)));
      if (!first.startsWith('statement error')) continue;
      await answer(client, recordOf('ROLLBACK'));
      if (!isOurs(first)) continue;
      refused.push(`${first.slice('statement error '.length)}\n${text}`);
    }
    client.end();
    expect(refused.length, refused.join('\n\n')).toBeLessThanOrEqual(REFUSED[file] ?? 0);
  });
});
