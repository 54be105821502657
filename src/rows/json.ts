// JSON texts: json keeps what was written once it is valid; jsonb gets one spelling for each value, PostgreSQL's:
// keys by length and then bytes, the last of equal keys, numbers as numeric, one blank after ':' and ','.

import { compareBytes, utf8 } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import { Decimal } from './decimal.ts';

const DEPTH_MAX = 1000;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[^\s{}[\]:,"]+/y;
const BLANKS = /[ \t\n\r]*/y;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Throws DbError 22P02. */
export function parseJson(text: string): string {
  new Parser(text, false).document();
  return text;
}

/** The canonical spelling. */
export function parseJsonb(text: string): string {
  return new Parser(text, true).document();
}

class Parser {
  private readonly text: string;
  private readonly canonical: boolean;
  private at = 0;

  constructor(text: string, canonical: boolean) {
    this.text = text;
    this.canonical = canonical;
  }

  document(): string {
    const out = this.value(0);
    this.blanks();
    if (this.at < this.text.length) throw this.invalid('Expected end of input');
    return out;
  }

  private value(depth: number): string {
    if (depth > DEPTH_MAX) {
      throw new DbError('54001', `JSON is nested deeper than ${DEPTH_MAX} levels`);
    }
    this.blanks();
    switch (this.text[this.at]) {
      case '{':
        return this.object(depth);
      case '[':
        return this.array(depth);
      case '"':
        return this.string();
      default:
        return this.scalar();
    }
  }

  private object(depth: number): string {
    this.at++;
    const members = new Map<string, string>();
    this.blanks();
    if (this.text[this.at] === '}') {
      this.at++;
      return '{}';
    }
    for (;;) {
      this.blanks();
      if (this.text[this.at] !== '"') throw this.invalid('Expected string');
      const key = this.string();
      this.blanks();
      if (this.text[this.at] !== ':') throw this.invalid('Expected ":"');
      this.at++;
      const value = this.value(depth + 1);
      if (this.canonical) members.set(key, value);
      this.blanks();
      const next = this.text[this.at++];
      if (next === '}') break;
      if (next !== ',') throw this.invalid('Expected "," or "}"', this.at - 1);
    }
    if (!this.canonical) return '';
    const sorted = [...members].map(([key, value]) => ({
      key,
      value,
      bytes: utf8(JSON.parse(key) as string),
    }));
    sorted.sort((a, b) => a.bytes.length - b.bytes.length || compareBytes(a.bytes, b.bytes));
    return `{${sorted.map(({ key, value }) => `${key}: ${value}`).join(', ')}}`;
  }

  private array(depth: number): string {
    this.at++;
    const items: string[] = [];
    this.blanks();
    if (this.text[this.at] === ']') {
      this.at++;
      return '[]';
    }
    for (;;) {
      const value = this.value(depth + 1);
      if (this.canonical) items.push(value);
      this.blanks();
      const next = this.text[this.at++];
      if (next === ']') break;
      if (next !== ',') throw this.invalid('Expected "," or "]"', this.at - 1);
    }
    return this.canonical ? `[${items.join(', ')}]` : '';
  }

  private string(): string {
    const start = this.at++;
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (Number.isNaN(code)) throw this.invalid('The string is not closed', start);
      if (code < 32) throw this.invalid('A control character must be escaped');
      this.at++;
      if (code === 34) break;
      if (code === 92) this.escape();
    }
    if (!this.canonical) return '';
    const value = JSON.parse(this.text.slice(start, this.at)) as string;
    if (value.includes('\0')) {
      throw new DbError('22P05', 'unsupported Unicode escape sequence', {
        detail: '\\u0000 cannot be converted to text.',
      });
    }
    if (LONE_SURROGATE.test(value)) {
      throw new DbError('22P02', 'invalid input syntax for type json', {
        detail: 'Unicode surrogates must come in pairs.',
      });
    }
    return JSON.stringify(value);
  }

  private escape(): void {
    const code = this.text[this.at++];
    if (code === 'u') {
      if (!/^[0-9a-fA-F]{4}$/.test(this.text.slice(this.at, this.at + 4))) {
        throw this.invalid('"\\u" must be followed by four hexadecimal digits');
      }
      this.at += 4;
    } else if (code === undefined || !'"\\/bfnrt'.includes(code)) {
      throw this.invalid('The escape sequence is invalid', this.at - 1);
    }
  }

  private scalar(): string {
    const start = this.at;
    WORD.lastIndex = start;
    const word = WORD.exec(this.text)?.[0];
    if (word === undefined) {
      throw this.at >= this.text.length
        ? new DbError('22P02', 'invalid input syntax for type json', {
            detail: 'The input string ended unexpectedly.',
          })
        : this.invalid('Expected JSON value');
    }
    this.at += word.length;
    if (word === 'true' || word === 'false' || word === 'null') return word;
    NUMBER.lastIndex = start;
    if (NUMBER.exec(this.text)?.[0] !== word) throw this.token(word);
    return this.canonical ? Decimal.parse(word).toString() : word;
  }

  private blanks(): void {
    BLANKS.lastIndex = this.at;
    BLANKS.exec(this.text);
    this.at = BLANKS.lastIndex;
  }

  private token(word: string): DbError {
    return new DbError('22P02', 'invalid input syntax for type json', {
      detail: `Token "${word}" is invalid.`,
    });
  }

  private invalid(what: string, at = this.at): DbError {
    return new DbError('22P02', 'invalid input syntax for type json', {
      detail:
        at >= this.text.length
          ? 'The input string ended unexpectedly.'
          : `${what}, but found "${this.text.slice(at, at + 20)}" (at character ${at + 1}).`,
    });
  }
}
