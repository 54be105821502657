import { beforeAll, describe, expect, it } from 'vitest';
import type { DbError } from '../../../src/base/errors.ts';
import { initParser } from '../../../src/sql/parse/grammar.ts';
import { parseStatements } from '../../../src/sql/parse/postgres.ts';

beforeAll(() => initParser());

function complaint(text: string): [string, string, number | undefined] {
  try {
    parseStatements(text);
    return ['none', '', undefined];
  } catch (error) {
    const { code, message, fields } = error as DbError;
    return [code, message, fields.position];
  }
}

describe('AS OF SYSTEM TIME', () => {
  it('is read with each of its operands, and leaves the rest of the statement as it is', () => {
    const operands: [string, string, string][] = [
      ["'-10s'", 'exact', '-10s'],
      ["E'2026-01-01\\t00:00'", 'exact', '2026-01-01\t00:00'],
      ['1767225600000000', 'exact', '1767225600000000'],
      ['follower_read_timestamp()', 'follower', ''],
      ["with_max_staleness('5s')", 'maxStaleness', '5s'],
      ["WITH_MIN_TIMESTAMP ( '2026-01-01' )", 'minTimestamp', '2026-01-01'],
    ];
    for (const [operand, bound, text] of operands) {
      const clause = `AS OF SYSTEM TIME ${operand}`;
      const [one, another] = parseStatements(`SELECT a FROM t ${clause} WHERE b = 'x' LIMIT 3`);
      const [plain] = parseStatements(
        `SELECT a FROM t ${' '.repeat(clause.length)} WHERE b = 'x' LIMIT 3`,
      );
      expect(another).toBeUndefined();
      expect(one?.asOf).toEqual({ bound, text, at: 16 });
      expect({ ...one, asOf: undefined }).toEqual({ ...plain, asOf: undefined });
    }
  });

  it('belongs to its own statement of several', () => {
    const text = `SELECT 1; SELECT * FROM t as of system time '-1s'; SELECT * FROM u ORDER BY 1;
      BEGIN AS OF SYSTEM TIME '-2s'; SELECT * FROM t`;
    const parsed = parseStatements(text);
    expect(parsed.map(({ asOf }) => asOf?.text)).toEqual([undefined, '-1s', ...Array(3)]);
    expect(parsed[3]?.statement).toMatchObject({ kind: 'transaction', asOf: { text: '-2s' } });
  });

  it('makes transactions read-only', () => {
    for (const text of [
      "BEGIN AS OF SYSTEM TIME '-1s'",
      "START TRANSACTION READ ONLY AS OF SYSTEM TIME '-1s'",
      "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE, AS OF SYSTEM TIME '-1s'",
    ]) {
      expect(parseStatements(text)[0]?.statement).toMatchObject({
        action: 'begin',
        readOnly: true,
      });
    }
    const [set] = parseStatements("SET TRANSACTION AS OF SYSTEM TIME '-1s'");
    expect(set?.statement).toMatchObject({ kind: 'readAt', asOf: { text: '-1s' } });
    expect(complaint("BEGIN AS OF SYSTEM TIME '-1s' READ WRITE")[0]).toBe('25006');
  });

  it('says of EXPLAIN what is explained', () => {
    const [one] = parseStatements("EXPLAIN ANALYZE SELECT * FROM t AS OF SYSTEM TIME '-1s'");
    expect(one?.statement).toMatchObject({ kind: 'explain', asOf: { text: '-1s' } });
  });

  it('leaves alone what only looks like it', () => {
    for (const text of [
      "SELECT 'x as of system time y' FROM t",
      'SELECT system time FROM t',
      'SELECT a AS "of" FROM system time',
      '/* AS OF SYSTEM TIME */ SELECT a FROM t',
    ]) {
      expect(parseStatements(text)[0]).toMatchObject({ statement: { kind: 'select' } });
      expect(parseStatements(text)[0]?.asOf).toBeUndefined();
    }
  });

  it.each([
    ["SELECT 1 AS OF SYSTEM TIME '-1s'", 'syntax error at or near "AS"', 10],
    ['SELECT * FROM t AS OF SYSTEM TIME', 'syntax error at end of input', 34],
    ['SELECT * FROM t AS OF SYSTEM TIME WHERE a', 'syntax error at or near "WHERE"', 35],
    ["SELECT * FROM t AS OF SYSTEM TIME '-1s', u", 'syntax error at or near ","', 40],
    ['SELECT * FROM t AS OF SYSTEM TIME with_max_staleness(5)', 'syntax error at or near "5"', 54],
    ["BEGIN AS OF SYSTEM TIME '-1s' AS OF SYSTEM TIME '-2s'", 'syntax error at or near "AS"', 31],
    ["SELECT * FROM (SELECT * FROM t AS OF SYSTEM TIME '-1s') u", 'can not stand here', 32],
    ["UPDATE t SET a = 1 AS OF SYSTEM TIME '-1s'", 'can not stand here', 20],
    ["ROLLBACK AS OF SYSTEM TIME '-1s'", '', undefined],
  ])('is refused where it is wrong: %s', (text, message, position) => {
    const [code, said, at] = complaint(text);
    expect(code).toBe('42601');
    expect(said).toContain(message);
    if (position !== undefined) expect(at).toBe(position);
  });
});
