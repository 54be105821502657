// The same puts through our stream: one call, `clients` puts under way in it, all of a turn in one message. Another API
// than a unary call, and labelled so wherever it is reported.

import * as grpc from '@grpc/grpc-js';
import { Operation, StreamRequest, StreamResponse } from '../../src/doors/kv/generated/kv.ts';
import { freshKey, type Rate, rateOf, SAMPLES_MAX, value } from './put-load.ts';

const STREAM = '/meridian.kv.v1.Kv/Stream';

export function streamPuts(address: string, clients: number, seconds: number): Promise<Rate> {
  const channel = new grpc.Client(address, grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  const call = channel.makeBidiStreamRequest(
    STREAM,
    (request: StreamRequest) => Buffer.from(StreamRequest.encode(request).finish()),
    (bytes: Buffer) => StreamResponse.decode(bytes),
  );
  const latencies = new Float64Array(SAMPLES_MAX);
  const sentAt = new Float64Array(clients);
  const started = performance.now();
  const end = started + seconds * 1000;
  let count = 0;
  let underway = 0;
  return new Promise<Rate>((resolve, reject) => {
    const send = (ids: readonly number[]): void => {
      const now = performance.now();
      if (now >= end || ids.length === 0) return;
      for (const id of ids) sentAt[id] = now;
      underway += ids.length;
      call.write({
        operations: ids.map((id) => ({ id, operation: Operation.PUT, key: freshKey(), value })),
      });
    };
    call.on('data', ({ answers }: StreamResponse) => {
      const now = performance.now();
      for (const { id, status, message } of answers) {
        if (status !== 0) {
          reject(new Error(message));
          return;
        }
        latencies[count++ % SAMPLES_MAX] = now - (sentAt[id] as number);
      }
      underway -= answers.length;
      send(answers.map(({ id }) => id));
      if (underway === 0) call.end();
    });
    call.on('error', reject);
    call.on('end', () => resolve(rateOf(latencies, count, performance.now() - started)));
    send(Array.from({ length: clients }, (_, id) => id));
  }).finally(() => channel.close());
}
