// What travels in a stream `snapshot/<range>`, which the receiver opens: its request; then, from the sender, a header,
// transaction ids, rows, and an end that counts them; or a refusal. Each message is [u32 CRC-32C of the rest][u8 kind]
// and what its kind needs, little-endian. Only chunks of rows come without a head, each behind a message that says so:
// they carry their own checksum from shard to shard (storage/snapshot-chunk.ts); to reckon another and to copy them
// behind a head took a third of the main threads' time (bench: snapshot).

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { DbError } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { SnapshotMark } from '../../raft/ready.ts';
import { decodeState, encodeState, type RangeState, readMark, writeMark } from '../range-state.ts';

const VERSION = 3;
const HEAD_BYTES = 5;

/** u8 version, u53 least index. */
export const SNAPSHOT_REQUEST = 1;
/** Head. */
export const SNAPSHOT_HEAD = 2;
/** Text: why there is none to be had now. */
export const SNAPSHOT_REFUSED = 3;
/** RecentTransactions.pack(). */
export const SNAPSHOT_TRANSACTIONS = 4;
/** Nothing. The next message is a chunk of ShardSnapshot, as it is. */
export const SNAPSHOT_ROWS = 5;
/** u32 how many messages came between head and end. */
export const SNAPSHOT_END = 6;

/** What the receiver must know besides rows, records and ids. */
export interface SnapshotHead {
  readonly mark: SnapshotMark;
  /** As of mark.index. */
  readonly state: RangeState;
  /** Nothing in the state lies above it, nor was served or assigned above it and logged (P1). */
  readonly greatest: Timestamp;
}

export interface SnapshotMessage {
  readonly kind: number;
  readonly reader: ByteReader;
}

export function snapshotMessage(kind: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEAD_BYTES + payload.length);
  message[4] = kind;
  message.set(payload, HEAD_BYTES);
  new DataView(message.buffer).setUint32(0, crc32c(message, 4), true);
  return message;
}

export function openSnapshotMessage(message: Uint8Array): SnapshotMessage {
  const reader = new ByteReader(message);
  if (message.length < HEAD_BYTES || reader.u32() !== crc32c(message, 4)) {
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

export function encodeHead({ mark, state, greatest }: SnapshotHead): Uint8Array {
  const writer = new ByteWriter(256);
  writer.u8(VERSION);
  writeMark(writer, mark);
  writer.u53(greatest);
  writer.block(encodeState(state));
  return writer.take();
}

export function decodeHead(reader: ByteReader): SnapshotHead {
  demandVersion(reader.u8());
  const mark = readMark(reader);
  const greatest = reader.u53() as Timestamp;
  return { mark, state: decodeState(reader.block()), greatest };
}

function demandVersion(version: number): void {
  if (version === VERSION) return;
  throw new DbError(
    'XX001',
    `a snapshot has format version ${version}, this program knows version ${VERSION}`,
    { hint: 'Run the same version of Meridian on all nodes.' },
  );
}
