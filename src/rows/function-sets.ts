// Functions that answer many rows, beside generate_series() and unnest(): the parts of JSON, of texts, and all matches of
// a regular expression.

import { DbError } from '../base/errors.ts';
import { ArrayValue, type Datum } from './datum.ts';
import { allMatches, splitByPattern } from './function-regex.ts';
import { type JsonKind, jsonParts, jsonToText, kindOfJson } from './json-value.ts';
import { JSON_TYPE, JSONB, TEXT, TEXT_ARRAY } from './types.ts';

type Rows = Iterable<readonly Datum[]>;

export interface SetFunction {
  readonly name: string;
  readonly argOids: readonly number[];
  /** NULL among the arguments makes no rows, unless it is said here. */
  readonly takesNulls: boolean;
  /** Undefined: the column is called like the function. */
  readonly columns: readonly { readonly name: string | undefined; readonly oid: number }[];
  readonly rows: (...args: Datum[]) => Rows;
}

function expectKind(name: string, text: string, wanted: 'array' | 'object'): void {
  const kind = kindOfJson(text);
  if (kind !== wanted) throw new DbError('22023', complaint(name, kind, wanted));
}

function complaint(name: string, kind: JsonKind, wanted: 'array' | 'object'): string {
  const isScalar = kind !== 'array' && kind !== 'object';
  const isJsonb = name.startsWith('jsonb');
  if (wanted === 'array') {
    if (isJsonb) return `cannot extract elements from ${isScalar ? 'a scalar' : 'an object'}`;
    return `cannot call ${name} on ${isScalar ? 'a scalar' : 'a non-array'}`;
  }
  if (name.endsWith('keys')) return `cannot call ${name} on ${isScalar ? 'a scalar' : 'an array'}`;
  if (isJsonb) return `cannot call ${name} on a non-object`;
  return isScalar ? 'cannot deconstruct a scalar' : 'cannot deconstruct an array as an object';
}

/** Of one of the two types; those that give texts too. */
function ofJson(oid: number, prefix: string): readonly SetFunction[] {
  const make = (
    name: string,
    wanted: 'array' | 'object',
    columns: SetFunction['columns'],
    row: (part: { readonly key: string; readonly value: string }) => readonly Datum[],
  ): SetFunction => ({
    name,
    argOids: [oid],
    takesNulls: false,
    columns,
    rows: (text) => {
      expectKind(name, text as string, wanted);
      return jsonParts(text as string).map(row);
    },
  });
  const key = { name: 'key', oid: TEXT };
  return [
    make(`${prefix}_array_elements`, 'array', [{ name: 'value', oid }], ({ value }) => [value]),
    make(`${prefix}_array_elements_text`, 'array', [{ name: 'value', oid: TEXT }], ({ value }) => [
      jsonToText(value),
    ]),
    make(`${prefix}_each`, 'object', [key, { name: 'value', oid }], (part) => [
      part.key,
      part.value,
    ]),
    make(`${prefix}_each_text`, 'object', [key, { name: 'value', oid: TEXT }], (part) => [
      part.key,
      jsonToText(part.value),
    ]),
    make(`${prefix}_object_keys`, 'object', [{ name: undefined, oid: TEXT }], (part) => [part.key]),
  ];
}

const one = (oid: number): SetFunction['columns'] => [{ name: undefined, oid }];

function* items(array: Datum): Rows {
  if (array instanceof ArrayValue) for (const item of array.items) yield [item];
}

function splitText(text: Datum, separator: Datum, forNull: Datum = null): Rows {
  if (text === null || text === '') return [];
  const whole = text as string;
  const parts =
    separator === null ? [...whole] : separator === '' ? [whole] : whole.split(separator as string);
  return parts.map((part) => [part === forNull ? null : part]);
}

function ofPatterns(extra: readonly number[]): readonly SetFunction[] {
  const argOids = [TEXT, TEXT, ...extra];
  return [
    {
      name: 'regexp_matches',
      argOids,
      takesNulls: false,
      columns: one(TEXT_ARRAY),
      rows: (text, pattern, flags = '') =>
        allMatches(text as string, pattern as string, flags as string).map((match) => [match]),
    },
    {
      name: 'regexp_split_to_table',
      argOids,
      takesNulls: false,
      columns: one(TEXT),
      rows: (text, pattern, flags = '') =>
        items(
          splitByPattern(
            'regexp_split_to_table',
            text as string,
            pattern as string,
            flags as string,
          ),
        ),
    },
    {
      name: 'string_to_table',
      argOids,
      takesNulls: true,
      columns: one(TEXT),
      rows: splitText,
    },
  ];
}

export const setFunctions: readonly SetFunction[] = [
  ...ofJson(JSON_TYPE, 'json'),
  ...ofJson(JSONB, 'jsonb'),
  ...ofPatterns([]),
  ...ofPatterns([TEXT]),
];
