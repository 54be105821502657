// Frames on their way: packed into messages, or divided into parts where one frame is more than a message holds, and
// put together again. No I/O.

import { BinaryWriter, NO_BYTES } from '../base/proto-wire.ts';
import { Envelope } from './generated/peer.ts';

/** Of a message's frames or part. */
export const PACKED_BYTES = 1_000_000;
/** Of one frame: a transaction of the largest size, and what Raft adds to it. */
export const FRAME_BYTES_MAX: number = 80 * 1024 * 1024;
/** What a frame costs in a message besides its bytes, at most. */
const FRAME_OVERHEAD = 6;

export class FrameQueue {
  readonly #bytesMax: number;
  #frames: Uint8Array[] = [];
  #head = 0;
  #bytes = 0;
  /** Of the frame at the head: bytes that have left. */
  #partOffset = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isEmpty(): boolean {
    return this.#head === this.#frames.length;
  }

  get length(): number {
    return this.#frames.length - this.#head;
  }

  /** False at the bound: then the frame is dropped. Where nothing waits, one frame of any allowed size is taken. */
  push(frame: Uint8Array): boolean {
    if (frame.length > FRAME_BYTES_MAX) return false;
    if (!this.isEmpty && this.#bytes + frame.length > this.#bytesMax) return false;
    this.#frames.push(frame);
    this.#bytes += frame.length;
    return true;
  }

  /** The next message, encoded; undefined when nothing waits. */
  take(): Buffer | undefined {
    const first = this.#frames[this.#head];
    if (first === undefined) return undefined;
    return first.length > PACKED_BYTES ? this.#takePart(first) : this.#takeFrames();
  }

  #takePart(frame: Uint8Array): Buffer {
    const from = this.#partOffset;
    const part = frame.subarray(from, from + PACKED_BYTES);
    this.#partOffset += part.length;
    this.#bytes -= part.length;
    if (this.#partOffset === frame.length) {
      this.#partOffset = 0;
      this.#drop(1);
    }
    return encodeEnvelope({ part, frameBytes: from === 0 ? frame.length : 0 }, part.length);
  }

  #takeFrames(): Buffer {
    let bytes = 0;
    let packed = 0;
    let end = this.#head;
    for (; end < this.#frames.length; end++) {
      const { length } = this.#frames[end] as Uint8Array;
      if (end > this.#head && packed + length > PACKED_BYTES) break;
      bytes += length;
      packed += length + FRAME_OVERHEAD;
    }
    const frames = this.#frames.slice(this.#head, end);
    this.#bytes -= bytes;
    this.#drop(frames.length);
    return encodeEnvelope({ frames }, packed);
  }

  #drop(count: number): void {
    this.#head += count;
    if (this.#head === this.#frames.length) {
      this.#frames = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }
}

export function encodeEnvelope(fields: Partial<Envelope>, bytes = 0): Buffer {
  const envelope: Envelope = {
    hello: undefined,
    frames: [],
    part: NO_BYTES,
    frameBytes: 0,
    refusal: '',
    ...fields,
  };
  return Envelope.encode(envelope, new BinaryWriter(bytes + 64)).finish();
}

/** The other end: frames come out in the order in which they went in. */
export class FrameAssembler {
  #frame: Uint8Array | undefined;
  #filled = 0;

  /** The frames that are whole now, views of the message. RangeError when it can't follow those before it. */
  take(envelope: Envelope): readonly Uint8Array[] {
    const { frames, part } = envelope;
    if (frames.length > 0) {
      if (this.#frame !== undefined) throw new RangeError('a frame between parts of another');
      return frames;
    }
    return part.length > 0 ? this.#takePart(envelope) : [];
  }

  #takePart({ part, frameBytes }: Envelope): readonly Uint8Array[] {
    if (frameBytes > 0) {
      if (this.#frame !== undefined) throw new RangeError('a frame that ends before its last part');
      if (frameBytes > FRAME_BYTES_MAX) throw new RangeError(`a frame of ${frameBytes} bytes`);
      this.#frame = Buffer.allocUnsafeSlow(frameBytes);
      this.#filled = 0;
    }
    const frame = this.#frame;
    if (frame === undefined) throw new RangeError('a part of no frame');
    if (this.#filled + part.length > frame.length) throw new RangeError('a part too long');
    frame.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled < frame.length) return [];
    this.#frame = undefined;
    return [frame];
  }
}
