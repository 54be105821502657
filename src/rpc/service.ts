// What a .proto file says of a service, as grpc-js wants it. The generated definitions know messages and names; here
// they get types for handlers, and serializers that don't copy.

import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import { RpcError, type StatusName } from './error.ts';

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

type HandlerOf<M extends MethodShape, Q, R> = M['requestStream'] extends true
  ? M['responseStream'] extends true
    ? handleBidiStreamingCall<Q, R>
    : handleClientStreamingCall<Q, R>
  : M['responseStream'] extends true
    ? handleServerStreamingCall<Q, R>
    : handleUnaryCall<Q, R>;

/** One handler of grpc-js for each method. */
export type Handlers<S extends ServiceShape> = {
  readonly [K in keyof S['methods']]: HandlerOf<
    S['methods'][K],
    MessageOf<S['methods'][K]['requestType']>,
    MessageOf<S['methods'][K]['responseType']>
  >;
};

export function methodDefinition<Q, R>(
  service: ServiceShape,
  method: Omit<MethodShape, 'requestType' | 'responseType'>,
  requestType: MessageType<Q>,
  responseType: MessageType<R>,
): MethodDefinition<Q, R> {
  return {
    path: `/${service.fullName}/${method.name}`,
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    requestSerialize: (message) => serialize(requestType, message),
    requestDeserialize: (bytes) => requestType.decode(bytes),
    responseSerialize: (message) => serialize(responseType, message),
    responseDeserialize: (bytes) => responseType.decode(bytes),
  };
}

export function serviceDefinition(service: ServiceShape): ServiceDefinition {
  const definition: Record<string, MethodDefinition<unknown, unknown>> = {};
  for (const [key, method] of Object.entries(service.methods)) {
    const { requestType, responseType } = method;
    definition[key] = methodDefinition(service, method, requestType, responseType);
  }
  return definition;
}

function serialize<T>(type: MessageType<T>, message: T): Buffer {
  const bytes = type.encode(message).finish();
  // Ours are Buffers already.
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A handler that answers with a promise; RpcErrors keep their status, other errors are INTERNAL. */
export function unary<Q, R>(
  answer: (request: Q, call: ServerUnaryCall<Q, R>) => R | Promise<R>,
): handleUnaryCall<Q, R> {
  return (call, callback) => {
    new Promise<R>((resolve) => resolve(answer(call.request, call))).then(
      (response) => callback(null, response),
      (error: unknown) => failUnary(callback, error),
    );
  };
}

function failUnary<R>(callback: sendUnaryData<R>, error: unknown): void {
  const name: StatusName = error instanceof RpcError ? error.status : 'INTERNAL';
  const details = error instanceof Error ? error.message : String(error);
  callback({ code: status[name], details });
}
