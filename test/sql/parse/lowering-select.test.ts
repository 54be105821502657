import { beforeAll, describe, expect, it } from 'vitest';
import { initParser, parseExpressionText, parseStatements } from '../../../src/sql/parse/index.ts';
import { bare } from './corpus.ts';

beforeAll(initParser);

function lower(text: string): unknown {
  const parsed = parseStatements(text);
  expect(parsed.length).toBe(1);
  return bare(parsed[0]?.statement);
}

const column = (...path: string[]): unknown => ({ kind: 'column', path });
const integer = (text: string): unknown => ({ kind: 'literal', value: { type: 'integer', text } });
const decimal = (text: string): unknown => ({ kind: 'literal', value: { type: 'decimal', text } });
const string = (value: string): unknown => ({ kind: 'literal', value: { type: 'string', value } });
const parameter = (index: number): unknown => ({ kind: 'parameter', index });
const binary = (op: string, left: unknown, right: unknown): unknown => ({
  ...{ kind: 'binary', op, left, right },
});
const type = (name: string, modifiers: number[] = [], schema?: string): unknown => ({
  ...(schema === undefined ? {} : { schema }),
  ...{ name, modifiers, array: false },
});
const call = (name: string, args: unknown[], more: object = {}): unknown => ({
  ...{ kind: 'function', name, args, star: false, distinct: false, orderBy: [] },
  ...more,
});
const [a, b, c] = [column('a'), column('b'), column('c')];

