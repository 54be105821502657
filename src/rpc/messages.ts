// gRPC's messages in the bytes of an HTTP/2 stream: each has a flag (compressed or not) and its length before it.

import type { StatusName } from './error.ts';

/** Of one gRPC message, either way. More is divided, or refused. */
export const MESSAGE_BYTES_MAX: number = 8 * 1024 * 1024;

const PREFIX_BYTES = 5;
/** Beyond it, copying a message behind its prefix costs more than writing both. */
export const COPIED_BYTES_MAX: number = 16 * 1024;

export class MessageError extends Error {
  readonly status: StatusName;

  constructor(status: StatusName, message: string) {
    super(message);
    this.status = status;
  }
}

/** What stands before a message of this length. */
export function prefixOf(length: number): Buffer {
  return writePrefix(Buffer.allocUnsafe(PREFIX_BYTES), length);
}

/** A message and its prefix. */
export function prefixed(message: Uint8Array): Buffer {
  const bytes = writePrefix(Buffer.allocUnsafe(PREFIX_BYTES + message.length), message.length);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

function writePrefix(bytes: Buffer, length: number): Buffer {
  bytes[0] = 0;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

/** Cuts messages out of what arrives. They are views of it where it holds them whole. */
export class MessageDecoder {
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Until there are so many bytes, there is no other message. */
  #needed = PREFIX_BYTES;

  /** Whether a message is incomplete. */
  get isWithin(): boolean {
    return this.#bytes > 0;
  }

  /** The messages that are whole now; throws MessageError. */
  take(chunk: Buffer): readonly Buffer[] {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#needed) return NOTHING;
    const bytes = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts, this.#bytes);
    const messages: Buffer[] = [];
    let at = 0;
    this.#needed = PREFIX_BYTES;
    while (bytes.length - at >= PREFIX_BYTES) {
      const size = PREFIX_BYTES + lengthAt(bytes, at);
      if (bytes.length - at < size) {
        this.#needed = size;
        break;
      }
      messages.push(bytes.subarray(at + PREFIX_BYTES, at + size));
      at += size;
    }
    this.#bytes = bytes.length - at;
    this.#parts = this.#bytes > 0 ? [bytes.subarray(at)] : [];
    return messages;
  }
}

const NOTHING: readonly Buffer[] = [];

function lengthAt(bytes: Buffer, at: number): number {
  const flag = bytes[at];
  if (flag === 1) throw new MessageError('UNIMPLEMENTED', 'compressed messages are not understood');
  if (flag !== 0) throw new MessageError('INTERNAL', 'what arrived is no gRPC message');
  const length = bytes.readUInt32BE(at + 1);
  if (length > MESSAGE_BYTES_MAX) {
    const reason = `a message of ${length} bytes is larger than ${MESSAGE_BYTES_MAX}`;
    throw new MessageError('RESOURCE_EXHAUSTED', reason);
  }
  return length;
}
