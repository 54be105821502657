// COPY … FROM STDIN and TO STDOUT. Data comes and goes in chunks that end anywhere; rows are made of bytes with as few
// strings and objects between as their types allow (bench: micro, copy). This file takes rows in.

import { DbError, type DbErrorFields } from '../../base/errors.ts';
import type { Maybe } from '../../base/maybe.ts';
import { Suspension } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Log } from '../../runtime/runtime.ts';
import type { Transaction, Transactions } from '../../txn/api.ts';
import type { CopyIn } from '../api.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { ColumnDescriptor, TableDescriptor } from '../catalog/descriptor.ts';
import { compileDefault } from '../ddl/defaults.ts';
import { demandTable } from '../ddl/tables.ts';
import type { SessionValues } from '../exec/plan-api.ts';
import { RowWriter } from '../exec/row-writer.ts';
import type { CopyStatement } from '../parse/ast.ts';
import { tableRules } from '../plan/bind-rules.ts';
import { copyColumns } from './columns.ts';
import { fieldDatum, fieldText } from './field-values.ts';
import { CopyFields } from './fields.ts';
import { CopyLines, END_MARK_CORRUPT } from './lines.ts';
import { type CopyOptions, copyOptions } from './options.ts';
import { RowSink } from './row-sink.ts';

export interface CopyFromContext {
  readonly txn: Transaction;
  readonly catalog: CatalogView;
  readonly transactions: Transactions;
  readonly session: SessionValues;
  nextRowId(): number;
  clearIndex(indexId: number): Promise<void>;
  schemaChanged(committed: () => void, rolledBack: () => void): void;
  checkCancelled(): void;
  readonly log: Log;
}

const SHOWN_BYTES_MAX = 100;

/** Throws DbError; so do the calls on what it returns. */
export function startCopyFrom(statement: CopyStatement, ctx: CopyFromContext): CopyIn {
  if (statement.table === undefined) throw new DbError('42601', 'COPY FROM needs a table');
  const table = ctx.catalog.table({ ...statement.table, at: -1 });
  demandTable(table);
  ctx.catalog.use(table);
  const columns = copyColumns(table, statement.columns);
  return new CopyFrom(table, columns, copyOptions(statement), ctx);
}

