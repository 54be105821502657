// Messages in a stream of bytes: [u32 length][message] repeated, cut into chunks wherever a chunk is full. Everything
// that is written in one turn leaves together; what the other side does not take yet waits here, and is counted.

import { ByteWriter, concatBytes } from '../../base/bytes.ts';
import type { ByteStream, Timers } from '../../runtime/runtime.ts';

const CHUNK_BYTES: number = 512 * 1024;
/** A transaction or a row of the greatest size, with all that goes with it. */
export const MESSAGE_BYTES_MAX: number = 256 * 1024 * 1024;
const WRITER_BYTES_KEPT_MAX: number = 1024 * 1024;

export class FrameSender {
  private stream: ByteStream | undefined = undefined;
  private readonly timers: Timers;
  private readonly onBroken: (error: unknown) => void;
  private out = new ByteWriter(1024);
  private messageStart = 0;
  private isScheduled = false;
  private isWriting = false;
  private isOver = false;
  private writingBytes = 0;
  private roomWaiters: (() => void)[] = [];

  constructor(timers: Timers, onBroken: (error: unknown) => void) {
    this.timers = timers;
    this.onBroken = onBroken;
  }

  /** What was written before goes out now. */
  start(stream: ByteStream): void {
    this.stream = stream;
    void this.flush();
  }

  /** Written, and not yet taken by the stream. */
  get waitingBytes(): number {
    return this.out.length + this.writingBytes;
  }

  /** The message is then written into what this returns, and end() called, in the same turn. */
  begin(): ByteWriter {
    const { out } = this;
    this.messageStart = out.length;
    out.u32(0);
    return out;
  }

  /** Its length; beyond MESSAGE_BYTES_MAX it was taken back. */
  end(): number {
    const { out, messageStart: start } = this;
    const length = out.length - start - 4;
    if (length > MESSAGE_BYTES_MAX || this.isOver) {
      out.length = start;
      return length;
    }
    out.view.setUint32(start, length, true);
    if (this.stream !== undefined && !this.isScheduled && !this.isWriting) {
      this.isScheduled = true;
      this.timers.soon(() => {
        this.isScheduled = false;
        void this.flush();
      });
    }
    return length;
  }

  /** Resolves once no more than `bytes` wait, or nothing is sent any more. */
  room(bytes: number): Promise<void> | undefined {
    if (this.isOver || this.waitingBytes <= bytes) return undefined;
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.isOver || this.waitingBytes <= bytes) resolve();
        else this.roomWaiters.push(look);
      };
      this.roomWaiters.push(look);
    });
  }

  stop(): void {
    this.isOver = true;
    this.out = new ByteWriter(16);
    this.writingBytes = 0;
    this.wake();
  }

  private async flush(): Promise<void> {
    const { stream } = this;
    if (this.isWriting || stream === undefined) return;
    this.isWriting = true;
    try {
      while (this.out.length > 0 && !this.isOver) await this.writeOut(stream);
    } catch (error) {
      this.stop();
      this.onBroken(error);
    }
    this.isWriting = false;
  }

  private async writeOut(stream: ByteStream): Promise<void> {
    const { out } = this;
    const bytes = out.bytes.slice(0, out.length);
    if (out.bytes.length > WRITER_BYTES_KEPT_MAX) this.out = new ByteWriter(1024);
    else out.reset();
    this.writingBytes = bytes.length;
    for (let at = 0; at < bytes.length && !this.isOver; at += CHUNK_BYTES) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES);
      await stream.write(chunk);
      this.writingBytes -= chunk.length;
      this.wake();
    }
  }

  private wake(): void {
    const waiters = this.roomWaiters;
    this.roomWaiters = [];
    for (const waiter of waiters) waiter();
  }
}

/** Puts messages together again; to be given every chunk in order. */
export class FrameReceiver {
  private readonly take: (message: Uint8Array) => void;
  /** A part of a length, or of a message. */
  private parts: Uint8Array[] = [];
  private partBytes = 0;
  /** Parts are needed until there are so many bytes. */
  private wanted = 4;

  constructor(take: (message: Uint8Array) => void) {
    this.take = take;
  }

  /** Throws when a message would be too large. Messages are views into `chunk`. */
  push(chunk: Uint8Array): void {
    // A Buffer's slice() is no copy; whoever reads on from here relies on copies.
    let bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.partBytes > 0) {
      this.parts.push(bytes);
      this.partBytes += bytes.length;
      if (this.partBytes < this.wanted) return;
      bytes = concatBytes(...this.parts);
      this.parts = [];
      this.partBytes = 0;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    this.wanted = 4;
    while (bytes.length - at >= 4) {
      const length = view.getUint32(at, true);
      if (length > MESSAGE_BYTES_MAX) throw new RangeError(`a message of ${length} bytes`);
      if (bytes.length - at < length + 4) {
        this.wanted = length + 4;
        break;
      }
      this.take(bytes.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    if (at === bytes.length) return;
    this.parts.push(bytes.subarray(at));
    this.partBytes = bytes.length - at;
  }
}
