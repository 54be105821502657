// Finds who leads by asking: a node that does not lead answers with the address of the one that does.

import * as grpc from '@grpc/grpc-js';
import { freshKey, putRequest } from './put-load.ts';

export const PUT = '/meridian.kv.v1.Kv/Put';
const LEADER_METADATA = 'meridian-leader';

/** Undefined once it was accepted; else why not. */
export function tryPut(
  address: string,
  timeoutMillis: number,
): Promise<grpc.ServiceError | undefined> {
  const channel = new grpc.Client(address, grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    channel.makeUnaryRequest(
      PUT,
      same,
      same,
      putRequest(freshKey()),
      { deadline: Date.now() + timeoutMillis },
      (error) => {
        channel.close();
        resolve(error ?? undefined);
      },
    );
  });
}

/** The address that accepts puts; asks all of them, again and again, for at most a minute. */
export async function findLeader(
  addresses: readonly string[],
  exceptFor?: string,
): Promise<string> {
  const end = performance.now() + 60_000;
  let last: grpc.ServiceError | undefined;
  while (performance.now() < end) {
    for (const address of addresses) {
      if (address === exceptFor) continue;
      last = await tryPut(address, 300);
      if (last === undefined) return address;
      const [hint] = last.metadata?.get(LEADER_METADATA) ?? [];
      if (typeof hint !== 'string' || hint === exceptFor) continue;
      last = await tryPut(hint, 300);
      if (last === undefined) return hint;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`no node accepted a put within a minute: ${last?.message ?? 'no answer'}`);
}
