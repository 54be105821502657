// Sending a cursor's rows to a sink: as fast as the sink takes them, at most maxRows at a time, to be gone on with.

import type { Maybe } from '../../base/maybe.ts';
import type { ResultSink } from '../api.ts';
import type { Cursor } from './cursor.ts';
import type { ExecContext, ExecResult, SuspendedExecution } from './plan-api.ts';

/** Rows between two looks at whether the statement was cancelled, when nothing makes it wait. */
const CANCEL_CHECK_ROWS = 1024;

export class RowsRun implements SuspendedExecution {
  readonly #cursor: Cursor;
  readonly #context: ExecContext;
  readonly #emit: (sink: ResultSink) => void;
  readonly #tag: (rows: number) => string;
  #sent = 0;

  /** `emit` sends the cursor's current row; `tag` is given the rows sent by the last run. */
  constructor(
    cursor: Cursor,
    context: ExecContext,
    emit: (sink: ResultSink) => void,
    tag: (rows: number) => string,
  ) {
    this.#cursor = cursor;
    this.#context = context;
    this.#emit = emit;
    this.#tag = tag;
  }

  resume(sink: ResultSink, maxRows: number): Maybe<ExecResult> {
    this.#sent = 0;
    try {
      for (;;) {
        if (maxRows > 0 && this.#sent === maxRows) return this;
        if (sink.full) return this.#later(sink, maxRows, undefined);
        const more = this.#cursor.next();
        if (more instanceof Promise) return this.#later(sink, maxRows, more);
        if (!more) return this.#finish();
        this.#send(sink);
      }
    } catch (error) {
      this.#cursor.close();
      throw error;
    }
  }

  close(): void {
    this.#cursor.close();
  }

  async #later(
    sink: ResultSink,
    maxRows: number,
    pending: Promise<boolean> | undefined,
  ): Promise<ExecResult> {
    try {
      let waiting = pending;
      for (;;) {
        if (waiting === undefined && maxRows > 0 && this.#sent === maxRows) return this;
        if (sink.full) await sink.drained();
        const next: Maybe<boolean> = waiting ?? this.#cursor.next();
        waiting = undefined;
        const more = next instanceof Promise ? await next : next;
        if (!more) return this.#finish();
        this.#send(sink);
      }
    } catch (error) {
      this.#cursor.close();
      throw error;
    }
  }

  #send(sink: ResultSink): void {
    this.#emit(sink);
    this.#sent++;
    if (this.#sent % CANCEL_CHECK_ROWS === 0) this.#context.checkCancelled();
  }

  #finish(): string {
    this.#cursor.close();
    return this.#tag(this.#sent);
  }
}
