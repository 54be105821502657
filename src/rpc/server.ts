// The port at which a node is spoken to over gRPC, by its peers and by clients. Services are added by whoever has them;
// health and reflection are always there. It speaks gRPC by hand over Node's HTTP/2: grpc-js's server costs as much again
// for each call as HTTP/2 does (bench: put).

import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { type Address, formatAddress } from '../base/address.ts';
import { DbError } from '../base/errors.ts';
import type { Timers } from '../runtime/runtime.ts';
import { protoFiles } from './generated/descriptors.ts';
import { HealthDefinition } from './generated/health.ts';
import { ServerReflectionDefinition } from './generated/reflection.ts';
import { Health } from './health.ts';
import { Reflection } from './reflection.ts';
import { keepAlive } from './keepalive.ts';
import { isGrpc, refuse, ServerCall } from './server-call.ts';
import {
  type Handlers,
  type MethodShape,
  pathOf,
  type ProtoFile,
  RawHandler,
  type ServerStreamHandler,
  type ServiceShape,
  type StreamHandler,
  type UnaryHandler,
} from './service.ts';
import { requireReachable, serverTls, type TlsMaterial } from './tls.ts';
import { TypedStream } from './typed-stream.ts';
import { ServedUnary, type UnaryMethod } from './unary-call.ts';

/** How long calls may take to end when the server closes. */
const GRACE_MICROS = 500_000;

export interface RpcServerOptions {
  /** Port 0: any that is free. */
  readonly address: Address;
  readonly tls?: TlsMaterial | undefined;
  readonly timers: Timers;
}

export class RpcServer {
  readonly health: Health = new Health();
  readonly #reflection = new Reflection();
  readonly #options: RpcServerOptions;
  /** By path. */
  readonly #methods = new Map<string, Serve>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();
  #server: Http2Server | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.addService(HealthDefinition, this.health.handlers, protoFiles);
    this.addService(ServerReflectionDefinition, this.#reflection.handlers, protoFiles);
    const older = {
      ...ServerReflectionDefinition,
      fullName: ServerReflectionDefinition.fullName.replace('.v1.', '.v1alpha.'),
    };
    this.addService(older, this.#reflection.handlers, protoFiles);
  }

  /** Also while the server runs. The service is healthy until `health` is told otherwise. */
  addService<S extends ServiceShape>(
    service: S,
    handlers: Handlers<S>,
    files: readonly ProtoFile[],
  ): void {
    for (const [key, method] of Object.entries(service.methods)) {
      const handler = (handlers as Readonly<Record<string, unknown>>)[key];
      this.#methods.set(pathOf(service, method), serverOf(method, handler, this.#options.timers));
    }
    this.#reflection.add(service.fullName, files);
    this.health.set(service.fullName, true);
  }

  /** Until it is added, who asks for it shall try again: it is coming. */
  expectService(service: ServiceShape): void {
    for (const method of Object.values(service.methods)) {
      this.#methods.set(pathOf(service, method), (stream) => {
        stream.on('error', () => {});
        refuse(stream, { status: 'UNAVAILABLE', reason: 'the node does not serve this yet' });
      });
    }
  }

  /** Where it is reached: with the port that it got. */
  async listen(): Promise<Address> {
    const { address, tls } = this.#options;
    requireReachable(formatAddress(address), tls);
    const options = { settings: { enablePush: false }, maxSessionMemory: SESSION_MEGABYTES_MAX };
    const server =
      tls === undefined
        ? createServer(options)
        : createSecureServer({ ...options, ...serverTls(tls) });
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('session', (session) => this.#opened(session));
    // The session closes, and what it carried breaks.
    server.on('sessionError', () => {});
    server.on('stream', this.#serve);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(cannotListen(address, error)));
      server.listen(address.port, address.host, resolve);
    });
    return { host: address.host, port: (server.address() as AddressInfo).port };
  }

  #opened(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    keepAlive(session, this.#options.timers);
  }

  readonly #serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
    const path = headers[':path'] ?? '';
    const serve = this.#methods.get(path);
    if (serve !== undefined && isGrpc(stream, headers)) {
      serve(stream, headers);
      return;
    }
    stream.on('error', () => {});
    refuse(stream, { status: 'UNIMPLEMENTED', reason: `there is no method ${path}` });
  };

  /** Calls may end for a moment, then they are broken. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.health.close();
      if (this.#server === undefined) {
        resolve();
        return;
      }
      const timer = this.#options.timers.after(GRACE_MICROS, () => {
        // A session that closes waits for the other end to agree, which may hear nothing.
        for (const socket of this.#sockets) socket.destroy();
      });
      this.#server.close(() => {
        timer[Symbol.dispose]();
        resolve();
      });
      for (const session of this.#sessions) session.close();
    });
    return this.#closed;
  }
}

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** What one connection may have us hold, many calls of the largest messages: more is refused. */
const SESSION_MEGABYTES_MAX = 1024;

function serverOf(method: MethodShape, handler: unknown, timers: Timers): Serve {
  const { requestType, responseType, requestStream, responseStream } = method;
  const decode = (bytes: Buffer): unknown => requestType.decode(bytes);
  const encode = (response: unknown): Uint8Array => responseType.encode(response).finish();
  if (handler instanceof RawHandler) {
    return (stream, headers) => handler.handle(new ServerCall(stream, headers, timers));
  }
  if (!requestStream && !responseStream) {
    const handle = handler as UnaryHandler<unknown, unknown>;
    const unary: UnaryMethod<unknown, unknown> = { decode, encode, handle };
    return (stream, headers) => void new ServedUnary(stream, headers, timers, unary);
  }
  return (http2Stream, headers) => {
    const call = new ServerCall(http2Stream, headers, timers);
    const stream = new TypedStream(call, decode, encode);
    if (requestStream) (handler as StreamHandler<unknown, unknown>)(stream);
    else serveOne(stream, handler as ServerStreamHandler<unknown, unknown>);
  };
}

/** The only request of a call is in before its handler begins. */
function serveOne<Q, R>(stream: TypedStream<Q, R>, handler: ServerStreamHandler<Q, R>): void {
  const requests: Q[] = [];
  stream.onMessage((message) => {
    if (requests.push(message) > 1) {
      stream.fail({ status: 'INTERNAL', reason: 'there is more than one message' });
    }
  });
  stream.onEnd(() => {
    if (requests.length === 1) handler(requests[0] as Q, stream);
    else stream.fail({ status: 'INTERNAL', reason: 'the message is missing' });
  });
}

function cannotListen(address: Address, error: Error): DbError {
  const where = `the RPC address ${formatAddress(address)}`;
  return error.message.includes('EADDRINUSE')
    ? new DbError('58000', `${where} is in use by another program`, {
        hint: 'Choose another one with --rpc HOST:PORT.',
      })
    : new DbError('58000', `${where} can't be listened at: ${error.message}`);
}
