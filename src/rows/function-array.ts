// Functions of arrays. Those of SQL take arrays of any type; what arrays are made with and taken apart by in SQL's own
// syntax (ARRAY[…], a[1], a[1:2]) are functions too, under names that no call can have.

import { DbError, unsupported } from '../base/errors.ts';
import {
  DIMENSIONS_MAX,
  itemCount,
  sameNumbers,
  stacked,
  tooLarge,
  tooManyDimensions,
} from './array.ts';
import { ArrayValue, type Datum, equalDatums } from './datum.ts';
import { scalar, type ScalarFunction, typed, withNulls } from './function-types.ts';
import { formatText } from './text-format.ts';
import {
  ANYARRAY,
  ANYCOMPATIBLE,
  ANYCOMPATIBLEARRAY,
  ANYELEMENT,
  BOOL,
  type ColumnType,
  columnType,
  elementOf,
  INT4,
  INT4_ARRAY,
  TEXT,
  TEXT_ARRAY,
} from './types.ts';

export const ARRAY_CONSTRUCTOR = '[ARRAY](any…)';
export const SUBSCRIPT = '[subscript](any,int4…)';
export const SLICE = '[slice](any,bool,int4,bool,int4…)';

type Maybe = ArrayValue | null;

function elementOfResult(result: ColumnType): number {
  return elementOf(result.oid) ?? TEXT;
}

function construct(elementOid: number, isNested: boolean): (...items: Datum[]) => ArrayValue {
  return isNested
    ? (...items) => stacked(elementOid, items as Maybe[])
    : (...items) => ArrayValue.of(elementOid, items);
}

/** The item at these subscripts; null where there is none. */
function subscript(array: Maybe, ...indices: Datum[]): Datum {
  if (array === null || indices.includes(null) || indices.length !== array.dimensions) return null;
  let at = 0;
  for (let i = 0; i < indices.length; i++) {
    const offset = (indices[i] as number) - (array.lowers[i] as number);
    const length = array.lengths[i] as number;
    if (offset < 0 || offset >= length) return null;
    at = at * length + offset;
  }
  return array.items[at] as Datum;
}

/** For each subscript: whether it has a lower bound, that, and the same of the upper one. */
function slice(array: Maybe, ...limits: Datum[]): Datum {
  if (array === null) return null;
  const count = limits.length / 4;
  const from: number[] = [];
  const lengths: number[] = [];
  let isNull = false;
  for (let i = 0; i < Math.max(count, array.dimensions); i++) {
    const [hasLower, lower, hasUpper, upper] = limits.slice(i * 4, i * 4 + 4);
    if ((hasLower === true && lower === null) || (hasUpper === true && upper === null))
      isNull = true;
    const first = array.lowers[i] ?? 1;
    const length = array.lengths[i] ?? 0;
    const start = Math.max(hasLower === true ? (lower as number) : first, first);
    const last = first + length - 1;
    const end = Math.min(hasUpper === true ? (upper as number) : last, last);
    from.push(start - first);
    lengths.push(end - start + 1);
  }
  if (isNull) return null;
  const { elementOid } = array;
  if (count > array.dimensions || lengths.some((length) => length <= 0)) {
    return ArrayValue.of(elementOid, []);
  }
  const items: Datum[] = [];
  const take = (dimension: number, base: number): void => {
    const start = base * (array.lengths[dimension] as number) + (from[dimension] as number);
    for (let i = 0; i < (lengths[dimension] as number); i++) {
      if (dimension + 1 < array.dimensions) take(dimension + 1, start + i);
      else items.push(array.items[start + i] as Datum);
    }
  };
  take(0, 0);
  return new ArrayValue(
    elementOid,
    lengths,
    lengths.map(() => 1),
    items,
  );
}

function append(elementOid: number, array: Maybe, item: Datum): ArrayValue {
  if (array === null || array.isEmpty) return ArrayValue.of(elementOid, [item]);
  expectOneDimension(array);
  return ArrayValue.of(elementOid, [...array.items, item], array.lowers[0]);
}

