// Arrays as text: '{1,2,NULL}', '[0:1]={"a b",c}', '{{1,2},{3,4}}'.

import { DbError } from '../base/errors.ts';
import { DIMENSIONS_MAX, itemCount, tooManyDimensions } from './array.ts';
import { ArrayValue, type Datum } from './datum.ts';

export function formatArray(array: ArrayValue, format: (item: Datum) => string): string {
  if (array.isEmpty) return '{}';
  const { items, lengths, lowers } = array;
  let at = 0;
  const level = (dimension: number): string => {
    const parts: string[] = [];
    for (let i = 0; i < (lengths[dimension] as number); i++) {
      if (dimension + 1 < lengths.length) {
        parts.push(level(dimension + 1));
      } else {
        const item = items[at++] as Datum;
        parts.push(item === null ? 'NULL' : quoted(format(item)));
      }
    }
    return `{${parts.join(',')}}`;
  };
  const bounds = lowers.some((lower) => lower !== 1)
    ? `${lengths.map((n, i) => `[${lowers[i]}:${(lowers[i] as number) + n - 1}]`).join('')}=`
    : '';
  return bounds + level(0);
}

const NEEDS_QUOTES = /[\s{}",\\]/;

function quoted(text: string): string {
  if (text !== '' && !NEEDS_QUOTES.test(text) && !/^null$/i.test(text)) return text;
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** Throws DbError 22P02, 2202E, 54000. */
export function parseArray(
  elementOid: number,
  text: string,
  parse: (item: string) => Datum,
): ArrayValue {
  return new Reader(elementOid, text, parse).read();
}

const BLANKS = /[ \t\n\v\f\r]*/y;
const BOUND = /\[\s*([+-]?\d+)\s*(?::\s*([+-]?\d+)\s*)?\]/y;

class Reader {
  readonly #elementOid: number;
  readonly #text: string;
  readonly #parse: (item: string) => Datum;
  readonly #items: Datum[] = [];
  /** Lengths of the dimensions, as far as they are known. */
  readonly #lengths: (number | undefined)[] = [];
  /** Where items stand: all at one depth. */
  #leafDepth = -1;
  #at = 0;

  constructor(elementOid: number, text: string, parse: (item: string) => Datum) {
    this.#elementOid = elementOid;
    this.#text = text;
    this.#parse = parse;
  }

  read(): ArrayValue {
    this.#blanks();
    const bounds = this.#bounds();
    if (this.#text[this.#at] !== '{') {
      throw this.#malformed(
        bounds === undefined
          ? 'Array value must start with "{" or dimension information.'
          : 'Array contents must start with "{".',
      );
    }
    this.#level(0);
    this.#blanks();
    if (this.#at < this.#text.length) throw this.#malformed('Junk after closing right brace.');
    if (this.#items.length === 0) return ArrayValue.of(this.#elementOid, []);
    const lengths = this.#lengths as number[];
    itemCount(lengths);
    if (bounds === undefined) {
      const lowers = lengths.map(() => 1);
      return new ArrayValue(this.#elementOid, lengths, lowers, this.#items);
    }
    const fits =
      bounds.length === lengths.length &&
      bounds.every(({ lower, upper }, i) => upper - lower + 1 === lengths[i]);
    if (!fits) throw this.#malformed('Specified array dimensions do not match array contents.');
    const lowers = bounds.map(({ lower }) => lower);
    return new ArrayValue(this.#elementOid, lengths, lowers, this.#items);
  }

  #bounds(): readonly { lower: number; upper: number }[] | undefined {
    const bounds: { lower: number; upper: number }[] = [];
    for (;;) {
      BOUND.lastIndex = this.#at;
      const match = BOUND.exec(this.#text);
      if (match === null) break;
      const lower = match[2] === undefined ? 1 : Number(match[1]);
      const upper = Number(match[2] ?? match[1]);
      if (upper < lower) {
        throw new DbError('2202E', 'upper bound cannot be less than lower bound');
      }
      bounds.push({ lower, upper });
      if (bounds.length > DIMENSIONS_MAX) throw tooManyDimensions(bounds.length);
      this.#at = BOUND.lastIndex;
      this.#blanks();
    }
    if (bounds.length === 0) {
      if (this.#text[this.#at] === '[') throw this.#malformed('Missing array dimension value.');
      return undefined;
    }
    if (this.#text[this.#at] !== '=') throw this.#malformed('Missing "=" after array dimensions.');
    this.#at++;
    this.#blanks();
    return bounds;
  }

  #level(depth: number): void {
    if (depth >= DIMENSIONS_MAX) throw tooManyDimensions(depth + 1);
    this.#at++;
    let count = 0;
    this.#blanks();
    if (this.#text[this.#at] === '}') {
      this.#at++;
      // Only a whole array may be empty.
      if (depth > 0) throw this.#malformed('Unexpected "}" character.');
      return;
    }
    for (;;) {
      this.#blanks();
      if (this.#text[this.#at] === '{') {
        if (this.#leafDepth === depth) throw this.#malformed('Unexpected "{" character.');
        this.#level(depth + 1);
      } else {
        if (this.#leafDepth < 0) this.#leafDepth = depth;
        if (this.#leafDepth !== depth) throw this.#malformed('Unexpected array element.');
        this.#items.push(this.#item());
      }
      count++;
      this.#blanks();
      const next = this.#text[this.#at++];
      if (next === '}') break;
      if (next === undefined) throw this.#malformed('Unexpected end of input.');
      if (next !== ',') throw this.#malformed('Unexpected array element.');
    }
    const known = this.#lengths[depth];
    if (known === undefined) this.#lengths[depth] = count;
    else if (known !== count) {
      throw this.#malformed(
        'Multidimensional arrays must have sub-arrays with matching dimensions.',
      );
    }
  }

  #item(): Datum {
    const text = this.#text;
    if (text[this.#at] === '"') return this.#parse(this.#quotedItem());
    let out = '';
    // Blanks at the end don't count, unless they are escaped.
    let kept = 0;
    let escaped = false;
    for (;;) {
      const character = text[this.#at];
      if (character === undefined) throw this.#malformed('Unexpected end of input.');
      if (character === ',' || character === '}') break;
      if (character === '{') throw this.#malformed('Unexpected "{" character.');
      if (character === '"') throw this.#malformed('Unexpected array element.');
      if (character === '\\') {
        const next = text[this.#at + 1];
        if (next === undefined) throw this.#malformed('Unexpected end of input.');
        out += next;
        escaped = true;
        kept = out.length;
        this.#at += 2;
        continue;
      }
      out += character;
      if (!/\s/.test(character)) kept = out.length;
      this.#at++;
    }
    out = out.slice(0, kept);
    if (out === '') throw this.#malformed(`Unexpected "${text[this.#at]}" character.`);
    return !escaped && /^null$/i.test(out) ? null : this.#parse(out);
  }

  #quotedItem(): string {
    const text = this.#text;
    let out = '';
    this.#at++;
    for (;;) {
      const character = text[this.#at++];
      if (character === undefined) throw this.#malformed('Unexpected end of input.');
      if (character === '"') return out;
      if (character === '\\') {
        const next = text[this.#at++];
        if (next === undefined) throw this.#malformed('Unexpected end of input.');
        out += next;
      } else {
        out += character;
      }
    }
  }

  #blanks(): void {
    BLANKS.lastIndex = this.#at;
    BLANKS.exec(this.#text);
    this.#at = BLANKS.lastIndex;
  }

  #malformed(detail: string): DbError {
    return new DbError('22P02', `malformed array literal: "${this.#text}"`, { detail });
  }
}
