// What travels in a stream `checksum/<range>`: questions of whoever opened it, each answered before the next is asked.
// A message is [u8 kind] and what its kind needs, little-endian.

import { ByteReader, ByteWriter, EMPTY_BYTES } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { ShardChecksum } from '../../storage/shard.ts';
import type { Span } from '../api.ts';
import type { ReplicaSum } from './replica-sums.ts';

/** u53 id: what came of the checksum command with this id. Answered by a sum, when there is one. */
export const ASK_SUM = 1;
/** u53 time, span: answered by a summary. */
export const ASK_SPAN = 2;
/** u53 time, u32 node: this replica differs; that node's is right. Answered by nothing but its kind. */
export const TELL_DIFFERENT = 3;
export const ANSWER_SUM = 4;
export const ANSWER_SPAN = 5;
export const ANSWER_TOLD = 6;

/** What one replica holds in a span at a time. */
export interface SpanSummary {
  readonly sum: ShardChecksum;
  /** Undefined: no row. */
  readonly first: Uint8Array | undefined;
  readonly last: Uint8Array | undefined;
}

export const CHECKSUMS = 'checksum';

export function purposeOfChecksums(range: number): string {
  return `${CHECKSUMS}/${range}`;
}

export function askSum(id: number): Uint8Array {
  return message(ASK_SUM, (out) => out.u53(id));
}

export function askSpan(span: Span, at: Timestamp): Uint8Array {
  return message(ASK_SPAN, (out) => {
    out.u53(at);
    out.block(span.start);
    out.block(span.end ?? EMPTY_BYTES);
  });
}

export function readAskedSpan(reader: ByteReader): { span: Span; at: Timestamp } {
  const at = reader.u53() as Timestamp;
  const start = reader.block().slice();
  const end = reader.block().slice();
  return { span: { start, end: end.length === 0 ? undefined : end }, at };
}

export function tellDifferent(at: Timestamp, right: NodeId): Uint8Array {
  return message(TELL_DIFFERENT, (out) => {
    out.u53(at);
    out.u32(right);
  });
}

export function answerTold(): Uint8Array {
  return message(ANSWER_TOLD, () => undefined);
}

export function answerSum(outcome: ReplicaSum): Uint8Array {
  return message(ANSWER_SUM, (out) => {
    if (outcome.kind === 'void') {
      out.u8(0);
      out.text(outcome.reason);
    } else {
      out.u8(1);
      out.u53(outcome.at);
      writeSum(out, outcome.sum);
    }
  });
}

export function readSum(answer: Uint8Array): ReplicaSum {
  const reader = expect(answer, ANSWER_SUM);
  if (reader.u8() === 0) return { kind: 'void', reason: reader.text() };
  return { kind: 'done', at: reader.u53() as Timestamp, sum: readChecksum(reader) };
}

export function answerSpan(summary: SpanSummary): Uint8Array {
  return message(ANSWER_SPAN, (out) => {
    writeSum(out, summary.sum);
    writeKey(out, summary.first);
    writeKey(out, summary.last);
  });
}

export function readSpanSummary(answer: Uint8Array): SpanSummary {
  const reader = expect(answer, ANSWER_SPAN);
  return { sum: readChecksum(reader), first: readKey(reader), last: readKey(reader) };
}

export function expect(answer: Uint8Array, kind: number): ByteReader {
  const reader = new ByteReader(answer);
  const found = reader.u8();
  if (found === kind) return reader;
  throw new DbError('XX000', `message ${found} in place of ${kind} in a comparison of replicas`);
}

function message(kind: number, write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(64);
  out.u8(kind);
  write(out);
  return out.take();
}

function writeSum(out: ByteWriter, { rows, bytes, sum }: ShardChecksum): void {
  out.u53(rows);
  out.u53(bytes);
  out.text(sum);
}

function readChecksum(reader: ByteReader): ShardChecksum {
  return { rows: reader.u53(), bytes: reader.u53(), sum: reader.text() };
}

function writeKey(out: ByteWriter, key: Uint8Array | undefined): void {
  out.u8(key === undefined ? 0 : 1);
  if (key !== undefined) out.block(key);
}

function readKey(reader: ByteReader): Uint8Array | undefined {
  return reader.u8() === 0 ? undefined : reader.block().slice();
}
