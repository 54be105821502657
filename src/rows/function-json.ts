// Functions and operators of json and jsonb. json is a text, whose parts come out as they were written; jsonb is always
// in its canonical spelling (json.ts), so that both are taken apart alike.

import { DbError } from '../base/errors.ts';
import type { ArrayValue, Datum } from './datum.ts';
import { jsonChanges } from './function-json-change.ts';
import { ANY_VALUE, scalar, type ScalarFunction, typed, withNulls } from './function-types.ts';
import { parseJsonb } from './json.ts';
import {
  containsJsonb,
  jsonParts,
  jsonToText,
  kindOfJson,
  quoteJson,
  readJson,
  isJsonObject,
} from './json-value.ts';
import { jsonKeyWriter, jsonWriter } from './to-json.ts';
import {
  ANYARRAY,
  ANYELEMENT,
  BOOL,
  type ColumnType,
  INT4,
  JSON_TYPE,
  JSONB,
  TEXT,
  TEXT_ARRAY,
} from './types.ts';

function member(text: string, key: string): string | null {
  if (kindOfJson(text) !== 'object') return null;
  // The last of equal keys counts.
  return jsonParts(text).findLast((part) => part.key === key)?.value ?? null;
}

function item(text: string, index: number, isBinary: boolean): string | null {
  const kind = kindOfJson(text);
  if (kind === 'object') return null;
  if (kind !== 'array') {
    // To jsonb, a scalar at the top is an array of one.
    return isBinary && (index === 0 || index === -1) ? text : null;
  }
  const parts = jsonParts(text);
  return parts[index < 0 ? index + parts.length : index]?.value ?? null;
}

/** A path's element as an index of an array. */
const INDEX = /^[ \t\n\v\f\r]*[+-]?\d{1,10}$/;

function atPath(text: string, path: readonly Datum[]): string | null {
  let at: string | null = text;
  for (const step of path) {
    if (at === null || step === null) return null;
    const kind = kindOfJson(at);
    if (kind === 'object') at = member(at, step as string);
    else if (kind === 'array' && INDEX.test(step as string)) at = item(at, Number(step), false);
    else return null;
  }
  return at;
}

function asText(value: string | null): string | null {
  return value === null ? null : jsonToText(value);
}

/** -> and its like of one of the two types. */
function navigation(oid: number, prefix: string): readonly ScalarFunction[] {
  const isBinary = oid === JSONB;
  const path = (array: ArrayValue): readonly Datum[] => array.items;
  const indexed = (text: string, index: number): string | null => item(text, index, isBinary);
  return [
    ...['->', `${prefix}_object_field`].map((name) => scalar(name, [oid, TEXT], oid, member)),
    ...['->', `${prefix}_array_element`].map((name) => scalar(name, [oid, INT4], oid, indexed)),
    ...['->>', `${prefix}_object_field_text`].map((name) =>
      scalar(name, [oid, TEXT], TEXT, (text: string, key: string) => asText(member(text, key))),
    ),
    ...['->>', `${prefix}_array_element_text`].map((name) =>
      scalar(name, [oid, INT4], TEXT, (text: string, i: number) => asText(indexed(text, i))),
    ),
    scalar('#>', [oid, TEXT_ARRAY], oid, (text: string, keys: ArrayValue) =>
      atPath(text, path(keys)),
    ),
    scalar('#>>', [oid, TEXT_ARRAY], TEXT, (text: string, keys: ArrayValue) =>
      asText(atPath(text, path(keys))),
    ),
    variadic(`${prefix}_extract_path`, [oid, TEXT], oid, (text: string, ...keys: string[]) =>
      atPath(text, keys),
    ),
    variadic(`${prefix}_extract_path_text`, [oid, TEXT], TEXT, (text: string, ...keys: string[]) =>
      asText(atPath(text, keys)),
    ),
    scalar(`${prefix}_typeof`, [oid], TEXT, kindOfJson),
    scalar(`${prefix}_array_length`, [oid], INT4, arrayLength),
  ];
}