function prepend(elementOid: number, item: Datum, array: Maybe): ArrayValue {
  if (array === null || array.isEmpty) return ArrayValue.of(elementOid, [item]);
  expectOneDimension(array);
  return ArrayValue.of(elementOid, [item, ...array.items], array.lowers[0]);
}

function expectOneDimension(array: ArrayValue): void {
  if (array.dimensions > 1) {
    throw new DbError('22000', 'argument must be empty or one-dimensional array');
  }
}

function concatenate(a: Maybe, b: Maybe): Datum {
  if (a === null || b === null) return a ?? b;
  if (a.isEmpty) return b;
  if (b.isEmpty) return a;
  const items = [...a.items, ...b.items];
  const dimensions = Math.max(a.dimensions, b.dimensions);
  // What is beneath the outermost dimension must be alike; an array of one dimension less is one item.
  const inner = (array: ArrayValue, of: readonly number[]): readonly number[] =>
    of.slice(array.dimensions - dimensions + 1);
  if (Math.abs(a.dimensions - b.dimensions) > 1) {
    throw incompatible(
      `Arrays of ${a.dimensions} and ${b.dimensions} dimensions are not compatible for concatenation.`,
    );
  }
  const [x, y] = [inner(a, a.lengths), inner(b, b.lengths)];
  if (!sameNumbers(x, y) || !sameNumbers(inner(a, a.lowers), inner(b, b.lowers))) {
    throw incompatible(
      a.dimensions === b.dimensions
        ? 'Arrays with differing element dimensions are not compatible for concatenation.'
        : 'Arrays with differing dimensions are not compatible for concatenation.',
    );
  }
  const whole = a.dimensions >= b.dimensions ? a : b;
  const outer = (array: ArrayValue): number =>
    array.dimensions === dimensions ? (array.lengths[0] as number) : 1;
  const lengths = [outer(a) + outer(b), ...whole.lengths.slice(1)];
  itemCount(lengths);
  return new ArrayValue(a.elementOid, lengths, whole.lowers, items);
}

function incompatible(detail: string): DbError {
  return new DbError('2202E', 'cannot concatenate incompatible arrays', { detail });
}

function positions(array: ArrayValue, wanted: Datum): number[] {
  if (array.dimensions > 1) {
    throw unsupported('searching for elements in multidimensional arrays');
  }
  const lower = array.lowers[0] ?? 1;
  const found: number[] = [];
  array.items.forEach((item, i) => {
    if (equalDatums(array.elementOid, item, wanted)) found.push(lower + i);
  });
  return found;
}

function position(array: Maybe, wanted: Datum, from: Datum): Datum {
  if (array === null) return null;
  if (from === null) throw new DbError('22004', 'initial position must not be null');
  return positions(array, wanted).find((at) => at >= (from as number)) ?? null;
}

function remove(array: Maybe, unwanted: Datum): Datum {
  if (array === null || array.isEmpty) return array;
  if (array.dimensions > 1) throw unsupported('removing elements from multidimensional arrays');
  const items = array.items.filter((item) => !equalDatums(array.elementOid, item, unwanted));
  return items.length === array.items.length
    ? array
    : ArrayValue.of(array.elementOid, items, array.lowers[0]);
}

function replace(array: Maybe, from: Datum, to: Datum): Datum {
  if (array === null) return null;
  const { elementOid, items } = array;
  return array.withItems(
    elementOid,
    items.map((item) => (equalDatums(elementOid, item, from) ? to : item)),
  );
}

function dimension(array: ArrayValue, number: number): number | undefined {
  return number >= 1 && number <= array.dimensions ? number - 1 : undefined;
}

function lengthOf(array: ArrayValue, number: number): number | null {
  const at = dimension(array, number);
  return at === undefined ? null : (array.lengths[at] as number);
}

function lowerOf(array: ArrayValue, number: number): number | null {
  const at = dimension(array, number);
  return at === undefined ? null : (array.lowers[at] as number);
}

function upperOf(array: ArrayValue, number: number): number | null {
  const lower = lowerOf(array, number);
  return lower === null ? null : lower + (lengthOf(array, number) as number) - 1;
}

