// The plan cache's key of a statement, made in one pass: literals of data statements become parameters, so that
// statements that differ only in them share a plan. PostgreSQL types a literal by its looks, so its class stays in the
// key. Nothing here decides meaning: whether each literal taken out really stood where a parameter may stand is checked
// when the statement is parsed (ParsedStatement.literalsTaken), and only then may the plan be kept under the key.

import type { LiteralValue } from './ast.ts';
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
} from './lexer.ts';
import { hasSimpleEscapes, unquote } from './strings.ts';

/** More literals than this (long VALUES lists) and the statement is not cached. */
export const literalsMax = 200;
/** Longer texts are not cached. */
export const keyLengthMax = 32_768;

/** The class of a literal: what PostgreSQL takes it for. */
export const INT4_LITERAL = 1;
export const INT8_LITERAL = 2;
export const NUMERIC_LITERAL = 3;
export const STRING_LITERAL = 4;
export type LiteralClass = 1 | 2 | 3 | 4;

// A literal in a key is its class as a control character, which no text outside quotes can hold.
const marks = ['', '\u0001', '\u0002', '\u0003', '\u0004'];

export class Fingerprint {
  readonly text: string;
  /** Undefined: don't cache. */
  readonly key: string | undefined;
  /** The highest $n: literal k is parameter index `parameterCount + k`. */
  readonly parameterCount: number;
  /** Triples of class, start and end. */
  readonly #slots: readonly number[];

  constructor(
    text: string,
    key: string | undefined,
    parameterCount: number,
    slots: readonly number[],
  ) {
    this.text = text;
    this.key = key;
    this.parameterCount = parameterCount;
    this.#slots = slots;
  }

  /** How many literals were taken out. */
  get count(): number {
    return this.#slots.length / 3;
  }

  literalClass(k: number): LiteralClass {
    return this.#slots[k * 3] as LiteralClass;
  }

  /** Offset in UTF-16 units; a sign that belongs to the literal is part of it. */
  start(k: number): number {
    return this.#slots[k * 3 + 1] as number;
  }

  end(k: number): number {
    return this.#slots[k * 3 + 2] as number;
  }

  /** All of them, as the syntax tree would hold them. */
  literals(): readonly LiteralValue[] {
    const literals: LiteralValue[] = [];
    for (let k = 0; k < this.count; k++) literals.push(this.#literal(k));
    return literals;
  }

  #literal(k: number): LiteralValue {
    const text = this.value(k);
    if (this.literalClass(k) === STRING_LITERAL) return { type: 'string', value: text };
    return { type: isInteger(text) ? 'integer' : 'decimal', text };
  }

  /** Digits with their sign, or the string that the quotes stand for. */
  value(k: number): string {
    const start = this.start(k);
    const source = this.text.slice(start, this.end(k));
    return this.literalClass(k) === STRING_LITERAL ? unquote(source) : source;
  }
}

/** A number beyond int8 is numeric by class, and still written as an integer. */
function isInteger(text: string): boolean {
  for (let at = text.charCodeAt(0) === 45 ? 1 : 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c < 48 || c > 57) return false;
  }
  return true;
}

const dataWords = ['select', 'insert', 'update', 'delete', 'values'];
// Sent over and over with the same text, so worth a key of their own.
const repeatedWords: ReadonlySet<string> = new Set([
  ...['begin', 'start', 'commit', 'end', 'rollback', 'abort', 'savepoint', 'release'],
  ...['set', 'show', 'reset'],
]);
// Reserved, so what follows is an operand: a minus there is a sign, a string there is not of a type named before it.
const operandWords: ReadonlySet<string> = new Set([
  ...['select', 'where', 'and', 'or', 'not', 'case', 'when', 'then', 'else', 'limit', 'offset'],
  ...['returning', 'having', 'in', 'using', 'on'],
]);
// Not all reserved, but before a string they are operators. (`f 'x'` is f::…, so a mistake is harmless.)
const stringWords: ReadonlySet<string> = new Set([
  ...operandWords,
  ...['like', 'ilike', 'between', 'escape', 'values', 'from', 'for', 'to', 'zone'],
]);
const endOfByList: ReadonlySet<string> = new Set([
  ...['limit', 'offset', 'having', 'fetch', 'for', 'returning', 'union', 'intersect', 'except'],
]);

const none: readonly number[] = [];
const lexer = new Lexer();

