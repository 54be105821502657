// Functions of regular expressions, and SIMILAR TO.

import { DbError, unsupported } from '../base/errors.ts';
import { ArrayValue, type Datum } from './datum.ts';
import { scalar, type ScalarFunction } from './function-types.ts';
import { characterCount, characterOffset } from './modifiers.ts';
import { type CompiledRegex, checkedText, compileRegex } from './regex.ts';
import { BOOL, INT4, TEXT, TEXT_ARRAY } from './types.ts';

interface Flags {
  readonly all: boolean;
  readonly ignoreCase: boolean;
  readonly byLine: boolean;
  readonly literal: boolean;
}

function flagsOf(text: string): Flags {
  let [all, ignoreCase, byLine, literal] = [false, false, false, false];
  for (const flag of text) {
    switch (flag) {
      case 'g':
        all = true;
        break;
      case 'i':
        ignoreCase = true;
        break;
      case 'c':
        ignoreCase = false;
        break;
      case 'n':
      case 'm':
        byLine = true;
        break;
      case 's':
        byLine = false;
        break;
      case 'q':
        literal = true;
        break;
      case 'e':
      case 't':
        break;
      case 'b':
      case 'p':
      case 'w':
      case 'x':
        throw unsupported(`the regular expression option "${flag}"`);
      default:
        throw new DbError('22023', `invalid regular expression option: "${flag}"`);
    }
  }
  return { all, ignoreCase, byLine, literal };
}

function withoutGlobal(name: string, text: string, hint?: string): Flags {
  const flags = flagsOf(text);
  if (!flags.all) return flags;
  throw new DbError(
    '22023',
    `${name}() does not support the "global" option`,
    hint === undefined ? {} : { hint },
  );
}

/** Matches from an offset on, each where PostgreSQL looks for it: behind the one before, or a character further. */
class Matches {
  readonly compiled: CompiledRegex;
  readonly #text: string;
  #at: number;

  constructor(text: string, pattern: string, flags: Flags, from = 0) {
    checkedText(text);
    this.compiled = compileRegex(pattern, { ...flags, captures: true });
    this.#text = text;
    this.#at = from;
  }

