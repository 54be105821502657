// The log entries of two-phase commit, and the records that come of them. A replica makes storage commands of them
// (two-phase-state.ts); layout, little-endian, after [u8 format version][u8 kind] as in storage/command-format.ts:
//   kind 32, prepare: u53 prepare timestamp, 16 bytes transaction id, u53 deadline, u53 age, u8 flags, block anchor, then
//            u32 count and writes as in kind 1. The record of a prepared transaction is the entry itself.
//   kind 33, decide: u53 s (0: aborted), 16 bytes id, u53 deadline, block anchor, u32 count, then count times the span of
//            a participant [block start][block end, empty: to the end of the keyspace]; then, if anything is left, u32
//            count and writes as in kind 1. The record of a decision is the entry without its writes.
//   kind 34, resolve: u53 s (0: aborted), 16 bytes id
//   kind 35, forget: u53 0, u32 count, then so many ids of 16 bytes: decisions that nobody will ask for any more

import { ByteReader, ByteWriter, EMPTY_BYTES, hashBytes } from '../../base/bytes.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import {
  COMMAND_VERSION,
  COMMAND_WRITES,
  TXN_ID_BYTES,
  WRITE_DELETE,
  WRITE_NEW,
  WRITE_PUT,
} from '../../storage/command-format.ts';
import type { Span, TxnId, Write } from '../requests.ts';
import { parseTxnId } from '../txn-id.ts';

export const COMMAND_PREPARE = 32;
export const COMMAND_DECIDE = 33;
export const COMMAND_RESOLVE = 34;
export const COMMAND_FORGET = 35;

const SCRATCH_BYTES = 1024;
const SCRATCH_BYTES_KEPT_MAX = 64 * 1024;

/** The transaction holds locks in the range on more than what it writes there. */
const HAS_READ = 1;

export type TwoPhaseCommand =
  | { readonly kind: 'prepare'; readonly prepared: PreparedFacts }
  | {
      readonly kind: 'decide';
      readonly decision: DecisionFacts;
      readonly writes: readonly Write[];
    }
  | { readonly kind: 'resolve'; readonly txn: TxnId; readonly s: Timestamp }
  | { readonly kind: 'forget'; readonly txns: readonly TxnId[] };

export interface PreparedFacts {
  readonly txn: TxnId;
  readonly at: Timestamp;
  readonly deadline: Timestamp;
  readonly age: Timestamp;
  readonly hasRead: boolean;
  readonly anchor: Uint8Array;
  readonly writes: readonly Write[];
}

export interface DecisionFacts {
  readonly txn: TxnId;
  /** MIN_TIMESTAMP: aborted. */
  readonly s: Timestamp;
  readonly deadline: Timestamp;
  readonly anchor: Uint8Array;
  readonly participants: readonly Span[];
}

export function isTwoPhase(command: Uint8Array): boolean {
  const kind = command[1] as number;
  return kind >= COMMAND_PREPARE && kind <= COMMAND_FORGET;
}

export function encodePrepare(facts: PreparedFacts): Uint8Array {
  const { txn, at, deadline, age, hasRead, anchor, writes } = facts;
  const writer = begin(COMMAND_PREPARE, at, txn);
  writer.u53(deadline);
  writer.u53(age);
  writer.u8(hasRead ? HAS_READ : 0);
  writer.block(anchor);
  writeWrites(writer, writes, neverNew);
  return writer.take();
}

export function encodeDecide(
  facts: DecisionFacts,
  writes: readonly Write[],
  isNew: (i: number) => boolean,
): Uint8Array {
  const { txn, s, deadline, anchor, participants } = facts;
  const writer = begin(COMMAND_DECIDE, s, txn);
  writer.u53(deadline);
  writer.block(anchor);
  writer.u32(participants.length);
  for (const { start, end } of participants) {
    writer.block(start);
    writer.block(end ?? EMPTY_BYTES);
  }
  if (writes.length > 0) writeWrites(writer, writes, isNew);
  return writer.take();
}

export function encodeResolve(txn: TxnId, s: Timestamp): Uint8Array {
  return begin(COMMAND_RESOLVE, s, txn).take();
}

