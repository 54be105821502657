// Protobuf's wire format, as far as our .proto files need it: what the generated messages write and read with. Numbers
// of 64 bits are JavaScript numbers, and byte fields are views of the message that was read, not copies. Messages are
// small and many (a put is one), or large and few (frames): both are written into a slab that is cut up, without a
// second copy.

const SLAB_BYTES = 32 * 1024;
const TWO_32 = 4_294_967_296;

let slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slabUsed = 0;
const NO_SLAB = Buffer.alloc(0);

/** What a byte field has that was not sent. */
export const NO_BYTES: Uint8Array = NO_SLAB;

export class BinaryWriter {
  private buffer: Buffer;
  private start: number;
  private at: number;
  private readonly forks: number[] = [];

  /** With `bytes`, room for so many from the start. */
  constructor(bytes = 0) {
    // Takes the slab away, so that nobody else writes into it before finish() gives the rest back.
    this.buffer = slab;
    this.start = slabUsed;
    this.at = slabUsed;
    slab = NO_SLAB;
    slabUsed = 0;
    if (bytes > 0) this.room(bytes);
  }

  /** The message; the writer is through. */
  finish(): Buffer {
    const message = this.buffer.subarray(this.start, this.at);
    if (this.buffer.length === SLAB_BYTES) {
      slab = this.buffer;
      slabUsed = this.at;
    }
    this.buffer = NO_SLAB;
    this.start = this.at = 0;
    return message;
  }

  uint32(value: number): this {
    this.room(5);
    let rest = value >>> 0;
    const buffer = this.buffer;
    let at = this.at;
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    this.at = at;
    return this;
  }

  int32(value: number): this {
    return value >= 0 ? this.uint32(value) : this.negative(value);
  }

  uint64(value: number): this {
    if (value < TWO_32) return this.uint32(value);
    this.room(10);
    let rest = value;
    while (rest >= TWO_32) {
      this.buffer[this.at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    return this.uint32(rest);
  }

  bool(value: boolean): this {
    return this.uint32(value ? 1 : 0);
  }

  bytes(value: Uint8Array): this {
    this.room(value.length + 5);
    this.uint32(value.length);
    this.buffer.set(value, this.at);
    this.at += value.length;
    return this;
  }

  string(value: string): this {
    const length = Buffer.byteLength(value);
    this.room(length + 5);
    this.uint32(length);
    this.at += this.buffer.write(value, this.at, length, 'utf8');
    return this;
  }

  /** What follows, until join(), is a nested message. */
  fork(): this {
    this.room(1);
    // Most nested messages are short: their length has one byte, and they needn't move.
    this.at += 1;
    this.forks.push(this.at - this.start);
    return this;
  }

  join(): this {
    // More room may mean another place.
    this.room(4);
    const from = this.start + (this.forks.pop() as number);
    const length = this.at - from;
    if (length <= 0x7f) {
      this.buffer[from - 1] = length;
      return this;
    }
    const prefix = varintBytes(length);
    this.buffer.copyWithin(from - 1 + prefix, from, this.at);
    this.at = from - 1;
    this.uint32(length);
    this.at += length;
    return this;
  }

  private negative(value: number): this {
    this.room(10);
    // Sign-extended to 64 bits: five bytes of the number, then ones.
    let rest = value | 0;
    for (let i = 0; i < 9; i++) {
      this.buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>= 7;
    }
    this.buffer[this.at++] = 1;
    return this;
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const written = this.at - this.start;
    const wanted = written + bytes;
    // A size other than the slab's tells that it isn't one.
    const size =
      wanted <= SLAB_BYTES >> 1 ? SLAB_BYTES : Math.max(wanted, 2 * written) + SLAB_BYTES;
    const grown = Buffer.allocUnsafeSlow(size);
    this.buffer.copy(grown, 0, this.start, this.at);
    this.buffer = grown;
    this.start = 0;
    this.at = written;
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes += 1;
  return bytes;
}

/** Throws RangeError where the bytes are no message. */
export class BinaryReader {
  pos: number = 0;
  readonly len: number;
  /** The generated code counts nested messages with it. */
  __tsProtoDecodeDepth: number = 0;
  private readonly buffer: Buffer;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.len = bytes.length;
  }

  uint32(): number {
    const byte = this.buffer[this.pos];
    if (byte !== undefined && byte < 0x80) {
      this.pos += 1;
      return byte;
    }
    return this.lowBits() >>> 0;
  }

  int32(): number {
    return this.lowBits();
  }

  /** RangeError above what a number holds exactly. */
  uint64(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.next();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('a number beyond 2^53');
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new RangeError('a number of more than ten bytes');
  }

  bool(): boolean {
    return this.uint32() !== 0;
  }

  /** A view: it lives as long as the message. */
  bytes(): Uint8Array {
    const start = this.block();
    return new Uint8Array(this.buffer.buffer, this.buffer.byteOffset + start, this.pos - start);
  }

  string(): string {
    const start = this.block();
    return this.buffer.toString('utf8', start, this.pos);
  }

  /** A field that this version doesn't know. */
  skip(wireType: number): void {
    if (wireType === 0) this.lowBits();
    else if (wireType === 1) this.advance(8);
    else if (wireType === 2) this.block();
    else if (wireType === 5) this.advance(4);
    else throw new RangeError(`a field of wire type ${wireType}`);
  }

  /** Past a length and as many bytes; answers where these begin. */
  private block(): number {
    const length = this.uint32();
    const start = this.pos;
    this.advance(length);
    return start;
  }

  private advance(bytes: number): void {
    this.pos += bytes;
    if (this.pos > this.len) throw new RangeError('a message that is cut short');
  }

  /** The lowest 32 bits of a number. */
  private lowBits(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.next();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number of more than ten bytes');
  }

  private next(): number {
    const byte = this.buffer[this.pos];
    if (byte === undefined) throw new RangeError('a message that is cut short');
    this.pos += 1;
    return byte;
  }
}
