// Prepares a statement for node-sql-parser, which confuses precedence and literals without saying so: literals become
// parameters beyond literalBase, and every operator of a data statement is bracketed by PostgreSQL's precedence.

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
  TYPECAST,
  WORD,
} from './lexer.ts';
import { numberValue } from './numbers.ts';
import { hasSimpleEscapes, unquote } from './strings.ts';

/** $1001 is the first literal. */
export const literalBase = 1000;

/** What the second front end can't say: no verdict on the first. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

export interface PreparedText {
  readonly text: string;
  readonly literals: readonly LiteralValue[];
}

interface Token {
  readonly kind: number;
  /** Words in lower case, literals as parameters. */
  readonly text: string;
}

const sizedTypes: ReadonlySet<string> = new Set([
  ...['varchar', 'char', 'character', 'varying', 'bpchar', 'numeric', 'decimal', 'dec'],
  ...['timestamp', 'timestamptz', 'time', 'float'],
]);
const dataWords: ReadonlySet<string> = new Set([
  ...['select', 'insert', 'update', 'delete', 'values', 'with'],
]);

export function prepareText(source: string): PreparedText {
  const literals: LiteralValue[] = [];
  const tokens = tokensOf(source, literals);
  const first = tokens.find((token) => token.text !== '(');
  if (first === undefined) throw new Refusal('an empty statement');
  const text = dataWords.has(first.text)
    ? new Bracketer(tokens).run()
    : tokens.map((token) => token.text).join(' ');
  return { text, literals };
}

function tokensOf(source: string, literals: LiteralValue[]): Token[] {
  const lexer = new Lexer();
  lexer.reset(source);
  const tokens: Token[] = [];
  for (let kind = lexer.next(); kind !== END; kind = lexer.next()) {
    const text = source.slice(lexer.start, lexer.end);
    if (kind === INVALID || kind === PREFIXED) throw new Refusal(text);
    const isSize = tokens.at(-1)?.text === '(' && sizedTypes.has(tokens.at(-2)?.text ?? '');
    const isScale = tokens.at(-1)?.text === ',' && sizedTypes.has(tokens.at(-4)?.text ?? '');
    const literal = kind === INTEGER && (isSize || isScale) ? undefined : literalOf(kind, text);
    if (literal !== undefined) {
      literals.push(literal);
      tokens.push({ kind: PARAMETER, text: `$${literalBase + literals.length}` });
    } else {
      tokens.push({ kind, text: kind === WORD ? text.toLowerCase() : text });
    }
  }
  if (tokens.at(-1)?.text === ';') tokens.pop();
  return tokens;
}

function literalOf(kind: number, text: string): LiteralValue | undefined {
  if (kind === INTEGER || kind === DECIMAL) return numberValue(text);
  if (kind === ESCAPE_STRING && !hasSimpleEscapes(text.slice(2, -1))) throw new Refusal(text);
  if (kind === STRING || kind === ESCAPE_STRING || kind === DOLLAR_STRING) {
    return { type: 'string', value: unquote(text) };
  }
  return undefined;
}

/** Words between which expressions lie. */
const separators: ReadonlySet<string> = new Set([
  ...['select', 'distinct', 'all', 'from', 'where', 'group', 'by', 'having', 'order', 'limit'],
  ...['offset', 'set', 'values', 'on', 'using', 'returning', 'as', 'asc', 'desc', 'nulls', 'join'],
  ...['inner', 'left', 'right', 'full', 'cross', 'natural', 'outer', 'conflict', 'do', 'update'],
  ...['nothing', 'insert', 'into', 'delete', 'for', 'union', 'intersect', 'except', 'with'],
  ...['when', 'then', 'else', 'end', 'default'],
]);

const NOT_LEVEL = 3;
const IS_LEVEL = 4;
const LIKE_LEVEL = 6;
const SIGN_LEVEL = 13;
const CAST_LEVEL = 15;
const levels: Readonly<Record<string, number>> = {
  ...{ or: 1, and: 2, is: IS_LEVEL, isnull: IS_LEVEL, notnull: IS_LEVEL },
  ...{ '<': 5, '>': 5, '=': 5, '<=': 5, '>=': 5, '<>': 5, '!=': 5 },
  ...{ between: LIKE_LEVEL, in: LIKE_LEVEL, like: LIKE_LEVEL, ilike: LIKE_LEVEL },
  ...{ '+': 8, '-': 8, '*': 9, '/': 9, '%': 9, '^': 10, '::': CAST_LEVEL },
};
const OTHER_LEVEL = 7;
const refused: ReadonlySet<string> = new Set([
  ...['at', 'collate', 'similar', 'escape', 'over', 'overlaps', 'exists', 'array', 'row', 'any'],
  ...['some', 'interval', 'within', 'symmetric', 'operator'],
]);

class Bracketer {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  run(): string {
    const text = this.#region();
    if (this.#at < this.#tokens.length) throw new Refusal('unbalanced brackets');
    return text;
  }

  get #text(): string {
    return this.#tokens[this.#at]?.text ?? '';
  }

