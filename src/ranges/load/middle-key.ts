// Finds the row at which a span's data has its middle, by asking the shard how much lies before a row, and halving what
// is left: some tens of requests, whatever the size. Where the store's estimates are too coarse, rows are counted.

import { compareBytes } from '../../base/bytes.ts';
import { MAX_TIMESTAMP } from '../../clock/timestamp.ts';
import { PackedRowReader } from '../../rows/packed-rows.ts';
import type { Span } from '../../storage/engine.ts';
import type { Shard } from '../../storage/shard.ts';
import { commonLength, keyAt, position } from './key-position.ts';

/** Near enough: shares of the bytes that may lie before it. */
const LEAST = 0.4;
const MOST = 0.6;
const HALVINGS_MAX = 64;
/** Up to so much is read. */
const READ_BYTES_MAX = 1 << 20;
const BATCH_BYTES = 64 << 10;

type Store = Pick<Shard, 'scan' | 'approximateBytes'>;

/** Undefined: there are not two rows. */
export async function findMiddleKey(store: Store, span: Span): Promise<Uint8Array | undefined> {
  const first = await edgeKey(store, span, false);
  const last = await edgeKey(store, span, true);
  if (first === undefined || last === undefined || compareBytes(first, last) >= 0) return undefined;
  const bytes = await store.approximateBytes(span);
  if (bytes > READ_BYTES_MAX) {
    const found = await halve(store, span, first, last, bytes);
    if (found !== undefined) return found;
  }
  return readMiddle(store, span);
}

/** Undefined: no estimate came near the middle. */
async function halve(
  store: Store,
  span: Span,
  first: Uint8Array,
  last: Uint8Array,
  bytes: number,
): Promise<Uint8Array | undefined> {
  let low = first;
  let high = last;
  for (let i = 0; i < HALVINGS_MAX; i++) {
    const between = middleOf(low, high);
    const key = await edgeKey(store, { start: between, end: span.end }, false);
    if (key === undefined) return undefined;
    const before = await store.approximateBytes({ start: span.start, end: key });
    const share = before / bytes;
    if (share >= LEAST && share <= MOST && compareBytes(key, first) > 0) return key;
    if (share < LEAST) {
      if (compareBytes(key, low) <= 0 || compareBytes(key, high) >= 0) return undefined;
      low = key;
    } else {
      if (compareBytes(between, low) <= 0 || compareBytes(between, high) >= 0) return undefined;
      // No row lies between this and `key`.
      high = between;
    }
  }
  return undefined;
}

/** A key, not of a row, halfway by number. */
function middleOf(low: Uint8Array, high: Uint8Array): Uint8Array {
  const at = commonLength(low, high);
  const to = (position(low, at) + position(high, at)) / 2n;
  return keyAt(low, at, to, Number.MAX_SAFE_INTEGER) ?? low;
}

async function edgeKey(
  store: Store,
  span: Span,
  reverse: boolean,
): Promise<Uint8Array | undefined> {
  const scan = store.scan({ ...everyRow(span), reverse, limitRows: 1 });
  try {
    for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
      const rows = new PackedRowReader(batch.rows);
      if (rows.next()) return rows.key();
    }
    return undefined;
  } finally {
    scan.close();
  }
}

/** Of what is read at most: of more, the middle of the first part, which divides it all the same. */
async function readMiddle(store: Store, span: Span): Promise<Uint8Array | undefined> {
  const keys: Uint8Array[] = [];
  const ends: number[] = [];
  let bytes = 0;
  const scan = store.scan(everyRow(span));
  try {
    for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
      const rows = new PackedRowReader(batch.rows);
      while (rows.next()) {
        bytes += rows.rowEnd - rows.keyStart;
        keys.push(rows.key());
        ends.push(bytes);
      }
      if (bytes > READ_BYTES_MAX) break;
    }
  } finally {
    scan.close();
  }
  const middle = ends.findIndex((end) => end >= bytes / 2);
  return keys[Math.max(1, middle)];
}

function everyRow(span: Span): Parameters<Store['scan']>[0] {
  return {
    span,
    at: MAX_TIMESTAMP,
    reverse: false,
    program: undefined,
    parameters: undefined,
    limitRows: 0,
    batchBytes: BATCH_BYTES,
  };
}
