// Who belongs to the cluster: a row for each node in the root range, written by transactions, so that no two nodes get
// one id, and read by all. A node that is gone keeps its row: its id is not given out again.

import { fromUtf8, prefixEnd, utf8 } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { rootKey } from '../../ranges/layout.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import { inOwnTransaction } from '../../sql/catalog/attempts.ts';
import type { Transactions } from '../../txn/api.ts';
import { LOCK_EXCLUSIVE } from '../../txn/api.ts';
import type { Member } from '../identity.ts';
import { readRow, readRows } from './root-rows.ts';

const FORMAT_VERSION = 1;
const PREFIX = rootKey('node/');
const END = prefixEnd(PREFIX);
/** Locked by whoever makes up a new id; holds the last one. */
const LAST_ID_KEY = rootKey('counter/node');
/** A replica id has room for no more (raft/types.ts). */
const NODES_MAX = 65_535;

export type NodeState = 'active' | 'decommissioning' | 'decommissioned';

export interface NodeRecord extends Member {
  /** 'region=eu,zone=a' */
  readonly locality: string;
  readonly state: NodeState;
  /** Of its data directory: who asks to join twice gets one id. */
  readonly instanceId: string;
}

export class Registry {
  private readonly transactions: Transactions;

  constructor(transactions: Transactions) {
    this.transactions = transactions;
  }

  /** By id. */
  async list(): Promise<readonly NodeRecord[]> {
    const rows = await readRows(this.transactions.snapshot(), { start: PREFIX, end: END });
    return rows.map(({ value }) => parseRecord(value)).sort((a, b) => a.nodeId - b.nodeId);
  }

  /** Of a node that is part of the cluster: where it is now. Who was decommissioned stays so. */
  register(
    own: Member & { readonly locality: string; readonly instanceId: string },
  ): Promise<NodeRecord> {
    return inOwnTransaction(this.transactions, async (txn) => {
      const found = await readRow(txn, keyOf(own.nodeId), LOCK_EXCLUSIVE);
      const before = found === undefined ? undefined : parseRecord(found);
      if (
        before !== undefined &&
        before.instanceId !== '' &&
        before.instanceId !== own.instanceId
      ) {
        throw new DbError('55000', `node ${own.nodeId} is another data directory's name`);
      }
      const state = before?.state ?? 'active';
      const record: NodeRecord = { ...own, state };
      if (before !== undefined && isSame(before, record)) return before;
      txn.put(keyOf(own.nodeId), encodeRecord(record));
      return record;
    });
  }

  /** A node that waits gets an id; asking again gives the same one. `known`: nodes that founded the cluster, whose rows
   * may not be there yet. */
  join(
    newcomer: Omit<Member, 'nodeId'> & { readonly locality: string; readonly instanceId: string },
    known: readonly NodeId[],
  ): Promise<NodeRecord> {
    return inOwnTransaction(this.transactions, async (txn) => {
      const last = await readRow(txn, LAST_ID_KEY, LOCK_EXCLUSIVE);
      const rows = await readRows(txn, { start: PREFIX, end: END });
      const records = rows.map(({ value }) => parseRecord(value));
      const before = records.find(({ instanceId }) => instanceId === newcomer.instanceId);
      if (before !== undefined) return before;
      const ids = [Number(last === undefined ? 0 : fromUtf8(last)), ...known];
      const nodeId = Math.max(...ids, ...records.map((one) => one.nodeId)) + 1;
      if (nodeId > NODES_MAX) throw new DbError('54000', `there have been ${NODES_MAX} nodes`);
      const record: NodeRecord = { nodeId, ...newcomer, state: 'active' };
      txn.put(LAST_ID_KEY, utf8(String(nodeId)));
      txn.put(keyOf(nodeId), encodeRecord(record));
      return record;
    });
  }

  /** DbError when the node is not there, or `may` objects. Answers what the node is now. */
  setState(
    nodeId: NodeId,
    state: NodeState,
    may: (records: readonly NodeRecord[]) => void = () => {},
  ): Promise<NodeRecord> {
    return inOwnTransaction(this.transactions, async (txn) => {
      // Two nodes that are decommissioned at once must see each other.
      await readRow(txn, LAST_ID_KEY, LOCK_EXCLUSIVE);
      const rows = await readRows(txn, { start: PREFIX, end: END });
      const records = rows.map(({ value }) => parseRecord(value));
      const before = records.find((one) => one.nodeId === nodeId);
      if (before === undefined) {
        const ids = records.map((one) => one.nodeId).sort((a, b) => a - b);
        throw new DbError('42704', `there is no node ${nodeId}: there are ${ids.join(', ')}`);
      }
      if (before.state === state) return before;
      may(records);
      const record = { ...before, state };
      txn.put(keyOf(nodeId), encodeRecord(record));
      return record;
    });
  }
}

function keyOf(nodeId: NodeId): Uint8Array {
  return rootKey(`node/${nodeId}`);
}

function isSame(a: NodeRecord, b: NodeRecord): boolean {
  return (
    a.rpc === b.rpc &&
    a.sql === b.sql &&
    a.http === b.http &&
    a.locality === b.locality &&
    a.state === b.state &&
    a.instanceId === b.instanceId
  );
}

function encodeRecord(record: NodeRecord): Uint8Array {
  return utf8(JSON.stringify({ formatVersion: FORMAT_VERSION, ...record }));
}

function parseRecord(bytes: Uint8Array): NodeRecord {
  const found = JSON.parse(fromUtf8(bytes)) as NodeRecord & { readonly formatVersion: number };
  const { formatVersion, ...record } = found;
  if (formatVersion <= FORMAT_VERSION) return record;
  throw new DbError(
    'XX001',
    `a row of the node registry has format version ${formatVersion}, this program knows version ${FORMAT_VERSION}`,
    { hint: 'Run the same version of Meridian on all nodes.' },
  );
}
