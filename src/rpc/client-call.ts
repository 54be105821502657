// Calls to other nodes that carry frames or bulk data: each on a connection of its own, so that one's bulk data doesn't
// delay another's frames, and by hand over Node's HTTP/2: every put passes here several times (bench: put).

import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Socket } from 'node:net';
import { formatAddress, parseAddress } from '../base/address.ts';
import type { Timers } from '../runtime/runtime.ts';
import { type Call, Http2Call } from './call.ts';
import { statusName } from './error.ts';
import type { Refusal } from './hello.ts';
import { keepAlive } from './keepalive.ts';
import { clientTls, requireReachable, type TlsMaterial } from './tls.ts';

/** For what is still to be sent when a call is over. */
const LINGER_MICROS = 500_000;

/** How much a sender may be ahead of us. */
const WINDOW_BYTES = 1024 * 1024;

/** `path` is the method's. DbError when the address may not be spoken to without TLS. */
export function startCall(
  address: string,
  path: string,
  tls: TlsMaterial | undefined,
  timers: Timers,
): Call {
  requireReachable(address, tls);
  const authority = formatAddress(parseAddress(address));
  const session = connect(`${tls === undefined ? 'http' : 'https'}://${authority}`, {
    settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
    ...(tls === undefined ? {} : clientTls(tls)),
  });
  session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
  keepAlive(session, timers);
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  return new ClientCall(session, stream, address, timers);
}

class ClientCall extends Http2Call<ClientHttp2Stream> {
  private readonly session: ClientHttp2Session;
  private readonly address: string;
  /** What the server said of the call's end. */
  private told: Refusal | undefined;
  private broken = 'the connection was broken';

  constructor(
    session: ClientHttp2Session,
    stream: ClientHttp2Stream,
    address: string,
    timers: Timers,
  ) {
    super(stream);
    this.session = session;
    this.address = address;
    const heard = (headers: Headers): void => {
      this.told = endingOf(headers) ?? this.told;
      // A server may end the call before we end our side.
      if (this.told !== undefined && !stream.writableEnded) stream.end();
    };
    stream.on('response', heard);
    stream.on('trailers', heard);
    let socket: Socket | undefined;
    session.once('connect', (_session, connected) => {
      socket = connected as Socket;
    });
    const failed = (error: Error): void => {
      this.broken = error.message;
    };
    session.on('error', failed);
    stream.on('error', failed);
    stream.on('close', () => {
      this.over(this.told ?? { status: 'UNAVAILABLE', reason: this.broken });
      // What is still to be sent, such as the stream's end, leaves first.
      if (session.connecting) {
        session.destroy();
        return;
      }
      session.close();
      // It waits for the other end to agree, which may hear nothing.
      if (socket === undefined || socket.destroyed) return;
      const linger = timers.after(LINGER_MICROS, () => socket?.destroy());
      socket.once('close', () => linger[Symbol.dispose]());
    });
  }

  fail(refusal: Refusal): void {
    this.over(refusal);
    this.stream.close(constants.NGHTTP2_CANCEL);
    if (this.session.connecting) this.session.destroy();
  }

  override peer(): string {
    return this.address;
  }
}

type Headers = Readonly<Record<string, string | string[] | number | undefined>>;

/** Undefined: the headers do not say that the call is over. */
function endingOf(headers: Headers): Refusal | undefined {
  const code = headers['grpc-status'];
  const http = headers[':status'];
  if (code !== undefined) {
    return {
      status: statusName(Number(code)),
      reason: decoded(String(headers['grpc-message'] ?? '')),
    };
  }
  if (http === undefined || http === constants.HTTP_STATUS_OK) return undefined;
  return { status: 'UNAVAILABLE', reason: `it answers with HTTP status ${String(http)}` };
}

function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
