// Puts over gRPC by the same code against both systems: a request is (key = 1, value = 2) in both, only the method's
// name differs. Clients are loops, each with one put under way.

import { randomFillSync } from 'node:crypto';
import * as grpc from '@grpc/grpc-js';

const KEY_BYTES = 16;
const VALUE_BYTES = 100;
/** Connections; more clients share them. */
const CHANNELS_MAX = 8;

export const value: Buffer = randomFillSync(Buffer.alloc(VALUE_BYTES));

export function putRequest(key: Buffer): Buffer {
  const request = Buffer.allocUnsafe(2 + KEY_BYTES + 2 + VALUE_BYTES);
  request[0] = 0x0a;
  request[1] = KEY_BYTES;
  key.copy(request, 2);
  request[2 + KEY_BYTES] = 0x12;
  request[3 + KEY_BYTES] = VALUE_BYTES;
  value.copy(request, 4 + KEY_BYTES);
  return request;
}

export function freshKey(): Buffer {
  return randomFillSync(Buffer.allocUnsafe(KEY_BYTES));
}

export interface Rate {
  readonly putsPerSecond: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
}

export function rateOf(latencies: Float64Array, count: number, millis: number): Rate {
  const sorted = latencies.slice(0, Math.min(count, latencies.length)).sort();
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { putsPerSecond: (count * 1000) / millis, p50Millis: at(0.5), p99Millis: at(0.99) };
}

export const SAMPLES_MAX: number = 1 << 20;

/** `method` is the path of a unary call, such as /etcdserverpb.KV/Put. */
export async function unaryPuts(
  address: string,
  method: string,
  clients: number,
  seconds: number,
): Promise<Rate> {
  const channels = Array.from(
    { length: Math.min(clients, CHANNELS_MAX) },
    () =>
      new grpc.Client(address, grpc.credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
      }),
  );
  const same = (bytes: Buffer): Buffer => bytes;
  const latencies = new Float64Array(SAMPLES_MAX);
  let count = 0;
  const started = performance.now();
  const end = started + seconds * 1000;
  const loop = (channel: grpc.Client): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = (): void => {
        const sent = performance.now();
        if (sent >= end) {
          resolve();
          return;
        }
        channel.makeUnaryRequest(method, same, same, putRequest(freshKey()), (error) => {
          if (error !== null) {
            reject(error);
            return;
          }
          latencies[count++ % SAMPLES_MAX] = performance.now() - sent;
          next();
        });
      };
      next();
    });
  try {
    await Promise.all(
      Array.from({ length: clients }, (_, i) => loop(channels[i % channels.length] as grpc.Client)),
    );
    return rateOf(latencies, count, performance.now() - started);
  } finally {
    for (const channel of channels) channel.close();
  }
}
