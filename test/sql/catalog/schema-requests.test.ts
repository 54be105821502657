// What a session is told of the end of its schema change.

import { describe, expect, it } from 'vitest';
import {
  SchemaRequests,
  type SchemaRequestsParts,
} from '../../../src/sql/catalog/schema-requests.ts';

const TABLE = 16384;
const HOLDER = { name: 'a session' };

/** A change that has committed, and of which no home has said yet that all nodes have it. */
async function committedChange(): Promise<{ requests: SchemaRequests; known: Promise<void> }> {
  const requests = new SchemaRequests({
    store: { pass: () => {} } as unknown as SchemaRequestsParts['store'],
    timers: {
      after: () => ({ [Symbol.dispose]: () => {} }),
    } as unknown as SchemaRequestsParts['timers'],
    log: { info: () => {}, warn: () => {}, error: () => {} },
    send: (message) => {
      if (message.kind === 'claim') queueMicrotask(() => requests.granted(message.request));
    },
    whenLoaded: () => undefined,
  });
  const request = await requests.claim(TABLE, HOLDER);
  const known = requests.over([request], 'committed', []) as Promise<void>;
  return { requests, known };
}

describe('a schema change that has committed', () => {
  it('is answered once all nodes have it', async () => {
    const { requests, known } = await committedChange();
    requests.settled(2);
    await expect(known).resolves.toBeUndefined();
  });

  it('is not answered as if they had it when its node stops', async () => {
    const { requests, known } = await committedChange();
    requests.stop();
    await expect(known).rejects.toMatchObject({ code: '40003' });
  });
});
