// A call as a stream of chunks with backpressure both ways. A chunk is a message, or several where it is large. The
// end of each direction is a message too, so that a call which breaks is never taken for the end of the data.

import { assert } from '../base/assert.ts';
import { BinaryWriter, NO_BYTES } from '../base/proto-wire.ts';
import type { ByteStream } from '../runtime/runtime.ts';
import type { Call, Ending } from './call.ts';
import { StreamMessage } from './generated/peer.ts';
import { COPIED_BYTES_MAX } from './messages.ts';

/** Of a chunk that travel in one message. */
const PART_BYTES = 512 * 1024;
/** A larger chunk breaks the stream that it comes in: chunks are meant to be tens or hundreds of kilobytes. */
export const CHUNK_BYTES_MAX: number = 80 * 1024 * 1024;
/** A writer waits while more than this is on its way to the transport. */
const WRITE_AHEAD_BYTES = 1024 * 1024;
/** Chunks that arrived are kept up to this before the call is told to wait. */
const READ_AHEAD_BYTES = 1024 * 1024;

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** As generated/peer.ts has it. */
const DATA_TAG = 26;

const WRITTEN: Promise<void> = Promise.resolve();

const NOTHING: StreamMessage = {
  hello: undefined,
  purpose: '',
  data: NO_BYTES,
  more: false,
  end: false,
  refusal: '',
};

export class CallStream implements ByteStream {
  readonly #call: Call;
  readonly #isServer: boolean;
  #broken: Error | undefined;

  #arrived: Uint8Array[] = [];
  #arrivedBytes = 0;
  #isPaused = false;
  /** Of a chunk whose last part is missing. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #isRemoteEnded = false;
  #reader: Waiting<Uint8Array | undefined> | undefined;

  #unwritten = 0;
  #isEnded = false;
  #writers: Waiting<void>[] = [];

  constructor(call: Call, isServer: boolean) {
    this.#call = call;
    this.#isServer = isServer;
  }

  write(chunk: Uint8Array, isGiven = false): Promise<void> {
    assert(!this.#isEnded, 'nothing is written to a stream after its end');
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (chunk.length > CHUNK_BYTES_MAX) {
      return Promise.reject(new RangeError(`a chunk of ${chunk.length} bytes`));
    }
    let from = 0;
    do {
      const data = chunk.subarray(from, from + PART_BYTES);
      from += data.length;
      const more = from < chunk.length;
      if (isGiven && data.length > COPIED_BYTES_MAX)
        this.#write(encodeBefore(data.length, more), data);
      else this.#send({ data, more });
    } while (from < chunk.length);
    if (this.#unwritten <= WRITE_AHEAD_BYTES) return WRITTEN;
    return new Promise((resolve, reject) => this.#writers.push({ resolve, reject }));
  }

  read(): Promise<Uint8Array | undefined> {
    const chunk = this.#arrived.shift();
    if (chunk !== undefined) {
      this.#arrivedBytes -= chunk.length;
      if (this.#isPaused && this.#arrivedBytes <= READ_AHEAD_BYTES / 2) {
        this.#isPaused = false;
        this.#call.resume();
      }
      return Promise.resolve(chunk);
    }
    if (this.#isRemoteEnded) return Promise.resolve(undefined);
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    assert(this.#reader === undefined, 'a stream has one reader at a time');
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  end(): void {
    if (this.#isEnded || this.#broken !== undefined) return;
    this.#isEnded = true;
    this.#send({ end: true });
    if (!this.#isServer || this.#isRemoteEnded) this.#call.end();
  }

  abort(): void {
    if (this.#isEnded && this.#isRemoteEnded) return;
    this.over({ status: 'ABORTED', reason: 'this side gave it up' });
    this.#call.fail({ status: 'ABORTED', reason: 'the other side gave it up' });
  }

  /** What comes in after the handshake. */
  take(encoded: Buffer): void {
    let message: StreamMessage;
    try {
      message = StreamMessage.decode(encoded);
    } catch {
      this.#call.fail({ status: 'INVALID_ARGUMENT', reason: 'a message that makes no sense' });
      return;
    }
    if (message.end) {
      this.#isRemoteEnded = true;
      this.#wake(undefined);
      if (this.#isServer && this.#isEnded) this.#call.end();
    } else if (message.more || this.#parts.length > 0) {
      this.#takePart(message);
    } else {
      this.#chunk(message.data);
    }
  }

  over(ending: Ending): void {
    if (this.#broken !== undefined) return;
    this.#broken = new Error(`the stream is broken: ${ending.reason} (${ending.status})`);
    for (const writer of this.#writers) writer.reject(this.#broken);
    this.#writers = [];
    if (this.#isRemoteEnded) return;
    this.#reader?.reject(this.#broken);
    this.#reader = undefined;
  }

  #send(fields: Partial<StreamMessage>): void {
    this.#write(encodeStreamMessage(fields));
  }

  #write(message: Uint8Array, rest?: Uint8Array): void {
    const length = message.length + (rest?.length ?? 0);
    this.#unwritten += length;
    const written = (): void => {
      this.#unwritten -= length;
      if (this.#unwritten > WRITE_AHEAD_BYTES || this.#writers.length === 0) return;
      const writers = this.#writers;
      this.#writers = [];
      for (const writer of writers) writer.resolve();
    };
    this.#call.write(message, written, rest);
  }

  #takePart({ data, more }: StreamMessage): void {
    this.#partBytes += data.length;
    if (this.#partBytes > CHUNK_BYTES_MAX) {
      this.#call.fail({ status: 'RESOURCE_EXHAUSTED', reason: 'a chunk that is too large' });
      return;
    }
    this.#parts.push(data);
    if (more) return;
    const chunk = Buffer.concat(this.#parts, this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    this.#chunk(chunk);
  }

  #chunk(chunk: Uint8Array): void {
    if (this.#reader !== undefined) {
      this.#wake(chunk);
      return;
    }
    this.#arrived.push(chunk);
    this.#arrivedBytes += chunk.length;
    if (!this.#isPaused && this.#arrivedBytes >= READ_AHEAD_BYTES) {
      this.#isPaused = true;
      this.#call.pause();
    }
  }

  #wake(chunk: Uint8Array | undefined): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve(chunk);
  }
}

/** A StreamMessage but for its data, which is its end and is not copied (bench: snapshot; what is copied lies
 * outside of JavaScript's heap, and V8 collects all of it for every 64 MB of that). */
function encodeBefore(dataBytes: number, more: boolean): Buffer {
  const message: StreamMessage = { ...NOTHING, more };
  return StreamMessage.encode(message).uint32(DATA_TAG).uint32(dataBytes).finish();
}

export function encodeStreamMessage(fields: Partial<StreamMessage>): Buffer {
  const message: StreamMessage = { ...NOTHING, ...fields };
  return StreamMessage.encode(message, new BinaryWriter(message.data.length + 64)).finish();
}