function isDataWord(): boolean {
  const length = lexer.end - lexer.start;
  if (length === 4) return lexer.is(lexer.start, lexer.end, 'with');
  if (length !== 6) return false;
  for (const word of dataWords) if (lexer.is(lexer.start, lexer.end, word)) return true;
  return false;
}

export function fingerprint(text: string): Fingerprint {
  if (text.length > keyLengthMax) return new Fingerprint(text, undefined, 0, none);
  lexer.reset(text);
  let kind = lexer.next();
  while (kind === SYMBOL && text.charCodeAt(lexer.start) === 40) kind = lexer.next();
  if (kind !== WORD) return new Fingerprint(text, undefined, 0, none);
  if (isDataWord()) return scan(text);
  return new Fingerprint(text, repeatedWords.has(lexer.word()) ? whole(text) : undefined, 0, none);
}

/** The text itself as key, when it is one statement. */
function whole(text: string): string | undefined {
  let kind = lexer.kind;
  while (kind !== END && kind !== INVALID && !(kind === SYMBOL && isSemicolon(text))) {
    kind = lexer.next();
  }
  if (kind === SYMBOL) kind = lexer.next();
  return kind === END ? text : undefined;
}

function isSemicolon(text: string): boolean {
  return text.charCodeAt(lexer.start) === 59;
}

function scan(text: string): Fingerprint {
  lexer.rewind();
  const slots: number[] = [];
  let key = '';
  /** What lies before this is in the key. */
  let from = 0;
  let parameterCount = 0;
  let depth = 0;
  /** Depth of the ORDER BY or GROUP BY list that we are in: `ORDER BY 1` is a position, not a value. */
  let byDepth = -1;
  /** Behind :: or AS, in the type's name. */
  let inType = false;
  /** Depth of a type's modifiers. */
  let modifierDepth = -1;
  /** Where a minus stands that can only be a sign. */
  let signAt = -1;
  let previous = END;
  let previousStart = 0;
  let previousEnd = 0;

  for (;;) {
    const kind = lexer.next();
    const start = lexer.start;
    if (kind === END) break;
    if (lexer.comment) {
      key += `${text.slice(from, lexer.commentStart)} `;
      from = start;
    }
    if (kind === WORD) {
      const end = lexer.end;
      if (end - start === 2) {
        if (lexer.is(start, end, 'by')) {
          if (lexer.is(previousStart, previousEnd, 'group')) return exact(text, parameterCount);
          byDepth = depth;
        } else if (lexer.is(start, end, 'as')) {
          inType = true;
        }
      } else if (lexer.is(start, end, 'distinct') && previous === WORD) {
        // SELECT DISTINCT a + 1 … ORDER BY a + 1 compares expressions, as GROUP BY does: keep their literals.
        if (lexer.is(previousStart, previousEnd, 'select')) return exact(text, parameterCount);
      }
      if (byDepth === depth && endOfByList.has(lexer.word())) byDepth = -1;
      if (inType && previous === WORD && !lexer.is(start, end, 'varying')) {
        inType = lexer.is(previousStart, previousEnd, 'as');
      }
    } else if (kind === SYMBOL) {
      const c = text.charCodeAt(start);
      if (c === 40 || c === 91) {
        depth++;
        if (inType && previous === WORD && !lexer.is(previousStart, previousEnd, 'as')) {
          if (modifierDepth < 0) modifierDepth = depth;
        }
      } else if (c === 41 || c === 93) {
        depth--;
        if (depth < byDepth) byDepth = -1;
        if (depth < modifierDepth) modifierDepth = -1;
      } else if (c === 59) {
        if (lexer.next() !== END) return uncached(text);
        break;
      }
      if (c !== 46) inType = false;
    } else {
      inType = kind === TYPECAST;
      if (kind === OPERATOR) {
        signAt = -1;
        if (lexer.end - start === 1 && text.charCodeAt(start) === 45) {
          if (expectsOperand(text, previous, previousStart, previousEnd)) signAt = start;
        }
      } else if (kind === PARAMETER) {
        const number = Number(text.slice(start + 1, lexer.end));
        if (number > parameterCount) parameterCount = number;
      } else if (kind === INVALID) {
        return uncached(text);
      } else if (kind !== TYPECAST) {
        // Two strings in a row are one, or an error.
        if (isString(kind) && isString(previous)) return uncached(text);
        const taken =
          byDepth >= 0 || modifierDepth >= 0
            ? 0
            : literalClass(text, kind, previous, previousStart, previousEnd);
        const signed = signAt >= 0 && signAt === start - 1 && bindsToSign(text, lexer.end);
        const mark = taken < 0 ? (signed ? -taken : 0) : taken;
        if (mark > 0) {
          if (slots.length === literalsMax * 3) return uncached(text);
          const first = signed ? signAt : start;
          slots.push(mark, first, lexer.end);
          key += text.slice(from, first) + (marks[mark] as string);
          from = lexer.end;
        } else if (holdsMark(text, start, lexer.end)) {
          return uncached(text);
        }
      }
    }
    previous = kind;
    previousStart = start;
    previousEnd = lexer.end;
  }
  key += text.slice(from, previousEnd);
  return new Fingerprint(text, key, parameterCount, slots);
}

