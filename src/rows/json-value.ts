// JSON texts that are known to be valid, as values: what jsonb's comparison, containment and changes work with. And the
// way back, to jsonb's canonical spelling.

import { compareBytes, utf8 } from '../base/bytes.ts';
import { compareText } from './compare-text.ts';
import { Decimal } from './decimal.ts';

/** Objects hold their keys in jsonb's order when they come from a jsonb. */
export type Json = null | boolean | string | Decimal | readonly Json[] | ReadonlyMap<string, Json>;

export function isJsonArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

export function isJsonObject(value: Json): value is ReadonlyMap<string, Json> {
  return value instanceof Map;
}

let lastText = 'null';
let lastValue: Json = null;

/** Operators are often asked of one value again and again: the last is kept. */
export function readJson(text: string): Json {
  if (text === lastText) return lastValue;
  const value = new Reader(text).value();
  lastText = text;
  lastValue = value;
  return value;
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return at;
    at++;
  }
}

/** Where the string that begins at `from` ends, behind its quote. */
function stringEnd(text: string, from: number): number {
  for (let at = from + 1; ; at++) {
    const code = text.charCodeAt(at);
    if (code === 34) return at + 1;
    if (code === 92) at++;
    if (at >= text.length) return at;
  }
}

const PRIMITIVE = /[^\s,\]}]*/y;

function primitiveEnd(text: string, from: number): number {
  PRIMITIVE.lastIndex = from;
  PRIMITIVE.exec(text);
  return PRIMITIVE.lastIndex;
}

/** Where the value that begins at `from` ends. */
function valueEnd(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === 34) return stringEnd(text, from);
  if (first !== 123 && first !== 91) return primitiveEnd(text, from);
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 34) {
      at = stringEnd(text, at) - 1;
    } else if (code === 123 || code === 91) {
      depth++;
    } else if (code === 125 || code === 93) {
      depth--;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';

export function kindOfJson(text: string): JsonKind {
  switch (text.charCodeAt(skipBlanks(text, 0))) {
    case 123:
      return 'object';
    case 91:
      return 'array';
    case 34:
      return 'string';
    case 116:
    case 102:
      return 'boolean';
    case 110:
      return 'null';
    default:
      return 'number';
  }
}

/** The members of an object or items of an array (whose keys are empty), each as it is written. */
export function jsonParts(text: string): { readonly key: string; readonly value: string }[] {
  const parts: { key: string; value: string }[] = [];
  let at = skipBlanks(text, 0);
  const isObject = text.charCodeAt(at) === 123;
  at = skipBlanks(text, at + 1);
  while (text.charCodeAt(at) !== 125 && text.charCodeAt(at) !== 93) {
    let key = '';
    if (isObject) {
      const end = stringEnd(text, at);
      key = JSON.parse(text.slice(at, end)) as string;
      // Behind the colon.
      at = skipBlanks(text, skipBlanks(text, end) + 1);
    }
    const end = valueEnd(text, at);
    parts.push({ key, value: text.slice(at, end) });
    at = skipBlanks(text, end);
    if (text.charCodeAt(at) === 44) at = skipBlanks(text, at + 1);
  }
  return parts;
}

/** As ->> gives a value: a string without its quotes, null as NULL. */
export function jsonToText(text: string): string | null {
  const kind = kindOfJson(text);
  if (kind === 'null') return null;
  return kind === 'string' ? (JSON.parse(text) as string) : text;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): Json {
    this.#blanks();
    switch (this.#text.charCodeAt(this.#at)) {
      case 123:
        return this.#object();
      case 91:
        return this.#array();
      case 34:
        return this.#string();
      case 116:
        this.#at += 4;
        return true;
      case 102:
        this.#at += 5;
        return false;
      case 110:
        this.#at += 4;
        return null;
      default: {
        const start = this.#at;
        this.#at = primitiveEnd(this.#text, start);
        return Decimal.parse(this.#text.slice(start, this.#at));
      }
    }
  }

  #object(): Json {
    const out = new Map<string, Json>();
    this.#at++;
    this.#blanks();
    while (this.#text.charCodeAt(this.#at) !== 125) {
      const key = this.#string();
      this.#blanks();
      this.#at++;
      out.set(key, this.value());
      this.#blanks();
      if (this.#text.charCodeAt(this.#at) === 44) this.#at++;
      this.#blanks();
    }
    this.#at++;
    return out;
  }

  #array(): Json {
    const out: Json[] = [];
    this.#at++;
    this.#blanks();
    while (this.#text.charCodeAt(this.#at) !== 93) {
      out.push(this.value());
      this.#blanks();
      if (this.#text.charCodeAt(this.#at) === 44) this.#at++;
      this.#blanks();
    }
    this.#at++;
    return out;
  }

  #string(): string {
    const start = this.#at;
    this.#at = stringEnd(this.#text, start);
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #blanks(): void {
    this.#at = skipBlanks(this.#text, this.#at);
  }
}

