// What travels in a stream `snapshot/<range>`, which the receiver opens: its request; then, from the sender, a header,
// transaction ids, rows, and an end that counts them; or a refusal. Each message is [u32 CRC-32C of the rest][u8 kind]
// and what its kind needs, little-endian.

import { ByteReader, ByteWriter, EMPTY_BYTES } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { DbError } from '../base/errors.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import { readConfiguration, writeConfiguration } from '../raft/codec.ts';
import type { SnapshotMark } from '../raft/ready.ts';
import type { Span } from '../storage/engine.ts';

const VERSION = 1;

/** u8 version, u53 least index. */
export const SNAPSHOT_REQUEST = 1;
/** Head. */
export const SNAPSHOT_HEAD = 2;
/** Text: why there is none to be had now. */
export const SNAPSHOT_REFUSED = 3;
/** RecentTransactions.pack(). */
export const SNAPSHOT_TRANSACTIONS = 4;
/** A chunk of ShardSnapshot. */
export const SNAPSHOT_ROWS = 5;
/** u32 how many messages came between head and end. */
export const SNAPSHOT_END = 6;

/** What the receiver must know besides rows and ids. */
export interface SnapshotHead {
  readonly mark: SnapshotMark;
  readonly span: Span;
  /** Nothing in the state lies above it, nor was served or assigned above it and logged (P1). */
  readonly greatest: Timestamp;
}

export interface SnapshotMessage {
  readonly kind: number;
  readonly reader: ByteReader;
}

export function snapshotMessage(kind: number, payload: Uint8Array): Uint8Array {
  const writer = new ByteWriter(5 + payload.length);
  writer.u32(0);
  writer.u8(kind);
  writer.raw(payload);
  const message = writer.take();
  const { buffer, byteOffset } = message;
  new DataView(buffer, byteOffset).setUint32(0, crc32c(message, 4), true);
  return message;
}

export function openSnapshotMessage(message: Uint8Array): SnapshotMessage {
  const reader = new ByteReader(message);
  if (message.length < 5 || reader.u32() !== crc32c(message, 4) >>> 0) {
    throw new DbError('XX001', 'a message of a snapshot was damaged on its way');
  }
  return { kind: reader.u8(), reader };
}

export function snapshotRequest(index: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.u8(VERSION);
  writer.u53(index);
  return snapshotMessage(SNAPSHOT_REQUEST, writer.take());
}

export function readSnapshotRequest(reader: ByteReader): number {
  demandVersion(reader.u8());
  return reader.u53();
}

export function encodeHead(head: SnapshotHead): Uint8Array {
  const { mark, span, greatest } = head;
  const writer = new ByteWriter(128);
  writer.u8(VERSION);
  writer.u53(mark.index);
  writer.u53(mark.term);
  writer.u53(mark.configurationIndex);
  writeConfiguration(writer, mark.configuration);
  writer.u53(greatest);
  writer.block(span.start);
  writer.block(span.end ?? EMPTY_BYTES);
  return writer.take();
}

/** Also what finishInstall() keeps beside the state. */
export function decodeHead(reader: ByteReader): SnapshotHead {
  demandVersion(reader.u8());
  const index = reader.u53();
  const term = reader.u53();
  const configurationIndex = reader.u53();
  const configuration = readConfiguration(reader);
  const greatest = reader.u53() as Timestamp;
  const start = reader.block().slice();
  const end = reader.block().slice();
  return {
    mark: { index, term, configuration, configurationIndex },
    span: { start, end: end.length === 0 ? undefined : end },
    greatest,
  };
}

function demandVersion(version: number): void {
  if (version === VERSION) return;
  throw new DbError(
    'XX001',
    `a snapshot has format version ${version}, this program knows version ${VERSION}`,
    { hint: 'Run the same version of Meridian on all nodes.' },
  );
}
