// PostgreSQL's advanced regular expressions, translated to JavaScript's as far as those have their like.
//
// What is found first is the same; how much of it, is not: PostgreSQL takes the longest match (or the shortest, if the
// first quantifier is a lazy one), JavaScript the first that its alternatives lead to. A truth value does not depend on
// that. Where the extent or the groups of a match are asked for, patterns that could show a difference are refused.

import { DbError, unsupported } from '../base/errors.ts';

/** JavaScript's engine backtracks: what could make it do so without end is refused, and inputs are bounded. */
const PATTERN_LENGTH_MAX = 1000;
const TEXT_LENGTH_MAX = 1_000_000;
const CACHE_SIZE = 64;
const cache = new Map<string, CompiledRegex>();

export interface RegexOptions {
  readonly ignoreCase: boolean;
  /** A line break ends a line for ^, $ and the point. */
  readonly byLine: boolean;
  /** The pattern is a text. */
  readonly literal: boolean;
  /** What is matched, and its groups, are asked for. */
  readonly captures: boolean;
}

export interface CompiledRegex {
  /** Global: lastIndex says where to begin. */
  readonly regex: RegExp;
  readonly groups: number;
  /** Whether a longer match than the first is conceivable. */
  readonly mayBeLonger: boolean;
}

export function matchesRegex(text: string, pattern: string, ignoreCase: boolean): boolean {
  // Only what is captured can be referred to.
  const captures = /\\[1-9]/.test(pattern);
  const options = { ignoreCase, byLine: false, literal: false, captures };
  const { regex } = compileRegex(pattern, options);
  checkedText(text);
  regex.lastIndex = 0;
  return regex.test(text);
}

export function checkedText(text: string): void {
  if (text.length <= TEXT_LENGTH_MAX) return;
  throw new DbError(
    '54000',
    `regular expressions take texts of up to ${TEXT_LENGTH_MAX} characters`,
  );
}

export function compileRegex(pattern: string, options: RegexOptions): CompiledRegex {
  const { ignoreCase, byLine, literal, captures } = options;
  const key = `${Number(ignoreCase)}${Number(byLine)}${Number(literal)}${Number(captures)}${pattern}`;
  let compiled = cache.get(key);
  if (compiled === undefined) {
    compiled = translate(pattern, options);
    if (cache.size >= CACHE_SIZE) cache.clear();
    cache.set(key, compiled);
  }
  return compiled;
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

function translate(pattern: string, options: RegexOptions): CompiledRegex {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw new DbError(
      '54000',
      `regular expressions may have up to ${PATTERN_LENGTH_MAX} characters`,
    );
  }
  let { ignoreCase, byLine } = options;
  let source = pattern;
  const embedded = /^\(\?([a-z]+)\)/.exec(pattern);
  if (embedded !== null && !options.literal) {
    source = pattern.slice(embedded[0].length);
    for (const flag of embedded[1] as string) {
      if (flag === 'i') ignoreCase = true;
      else if (flag === 'c') ignoreCase = false;
      else if (flag === 'n' || flag === 'm') byLine = true;
      else if (flag === 's') byLine = false;
      else throw unsupported(`the regular expression option "${embedded[1]}"`);
    }
  }
  if (options.literal) source = source.replace(/[\^$\\.*+?()[\]{}|]/g, '\\$&');
  const translation = new Translation(source, options.captures, byLine);
  const out = translation.run();
  const flags = `gu${byLine ? 'm' : 's'}${ignoreCase ? 'i' : ''}`;
  try {
    const { groups, mayBeLonger } = translation;
    return { regex: new RegExp(out, flags), groups, mayBeLonger };
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
  private readonly open: boolean[] = [];
  /** The same of the atom just written. */
  private ambiguous = false;
  private hasAtom = false;
  private readonly captures: boolean;
  private readonly byLine: boolean;
  private readonly kinds = new Set<string>();
  /** Of each open group and of the whole: what its alternatives begin with. */
  private readonly beginnings: string[][] = [['']];
  private isBeginning = true;
  /** What was just written is a group. */
  private isGroup = false;
  /** Parentheses that capture. */
  groups = 0;
  mayBeLonger = false;

  constructor(source: string, captures: boolean, byLine: boolean) {
    this.source = source;
    this.captures = captures;
    this.byLine = byLine;
  }

  run(): string {
    while (this.at < this.source.length) this.step();
    if (this.open.length > 0) throw invalid('parentheses () not balanced');
    this.endAlternatives();
    if (this.captures && this.kinds.size > 1) {
      throw unsupported('mixing greedy and non-greedy quantifiers in a regular expression');
    }
    return this.out;
  }

  /** JavaScript takes the first alternative that fits, PostgreSQL the longest: no matter where only one can fit. */
  private endAlternatives(): void {
    const begins = this.beginnings.pop() as string[];
    if (begins.length < 2) return;
    const distinct = new Set(begins.map((begin) => begin.toLowerCase()));
    if (distinct.size === begins.length && !distinct.has('')) return;
    this.markAmbiguous();
    if (this.captures) {
      throw unsupported(
        'a regular expression with alternatives that may begin alike',
        undefined,
        'Alternatives must begin with different letters where the match itself is asked for.',
      );
    }
  }

  private begins(character: string): void {
    if (!this.isBeginning) return;
    const begins = this.beginnings[this.beginnings.length - 1] as string[];
    begins[begins.length - 1] = character;
    this.isBeginning = false;
  }

  private step(): void {
    const character = this.source[this.at] as string;
    switch (character) {
      case '\\':
        return this.escape();
      case '[':
        return this.bracket();
      case '(':
        return this.openGroup();
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
        (this.beginnings[this.beginnings.length - 1] as string[]).push('');
        this.isBeginning = true;
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
    this.isGroup = false;
    this.ambiguous = false;
    // Any other atom may begin with several.
    this.begins(/^\w$/u.test(text) || text.startsWith('\\') ? text : '');
  }

  private markAmbiguous(): void {
    if (this.open.length > 0) this.open[this.open.length - 1] = true;
  }

  private openGroup(): void {
    const kind = /^\(\?(:|=|!|<=|<!)?/.exec(this.source.slice(this.at));
    if (kind !== null && kind[1] === undefined) throw invalid('quantifier operand invalid');
    const captured = this.captures ? '(' : '(?:';
    const text = kind === null ? captured : kind[0];
    if (kind === null) this.groups++;
    this.begins('');
    this.beginnings.push(['']);
    this.isBeginning = true;
    this.out += text;
    this.at += kind === null ? 1 : text.length;
    this.open.push(false);
    this.hasAtom = false;
  }

  private close(): void {
    if (this.open.length === 0) throw invalid('parentheses () not balanced');
    this.endAlternatives();
    const ambiguous = this.open.pop() as boolean;
    this.isBeginning = false;
    this.out += ')';
    this.at++;
    this.isGroup = true;
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
    if (this.isGroup) this.mayBeLonger = true;
    // What may be missing does not say how an alternative begins.
    if (text !== '+') this.forgetBeginning();
    this.at += text.length;
    const lazy = this.source[this.at] === '?' ? '?' : '';
    this.at += lazy.length;
    this.kinds.add(lazy);
    this.out += text + lazy;
    this.hasAtom = false;
    this.markAmbiguous();
  }

  private forgetBeginning(): void {
    const begins = this.beginnings[this.beginnings.length - 1] as string[];
    begins[begins.length - 1] = '';
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
        if (/[1-9]/.test(next) && this.captures && Number(next) <= this.groups) {
          return this.atom(`(?:\\${next})`, 2);
        }
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
      out += this.byLine ? '^\\n' : '^';
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
