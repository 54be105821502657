// COPY … TO STDOUT: the rows of a plan as text or CSV, one CopyData message each, as PostgreSQL sends them.

import { ByteWriter, utf8 } from '../../base/bytes.ts';
import { formatTextInto } from '../../rows/binary-format.ts';
import type { Datum } from '../../rows/datum.ts';
import type { RowView } from '../../rows/row-codec.ts';
import { storedToText } from '../../rows/stored-format.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { ResultField, ResultSink } from '../api.ts';
import type { CompiledPlan, ExecContext } from '../exec/plan-api.ts';
import type { CopyStatement } from '../parse/ast.ts';
import { FieldWriter } from './field-writer.ts';
import { type CopyOptions, copyOptions } from './options.ts';

/** The command tag. */
export async function runCopyTo(
  statement: CopyStatement,
  plan: CompiledPlan,
  context: ExecContext,
  sink: ResultSink,
): Promise<string> {
  const options = copyOptions(statement);
  const fields = plan.fields ?? [];
  const rows = new CopyRows(options, fields, sink);
  sink.copyOut(fields.length);
  if (options.header !== 'none') rows.header();
  await plan.execute(context, [], rows, 0);
  sink.copyOutDone();
  return `COPY ${rows.count}`;
}

const NEWLINE = 10;

/** The sink that the plan's rows go to. */
class CopyRows implements ResultSink {
  count = 0;
  readonly #fields: readonly ResultField[];
  readonly #sink: ResultSink;
  readonly #out = new ByteWriter(1024);
  readonly #writer: FieldWriter;
  readonly #delimiter: number;

  constructor(options: CopyOptions, fields: readonly ResultField[], sink: ResultSink) {
    this.#fields = fields;
    this.#sink = sink;
    this.#delimiter = options.delimiter;
    this.#writer = new FieldWriter(options, this.#out, fields.length);
  }

  header(): void {
    const out = this.#out;
    this.#fields.forEach((field, i) => {
      if (i > 0) out.u8(this.#delimiter);
      const start = out.length;
      out.raw(utf8(field.name));
      this.#writer.finish(start, false);
    });
    this.#send();
  }

  tuple(values: readonly Datum[]): void {
    const out = this.#out;
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i++) {
      if (i > 0) out.u8(this.#delimiter);
      const value = values[i] as Datum;
      if (value === null) {
        this.#writer.null();
        continue;
      }
      const { type } = fields[i] as ResultField;
      const start = out.length;
      formatTextInto(type, value, out);
      this.#writer.finish(start, this.#writer.isPlain(type));
    }
    this.#send();
    this.count++;
  }

  stored(row: RowView, positions: readonly number[]): void {
    const out = this.#out;
    for (let i = 0; i < positions.length; i++) {
      if (i > 0) out.u8(this.#delimiter);
      const position = positions[i] as number;
      if (row.isNull(position)) {
        this.#writer.null();
        continue;
      }
      const type = row.layout.types[position] as ColumnType;
      const start = out.length;
      storedToText(type, row, position, out);
      this.#writer.finish(start, this.#writer.isPlain(type));
    }
    this.#send();
    this.count++;
  }

  #send(): void {
    const out = this.#out;
    out.u8(NEWLINE);
    this.#sink.copyData(out.peek());
    out.reset();
  }

  get full(): boolean {
    return this.#sink.full;
  }

  drained(): Promise<void> {
    return this.#sink.drained();
  }

  notice(severity: 'NOTICE' | 'WARNING' | 'INFO', code: string, message: string): void {
    this.#sink.notice(severity, code, message);
  }

  parameterStatus(name: string, value: string): void {
    this.#sink.parameterStatus(name, value);
  }

  error(error: Parameters<ResultSink['error']>[0]): void {
    this.#sink.error(error);
  }

  // A plan sends rows and nothing else.
  fields(): void {}
  complete(): void {}
  emptyQuery(): void {}
  suspended(): void {}
  copyOut(): void {}
  copyData(): void {}
  copyOutDone(): void {}
}
