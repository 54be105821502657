import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import type { LiteralValue } from '../../../src/sql/parse/ast.ts';
import { keyLengthMax, literalsMax } from '../../../src/sql/parse/fingerprint.ts';
import {
  fingerprint,
  initParser,
  INT4_LITERAL,
  INT8_LITERAL,
  NUMERIC_LITERAL,
  parseStatements,
  STRING_LITERAL,
} from '../../../src/sql/parse/index.ts';
import { bare, corpus } from './corpus.ts';

beforeAll(initParser);

/** The key with its marks made visible. */
function key(text: string): string | undefined {
  return fingerprint(text).key?.replace(
    // oxlint-disable-next-line no-control-regex
    /[\u0001-\u0004]/g,
    (mark) => ['', '<i4>', '<i8>', '<n>', '<s>'][mark.charCodeAt(0)] as string,
  );
}

function values(text: string): string[] {
  const found = fingerprint(text);
  return Array.from({ length: found.count }, (_, k) => found.value(k));
}

describe('a fingerprint', () => {
  it.each([
    ['SELECT a FROM t WHERE b = 12345', 'SELECT a FROM t WHERE b = <i4>', ['12345']],
    [
      'UPDATE t SET a = a + -12 WHERE b = 3;',
      'UPDATE t SET a = a + <i4> WHERE b = <i4>',
      ['-12', '3'],
    ],
    [
      "INSERT INTO t VALUES (1, 'x', 1.5)",
      'INSERT INTO t VALUES (<i4>, <s>, <n>)',
      ['1', 'x', '1.5'],
    ],
    ['DELETE FROM t WHERE a = 9999999999', 'DELETE FROM t WHERE a = <i8>', ['9999999999']],
    ["SELECT 'it''s', E'a\\'b\\n', $x$y$x$", 'SELECT <s>, <s>, <s>', ["it's", "a'b\n", 'y']],
    ['SELECT a LIMIT 5 OFFSET 10', 'SELECT a LIMIT <i4> OFFSET <i4>', ['5', '10']],
    ["SELECT a LIKE 'x%' AND b", 'SELECT a LIKE <s> AND b', ['x%']],
    [
      "SELECT a::varchar(20), '5'::numeric(10, 2)",
      'SELECT a::varchar(20), <s>::numeric(10, 2)',
      ['5'],
    ],
    ["SELECT CAST('x' AS character varying(3))", 'SELECT CAST(<s> AS character varying(3))', ['x']],
    ['SELECT a::int AND b IN (1, 2)', 'SELECT a::int AND b IN (<i4>, <i4>)', ['1', '2']],
    [
      'SELECT a FROM t ORDER BY 1, a + 2 LIMIT 3',
      'SELECT a FROM t ORDER BY 1, a + 2 LIMIT <i4>',
      ['3'],
    ],
    [
      "SELECT DATE '2020-01-01', INTERVAL '1' DAY",
      "SELECT DATE '2020-01-01', INTERVAL '1' DAY",
      [],
    ],
    ['SELECT a, 1 FROM t WHERE b = 2 GROUP BY 1', 'SELECT a, 1 FROM t WHERE b = 2 GROUP BY 1', []],
    ['SELECT DISTINCT a + 1 FROM t', 'SELECT DISTINCT a + 1 FROM t', []],
    ['SELECT /* x */ 1 -- y', 'SELECT  <i4>', ['1']],
    ['SELECT a -1', 'SELECT a -<i4>', ['1']],
    ['SELECT a - -1', 'SELECT a - <i4>', ['-1']],
    ['SELECT (-1), a = -2 AND b > -3', 'SELECT (<i4>), a = <i4> AND b > <i4>', ['-1', '-2', '-3']],
    ['SELECT -5::int', 'SELECT -<i4>::int', ['5']],
    ['SELECT 2147483647, -2147483648', 'SELECT <i4>, <i4>', ['2147483647', '-2147483648']],
    ['SELECT 2147483648, 2147483649', 'SELECT 2147483648, <i8>', ['2147483649']],
    [
      'SELECT 9223372036854775807, 9223372036854775809',
      'SELECT <i8>, <n>',
      ['9223372036854775807', '9223372036854775809'],
    ],
    ['SELECT 0xFF, 1_000', 'SELECT 0xFF, 1_000', []],
    ['SELECT $2 + 1', 'SELECT $2 + <i4>', ['1']],
    ['(SELECT 1)', '(SELECT <i4>)', ['1']],
    ['VALUES (1)', 'VALUES (<i4>)', ['1']],
    ['BEGIN', 'BEGIN', []],
    ["SET a = 'x'", "SET a = 'x'", []],
  ])('of %s', (text, expected, literals) => {
    expect(key(text)).toBe(expected.replace(/;$/, ''));
    expect(values(text)).toEqual(literals);
  });

  it.each([
    ['of definitions', 'CREATE TABLE t (a int DEFAULT 1)'],
    ['of several statements', 'SELECT 1; SELECT 2'],
    ['of strings on two lines', "SELECT 'a'\n'b'"],
    ['of broken texts', "SELECT 'a"],
    ['of an empty text', ''],
    ['of texts that hold a mark', 'SELECT "\u0001"'],
    ['beyond so many literals', `SELECT ${'1,'.repeat(literalsMax)}1`],
    ['beyond such a length', `SELECT ${'a,'.repeat(keyLengthMax / 2)}a`],
  ])('does not exist %s', (_, text) => {
    expect(fingerprint(text).key).toBeUndefined();
  });

  it('tells classes, places and parameters', () => {
    const text = "SELECT $3, 1, 3000000000, 1.5, 'x', $1";
    const found = fingerprint(text);
    expect(found.parameterCount).toBe(3);
    expect([0, 1, 2, 3].map((k) => found.literalClass(k))).toEqual([
      ...[INT4_LITERAL, INT8_LITERAL, NUMERIC_LITERAL, STRING_LITERAL],
    ]);
    expect([0, 1, 2, 3].map((k) => text.slice(found.start(k), found.end(k)))).toEqual([
      ...['1', '3000000000', '1.5', "'x'"],
    ]);
    expect(found.literals()).toEqual([
      { type: 'integer', text: '1' },
      { type: 'integer', text: '3000000000' },
      { type: 'decimal', text: '1.5' },
      { type: 'string', value: 'x' },
    ]);
  });
});

