// Where the versions of a span's rows lie in the engine.

import { compareBytes, prefixEnd } from '../base/bytes.ts';
import type { EngineReader, Span } from './engine.ts';
import { HISTORY_PREFIX, LATEST_PREFIX, prefixedSpan } from './mvcc.ts';

export interface StoredSpan {
  readonly latest: Span;
  readonly history: Span;
}

/**
 * Of the newest and of the older versions of the rows in a span. A bound may be a row's key plus something (the key
 * after it): that row's older versions then lie on the other side of the bound than its key does, so bounds are moved
 * past them.
 */
export async function storedSpan(reader: EngineReader, span: Span): Promise<StoredSpan> {
  const latest = prefixedSpan(LATEST_PREFIX, span);
  const history = prefixedSpan(HISTORY_PREFIX, span);
  const start = await historyBound(reader, latest.start, history.start);
  const end =
    span.end === undefined ? history.end : await historyBound(reader, latest.end, history.end);
  return { latest, history: { start, end } };
}

async function historyBound<B extends Uint8Array | undefined>(
  reader: EngineReader,
  bound: B,
  ordinary: B,
): Promise<B> {
  if (bound === undefined) return ordinary;
  const below = { start: Uint8Array.of(LATEST_PREFIX), end: bound };
  for await (const batch of reader.scan(below, { reverse: true, batchBytes: 1 })) {
    const key = batch.keys[0] as Uint8Array;
    if (compareBytes(key, bound.subarray(0, key.length)) !== 0) return ordinary;
    const older = key.slice();
    older[0] = HISTORY_PREFIX;
    return prefixEnd(older) as B;
  }
  return ordinary;
}
