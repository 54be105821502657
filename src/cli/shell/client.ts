// The shell's side of the wire: the npm package pg, driven below its query API so that every result of a text, rows
// in PostgreSQL's own text format, and both directions of COPY are seen as they come.

import pg from 'pg';

export interface ShellField {
  readonly name: string;
  readonly typeOid: number;
}

export interface ShellError {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  /** 1-based, in characters. */
  readonly position: number | undefined;
}

/** What a text's run brings, in order. */
export interface ResultHandler {
  fields(fields: readonly ShellField[]): void;
  row(values: readonly (string | null)[]): void;
  complete(tag: string): void;
  error(error: ShellError): void;
  copyOut(chunk: Uint8Array): void;
  /** COPY … FROM STDIN: the data, chunk by chunk; undefined fails the copy. */
  copyIn(): AsyncIterable<Uint8Array> | undefined;
}

/** The parts of pg's connection that its typings leave out. */
interface WireConnection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Uint8Array): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
  readonly stream: {
    readonly writableNeedDrain: boolean;
    once(event: 'drain' | 'close', run: () => void): void;
  };
}

/** One text on its way: pg calls these as messages come in. */
class ShellQuery {
  readonly #text: string;
  readonly #handler: ResultHandler;
  readonly #done: () => void;
  /** A copy's data is read to its end, also when the copy has failed: what follows it is SQL again. */
  #feeding: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(text: string, handler: ResultHandler, done: () => void) {
    this.#text = text;
    this.#handler = handler;
    this.#done = done;
  }

  submit(connection: WireConnection): void {
    connection.query(this.#text);
  }

  handleRowDescription(message: { fields: { name: string; dataTypeID: number }[] }): void {
    this.#handler.fields(message.fields.map((f) => ({ name: f.name, typeOid: f.dataTypeID })));
  }

  handleDataRow(message: { fields: (string | null)[] }): void {
    this.#handler.row(message.fields);
  }

  handleCommandComplete(message: { text: string }): void {
    this.#handler.complete(message.text);
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleReadyForQuery(): void {
    this.#done();
  }

  handleError(error: Error & Record<string, unknown>): void {
    this.#handler.error(shellError(error));
    this.#failed = true;
    // pg keeps the ReadyForQuery behind an error to itself; it holds the next text back until then.
    void this.#feeding.then(this.#done);
  }

  handleCopyInResponse(connection: WireConnection): void {
    const source = this.#handler.copyIn();
    if (source === undefined) {
      connection.sendCopyFail('there is no data to copy from here');
      return;
    }
    this.#feeding = this.#feed(connection, source).catch((error: unknown) => {
      connection.sendCopyFail(error instanceof Error ? error.message : String(error));
    });
  }

  async #feed(connection: WireConnection, source: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of source) {
      if (this.#failed) continue;
      connection.sendCopyFromChunk(chunk);
      if (connection.stream.writableNeedDrain) {
        await new Promise<void>((resolve) => {
          connection.stream.once('drain', resolve);
          connection.stream.once('close', resolve);
        });
      }
    }
    if (!this.#failed) connection.endCopyFrom();
  }

  handleCopyData(message: { chunk: Uint8Array }): void {
    this.#handler.copyOut(message.chunk);
  }
}

export function shellError(error: Error & Record<string, unknown>): ShellError {
  const text = (name: string): string | undefined => error[name] as string | undefined;
  return {
    severity: text('severity') ?? 'ERROR',
    code: text('code') ?? '',
    message: error.message,
    detail: text('detail'),
    hint: text('hint'),
    position: text('position') === undefined ? undefined : Number(text('position')),
  };
}

export class ShellClient {
  readonly #client: pg.Client;
  readonly url: string;
  closed = false;

  private constructor(client: pg.Client, url: string) {
    this.#client = client;
    this.url = url;
  }

  static async connect(url: string, onNotice: (text: string) => void): Promise<ShellClient> {
    const client = new pg.Client({ connectionString: url, application_name: 'meridian sql' });
    const shell = new ShellClient(client, url);
    client.on('notice', (notice) =>
      onNotice(`${notice.severity ?? 'NOTICE'}:  ${notice.message ?? ''}`),
    );
    client.on('error', () => {
      shell.closed = true;
    });
    client.on('end', () => {
      shell.closed = true;
    });
    await client.connect();
    return shell;
  }

  /** Resolves when the server is ready for the next text; errors went to the handler. */
  run(text: string, handler: ResultHandler): Promise<void> {
    return new Promise((resolve) => {
      const query = new ShellQuery(text, handler, resolve);
      (this.#client.query as unknown as (query: ShellQuery) => void).call(this.#client, query);
    });
  }

  /** Rows of one quiet query, for completion and backslash commands. */
  async rows(text: string): Promise<(string | null)[][]> {
    const rows: (string | null)[][] = [];
    let failure: ShellError | undefined;
    await this.run(text, {
      fields: () => undefined,
      row: (values) => rows.push([...values]),
      complete: () => undefined,
      error: (error) => {
        failure = error;
      },
      copyOut: () => undefined,
      copyIn: () => undefined,
    });
    if (failure !== undefined) throw new Error(failure.message);
    return rows;
  }

  /** A CancelRequest on a connection of its own, as psql's Ctrl-C. */
  async cancel(): Promise<void> {
    const { processID, secretKey } = this.#client as unknown as {
      processID: number;
      secretKey: number;
    };
    const { createConnection } = await import('node:net');
    await new Promise<void>((resolve) => {
      const socket = createConnection({ host: this.#client.host, port: this.#client.port }, () => {
        const message = Buffer.alloc(16);
        message.writeInt32BE(16, 0);
        message.writeInt32BE(80877102, 4);
        message.writeInt32BE(processID, 8);
        message.writeUInt32BE(secretKey >>> 0, 12);
        socket.end(message);
      });
      socket.on('error', () => resolve());
      socket.on('close', () => resolve());
    });
  }

  async close(): Promise<void> {
    if (!this.closed) await this.#client.end();
  }
}
