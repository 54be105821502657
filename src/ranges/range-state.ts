// What a range is beside its rows, as one record of its shard: changed by entries of its log only, all replicas have the
// same at the same index, but for where their own logs begin.

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import { EMPTY_CONFIGURATION } from '../raft/configuration.ts';
import { readConfiguration, writeConfiguration } from '../raft/codec.ts';
import type { SnapshotMark } from '../raft/ready.ts';
import type { RangeId } from '../storage/shard.ts';
import { type RangeDescriptor, readDescriptor, writeDescriptor } from './descriptor.ts';

const VERSION = 1;

/** P27: the range to the left that absorbs this one. Only that one's log takes it back. */
export interface Freeze {
  readonly by: RangeId;
  /** Of the left range when it was asked to merge: who knows a later one knows what became of it. */
  readonly generation: number;
  /** Nothing was served here above it. */
  readonly floor: Timestamp;
}

export interface RangeState {
  readonly descriptor: RangeDescriptor;
  /** Where this replica's log begins, if not at its first entry: a snapshot's state, or a split's. */
  readonly mark: SnapshotMark | undefined;
  /** The generation with which the range got the span that it has: who knows it, or a later one, knows the span. */
  readonly spanGeneration: number;
  /** Nothing in the state that the log began with lies above it, nor was served above it (P1, P25). */
  readonly floor: Timestamp;
  /** P23: followers of the parent may have served up to here. */
  readonly closed: Timestamp;
  /** P24. */
  readonly gcThreshold: Timestamp;
  readonly frozen: Freeze | undefined;
}

/** Of a range that begins with an empty log. */
export function newState(descriptor: RangeDescriptor): RangeState {
  return {
    descriptor,
    mark: undefined,
    spanGeneration: descriptor.generation,
    floor: MIN_TIMESTAMP,
    closed: MIN_TIMESTAMP,
    gcThreshold: MIN_TIMESTAMP,
    frozen: undefined,
  };
}

/** Of a replica that has no state yet: nothing is known of its range but the id. It holds no key. */
export function unknownState(range: RangeId): RangeState {
  const nowhere = new Uint8Array(0);
  return newState({
    range,
    span: { start: nowhere, end: nowhere },
    generation: 0,
    configuration: EMPTY_CONFIGURATION,
    nextIncarnation: 0,
    stickyUntil: MIN_TIMESTAMP,
  });
}

export function isKnown(state: RangeState): boolean {
  return state.descriptor.generation > 0;
}

const HAS_MARK = 1;
const IS_FROZEN = 2;

export function encodeState(state: RangeState): Uint8Array {
  const { descriptor, mark, spanGeneration, floor, closed, gcThreshold, frozen } = state;
  const writer = new ByteWriter(256);
  writer.u8(VERSION);
  writer.u8((mark === undefined ? 0 : HAS_MARK) | (frozen === undefined ? 0 : IS_FROZEN));
  writeDescriptor(writer, descriptor);
  writer.u53(spanGeneration);
  writer.u53(floor);
  writer.u53(closed);
  writer.u53(gcThreshold);
  if (mark !== undefined) writeMark(writer, mark);
  if (frozen !== undefined) {
    writer.u53(frozen.by);
    writer.u53(frozen.generation);
    writer.u53(frozen.floor);
  }
  return writer.take();
}

export function decodeState(bytes: Uint8Array): RangeState {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) {
    throw new DbError(
      'XX001',
      `the state of a range has format version ${version}, this program knows version ${VERSION}`,
      { hint: 'Start the version of Meridian that wrote this data directory, or a newer one.' },
    );
  }
  const flags = reader.u8();
  const descriptor = readDescriptor(reader);
  const spanGeneration = reader.u53();
  const floor = reader.u53() as Timestamp;
  const closed = reader.u53() as Timestamp;
  const gcThreshold = reader.u53() as Timestamp;
  const mark = (flags & HAS_MARK) === 0 ? undefined : readMark(reader);
  const frozen =
    (flags & IS_FROZEN) === 0
      ? undefined
      : {
          by: reader.u53(),
          generation: reader.u53(),
          floor: reader.u53() as Timestamp,
        };
  return { descriptor, mark, spanGeneration, floor, closed, gcThreshold, frozen };
}

export function writeMark(writer: ByteWriter, mark: SnapshotMark): void {
  writer.u53(mark.index);
  writer.u53(mark.term);
  writer.u53(mark.configurationIndex);
  writeConfiguration(writer, mark.configuration);
}

export function readMark(reader: ByteReader): SnapshotMark {
  const index = reader.u53();
  const term = reader.u53();
  const configurationIndex = reader.u53();
  return { index, term, configurationIndex, configuration: readConfiguration(reader) };
}
