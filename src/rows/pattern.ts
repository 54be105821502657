// LIKE, matched by hand.

import { DbError } from '../base/errors.ts';

const PERCENT = 37;
const UNDERSCORE = 95;
const BACKSLASH = 92;

/** One backtracking point, the last '%', is enough: time is bounded by the product of the lengths. */
export function matchesLike(text: string, pattern: string): boolean {
  let t = 0;
  let p = 0;
  let retryText = -1;
  let retryPattern = -1;
  while (t < text.length || p < pattern.length) {
    if (p < pattern.length) {
      const unit = pattern.charCodeAt(p);
      if (unit === PERCENT) {
        retryPattern = ++p;
        retryText = t;
        continue;
      }
      if (t < text.length) {
        if (unit === UNDERSCORE) {
          t += isHighSurrogate(text.charCodeAt(t)) ? 2 : 1;
          p++;
          continue;
        }
        const literalAt = unit === BACKSLASH ? p + 1 : p;
        if (literalAt >= pattern.length) throw escapeAtEnd();
        if (text.charCodeAt(t) === pattern.charCodeAt(literalAt)) {
          t++;
          p = literalAt + 1;
          continue;
        }
      }
    }
    if (retryText < 0 || retryText >= text.length) return false;
    t = ++retryText;
    p = retryPattern;
  }
  return true;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function escapeAtEnd(): DbError {
  return new DbError('22025', 'LIKE pattern must not end with escape character');
}

/** A pattern with its own escape character, rewritten to the backslash. */
export function likeEscape(pattern: string, escape: string): string {
  if ([...escape].length > 1) {
    throw new DbError('22025', 'invalid escape string', {
      hint: 'Escape string must be empty or one character.',
    });
  }
  let out = '';
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] as string;
    if (character === escape && escape !== '') {
      if (i + 1 >= pattern.length) throw escapeAtEnd();
      out += `\\${pattern[++i]}`;
    } else {
      out += character === '\\' ? '\\\\' : character;
    }
  }
  return out;
}
