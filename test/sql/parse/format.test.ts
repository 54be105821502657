import { beforeAll, describe, expect, it } from 'vitest';
import type { Expression } from '../../../src/sql/parse/ast.ts';
import {
  formatExpression,
  initParser,
  parseExpressionText,
  parseStatements,
} from '../../../src/sql/parse/index.ts';
import { bare, corpus } from './corpus.ts';

beforeAll(initParser);

describe('formatExpression', () => {
  it.each([
    ['1+2*3', '1 + (2 * 3)'],
    ["'it''s'", "'it''s'"],
    ['NULL', 'NULL'],
    ['true', 'TRUE'],
    ['-5', '-5'],
    ['- a', '- a'],
    ['"A b"."select".c', '"A b"."select".c'],
    ['$1', '$1'],
    ['a AND b OR NOT c', '(a AND b) OR (NOT c)'],
    ['a IS NOT NULL', 'a IS NOT NULL'],
    ['a ISNULL', 'a IS NULL'],
    ['a IS DISTINCT FROM b', 'a IS DISTINCT FROM b'],
    ['a NOT IN (1, 2)', 'a NOT IN (1, 2)'],
    ['a BETWEEN SYMMETRIC 1 AND b + 1', 'a BETWEEN SYMMETRIC 1 AND (b + 1)'],
    ["a LIKE 'x'", "a ~~ 'x'"],
    ["'x'::text", "CAST('x' AS text)"],
    ['a::varchar(20)', 'CAST(a AS character varying(20))'],
    ['a::numeric(10,2)', 'CAST(a AS numeric(10, 2))'],
    ['a::char', 'CAST(a AS character(1))'],
    ['a::timestamp(3) with time zone', 'CAST(a AS timestamp(3) with time zone)'],
    ['a::int[]', 'CAST(a AS integer[])'],
    ['a::public."T"', 'CAST(a AS public."T")'],
    ['CASE a WHEN 1 THEN b ELSE c END', 'CASE a WHEN 1 THEN b ELSE c END'],
    ['coalesce(a, nullif(b, 0))', 'COALESCE(a, NULLIF(b, 0))'],
    ['greatest(a, 1)', 'GREATEST(a, 1)'],
    ['count(*)', 'count(*)'],
    ['sum(DISTINCT a) FILTER (WHERE b)', 'sum(DISTINCT a) FILTER (WHERE b)'],
    [
      "string_agg(a, ',' ORDER BY b DESC NULLS LAST)",
      "string_agg(a, ',' ORDER BY b DESC NULLS LAST)",
    ],
    ['now()', 'now()'],
    ['current_timestamp', 'CURRENT_TIMESTAMP'],
    ["position('a' IN b)", `pg_catalog."position"(b, 'a')`],
  ])('prints %s', (text, expected) => {
    expect(formatExpression(parseExpressionText(text))).toBe(expected);
  });

  it('prints what no text makes', () => {
    const literal: Expression = { kind: 'literal', value: { type: 'integer', text: '5' }, at: -1 };
    expect(formatExpression({ kind: 'unary', op: '-', arg: literal, at: -1 })).toBe(
      'OPERATOR(pg_catalog.-) 5',
    );
    expect(formatExpression({ kind: 'default', at: -1 })).toBe('DEFAULT');
    expect(formatExpression({ kind: 'star', table: 'T', at: -1 })).toBe('"T".*');
  });

  it('reads back as the same tree, for every expression of the corpus', () => {
    const texts = new Set<string>();
    for (const expr of corpus().flatMap(expressionsOf)) {
      if (expr.kind === 'default' || expr.kind === 'star' || !isStored(expr)) continue;
      const text = formatExpression(expr);
      expect(bare(parseExpressionText(text))).toEqual(bare(expr));
      expect(formatExpression(parseExpressionText(text))).toBe(text);
      texts.add(text);
    }
    expect(texts.size).toBeGreaterThan(300);
  });
});

/** No DEFAULT has a query, a window or a grouping in it, and so they are not printed. */
function isStored(expr: Expression): boolean {
  return !expressionsIn(expr).some(
    (e) =>
      e.kind === 'subquery' ||
      e.kind === 'grouping' ||
      (e.kind === 'function' && (e.over !== undefined || e.withinGroup === true)),
  );
}

/** All expressions of a statement, the innermost too. */
function expressionsOf(text: string): Expression[] {
  try {
    return expressionsIn(parseStatements(text));
  } catch {
    return [];
  }
}

function expressionsIn(tree: unknown): Expression[] {
  const found: Expression[] = [];
  const kinds = new Set(
    'literal parameter column unary binary and or not is isDistinct in between cast case coalesce nullif function special subquery row grouping'.split(
      ' ',
    ),
  );
  function visit(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    if ('kind' in value && kinds.has(value.kind as string)) found.push(value as Expression);
    for (const inner of Object.values(value)) visit(inner);
  }
  visit(tree);
  return found;
}