function dimsText(array: ArrayValue): string | null {
  if (array.isEmpty) return null;
  return array.lengths
    .map((length, i) => `[${array.lowers[i]}:${(array.lowers[i] as number) + length - 1}]`)
    .join('');
}

function toText(type: ColumnType): (array: Maybe, separator: Datum, forNull: Datum) => Datum {
  const element = columnType(elementOf(type.oid) ?? TEXT, type.modifier);
  return (array, separator, forNull) => {
    if (array === null || separator === null) return null;
    const parts: string[] = [];
    for (const item of array.items) {
      if (item !== null) parts.push(formatText(element, item));
      else if (typeof forNull === 'string') parts.push(forNull);
    }
    return parts.join(separator as string);
  };
}

function splitText(text: Datum, separator: Datum, forNull: Datum = null): Datum {
  if (text === null) return null;
  if (text === '') return ArrayValue.of(TEXT, []);
  const whole = text as string;
  const parts =
    separator === null ? [...whole] : separator === '' ? [whole] : whole.split(separator as string);
  return ArrayValue.of(
    TEXT,
    parts.map((part) => (part === forNull ? null : part)),
  );
}

/** As numbers; the arguments that say a shape. */
function shape(array: ArrayValue, what: string): number[] {
  if (array.dimensions > 1) {
    throw new DbError('2202E', 'wrong number of array subscripts', {
      detail: 'Dimension array must be one dimensional.',
    });
  }
  if (array.items.includes(null)) throw new DbError('22004', `${what} values cannot be null`);
  return array.items as number[];
}

function filled(
  elementOid: number,
  item: Datum,
  lengths: Maybe,
  lowers: Maybe | undefined,
): ArrayValue {
  if (lengths === null || lowers === null) {
    throw new DbError('22004', 'dimension array or low bound array cannot be null');
  }
  const sizes = shape(lengths, 'dimension');
  const starts = lowers === undefined ? undefined : shape(lowers, 'dimension');
  if (sizes.length > DIMENSIONS_MAX) throw tooManyDimensions(sizes.length);
  if (starts !== undefined && sizes.length !== starts.length) {
    throw new DbError('2202E', 'wrong number of array subscripts', {
      detail: 'Low bound array has different size than dimensions array.',
    });
  }
  if (sizes.some((size) => size < 0)) throw tooLarge();
  const count = itemCount(sizes);
  if (count === 0) return ArrayValue.of(elementOid, []);
  const from = starts ?? sizes.map(() => 1);
  return new ArrayValue(elementOid, sizes, from, new Array<Datum>(count).fill(item));
}

function trimmed(array: ArrayValue, count: number): Datum {
  const length = array.lengths[0] ?? 0;
  if (count < 0 || count > length) {
    throw new DbError('2202E', `number of elements to trim must be between 0 and ${length}`);
  }
  return slice(array, false, null, true, (array.lowers[0] ?? 1) + length - count - 1);
}

/** NULLs are equal to nothing. */
function containsAll(a: ArrayValue, b: ArrayValue): boolean {
  return b.items.every(
    (wanted) =>
      wanted !== null && a.items.some((item) => item !== null && same(a.elementOid, item, wanted)),
  );
}

function overlap(a: ArrayValue, b: ArrayValue): boolean {
  return b.items.some(
    (wanted) =>
      wanted !== null && a.items.some((item) => item !== null && same(a.elementOid, item, wanted)),
  );
}

function same(oid: number, a: Datum, b: Datum): boolean {
  return equalDatums(oid, a, b);
}

const syntax: readonly ScalarFunction[] = [
  {
    ...typed('[ARRAY]', [], ANYARRAY, false, (args, result) => {
      const first = args[0];
      const isNested = first !== undefined && elementOf(first.oid) !== undefined;
      return construct(elementOfResult(result), isNested) as (...items: never[]) => Datum;
    }),
    name: ARRAY_CONSTRUCTOR,
  },
  { ...withNulls('[subscript]', [ANYARRAY], ANYELEMENT, subscript as never), name: SUBSCRIPT },
  { ...withNulls('[slice]', [ANYARRAY], ANYARRAY, slice as never), name: SLICE },
];

