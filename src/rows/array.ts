// Arrays in memory: any number of dimensions up to six, each with its own lower bound, items in row-major order.

import { DbError } from '../base/errors.ts';

/** PostgreSQL's MAXDIM and MaxArraySize. */
export const DIMENSIONS_MAX = 6;
const ITEMS_MAX = 134_217_727;

const NONE: readonly number[] = [];

/** Immutable. Datums are its items (datum.ts). */
export class ArrayOf<Item> {
  readonly elementOid: number;
  /** The length of each dimension; none for the empty array. */
  readonly lengths: readonly number[];
  /** The subscript of the first item of each dimension. */
  readonly lowers: readonly number[];
  readonly items: readonly Item[];

  constructor(
    elementOid: number,
    lengths: readonly number[],
    lowers: readonly number[],
    items: readonly Item[],
  ) {
    this.elementOid = elementOid;
    this.lengths = lengths;
    this.lowers = lowers;
    this.items = items;
  }

  static of<Item>(elementOid: number, items: readonly Item[], lower = 1): ArrayOf<Item> {
    if (items.length === 0) return new ArrayOf<Item>(elementOid, NONE, NONE, []);
    return new ArrayOf(elementOid, [items.length], [lower], items);
  }

  get dimensions(): number {
    return this.lengths.length;
  }

  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  /** The same shape with other items. */
  withItems(elementOid: number, items: readonly Item[]): ArrayOf<Item> {
    return new ArrayOf(elementOid, this.lengths, this.lowers, items);
  }
}

export function tooManyDimensions(count: number): DbError {
  return new DbError(
    '54000',
    `number of array dimensions (${count}) exceeds the maximum allowed (${DIMENSIONS_MAX})`,
  );
}

export function tooLarge(): DbError {
  return new DbError('54000', `array size exceeds the maximum allowed (${ITEMS_MAX})`);
}

/** The number of items that these lengths make; throws 54000. */
export function itemCount(lengths: readonly number[]): number {
  let count = lengths.length === 0 ? 0 : 1;
  for (const length of lengths) {
    count *= length;
    if (count > ITEMS_MAX) throw tooLarge();
  }
  return count;
}

/** ARRAY[…] of arrays: they must be of one shape, and are one dimension less than what they make. */
export function stacked<Item>(
  elementOid: number,
  arrays: readonly (ArrayOf<Item> | null)[],
): ArrayOf<Item> {
  const [first] = arrays;
  const full = arrays.filter((array) => array !== null && !array.isEmpty) as ArrayOf<Item>[];
  if (full.length === 0) return ArrayOf.of(elementOid, []);
  if (full.length < arrays.length || first === null || first === undefined) throw unevenShapes();
  if (first.dimensions + 1 > DIMENSIONS_MAX) throw tooManyDimensions(first.dimensions + 1);
  const items: Item[] = [];
  for (const array of full) {
    if (!sameNumbers(array.lengths, first.lengths) || !sameNumbers(array.lowers, first.lowers)) {
      throw unevenShapes();
    }
    for (const item of array.items) items.push(item);
  }
  return new ArrayOf(elementOid, [arrays.length, ...first.lengths], [1, ...first.lowers], items);
}

function unevenShapes(): DbError {
  return new DbError(
    '2202E',
    'multidimensional arrays must have array expressions with matching dimensions',
  );
}

export function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

/** PostgreSQL's order: item by item (NULLs last), then by how many, dimensions, lengths and lower bounds. */
export function compareArrays<Item>(
  a: ArrayOf<Item>,
  b: ArrayOf<Item>,
  compareItems: (a: Item, b: Item) => number,
): number {
  const shorter = Math.min(a.items.length, b.items.length);
  for (let i = 0; i < shorter; i++) {
    const x = a.items[i] as Item;
    const y = b.items[i] as Item;
    if (x === null || y === null) {
      if (x === y) continue;
      return x === null ? 1 : -1;
    }
    const order = compareItems(x, y);
    if (order !== 0) return order;
  }
  if (a.items.length !== b.items.length) return a.items.length - b.items.length;
  if (a.dimensions !== b.dimensions) return a.dimensions - b.dimensions;
  for (let i = 0; i < a.dimensions; i++) {
    const order = (a.lengths[i] as number) - (b.lengths[i] as number);
    if (order !== 0) return order;
  }
  for (let i = 0; i < a.dimensions; i++) {
    const order = (a.lowers[i] as number) - (b.lowers[i] as number);
    if (order !== 0) return order;
  }
  return 0;
}
