// Patterns: LIKE, matched by hand, and POSIX regular expressions, translated to JavaScript's.

import { DbError, unsupported } from '../base/errors.ts';

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

/** JavaScript's engine backtracks: what could make it do so without end is refused, and inputs are bounded. */
const PATTERN_LENGTH_MAX = 1000;
const TEXT_LENGTH_MAX = 1_000_000;
const CACHE_SIZE = 64;
const cache = new Map<string, RegExp>();

export function matchesRegex(text: string, pattern: string, ignoreCase: boolean): boolean {
  if (text.length > TEXT_LENGTH_MAX) {
    throw new DbError(
      '54000',
      `regular expressions take texts of up to ${TEXT_LENGTH_MAX} characters`,
    );
  }
  const key = ignoreCase ? `i${pattern}` : `c${pattern}`;
  let compiled = cache.get(key);
  if (compiled === undefined) {
    compiled = translate(pattern, ignoreCase);
    if (cache.size >= CACHE_SIZE) cache.clear();
    cache.set(key, compiled);
  }
  return compiled.test(text);
}

const CLASSES: Readonly<Record<string, string>> = {
  alpha: '\\p{L}',
  digit: '\\d',
  alnum: '\\p{L}\\p{N}',
  upper: '\\p{Lu}',
  lower: '\\p{Ll}',
  space: '\\s',
  punct: '!-\\/:-@\\[-`\\{-~',
  xdigit: '0-9a-fA-F',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  print: '\\x20-\\x7e\\xa0-\\u{10ffff}',
  graph: '\\x21-\\x7e\\xa1-\\u{10ffff}',
};

/** PostgreSQL's advanced regular expressions as far as JavaScript has their like. */
function translate(pattern: string, ignoreCase: boolean): RegExp {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw new DbError(
      '54000',
      `regular expressions may have up to ${PATTERN_LENGTH_MAX} characters`,
    );
  }
  let flags = ignoreCase ? 'isu' : 'su';
  let source = pattern;
  const embedded = /^\(\?([a-z]+)\)/.exec(pattern);
  if (embedded !== null) {
    source = pattern.slice(embedded[0].length);
    if (/[^ic]/.test(embedded[1] as string))
      throw unsupported(`the regular expression option "${embedded[1]}"`);
    flags = (embedded[1] as string).endsWith('i') ? 'isu' : 'su';
  }
  const out = new Translation(source).run();
  try {
    return new RegExp(out, flags);
  } catch {
    throw invalid('syntax not understood');
  }
}

function invalid(why: string): DbError {
  return new DbError('2201B', `invalid regular expression: ${why}`);
}

class Translation {
  private readonly source: string;
  private at = 0;
  private out = '';
  /** For each open group: whether something in it can match in more than one way. */
  private readonly groups: boolean[] = [];
  /** The same of the atom just written. */
  private ambiguous = false;
  private hasAtom = false;

  constructor(source: string) {
    this.source = source;
  }

  run(): string {
    while (this.at < this.source.length) this.step();
    if (this.groups.length > 0) throw invalid('parentheses () not balanced');
    return this.out;
  }

  private step(): void {
    const character = this.source[this.at] as string;
    switch (character) {
      case '\\':
        return this.escape();
      case '[':
        return this.bracket();
      case '(':
        return this.open();
      case ')':
        return this.close();
      case '*':
      case '+':
      case '?':
        return this.quantifier(character, character !== '?');
      case '{': {
        const bound = /^\{\d+(,\d*)?\}/.exec(this.source.slice(this.at));
        if (bound === null) return this.atom('\\{', 1);
        if (/\d{4}/.test(bound[0]) || bound[0].split(/\D+/).some((count) => Number(count) > 255)) {
          throw invalid('invalid repetition count(s)');
        }
        return this.quantifier(bound[0], true);
      }
      case '|':
        this.markAmbiguous();
        this.out += '|';
        this.at++;
        this.hasAtom = false;
        return;
      case '^':
      case '$':
        this.out += character;
        this.at++;
        this.hasAtom = false;
        return;
      case '}':
      case ']':
      case '/':
        return this.atom(`\\${character}`, 1);
      default: {
        const whole = String.fromCodePoint(this.source.codePointAt(this.at) as number);
        return this.atom(whole, whole.length);
      }
    }
  }