describe('the key', () => {
  const string = fc.string({
    unit: fc.constantFrom('a', "'", '"', '\\', '$', ';', '--', '/*', ' ', '\n', '1', 'é'),
  });
  const literal = {
    i4: fc.integer({ min: 0, max: 2_147_483_647 }).map(String),
    i8: fc.bigInt({ min: 2_147_483_649n, max: 9_223_372_036_854_775_807n }).map(String),
    n: fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `${a}.${b}`),
    s: string.map((value) => `'${value.replaceAll("'", "''")}'`),
  };
  const template = fc.constantFrom(
    ...['SELECT a FROM t WHERE b = ? AND c > ?', 'INSERT INTO t VALUES (?, f(?), a || ?)'],
    ...['UPDATE t SET a = ? WHERE b IN (?, ?)', 'SELECT ? + ?, CASE WHEN a = ? THEN ? ELSE ? END'],
    ...['SELECT a FROM t WHERE a BETWEEN ? AND ? ORDER BY a LIMIT ?'],
  );
  const kindsOf = fc.array(fc.constantFrom('i4', 'i8', 'n', 's'), { minLength: 5, maxLength: 5 });

  function fill(text: string, literals: readonly string[]): string {
    let k = 0;
    return text.replaceAll('?', () => literals[k++] ?? '0');
  }

  it('is the same for other literals of the same classes', () => {
    const cases = fc.tuple(template, kindsOf).chain(([text, kinds]) => {
      const some = fc.tuple(...kinds.map((kind) => literal[kind as keyof typeof literal]));
      return fc.tuple(fc.constant(text), some, some);
    });
    fc.assert(
      fc.property(cases, ([text, left, right]) => {
        const one = fingerprint(fill(text, left));
        const other = fingerprint(fill(text, right));
        expect(one.key).toBeDefined();
        expect(one.key).toBe(other.key);
        expect(one.count).toBe(text.split('?').length - 1);
        const plain = left.map((value) =>
          value.startsWith("'") ? value.slice(1, -1).replaceAll("''", "'") : value,
        );
        expect(Array.from({ length: one.count }, (_, k) => one.value(k))).toEqual(
          plain.slice(0, one.count),
        );
      }),
    );
  });

  it('differs for literals of other classes', () => {
    const classes = ['1', '3000000000', '1.5', "'1'"];
    const keys = classes.map((value) => fingerprint(`SELECT a FROM t WHERE a = ${value}`).key);
    expect(new Set(keys).size).toBe(4);
  });

  it('differs where anything else differs', () => {
    const texts = corpus().filter((text) => fingerprint(text).key !== undefined);
    const seen = new Map<string, string>();
    for (const text of texts) {
      const found = fingerprint(text);
      // What is left of the text without its literals and comments.
      let rest = '';
      let from = 0;
      for (let k = 0; k < found.count; k++) {
        rest += `${text.slice(from, found.start(k))}?${found.literalClass(k)}`;
        from = found.end(k);
      }
      rest += text.slice(from);
      const before = seen.get(found.key as string);
      if (before !== undefined) expect(rest).toBe(before);
      seen.set(found.key as string, rest);
    }
    expect(seen.size).toBeGreaterThan(300);
  });
});

