// PostgreSQL's protocol at its barest, for tests that must say exactly which message they send and see exactly which
// ones come back: pipelines, row limits, formats, COPY, errors in the middle.

import { connect, type Socket } from 'node:net';

export interface Message {
  readonly type: string;
  readonly body: Buffer;
}

export interface Field {
  readonly name: string;
  readonly tableId: number;
  readonly column: number;
  readonly typeOid: number;
  readonly modifier: number;
  readonly format: number;
}

/** What errors and notices say, by PostgreSQL's field letters: C code, M message, P position, H hint, D detail. */
export type ErrorFields = Readonly<Record<string, string>>;

export type Bound = string | Buffer | null;

export interface BindOptions {
  readonly portal?: string;
  readonly statement?: string;
  readonly values?: readonly Bound[];
  readonly formats?: readonly number[];
  readonly resultFormats?: readonly number[];
}

export class WireClient {
  readonly socket: Socket;
  processId = 0;
  secret = 0;
  readonly parameters: Record<string, string> = {};
  #input: Buffer = Buffer.alloc(0);
  #output: Buffer[] = [];
  #closed = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
      this.#wake?.();
    });
    const closed = (): void => {
      this.#closed = true;
      this.#wake?.();
    };
    socket.on('error', closed);
    socket.on('close', closed);
  }

  static async connect(
    port: number,
    user = 'root',
    database = 'defaultdb',
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<WireClient> {
    const client = new WireClient(connect(port, '127.0.0.1'));
    const pairs = { user, database, ...parameters };
    const text = Object.entries(pairs).map(([key, value]) => `${key}\0${value}\0`);
    client.raw(Buffer.concat([int32(196608), Buffer.from(`${text.join('')}\0`)]));
    for (const message of await client.untilReady()) {
      if (message.type === 'E') throw new Error(errorFields(message)['M']);
      if (message.type === 'S') {
        const [name, value] = message.body.toString('utf8').split('\0');
        client.parameters[name as string] = value as string;
      } else if (message.type === 'K') {
        client.processId = message.body.readInt32BE(0);
        client.secret = message.body.readInt32BE(4);
      }
    }
    return client;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A body with its length in front: the start-up packet and its kind have no type. */
  raw(body: Buffer): void {
    this.socket.write(Buffer.concat([int32(body.length + 4), body]));
  }

  /** Gathers messages; flush() sends them in one write. */
  send(type: string, body: Buffer = Buffer.alloc(0)): this {
    this.#output.push(Buffer.from(type), int32(body.length + 4), body);
    return this;
  }

  flush(): void {
    this.socket.write(Buffer.concat(this.#output));
    this.#output = [];
  }

  parse(text: string, name = '', types: readonly number[] = []): this {
    return this.send(
      'P',
      Buffer.concat([cstring(name), cstring(text), int16s(types.length), ...types.map(int32)]),
    );
  }

  bind(options: BindOptions = {}): this {
    const values = (options.values ?? []).map((value) => {
      if (value === null) return int32(-1);
      const bytes = typeof value === 'string' ? Buffer.from(value) : value;
      return Buffer.concat([int32(bytes.length), bytes]);
    });
    return this.send(
      'B',
      Buffer.concat([
        cstring(options.portal ?? ''),
        cstring(options.statement ?? ''),
        counted(options.formats ?? []),
        int16s(values.length),
        ...values,
        counted(options.resultFormats ?? []),
      ]),
    );
  }

  describe(kind: 'S' | 'P', name = ''): this {
    return this.send('D', Buffer.concat([Buffer.from(kind), cstring(name)]));
  }

  execute(portal = '', maxRows = 0): this {
    return this.send('E', Buffer.concat([cstring(portal), int32(maxRows)]));
  }

  close(kind: 'S' | 'P', name = ''): this {
    return this.send('C', Buffer.concat([Buffer.from(kind), cstring(name)]));
  }

  sync(): this {
    return this.send('S');
  }

  /** One simple query, to its ReadyForQuery. COPY FROM STDIN gets `copyData`. */
  async query(text: string, copyData?: string | Buffer): Promise<Message[]> {
    this.send('Q', cstring(text)).flush();
    const messages: Message[] = [];
    for (;;) {
      const message = await this.next();
      messages.push(message);
      if (message.type === 'Z') return messages;
      if (message.type === 'G') {
        if (copyData === undefined) this.send('f', cstring('no data'));
        else this.send('d', Buffer.from(copyData)).send('c');
        this.flush();
      }
    }
  }

  /** Sends what has gathered, with a Sync, and waits for the answer to it. */
  async answers(): Promise<Message[]> {
    this.sync().flush();
    return await this.untilReady();
  }

  async untilReady(): Promise<Message[]> {
    const messages: Message[] = [];
    for (;;) {
      const message = await this.next();
      messages.push(message);
      if (message.type === 'Z') return messages;
    }
  }

  /** The next message; rejects when the server has closed the connection. */
  async next(): Promise<Message> {
    for (;;) {
      if (this.#input.length >= 5) {
        const end = 1 + this.#input.readInt32BE(1);
        if (this.#input.length >= end) {
          const message = {
            type: String.fromCharCode(this.#input[0] as number),
            body: this.#input.subarray(5, end),
          };
          this.#input = this.#input.subarray(end);
          return message;
        }
      }
      if (this.#closed) throw new Error('the server closed the connection');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  end(): void {
    if (this.#closed) return;
    this.send('X').flush();
    this.socket.end();
  }
}

/** Asks the server to cancel what another connection runs; resolves when the server has read it. */
export function cancel(port: number, client: WireClient): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    socket.resume();
    const body = [int32(16), int32(80877102), int32(client.processId), int32(client.secret)];
    socket.write(Buffer.concat(body));
  });
}

export function errorFields(message: Message): ErrorFields {
  const fields: Record<string, string> = {};
  let at = 0;
  while (message.body[at] !== 0) {
    const end = message.body.indexOf(0, at);
    fields[String.fromCharCode(message.body[at] as number)] = message.body.toString(
      'utf8',
      at + 1,
      end,
    );
    at = end + 1;
  }
  return fields;
}

export function rowFields(message: Message): Field[] {
  const { body } = message;
  const fields: Field[] = [];
  let at = 2;
  for (let i = body.readInt16BE(0); i > 0; i--) {
    const end = body.indexOf(0, at);
    fields.push({
      name: body.toString('utf8', at, end),
      tableId: body.readInt32BE(end + 1),
      column: body.readInt16BE(end + 5),
      typeOid: body.readInt32BE(end + 7),
      modifier: body.readInt32BE(end + 13),
      format: body.readInt16BE(end + 17),
    });
    at = end + 19;
  }
  return fields;
}

export function rowValues(message: Message): (Buffer | null)[] {
  const { body } = message;
  const values: (Buffer | null)[] = [];
  let at = 2;
  for (let i = body.readInt16BE(0); i > 0; i--) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : body.subarray(at, at + length));
    if (length > 0) at += length;
  }
  return values;
}

/** The text of a message that is one string: a command's tag. */
export function text(message: Message): string {
  return message.body.toString('utf8', 0, message.body.indexOf(0));
}

export function types(messages: readonly Message[]): string {
  return messages.map((message) => message.type).join('');
}

export function cstring(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int16s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => bytes.writeInt16BE(value, i * 2));
  return bytes;
}

function counted(values: readonly number[]): Buffer {
  return int16s(values.length, ...values);
}
