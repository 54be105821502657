// jsonb with something changed in it: ||, -, #-, jsonb_set(), jsonb_insert().

import { DbError } from '../base/errors.ts';
import type { ArrayValue, Datum } from './datum.ts';
import { scalar, type ScalarFunction } from './function-types.ts';
import {
  isJsonArray,
  isJsonObject,
  type Json,
  jsonObject,
  readJson,
  writeJson,
} from './json-value.ts';
import { BOOL, INT4, JSONB, TEXT, TEXT_ARRAY } from './types.ts';

function invalid(message: string, hint?: string): DbError {
  return new DbError('22023', message, hint === undefined ? {} : { hint });
}

function concatenate(a: string, b: string): string {
  const x = readJson(a);
  const y = readJson(b);
  if (isJsonObject(x) && isJsonObject(y)) return writeJson(jsonObject([...x, ...y]));
  const isScalar = (value: Json): boolean => !isJsonArray(value) && !isJsonObject(value);
  if ((isJsonObject(x) && isScalar(y)) || (isScalar(x) && isJsonObject(y))) {
    return writeJson([x, y]);
  }
  const items = (value: Json): readonly Json[] => (isJsonArray(value) ? value : [value]);
  return writeJson([...items(x), ...items(y)]);
}

function without(text: string, unwanted: (key: string) => boolean): string {
  const value = readJson(text);
  if (isJsonObject(value)) {
    return writeJson(new Map([...value].filter(([key]) => !unwanted(key))));
  }
  if (!isJsonArray(value)) throw invalid('cannot delete from scalar');
  return writeJson(value.filter((item) => typeof item !== 'string' || !unwanted(item)));
}

function withoutIndex(text: string, index: number): string {
  const value = readJson(text);
  if (isJsonObject(value)) throw invalid('cannot delete from object using integer index');
  if (!isJsonArray(value)) throw invalid('cannot delete from scalar');
  const at = index < 0 ? index + value.length : index;
  return at < 0 || at >= value.length ? text : writeJson(value.filter((_, i) => i !== at));
}

type Change = 'delete' | 'replace' | 'create' | 'before' | 'after';

interface Step {
  readonly path: readonly Datum[];
  readonly change: Change;
  readonly value: Json;
}

/** Deletes nothing and is not content with replacing: what is not there is made. */
function creates(change: Change): boolean {
  return change !== 'delete' && change !== 'replace';
}

function changed(container: Json, step: Step, level: number): Json {
  const key = step.path[level];
  if (key === null || key === undefined) {
    throw new DbError('22004', `path element at position ${level + 1} is null`);
  }
  if (!isJsonArray(container) && !isJsonObject(container)) return container;
  return isJsonObject(container)
    ? changedObject(container, key as string, step, level)
    : changedArray(container, key as string, step, level);
}

function changedObject(
  object: ReadonlyMap<string, Json>,
  key: string,
  step: Step,
  level: number,
): Json {
  const { change, path, value } = step;
  const old = object.get(key);
  const members = new Map(object);
  if (level < path.length - 1) {
    if (old === undefined) return object;
    members.set(key, changed(old, step, level + 1));
    return members;
  }
  if (old === undefined) return creates(change) ? jsonObject([...object, [key, value]]) : object;
  if (change === 'before' || change === 'after') {
    throw invalid(
      'cannot replace existing key',
      'Try using the function jsonb_set to replace key value.',
    );
  }
  if (change === 'delete') members.delete(key);
  else members.set(key, value);
  return members;
}

const INTEGER = /^[ \t\n\v\f\r]*[+-]?\d+$/;

function changedArray(array: readonly Json[], key: string, step: Step, level: number): Json {
  const { change, path, value } = step;
  const index = Number(key);
  if (!INTEGER.test(key) || index > 2147483647 || index < -2147483648) {
    throw new DbError('22P02', `path element at position ${level + 1} is not an integer: "${key}"`);
  }
  const isLast = level === path.length - 1;
  const at = index < 0 ? index + array.length : index;
  if (at < 0 || at >= array.length) {
    if (!isLast || !creates(change)) return array;
    return at < 0 ? [value, ...array] : [...array, value];
  }
  const old = array[at] as Json;
  const parts: Record<Change, () => readonly Json[]> = {
    delete: () => [],
    replace: () => [value],
    create: () => [value],
    before: () => [value, old],
    after: () => [old, value],
  };
  const here = isLast ? parts[change]() : [changed(old, step, level + 1)];
  return [...array.slice(0, at), ...here, ...array.slice(at + 1)];
}

function pathOf(path: ArrayValue): readonly Datum[] {
  if (path.dimensions > 1) throw new DbError('2202E', 'wrong number of array subscripts');
  return path.items;
}

function change(
  text: string,
  path: ArrayValue,
  value: string,
  kind: Change,
  complaint: string,
): string {
  const target = readJson(text);
  const steps = pathOf(path);
  if (!isJsonArray(target) && !isJsonObject(target)) throw invalid(complaint);
  if (steps.length === 0) return text;
  const isEmpty = isJsonArray(target) ? target.length === 0 : target.size === 0;
  if (isEmpty && !creates(kind)) return text;
  // Read after the target: reading keeps one value.
  return writeJson(changed(target, { path: steps, change: kind, value: readJson(value) }, 0));
}

const SET = 'cannot set path in scalar';

const set = (text: string, path: ArrayValue, value: string, create = true): string =>
  change(text, path, value, create ? 'create' : 'replace', SET);
const insert = (text: string, path: ArrayValue, value: string, after = false): string =>
  change(text, path, value, after ? 'after' : 'before', SET);
const removePath = (text: string, path: ArrayValue): string =>
  change(text, path, 'null', 'delete', 'cannot delete path in scalar');

export const jsonChanges: readonly ScalarFunction[] = [
  scalar('||', [JSONB, JSONB], JSONB, concatenate),
  scalar('-', [JSONB, TEXT], JSONB, (text: string, key: string) =>
    without(text, (one) => one === key),
  ),
  scalar('-', [JSONB, TEXT_ARRAY], JSONB, (text: string, keys: ArrayValue) => {
    const unwanted = new Set(pathOf(keys));
    return without(text, (one) => unwanted.has(one));
  }),
  scalar('-', [JSONB, INT4], JSONB, withoutIndex),
  scalar('#-', [JSONB, TEXT_ARRAY], JSONB, removePath),
  scalar('jsonb_delete_path', [JSONB, TEXT_ARRAY], JSONB, removePath),
  scalar('jsonb_set', [JSONB, TEXT_ARRAY, JSONB], JSONB, set),
  scalar('jsonb_set', [JSONB, TEXT_ARRAY, JSONB, BOOL], JSONB, set),
  scalar('jsonb_insert', [JSONB, TEXT_ARRAY, JSONB], JSONB, insert),
  scalar('jsonb_insert', [JSONB, TEXT_ARRAY, JSONB, BOOL], JSONB, insert),
];
