// Where the key-value door keeps its pairs: under an index of the system's own, beside the tables. Keys of clients are
// any bytes; the row key ends them, so that none is the beginning of another.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { decodeKeyDatum, encodeKeyDatum, keyPrefix } from '../../rows/key-codec.ts';
import { BYTEA } from '../../rows/types.ts';
import type { Span } from '../../ranges/api.ts';

const KV_INDEX = 90;
const PREFIX: Uint8Array = keyPrefix(KV_INDEX);
const END: Uint8Array = keyPrefix(KV_INDEX + 1);

const writer = new ByteWriter(256);

export function rowKeyOf(key: Uint8Array): Uint8Array {
  writer.reset();
  writer.raw(PREFIX);
  encodeKeyDatum(writer, BYTEA, key, false, false);
  return writer.take();
}

export function keyOf(rowKey: Uint8Array): Uint8Array {
  return decodeKeyDatum(new ByteReader(rowKey.subarray(PREFIX.length)), BYTEA, false) as Uint8Array;
}

/** [start, end); an end without bytes is the end of everything. */
export function spanOf(start: Uint8Array, end: Uint8Array): Span {
  return { start: rowKeyOf(start), end: end.length === 0 ? END : rowKeyOf(end) };
}