  next(): RegExpExecArray | undefined {
    const { regex, mayBeLonger } = this.compiled;
    if (this.#at > this.#text.length) return undefined;
    regex.lastIndex = this.#at;
    const match = regex.exec(this.#text);
    if (match === null) return undefined;
    const end = match.index + match[0].length;
    if (mayBeLonger) this.#refuseLonger(match.index, end);
    this.#at = match[0] === '' ? end + characterLength(this.#text, end) : end;
    return match;
  }

  #refuseLonger(start: number, end: number): void {
    const { regex } = this.compiled;
    const least = characterCount(this.#text.slice(0, end)) + 1;
    const flags = regex.flags.replace('g', 'y');
    const longer = new RegExp(`(?:${regex.source})(?<=(?<![^])[^]{${least},})`, flags);
    longer.lastIndex = start;
    if (longer.test(this.#text)) {
      throw unsupported('a regular expression whose first match is not its longest');
    }
  }
}

function characterLength(text: string, at: number): number {
  const code = text.codePointAt(at);
  return code !== undefined && code > 0xffff ? 2 : 1;
}

function texts(items: readonly (string | undefined)[]): ArrayValue {
  return ArrayValue.of(
    TEXT,
    items.map((item) => item ?? null),
  );
}

function regexpMatch(text: string, pattern: string, options = ''): Datum {
  const hint = 'Use the regexp_matches function instead.';
  const flags = withoutGlobal('regexp_match', options, hint);
  const match = new Matches(text, pattern, flags).next();
  if (match === undefined) return null;
  return texts(match.length > 1 ? match.slice(1) : [match[0]]);
}

/** \& is the match, \1 to \9 are groups, \\ is a backslash. */
function replacement(template: string, match: RegExpExecArray): string {
  return template.replace(/\\([\\&1-9])/g, (_, what: string) => {
    if (what === '\\') return '\\';
    return (what === '&' ? match[0] : match[Number(what)]) ?? '';
  });
}

function replaceFrom(
  text: string,
  pattern: string,
  template: string,
  flags: Flags,
  from: number,
  which: number,
): string {
  const matches = new Matches(text, pattern, flags, from);
  let out = '';
  let at = 0;
  for (let n = 1; ; n++) {
    const match = matches.next();
    if (match === undefined) break;
    if (which > 0 && n < which) continue;
    out += text.slice(at, match.index) + replacement(template, match);
    at = match.index + match[0].length;
    if (which > 0) break;
  }
  return out + text.slice(at);
}

function regexpReplace(text: string, pattern: string, template: string, options = ''): string {
  if (/^\d/.test(options)) {
    throw new DbError('22023', `invalid regular expression option: "${options[0]}"`, {
      hint: 'If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.',
    });
  }
  const flags = flagsOf(options);
  return replaceFrom(text, pattern, template, flags, 0, flags.all ? 0 : 1);
}

function positive(name: string, value: number, least = 1): void {
  if (value < least) {
    throw new DbError('22023', `invalid value for parameter "${name}": ${value}`);
  }
}

function regexpReplaceNth(
  text: string,
  pattern: string,
  template: string,
  start: number,
  which?: number,
  options = '',
): string {
  positive('start', start);
  if (which !== undefined) positive('n', which, 0);
  const flags = flagsOf(options);
  const nth = which ?? (flags.all ? 0 : 1);
  return replaceFrom(text, pattern, template, flags, startOffset(text, start), nth);
}

function startOffset(text: string, start: number): number {
  return start > characterCount(text) + 1 ? text.length + 1 : characterOffset(text, start - 1);
}

/** Empty matches count only between characters, and not behind another match. */
export function splitByPattern(
  name: string,
  text: string,
  pattern: string,
  options: string,
): ArrayValue {
  const matches = new Matches(text, pattern, withoutGlobal(name, options));
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    const match = matches.next();
    if (match === undefined) break;
    const end = match.index + match[0].length;
    if (end === 0 || match.index === text.length) continue;
    if (match[0] === '' && match.index === at) continue;
    parts.push(text.slice(at, match.index));
    at = end;
  }
  return texts([...parts, text.slice(at)]);
}

function regexpSplit(text: string, pattern: string, options = ''): Datum {
  return splitByPattern('regexp_split_to_array', text, pattern, options);
}

/** regexp_matches(): one, or with "g" all of them. */
export function allMatches(text: string, pattern: string, options: string): ArrayValue[] {
  const flags = flagsOf(options);
  const matches = new Matches(text, pattern, flags);
  const found: ArrayValue[] = [];
  for (let match = matches.next(); match !== undefined; match = matches.next()) {
    found.push(texts(match.length > 1 ? match.slice(1) : [match[0]]));
    if (!flags.all) break;
  }
  return found;
}

function regexpCount(text: string, pattern: string, start = 1, options = ''): number {
  positive('start', start);
  const flags = withoutGlobal('regexp_count', options);
  const matches = new Matches(text, pattern, flags, startOffset(text, start));
  let count = 0;
  while (matches.next() !== undefined) count++;
  return count;
}

function regexpLike(text: string, pattern: string, options = ''): boolean {
  checkedText(text);
  const flags = withoutGlobal('regexp_like', options);
  const { regex } = compileRegex(pattern, { ...flags, captures: false });
  regex.lastIndex = 0;
  return regex.test(text);
}

function nth(
  name: string,
  text: string,
  pattern: string,
  start: number,
  which: number,
  options: string,
): { match: RegExpExecArray | undefined; groups: number } {
  positive('start', start);
  positive('n', which);
  const matches = new Matches(
    text,
    pattern,
    withoutGlobal(name, options),
    startOffset(text, start),
  );
  let match = matches.next();
  for (let n = 1; n < which && match !== undefined; n++) match = matches.next();
  return { match, groups: matches.compiled.groups };
}

function regexpSubstr(
  text: string,
  pattern: string,
  start = 1,
  which = 1,
  options = '',
  group = 0,
): Datum {
  positive('subexpr', group, 0);
  const { match } = nth('regexp_substr', text, pattern, start, which, options);
  return match?.[group] ?? null;
}

function regexpInstr(
  text: string,
  pattern: string,
  start = 1,
  which = 1,
  end = 0,
  options = '',
  group = 0,
): number {
  if (end !== 0 && end !== 1) {
    throw new DbError('22023', `invalid value for parameter "endoption": ${end}`);
  }
  positive('subexpr', group, 0);
  if (group > 0) throw unsupported('a subexpression in regexp_instr()');
  const { match } = nth('regexp_instr', text, pattern, start, which, options);
  if (match === undefined) return 0;
  const at = end === 1 ? match.index + match[0].length : match.index;
  return characterCount(text.slice(0, at)) + 1;
}

/** substring(text from pattern): the first group, or all of the match. */
function substringOf(text: string, pattern: string): Datum {
  const match = new Matches(text, pattern, flagsOf('')).next();
  if (match === undefined) return null;
  return (match.length > 1 ? match[1] : match[0]) ?? null;
}

/** SQL's pattern as a regular expression of all of a text. */
function similarToEscape(pattern: string, escape = '\\'): string {
  if ([...escape].length > 1) {
    throw new DbError('22019', 'invalid escape string', {
      hint: 'Escape string must be empty or one character.',
    });
  }
  let out = '^(?:';
  let inBracket = false;
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] as string;
    if (escape !== '' && character === escape) {
      const next = characters[++i];
      if (next === undefined) break;
      if (next === '"') throw unsupported('the parts of a pattern of SUBSTRING … SIMILAR');
      out += `\\${next}`;
    } else if (inBracket) {
      if (character === '\\') out += '\\';
      out += character;
      if (character === ']') inBracket = false;
    } else if (character === '[') {
      out += character;
      inBracket = true;
      if (characters[i + 1] === '^') out += characters[++i];
      if (characters[i + 1] === ']') out += characters[++i];
    } else if (character === '%') {
      out += '.*';
    } else if (character === '_') {
      out += '.';
    } else if (character === '(') {
      out += '(?:';
    } else {
      out += /[\\.^$]/.test(character) ? `\\${character}` : character;
    }
  }
  return `${out})$`;
}

