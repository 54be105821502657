// The entries of one secondary index: made of a row, and read back to find it.

import { ByteWriter } from '../../base/bytes.ts';
import type { DbError } from '../../base/errors.ts';
import { type CompiledExpr, compileExpr, TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import { encodeKeyDatum, keyPrefix } from '../../rows/key-codec.ts';
import { decodeRow, encodeRow, type RowLayout, RowView } from '../../rows/row-codec.ts';
import type { ColumnType } from '../../rows/types.ts';
import {
  columnAt,
  type IndexColumn,
  type SecondaryIndex,
  type TableDescriptor,
} from '../catalog/descriptor.ts';
import type { IndexRule } from '../plan/table-rules.ts';
import { duplicateKey, type KeyPart } from './duplicates.ts';
import { RowKeys } from './key-spans.ts';

const NONE: readonly Datum[] = [];
const scratch = new ByteWriter(64);

export class IndexEntries {
  readonly index: SecondaryIndex;
  readonly rule: IndexRule;
  readonly #table: TableDescriptor;
  readonly #prefix: Uint8Array;
  readonly #expressions: readonly CompiledExpr[];
  readonly #predicate: CompiledExpr | undefined;
  readonly #primary: EntryKeys;
  readonly #row = new TupleView();

  constructor(table: TableDescriptor, rule: IndexRule) {
    this.index = rule.index;
    this.rule = rule;
    this.#table = table;
    this.#prefix = keyPrefix(rule.index.id);
    this.#expressions = rule.expressions.map(compileExpr);
    this.#predicate = rule.predicate === undefined ? undefined : compileExpr(rule.predicate);
    this.#primary = new EntryKeys(table, rule);
  }

  /** Undefined: the row has no entry. `values` are the row's, by storage position. */
  entry(values: readonly Datum[]): IndexEntry | undefined {
    const row = this.#row;
    row.values = values;
    if (this.#predicate !== undefined && this.#predicate(row, NONE) !== true) return undefined;
    const made = this.#expressions.map((expression) => expression(row, NONE));
    const { index, rule } = this;
    scratch.reset();
    scratch.raw(this.#prefix);
    let isUnique = index.unique;
    for (let i = 0; i < index.columns.length; i++) {
      const { position, descending, nullsFirst } = index.columns[i] as IndexColumn;
      const value = (position >= 0 ? values[position] : made[-1 - position]) as Datum;
      if (value === null) isUnique = false;
      const { oid } = rule.types[i] as ColumnType;
      encodeKeyDatum(scratch, oid, value, descending, nullsFirst);
    }
    if (!isUnique) this.#primary.append(values, scratch);
    const key = scratch.take();
    const held = rule.positions.map((position) => values[position] as Datum);
    return { key, isUnique, value: encodeRow(rule.layout, [...held, ...made]) };
  }

  /** The key under which the entry's row lies. */
  rowKey(entry: Uint8Array): Uint8Array {
    return this.#primary.rowKey(entry);
  }

  /** Of a row that has an entry. */
  duplicate(values: readonly Datum[]): DbError {
    return this.duplicateOf(this.entry(values)?.value as Uint8Array);
  }

  duplicateOf(entry: Uint8Array): DbError {
    return duplicateKey(this.#table.name, this.index.name, this.keyOf(entry));
  }

  /** The index's columns, as messages show them. */
  keyOf(entry: Uint8Array): readonly KeyPart[] {
    const { index, rule } = this;
    const held = decodeRow(rule.layout, entry);
    return index.columns.map(({ position }, i) => {
      const expression = index.expressions[-1 - position]?.text ?? '';
      const place =
        position >= 0 ? rule.positions.indexOf(position) : rule.positions.length - 1 - position;
      return {
        name: columnAt(this.#table, position)?.name ?? expression,
        type: rule.types[i] as ColumnType,
        value: held[place] as Datum,
      };
    });
  }
}

export interface IndexEntry {
  readonly key: Uint8Array;
  /** No other row may have this key. */
  readonly isUnique: boolean;
  readonly value: Uint8Array;
}

/** From entries, whole or without what is not needed for it, to the keys of their rows. */
export class EntryKeys {
  readonly #keys: RowKeys;
  readonly #columns: readonly IndexColumn[];
  readonly #oids: readonly number[];
  readonly #layout: RowLayout;
  /** Where an entry has the columns of the primary key. */
  readonly #places: readonly number[];
  readonly #view = new RowView();
  readonly #values: Datum[];

  /** `layout`: of entries of which only the columns of the primary key are left, in its order. */
  constructor(table: TableDescriptor, rule: IndexRule, layout?: RowLayout) {
    const oids = table.layout.types.map((type) => type.oid);
    this.#keys = new RowKeys(table.primary, oids);
    this.#columns = table.primary.columns;
    this.#oids = this.#columns.map(({ position }) => oids[position] as number);
    this.#layout = layout ?? rule.layout;
    this.#places = this.#columns.map(({ position }, i) =>
      layout === undefined ? rule.positions.indexOf(position) : i,
    );
    this.#values = table.layout.types.map(() => null);
  }

  /** The primary key behind an index's columns. */
  append(values: readonly Datum[], writer: ByteWriter): void {
    for (let i = 0; i < this.#columns.length; i++) {
      const { position, descending, nullsFirst } = this.#columns[i] as IndexColumn;
      const value = values[position] as Datum;
      encodeKeyDatum(writer, this.#oids[i] as number, value, descending, nullsFirst);
    }
  }

  rowKey(entry: Uint8Array): Uint8Array {
    this.#view.reset(this.#layout, entry, 0, entry.length);
    return this.rowKeyOf(this.#view);
  }

  rowKeyOf(entry: RowView): Uint8Array {
    for (let i = 0; i < this.#columns.length; i++) {
      const { position } = this.#columns[i] as IndexColumn;
      this.#values[position] = entry.datum(this.#places[i] as number);
    }
    return this.#keys.key(this.#values);
  }
}
