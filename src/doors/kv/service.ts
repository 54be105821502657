// The gRPC face of the key-value door (kv.proto). The node adds the service to its RPC server.

import type {
  sendUnaryData,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Timers } from '../../runtime/runtime.ts';
import {
  BatchRequest,
  BatchResponse,
  GetRequest,
  GetResponse,
  type MessageFns,
  PutRequest,
  PutResponse,
  ScanRequest,
  ScanResponse,
  StreamRequest,
  StreamResponse,
} from './generated/kv.ts';
import { errorOf, failure, type LeaderAddress, refusal } from './failures.ts';
import type { KvStore } from './store.ts';
import { KvStream } from './stream.ts';

export interface KvServiceParts {
  readonly store: KvStore;
  readonly timers: Timers;
  readonly leaderAddress: LeaderAddress;
}

export interface KvService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

export function createKvService(parts: KvServiceParts): KvService {
  const { store, leaderAddress } = parts;
  const put = (
    call: ServerUnaryCall<PutRequest, PutResponse>,
    done: sendUnaryData<PutResponse>,
  ) => {
    const { key, value } = call.request;
    store.write(key, value, (answer) => {
      if (answer.kind === 'committed') done(null, { timestamp: answer.timestamp });
      else done(errorOf(refusal(answer, leaderAddress)));
    });
  };
  const get = (
    call: ServerUnaryCall<GetRequest, GetResponse>,
    done: sendUnaryData<GetResponse>,
  ) => {
    const { key, readTimestamp } = call.request;
    store.get(key, readTimestamp === 0 ? undefined : readTimestamp).then(
      ({ value, timestamp }) =>
        done(null, { found: value !== undefined, value: value ?? NOTHING, timestamp }),
      (error: unknown) => done(errorOf(failure(error, leaderAddress))),
    );
  };
  const batch = (
    call: ServerUnaryCall<BatchRequest, BatchResponse>,
    done: sendUnaryData<BatchResponse>,
  ) => {
    const writes = call.request.writes.map(({ key, value, delete: isDelete }) => ({
      key,
      value: isDelete ? undefined : value,
    }));
    store.batch(writes).then(
      (answer) => {
        if (answer.kind === 'committed') done(null, { timestamp: answer.timestamp });
        else done(errorOf(refusal(answer, leaderAddress)));
      },
      (error: unknown) => done(errorOf(failure(error, leaderAddress))),
    );
  };
  const scan = (call: ServerWritableStream<ScanRequest, ScanResponse>) => {
    sendScan(call, store).then(
      () => call.end(),
      (error: unknown) => call.emit('error', errorOf(failure(error, leaderAddress))),
    );
  };
  const stream = (call: ServerDuplexStream<StreamRequest, StreamResponse>) => {
    new KvStream(call, parts, (told) =>
      'kind' in told ? refusal(told, leaderAddress) : failure(told, leaderAddress),
    ).start();
  };
  return {
    definition: {
      Get: unary('Get', GetRequest, GetResponse),
      Put: unary('Put', PutRequest, PutResponse),
      Batch: unary('Batch', BatchRequest, BatchResponse),
      Scan: { ...unary('Scan', ScanRequest, ScanResponse), responseStream: true },
      Stream: {
        ...unary('Stream', StreamRequest, StreamResponse),
        requestStream: true,
        responseStream: true,
      },
    },
    implementation: { Get: get, Put: put, Batch: batch, Scan: scan, Stream: stream },
  };
}

const NOTHING = new Uint8Array(0);

function unary<Q, A>(name: string, request: MessageFns<Q>, answer: MessageFns<A>) {
  const bytesOf = (writer: Uint8Array): Buffer =>
    Buffer.from(writer.buffer, writer.byteOffset, writer.byteLength);
  return {
    path: `/meridian.kv.v1.Kv/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: Q) => bytesOf(request.encode(message).finish()),
    requestDeserialize: (bytes: Buffer) => request.decode(bytes),
    responseSerialize: (message: A) => bytesOf(answer.encode(message).finish()),
    responseDeserialize: (bytes: Buffer) => answer.decode(bytes),
  };
}

/** Batch by batch, no faster than the client takes them. */
async function sendScan(
  call: ServerWritableStream<ScanRequest, ScanResponse>,
  store: KvStore,
): Promise<void> {
  const { start, end, limit, reverse } = call.request;
  for await (const pairs of store.scan(start, end, limit, reverse)) {
    if (call.cancelled) return;
    if (pairs.length === 0 || call.write({ pairs: [...pairs] })) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        call.off('drain', go);
        call.off('cancelled', go);
        resolve();
      };
      call.on('drain', go);
      call.on('cancelled', go);
    });
  }
}