const expressions: readonly [string, unknown][] = [
  ['1', integer('1')],
  ['0', integer('0')],
  ['-5', integer('-5')],
  ['- 5', integer('-5')],
  ['-(-5)', integer('5')],
  ['-2147483648', integer('-2147483648')],
  ['12345678901234567890', integer('12345678901234567890')],
  ['0xFFFFFFFFFF', integer('1099511627775')],
  ['0b11', integer('3')],
  ['1_000', integer('1000')],
  ['1_000_000_000_000', integer('1000000000000')],
  ['1.50', decimal('1.50')],
  ['-.5', decimal('-.5')],
  ['1e10', decimal('1e10')],
  ["''", string('')],
  ["'it''s \\n'", string("it's \\n")],
  ["E'a\\n\\x41\\u00e9'", string('a\nAé')],
  ["U&'\\00e9'", string('é')],
  ["$x$a'b$x$", string("a'b")],
  ["'a'\n'b'", string('ab')],
  ['true', { kind: 'literal', value: { type: 'bool', value: true } }],
  ['false', { kind: 'literal', value: { type: 'bool', value: false } }],
  ['NULL', { kind: 'literal', value: { type: 'null' } }],
  ['$3', parameter(2)],
  ['A', a],
  ['"A"', column('A')],
  ['s.t.a', column('s', 't', 'a')],
  ['-a', { kind: 'unary', op: '-', arg: a }],
  ['+1', { kind: 'unary', op: '+', arg: integer('1') }],
  ['a + b * c', binary('+', a, binary('*', b, c))],
  ['a - b - c', binary('-', binary('-', a, b), c)],
  ['-2 ^ 2', binary('^', integer('-2'), integer('2'))],
  ['a != b', binary('<>', a, b)],
  ['a OPERATOR(pg_catalog.+) b', binary('+', a, b)],
  ['a LIKE b', binary('~~', a, b)],
  ['a NOT ILIKE b', binary('!~~*', a, b)],
  [
    "a LIKE b ESCAPE '!'",
    binary('~~', a, call('like_escape', [b, string('!')], { schema: 'pg_catalog' })),
  ],
  ['NOT (b) LIKE c', { kind: 'not', arg: binary('~~', b, c) }],
  ['1 * a @> b', binary('@>', binary('*', integer('1'), a), b)],
  ['a AND b AND c', { kind: 'and', args: [a, b, c] }],
  ['a AND (b AND c)', { kind: 'and', args: [a, { kind: 'and', args: [b, c] }] }],
  [
    'a OR b AND NOT c',
    { kind: 'or', args: [a, { kind: 'and', args: [b, { kind: 'not', arg: c }] }] },
  ],
  ['a IS NULL', { kind: 'is', test: 'null', negated: false, arg: a }],
  ['a IS NOT TRUE', { kind: 'is', test: 'true', negated: true, arg: a }],
  ['a IS FALSE', { kind: 'is', test: 'false', negated: false, arg: a }],
  ['a IS NOT UNKNOWN', { kind: 'is', test: 'unknown', negated: true, arg: a }],
  ['a IS DISTINCT FROM b', { kind: 'isDistinct', negated: false, left: a, right: b }],
  ['a IS NOT DISTINCT FROM b', { kind: 'isDistinct', negated: true, left: a, right: b }],
  ['a IN (1, b)', { kind: 'in', negated: false, arg: a, list: [integer('1'), b] }],
  ['a NOT IN (1)', { kind: 'in', negated: true, arg: a, list: [integer('1')] }],
  [
    'a BETWEEN b AND c',
    { kind: 'between', negated: false, symmetric: false, arg: a, low: b, high: c },
  ],
  [
    'a NOT BETWEEN SYMMETRIC b AND c',
    { kind: 'between', negated: true, symmetric: true, arg: a, low: b, high: c },
  ],
  ['a::int', { kind: 'cast', arg: a, type: type('int4', [], 'pg_catalog') }],
  ['a::int4', { kind: 'cast', arg: a, type: type('int4') }],
  ['CAST(a AS varchar(20))', { kind: 'cast', arg: a, type: type('varchar', [20], 'pg_catalog') }],
  ['a::char', { kind: 'cast', arg: a, type: type('bpchar', [1], 'pg_catalog') }],
  ['a::numeric(10, 2)', { kind: 'cast', arg: a, type: type('numeric', [10, 2], 'pg_catalog') }],
  ['a::text[]', { kind: 'cast', arg: a, type: { name: 'text', modifiers: [], array: true } }],
  ["DATE '2020-01-01'", { kind: 'cast', arg: string('2020-01-01'), type: type('date') }],
  [
    '-5::int',
    {
      kind: 'unary',
      op: '-',
      arg: { kind: 'cast', arg: integer('5'), type: type('int4', [], 'pg_catalog') },
    },
  ],
  [
    'CASE a WHEN 1 THEN b ELSE c END',
    { kind: 'case', operand: a, whens: [{ when: integer('1'), result: b }], otherwise: c },
  ],
  ['CASE WHEN a THEN b END', { kind: 'case', whens: [{ when: a, result: b }] }],
  ['COALESCE(a, b)', { kind: 'coalesce', args: [a, b] }],
  ['NULLIF(a, b)', { kind: 'nullif', left: a, right: b }],
  ['GREATEST(a, b)', call('greatest', [a, b])],
  ['f()', call('f', [])],
  ['s.F(a, 1)', call('f', [a, integer('1')], { schema: 's' })],
  ['count(*)', call('count', [], { star: true })],
  ['count(DISTINCT a)', call('count', [a], { distinct: true })],
  ['sum(a) FILTER (WHERE b)', call('sum', [a], { filter: b })],
  ['f(a ORDER BY b DESC)', call('f', [a], { orderBy: [{ expr: b, descending: true }] })],
  ['substring(a FROM 1)', call('substring', [a, integer('1')], { schema: 'pg_catalog' })],
  ["a AT TIME ZONE 'x'", call('timezone', [string('x'), a], { schema: 'pg_catalog' })],
  ['current_timestamp', { kind: 'special', name: 'current_timestamp' }],
  ['current_user', { kind: 'special', name: 'current_user' }],
];

describe('expressions', () => {
  it.each(expressions)('%s', (text, expected) => {
    expect(bare(parseExpressionText(text))).toEqual(expected);
  });
});

const empty = { kind: 'select', distinct: false, items: [], from: [], groupBy: [], orderBy: [] };
const item = (expr: unknown, alias?: string): unknown =>
  alias === undefined ? { expr } : { expr, alias };
