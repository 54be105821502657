// Aggregates that keep all values: array_agg, and those that make JSON. NULLs are values to them.

import { DbError } from '../base/errors.ts';
import type { Accumulator } from './accumulators.ts';
import { stacked } from './array.ts';
import { ArrayValue, type Datum } from './datum.ts';
import { parseJsonb } from './json.ts';
import { jsonParts, quoteJson } from './json-value.ts';
import type { RowAccess } from './row-codec.ts';
import { jsonKeyWriter, jsonWriter } from './to-json.ts';
import { type ColumnType, columnType, elementOf, INT4, JSON_TYPE, JSONB, TEXT } from './types.ts';

export class ArrayList implements Accumulator {
  readonly takesNulls = true;
  readonly partialTypes: readonly ColumnType[];
  private readonly elementOid: number;
  private readonly items: Datum[] = [];

  constructor(type: ColumnType) {
    this.partialTypes = [type];
    this.elementOid = elementOf(type.oid) ?? INT4;
  }

  add(value: Datum): void {
    this.items.push(value);
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.finish();
  }

  mergePartial(row: RowAccess, at: number): void {
    const array = row.datum(at) as ArrayValue | null;
    for (const item of array?.items ?? []) this.items.push(item);
  }

  finish(): Datum {
    return this.items.length === 0 ? null : ArrayValue.of(this.elementOid, this.items.slice());
  }
}

/** array_agg of arrays: they become the rows of one with a dimension more. */
export class ArrayStack implements Accumulator {
  readonly takesNulls = true;
  readonly partialTypes: readonly ColumnType[];
  private readonly elementOid: number;
  private readonly arrays: ArrayValue[] = [];

  constructor(type: ColumnType) {
    this.partialTypes = [type];
    this.elementOid = elementOf(type.oid) ?? INT4;
  }

  add(value: Datum): void {
    if (value === null) throw new DbError('22004', 'cannot accumulate null arrays');
    const array = value as ArrayValue;
    if (array.isEmpty) throw new DbError('2202E', 'cannot accumulate empty arrays');
    const [first] = this.arrays;
    if (first !== undefined && first.dimensions !== array.dimensions) throw uneven();
    if (first !== undefined && first.lengths.some((length, i) => length !== array.lengths[i])) {
      throw uneven();
    }
    this.arrays.push(array);
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.finish();
  }

  mergePartial(row: RowAccess, at: number): void {
    const all = row.datum(at) as ArrayValue | null;
    if (all === null) return;
    const [count = 1, ...lengths] = all.lengths;
    const size = all.items.length / count;
    for (let i = 0; i < count; i++) {
      const items = all.items.slice(i * size, (i + 1) * size);
      this.add(new ArrayValue(all.elementOid, lengths, all.lowers.slice(1), items));
    }
  }

  finish(): Datum {
    const [first] = this.arrays;
    if (first === undefined) return null;
    const { lowers } = first;
    const alike = this.arrays.map(
      (array) => new ArrayValue(array.elementOid, array.lengths, lowers, array.items),
    );
    return stacked(this.elementOid, alike);
  }
}

function uneven(): DbError {
  return new DbError('2202E', 'cannot accumulate arrays of different dimensionality');
}

/** json_agg and jsonb_agg. */
export class JsonList implements Accumulator {
  readonly takesNulls = true;
  readonly partialTypes: readonly ColumnType[] = [columnType(JSON_TYPE)];
  private readonly oid: number;
  private readonly write: (value: Datum) => string;
  private readonly separator: string;
  private text = '';

  constructor(oid: number, argument: ColumnType) {
    this.oid = oid;
    this.write = jsonWriter(argument);
    // What has parts gets a line of its own.
    this.separator = elementOf(argument.oid) === undefined ? ', ' : ', \n ';
  }

  add(value: Datum): void {
    this.append(this.write(value), value === null ? ', ' : this.separator);
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.text === '' ? null : `[${this.text}]`;
  }

  mergePartial(row: RowAccess, at: number): void {
    const text = row.datum(at) as string | null;
    if (text !== null) for (const { value } of jsonParts(text)) this.append(value, this.separator);
  }

  finish(): Datum {
    if (this.text === '') return null;
    const all = `[${this.text}]`;
    return this.oid === JSONB ? parseJsonb(all) : all;
  }

  private append(item: string, separator: string): void {
    this.text += this.text === '' ? item : separator + item;
  }
}

/** json_object_agg and jsonb_object_agg. */
export class JsonObjectList implements Accumulator {
  readonly takesNulls = true;
  readonly partialTypes: readonly ColumnType[] = [columnType(TEXT)];
  private readonly oid: number;
  private readonly writeKey: (value: Datum) => string;
  private readonly writeValue: (value: Datum) => string;
  private text = '';

  constructor(oid: number, key: ColumnType, value: ColumnType) {
    this.oid = oid;
    this.writeKey = jsonKeyWriter(key);
    this.writeValue = jsonWriter(value);
  }

  add(key: Datum, value: Datum): void {
    if (key === null) throw new DbError('22023', 'field name must not be null');
    this.append(this.writeKey(key), this.writeValue(value));
  }

  writePartial(out: Datum[], at: number): void {
    out[at] = this.text === '' ? null : `{${this.text}}`;
  }

  mergePartial(row: RowAccess, at: number): void {
    const text = row.datum(at) as string | null;
    if (text === null) return;
    for (const { key, value } of jsonParts(text)) this.append(quoteJson(key), value);
  }

  finish(): Datum {
    if (this.text === '') return null;
    return this.oid === JSONB ? parseJsonb(`{${this.text}}`) : `{ ${this.text} }`;
  }

  private append(key: string, value: string): void {
    this.text += `${this.text === '' ? '' : ', '}${key} : ${value}`;
  }
}
