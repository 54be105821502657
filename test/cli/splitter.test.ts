import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StatementSplitter } from '../../src/cli/shell/splitter.ts';

function split(text: string): { statements: string[]; rest: string } {
  const splitter = new StatementSplitter();
  const statements = splitter.push(text);
  return { statements, rest: splitter.rest };
}

const TEXTS: [string, string[], string][] = [
  ['SELECT 1; SELECT 2;', ['SELECT 1', 'SELECT 2'], ''],
  ["SELECT 'a;b'; x", ["SELECT 'a;b'"], 'x'],
  ["SELECT 'it''s; so'; ", ["SELECT 'it''s; so'"], ''],
  ["SELECT E'a\\';b'; ", ["SELECT E'a\\';b'"], ''],
  ['SELECT ";" FROM t;', ['SELECT ";" FROM t'], ''],
  ['SELECT $$;$$, $tag$ $$ ; $tag$;', ['SELECT $$;$$, $tag$ $$ ; $tag$'], ''],
  ['SELECT 1 -- ;\n + 1;', ['SELECT 1 -- ;\n + 1'], ''],
  ['/* ; /* ; */ ; */ SELECT 1;', ['/* ; /* ; */ ; */ SELECT 1'], ''],
  ['SELECT $1;', ['SELECT $1'], ''],
  [';;;', [], ''],
];

describe('StatementSplitter', () => {
  it.each(TEXTS)('cuts %s', (text, statements, rest) => {
    expect(split(text)).toEqual({ statements, rest });
  });

  it('cuts the same however the text arrives', () => {
    const whole = TEXTS.map(([text]) => text).join('\n');
    const expected = split(whole);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (lengths) => {
        const splitter = new StatementSplitter();
        const statements: string[] = [];
        for (let at = 0, i = 0; at < whole.length; i++) {
          const length = lengths[i % lengths.length] as number;
          statements.push(...splitter.push(whole.slice(at, at + length)));
          at += length;
        }
        expect({ statements, rest: splitter.rest }).toEqual(expected);
      }),
    );
  });

  it('says in the prompt what is open', () => {
    const splitter = new StatementSplitter();
    expect(splitter.promptMark).toBe('=');
    splitter.push("SELECT 'a\n");
    expect(splitter.promptMark).toBe("'");
    splitter.push("' FROM t\n");
    expect(splitter.promptMark).toBe('-');
    splitter.push('WHERE (\n');
    expect(splitter.promptMark).toBe('(');
    expect(splitter.push(');\n')).toHaveLength(1);
    expect(splitter.promptMark).toBe('=');
  });
});
