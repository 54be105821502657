// What a gateway's node asks of another's ranges, as it travels: every call of endpoint.ts, and what keeps the stream.

import { unreachable } from '../../base/assert.ts';
import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type {
  DecideRequest,
  PrepareRequest,
  RangeHead,
  RangeLocking,
  RangeTxn,
  ResolveRequest,
} from '../endpoint.ts';
import type { ScanRequest, Span, TxnId, Write } from '../requests.ts';
import * as words from './wire-words.ts';

/** Of the first message of a stream. Who does not know the other's breaks it. */
export const WIRE_VERSION = 3;

export type StreamRequest =
  | { readonly kind: 'hello'; readonly version: number }
  /** The asker is alive. */
  | { readonly kind: 'beat' }
  /** Of the scan that was asked for by this id: so many more batches. */
  | { readonly kind: 'credit'; readonly batches: number }
  | { readonly kind: 'close' };

export type RangeRequest = { readonly head: RangeHead } & (
  | { readonly kind: 'readAt'; readonly key: Uint8Array; readonly at: Timestamp }
  | { readonly kind: 'getAt'; readonly keys: readonly Uint8Array[]; readonly at: Timestamp }
  | {
      readonly kind: 'scanAt';
      readonly scan: ScanRequest;
      readonly at: Timestamp;
      readonly credit: number;
    }
  | {
      readonly kind: 'lockedRead';
      readonly txn: RangeTxn;
      readonly locking: RangeLocking;
      readonly key: Uint8Array;
    }
  | {
      readonly kind: 'lockedGet';
      readonly txn: RangeTxn;
      readonly locking: RangeLocking;
      readonly keys: readonly Uint8Array[];
    }
  | {
      readonly kind: 'lockedScan';
      readonly txn: RangeTxn;
      readonly locking: RangeLocking;
      readonly scan: ScanRequest;
      readonly credit: number;
    }
  | {
      readonly kind: 'commit';
      readonly txn: RangeTxn;
      readonly writes: readonly Write[];
      readonly deadline: Timestamp;
    }
  | { readonly kind: 'release'; readonly txn: RangeTxn }
  | { readonly kind: 'bulkWrite'; readonly writes: readonly Write[]; readonly willBeRead: boolean }
  | { readonly kind: 'clearSpan'; readonly span: Span }
  | { readonly kind: 'approximateBytes'; readonly span: Span }
  | { readonly kind: 'prepare'; readonly request: PrepareRequest }
  | { readonly kind: 'confirm'; readonly txn: RangeTxn }
  | { readonly kind: 'decide'; readonly request: DecideRequest }
  | { readonly kind: 'resolve'; readonly request: ResolveRequest }
  | {
      readonly kind: 'inquire';
      readonly txn: TxnId;
      readonly anchor: Uint8Array;
      readonly deadline: Timestamp;
    }
  | { readonly kind: 'settled'; readonly txn: TxnId; readonly anchor: Uint8Array }
);

export type WireRequest = StreamRequest | RangeRequest;

/** As they are numbered on the wire: new ones at the end. */
const KINDS = [
  'hello',
  'beat',
  'credit',
  'close',
  'readAt',
  'getAt',
  'scanAt',
  'lockedRead',
  'lockedGet',
  'lockedScan',
  'commit',
  'release',
  'bulkWrite',
  'clearSpan',
  'approximateBytes',
  'prepare',
  'confirm',
  'decide',
  'resolve',
  'inquire',
  'settled',
] as const satisfies readonly WireRequest['kind'][];

const KIND_NUMBERS: Readonly<Record<WireRequest['kind'], number>> = Object.fromEntries(
  KINDS.map((kind, number) => [kind, number]),
) as Record<WireRequest['kind'], number>;

/** `id`: what the answer will quote; 0 when none is wanted. */
export function writeRequest(writer: ByteWriter, id: number, request: WireRequest): void {
  writer.u8(KIND_NUMBERS[request.kind]);
  writer.varint(id);
  if ('head' in request) words.writeHead(writer, request.head);
  switch (request.kind) {
    case 'hello':
      writer.varint(request.version);
      return;
    case 'beat':
    case 'close':
      return;
    case 'credit':
      writer.varint(request.batches);
      return;
    case 'readAt':
      words.writeBytes(writer, request.key);
      writer.u53(request.at);
      return;
    case 'getAt':
      words.writeKeys(writer, request.keys);
      writer.u53(request.at);
      return;
    case 'scanAt':
      words.writeScan(writer, request.scan);
      writer.u53(request.at);
      writer.varint(request.credit);
      return;
    case 'lockedRead':
      words.writeTxn(writer, request.txn);
      words.writeLocking(writer, request.locking);
      words.writeBytes(writer, request.key);
      return;
    case 'lockedGet':
      words.writeTxn(writer, request.txn);
      words.writeLocking(writer, request.locking);
      words.writeKeys(writer, request.keys);
      return;
    case 'lockedScan':
      words.writeTxn(writer, request.txn);
      words.writeLocking(writer, request.locking);
      words.writeScan(writer, request.scan);
      writer.varint(request.credit);
      return;
    case 'commit':
      words.writeTxn(writer, request.txn);
      words.writeWrites(writer, request.writes);
      writer.u53(request.deadline);
      return;
    case 'release':
    case 'confirm':
      words.writeTxn(writer, request.txn);
      return;
    case 'bulkWrite':
      words.writeWrites(writer, request.writes);
      writer.u8(request.willBeRead ? 1 : 0);
      return;
    case 'clearSpan':
    case 'approximateBytes':
      words.writeSpan(writer, request.span);
      return;
    case 'prepare':
      writePrepare(writer, request.request);
      return;
    case 'decide':
      writeDecide(writer, request.request);
      return;
    case 'resolve':
      writeResolve(writer, request.request);
      return;
    case 'inquire':
      words.writeTxnId(writer, request.txn);
      words.writeBytes(writer, request.anchor);
      writer.u53(request.deadline);
      return;
    case 'settled':
      words.writeTxnId(writer, request.txn);
      words.writeBytes(writer, request.anchor);
      return;
    default:
      unreachable(request);
  }
}

