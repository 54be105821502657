// Passes results on and counts the rows: what has been sent can't be retried.

import type { DbError } from '../../base/errors.ts';
import type { Datum } from '../../rows/datum.ts';
import type { RowView } from '../../rows/row-codec.ts';
import type { ResultField, ResultSink } from '../api.ts';

export class CountingSink implements ResultSink {
  readonly #sink: ResultSink;
  rows = 0;

  constructor(sink: ResultSink) {
    this.#sink = sink;
  }

  fields(fields: readonly ResultField[]): void {
    this.#sink.fields(fields);
  }

  tuple(values: readonly Datum[]): void {
    this.rows += 1;
    this.#sink.tuple(values);
  }

  stored(row: RowView, positions: readonly number[]): void {
    this.rows += 1;
    this.#sink.stored(row, positions);
  }

  complete(tag: string): void {
    this.#sink.complete(tag);
  }

  emptyQuery(): void {
    this.#sink.emptyQuery();
  }

  suspended(): void {
    this.#sink.suspended();
  }

  notice(severity: 'NOTICE' | 'WARNING' | 'INFO', code: string, message: string): void {
    this.#sink.notice(severity, code, message);
  }

  parameterStatus(name: string, value: string): void {
    this.#sink.parameterStatus(name, value);
  }

  error(error: DbError): void {
    this.#sink.error(error);
  }

  copyOut(columnCount: number): void {
    this.#sink.copyOut(columnCount);
  }

  copyData(chunk: Uint8Array): void {
    this.#sink.copyData(chunk);
  }

  copyOutDone(): void {
    this.#sink.copyOutDone();
  }

  get full(): boolean {
    return this.#sink.full;
  }

  drained(): Promise<void> {
    return this.#sink.drained();
  }
}