class CopyFrom implements CopyIn {
  readonly columnCount: number;
  readonly #table: TableDescriptor;
  readonly #columns: readonly ColumnDescriptor[];
  readonly #options: CopyOptions;
  readonly #ctx: CopyFromContext;
  readonly #lines: CopyLines;
  readonly #fields: CopyFields;
  readonly #writer: RowWriter;
  readonly #sink: RowSink;
  readonly #row: Datum[];
  /** Columns that the data leaves out and that have a default. */
  readonly #defaults: readonly {
    readonly position: number;
    readonly evaluate: (session: SessionValues) => Datum;
  }[];
  #headerLeft: boolean;
  /** The line had to wait for the numbers of its sequences. */
  #isTakenAgain = false;
  #ready: Promise<unknown> | undefined;
  #rows = 0;
  #over: Error | undefined;

  constructor(
    table: TableDescriptor,
    columns: readonly ColumnDescriptor[],
    options: CopyOptions,
    ctx: CopyFromContext,
  ) {
    this.columnCount = columns.length;
    this.#table = table;
    this.#columns = columns;
    this.#options = options;
    this.#ctx = ctx;
    this.#lines = new CopyLines(options);
    this.#fields = new CopyFields(options);
    this.#writer = new RowWriter(table, tableRules(table, ctx.catalog));
    this.#row = table.layout.types.map(() => null);
    this.#defaults = table.columns
      .filter((c) => !columns.includes(c) && c.defaultText !== undefined)
      .map((c) => ({ position: c.position, evaluate: compileDefault(c, ctx.catalog) }));
    this.#headerLeft = options.header !== 'none';
    this.#sink = new RowSink(table, this.#writer.indexes, ctx, {
      row: (row, line) =>
        this.#inContext(this.#writer.duplicate(this.#writer.decode(row)), `line ${line}`),
      entry: (error, line) => this.#inContext(error, `line ${line}`),
    });
  }

  data(chunk: Uint8Array): Maybe<void> {
    if (this.#over !== undefined) throw this.#over;
    try {
      this.#ctx.checkCancelled();
      this.#lines.push(chunk);
      if (!this.#parse()) return undefined;
    } catch (error) {
      return this.#fail(error);
    }
    return this.#drain();
  }

  async done(): Promise<string> {
    if (this.#over !== undefined) throw this.#over;
    this.#lines.finish();
    await this.#drain();
    try {
      await this.#sink.finish();
    } catch (error) {
      await this.#fail(error);
    }
    this.#over = new DbError('57014', 'this COPY is over');
    return `COPY ${this.#rows}`;
  }

  fail(message: string): void {
    this.#over ??= new DbError('57014', `COPY from stdin failed: ${message}`);
    void this.#sink.stop();
  }

  /** Rows until the data is used up (false) or a batch is full (true). */
  #parse(): boolean {
    const lines = this.#lines;
    const sink = this.#sink;
    try {
      while (!sink.full) {
        if (!this.#isTakenAgain && !lines.next()) return false;
        this.#isTakenAgain = false;
        if (this.#headerLeft) this.#header();
        else this.#take();
      }
      return true;
    } catch (error) {
      if (!(error instanceof Suspension)) throw this.#inLine(error);
      this.#isTakenAgain = true;
      this.#ready = error.ready;
      return true;
    }
  }

  async #drain(): Promise<void> {
    try {
      while (this.#parse()) {
        if (this.#ready !== undefined) {
          await this.#ready;
          this.#ready = undefined;
          continue;
        }
        await this.#sink.flush();
        if (this.#over !== undefined) throw this.#over;
        this.#ctx.checkCancelled();
      }
    } catch (error) {
      await this.#fail(error);
    }
  }

  /** What is under way lands before the error is told: the rollback that follows clears it. */
  async #fail(error: unknown): Promise<never> {
    this.#over ??= error as Error;
    await this.#sink.stop();
    throw this.#over;
  }

  #take(): void {
    const { bytes, start, end } = this.#lines;
    const fields = this.#fields;
    const columns = this.#columns;
    const row = this.#row;
    fields.split(bytes, start, end, columns.length);
    if (fields.count > columns.length) {
      throw new DbError('22P04', 'extra data after last expected column');
    }
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i] as ColumnDescriptor;
      if (i >= fields.count) {
        throw new DbError('22P04', `missing data for column "${column.name}"`);
      }
      row[column.position] = fields.isNull(i) ? null : this.#value(column, i);
    }
    const defaults = this.#defaults;
    for (let i = 0; i < defaults.length; i++) {
      const { position, evaluate } = defaults[i] as (typeof defaults)[number];
      row[position] = evaluate(this.#ctx.session);
    }
    const writer = this.#writer;
    writer.check(row, this.#ctx.session);
    if (writer.hiddenPosition >= 0) row[writer.hiddenPosition] = this.#ctx.nextRowId();
    this.#sink.add(writer.key(row), writer.encode(row), this.#lines.line);
    if (writer.indexes.length > 0) this.#sink.addEntries(row, this.#lines.line);
    this.#rows++;
  }

  #value(column: ColumnDescriptor, i: number): Datum {
    const fields = this.#fields;
    try {
      return fieldDatum(column.type, fields.bytes(i), fields.start(i), fields.end(i));
    } catch (error) {
      if (isIllegible(error)) throw error;
      const shown = shorten(fields.bytes(i), fields.start(i), fields.end(i));
      throw this.#inContext(error, `line ${this.#lines.line}, column ${column.name}: "${shown}"`);
    }
  }

  #header(): void {
    this.#headerLeft = false;
    if (this.#options.header !== 'match') return;
    const { bytes, start, end } = this.#lines;
    const fields = this.#fields;
    const columns = this.#columns;
    fields.split(bytes, start, end, bytes.length);
    if (fields.count !== columns.length) {
      const counts = `got ${fields.count}, expected ${columns.length}`;
      throw new DbError('22P04', `wrong number of fields in header line: ${counts}`);
    }
    for (let i = 0; i < columns.length; i++) {
      const { name } = columns[i] as ColumnDescriptor;
      const found = fields.isNull(i)
        ? undefined
        : fieldText(fields.bytes(i), fields.start(i), fields.end(i));
      if (found === name) continue;
      const got = found === undefined ? `null value ("${this.#nullText()}")` : `"${found}"`;
      throw new DbError(
        '22P04',
        `column name mismatch in header line field ${i + 1}: got ${got}, expected "${name}"`,
      );
    }
  }

  #nullText(): string {
    return fieldText(this.#options.null, 0, this.#options.null.length);
  }

  /** PostgreSQL's CONTEXT, with the line as it came. */
  #inLine(error: unknown): unknown {
    const { bytes, start, end, line } = this.#lines;
    const shown = end > start && !isIllegible(error) ? `: "${shorten(bytes, start, end)}"` : '';
    return this.#inContext(error, `line ${line}${shown}`);
  }

  #inContext(error: unknown, where: string): unknown {
    if (!(error instanceof DbError) || error.fields.context !== undefined) return error;
    const fields: DbErrorFields = {
      ...error.fields,
      context: `COPY ${this.#table.name}, ${where}`,
    };
    return new DbError(error.code, error.message, fields);
  }
}

/** What PostgreSQL finds before it has the line. */
function isIllegible(error: unknown): boolean {
  if (!(error instanceof DbError)) return false;
  return error.code === '22021' || error.message === END_MARK_CORRUPT;
}

const lossy = new TextDecoder();

function shorten(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHOWN_BYTES_MAX) return lossy.decode(bytes.subarray(start, end));
  let cut = start + SHOWN_BYTES_MAX;
  // Not within a character.
  while (cut > start && ((bytes[cut] as number) & 0xc0) === 0x80) cut--;
  return `${lossy.decode(bytes.subarray(start, cut))}...`;
}