function variadic(
  name: string,
  argOids: readonly number[],
  resultOid: number,
  body: (...args: never[]) => Datum,
): ScalarFunction {
  return typed(name, argOids, resultOid, true, () => body, true);
}

function arrayLength(text: string): number {
  const kind = kindOfJson(text);
  if (kind === 'array') return jsonParts(text).length;
  const what = kind === 'object' ? 'a non-array' : 'a scalar';
  throw new DbError('22023', `cannot get array length of ${what}`);
}

/** A key of the object, a string among the array's items, or the string itself. */
function exists(text: string, key: string): boolean {
  const value = readJson(text);
  if (isJsonObject(value)) return value.has(key);
  return Array.isArray(value) ? value.includes(key) : value === key;
}

function stripNulls(text: string, separators: readonly [member: string, colon: string]): string {
  const [comma, colon] = separators;
  const kind = kindOfJson(text);
  if (kind === 'object') {
    const members = jsonParts(text)
      .filter(({ value }) => kindOfJson(value) !== 'null')
      .map(({ key, value }) => `${quoteJson(key)}${colon}${stripNulls(value, separators)}`);
    return `{${members.join(comma)}}`;
  }
  if (kind !== 'array') return text.trim();
  return `[${jsonParts(text)
    .map(({ value }) => stripNulls(value, separators))
    .join(comma)}]`;
}

function pretty(text: string, indent = ''): string {
  const kind = kindOfJson(text);
  if (kind !== 'object' && kind !== 'array') return text;
  const inner = `${indent}    `;
  const lines = jsonParts(text).map(({ key, value }) => {
    const shown = pretty(value, inner);
    return `${inner}${kind === 'object' ? `${quoteJson(key)}: ` : ''}${shown}`;
  });
  const [open, close] = kind === 'object' ? '{}' : '[]';
  return `${open}\n${lines.length === 0 ? '' : `${lines.join(',\n')}\n`}${indent}${close}`;
}

const same = (text: string): string => text;

function buildObject(name: string, types: readonly ColumnType[]): (...values: Datum[]) => string {
  const keys = types.map((type, i) => (i % 2 === 0 ? jsonKeyWriter(type) : jsonWriter(type)));
  return (...values) => {
    if (values.length % 2 !== 0) {
      throw new DbError('22023', 'argument list must have even number of elements', {
        hint: `The arguments of ${name}() must consist of alternating keys and values.`,
      });
    }
    const members: string[] = [];
    for (let i = 0; i < values.length; i += 2) {
      const key = values[i] as Datum;
      if (key === null) {
        throw new DbError('22023', `argument ${i + 1} cannot be null`, {
          hint: 'Object keys should be text.',
        });
      }
      members.push(`${keys[i]?.(key)} : ${keys[i + 1]?.(values[i + 1] as Datum)}`);
    }
    return `{${members.join(', ')}}`;
  };
}

function buildArray(types: readonly ColumnType[]): (...values: Datum[]) => string {
  const writers = types.map(jsonWriter);
  return (...values) => `[${values.map((value, i) => writers[i]?.(value)).join(', ')}]`;
}

/** json_object('{a,1,b,2}'), or of keys and values. */
function objectOfTexts(pairs: ArrayValue): string {
  const { items, lengths } = pairs;
  if (lengths.length > 2) throw new DbError('2202E', 'wrong number of array subscripts');
  if (lengths.length === 2 && lengths[1] !== 2) {
    throw new DbError('2202E', 'array must have two columns');
  }
  if (items.length % 2 !== 0) {
    throw new DbError('2202E', 'array must have even number of elements');
  }
  const members: string[] = [];
  for (let i = 0; i < items.length; i += 2) {
    members.push(textMember(items[i] as string | null, items[i + 1] as string | null));
  }
  return `{${members.join(', ')}}`;
}

