// What a .proto file says of a service: the generated definitions know messages and names; here they get types for
// handlers, and serializers that don't copy.

import type { MethodDefinition } from '@grpc/grpc-js';
import type { Call } from './call.ts';
import { RpcError } from './error.ts';
import type { TypedStream } from './typed-stream.ts';
import type { Answer, UnaryCall } from './unary-call.ts';

export interface MessageType<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

export interface MethodShape {
  readonly name: string;
  readonly requestType: MessageType<unknown>;
  readonly requestStream: boolean;
  readonly responseType: MessageType<unknown>;
  readonly responseStream: boolean;
}

/** What ts-proto generates as `…Definition`. */
export interface ServiceShape {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodShape>>;
}

/** A .proto file, for reflection: what `npm run generate` writes into descriptors.ts. */
export interface ProtoFile {
  readonly name: string;
  readonly symbols: readonly string[];
  readonly base64: string;
}

type MessageOf<T> = T extends { decode(bytes: Uint8Array): infer M } ? M : never;

export type UnaryHandler<Q, R> = (call: UnaryCall<Q>, answer: Answer<R>) => void;
export type ServerStreamHandler<Q, R> = (request: Q, stream: TypedStream<Q, R>) => void;
export type StreamHandler<Q, R> = (stream: TypedStream<Q, R>) => void;

/** A streaming call whose messages stay bytes: its handler decodes and encodes them. */
export class RawHandler {
  readonly handle: (call: Call) => void;

  constructor(handle: (call: Call) => void) {
    this.handle = handle;
  }
}

type HandlerOf<M extends MethodShape, Q, R> = M['requestStream'] extends true
  ? StreamHandler<Q, R> | RawHandler
  : M['responseStream'] extends true
    ? ServerStreamHandler<Q, R>
    : UnaryHandler<Q, R>;

/** One handler for each method. */
export type Handlers<S extends ServiceShape> = {
  readonly [K in keyof S['methods']]: HandlerOf<
    S['methods'][K],
    MessageOf<S['methods'][K]['requestType']>,
    MessageOf<S['methods'][K]['responseType']>
  >;
};

export function pathOf(service: ServiceShape, method: Pick<MethodShape, 'name'>): string {
  return `/${service.fullName}/${method.name}`;
}

/** A unary method as grpc-js's clients want it. */
export function methodDefinition<Q, R>(
  service: ServiceShape,
  method: Omit<MethodShape, 'requestType' | 'responseType'>,
  requestType: MessageType<Q>,
  responseType: MessageType<R>,
): MethodDefinition<Q, R> {
  return {
    path: pathOf(service, method),
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    requestSerialize: (message) => serialize(requestType, message),
    requestDeserialize: (bytes) => requestType.decode(bytes),
    responseSerialize: (message) => serialize(responseType, message),
    responseDeserialize: (bytes) => responseType.decode(bytes),
  };
}

export function serialize<T>(type: MessageType<T>, message: T): Buffer {
  const bytes = type.encode(message).finish();
  // Ours are Buffers already.
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A handler that answers with a promise; RpcErrors keep their status, other errors are INTERNAL. */
export function unary<Q, R>(
  answer: (request: Q, call: UnaryCall<Q>) => R | Promise<R>,
): UnaryHandler<Q, R> {
  return (call, done) => {
    new Promise<R>((resolve) => resolve(answer(call.request, call))).then(
      (response) => done(null, response),
      (error: unknown) => failUnary(done, error),
    );
  };
}

function failUnary<R>(done: Answer<R>, error: unknown): void {
  const status = error instanceof RpcError ? error.status : 'INTERNAL';
  done({ status, reason: error instanceof Error ? error.message : String(error) });
}
