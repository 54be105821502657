// Small things that are done with a RowSlice.

import { EMPTY_BYTES } from '../../base/bytes.ts';
import { MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import type { Version } from '../../storage/shard.ts';
import type { RowSlice } from '../api.ts';

export function newRowSlice(): RowSlice {
  return { bytes: EMPTY_BYTES, offset: 0, length: -1, timestamp: MIN_TIMESTAMP };
}

export function noRow(into: RowSlice): void {
  into.bytes = EMPTY_BYTES;
  into.offset = 0;
  into.length = -1;
  into.timestamp = MIN_TIMESTAMP;
}

export function fromVersion(
  version: Pick<Version, 'timestamp' | 'value'> | undefined,
  into: RowSlice,
): void {
  if (version === undefined) {
    noRow(into);
    return;
  }
  into.timestamp = version.timestamp;
  into.offset = 0;
  if (version.value === undefined) {
    into.bytes = EMPTY_BYTES;
    into.length = -1;
  } else {
    into.bytes = version.value;
    into.length = version.value.length;
  }
}

/** The caller's to keep; undefined: no row. */
export function copyOf(slice: RowSlice): Uint8Array | undefined {
  if (slice.length < 0) return undefined;
  return slice.bytes.slice(slice.offset, slice.offset + slice.length);
}

/** So that it outlives the turn. */
export function detach(slice: RowSlice): void {
  if (slice.length < 0) return;
  slice.bytes = slice.bytes.slice(slice.offset, slice.offset + slice.length);
  slice.offset = 0;
}
