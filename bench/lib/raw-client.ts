// A client of PostgreSQL's protocol that counts rows and throws them away: what a driver does with a million rows would
// cost more than both servers together. The simple protocol, trust, no TLS; COPY FROM STDIN to load. Where it is asked to,
// it takes a sum of the rows' bytes, so that two systems' results can be compared.

import { connect, type Socket } from 'node:net';
import { hashBytes } from '../../src/base/bytes.ts';

const SSL_FREE_VERSION = 196608;

export interface Counted {
  readonly rows: number;
  readonly bytes: number;
}

export interface Summed extends Counted {
  /** Of all rows' bytes, whatever their order. */
  readonly sum: number;
  /** Of all rows' bytes in their order. */
  readonly chain: number;
}

interface Waiting {
  resolve(counted: Summed): void;
  reject(error: Error): void;
}

export class RawClient {
  private readonly socket: Socket;
  private pending: Buffer = Buffer.alloc(0);
  /** Of the message under way: bytes that still come and are of no interest. */
  private skip = 0;
  private rows = 0;
  private bytes = 0;
  private isSumming = false;
  private sum = 0;
  private chain = 0;
  private failure: string | undefined;
  private waiting: Waiting | undefined;
  private copying: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    const broken = (error?: Error): void => {
      this.waiting?.reject(error ?? new Error('the connection was closed'));
      this.waiting = undefined;
    };
    socket.on('error', broken);
    socket.on('close', () => broken());
  }

  static async connect(
    host: string,
    port: number,
    user: string,
    database: string,
  ): Promise<RawClient> {
    const client = new RawClient(connect(port, host));
    const words = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
    const startup = Buffer.alloc(8 + words.length);
    startup.writeInt32BE(startup.length, 0);
    startup.writeInt32BE(SSL_FREE_VERSION, 4);
    words.copy(startup, 8);
    await client.send(startup);
    return client;
  }

  query(text: string): Promise<Counted> {
    return this.send(message('Q', Buffer.from(`${text}\0`)));
  }

  /** The same, and sums what comes. */
  async summed(text: string): Promise<Summed> {
    this.isSumming = true;
    try {
      return await this.send(message('Q', Buffer.from(`${text}\0`)));
    } finally {
      this.isSumming = false;
    }
  }

  /** Reads nothing more until resume(). */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** `lines`: in the text format, each with its line end. */
  async copyIn(text: string, lines: Iterable<string>): Promise<void> {
    const ready = new Promise<void>((resolve) => {
      this.copying = resolve;
    });
    const done = this.query(text);
    // A refusal ends it before it begins.
    await Promise.race([ready, done]);
    let chunk = '';
    for (const line of lines) {
      chunk += line;
      if (chunk.length < 1 << 16) continue;
      await this.write(message('d', Buffer.from(chunk)));
      chunk = '';
    }
    if (chunk !== '') await this.write(message('d', Buffer.from(chunk)));
    await this.write(message('c', Buffer.alloc(0)));
    await done;
  }

  close(): void {
    this.socket.end(message('X', Buffer.alloc(0)));
  }

  private send(bytes: Buffer): Promise<Summed> {
    this.rows = 0;
    this.bytes = 0;
    this.sum = 0;
    this.chain = 0;
    this.failure = undefined;
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.socket.write(bytes);
    });
  }

  private write(bytes: Buffer): Promise<void> {
    if (this.socket.write(bytes)) return Promise.resolve();
    return new Promise((resolve) => this.socket.once('drain', resolve));
  }

  private take(chunk: Buffer): void {
    this.bytes += chunk.length;
    let data = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    let at = 0;
    if (this.skip > 0) {
      at = Math.min(this.skip, data.length);
      this.skip -= at;
    }
    while (this.skip === 0 && at + 5 <= data.length) {
      const type = data[at] as number;
      const length = data.readInt32BE(at + 1) + 1;
      if (type === 0x44 && !this.isSumming) {
        this.rows++;
        if (at + length > data.length) {
          this.skip = at + length - data.length;
          at = data.length;
        } else at += length;
        continue;
      }
      if (at + length > data.length) break;
      this.told(type, data.subarray(at + 5, at + length));
      at += length;
    }
    data = at === data.length ? Buffer.alloc(0) : data.subarray(at);
    this.pending = data;
  }

  private told(type: number, body: Buffer): void {
    if (type === 0x44) this.addRow(body);
    else if (type === 0x45) this.failure = errorText(body);
    else if (type === 0x47) this.copying?.();
    else if (type === 0x5a) {
      const { waiting, failure } = this;
      this.waiting = undefined;
      if (failure !== undefined) waiting?.reject(new Error(failure));
      else {
        const { rows, bytes, sum, chain } = this;
        waiting?.resolve({ rows, bytes, sum, chain });
      }
    }
  }

  private addRow(body: Buffer): void {
    const hash = hashBytes(body);
    this.rows++;
    this.sum = (this.sum + hash) % Number.MAX_SAFE_INTEGER;
    this.chain = (Math.imul(this.chain, 31) + hash) | 0;
  }
}

function message(type: string, body: Buffer): Buffer {
  const out = Buffer.alloc(5 + body.length);
  out.write(type, 0);
  out.writeInt32BE(4 + body.length, 1);
  body.copy(out, 5);
  return out;
}

/** Its fields, but for places in the server's source. */
function errorText(body: Buffer): string {
  const fields = new Map(
    body
      .toString()
      .split('\0')
      .map((field) => [field[0] ?? '', field.slice(1)]),
  );
  return ['C', 'M', 'D', 'H'].flatMap((name) => fields.get(name) ?? []).join(': ');
}
