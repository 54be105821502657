// The gRPC face of the key-value door (kv.proto). The node adds the service to its RPC server.

import type { Timers } from '../../runtime/runtime.ts';
import type {
  BatchRequest,
  BatchResponse,
  GetRequest,
  GetResponse,
  PutRequest,
  PutResponse,
  ScanRequest,
  ScanResponse,
  StreamRequest,
  StreamResponse,
} from './generated/kv.ts';
import type { Answer, CallStream, UnaryHandler } from './calls.ts';
import { endOf, failure, type LeaderAddress, refusal } from './failures.ts';
import type { KvStore } from './store.ts';
import { KvStream } from './stream.ts';

export interface KvServiceParts {
  readonly store: KvStore;
  readonly timers: Timers;
  readonly leaderAddress: LeaderAddress;
}

export interface KvHandlers {
  readonly get: UnaryHandler<GetRequest, GetResponse>;
  readonly put: UnaryHandler<PutRequest, PutResponse>;
  readonly batch: UnaryHandler<BatchRequest, BatchResponse>;
  readonly scan: (request: ScanRequest, call: CallStream<ScanRequest, ScanResponse>) => void;
  readonly stream: (call: CallStream<StreamRequest, StreamResponse>) => void;
}

export function createKvHandlers(parts: KvServiceParts): KvHandlers {
  const { store, leaderAddress } = parts;
  const put = (call: { readonly request: PutRequest }, done: Answer<PutResponse>) => {
    const { key, value } = call.request;
    store.write(key, value, (answer) => {
      if (answer.kind === 'committed') done(null, { timestamp: answer.timestamp });
      else done(endOf(refusal(answer, leaderAddress)));
    });
  };
  const get = (call: { readonly request: GetRequest }, done: Answer<GetResponse>) => {
    const { key, readTimestamp } = call.request;
    store.get(key, readTimestamp === 0 ? undefined : readTimestamp).then(
      ({ value, timestamp }) =>
        done(null, { found: value !== undefined, value: value ?? NOTHING, timestamp }),
      (error: unknown) => done(endOf(failure(error, leaderAddress))),
    );
  };
  const batch = (call: { readonly request: BatchRequest }, done: Answer<BatchResponse>) => {
    const writes = call.request.writes.map(({ key, value, delete: isDelete }) => ({
      key,
      value: isDelete ? undefined : value,
    }));
    store.batch(writes).then(
      (answer) => {
        if (answer.kind === 'committed') done(null, { timestamp: answer.timestamp });
        else done(endOf(refusal(answer, leaderAddress)));
      },
      (error: unknown) => done(endOf(failure(error, leaderAddress))),
    );
  };
  const scan = (request: ScanRequest, call: CallStream<ScanRequest, ScanResponse>) => {
    sendScan(request, call, store).then(
      () => call.end(),
      (error: unknown) => call.fail(endOf(failure(error, leaderAddress))),
    );
  };
  const stream = (call: CallStream<StreamRequest, StreamResponse>) => {
    new KvStream(call, parts, (told) =>
      'kind' in told ? refusal(told, leaderAddress) : failure(told, leaderAddress),
    ).start();
  };
  return { get, put, batch, scan, stream };
}

const NOTHING = new Uint8Array(0);

/** Batch by batch, no faster than the client takes them. */
async function sendScan(
  { start, end, limit, reverse }: ScanRequest,
  call: CallStream<ScanRequest, ScanResponse>,
  store: KvStore,
): Promise<void> {
  let goOn = (): void => {};
  call.onDrain(() => goOn());
  call.onOver(() => goOn());
  for await (const pairs of store.scan(start, end, limit, reverse)) {
    if (call.isOver) return;
    if (pairs.length === 0 || call.write({ pairs: [...pairs] })) continue;
    await new Promise<void>((resolve) => {
      goOn = resolve;
      // The client may have left meanwhile.
      if (call.isOver) resolve();
    });
  }
}
