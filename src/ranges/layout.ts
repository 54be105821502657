// Which keys belong to whom, before anyone has decided anything: the keyspace begins with the root range, then the
// directory, then data (DESIGN.md section 7). Every founder of a cluster computes the same first ranges from the same
// members, so that nobody has to be asked.

import { ByteWriter, compareBytes, concatBytes, utf8 } from '../base/bytes.ts';
import { MIN_TIMESTAMP } from '../clock/timestamp.ts';
import { configurationOf } from '../raft/configuration.ts';
import { replicaIdOn } from '../raft/types.ts';
import { encodeKeyDatum, keyPrefix } from '../rows/key-codec.ts';
import { BYTEA } from '../rows/types.ts';
import type { NodeId } from '../runtime/runtime.ts';
import type { Span } from '../storage/engine.ts';
import type { RangeId } from '../storage/shard.ts';
import type { RangeDescriptor } from './descriptor.ts';
import { START_BYTES_MAX } from './limits.ts';

/** Where the directory of directory ranges is, the registry of nodes, settings, the counter of range ids. It never
 * splits and never merges, so that everybody finds it. */
export const ROOT_RANGE: RangeId = 1;
export const DIRECTORY_RANGE: RangeId = 2;
export const FIRST_DATA_RANGE: RangeId = 3;
/** Ids from here on are given out by the counter. */
export const FIRST_FREE_RANGE: RangeId = 4;

const ROOT_INDEX = 1;
const DIRECTORY_INDEX = 2;
const FIRST_DATA_INDEX = 3;
/** After the root's prefix, for what is no descriptor: no key column begins so. */
const ROOT_ROW_TAG = 0x10;

const EMPTY = new Uint8Array(0);
const DIRECTORY_START = keyPrefix(DIRECTORY_INDEX);
const DATA_START = keyPrefix(FIRST_DATA_INDEX);

export const ROOT_SPAN: Span = { start: EMPTY, end: DIRECTORY_START };
export const DIRECTORY_SPAN: Span = { start: DIRECTORY_START, end: DATA_START };
export const DATA_SPAN: Span = { start: DATA_START, end: undefined };

/** Where data begins that is not the catalog's: keys and values, then tables. */
export const CATALOG_END: Uint8Array = keyPrefix(90);

/** The descriptors with which a cluster begins. */
export function firstDescriptors(founders: readonly NodeId[]): readonly RangeDescriptor[] {
  const configuration = configurationOf(founders.map((node) => replicaIdOn(node, 0)));
  const first = (range: RangeId, span: Span): RangeDescriptor => ({
    range,
    span,
    generation: 1,
    configuration,
    nextIncarnation: 1,
    stickyUntil: MIN_TIMESTAMP,
  });
  return [
    first(ROOT_RANGE, ROOT_SPAN),
    first(DIRECTORY_RANGE, DIRECTORY_SPAN),
    first(FIRST_DATA_RANGE, DATA_SPAN),
  ];
}

/** Where the descriptor of the range that starts there is kept. */
export function directoryKey(start: Uint8Array): Uint8Array {
  const isDirectory =
    compareBytes(start, DIRECTORY_START) >= 0 && compareBytes(start, DATA_START) < 0;
  const writer = new ByteWriter(8 + start.length);
  writer.raw(keyPrefix(isDirectory ? ROOT_INDEX : DIRECTORY_INDEX));
  encodeKeyDatum(writer, BYTEA, start, false, false);
  return writer.take();
}

/** Of a row of the root range that is no descriptor, by its name; names are paths, such as 'node/3'. */
export function rootKey(name: string): Uint8Array {
  return concatBytes(keyPrefix(ROOT_INDEX), Uint8Array.of(ROOT_ROW_TAG), utf8(name));
}

/** The next id that no range has, as decimal text; no row: FIRST_FREE_RANGE. */
export const RANGE_COUNTER_KEY: Uint8Array = rootKey('counter/range');

/** Why a range may not be split there; undefined: it may. */
export function whyNotSplit(descriptor: RangeDescriptor): string | undefined {
  return descriptor.range === ROOT_RANGE ? 'the root range never splits' : undefined;
}

/** Why no range may begin there; undefined: one may. */
export function whyNotBegin(at: Uint8Array): string | undefined {
  if (at.length <= START_BYTES_MAX) return undefined;
  return `a range can't begin at a key of ${at.length} bytes; at most ${START_BYTES_MAX} are allowed`;
}

/** The root, the directory and data never share a range. */
export function mayMergeAt(start: Uint8Array): boolean {
  return compareBytes(start, DATA_START) !== 0 && compareBytes(start, DIRECTORY_START) !== 0;
}