/** Throws when it makes no sense. */
export function readRequest(reader: ByteReader): {
  readonly id: number;
  readonly request: WireRequest;
} {
  const number = reader.u8();
  const kind = KINDS[number];
  if (kind === undefined) throw new RangeError(`a request of unknown kind ${number}`);
  return { id: reader.varint(), request: readBody(reader, kind) };
}

function readBody(reader: ByteReader, kind: WireRequest['kind']): WireRequest {
  switch (kind) {
    case 'hello':
      return { kind, version: reader.varint() };
    case 'beat':
    case 'close':
      return { kind };
    case 'credit':
      return { kind, batches: reader.varint() };
    default:
      return readRangeBody(reader, kind, words.readHead(reader));
  }
}

function readRangeBody(
  reader: ByteReader,
  kind: RangeRequest['kind'],
  head: RangeHead,
): RangeRequest {
  switch (kind) {
    case 'readAt':
      return { kind, head, key: words.readBytes(reader), at: time(reader) };
    case 'getAt':
      return { kind, head, keys: words.readKeys(reader), at: time(reader) };
    case 'scanAt': {
      const scan = words.readScan(reader);
      return { kind, head, scan, at: time(reader), credit: reader.varint() };
    }
    case 'lockedRead': {
      const txn = words.readTxn(reader);
      const locking = words.readLocking(reader);
      return { kind, head, txn, locking, key: words.readBytes(reader) };
    }
    case 'lockedGet': {
      const txn = words.readTxn(reader);
      const locking = words.readLocking(reader);
      return { kind, head, txn, locking, keys: words.readKeys(reader) };
    }
    case 'lockedScan': {
      const txn = words.readTxn(reader);
      const locking = words.readLocking(reader);
      const scan = words.readScan(reader);
      return { kind, head, txn, locking, scan, credit: reader.varint() };
    }
    case 'commit': {
      const txn = words.readTxn(reader);
      const writes = words.readWrites(reader);
      return { kind, head, txn, writes, deadline: time(reader) };
    }
    case 'release':
    case 'confirm':
      return { kind, head, txn: words.readTxn(reader) };
    case 'bulkWrite':
      return { kind, head, writes: words.readWrites(reader), willBeRead: reader.u8() === 1 };
    case 'clearSpan':
    case 'approximateBytes':
      return { kind, head, span: words.readSpan(reader) };
    case 'prepare':
      return { kind, head, request: readPrepare(reader) };
    case 'decide':
      return { kind, head, request: readDecide(reader) };
    case 'resolve':
      return { kind, head, request: readResolve(reader) };
    case 'inquire': {
      const txn = words.readTxnId(reader);
      return { kind, head, txn, anchor: words.readBytes(reader), deadline: time(reader) };
    }
    case 'settled':
      return { kind, head, txn: words.readTxnId(reader), anchor: words.readBytes(reader) };
    default:
      return unreachable(kind);
  }
}

function time(reader: ByteReader): Timestamp {
  return reader.u53() as Timestamp;
}

function writePrepare(writer: ByteWriter, request: PrepareRequest): void {
  words.writeTxn(writer, request.txn);
  words.writeWrites(writer, request.writes);
  words.writeBytes(writer, request.anchor);
  writer.u53(request.deadline);
}

function readPrepare(reader: ByteReader): PrepareRequest {
  const txn = words.readTxn(reader);
  const writes = words.readWrites(reader);
  const anchor = words.readBytes(reader);
  return { txn, writes, anchor, deadline: time(reader) };
}

function writeDecide(writer: ByteWriter, request: DecideRequest): void {
  words.writeTxn(writer, request.txn);
  words.writeWrites(writer, request.writes);
  words.writeBytes(writer, request.anchor);
  writer.varint(request.participants.length);
  for (const span of request.participants) words.writeSpan(writer, span);
  writer.u53(request.atLeast);
  writer.u53(request.below);
  writer.u53(request.deadline);
}

function readDecide(reader: ByteReader): DecideRequest {
  const txn = words.readTxn(reader);
  const writes = words.readWrites(reader);
  const anchor = words.readBytes(reader);
  const participants = words.readMany(reader, words.readSpan);
  const atLeast = time(reader);
  const below = time(reader);
  return { txn, writes, anchor, participants, atLeast, below, deadline: time(reader) };
}

function writeResolve(writer: ByteWriter, request: ResolveRequest): void {
  const { txn, outcome, span } = request;
  words.writeTxnId(writer, txn);
  writer.u8(outcome.kind === 'committed' ? 1 : 0);
  if (outcome.kind === 'committed') writer.u53(outcome.timestamp);
  words.writeSpan(writer, span);
}

function readResolve(reader: ByteReader): ResolveRequest {
  const txn = words.readTxnId(reader);
  const outcome: ResolveRequest['outcome'] =
    reader.u8() === 1 ? { kind: 'committed', timestamp: time(reader) } : { kind: 'aborted' };
  return { txn, outcome, span: words.readSpan(reader) };
}
