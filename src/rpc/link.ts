// One open stream between two nodes, after its handshake: frames in both directions, packed. What can't leave fast
// enough is dropped: frames may be lost, and Raft sends again what matters.

import type { Timers } from '../runtime/runtime.ts';
import type { Call } from './call.ts';
import { FrameAssembler, FrameQueue } from './frame-queue.ts';
import { Envelope } from './generated/peer.ts';

/** Bytes that gRPC may hold for us; beyond it frames wait in our queue, where they are packed together and bounded. */
const UNWRITTEN_BYTES_MAX = 2 * 1024 * 1024;

export interface LinkOptions {
  readonly timers: Timers;
  readonly bufferBytesMax: number;
  deliver(frame: Uint8Array): void;
  /** The other side ended it, and says why. */
  refused(reason: string): void;
}

export class Link {
  readonly #call: Call;
  readonly #options: LinkOptions;
  readonly #queue: FrameQueue;
  readonly #assembler = new FrameAssembler();
  #unwritten = 0;
  #isFlushing = false;

  constructor(call: Call, options: LinkOptions) {
    this.#call = call;
    this.#options = options;
    this.#queue = new FrameQueue(options.bufferBytesMax);
  }

  /** False when it was dropped. */
  send(frame: Uint8Array): boolean {
    if (!this.#queue.push(frame)) return false;
    if (!this.#isFlushing) {
      this.#isFlushing = true;
      // Frames of one turn leave in one message.
      this.#options.timers.soon(() => {
        this.#isFlushing = false;
        this.#flush();
      });
    }
    return true;
  }

  /** Of frames that gRPC has not taken yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  take(message: Buffer): void {
    let frames: readonly Uint8Array[];
    try {
      const envelope = Envelope.decode(message);
      if (envelope.refusal !== '') this.#options.refused(envelope.refusal);
      frames = this.#assembler.take(envelope);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#call.fail({
        status: 'INVALID_ARGUMENT',
        reason: `a message that makes no sense: ${reason}`,
      });
      return;
    }
    for (const frame of frames) this.#options.deliver(frame);
  }

  #flush(): void {
    while (this.#unwritten < UNWRITTEN_BYTES_MAX) {
      const message = this.#queue.take();
      if (message === undefined) return;
      const { length } = message;
      this.#unwritten += length;
      this.#call.write(message, () => {
        this.#unwritten -= length;
        if (!this.#queue.isEmpty && !this.#isFlushing) this.#flush();
      });
    }
  }
}
