// All rows of a small span of the catalog, as of now.

import { PackedRowReader } from '../../rows/packed-rows.ts';
import type { Transactions } from '../../txn/api.ts';
import type { KeySpan } from './keys.ts';

const SCAN_BATCH_BYTES = 1 << 20;

/** The bytes are the callee's to keep. */
export async function scanRows(
  transactions: Transactions,
  span: KeySpan,
  row: (key: Uint8Array, value: Uint8Array) => void,
): Promise<void> {
  const scan = await transactions.snapshot().scan({
    span,
    reverse: false,
    program: undefined,
    parameters: undefined,
    limitRows: 0,
    batchBytes: SCAN_BATCH_BYTES,
  });
  try {
    for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
      const reader = new PackedRowReader(batch.rows);
      while (reader.next()) {
        row(
          reader.bytes.slice(reader.keyStart, reader.keyEnd),
          reader.bytes.slice(reader.rowStart, reader.rowEnd),
        );
      }
    }
  } finally {
    scan.close();
  }
}
