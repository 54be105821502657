import { beforeAll, describe, expect, it } from 'vitest';
import type { DbError } from '../../../src/base/errors.ts';
import { initParser } from '../../../src/sql/parse/grammar.ts';
import { parseStatements } from '../../../src/sql/parse/postgres.ts';

beforeAll(() => initParser());

function kinds(text: string): string[] {
  return parseStatements(text).map(({ statement }) => statement.kind);
}

function complaint(text: string): [string, string, number | undefined] {
  try {
    parseStatements(text);
    return ['none', '', undefined];
  } catch (error) {
    const { code, message, fields } = error as DbError;
    return [code, message, fields.position];
  }
}

describe('statements about the cluster', () => {
  it('stand among others, each at its place', () => {
    const text = `SELECT 'split; ranges'; SHOW RANGES /* all; of them */ ;
-- show ranges;
ALTER TABLE "Ü" SPLIT AT VALUES (1), (2);; SELECT 1; SHOW NODES`;
    const parsed = parseStatements(text);
    expect(parsed.map(({ start, length }) => text.slice(start, start + length))).toEqual([
      "SELECT 'split; ranges'",
      'SHOW RANGES /* all; of them */',
      'ALTER TABLE "Ü" SPLIT AT VALUES (1), (2)',
      'SELECT 1',
      'SHOW NODES',
    ]);
    expect(parsed.map(({ statement }) => statement.kind)).toEqual([
      'select',
      'showCluster',
      'alterRanges',
      'select',
      'showCluster',
    ]);
  });

  it('leave to PostgreSQL what only looks like them', () => {
    expect(kinds('SHOW ALL; SHOW search_path; SET cluster.name = 1')).toEqual([
      'show',
      'show',
      'set',
    ]);
    expect(kinds('SELECT ranges FROM nodes CROSS JOIN cluster')).toEqual(['select']);
    expect(kinds('ALTER TABLE split ADD PRIMARY KEY (a)')).toEqual(['alterTable']);
    expect(complaint('ALTER TABLE cluster BLAH')).toEqual([
      '42601',
      'syntax error at or near "BLAH"',
      21,
    ]);
  });

  it('have the names that are written', () => {
    expect(parseStatements('show ranges from index Public."T"@"I""x"')[0]?.statement).toEqual({
      kind: 'showCluster',
      what: 'ranges',
      target: {
        kind: 'index',
        table: { schema: 'public', name: 'T', at: 23 },
        index: 'I"x',
        at: 34,
      },
      name: undefined,
      limit: undefined,
    });
  });

  it.each([
    ['SHOW RANGES FROM', 'syntax error at end of input', 17],
    ['SHOW RANGES FROM TABLE t u', 'syntax error at or near "u"', 26],
    ['SHOW HOT NODES', 'syntax error at or near "NODES"', 10],
    ['SELECT 1; SHOW CLUSTER x', 'syntax error at or near "x"', 24],
    ['ALTER TABLE t SPLIT VALUES (1)', 'syntax error at or near "VALUES"', 21],
    ['ALTER TABLE t SPLIT AT VALUES (1', 'syntax error at end of input', 33],
    ['ALTER TABLE t SPLIT AT VALUES (1),', 'syntax error at end of input', 35],
    ['ALTER TABLE t SPLIT AT VALUES (1, +)', 'syntax error at or near ")"', 36],
    ["SET CLUSTER SETTING 'a' = 1", 'syntax error at or near "\'a\'"', 21],
    ['SET CLUSTER SETTING a 1', 'syntax error at or near "1"', 23],
  ])('%s is refused where it is wrong', (text, message, position) => {
    expect(complaint(text)).toEqual(['42601', message, position]);
  });

  it('take rows and nothing else', () => {
    expect(complaint('ALTER TABLE t SPLIT AT VALUES (1) LIMIT 1')[0]).toBe('42601');
    expect(complaint('ALTER TABLE t SPLIT AT VALUES (1), (1, 2)')[0]).toBe('none');
  });
});