const T = TEXT;

export const regexFunctions: readonly ScalarFunction[] = [
  scalar('regexp_match', [T, T], TEXT_ARRAY, regexpMatch),
  scalar('regexp_match', [T, T, T], TEXT_ARRAY, regexpMatch),
  scalar('regexp_replace', [T, T, T], T, regexpReplace),
  scalar('regexp_replace', [T, T, T, T], T, regexpReplace),
  scalar('regexp_replace', [T, T, T, INT4], T, regexpReplaceNth),
  scalar('regexp_replace', [T, T, T, INT4, INT4], T, regexpReplaceNth),
  scalar('regexp_replace', [T, T, T, INT4, INT4, T], T, regexpReplaceNth),
  scalar('regexp_split_to_array', [T, T], TEXT_ARRAY, regexpSplit),
  scalar('regexp_split_to_array', [T, T, T], TEXT_ARRAY, regexpSplit),
  ...[2, 3, 4].map((n) => scalar('regexp_count', [T, T, INT4, T].slice(0, n), INT4, regexpCount)),
  ...[2, 3].map((n) => scalar('regexp_like', [T, T, T].slice(0, n), BOOL, regexpLike)),
  ...[2, 3, 4, 5, 6].map((n) =>
    scalar('regexp_substr', [T, T, INT4, INT4, T, INT4].slice(0, n), T, regexpSubstr),
  ),
  ...[2, 3, 4, 5, 6, 7].map((n) =>
    scalar('regexp_instr', [T, T, INT4, INT4, INT4, T, INT4].slice(0, n), INT4, regexpInstr),
  ),
  scalar('substring', [T, T], T, substringOf),
  scalar('similar_to_escape', [T], T, (pattern: string) => similarToEscape(pattern)),
  scalar('similar_to_escape', [T, T], T, similarToEscape),
];
