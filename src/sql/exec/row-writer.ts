// What every statement that writes rows does with one: makes generated columns, checks NOT NULL and CHECK, encodes key,
// row and the entries of its indexes, and words the complaints. COPY writes through it too.

import { DbError } from '../../base/errors.ts';
import { type CompiledExpr, compileExpr, TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import { encodeRow, type RowLayout, RowView } from '../../rows/row-codec.ts';
import type { ColumnType } from '../../rows/types.ts';
import { type ColumnDescriptor, columnAt, type TableDescriptor } from '../catalog/descriptor.ts';
import type { SessionCall } from '../plan/session-functions.ts';
import type { TableRules } from '../plan/table-rules.ts';
import { duplicateKey, shownValue } from './duplicates.ts';
import { IndexEntries } from './index-entries.ts';
import { RowKeys } from './key-spans.ts';
import type { SessionValues } from './plan-api.ts';

export class RowWriter {
  readonly table: TableDescriptor;
  /** Storage position of the hidden key; -1 where there is none. */
  readonly hiddenPosition: number;
  readonly #keys: RowKeys;
  readonly #layout: RowLayout;
  readonly #notNull: readonly ColumnDescriptor[];
  readonly #keyPositions: ReadonlySet<number>;
  readonly indexes: readonly IndexEntries[];
  readonly #generated: readonly { readonly position: number; readonly value: CompiledExpr }[];
  readonly #checks: readonly { readonly name: string; readonly holds: CompiledExpr }[];
  readonly #slots: readonly CompiledSlot[];
  readonly #view = new TupleView();

  constructor(table: TableDescriptor, rules: TableRules) {
    this.table = table;
    this.indexes = rules.indexes.map((rule) => new IndexEntries(table, rule));
    this.#generated = rules.generated.map(({ position, expr }) => ({
      position,
      value: compileExpr(expr),
    }));
    this.#checks = rules.checks.map(({ name, expr }) => ({ name, holds: compileExpr(expr) }));
    this.#slots = rules.slots.map((slot) => ({
      slot,
      args: slot.args.map(compileExpr),
    }));
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

  /** Fills generated columns in; throws 23502 and 23514. `values` are by storage position. */
  check(values: Datum[], session: SessionValues): void {
    if (this.#generated.length > 0) this.#generate(values);
    for (let i = 0; i < this.#notNull.length; i++) {
      const column = this.#notNull[i] as ColumnDescriptor;
      if (values[column.position] === null) throw this.#nullViolation(column, values);
    }
    if (this.#checks.length > 0) this.#checkAll(values, session);
  }

  #generate(values: Datum[]): void {
    this.#view.values = values;
    for (const { position, value } of this.#generated) values[position] = value(this.#view, NONE);
  }

  /** NULL is not false: it passes. */
  #checkAll(values: readonly Datum[], session: SessionValues): void {
    this.#view.values = values;
    const params = this.#slots.map(({ slot, args }) =>
      slot.function.evaluate(
        session,
        args.map((arg) => arg(this.#view, NONE)),
      ),
    );
    for (const { name, holds } of this.#checks) {
      if (holds(this.#view, params) === false) throw this.#checkViolation(name, values);
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
    const parts = table.primary.columns.map(({ position }) => ({
      name: columnAt(table, position)?.name ?? '',
      type: this.#layout.types[position] as ColumnType,
      value: values[position] as Datum,
    }));
    return duplicateKey(table.name, table.primary.name, parts);
  }

  #checkViolation(name: string, values: readonly Datum[]): DbError {
    const { table } = this;
    return new DbError(
      '23514',
      `new row for relation "${table.name}" violates check constraint "${name}"`,
      { detail: this.#failingRow(values), table: table.name, constraint: name },
    );
  }

  #nullViolation(column: ColumnDescriptor, values: readonly Datum[]): DbError {
    const { table } = this;
    return new DbError(
      '23502',
      `null value in column "${column.name}" of relation "${table.name}" violates not-null constraint`,
      {
        detail: this.#failingRow(values),
        table: table.name,
        column: column.name,
      },
    );
  }

  #failingRow(values: readonly Datum[]): string {
    const shown = this.table.columns
      .filter((c) => !c.hidden)
      .map((c) => shownValue(c.type, values[c.position] as Datum));
    return `Failing row contains (${shown.join(', ')}).`;
  }
}

const NONE: readonly Datum[] = [];

interface CompiledSlot {
  readonly slot: SessionCall;
  readonly args: readonly CompiledExpr[];
}
