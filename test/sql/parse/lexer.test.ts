import fc from 'fast-check';
import { loadModule, scanSync } from 'libpg-query';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  DECIMAL,
  DOLLAR_STRING,
  END,
  ESCAPE_STRING,
  INTEGER,
  INVALID,
  Lexer,
  OPERATOR,
  PARAMETER,
  PREFIXED,
  QUOTED_IDENTIFIER,
  STRING,
  SYMBOL,
  TYPECAST,
  WORD,
} from '../../../src/sql/parse/lexer.ts';
import { corpus } from './corpus.ts';

beforeAll(loadModule);

interface Piece {
  readonly kind: number;
  readonly text: string;
}

function lex(text: string): Piece[] {
  const lexer = new Lexer();
  lexer.reset(text);
  const pieces: Piece[] = [];
  while (lexer.next() !== END) {
    pieces.push({ kind: lexer.kind, text: text.slice(lexer.start, lexer.end) });
  }
  return pieces;
}

/** PostgreSQL's own scanner, without comments. */
function scan(text: string): string[] {
  return scanSync(text)
    .tokens.filter((token) => token.tokenName !== 'SQL_COMMENT' && token.tokenName !== 'C_COMMENT')
    .map((token) => text.slice(token.start, token.end));
}

const kinds: readonly [string, number][] = [
  ['select', WORD],
  ['_a$1', WORD],
  ['größe', WORD],
  ['日本語', WORD],
  ['"a""b"', QUOTED_IDENTIFIER],
  ['42', INTEGER],
  ['1_000', INTEGER],
  ['0xFF', INTEGER],
  ['0o17', INTEGER],
  ['0b11', INTEGER],
  ['1.5', DECIMAL],
  ['.5', DECIMAL],
  ['5.', DECIMAL],
  ['1e10', DECIMAL],
  ['1.5E-3', DECIMAL],
  ["'it''s'", STRING],
  ["'a\\'", STRING],
  ["E'it\\'s'", ESCAPE_STRING],
  ['$$a$b$$', DOLLAR_STRING],
  ['$x$a$$b$x$', DOLLAR_STRING],
  ["B'01'", PREFIXED],
  ["x'FF'", PREFIXED],
  ["U&'\\0041'", PREFIXED],
  ['U&"a"', PREFIXED],
  ['$12', PARAMETER],
  ['<=', OPERATOR],
  ['@>', OPERATOR],
  ['@-', OPERATOR],
  ['||', OPERATOR],
  ['(', SYMBOL],
  [':=', SYMBOL],
  ['..', SYMBOL],
  ['::', TYPECAST],
  ["'open", INVALID],
  ['"open', INVALID],
  ['/* open', INVALID],
  ['$x$open', INVALID],
  ['1a', INVALID],
  ['$1a', INVALID],
  ['0xG', INVALID],
  ['\u0001', INVALID],
];

describe('the lexer', () => {
  it.each(kinds)('reads %s as one token', (text, kind) => {
    expect(lex(text)[0]?.kind).toBe(kind);
    if (kind !== INVALID) expect(lex(text)).toEqual([{ kind, text }]);
  });

  it.each([
    ['a+-1', ['a', '+', '-', '1']],
    ['a*-1', ['a', '*', '-', '1']],
    ['a@-1', ['a', '@-', '1']],
    ['a-- b\n-c', ['a', '-', 'c']],
    ['a/*/* b */*/c', ['a', 'c']],
    ['a+/*x*/b', ['a', '+', 'b']],
    ['1..2', ['1', '..', '2']],
    ['a.b.*', ['a', '.', 'b', '.', '*']],
    ['a::int', ['a', '::', 'int']],
    ["n'x'", ['n', "'x'"]],
  ])('splits %s', (text, expected) => {
    expect(lex(text).map((piece) => piece.text)).toEqual(expected);
  });

  it('marks what lies between tokens', () => {
    const lexer = new Lexer();
    lexer.reset("'a' -- x\n 'b' /* y */ c");
    lexer.next();
    lexer.next();
    expect([lexer.comment, lexer.commentStart, lexer.newline]).toEqual([true, 4, true]);
    lexer.next();
    expect([lexer.comment, lexer.commentStart, lexer.newline]).toEqual([true, 14, false]);
    expect(lexer.commentDepth).toBe(1);
  });

  it('agrees with PostgreSQL on every statement of the corpus', () => {
    // PostgreSQL's offsets are in bytes; the statements beyond ASCII are tried elsewhere.
    const texts = corpus().filter((text) => new TextEncoder().encode(text).length === text.length);
    expect(texts.length).toBeGreaterThan(500);
    for (const text of texts) expect(lex(text).map((piece) => piece.text)).toEqual(scan(text));
  });

  it('agrees with PostgreSQL on soups of tokens', () => {
    const token = fc.constantFrom(
      ...kinds.filter(([, kind]) => kind !== INVALID).map(([text]) => text),
      ...['+', '-', '*', '/', '<', '>', '=', '~', '!', '%', '^', '|', '#', '&', '?', '`'],
      ...[' ', '\t', '/* x */', '/*/**/*/', '-- y\n', 'e', '"', ')', '[', ']', ',', ';', '.', ':'],
    );
    const ascii = /^[\t\n -~]*$/;
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const text = tokens.join('');
        const pieces = lex(text);
        fc.pre(ascii.test(text) && pieces.every((piece) => piece.kind !== INVALID));
        // To PostgreSQL's scanner strings on several lines are one token.
        fc.pre(!/'\s*(--[^\n]*)?\n/.test(text));
        let expected: string[];
        try {
          expected = scan(text);
        } catch {
          return;
        }
        expect(pieces.map((piece) => piece.text)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('ends for any text', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0x17f), { maxLength: 60 }), (codes) => {
        const text = String.fromCharCode(...codes);
        const pieces = lex(text);
        expect(pieces.length).toBeLessThanOrEqual(text.length);
        expect(pieces.every((piece) => piece.text.length > 0)).toBe(true);
      }),
    );
  });
});
