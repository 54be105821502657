// How what ranges are asked and answer is written down for another node: the words that requests and answers share.
// Byte strings that are read are views into what was received.

import { AssertionError } from '../../base/assert.ts';
import { type ByteReader, type ByteWriter, toHex } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { RangeHead, RangeLocking, RangeTxn } from '../endpoint.ts';
import type { LockSession, ScanRequest, Span, TxnId, Write } from '../requests.ts';
import { parseTxnId } from '../txn-id.ts';

const idWords = new Uint32Array(4);

export function writeBytes(writer: ByteWriter, bytes: Uint8Array): void {
  writer.varint(bytes.length);
  writer.raw(bytes);
}

export function readBytes(reader: ByteReader): Uint8Array {
  return reader.raw(reader.varint());
}

/** Undefined differs from empty. */
export function writeMaybeBytes(writer: ByteWriter, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) {
    writer.varint(0);
    return;
  }
  writer.varint(bytes.length + 1);
  writer.raw(bytes);
}

export function readMaybeBytes(reader: ByteReader): Uint8Array | undefined {
  const length = reader.varint();
  return length === 0 ? undefined : reader.raw(length - 1);
}

export function writeManyBytes(
  writer: ByteWriter,
  many: readonly (Uint8Array | undefined)[],
): void {
  writer.varint(many.length);
  for (let i = 0; i < many.length; i++) writeMaybeBytes(writer, many[i]);
}

export function readManyBytes(reader: ByteReader): (Uint8Array | undefined)[] {
  return readMany(reader, readMaybeBytes);
}

export function writeKeys(writer: ByteWriter, keys: readonly Uint8Array[]): void {
  writer.varint(keys.length);
  for (let i = 0; i < keys.length; i++) writeBytes(writer, keys[i] as Uint8Array);
}

export function readKeys(reader: ByteReader): Uint8Array[] {
  return readMany(reader, readBytes);
}

/** Each item takes a byte at least: a count that promises more is refused before room is made for it. */
export function readMany<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const count = reader.varint();
  if (count > reader.remaining) throw new RangeError(`${count} items in ${reader.remaining} bytes`);
  const items = new Array<T>(count);
  for (let i = 0; i < count; i++) items[i] = read(reader);
  return items;
}

export function writeHead(writer: ByteWriter, head: RangeHead): void {
  writer.varint(head.range);
  writer.varint(head.generation);
}

export function readHead(reader: ByteReader): RangeHead {
  return { range: reader.varint(), generation: reader.varint() };
}

export function writeTxnId(writer: ByteWriter, id: TxnId): void {
  parseTxnId(id, idWords);
  for (let i = 0; i < 4; i++) writer.u32be(idWords[i] as number);
}

export function readTxnId(reader: ByteReader): TxnId {
  return toHex(reader.raw(16));
}

export function writeTxn(writer: ByteWriter, txn: RangeTxn): void {
  writeTxnId(writer, txn.id);
  writer.u53(txn.age);
  const { session, also = [] } = txn;
  writer.varint(session === undefined ? 0 : 1 + also.length);
  if (session === undefined) return;
  writeSession(writer, session);
  for (let i = 0; i < also.length; i++) writeSession(writer, also[i] as LockSession);
}

export function readTxn(reader: ByteReader): RangeTxn {
  const id = readTxnId(reader);
  const age = reader.u53() as Timestamp;
  const sessions = readMany(reader, readSession);
  return { id, age, session: sessions[0], ...(sessions.length > 1 && { also: sessions.slice(1) }) };
}

export function writeSession(writer: ByteWriter, session: LockSession): void {
  writer.varint(session.range);
  writer.varint(session.generation);
  writer.varint(session.term);
  writer.varint(session.session);
}

export function readSession(reader: ByteReader): LockSession {
  return {
    range: reader.varint(),
    generation: reader.varint(),
    term: reader.varint(),
    session: reader.varint(),
  };
}

const WAITS: readonly RangeLocking['wait'][] = ['block', 'nowait', 'skip'];
const EXCLUSIVE = 4;

export function writeLocking(writer: ByteWriter, locking: RangeLocking): void {
  writer.u8(WAITS.indexOf(locking.wait) | (locking.mode === 'exclusive' ? EXCLUSIVE : 0));
  writer.u53(Math.max(0, Math.floor(locking.timeoutMicros)));
}

export function readLocking(reader: ByteReader): RangeLocking {
  const flags = reader.u8();
  const wait = WAITS[flags & 3];
  if (wait === undefined) throw new AssertionError(`a lock with flags ${flags}`);
  const mode = (flags & EXCLUSIVE) === 0 ? 'shared' : 'exclusive';
  return { mode, wait, timeoutMicros: reader.u53() };
}

export function writeSpan(writer: ByteWriter, span: Span): void {
  writeBytes(writer, span.start);
  writeMaybeBytes(writer, span.end);
}

export function readSpan(reader: ByteReader): Span {
  return { start: readBytes(reader), end: readMaybeBytes(reader) };
}

export function writeScan(writer: ByteWriter, scan: ScanRequest): void {
  writeSpan(writer, scan.span);
  writer.u8(scan.reverse ? 1 : 0);
  writeMaybeBytes(writer, scan.program);
  writeMaybeBytes(writer, scan.parameters);
  writer.varint(scan.limitRows);
  writer.varint(scan.batchBytes);
}

export function readScan(reader: ByteReader): ScanRequest {
  return {
    span: readSpan(reader),
    reverse: reader.u8() === 1,
    program: readMaybeBytes(reader),
    parameters: readMaybeBytes(reader),
    limitRows: reader.varint(),
    batchBytes: reader.varint(),
  };
}

export function writeWrites(writer: ByteWriter, writes: readonly Write[]): void {
  writer.varint(writes.length);
  for (let i = 0; i < writes.length; i++) {
    const { key, value } = writes[i] as Write;
    writeBytes(writer, key);
    writeMaybeBytes(writer, value);
  }
}

export function readWrites(reader: ByteReader): Write[] {
  return readMany(reader, readWrite);
}

function readWrite(reader: ByteReader): Write {
  const key = readBytes(reader);
  return { key, value: readMaybeBytes(reader) };
}
