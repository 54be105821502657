// What a range is: which keys, and which replicas hold them. The replicas of a range are the truth (P28): each computes
// the descriptor anew from the entries that change it, all at the same index; the directory and routers have copies,
// which the generation tells apart.

import { assert } from '../base/assert.ts';
import { type ByteReader, ByteWriter, compareBytes, EMPTY_BYTES } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import { type Configuration, membersOf } from '../raft/configuration.ts';
import { nodeOf, type ReplicaId } from '../raft/types.ts';
import { readConfiguration, writeConfiguration } from '../raft/codec.ts';
import type { NodeId } from '../runtime/runtime.ts';
import type { Span } from '../storage/engine.ts';
import type { RangeId } from '../storage/shard.ts';

const VERSION = 1;

export interface RangeDescriptor {
  readonly range: RangeId;
  readonly span: Span;
  /** Grows with every split, merge and change of replicas. */
  readonly generation: number;
  readonly configuration: Configuration;
  /** For the next replica that is added (P32). */
  readonly nextIncarnation: number;
  /** The range's start was split by hand: no merge takes it away before then. 0: it may go. */
  readonly stickyUntil: Timestamp;
}

export function nodesOf(descriptor: RangeDescriptor): readonly NodeId[] {
  return [...new Set(membersOf(descriptor.configuration).map(nodeOf))];
}

export function replicaOn(descriptor: RangeDescriptor, node: NodeId): ReplicaId | undefined {
  return membersOf(descriptor.configuration).find((replica) => nodeOf(replica) === node);
}

export function holdsKey({ span }: RangeDescriptor, key: Uint8Array): boolean {
  return (
    compareBytes(key, span.start) >= 0 &&
    (span.end === undefined || compareBytes(key, span.end) < 0)
  );
}

/** Whether all of `inner` lies in the range. */
export function holdsSpan({ span }: RangeDescriptor, inner: Span): boolean {
  if (compareBytes(inner.start, span.start) < 0) return false;
  if (span.end === undefined) return true;
  return inner.end !== undefined && compareBytes(inner.end, span.end) <= 0;
}

export function overlaps(a: Span, b: Span): boolean {
  return (
    (a.end === undefined || compareBytes(b.start, a.end) < 0) &&
    (b.end === undefined || compareBytes(a.start, b.end) < 0)
  );
}

/** The part of `a` that lies in `b`; undefined: none does. */
export function intersection(a: Span, b: Span): Span | undefined {
  if (!overlaps(a, b)) return undefined;
  const start = compareBytes(a.start, b.start) > 0 ? a.start : b.start;
  if (a.end === undefined) return { start, end: b.end };
  return { start, end: b.end === undefined || compareBytes(a.end, b.end) < 0 ? a.end : b.end };
}

export function writeDescriptor(writer: ByteWriter, descriptor: RangeDescriptor): void {
  const { range, span, generation, configuration, nextIncarnation, stickyUntil } = descriptor;
  writer.u8(VERSION);
  writer.u53(range);
  writer.block(span.start);
  // The end of the keyspace is no key: no other span ends with an empty one.
  writer.block(span.end ?? EMPTY_BYTES);
  writer.u53(generation);
  writeConfiguration(writer, configuration);
  writer.u53(nextIncarnation);
  writer.u53(stickyUntil);
}

export function readDescriptor(reader: ByteReader): RangeDescriptor {
  const version = reader.u8();
  if (version !== VERSION) {
    throw new DbError(
      'XX001',
      `a range descriptor has format version ${version}, this program knows version ${VERSION}`,
      { hint: 'Run the same version of Meridian on all nodes.' },
    );
  }
  const range = reader.u53();
  const start = reader.block().slice();
  const end = reader.block().slice();
  const generation = reader.u53();
  const configuration = readConfiguration(reader);
  const nextIncarnation = reader.u53();
  const stickyUntil = reader.u53() as Timestamp;
  const span = { start, end: end.length === 0 ? undefined : end };
  return { range, span, generation, configuration, nextIncarnation, stickyUntil };
}

export function encodeDescriptor(descriptor: RangeDescriptor): Uint8Array {
  const writer = new ByteWriter(128);
  writeDescriptor(writer, descriptor);
  return writer.take();
}

/** The two halves after a split. Both have the same members; the right one's replicas are new, so they begin with an
 * incarnation of their own. */
export function splitAt(
  whole: RangeDescriptor,
  at: Uint8Array,
  right: {
    readonly range: RangeId;
    readonly configuration: Configuration;
    readonly stickyUntil: Timestamp;
  },
): { readonly left: RangeDescriptor; readonly right: RangeDescriptor } {
  assert(
    compareBytes(whole.span.start, at) < 0 && holdsKey(whole, at),
    'a range is split within its span',
  );
  const generation = whole.generation + 1;
  return {
    left: { ...whole, span: { start: whole.span.start, end: at }, generation },
    right: {
      range: right.range,
      span: { start: at, end: whole.span.end },
      generation,
      configuration: right.configuration,
      nextIncarnation: 1,
      stickyUntil: right.stickyUntil,
    },
  };
}