  private atom(text: string, length: number): void {
    this.out += text;
    this.at += length;
    this.hasAtom = true;
    this.ambiguous = false;
  }

  private markAmbiguous(): void {
    if (this.groups.length > 0) this.groups[this.groups.length - 1] = true;
  }

  private open(): void {
    const kind = /^\(\?(:|=|!|<=|<!)?/.exec(this.source.slice(this.at));
    if (kind !== null && kind[1] === undefined) throw invalid('quantifier operand invalid');
    const text = kind === null ? '(?:' : kind[0];
    this.out += text;
    this.at += kind === null ? 1 : text.length;
    this.groups.push(false);
    this.hasAtom = false;
  }

  private close(): void {
    const ambiguous = this.groups.pop();
    if (ambiguous === undefined) throw invalid('parentheses () not balanced');
    this.out += ')';
    this.at++;
    this.hasAtom = true;
    this.ambiguous = ambiguous;
    if (ambiguous) this.markAmbiguous();
  }

  private quantifier(text: string, repeats: boolean): void {
    if (!this.hasAtom) throw invalid('quantifier operand invalid');
    if (repeats && this.ambiguous) {
      throw unsupported(
        'repeating a group that itself repeats or chooses, in a regular expression,',
        undefined,
        'Such patterns can take exponential time; write it without nesting.',
      );
    }
    this.at += text.length;
    const lazy = this.source[this.at] === '?' ? '?' : '';
    this.at += lazy.length;
    this.out += text + lazy;
    this.hasAtom = false;
    this.markAmbiguous();
  }

  private escape(): void {
    const next = this.source[this.at + 1];
    switch (next) {
      case undefined:
        throw invalid('invalid escape \\ sequence');
      case 'm':
        return this.constraint('\\b(?=\\w)');
      case 'M':
        return this.constraint('\\b(?<=\\w)');
      case 'y':
        return this.constraint('\\b');
      case 'Y':
        return this.constraint('\\B');
      case 'A':
        return this.constraint('^');
      case 'Z':
        return this.constraint('$');
      case 'a':
        return this.atom('\\x07', 2);
      case 'e':
        return this.atom('\\x1b', 2);
      case 'd':
      case 'D':
      case 's':
      case 'S':
      case 'w':
      case 'W':
      case 'n':
      case 't':
      case 'r':
      case 'f':
      case 'v':
        return this.atom(`\\${next}`, 2);
      default:
        if (/\w/.test(next)) throw invalid('invalid escape \\ sequence');
        return this.atom(/[\^$\\.*+?()[\]{}|/]/.test(next) ? `\\${next}` : next, 2);
    }
  }

  private constraint(text: string): void {
    this.out += text;
    this.at += 2;
    this.hasAtom = false;
  }

  private bracket(): void {
    const { source } = this;
    let at = this.at + 1;
    let out = '[';
    if (source[at] === '^') {
      out += '^';
      at++;
    }
    for (let first = true; ; first = false) {
      const character = source[at];
      if (character === undefined) throw invalid('brackets [] not balanced');
      if (character === ']' && !first) break;
      const named = /^\[:(\w+):\]/.exec(source.slice(at));
      if (named !== null) {
        const known = CLASSES[named[1] as string];
        if (known === undefined) throw invalid('invalid character class');
        out += known;
        at += named[0].length;
      } else if (/^\[[.=]/.test(source.slice(at))) {
        throw unsupported('a collating element in a regular expression');
      } else if (character === '\\') {
        const next = source[at + 1];
        if (next === undefined) throw invalid('invalid escape \\ sequence');
        out += /[dswntrfvDSW\\\]^-]/.test(next)
          ? `\\${next}`
          : `\\x${next.charCodeAt(0).toString(16).padStart(2, '0')}`;
        at += 2;
      } else {
        const whole = String.fromCodePoint(source.codePointAt(at) as number);
        out += /[[\]\\^&|~{}()/]/.test(whole) ? `\\${whole}` : whole;
        at += whole.length;
      }
    }
    this.atom(`${out}]`, at + 1 - this.at);
  }
}