/** Parameters that stand for literals made literals again, with their signs. */
function restore(value: unknown, literals: readonly LiteralValue[], first: number): unknown {
  if (Array.isArray(value)) return value.map((item) => restore(item, literals, first));
  if (typeof value !== 'object' || value === null) return value;
  const node = value as Record<string, unknown>;
  if (node['kind'] === 'parameter' && (node['index'] as number) >= first) {
    return { kind: 'literal', value: literals[(node['index'] as number) - first] };
  }
  const copy = Object.fromEntries(
    Object.entries(node).map(([name, inner]) => [name, restore(inner, literals, first)]),
  );
  const arg = copy['arg'] as { kind: string; value: LiteralValue } | undefined;
  if (copy['kind'] === 'unary' && copy['op'] === '-' && arg?.kind === 'literal') {
    const { value: literal } = arg;
    if (literal.type === 'integer' || literal.type === 'decimal') {
      return { kind: 'literal', value: { type: literal.type, text: `-${literal.text}` } };
    }
  }
  return copy;
}

describe('parsing with a fingerprint', () => {
  it('makes parameters of the literals, and changes nothing else', () => {
    let taken = 0;
    let left = 0;
    for (const text of corpus()) {
      const found = fingerprint(text);
      let plain: unknown;
      try {
        plain = bare(parseStatements(text)[0]?.statement);
      } catch (error) {
        expect(error).toBeInstanceOf(DbError);
        continue;
      }
      const [parsed] = parseStatements(text, { literals: found });
      const statement = bare(parsed?.statement);
      expect(restore(statement, found.literals(), found.parameterCount)).toEqual(plain);
      if (found.count === 0) continue;
      if (parsed?.literalsTaken === true) taken++;
      else left++;
    }
    expect(taken).toBeGreaterThan(150);
    expect(left).toBeLessThan(10);
  });

  it('leaves all literals in place where one of them is no expression', () => {
    const text = "SELECT interval '1 day', a::interval day to second(3) FROM t WHERE b = 5";
    const found = fingerprint(text);
    const [parsed] = parseStatements(text, { literals: found });
    expect(found.count).toBe(2);
    expect(parsed?.literalsTaken).toBe(false);
    expect(parsed?.statement).toMatchObject({ where: { right: { kind: 'literal' } } });
  });

  it('numbers them behind the parameters of the statement', () => {
    const text = 'SELECT $2, 7';
    const [parsed] = parseStatements(text, { literals: fingerprint(text) });
    expect(parsed?.literalsTaken).toBe(true);
    expect(parsed?.statement).toMatchObject({
      items: [{ expr: { kind: 'parameter', index: 1 } }, { expr: { kind: 'parameter', index: 2 } }],
    });
  });
});