  #peek(ahead: number): string {
    return this.#tokens[this.#at + ahead]?.text ?? '';
  }

  #take(expected?: string): string {
    const text = this.#text;
    if (text === '' || (expected !== undefined && text !== expected)) throw new Refusal(text);
    this.#at++;
    return text;
  }

  /** Whether the token separates expressions: LEFT does, left(…) does not. */
  #separates(): boolean {
    const text = this.#text;
    if (text === ',' || text === ';') return true;
    if (this.#tokens[this.#at]?.kind !== WORD || !separators.has(text)) return false;
    return !((text === 'left' || text === 'right') && this.#peek(1) === '(');
  }

  /** Everything up to the closing bracket or the end. */
  #region(): string {
    const out: string[] = [];
    let inSet = false;
    while (this.#at < this.#tokens.length && this.#text !== ')' && this.#text !== ']') {
      if (this.#separates()) {
        const separator = this.#take();
        if (separator === ';') throw new Refusal('several statements');
        if (separator !== ',') inSet = separator === 'set';
        out.push(separator);
        if (separator === 'nulls') out.push(this.#take());
        if (inSet) out.push(this.#take(), this.#take('='));
      } else {
        out.push(this.#expression(0));
      }
    }
    return out.join(' ');
  }

  #expression(level: number): string {
    let left = this.#prefix();
    for (;;) {
      const next = this.#infix(left, level);
      if (next === undefined) return left;
      left = next;
    }
  }

  #prefix(): string {
    const token = this.#tokens[this.#at];
    if (token?.kind === WORD && token.text === 'not') {
      this.#at++;
      return `(not (${this.#expression(NOT_LEVEL)}))`;
    }
    if (token?.kind === OPERATOR && token.text !== '*') {
      const sign = this.#take();
      if (sign !== '-' && sign !== '+') throw new Refusal(`the prefix operator ${sign}`);
      return `(${sign} ${this.#expression(SIGN_LEVEL)})`;
    }
    return this.#operand();
  }

  /** `left` with the operator behind it, or undefined where none that binds as much follows. */
  #infix(left: string, level: number): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || this.#separates()) return undefined;
    let op = token.text;
    if (token.kind === WORD && op === 'not') op = this.#peek(1);
    const known = Object.hasOwn(levels, op) ? levels[op] : undefined;
    const own = token.kind === OPERATOR ? (known ?? OTHER_LEVEL) : known;
    if (token.kind === QUOTED_IDENTIFIER || own === undefined) return this.#adjacent(left, level);
    if (own < level) return undefined;
    if (token.kind === TYPECAST) {
      this.#at++;
      return `cast(${left} as ${this.#type()})`;
    }
    const negated = token.text === 'not' ? `${this.#take()} ` : '';
    this.#at++;
    if (own === IS_LEVEL) return this.#is(left, op);
    if (op === 'in') return `(${left} ${negated}in ${this.#operand()})`;
    if (op === 'between') {
      if (this.#text === 'symmetric') throw new Refusal('SYMMETRIC');
      const low = this.#expression(own + 1);
      this.#take('and');
      return `(${left} ${negated}between ${low} and ${this.#expression(own + 1)})`;
    }
    return `(${left} ${negated}${op} ${this.#expression(own + 1)})`;
  }

  /** No operator: an alias, or the next word of a type. */
  #adjacent(left: string, level: number): string | undefined {
    const text = this.#text;
    if (level > 0 || text === ')' || text === ']') return undefined;
    return `${left} ${this.#operand()}`;
  }

  #is(left: string, op: string): string {
    if (op === 'isnull') return `(${left} is null)`;
    if (op === 'notnull') return `(${left} is not null)`;
    const negated = this.#text === 'not' ? `${this.#take()} ` : '';
    const test = this.#take();
    if (!['null', 'true', 'false'].includes(test)) throw new Refusal(`IS ${test}`);
    return `(${left} is ${negated}${test})`;
  }

  #type(): string {
    let text = this.#take();
    while (['precision', 'varying', 'with', 'without', 'time', 'zone'].includes(this.#text)) {
      text += ` ${this.#take()}`;
    }
    return this.#text === '(' ? text + this.#group() : text;
  }

  #group(): string {
    const open = this.#take();
    const inner = this.#region();
    return `${open}${inner}${this.#take(open === '(' ? ')' : ']')}`;
  }

  #operand(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new Refusal('the end');
    if (token.text === '(') return this.#group();
    if (token.text === '*') return this.#take();
    // The only numbers left are sizes of types.
    if (token.kind === PARAMETER || token.kind === INTEGER) return this.#take();
    if (token.kind !== WORD && token.kind !== QUOTED_IDENTIFIER) throw new Refusal(token.text);
    if (token.kind === WORD && refused.has(token.text)) throw new Refusal(token.text);
    if (token.kind === WORD && token.text === 'case') return this.#case();
    let name = this.#take();
    while (this.#text === '.') name += this.#take() + this.#take();
    if (this.#text === '(') name += this.#group();
    return name;
  }

  #case(): string {
    const out = [this.#take()];
    while (this.#text !== 'end') {
      if (['when', 'then', 'else'].includes(this.#text)) out.push(this.#take());
      out.push(this.#expression(0));
    }
    return `${out.join(' ')} ${this.#take()}`;
  }
}
