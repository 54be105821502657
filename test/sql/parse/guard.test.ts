import { beforeAll, describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import { parseTree } from '../../../src/sql/parse/grammar.ts';
import {
  commentDepthMax,
  depthMax,
  guard,
  termsMax,
  textLengthMax,
  tokensMax,
} from '../../../src/sql/parse/guard.ts';
import { initParser, parseStatements } from '../../../src/sql/parse/index.ts';

beforeAll(initParser);

function errorOf(text: string): DbError {
  try {
    parseStatements(text);
  } catch (error) {
    expect(error).toBeInstanceOf(DbError);
    return error as DbError;
  }
  throw new Error('it was accepted');
}

function expectParserWorks(): void {
  const [parsed] = parseStatements('SELECT a FROM t WHERE b = $1');
  expect(parsed?.statement).toMatchObject({ kind: 'select', from: [{ table: { name: 't' } }] });
}

const pathological: readonly [string, string][] = [
  ['100,000 terms', `SELECT ${'1 + '.repeat(100_000)}1`],
  ['100,000 conditions', `SELECT 1 WHERE ${'a OR '.repeat(100_000)}a`],
  ['5,000 parentheses', `SELECT ${'('.repeat(5_000)}1${')'.repeat(5_000)}`],
  ['a megabyte of casts', `SELECT 1${'::int'.repeat(200_000)}`],
  ['100,000 minus signs', `SELECT ${'- '.repeat(100_000)}1`],
  ['100,000 NOTs', `SELECT ${'NOT '.repeat(100_000)}a`],
  ['nested functions', `SELECT ${'f('.repeat(5_000)}1${')'.repeat(5_000)}`],
  ['nested CASEs', `SELECT ${'CASE WHEN a THEN '.repeat(5_000)}1${' END'.repeat(5_000)}`],
  ['CASEs with labels in between', `SELECT ${'(SELECT 1 END, '.repeat(5_000)}1`],
  ['nested arrays', `SELECT ${'ARRAY['.repeat(5_000)}1${']'.repeat(5_000)}`],
  ['nested subqueries', `SELECT ${'(SELECT '.repeat(5_000)}1${')'.repeat(5_000)}`],
  ['unions with lists', `SELECT 1, 2 ${'UNION SELECT 1, 2 '.repeat(10_000)}`],
  ['joins with conditions', `SELECT 1 FROM a ${'JOIN b ON true AND false '.repeat(10_000)}`],
  ['collations', `SELECT a${' COLLATE "C"'.repeat(20_000)}`],
  ['time zones', `SELECT a${" AT TIME ZONE 'UTC'".repeat(20_000)}`],
  ['nested comments', `SELECT 1 ${'/*'.repeat(100_000)}${'*/'.repeat(100_000)}`],
  ['nested WITH', `${'WITH a AS ('.repeat(5_000)}SELECT 1`],
];

describe('the guard', () => {
  it.each(pathological)('refuses %s, and the next statement works', (_, text) => {
    const error = errorOf(text);
    expect(error.code).toBe('54001');
    expect(error.fields.position).toBeGreaterThan(1);
    expectParserWorks();
  });

  it.each([
    ['words and symbols', `SELECT ${'a,'.repeat(tokensMax)}a`, '54000'],
    ['characters', `SELECT '${'x'.repeat(textLengthMax)}'`, '54000'],
    ['NUL', 'SELECT \0 1', '22021'],
    ['lone surrogates', "SELECT '\ud800'", '22021'],
  ])('refuses too many %s', (_, text, code) => {
    expect(errorOf(text).code).toBe(code);
    expectParserWorks();
  });

  it.each([
    ['1,000 conditions', `SELECT 1 WHERE ${'a = 1 OR '.repeat(1_000)}a`],
    ['1,000 rows', `INSERT INTO t VALUES ${Array(1_000).fill("(1, 'x', -2.5)").join(', ')}`],
    ['10,000 elements of a list', `SELECT a IN (${Array(10_000).fill('-1').join(', ')})`],
    ['operators in many items', `SELECT ${Array(2_000).fill('a + b * c').join(', ')}`],
    ['statements', 'SELECT 1 + 2;'.repeat(2_000)],
    ['a long text', `SELECT '${'x'.repeat(1_000_000)}'`],
    ['parentheses up to the limit', `SELECT ${'('.repeat(depthMax)}1${')'.repeat(depthMax)}`],
    ['terms up to the limit', `SELECT ${'1 + '.repeat(depthMax)}1`],
    ['conditions up to the limit', `SELECT 1 WHERE ${'a OR '.repeat(termsMax)}a`],
    [
      'comments up to the limit',
      `SELECT 1 ${'/*'.repeat(commentDepthMax)}${'*/'.repeat(commentDepthMax)}`,
    ],
    [
      'CASEs up to the limit',
      `SELECT ${'CASE WHEN a THEN '.repeat(depthMax)}1${' END'.repeat(depthMax)}`,
    ],
  ])('lets %s through', (_, text) => {
    expect(parseStatements(text).length).toBeGreaterThan(0);
  });

  it.each([
    ['parentheses', `SELECT ${'('.repeat(depthMax + 1)}1${')'.repeat(depthMax + 1)}`],
    ['terms', `SELECT ${'1 + '.repeat(depthMax + 1)}1`],
    ['both', `SELECT ${'(1 + '.repeat(depthMax / 2)}(1)${')'.repeat(depthMax / 2)}`],
    ['conditions', `SELECT 1 WHERE ${'a OR '.repeat(termsMax + 1)}a`],
  ])('stops just beyond the limit of %s', (_, text) => {
    expect(() => guard(text)).toThrow(DbError);
  });

  it('points at what is too much, in characters', () => {
    const lead = "SELECT '🎉é', ";
    const error = errorOf(`${lead}${'('.repeat(depthMax + 1)}`);
    expect(error.fields.position).toBe(Array.from(lead).length + depthMax + 1);
  });

  it('counts each statement, list and bracket for itself', () => {
    const chain = `${'1 + '.repeat(depthMax - 10)}1`;
    guard(`SELECT ${chain}; SELECT ${chain}`);
    guard(`SELECT ${chain}, ${chain}`);
    guard(`SELECT 1 WHERE ${chain} = 1 AND ${chain} = 2`);
    guard(`SELECT f(${chain}), (${chain})`);
    expect(() => guard(`SELECT ${chain} + (${chain})`)).toThrow(DbError);
  });
});

/** Texts that grow with n, of every kind that the grammar nests or chains. */
const growing: Readonly<Record<string, (n: number) => string>> = {
  parentheses: (n) => `SELECT ${'('.repeat(n)}1${')'.repeat(n)}`,
  operators: (n) => `SELECT ${'a || '.repeat(n)}a`,
  'right operators': (n) => `SELECT ${'a + (b * '.repeat(n)}a${')'.repeat(n)}`,
  'prefix operators': (n) => `SELECT ${'@ '.repeat(n)}a`,
  casts: (n) => `SELECT a${'::text'.repeat(n)}`,
  'nested casts': (n) => `SELECT ${'CAST('.repeat(n)}a${' AS text)'.repeat(n)}`,
  not: (n) => `SELECT ${'NOT '.repeat(n)}a`,
  'and, or': (n) => `SELECT ${'a AND b OR '.repeat(n)}a`,
  'and in parentheses': (n) => `SELECT ${'a AND ('.repeat(n)}a${')'.repeat(n)}`,
  is: (n) => `SELECT ${'('.repeat(n)}a${' IS NULL)'.repeat(n)}`,
  in: (n) => `SELECT ${'a IN ('.repeat(n)}a${')'.repeat(n)}`,
  between: (n) => `SELECT ${'a BETWEEN b AND ('.repeat(n)}a${')'.repeat(n)}`,
  like: (n) => `SELECT ${'a LIKE ('.repeat(n)}a${')'.repeat(n)}`,
  case: (n) => `SELECT ${'CASE a WHEN b THEN '.repeat(n)}a${' END'.repeat(n)}`,
  'case in else': (n) => `SELECT ${'CASE WHEN a THEN b ELSE '.repeat(n)}a${' END'.repeat(n)}`,
  whens: (n) => `SELECT CASE ${'WHEN a THEN b '.repeat(n)} END`,
  functions: (n) => `SELECT ${'f(a, '.repeat(n)}a${')'.repeat(n)}`,
  filters: (n) => `SELECT ${'f(a) FILTER (WHERE '.repeat(n)}a${')'.repeat(n)}`,
  windows: (n) => `SELECT ${'f() OVER (ORDER BY '.repeat(n)}a${')'.repeat(n)}`,
  coalesce: (n) => `SELECT ${'COALESCE(a, '.repeat(n)}a${')'.repeat(n)}`,
  json: (n) => `SELECT ${"JSON_OBJECT('a': ".repeat(n)}a${')'.repeat(n)}`,
  xml: (n) => `SELECT ${'XMLCONCAT('.repeat(n)}a${')'.repeat(n)}`,
  rows: (n) => `SELECT ${'ROW('.repeat(n)}a${')'.repeat(n)}`,
  arrays: (n) => `SELECT ARRAY${'['.repeat(n)}a${']'.repeat(n)}`,
  subscripts: (n) => `SELECT a${'[1]'.repeat(n)}`,
  'nested subscripts': (n) => `SELECT ${'a['.repeat(n)}1${']'.repeat(n)}`,
  fields: (n) => `SELECT a${'.b'.repeat(n)}`,
  'fields of rows': (n) => `SELECT ${'('.repeat(n)}a${').b'.repeat(n)}`,
  collations: (n) => `SELECT a${' COLLATE b'.repeat(n)}`,
  'time zones': (n) => `SELECT a${' AT TIME ZONE b'.repeat(n)}`,
  'local times': (n) => `SELECT a${' AT LOCAL'.repeat(n)}`,
  subqueries: (n) => `SELECT ${'(SELECT '.repeat(n)}a${')'.repeat(n)}`,
  exists: (n) => `SELECT ${'EXISTS (SELECT '.repeat(n)}a${')'.repeat(n)}`,
  any: (n) => `SELECT ${'a = ANY (SELECT '.repeat(n)}a${')'.repeat(n)}`,
  'subqueries in FROM': (n) => `${'SELECT * FROM ('.repeat(n)}SELECT 1${') x'.repeat(n)}`,
  'subqueries in WHERE': (n) => `${'SELECT 1 WHERE (a) IN ('.repeat(n)}SELECT 1${')'.repeat(n)}`,
  unions: (n) => `SELECT 1 ${'UNION ALL SELECT 1, 2 '.repeat(n)}`,
  'nested unions': (n) => `${'SELECT 1 UNION ('.repeat(n)}SELECT 1${')'.repeat(n)}`,
  values: (n) => `VALUES (1) ${'EXCEPT VALUES (1, 2) '.repeat(n)}`,
  joins: (n) => `SELECT 1 FROM a ${'JOIN b ON c AND d '.repeat(n)}`,
  'natural joins': (n) => `SELECT 1 FROM a ${'NATURAL JOIN b '.repeat(n)}`,
  'nested joins': (n) =>
    `SELECT 1 FROM ${'a JOIN ('.repeat(n)}b CROSS JOIN c${') ON true'.repeat(n)}`,
  with: (n) => `${'WITH a AS ('.repeat(n)}SELECT 1${') SELECT 1'.repeat(n)}`,
  'with lists': (n) => `WITH ${'a AS (SELECT 1), '.repeat(n)} b AS (SELECT 1) SELECT 1`,
  'grouping sets': (n) => `SELECT 1 GROUP BY ${'GROUPING SETS ('.repeat(n)}a${')'.repeat(n)}`,
  'tables in FROM': (n) => `SELECT 1 FROM ${'a, '.repeat(n)} a`,
  'locking clauses': (n) => `SELECT 1 FROM a ${'FOR UPDATE '.repeat(n)}`,
  rules: (n) => `CREATE RULE r AS ON INSERT TO t DO (${'SELECT 1 + 2; '.repeat(n)})`,
  'rules in rules': (n) => `CREATE RULE r AS ON INSERT TO t DO (${'SELECT (1; '.repeat(n)})`,
  schemas: (n) => `CREATE SCHEMA s ${'CREATE VIEW v AS SELECT 1 '.repeat(n)}`,
  columns: (n) => `CREATE TABLE t (${'a int, '.repeat(n)} a int)`,
  constraints: (n) => `CREATE TABLE t (a int ${'CHECK (a > 0) NOT NULL '.repeat(n)})`,
  'array types': (n) => `SELECT a::int${'[]'.repeat(n)}`,
  'option lists': (n) => `EXPLAIN (${'a, '.repeat(n)} b) SELECT 1`,
  'labels named END': (n) => `SELECT ${'(SELECT 1 END, '.repeat(n)}1${')'.repeat(n)}`,
  'labels named CASE': (n) => `SELECT ${'(SELECT 1 AS CASE, '.repeat(n)}1${')'.repeat(n)}`,
  'columns named end': (n) => `SELECT ${'CASE WHEN a.end THEN '.repeat(n)}1${' END'.repeat(n)}`,
};

describe('what the guard lets through', () => {
  function accepts(text: string): boolean {
    try {
      guard(text);
      return true;
    } catch {
      return false;
    }
  }

  it.each(Object.keys(growing))('never overflows the parser: %s', async (name) => {
    const make = growing[name] as (n: number) => string;
    // The deepest that it lets through.
    let [most, tooMany] = [1, 5_000];
    while (tooMany - most > 1) {
      const middle = (most + tooMany) >> 1;
      if (accepts(make(middle))) most = middle;
      else tooMany = middle;
    }
    await initParser();
    try {
      parseTree(make(most));
    } catch (error) {
      expect((error as DbError).code).toBe('42601');
    }
    expectParserWorks();
  });
});

describe('the WebAssembly instance', () => {
  // Unguarded, this overflows the stack in there.
  const overflow = `SELECT ${'1 + '.repeat(50_000)}1`;

  it('is replaced at once after a crash', async () => {
    expect(() => parseTree(overflow)).toThrow(DbError);
    expectParserWorks();
    await initParser();
  });

  it('says so when there is none for a moment', async () => {
    expect(() => parseTree(overflow)).toThrow(DbError);
    expect(() => parseTree(overflow)).toThrow(DbError);
    expect(errorOf('SELECT 1').code).toBe('53000');
    await initParser();
    expectParserWorks();
  });
});
