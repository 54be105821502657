// Cuts a connection's input into messages. A chunk that holds whole messages is read in place; only what straddles
// chunks is copied, into a buffer that doubles, so that a large message costs linear time.

import { DbError } from '../../base/errors.ts';

/** Longest message after start-up; PostgreSQL allows 1 GiB, no statement or row of ours needs more than this. */
export const MESSAGE_BYTES_MAX: number = 64 * 1024 * 1024;
/** As PostgreSQL: a start-up packet is small. */
export const STARTUP_BYTES_MAX = 10_000;

export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}

/** After next() answers true, `type`, `start` and `end` tell the message's body inside `bytes`. */
export class MessageFramer {
  bytes: Buffer = Buffer.alloc(0);
  /** Message type byte; 0 for start-up packets, which have none. */
  type = 0;
  start = 0;
  end = 0;
  #at = 0;
  #filled = 0;
  #startup = true;

  /** Bytes that wait to be read. */
  get pending(): number {
    return this.#filled - this.#at;
  }

  startupDone(): void {
    this.#startup = false;
  }

  push(chunk: Buffer): void {
    const pending = this.pending;
    if (pending === 0) {
      this.bytes = chunk;
      this.#at = 0;
      this.#filled = chunk.length;
      return;
    }
    const needed = this.#filled + chunk.length;
    // The buffer may be a chunk that messages still being handled point into: it is replaced, never written over,
    // unless it is one of ours with room behind what is filled.
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(2 * (pending + chunk.length), 16 * 1024));
      this.bytes.copy(grown, 0, this.#at, this.#filled);
      this.bytes = grown;
      this.#at = 0;
      this.#filled = pending;
    }
    chunk.copy(this.bytes, this.#filled);
    this.#filled += chunk.length;
  }

  /** True when a whole message is there. Throws ProtocolViolation on a length that can't be. */
  next(): boolean {
    const header = this.#startup ? 4 : 5;
    if (this.#filled - this.#at < header) return false;
    const length = this.bytes.readUInt32BE(this.#at + header - 4);
    const longest = this.#startup ? STARTUP_BYTES_MAX : MESSAGE_BYTES_MAX;
    if (length < 4 || length > longest) {
      throw new ProtocolViolation(
        `invalid message length ${length} (the most is ${longest} bytes)`,
      );
    }
    const end = this.#at + header - 4 + length;
    if (end > this.#filled) return false;
    this.type = this.#startup ? 0 : (this.bytes[this.#at] as number);
    this.start = this.#at + header;
    this.end = end;
    this.#at = end;
    return true;
  }
}

const NO_FORMATS: readonly number[] = [];
const TEXT_FORMAT: readonly number[] = [0];
const BINARY_FORMAT: readonly number[] = [1];

/** Reads the fields of one message's body; running off its end is a ProtocolViolation. */
export class BodyReader {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  end = 0;
  #lastNameBytes: Buffer = Buffer.alloc(0);
  #lastName = '';

  reset(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  u8(): number {
    this.#need(1);
    return this.bytes[this.at++] as number;
  }

  i16(): number {
    this.#need(2);
    const value = this.bytes.readInt16BE(this.at);
    this.at += 2;
    return value;
  }

  /** Counts: PostgreSQL's clients use all sixteen bits. */
  u16(): number {
    this.#need(2);
    const value = this.bytes.readUInt16BE(this.at);
    this.at += 2;
    return value;
  }

  i32(): number {
    this.#need(4);
    const value = this.bytes.readInt32BE(this.at);
    this.at += 4;
    return value;
  }

  /** No Buffer: a view of that kind takes three times as long to make (bench: point). */
  raw(length: number): Uint8Array {
    this.#need(length);
    const { buffer, byteOffset } = this.bytes;
    const part = new Uint8Array(buffer, byteOffset + this.at, length);
    this.at += length;
    return part;
  }

  /** Format codes, 0 for text and 1 for binary. None and one, which nearly every Bind has, are lists that exist. */
  formats(): readonly number[] {
    const count = this.u16();
    if (count === 0) return NO_FORMATS;
    if (count === 1) return this.#format() === 0 ? TEXT_FORMAT : BINARY_FORMAT;
    const formats: number[] = [];
    for (let i = 0; i < count; i++) formats.push(this.#format());
    return formats;
  }

  #format(): number {
    const format = this.i16();
    if (format !== 0 && format !== 1) {
      throw new DbError('22023', `unsupported format code: ${format}`);
    }
    return format;
  }

  text(): string {
    const end = this.#zero();
    const value = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return value;
  }

  /** A statement's or portal's name: clients send the same one again and again, so the last is kept decoded. */
  name(): string {
    const start = this.at;
    const end = this.#zero();
    this.at = end + 1;
    if (start === end) return '';
    const last = this.#lastNameBytes;
    if (end - start === last.length) {
      let i = 0;
      while (i < last.length && last[i] === this.bytes[start + i]) i++;
      if (i === last.length) return this.#lastName;
    }
    this.#lastNameBytes = Buffer.from(this.bytes.subarray(start, end));
    this.#lastName = this.bytes.toString('utf8', start, end);
    return this.#lastName;
  }

  #zero(): number {
    let end = this.at;
    while (end < this.end && this.bytes[end] !== 0) end++;
    if (end >= this.end) throw new ProtocolViolation('a string without its terminator');
    return end;
  }

  #need(length: number): void {
    if (length < 0 || this.at + length > this.end) {
      throw new ProtocolViolation('insufficient data left in message');
    }
  }
}
