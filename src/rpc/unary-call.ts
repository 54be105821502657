// Calls with one message each way, from their headers to their status. They are the many (a put is one), so nothing is
// on their way that they don't need (bench: put).

import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { PeerCertificate } from 'node:tls';
import type { Timers } from '../runtime/runtime.ts';
import { certificateOf, peerOf } from './call.ts';
import { MESSAGE_BYTES_MAX, MessageDecoder, MessageError, prefixed } from './messages.ts';
import {
  deadlineOf,
  decodeRequest,
  type Failure,
  HEADERS,
  OK_TRAILERS,
  refuse,
  WITH_TRAILERS,
} from './server-call.ts';

/** What a handler is given. */
export interface UnaryCall<Q> {
  readonly request: Q;
  certificate(): PeerCertificate | undefined;
  /** HOST:PORT */
  peer(): string;
}

/** Only the first counts. */
export type Answer<R> = (failure: Failure | null, response?: R) => void;

export interface UnaryMethod<Q, R> {
  decode(bytes: Buffer): Q;
  encode(response: R): Uint8Array;
  handle(call: UnaryCall<Q>, answer: Answer<R>): void;
}

export class ServedUnary<Q, R> implements UnaryCall<Q> {
  private readonly stream: ServerHttp2Stream;
  private readonly method: UnaryMethod<Q, R>;
  private readonly decoder = new MessageDecoder();
  private readonly deadline: Disposable | undefined;
  private message: Buffer | undefined;
  private isAnswered = false;
  request!: Q;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    timers: Timers,
    method: UnaryMethod<Q, R>,
  ) {
    this.stream = stream;
    this.method = method;
    this.deadline = deadlineOf(headers, timers, this.fail);
    stream.on('error', ignore);
    stream.on('data', this.take);
    stream.on('end', this.begin);
    if (this.deadline !== undefined) stream.on('close', this.closed);
  }

  certificate(): PeerCertificate | undefined {
    return certificateOf(this.stream);
  }

  peer(): string {
    return peerOf(this.stream);
  }

  private readonly take = (chunk: Buffer): void => {
    if (this.isAnswered) return;
    try {
      const messages = this.decoder.take(chunk);
      if (messages.length === 0) return;
      if (messages.length > 1 || this.message !== undefined) throw tooMany();
      this.message = messages[0];
    } catch (error) {
      this.refuse(error);
    }
  };

  private readonly begin = (): void => {
    const { message, decoder, method } = this;
    if (this.isAnswered) return;
    try {
      if (message === undefined || decoder.isWithin) throw tooFew();
      this.request = decodeRequest((bytes) => method.decode(bytes), message);
    } catch (error) {
      this.refuse(error);
      return;
    }
    method.handle(this, this.answer);
  };

  private refuse(error: unknown): void {
    if (!(error instanceof MessageError)) throw error;
    this.fail({ status: error.status, reason: error.message });
  }

  private readonly fail = (failure: Failure): void => this.answer(failure);

  private readonly closed = (): void => this.deadline?.[Symbol.dispose]();

  private readonly answer: Answer<R> = (failure, response) => {
    if (this.isAnswered) return;
    this.isAnswered = true;
    const { stream } = this;
    if (failure !== null) {
      refuse(stream, failure);
      return;
    }
    const message = this.method.encode(response as R);
    if (message.length > MESSAGE_BYTES_MAX) {
      const reason = `the answer of ${message.length} bytes is larger than ${MESSAGE_BYTES_MAX}`;
      refuse(stream, { status: 'RESOURCE_EXHAUSTED', reason });
      return;
    }
    // The client may be gone.
    if (stream.destroyed || stream.closed) return;
    stream.on('wantTrailers', sendOk);
    stream.respond(HEADERS, WITH_TRAILERS);
    stream.end(prefixed(message));
  };
}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK_TRAILERS);
}

function ignore(): void {
  // The client is gone: what its call did is done.
}

function tooFew(): MessageError {
  return new MessageError('INTERNAL', 'the message is missing');
}

function tooMany(): MessageError {
  return new MessageError('INTERNAL', 'there is more than one message');
}