function objectOfTwo(keys: ArrayValue, values: ArrayValue): string {
  if (keys.dimensions > 1 || keys.dimensions !== values.dimensions) {
    throw new DbError('2202E', 'wrong number of array subscripts');
  }
  if (keys.items.length !== values.items.length) {
    throw new DbError('2202E', 'mismatched array dimensions');
  }
  const members = keys.items.map((key, i) =>
    textMember(key as string | null, values.items[i] as string | null),
  );
  return `{${members.join(', ')}}`;
}

function textMember(key: string | null, value: string | null): string {
  if (key === null) throw new DbError('22004', 'null value not allowed for object key');
  return `${quoteJson(key)} : ${value === null ? 'null' : quoteJson(value)}`;
}

/** What makes JSON, in both types: jsonb is json read back. */
function making(oid: number, prefix: string): readonly ScalarFunction[] {
  const finish = oid === JSONB ? parseJsonb : same;
  const built =
    (make: (types: readonly ColumnType[]) => (...values: Datum[]) => string) =>
    (types: readonly ColumnType[]): ((...values: Datum[]) => string) => {
      const build = make(types);
      return (...values) => finish(build(...values));
    };
  const objectName = `${prefix}_build_object`;
  const separators = oid === JSONB ? ([', ', ': '] as const) : ([',', ':'] as const);
  return [
    typed(`to_${prefix}`, [ANYELEMENT], oid, true, ([type]) => {
      const write = jsonWriter(type as ColumnType);
      return (value: Datum) => finish(write(value));
    }),
    typed(
      objectName,
      [ANY_VALUE],
      oid,
      false,
      built((types) => buildObject(objectName, types)),
      true,
    ),
    withNulls(objectName, [], oid, () => '{}'),
    typed(`${prefix}_build_array`, [ANY_VALUE], oid, false, built(buildArray), true),
    withNulls(`${prefix}_build_array`, [], oid, () => '[]'),
    scalar(`${prefix}_object`, [TEXT_ARRAY], oid, (pairs: ArrayValue) =>
      finish(objectOfTexts(pairs)),
    ),
    scalar(`${prefix}_object`, [TEXT_ARRAY, TEXT_ARRAY], oid, (keys: ArrayValue, v: ArrayValue) =>
      finish(objectOfTwo(keys, v)),
    ),
    scalar(`${prefix}_strip_nulls`, [oid], oid, (text: string) => stripNulls(text, separators)),
  ];
}

const jsonbOnly: readonly ScalarFunction[] = [
  scalar('@>', [JSONB, JSONB], BOOL, containsJsonb),
  scalar('<@', [JSONB, JSONB], BOOL, (a: string, b: string) => containsJsonb(b, a)),
  ...['?', 'jsonb_exists'].map((name) => scalar(name, [JSONB, TEXT], BOOL, exists)),
  ...['?|', 'jsonb_exists_any'].map((name) =>
    scalar(name, [JSONB, TEXT_ARRAY], BOOL, (text: string, keys: ArrayValue) =>
      keys.items.some((key) => key !== null && exists(text, key as string)),
    ),
  ),
  ...['?&', 'jsonb_exists_all'].map((name) =>
    scalar(name, [JSONB, TEXT_ARRAY], BOOL, (text: string, keys: ArrayValue) =>
      keys.items.every((key) => key === null || exists(text, key as string)),
    ),
  ),
  scalar('jsonb_pretty', [JSONB], TEXT, (text: string) => pretty(text)),
  typed('array_to_json', [ANYARRAY], JSON_TYPE, true, ([type]) => jsonWriter(type as ColumnType)),
];

export const jsonFunctions: readonly ScalarFunction[] = [
  ...navigation(JSON_TYPE, 'json'),
  ...navigation(JSONB, 'jsonb'),
  ...making(JSON_TYPE, 'json'),
  ...making(JSONB, 'jsonb'),
  ...jsonbOnly,
  ...jsonChanges,
];