const star = { kind: 'star' };
const table = (name: string, more: object = {}): unknown => ({
  kind: 'table',
  table: { name },
  ...more,
});
const join = (kind: string, left: unknown, right: unknown, more: object = {}): unknown => ({
  ...{ kind: 'join', type: kind, left, right, natural: false },
  ...more,
});

const selects: readonly [string, object][] = [
  ['SELECT 1', { items: [item(integer('1'))] }],
  ['SELECT a AS x, b "Y"', { items: [item(a, 'x'), item(b, 'Y')] }],
  [
    'SELECT *, t.* FROM s.t',
    {
      items: [item(star), item({ kind: 'star', table: 't' })],
      from: [{ kind: 'table', table: { schema: 's', name: 't' } }],
    },
  ],
  ['SELECT a FROM t x, u', { items: [item(a)], from: [table('t', { alias: 'x' }), table('u')] }],
  [
    'SELECT a FROM t x (y, z)',
    { items: [item(a)], from: [table('t', { alias: 'x', columnAliases: ['y', 'z'] })] },
  ],
  ['TABLE t', { items: [item(star)], from: [table('t')] }],
  [
    'SELECT a FROM t CROSS JOIN u',
    { items: [item(a)], from: [join('cross', table('t'), table('u'))] },
  ],
  [
    'SELECT a FROM t NATURAL JOIN u',
    { items: [item(a)], from: [join('inner', table('t'), table('u'), { natural: true })] },
  ],
  [
    'SELECT a FROM t LEFT JOIN u ON b RIGHT JOIN v USING (x, y)',
    {
      items: [item(a)],
      from: [
        join('right', join('left', table('t'), table('u'), { on: b }), table('v'), {
          using: ['x', 'y'],
        }),
      ],
    },
  ],
  [
    'SELECT a FROM (SELECT b) x (a)',
    {
      items: [item(a)],
      from: [
        {
          kind: 'subquery',
          query: { ...empty, items: [item(b)] },
          lateral: false,
          alias: 'x',
          columnAliases: ['a'],
        },
      ],
    },
  ],
  [
    'SELECT a FROM LATERAL f(1) x',
    {
      items: [item(a)],
      from: [{ kind: 'functionTable', call: call('f', [integer('1')]), lateral: true, alias: 'x' }],
    },
  ],
  [
    'SELECT DISTINCT a FROM t WHERE b',
    { distinct: true, items: [item(a)], from: [table('t')], where: b },
  ],
  ['SELECT a GROUP BY a, 1 HAVING b', { items: [item(a)], groupBy: [a, integer('1')], having: b }],
  [
    'SELECT a ORDER BY 1 DESC, b NULLS FIRST, c DESC NULLS LAST',
    {
      items: [item(a)],
      orderBy: [
        { expr: integer('1'), descending: true },
        { expr: b, descending: false, nullsFirst: true },
        { expr: c, descending: true, nullsFirst: false },
      ],
    },
  ],
  ['SELECT a LIMIT 1 OFFSET $1', { items: [item(a)], limit: integer('1'), offset: parameter(0) }],
  ['SELECT a LIMIT ALL', { items: [item(a)] }],
  ['SELECT a FETCH FIRST ROW ONLY', { items: [item(a)], limit: integer('1') }],
  [
    'SELECT a FROM t FOR UPDATE',
    { items: [item(a)], from: [table('t')], locking: { strength: 'update', wait: 'block' } },
  ],
  [
    'SELECT a FROM t FOR KEY SHARE OF t NOWAIT',
    { items: [item(a)], from: [table('t')], locking: { strength: 'share', wait: 'nowait' } },
  ],
  [
    'SELECT a FROM t FOR NO KEY UPDATE SKIP LOCKED',
    { items: [item(a)], from: [table('t')], locking: { strength: 'update', wait: 'skip' } },
  ],
  [
    'VALUES (1, a), (2, b) ORDER BY 1',
    {
      values: [
        [integer('1'), a],
        [integer('2'), b],
      ],
      orderBy: [{ expr: integer('1'), descending: false }],
    },
  ],
];

describe('SELECT', () => {
  it.each(selects)('%s', (text, expected) => {
    expect(lower(text)).toEqual({ ...empty, ...expected });
  });
});
