// A call with messages both ways, as both of its ends see it: an HTTP/2 stream that carries gRPC. The messages are bytes:
// their owner encodes and decodes them, so that it decides when. Calls to this node begin in server-call.ts, calls to
// others in client-call.ts.

import type { Http2Stream } from 'node:http2';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Refusal } from './hello.ts';
import {
  COPIED_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  MessageDecoder,
  MessageError,
  prefixed,
  prefixOf,
} from './messages.ts';

/** How a call ended: OK, or why not. */
export type Ending = Refusal;

export interface Call {
  /** False: there is much on its way; onDrain tells when there is not. `written` when the transport took the message:
   * until then it is in our memory. Not called when the call breaks first. `rest` is the message's end where that is large:
   * it is not copied behind its beginning. */
  write(message: Uint8Array, written?: () => void, rest?: Uint8Array): boolean;
  /** One handler; nothing comes before there is one. */
  onMessage(handler: (message: Buffer) => void): void;
  /** The other side sends nothing more. */
  onEnd(handler: () => void): void;
  onDrain(handler: () => void): void;
  /** Once, however it ended. */
  onOver(handler: (ending: Ending) => void): void;
  /** No message comes until resume(). */
  pause(): void;
  resume(): void;
  readonly isOver: boolean;
  /** The client's side sends nothing more; the server's ends the call. */
  end(): void;
  /** Ends it for both. Only a server can tell the other side why. */
  fail(refusal: Refusal): void;
  certificate(): PeerCertificate | undefined;
  /** HOST:PORT */
  peer(): string;
}

export abstract class Http2Call<S extends Http2Stream> implements Call {
  protected readonly stream: S;
  protected ending: Ending | undefined;
  private readonly decoder = new MessageDecoder();
  /** Arrived while paused. */
  private readonly arrived: Buffer[] = [];
  private isPaused = false;
  private hasEnded = false;
  private messageHandler: (message: Buffer) => void = () => {};
  private endHandler: () => void = () => {};
  private overHandler: ((ending: Ending) => void) | undefined;

  constructor(stream: S) {
    this.stream = stream;
    // What it means is said when it closes.
    stream.on('error', () => {});
  }

  get isOver(): boolean {
    return this.ending !== undefined;
  }

  write(message: Uint8Array, written?: () => void, rest?: Uint8Array): boolean {
    const { stream } = this;
    if (this.ending !== undefined || stream.writableEnded) return true;
    const length = message.length + (rest?.length ?? 0);
    if (length > MESSAGE_BYTES_MAX) {
      const reason = `a message of ${length} bytes is larger than ${MESSAGE_BYTES_MAX}`;
      this.fail({ status: 'RESOURCE_EXHAUSTED', reason });
      return true;
    }
    const done =
      written === undefined
        ? undefined
        : (error: unknown): void => {
            if (error === null || error === undefined) written();
          };
    if (rest === undefined && length <= COPIED_BYTES_MAX)
      return stream.write(prefixed(message), done);
    stream.cork();
    stream.write(prefixOf(length));
    let hasRoom = stream.write(message, rest === undefined ? done : undefined);
    if (rest !== undefined) hasRoom = stream.write(rest, done);
    stream.uncork();
    return hasRoom;
  }

  onMessage(handler: (message: Buffer) => void): void {
    this.messageHandler = handler;
    this.stream.on('data', (chunk: Buffer) => this.take(chunk));
    this.stream.on('end', () => {
      this.hasEnded = true;
      this.deliver();
    });
  }

  onEnd(handler: () => void): void {
    this.endHandler = handler;
  }

  onDrain(handler: () => void): void {
    this.stream.on('drain', handler);
  }

  onOver(handler: (ending: Ending) => void): void {
    this.overHandler = handler;
    const { ending } = this;
    if (ending !== undefined) queueMicrotask(() => handler(ending));
  }

  pause(): void {
    this.isPaused = true;
    this.stream.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.deliver();
    if (!this.isPaused) this.stream.resume();
  }

  end(): void {
    if (!this.stream.writableEnded) this.stream.end();
  }

  abstract fail(refusal: Refusal): void;

  certificate(): PeerCertificate | undefined {
    return certificateOf(this.stream);
  }

  peer(): string {
    return peerOf(this.stream);
  }

  protected over(ending: Ending): void {
    if (this.ending !== undefined) return;
    this.ending = ending;
    this.overHandler?.(ending);
  }

  private take(chunk: Buffer): void {
    if (this.ending !== undefined) return;
    try {
      const messages = this.decoder.take(chunk);
      for (let i = 0; i < messages.length; i++) {
        const message = messages[i] as Buffer;
        if (this.isPaused) this.arrived.push(message);
        else this.messageHandler(message);
      }
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.fail({ status: error.status, reason: error.message });
    }
  }

  private deliver(): void {
    const { arrived } = this;
    while (arrived.length > 0 && !this.isPaused) this.messageHandler(arrived.shift() as Buffer);
    if (!this.hasEnded || this.isPaused || this.ending !== undefined) return;
    this.hasEnded = false;
    this.endHandler();
  }
}

/** What the other side has shown, and our CA has signed. */
export function certificateOf(stream: Http2Stream): PeerCertificate | undefined {
  const socket = stream.session?.socket as TLSSocket | undefined;
  if (socket?.encrypted !== true || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  return certificate.raw === undefined ? undefined : certificate;
}

/** HOST:PORT */
export function peerOf(stream: Http2Stream): string {
  const socket = stream.session?.socket;
  return `${socket?.remoteAddress}:${socket?.remotePort}`;
}
