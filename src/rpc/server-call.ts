// Calls to this node in which messages stream, from their headers to their status; and what unary ones (unary-call.ts)
// have in common with them.

import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type ServerStreamResponseOptions,
} from 'node:http2';
import { status } from '@grpc/grpc-js';
import type { Timers } from '../runtime/runtime.ts';
import { Http2Call } from './call.ts';
import type { Refusal } from './hello.ts';
import { MessageError } from './messages.ts';

/** Why a call fails, with what its client may read besides. */
export interface Failure extends Refusal {
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export const HEADERS: OutgoingHttpHeaders = {
  ':status': constants.HTTP_STATUS_OK,
  'content-type': 'application/grpc+proto',
};
/** Nobody who speaks gRPC looks at a date. */
export const WITH_TRAILERS: ServerStreamResponseOptions & { readonly sendDate: false } = {
  waitForTrailers: true,
  sendDate: false,
};
export const OK_TRAILERS: OutgoingHttpHeaders = { 'grpc-status': '0' };

function trailersOf({ status: name, reason, metadata }: Failure): OutgoingHttpHeaders {
  return {
    'grpc-status': String(status[name]),
    'grpc-message': encodeURI(reason),
    // In which encodings the other side may try again.
    ...(name === 'UNIMPLEMENTED' ? { 'grpc-accept-encoding': 'identity' } : undefined),
    ...metadata,
  };
}

/** Before anything was answered. */
export function refuse(stream: ServerHttp2Stream, failure: Failure): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.respond({ ...HEADERS, ...trailersOf(failure) }, { endStream: true });
  // What still comes is of no interest, but must not stand in the way of other calls.
  stream.resume();
}

/** False: it was answered that this is no gRPC. */
export function isGrpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
  const isOurs = headers['content-type']?.startsWith('application/grpc') === true;
  if (isOurs && headers[':method'] === 'POST') return true;
  stream.respond({ ':status': constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE }, { endStream: true });
  stream.resume();
  return false;
}

const UNIT_MICROS: ReadonlyMap<string, number> = new Map([
  ['H', 3600e6],
  ['M', 60e6],
  ['S', 1e6],
  ['m', 1e3],
  ['u', 1],
  ['n', 1e-3],
]);

const LATE: Refusal = { status: 'DEADLINE_EXCEEDED', reason: 'the deadline has passed' };

/** Tells when the client's time is over; undefined: it has set none. */
export function deadlineOf(
  headers: IncomingHttpHeaders,
  timers: Timers,
  failed: (failure: Failure) => void,
): Disposable | undefined {
  const text = headers['grpc-timeout'];
  if (text === undefined) return undefined;
  const match = /^(\d{1,8})([HMSmun])$/.exec(String(text));
  const unit = UNIT_MICROS.get(match?.[2] ?? '');
  if (unit === undefined) {
    failed({ status: 'INTERNAL', reason: `invalid grpc-timeout '${String(text)}'` });
    return undefined;
  }
  return timers.after(Number(match?.[1]) * unit, () => failed(LATE));
}

/** Throws MessageError where the bytes are no such message. */
export function decodeRequest<Q>(decode: (bytes: Buffer) => Q, message: Buffer): Q {
  try {
    return decode(message);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new MessageError('INTERNAL', `a message that makes no sense: ${error.message}`);
  }
}

export class ServerCall extends Http2Call<ServerHttp2Stream> {
  private trailers: OutgoingHttpHeaders = OK_TRAILERS;
  private readonly deadline: Disposable | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, timers: Timers) {
    super(stream);
    this.deadline = deadlineOf(headers, timers, (failure) => this.fail(failure));
    stream.on('wantTrailers', () => stream.sendTrailers(this.trailers));
    stream.on('close', () => {
      this.over(
        stream.writableFinished && !stream.aborted
          ? { status: 'OK', reason: 'it ended' }
          : { status: 'CANCELLED', reason: 'the connection or the call was broken' },
      );
    });
  }

  override write(message: Uint8Array, written?: () => void, rest?: Uint8Array): boolean {
    this.respond();
    return super.write(message, written, rest);
  }

  override end(): void {
    this.respond();
    super.end();
  }

  fail(failure: Failure): void {
    const { stream } = this;
    if (!stream.headersSent) {
      refuse(stream, failure);
    } else if (!stream.writableEnded) {
      this.trailers = trailersOf(failure);
      stream.end();
      stream.resume();
    }
    this.over(failure);
  }

  protected override over(ending: Refusal): void {
    this.deadline?.[Symbol.dispose]();
    super.over(ending);
  }

  private respond(): void {
    const { stream } = this;
    if (stream.headersSent || stream.destroyed || stream.closed) return;
    stream.respond(HEADERS, WITH_TRAILERS);
  }
}
