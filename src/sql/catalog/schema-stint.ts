// What the schema's home keeps in the catalog itself. The stint counts homes: every schema change reads it under a lock
// that it keeps until it ends, and a new home writes it as the oldest transaction there is, so that no change that was
// let in by an earlier home commits after the new one has begun (P21). And the nodes that were ever given a lease: for
// those that it has not heard of, a new home waits.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { decodeKeyDatum } from '../../rows/key-codec.ts';
import { INT8 } from '../../rows/types.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import { LOCK_EXCLUSIVE, LOCK_SHARED, type Transaction, type Transactions } from '../../txn/api.ts';
import { inOwnTransaction } from './attempts.ts';
import { GATEWAY_SPAN, gatewayKey, STINT_KEY } from './keys.ts';
import { scanRows } from './scan.ts';

const FORMAT_VERSION = 1;
const PRESENT = new Uint8Array(1);

export async function beginStint(transactions: Transactions): Promise<number> {
  return await inOwnTransaction(
    transactions,
    async (txn) => {
      const [stored] = await txn.getManyLocked([STINT_KEY], LOCK_EXCLUSIVE);
      const stint = (stored === undefined ? 0 : decodeStint(stored)) + 1;
      const out = new ByteWriter(16);
      out.u8(FORMAT_VERSION);
      out.u53(stint);
      txn.put(STINT_KEY, out.take());
      return stint;
    },
    () => transactions.beginFirst(),
  );
}

export async function lastStint(transactions: Transactions): Promise<number> {
  const [stored] = await transactions.snapshot().getMany([STINT_KEY]);
  return stored === undefined ? 0 : decodeStint(stored);
}

/** From here on `txn` is in the way of another home. */
export async function holdStint(txn: Transaction): Promise<number> {
  const [stored] = await txn.getManyLocked([STINT_KEY], LOCK_SHARED);
  return stored === undefined ? 0 : decodeStint(stored);
}

function decodeStint(bytes: Uint8Array): number {
  const input = new ByteReader(bytes);
  const format = input.u8();
  if (format !== FORMAT_VERSION) {
    throw new DbError(
      'XX001',
      `the schema's stint has format version ${format}; this program reads version ${FORMAT_VERSION}`,
    );
  }
  return input.u53();
}

export async function readGateways(transactions: Transactions): Promise<Set<NodeId>> {
  const nodes = new Set<NodeId>();
  await scanRows(transactions, GATEWAY_SPAN, (key) => {
    nodes.add(Number(decodeKeyDatum(new ByteReader(key, 4), INT8, false)));
  });
  return nodes;
}

export async function writeGateway(transactions: Transactions, node: NodeId): Promise<void> {
  await inOwnTransaction(transactions, async (txn) => txn.put(gatewayKey(node), PRESENT));
}
