// What the shell does with a statement, wherever it came from (-e, -f, stdin, terminal): run it, print what comes
// back, remember whether anything failed.

import { type ResultHandler, ShellClient, type ShellError, type ShellField } from './client.ts';
import { formatError, formatTable } from './table.ts';

/** Rows gathered before a table is printed: beyond it the table goes out in pieces of this size. */
const PAGE_ROWS = 10_000;

export interface ShellOutput {
  out(text: string): void;
  err(text: string): void;
}

/** Where COPY … FROM STDIN reads from. */
export type CopySource = () => AsyncIterable<Uint8Array>;

export class ShellSession {
  readonly client: ShellClient;
  readonly output: ShellOutput;
  timing = false;
  expanded = false;
  nullText = '';
  failed = false;

  constructor(client: ShellClient, output: ShellOutput) {
    this.client = client;
    this.output = output;
  }

  /** Answers whether it went well. */
  async run(statement: string, copySource: CopySource | undefined): Promise<boolean> {
    const started = performance.now();
    const printer = new Printer(this, statement, copySource);
    await this.client.run(statement, printer);
    if (this.timing) this.output.out(`Time: ${(performance.now() - started).toFixed(3)} ms\n`);
    if (printer.failed) this.failed = true;
    return !printer.failed;
  }
}

class Printer implements ResultHandler {
  readonly #session: ShellSession;
  readonly #statement: string;
  readonly #copySource: CopySource | undefined;
  #fields: readonly ShellField[] | undefined;
  #rows: (readonly (string | null)[])[] = [];
  failed = false;

  constructor(session: ShellSession, statement: string, copySource: CopySource | undefined) {
    this.#session = session;
    this.#statement = statement;
    this.#copySource = copySource;
  }

  fields(fields: readonly ShellField[]): void {
    this.#fields = fields;
    this.#rows = [];
  }

  row(values: readonly (string | null)[]): void {
    this.#rows.push(values);
    if (this.#rows.length >= PAGE_ROWS) {
      this.#table();
      this.#rows = [];
    }
  }

  complete(tag: string): void {
    if (this.#fields !== undefined) this.#table();
    // A command that returned rows has said enough, unless it also changed some.
    if (this.#fields === undefined || !/^(SELECT|SHOW|EXPLAIN)\b/.test(tag)) {
      this.#session.output.out(`${tag}\n`);
    }
    this.#fields = undefined;
    this.#rows = [];
  }

  error(error: ShellError): void {
    this.failed = true;
    this.#fields = undefined;
    this.#rows = [];
    this.#session.output.err(formatError(error, this.#statement));
  }

  copyOut(chunk: Uint8Array): void {
    this.#session.output.out(Buffer.from(chunk).toString('utf8'));
  }

  copyIn(): AsyncIterable<Uint8Array> | undefined {
    return this.#copySource?.();
  }

  #table(): void {
    const { expanded, nullText } = this.#session;
    this.#session.output.out(formatTable(this.#fields ?? [], this.#rows, { expanded, nullText }));
  }
}
