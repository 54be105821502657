// A bidirectional call as both of its ends see it. grpc-js has two unlike classes for them, which differ in how they
// end: a client's call has a status, a server's is "cancelled", also after it ended well.

import type { PeerCertificate } from 'node:tls';
import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js';
import { type Client, type MethodDefinition, status } from '@grpc/grpc-js';
import { statusName } from './error.ts';
import type { Refusal } from './hello.ts';
import { type MethodShape, methodDefinition, type ServiceShape } from './service.ts';

/** How a call ended: OK, or why not. */
export type Ending = Refusal;

export interface Call {
  /** `written` when the transport took it: until then it is in our memory. Not called when the call breaks first. */
  write(message: Buffer, written: () => void): void;
  /** One handler; nothing comes before there is one. */
  onMessage(handler: (message: Buffer) => void): void;
  /** The other side sends nothing more. */
  onEnd(handler: () => void): void;
  /** Once, however it ended. */
  onOver(handler: (ending: Ending) => void): void;
  pause(): void;
  resume(): void;
  /** The client's side sends nothing more; the server's ends the call. */
  end(): void;
  /** Ends it for both. Only a server can tell the other side why. */
  fail(refusal: Refusal): void;
  certificate(): PeerCertificate | undefined;
  peer(): string;
}

const raw = {
  encode: (message: Buffer) => ({ finish: () => message }),
  decode: (bytes: Uint8Array) => bytes as Buffer,
};

/** The method with its messages left in bytes: their owner encodes and decodes them, so that it decides when. */
export function rawMethod(
  service: ServiceShape,
  method: MethodShape,
): MethodDefinition<Buffer, Buffer> {
  return methodDefinition(service, method, raw, raw);
}

export function startCall(channel: Client, method: MethodDefinition<Buffer, Buffer>): Call {
  return new ClientCall(
    channel.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize),
  );
}

export function serverCall(call: ServerDuplexStream<Buffer, Buffer>): Call {
  return new ServerCall(call);
}

abstract class AnyCall<
  S extends ClientDuplexStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
> {
  protected readonly stream: S;
  private ending: Ending | undefined;
  private overHandler: ((ending: Ending) => void) | undefined;

  constructor(stream: S) {
    this.stream = stream;
  }

  write(message: Buffer, written: () => void): void {
    if (this.ending === undefined && !this.stream.writableEnded) {
      this.stream.write(message, (error: unknown) => {
        if (error === null || error === undefined) written();
      });
    }
  }

  onMessage(handler: (message: Buffer) => void): void {
    this.stream.on('data', handler);
  }

  onEnd(handler: () => void): void {
    this.stream.on('end', handler);
  }

  onOver(handler: (ending: Ending) => void): void {
    this.overHandler = handler;
    const { ending } = this;
    if (ending !== undefined) queueMicrotask(() => handler(ending));
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  end(): void {
    if (!this.stream.writableEnded) this.stream.end();
  }

  protected over(ending: Ending): void {
    if (this.ending !== undefined) return;
    this.ending = ending;
    this.overHandler?.(ending);
  }
}

class ClientCall extends AnyCall<ClientDuplexStream<Buffer, Buffer>> implements Call {
  constructor(stream: ClientDuplexStream<Buffer, Buffer>) {
    super(stream);
    // Its status says the same.
    stream.on('error', () => {});
    stream.on('status', ({ code, details }) => {
      this.over({ status: statusName(code), reason: details });
    });
  }

  fail(refusal: Refusal): void {
    this.stream.cancel();
    this.over(refusal);
  }

  certificate(): PeerCertificate | undefined {
    return this.stream.getAuthContext()?.sslPeerCertificate;
  }

  peer(): string {
    return this.stream.getPeer();
  }
}

class ServerCall extends AnyCall<ServerDuplexStream<Buffer, Buffer>> implements Call {
  #failed: Refusal | undefined;

  constructor(stream: ServerDuplexStream<Buffer, Buffer>) {
    super(stream);
    stream.on('error', () => {});
    stream.on('cancelled', () => {
      if (this.#failed !== undefined) this.over(this.#failed);
      else if (stream.writableFinished) this.over({ status: 'OK', reason: 'it ended' });
      else this.over({ status: 'CANCELLED', reason: 'the connection or the call was broken' });
    });
  }

  fail(refusal: Refusal): void {
    this.#failed = refusal;
    if (!this.stream.writableEnded) {
      this.stream.emit('error', { code: status[refusal.status], details: refusal.reason });
    }
    this.over(refusal);
  }

  certificate(): PeerCertificate | undefined {
    return this.stream.getAuthContext().sslPeerCertificate;
  }

  peer(): string {
    return this.stream.getPeer();
  }
}
