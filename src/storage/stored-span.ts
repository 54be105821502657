// Where the versions of a span's rows lie in the engine.

import { compareBytes, prefixEnd } from '../base/bytes.ts';
import type { Span } from './engine.ts';
import { engineKey } from './mvcc-scan.ts';
import { HISTORY_PREFIX, prefixedSpan } from './mvcc.ts';
import { NewestRows } from './newest-rows.ts';
import type { RowSource } from './row-store.ts';

/**
 * Of the older versions of the rows in a span. A bound may be a row's key plus something (the key after it): that row's
 * older versions then lie on the other side of the bound than its key does, so bounds are moved past them.
 */
export async function historySpan(source: RowSource, span: Span): Promise<Span> {
  const history = prefixedSpan(HISTORY_PREFIX, span);
  const start = (await boundBeyond(source, span.start)) ?? history.start;
  const end = span.end && (await boundBeyond(source, span.end));
  return { start, end: end ?? history.end };
}

/** Undefined: no row's key is part of the bound. */
async function boundBeyond(source: RowSource, bound: Uint8Array): Promise<Uint8Array | undefined> {
  const below = { start: new Uint8Array(0), end: bound };
  const rows = new NewestRows(source, below, true, 1);
  try {
    if (!(await rows.next())) return undefined;
    const { page } = rows;
    const key =
      page === undefined
        ? (rows.keys[rows.from] as Uint8Array).slice()
        : engineKey(page, rows.to - 1);
    if (compareBytes(key.subarray(1), bound.subarray(0, key.length - 1)) !== 0) return undefined;
    key[0] = HISTORY_PREFIX;
    return prefixEnd(key);
  } finally {
    await rows.close();
  }
}
