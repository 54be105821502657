import { beforeAll, describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import {
  characterPosition,
  initParser,
  parseExpressionText,
  parseStatements,
  positionOf,
} from '../../../src/sql/parse/index.ts';
import { ByteOffsets } from '../../../src/sql/parse/position.ts';
import { corpus } from './corpus.ts';

beforeAll(initParser);

function errorOf(run: () => unknown): DbError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(DbError);
    return error as DbError;
  }
  throw new Error('it was accepted');
}

/** `text` with the place of the error marked by ¦. */
function marked(text: string): string {
  const { position } = errorOf(() => parseStatements(text)).fields;
  if (position === undefined) return text;
  const characters = [...text];
  return [...characters.slice(0, position - 1), '¦', ...characters.slice(position - 1)].join('');
}

describe('a syntax error', () => {
  it.each([
    ['SELEC 1', 'syntax error at or near "SELEC"', '¦SELEC 1'],
    ['SELECT 1 FROM', 'syntax error at end of input', 'SELECT 1 FROM¦'],
    ['SELECT a b c', 'syntax error at or near "c"', 'SELECT a b ¦c'],
    ["SELECT 'é', a b c", 'syntax error at or near "c"', "SELECT 'é', a b ¦c"],
    ["SELECT '🎉日本', a b c", 'syntax error at or near "c"', "SELECT '🎉日本', a b ¦c"],
    ['SELECT 1; SELECT ,', 'syntax error at or near ","', 'SELECT 1; SELECT ¦,'],
    ["SELECT 'abc", `unterminated quoted string at or near "'abc"`, "SELECT ¦'abc"],
    ['SELECT "', 'unterminated quoted identifier at or near """', 'SELECT ¦"'],
    ['SELECT /* x', 'unterminated /* comment at or near "/* x"', 'SELECT ¦/* x'],
    ['SELECT ""', 'zero-length delimited identifier at or near """"', 'SELECT ¦""'],
    ['SELECT 12abc', 'trailing junk after numeric literal at or near "12abc"', 'SELECT ¦12abc'],
    [
      'INSERT INTO t VALUES (1, 2), (3)',
      'VALUES lists must all be the same length',
      'INSERT INTO t VALUES (1, 2), (¦3)',
    ],
    [
      'CREATE TABLE t (a int NULL NOT NULL)',
      'conflicting NULL/NOT NULL declarations for column "a" of table "t"',
      'CREATE TABLE t (a int NULL ¦NOT NULL)',
    ],
    [
      'CREATE TABLE t (a int DEFAULT 1 DEFAULT 2)',
      'multiple default values specified for column "a" of table "t"',
      'CREATE TABLE t (a int DEFAULT 1 ¦DEFAULT 2)',
    ],
    [
      'COPY t FROM STDIN (FORMAT csv, FORMAT text)',
      'conflicting or redundant options',
      'COPY t FROM STDIN (FORMAT csv, ¦FORMAT text)',
    ],
  ])('in %s', (text, message, place) => {
    const error = errorOf(() => parseStatements(text));
    expect([error.code, error.message]).toEqual(['42601', message]);
    expect(marked(text)).toBe(place);
  });

  it('is cut where it quotes a long text', () => {
    const error = errorOf(() => parseStatements(`SELECT '${'x'.repeat(10_000)}`));
    expect(error.message.length).toBeLessThan(400);
  });

  it.each([
    ['CREATE TABLE t (a int PRIMARY KEY, b int, PRIMARY KEY (b))', '42P16'],
    ['CREATE TABLE t (a int PRIMARY KEY, b int PRIMARY KEY)', '42P16'],
    ['CREATE TABLE t (a int PRIMARY KEY PRIMARY KEY)', '42P16'],
    ['SELECT $0', '42P02'],
    ['SELECT a FROM t FOR UPDATE OF u', '42P01'],
    ['INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1', '42601'],
    ['UPDATE t SET (a, b) = (1, 2, 3)', '42601'],
  ])('has the code of %s', (text, code) => {
    expect(errorOf(() => parseStatements(text)).code).toBe(code);
  });
});

