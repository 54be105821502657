// What every statement that writes rows does with one: checks NOT NULL, encodes key and row, and words the complaints.
// COPY writes through it too.

import { DbError } from '../../base/errors.ts';
import type { Datum } from '../../rows/datum.ts';
import { encodeRow, type RowLayout, RowView } from '../../rows/row-codec.ts';
import { formatText } from '../../rows/text-format.ts';
import type { ColumnDescriptor, TableDescriptor } from '../catalog/descriptor.ts';
import type { ColumnType } from '../../rows/types.ts';
import { RowKeys } from './key-spans.ts';

/** Characters of a value that a message shows. */
const SHOWN_CHARACTERS_MAX = 64;

export class RowWriter {
  readonly table: TableDescriptor;
  /** Storage position of the hidden key; -1 where there is none. */
  readonly hiddenPosition: number;
  readonly #keys: RowKeys;
  readonly #layout: RowLayout;
  readonly #notNull: readonly ColumnDescriptor[];
  readonly #keyPositions: ReadonlySet<number>;

  constructor(table: TableDescriptor) {
    this.table = table;
    this.#layout = table.layout;
    this.#keys = new RowKeys(
      table.primary,
      table.layout.types.map((type) => type.oid),
    );
    this.#notNull = table.columns.filter((c) => c.notNull && !c.hidden);
    this.hiddenPosition = table.columns.find((c) => c.hidden)?.position ?? -1;
    this.#keyPositions = new Set(table.primary.columns.map((c) => c.position));
  }

  isKey(position: number): boolean {
    return this.#keyPositions.has(position);
  }

  /** Throws 23502. `values` are by storage position. */
  check(values: readonly Datum[]): void {
    for (let i = 0; i < this.#notNull.length; i++) {
      const column = this.#notNull[i] as ColumnDescriptor;
      if (values[column.position] === null) throw this.#nullViolation(column, values);
    }
  }

  key(values: readonly Datum[]): Uint8Array {
    return this.#keys.key(values);
  }

  encode(values: readonly Datum[]): Uint8Array {
    return encodeRow(this.#layout, values);
  }

  decode(bytes: Uint8Array): Datum[] {
    const view = new RowView();
    view.reset(this.#layout, bytes, 0, bytes.length);
    return this.#layout.types.map((_, position) => view.datum(position));
  }

  duplicate(values: readonly Datum[]): DbError {
    const { table } = this;
    const columns = table.primary.columns.map(({ position }) => ({
      name: table.columns.find((c) => c.position === position)?.name ?? '',
      value: this.#shown(position, values[position] as Datum),
    }));
    const names = columns.map((c) => c.name).join(', ');
    const shown = columns.map((c) => c.value).join(', ');
    return new DbError(
      '23505',
      `duplicate key value violates unique constraint "${table.primary.name}"`,
      {
        detail: `Key (${names})=(${shown}) already exists.`,
        table: table.name,
        constraint: table.primary.name,
      },
    );
  }

  #nullViolation(column: ColumnDescriptor, values: readonly Datum[]): DbError {
    const { table } = this;
    const shown = table.columns
      .filter((c) => !c.hidden)
      .map((c) => this.#shown(c.position, values[c.position] as Datum));
    return new DbError(
      '23502',
      `null value in column "${column.name}" of relation "${table.name}" violates not-null constraint`,
      {
        detail: `Failing row contains (${shown.join(', ')}).`,
        table: table.name,
        column: column.name,
      },
    );
  }

  #shown(position: number, value: Datum): string {
    if (value === null) return 'null';
    const text = formatText(this.#layout.types[position] as ColumnType, value);
    return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}...`;
  }
}

/** A key as a Map's key: one character for each byte. */
export function keyText(key: Uint8Array): string {
  let text = '';
  for (let i = 0; i < key.length; i++) text += String.fromCharCode(key[i] as number);
  return text;
}