function uncached(text: string): Fingerprint {
  return new Fingerprint(text, undefined, 0, none);
}

/** A text whose literals all stay. */
function exact(text: string, parameters: number): Fingerprint {
  let parameterCount = parameters;
  for (let kind = lexer.kind; kind !== END; kind = lexer.next()) {
    if (kind === INVALID) return uncached(text);
    if (kind === PARAMETER) {
      const number = Number(text.slice(lexer.start + 1, lexer.end));
      if (number > parameterCount) parameterCount = number;
    } else if (kind === SYMBOL && isSemicolon(text)) {
      if (lexer.next() !== END) return uncached(text);
      break;
    } else if (kind >= QUOTED_IDENTIFIER && kind <= PREFIXED) {
      if (holdsMark(text, lexer.start, lexer.end)) return uncached(text);
    }
  }
  return new Fingerprint(text, text, parameterCount, none);
}

function isString(kind: number): boolean {
  return kind >= STRING && kind <= PREFIXED;
}

/** Whether a minus behind this token can only be a sign. */
function expectsOperand(text: string, kind: number, start: number, end: number): boolean {
  if (kind === OPERATOR) return true;
  if (kind === WORD) return operandWords.has(text.slice(start, end).toLowerCase());
  if (kind !== SYMBOL) return false;
  const c = text.charCodeAt(start);
  return c === 40 || c === 44 || c === 91;
}

/** Whether a sign belongs to the number that ends here: -2::int2 is -(2::int2). Comments are not looked into. */
function bindsToSign(text: string, end: number): boolean {
  let at = end;
  let c = text.charCodeAt(at);
  while (c <= 32) c = text.charCodeAt(++at);
  const comment =
    (c === 45 && text.charCodeAt(at + 1) === 45) || (c === 47 && text.charCodeAt(at + 1) === 42);
  return c !== 58 && c !== 91 && !comment;
}

/** The class of the lexer's literal; 0 to leave it in the key, negative for a class that it has only with a minus. */
function literalClass(
  text: string,
  kind: number,
  previous: number,
  previousStart: number,
  previousEnd: number,
): number {
  switch (kind) {
    case INTEGER:
      return integerClass(text, lexer.start, lexer.end);
    case DECIMAL:
      return text.slice(lexer.start, lexer.end).includes('_') ? 0 : NUMERIC_LITERAL;
    case ESCAPE_STRING:
      if (!hasSimpleEscapes(text.slice(lexer.start + 2, lexer.end - 1))) return 0;
      break;
    case STRING:
    case DOLLAR_STRING:
      break;
    default:
      return 0;
  }
  // DATE '2020-01-01' stays: the type's name may change how the string is read.
  if (previous !== WORD) return previous === QUOTED_IDENTIFIER ? 0 : STRING_LITERAL;
  const word = text.slice(previousStart, previousEnd).toLowerCase();
  return stringWords.has(word) ? STRING_LITERAL : 0;
}

function integerClass(text: string, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return 0;
    value = value * 10 + digit;
  }
  if (value < 2_147_483_648) return INT4_LITERAL;
  // One more below zero than above: -2147483648 is an int4, 2147483648 is not.
  if (value === 2_147_483_648) return -INT4_LITERAL;
  if (value < Number.MAX_SAFE_INTEGER) return INT8_LITERAL;
  const exact = BigInt(text.slice(start, end));
  if (exact < 9_223_372_036_854_775_808n) return INT8_LITERAL;
  return exact === 9_223_372_036_854_775_808n ? -INT8_LITERAL : NUMERIC_LITERAL;
}

function holdsMark(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (text.charCodeAt(at) < 8) return true;
  return false;
}