describe('what is not built', () => {
  it.each([
    ['SELECT f(x => 1)', 'a named argument', 'SELECT f(¦x => 1)'],
    [
      'SELECT a FROM t TABLESAMPLE system (1)',
      'TABLESAMPLE',
      'SELECT a FROM t TABLESAMPLE ¦system (1)',
    ],
    [
      'SELECT * FROM (a JOIN b ON true) x',
      'an alias of a join',
      'SELECT * FROM (¦a JOIN b ON true) x',
    ],
    ['SELECT JSON_OBJECT()', 'a JSON function', 'SELECT ¦JSON_OBJECT()'],
    [
      'CREATE TABLE t (a int, UNIQUE NULLS NOT DISTINCT (a))',
      'NULLS NOT DISTINCT',
      'CREATE TABLE t (a int, ¦UNIQUE NULLS NOT DISTINCT (a))',
    ],
    [
      'CREATE TABLE t (a int REFERENCES u)',
      'a FOREIGN KEY constraint',
      'CREATE TABLE t (a int ¦REFERENCES u)',
    ],
    ['CREATE TABLE t (LIKE u)', 'LIKE in CREATE TABLE', 'CREATE TABLE t (LIKE ¦u)'],
    [
      'CREATE TABLE t (a int) PARTITION BY HASH (a)',
      'PARTITION BY',
      'CREATE TABLE t (a int) ¦PARTITION BY HASH (a)',
    ],
    ['CREATE TEMP TABLE t (a int)', 'a temporary table', 'CREATE TEMP TABLE ¦t (a int)'],
    ['CREATE UNLOGGED TABLE t (a int)', 'an UNLOGGED table', 'CREATE UNLOGGED TABLE ¦t (a int)'],
    ['CREATE TABLE t (a int) TABLESPACE x', 'TABLESPACE', 'CREATE TABLE ¦t (a int) TABLESPACE x'],
    ['CREATE TABLE t (a text COLLATE "C")', 'COLLATE', 'CREATE TABLE t (a text ¦COLLATE "C")'],
    ['ALTER TABLE t SET LOGGED', 'ALTER TABLE … SET LOGGED', '¦ALTER TABLE t SET LOGGED'],
    [
      'SELECT 1; /* x */ CREATE VIEW v AS SELECT 1',
      'CREATE VIEW',
      'SELECT 1; /* x */ ¦CREATE VIEW v AS SELECT 1',
    ],
    [
      'CREATE INDEX ON t USING gin (a)',
      'the index method "gin"',
      'CREATE INDEX ON ¦t USING gin (a)',
    ],
    ['DROP MATERIALIZED VIEW v', 'DROP MATERIALIZED VIEW', '¦DROP MATERIALIZED VIEW v'],
    ["COPY t FROM '/x'", 'COPY from or to a file of the server', "COPY ¦t FROM '/x'"],
    ['EXPLAIN (FORMAT json) SELECT 1', 'EXPLAIN (FORMAT)', 'EXPLAIN (¦FORMAT json) SELECT 1'],
    ['BEGIN DEFERRABLE', 'DEFERRABLE', 'BEGIN ¦DEFERRABLE'],
    ['SELECT * FROM d.s.t', 'a table of another database', 'SELECT * FROM ¦d.s.t'],
    ["SELECT B'1'", 'a bit string', "SELECT ¦B'1'"],
  ])('is refused by name and place: %s', (text, what, place) => {
    const error = errorOf(() => parseStatements(text));
    expect([error.code, error.message]).toEqual(['0A000', `${what} is not supported`]);
    expect(marked(text)).toBe(place);
  });

  it('never fails otherwise on the corpus, and always says where', () => {
    let refused = 0;
    for (const text of corpus()) {
      try {
        parseStatements(text);
      } catch (error) {
        expect(error).toBeInstanceOf(DbError);
        const { code, fields } = error as DbError;
        // 42704: a collation that there is none of.
        expect(['0A000', '42601', '42704']).toContain(code);
        expect(fields.position).toBeGreaterThan(0);
        expect(fields.position).toBeLessThanOrEqual(text.length + 1);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
  });
});

describe('positions', () => {
  it('count characters', () => {
    const text = 'aé🎉b';
    expect([0, 1, 2, 4].map((at) => characterPosition(text, at))).toEqual([1, 2, 3, 4]);
    expect(positionOf(text, -1)).toBeUndefined();
    expect(positionOf(text, 4)).toBe(4);
  });

  it('are found from bytes in texts of any length', () => {
    const text = 'aé日🎉\n'.repeat(300);
    const offsets = new ByteOffsets(text);
    const encoder = new TextEncoder();
    let bytes = 0;
    let at = 0;
    for (const character of text) {
      expect(offsets.utf16(bytes)).toBe(at);
      bytes += encoder.encode(character).length;
      at += character.length;
    }
    expect(offsets.utf16(bytes)).toBe(text.length);
  });

  it('of nodes are UTF-16 offsets into the whole text', () => {
    const text = "SELECT '🎉é'; SELECT 'ü', abc + f(1)";
    const [, second] = parseStatements(text);
    expect(second).toMatchObject({ start: text.lastIndexOf('SELECT'), length: 22 });
    const statement = second?.statement;
    const item = statement?.kind === 'select' ? statement.items[1]?.expr : undefined;
    expect(item).toMatchObject({
      at: text.indexOf('+'),
      left: { at: text.indexOf('abc') },
      right: { at: text.indexOf('f(') },
    });
  });

  it('of statements leave comments, space and semicolons out', () => {
    const text = ' -- a\n ;; SELECT 1 ; /* b */ SELECT 2 -- c\n ; ;\n';
    const parsed = parseStatements(text);
    expect(parsed.map(({ start, length }) => text.slice(start, start + length))).toEqual([
      ...['SELECT 1', 'SELECT 2 -- c'],
    ]);
    expect(parseStatements(' ; -- nothing')).toEqual([]);
  });

  it('of an expression alone are into its own text', () => {
    expect(parseExpressionText('a + b')).toMatchObject({
      at: 2,
      left: { at: 0 },
      right: { at: 4 },
    });
    expect(errorOf(() => parseExpressionText('a +')).fields.position).toBe(4);
    for (const text of [
      '',
      'a, b',
      'a AS b',
      'a FROM t',
      '1; SELECT 2',
      'a LIMIT 1',
      'a WHERE b',
    ]) {
      expect(errorOf(() => parseExpressionText(text)).code).toBe('42601');
    }
  });
});