/** Shorter keys first, then by bytes. */
function compareKeys(a: string, b: string): number {
  const [x, y] = [utf8(a), utf8(b)];
  return x.length - y.length || compareBytes(x, y);
}

/** As jsonb's keys stand. */
export function jsonObject(members: Iterable<readonly [string, Json]>): ReadonlyMap<string, Json> {
  const map = new Map(members);
  return new Map([...map].sort(([a], [b]) => compareKeys(a, b)));
}

/** The canonical spelling. Objects must be in jsonb's order. */
export function writeJson(value: Json): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'string') return quoteJson(value);
  if (value instanceof Decimal) return value.toString();
  if (isJsonArray(value)) return `[${value.map(writeJson).join(', ')}]`;
  const members: string[] = [];
  for (const [key, member] of value as ReadonlyMap<string, Json>) {
    members.push(`${quoteJson(key)}: ${writeJson(member)}`);
  }
  return `{${members.join(', ')}}`;
}

export function quoteJson(text: string): string {
  return JSON.stringify(text);
}

/** In jsonb's order of kinds: null, string, number, boolean, array, object. */
function rank(value: Json): number {
  if (value === null) return 0;
  if (typeof value === 'string') return 1;
  if (value instanceof Decimal) return 2;
  if (typeof value === 'boolean') return 3;
  return isJsonArray(value) ? 4 : 5;
}

function isScalar(value: Json): boolean {
  return rank(value) < 4;
}

export function compareJsonb(a: string, b: string): number {
  if (a === b) return 0;
  const x = readJson(a);
  const y = readJson(b);
  // A scalar at the top is an array of one that is less than any other array of one.
  if (isScalar(x) !== isScalar(y)) {
    const [other, sign] = isScalar(x) ? [y, -1] : [x, 1];
    return isJsonArray(other) && other.length === 0 ? -sign : sign;
  }
  return compareJson(x, y);
}

function compareJson(a: Json, b: Json): number {
  const kind = rank(a) - rank(b);
  if (kind !== 0) return kind;
  if (typeof a === 'string') return compareText(a, b as string);
  if (a instanceof Decimal) return a.compare(b as Decimal);
  if (typeof a === 'boolean') return Number(a) - Number(b);
  if (a === null) return 0;
  if (isJsonArray(a)) {
    const other = b as readonly Json[];
    if (a.length !== other.length) return a.length - other.length;
    for (let i = 0; i < a.length; i++) {
      const order = compareJson(a[i] as Json, other[i] as Json);
      if (order !== 0) return order;
    }
    return 0;
  }
  return compareObjects(a as ReadonlyMap<string, Json>, b as ReadonlyMap<string, Json>);
}

function compareObjects(a: ReadonlyMap<string, Json>, b: ReadonlyMap<string, Json>): number {
  if (a.size !== b.size) return a.size - b.size;
  const others = b.entries();
  for (const [key, value] of a) {
    const [otherKey, otherValue] = others.next().value as [string, Json];
    const order = compareText(key, otherKey) || compareJson(value, otherValue);
    if (order !== 0) return order;
  }
  return 0;
}

/** The same for equal values, whatever their numbers' scales. */
export function jsonbHashKey(text: string): string {
  return /\d\.\d*0(?!\d)/.test(text) ? writeJson(normalized(readJson(text))) : text;
}

function normalized(value: Json): Json {
  if (value instanceof Decimal) return value.normalized();
  if (isJsonArray(value)) return value.map(normalized);
  if (isJsonObject(value)) return new Map([...value].map(([k, v]) => [k, normalized(v)]));
  return value;
}

export function sameJson(a: Json, b: Json): boolean {
  return compareJson(a, b) === 0;
}

/** a @> b. */
export function containsJsonb(a: string, b: string): boolean {
  const x = readJson(a);
  const y = readJson(b);
  if (isJsonObject(x) !== isJsonObject(y)) return false;
  if (isScalar(y)) return isScalar(x) ? sameJson(x, y) : hasItem(x as readonly Json[], y);
  return !isScalar(x) && contains(x, y);
}

function hasItem(array: readonly Json[], item: Json): boolean {
  return array.some((one) => isScalar(one) && sameJson(one, item));
}

function contains(a: Json, b: Json): boolean {
  if (isJsonObject(a) && isJsonObject(b)) {
    for (const [key, wanted] of b) {
      const value = a.get(key);
      if (value === undefined || rank(value) !== rank(wanted)) return false;
      if (isScalar(wanted) ? !sameJson(value, wanted) : !contains(value, wanted)) return false;
    }
    return true;
  }
  if (!isJsonArray(a) || !isJsonArray(b)) return false;
  return b.every((wanted) =>
    isScalar(wanted)
      ? hasItem(a, wanted)
      : a.some((one) => !isScalar(one) && contains(one, wanted)),
  );
}
