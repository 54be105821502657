import { beforeAll, describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import { initParser, parseStatements } from '../../../src/sql/parse/index.ts';
import { parseSecond } from '../../../src/sql/parse/second.ts';
import { bare, corpus } from './corpus.ts';
import { differences } from './differences.ts';

beforeAll(initParser);

const statements = corpus();

/** What the first front end makes of it: a bare tree, or its error's code. */
function first(text: string): unknown {
  try {
    return bare(parseStatements(text)[0]?.statement);
  } catch (error) {
    if (error instanceof DbError) return error.code;
    throw error;
  }
}

function differs(text: string): boolean | undefined {
  const second = parseSecond(text);
  if (second === undefined) return undefined;
  try {
    expect(bare(second)).toEqual(first(text));
    return false;
  } catch {
    return true;
  }
}

describe('the two lowerings', () => {
  it('differ in what is listed, and in nothing else', () => {
    const found = statements.filter((text) => differs(text) === true);
    expect([...found].sort()).toEqual([...differences.keys()].sort());
  });

  it('are compared on a good part of the corpus', () => {
    const compared = statements.filter((text) => differs(text) !== undefined);
    expect(statements.length).toBeGreaterThan(500);
    expect(compared.length).toBeGreaterThan(290);
  });

  it('notice a wrong bracket', () => {
    const wrong = bare(parseStatements('SELECT (1 + 2) * 3')[0]?.statement);
    expect(bare(parseSecond('SELECT 1 + 2 * 3'))).not.toEqual(wrong);
  });
});

describe('the second front end', () => {
  it('refuses what it can not represent', () => {
    const texts = [
      'SELECT a IS DISTINCT FROM b',
      'SELECT DISTINCT ON (a) b FROM t',
      'SELECT (',
      '',
    ];
    expect(texts.map(parseSecond)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('brackets by precedence', () => {
    expect(bare(parseSecond('SELECT NOT a = b AND c'))).toMatchObject({
      items: [{ expr: { kind: 'and', args: [{ kind: 'not' }, { kind: 'column' }] } }],
    });
  });
});
