// Expected answers are PostgreSQL 15's.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { likeEscape, matchesLike } from '../../src/rows/pattern.ts';
import { matchesRegex } from '../../src/rows/regex.ts';

describe('LIKE', () => {
  it.each([
    ['abc', 'abc', true],
    ['abc', 'a%', true],
    ['abc', '_b_', true],
    ['abc', 'b', false],
    ['', '%', true],
    ['', '_', false],
    ['a%c', 'a\\%c', true],
    ['abc', 'a\\%c', false],
    ['𝒳y', '_y', true],
    ['aXbXc', '%X%c', true],
    ['mississippi', '%iss%ippi', true],
    ['mississippi', '%issx%', false],
    ['ab', 'a%b%', true],
  ])('%j LIKE %j is %s', (text, pattern, matches) => {
    expect(matchesLike(text, pattern)).toBe(matches);
  });

  it('agrees with a regular expression', () => {
    const unit = fc.constantFrom('a', 'b', '%', '_');
    fc.assert(
      fc.property(fc.string({ unit }), fc.string({ unit, maxLength: 6 }), (text, pattern) => {
        const source = pattern.replaceAll('%', '.*').replaceAll('_', '.');
        expect(matchesLike(text, pattern)).toBe(new RegExp(`^${source}$`, 's').test(text));
      }),
    );
  });

  it('takes time by the product of the lengths at most', () => {
    expect(matchesLike('a'.repeat(20_000), `${'%a'.repeat(50)}%b`)).toBe(false);
  });

  it('refuses a pattern that ends in its escape character', () => {
    expect(() => matchesLike('a\\', 'a\\')).toThrow(expect.objectContaining({ code: '22025' }));
    expect(() => likeEscape('ab!', '!')).toThrow(expect.objectContaining({ code: '22025' }));
  });

  it('takes another escape character', () => {
    expect(likeEscape('a!%\\', '!')).toBe('a\\%\\\\');
    expect(matchesLike('a%\\', likeEscape('a!%\\', '!'))).toBe(true);
  });
});

describe('regular expressions', () => {
  it.each([
    ['abc', '^a.c$', true],
    ['abc', 'B', false],
    ['a1', '^[[:alpha:]][[:digit:]]$', true],
    ['foo bar', '\\mbar\\M', true],
    ['foobar', '\\mbar', false],
    ['a.b', 'a\\.b', true],
    ['axb', 'a\\.b', false],
    ['x]y', '[]]', true],
    ['aaa', '^a{2,3}$', true],
    ['ABC', '(?i)abc', true],
    ['foobar', 'foo(?=bar)', true],
    ['a\nb', 'a.b', true],
    ['abab', '^(ab)+$', true],
  ])('%j ~ %j is %s', (text, pattern, matches) => {
    expect(matchesRegex(text, pattern, false)).toBe(matches);
  });

  it('ignore case where asked', () => {
    expect(matchesRegex('ABC', 'b', true)).toBe(true);
  });

  it.each([
    ['(a', '2201B'],
    ['a)', '2201B'],
    ['*a', '2201B'],
    ['[a', '2201B'],
    ['a{300}', '2201B'],
    ['(a+)+b', '0A000'],
    ['(a|a)*b', '0A000'],
    ['a'.repeat(1001), '54000'],
  ])('refuse %j with %s', (pattern, code) => {
    expect(() => matchesRegex('aaa', pattern, false)).toThrow(expect.objectContaining({ code }));
  });
});