const COMPATIBLE = [ANYCOMPATIBLEARRAY, ANYCOMPATIBLE] as const;

const building: readonly ScalarFunction[] = [
  ...['array_append', '||'].map((name) =>
    typed(
      name,
      COMPATIBLE,
      ANYCOMPATIBLEARRAY,
      false,
      (_args, result) => (array: Maybe, item: Datum) =>
        append(elementOfResult(result), array, item),
    ),
  ),
  ...['array_prepend', '||'].map((name) =>
    typed(
      name,
      [ANYCOMPATIBLE, ANYCOMPATIBLEARRAY],
      ANYCOMPATIBLEARRAY,
      false,
      (_args, result) => (item: Datum, array: Maybe) =>
        prepend(elementOfResult(result), item, array),
    ),
  ),
  ...['array_cat', '||'].map((name) =>
    withNulls(name, [ANYCOMPATIBLEARRAY, ANYCOMPATIBLEARRAY], ANYCOMPATIBLEARRAY, concatenate),
  ),
  withNulls('array_remove', COMPATIBLE, ANYCOMPATIBLEARRAY, remove),
  withNulls(
    'array_replace',
    [ANYCOMPATIBLEARRAY, ANYCOMPATIBLE, ANYCOMPATIBLE],
    ANYCOMPATIBLEARRAY,
    replace,
  ),
  typed(
    'array_fill',
    [ANYELEMENT, INT4_ARRAY],
    ANYARRAY,
    false,
    (_args, result) => (item: Datum, lengths: Maybe) =>
      filled(elementOfResult(result), item, lengths, undefined),
  ),
  typed(
    'array_fill',
    [ANYELEMENT, INT4_ARRAY, INT4_ARRAY],
    ANYARRAY,
    false,
    (_args, result) => (item: Datum, lengths: Maybe, lowers: Maybe) =>
      filled(elementOfResult(result), item, lengths, lowers),
  ),
  scalar('trim_array', [ANYARRAY, INT4], ANYARRAY, trimmed),
];

const asking: readonly ScalarFunction[] = [
  withNulls('array_position', COMPATIBLE, INT4, (array: Maybe, item: Datum) =>
    position(array, item, -2147483648),
  ),
  withNulls('array_position', [...COMPATIBLE, INT4], INT4, position),
  withNulls('array_positions', COMPATIBLE, INT4_ARRAY, (array: Maybe, item: Datum) =>
    array === null ? null : ArrayValue.of(INT4, positions(array, item)),
  ),
  scalar('array_length', [ANYARRAY, INT4], INT4, lengthOf),
  scalar('array_lower', [ANYARRAY, INT4], INT4, lowerOf),
  scalar('array_upper', [ANYARRAY, INT4], INT4, upperOf),
  scalar('array_ndims', [ANYARRAY], INT4, (array: ArrayValue) => array.dimensions || null),
  scalar('array_dims', [ANYARRAY], TEXT, dimsText),
  scalar('cardinality', [ANYARRAY], INT4, (array: ArrayValue) => array.items.length),
  scalar('@>', [ANYARRAY, ANYARRAY], BOOL, containsAll),
  scalar('<@', [ANYARRAY, ANYARRAY], BOOL, (a: ArrayValue, b: ArrayValue) => containsAll(b, a)),
  scalar('&&', [ANYARRAY, ANYARRAY], BOOL, overlap),
];

const texts: readonly ScalarFunction[] = [
  typed('array_to_string', [ANYARRAY, TEXT], TEXT, true, ([type]) => toText(type as ColumnType)),
  typed('array_to_string', [ANYARRAY, TEXT, TEXT], TEXT, false, ([type]) =>
    toText(type as ColumnType),
  ),
  withNulls('string_to_array', [TEXT, TEXT], TEXT_ARRAY, splitText),
  withNulls('string_to_array', [TEXT, TEXT, TEXT], TEXT_ARRAY, splitText),
];

export const arrayFunctions: readonly ScalarFunction[] = [
  ...syntax,
  ...building,
  ...asking,
  ...texts,
];
