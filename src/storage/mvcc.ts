// Versions of rows as engine keys. The newest version of a row lies under the row's key itself, older ones in a place
// of their own:
//   0x00 ...                                  the shard's own records: applied indexes
//   0x01 row key                              newest version: [header: its timestamp, tombstone?][row]
//   0x02 row key, inverted timestamp (8, BE)  older version:  [header: when it was superseded, tombstone?, superseded by
//                                             a tombstone?][row]
//   0x03 row key                              a page that is responsible from this key on: what it holds (page-index.ts)
//   0x04 row key                              its rows: newest versions that were packed (page.ts)
// A row's newest version lies in one place, or in two: then the single record counts, and the page's copy is dead.
// So a read of the present is one point lookup, which RocksDB's Bloom filters and the binding's batched reads serve
// (a seek among key + timestamp needs an iterator: 138 µs against 10 to 14 µs in a batch of 32), and a scan of the
// present touches one entry for each row, however often the row was written. Only reads of the past look at older
// versions. The price is paid when a row is overwritten: apply reads the version that the new one supersedes and
// moves it (apply.ts; a read that finds nothing costs 4 µs, one that finds a row 8 µs, a write 5 µs). The alternative
// without that read, writing each version in both places at once, costs as much for an insert and stores, logs and
// compacts every row twice for as long as it lives.
//
// Version garbage collection (P24, collector.ts) needs no order between keys: an older version may go once the threshold
// has reached the time at which it was superseded, which it carries itself; a newest version that is a tombstone may go
// once the threshold has reached its timestamp: the last version before it says that there is one. So a reader must not
// take an older version for what was there at a time at which it had been superseded: what did that may be gone.
//
// Row keys are self-delimiting, so none is a proper prefix of another: a row's older versions are exactly the engine
// keys that consist of 0x02, its key and eight bytes, and they sort newest first.

import type { Timestamp } from '../clock/timestamp.ts';
import type { Span } from './engine.ts';

export const META_PREFIX = 0x00;
export const LATEST_PREFIX = 0x01;
export const HISTORY_PREFIX = 0x02;
export const PAGE_PREFIX = 0x03;
export const PAGE_ROWS_PREFIX = 0x04;

/** Before the row in every version: a timestamp, and in its last byte what it is. */
export const HEADER_BYTES = 8;
export const TIMESTAMP_BYTES = 8;

const TWO_32 = 0x100000000;
const TOMBSTONE_BIT = 0x80;
const DELETED_BIT = 0x40;

export function writeHeader(
  into: Uint8Array,
  at: number,
  timestamp: Timestamp,
  tombstone: boolean,
): void {
  const low = timestamp >>> 0;
  const high = (timestamp - low) / TWO_32;
  into[at] = low;
  into[at + 1] = low >>> 8;
  into[at + 2] = low >>> 16;
  into[at + 3] = low >>> 24;
  into[at + 4] = high;
  into[at + 5] = high >>> 8;
  into[at + 6] = high >>> 16;
  into[at + 7] = tombstone ? TOMBSTONE_BIT : 0;
}

/** Of an older version, after writeHeader(): a tombstone has superseded it. */
export function markDeleted(into: Uint8Array): void {
  into[HEADER_BYTES - 1] = (into[HEADER_BYTES - 1] as number) | DELETED_BIT;
}

export function headerTimestamp(record: Uint8Array): Timestamp {
  const low =
    ((record[0] as number) |
      ((record[1] as number) << 8) |
      ((record[2] as number) << 16) |
      ((record[3] as number) << 24)) >>>
    0;
  const high = (record[4] as number) | ((record[5] as number) << 8) | ((record[6] as number) << 16);
  return (high * TWO_32 + low) as Timestamp;
}

export function headerIsTombstone(record: Uint8Array): boolean {
  return ((record[7] as number) & TOMBSTONE_BIT) !== 0;
}

/** Of an older version: whether a tombstone has superseded it. */
export function wasDeleted(record: Uint8Array): boolean {
  return ((record[7] as number) & DELETED_BIT) !== 0;
}

/** Big-endian and inverted: a later timestamp sorts first. */
export function writeInverted(into: Uint8Array, at: number, timestamp: Timestamp): void {
  const low = timestamp >>> 0;
  const high = (timestamp - low) / TWO_32;
  into[at] = ~(high >>> 24);
  into[at + 1] = ~(high >>> 16);
  into[at + 2] = ~(high >>> 8);
  into[at + 3] = ~high;
  into[at + 4] = ~(low >>> 24);
  into[at + 5] = ~(low >>> 16);
  into[at + 6] = ~(low >>> 8);
  into[at + 7] = ~low;
}

/** Of an older version's engine key. */
export function historyTimestamp(key: Uint8Array): Timestamp {
  const at = key.length - TIMESTAMP_BYTES;
  let high = 0;
  let low = 0;
  for (let i = 0; i < 4; i++) {
    high = high * 256 + (~(key[at + i] as number) & 0xff);
    low = low * 256 + (~(key[at + 4 + i] as number) & 0xff);
  }
  return (high * TWO_32 + low) as Timestamp;
}

export function latestKey(rowKey: Uint8Array): Uint8Array {
  return prefixedKey(LATEST_PREFIX, rowKey);
}

/** Where the version of `latest`'s row that is newest at or below t would lie at the earliest. */
export function historyKey(latest: Uint8Array, t: Timestamp): Uint8Array {
  const out = new Uint8Array(latest.length + TIMESTAMP_BYTES);
  out.set(latest);
  out[0] = HISTORY_PREFIX;
  writeInverted(out, latest.length, t);
  return out;
}

/** The span of engine keys under `prefix` for a span of row keys. */
export function prefixedSpan(prefix: number, span: Span): Span {
  return {
    start: prefixedKey(prefix, span.start),
    end: span.end === undefined ? Uint8Array.of(prefix + 1) : prefixedKey(prefix, span.end),
  };
}

export function prefixedKey(prefix: number, key: Uint8Array): Uint8Array {
  const out = new Uint8Array(1 + key.length);
  out[0] = prefix;
  out.set(key, 1);
  return out;
}

/** Whether `key` is an older version of the row whose newest version lies under `latest`. */
export function isHistoryOf(key: Uint8Array, latest: Uint8Array): boolean {
  if (key.length !== latest.length + TIMESTAMP_BYTES || key[0] !== HISTORY_PREFIX) return false;
  for (let i = 1; i < latest.length; i++) if (key[i] !== latest[i]) return false;
  return true;
}