export function encodeForget(txns: readonly TxnId[]): Uint8Array {
  const writer = new ByteWriter(16 + txns.length * TXN_ID_BYTES);
  writer.u8(COMMAND_VERSION);
  writer.u8(COMMAND_FORGET);
  writer.u53(MIN_TIMESTAMP);
  writer.u32(txns.length);
  for (const txn of txns) writeTxnId(writer, txn);
  return writer.take();
}

/** Views into the command, which is kept as long as they are. */
export function readTwoPhase(command: Uint8Array): TwoPhaseCommand {
  const reader = new ByteReader(command, 1);
  const kind = reader.u8();
  const timestamp = reader.u53() as Timestamp;
  if (kind === COMMAND_FORGET) {
    const txns = Array.from({ length: reader.u32() }, () => readTxnId(reader));
    return { kind: 'forget', txns };
  }
  const txn = readTxnId(reader);
  if (kind === COMMAND_RESOLVE) return { kind: 'resolve', txn, s: timestamp };
  const deadline = reader.u53() as Timestamp;
  if (kind === COMMAND_PREPARE) {
    const age = reader.u53() as Timestamp;
    const hasRead = (reader.u8() & HAS_READ) !== 0;
    const anchor = reader.block();
    const writes = readWrites(reader);
    return {
      kind: 'prepare',
      prepared: { txn, at: timestamp, deadline, age, hasRead, anchor, writes },
    };
  }
  const anchor = reader.block();
  const participants = Array.from({ length: reader.u32() }, () => readSpan(reader));
  const decision = { txn, s: timestamp, deadline, anchor, participants };
  return { kind: 'decide', decision, writes: reader.remaining === 0 ? [] : readWrites(reader) };
}

/** A command of kind COMMAND_WRITES: what a prepared or deciding transaction writes, once its outcome is known. */
export function encodeOutcomeWrites(
  txn: TxnId,
  s: Timestamp,
  deadline: Timestamp,
  writes: readonly Write[],
): Uint8Array {
  const writer = begin(COMMAND_WRITES, s, txn);
  writer.u53(deadline);
  writeWrites(writer, writes, neverNew);
  return writer.take();
}

export function hashesOf(writes: readonly Write[]): number[] {
  const hashes = new Array<number>(writes.length);
  for (let i = 0; i < writes.length; i++) hashes[i] = hashBytes((writes[i] as Write).key);
  return hashes;
}

export function writeWrites(
  writer: ByteWriter,
  writes: readonly Write[],
  /** Whether the i-th write is of a key that was never written. */
  isNew: (i: number) => boolean,
): void {
  writer.u32(writes.length);
  for (let i = 0; i < writes.length; i++) {
    const { key, value } = writes[i] as Write;
    writer.u8(value === undefined ? WRITE_DELETE : isNew(i) ? WRITE_NEW : WRITE_PUT);
    writer.block(key);
    if (value !== undefined) writer.block(value);
  }
}

function readWrites(reader: ByteReader): Write[] {
  const writes: Write[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const op = reader.u8();
    const key = reader.block();
    writes.push({ key, value: op === WRITE_DELETE ? undefined : reader.block() });
  }
  return writes;
}

function readSpan(reader: ByteReader): Span {
  const start = reader.block();
  const end = reader.block();
  return { start, end: end.length === 0 ? undefined : end };
}

/** Each command is taken from it before the next one begins: a buffer of its own would cost more than what is written
 * into it (bench: two-phase-commit). */
let scratch = new ByteWriter(SCRATCH_BYTES);

function begin(kind: number, timestamp: Timestamp, txn: TxnId): ByteWriter {
  if (scratch.bytes.length > SCRATCH_BYTES_KEPT_MAX) scratch = new ByteWriter(SCRATCH_BYTES);
  const writer = scratch;
  writer.reset();
  writer.u8(COMMAND_VERSION);
  writer.u8(kind);
  writer.u53(timestamp);
  writeTxnId(writer, txn);
  return writer;
}

const words = new Uint32Array(TXN_ID_BYTES / 4);

function writeTxnId(writer: ByteWriter, txn: TxnId): void {
  parseTxnId(txn, words);
  for (let word = 0; word < words.length; word++) writer.u32be(words[word] as number);
}

function readTxnId(reader: ByteReader): TxnId {
  let txn = '';
  for (let word = 0; word < words.length; word++) {
    txn += reader.u32be().toString(16).padStart(8, '0');
  }
  return txn;
}

function neverNew(): boolean {
  return false;
}
