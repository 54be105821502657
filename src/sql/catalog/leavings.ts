// What nodes leave in the catalog: keys of indexes that belong to nobody, and, when they are gone for good, that they
// were ever given a lease.

import { ByteReader } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { decodeKeyDatum } from '../../rows/key-codec.ts';
import { INT8 } from '../../rows/types.ts';
import type { Log, NodeId } from '../../runtime/runtime.ts';
import type { Transactions } from '../../txn/api.ts';
import { inOwnTransaction } from './attempts.ts';
import {
  clearingNode,
  gatewayKey,
  indexSpan,
  PENDING_CLEAR_SPAN,
  pendingClearKey,
} from './keys.ts';
import { scanRows } from './scan.ts';
import { holdStint } from './schema-stint.ts';

export async function clearIndex(transactions: Transactions, indexId: number): Promise<void> {
  const { start, end } = indexSpan(indexId);
  await transactions.clearSpan(start, end);
  await inOwnTransaction(transactions, async (txn) => txn.delete(pendingClearKey(indexId)));
}

/** Of a node none of whose transactions can commit any more. A record that is still there belongs to one that did not,
 * or to one that did and whose old keys were not cleared before its process ended. Nobody sees the keys either way. */
export async function clearLeavings(
  transactions: Transactions,
  node: NodeId,
  log: Log,
): Promise<void> {
  const indexIds: number[] = [];
  await scanRows(transactions, PENDING_CLEAR_SPAN, (key, record) => {
    if (clearingNode(record) !== node) return;
    indexIds.push(Number(decodeKeyDatum(new ByteReader(key, 4), INT8, false)));
  });
  for (const indexId of indexIds) {
    log.info('clearing what an unfinished schema change left', { index: indexId, node });
    await clearIndex(transactions, indexId);
  }
}

/** By the home of this stint: no other may have given the node a lease since. */
export async function eraseGateway(
  transactions: Transactions,
  node: NodeId,
  stint: number,
): Promise<void> {
  await inOwnTransaction(transactions, async (txn) => {
    if ((await holdStint(txn)) !== stint) {
      throw new DbError('57P03', 'another node is the home of the schema');
    }
    txn.delete(gatewayKey(node));
  });
}
