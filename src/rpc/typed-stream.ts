// A streaming call as its handler sees it: messages in place of bytes.

import type { Ending } from './call.ts';
import { MessageError } from './messages.ts';
import { decodeRequest, type Failure, type ServerCall } from './server-call.ts';

export class TypedStream<Q, R> {
  private readonly call: ServerCall;
  private readonly decode: (bytes: Buffer) => Q;
  private readonly encode: (response: R) => Uint8Array;

  constructor(call: ServerCall, decode: (bytes: Buffer) => Q, encode: (response: R) => Uint8Array) {
    this.call = call;
    this.decode = decode;
    this.encode = encode;
  }

  get isOver(): boolean {
    return this.call.isOver;
  }

  /** False: the client takes them more slowly than they come; onDrain tells when it has caught up. */
  write(message: R): boolean {
    return this.call.write(this.encode(message));
  }

  onMessage(handler: (message: Q) => void): void {
    const { call, decode } = this;
    call.onMessage((bytes) => {
      let message: Q;
      try {
        message = decodeRequest(decode, bytes);
      } catch (error) {
        if (!(error instanceof MessageError)) throw error;
        call.fail({ status: error.status, reason: error.message });
        return;
      }
      handler(message);
    });
  }

  onEnd(handler: () => void): void {
    this.call.onEnd(handler);
  }

  onDrain(handler: () => void): void {
    this.call.onDrain(handler);
  }

  onOver(handler: (ending: Ending) => void): void {
    this.call.onOver(handler);
  }

  pause(): void {
    this.call.pause();
  }

  resume(): void {
    this.call.resume();
  }

  end(): void {
    this.call.end();
  }

  fail(failure: Failure): void {
    this.call.fail(failure);
  }
}
