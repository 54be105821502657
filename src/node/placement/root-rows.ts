// Rows of the root range that are no descriptors: small tables that every node reads and few write.

import { PackedRowReader } from '../../rows/packed-rows.ts';
import type { Span } from '../../storage/engine.ts';
import { LOCK_SHARED, type LockOptions, type ReadView, type Transaction } from '../../txn/api.ts';

const BATCH_BYTES = 256 * 1024;

export interface RootRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export async function readRows(view: ReadView, span: Span): Promise<readonly RootRow[]> {
  const scan = await view.scan({
    span,
    reverse: false,
    program: undefined,
    parameters: undefined,
    limitRows: 0,
    batchBytes: BATCH_BYTES,
  });
  const rows: RootRow[] = [];
  try {
    for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
      const reader = new PackedRowReader(batch.rows);
      while (reader.next()) rows.push({ key: reader.key(), value: reader.row() });
    }
  } finally {
    scan.close();
  }
  return rows;
}

export async function readRow(
  txn: Transaction,
  key: Uint8Array,
  lock: LockOptions = LOCK_SHARED,
): Promise<Uint8Array | undefined> {
  const [value] = await txn.getManyLocked([key], lock);
  return value;
}
