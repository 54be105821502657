import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import { fingerprint, initParser, parseStatements } from '../../../src/sql/parse/index.ts';
import { corpus } from './corpus.ts';

beforeAll(initParser);

/** Nothing but an answer or a DbError, with a place inside the text. */
function parse(text: string): void {
  const found = fingerprint(text);
  try {
    const parsed = parseStatements(text, { literals: found });
    for (const { start, length } of parsed) {
      expect(start).toBeGreaterThanOrEqual(0);
      expect(start + length).toBeLessThanOrEqual(text.length);
    }
    // A key is for one statement, and its literals are all parameters or all in place.
    if (found.key !== undefined) expect(parsed.length).toBe(1);
  } catch (error) {
    expect(error).toBeInstanceOf(DbError);
    const { fields, code } = error as DbError;
    expect(code).not.toBe('XX000');
    expect(fields.position ?? 1).toBeGreaterThan(0);
    expect(fields.position ?? 1).toBeLessThanOrEqual([...text].length + 1);
  }
}

describe('any text', () => {
  it('of random characters', () => {
    const text = fc.array(fc.nat(0x2ff), { maxLength: 80 });
    fc.assert(
      fc.property(text, (codes) => parse(String.fromCharCode(...codes))),
      { numRuns: 500 },
    );
  });

  it('of random words', () => {
    const words = [...new Set(corpus().flatMap((text) => text.split(/\b/)))];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 25 }), (some) => {
        parse(some.join(''));
        parse(some.join(' '));
      }),
      { numRuns: 500 },
    );
  });

  it('of statements with pieces lost, moved and repeated', () => {
    const statements = corpus();
    const piece = fc.tuple(fc.constantFrom(...statements), fc.nat(40), fc.nat(20));
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), fc.nat(60), (pieces, at) => {
        const [base = ''] = pieces.map(([text]) => text);
        const inserted = pieces.map(([text, from, length]) => text.slice(from, from + length));
        parse(base.slice(0, at) + inserted.join(' ') + base.slice(at));
        parse(base.slice(0, at) + base.slice(at + inserted.length));
      }),
      { numRuns: 1000 },
    );
  });
});
