// What another node's ranges answer, as it travels.

import { unreachable } from '../../base/assert.ts';
import { type ByteReader, type ByteWriter } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { type RangeDescriptor, readDescriptor, writeDescriptor } from '../descriptor.ts';
import type {
  ConfirmAnswer,
  Elsewhere,
  OutcomeAnswer,
  PrepareAnswer,
  RangeRefusal,
  ResolveAnswer,
} from '../endpoint.ts';
import type { CommitAnswer, CommitTimes, LockSession, ScanBatch } from '../requests.ts';
import * as words from './wire-words.ts';

/** A row as RowSlice has it. */
interface WireRow {
  readonly timestamp: Timestamp;
  readonly value: Uint8Array | undefined;
}

type Values = readonly (Uint8Array | undefined)[];

export type WireAnswer =
  | ({ readonly kind: 'slice' } & WireRow)
  | { readonly kind: 'values'; readonly values: Values }
  | ({ readonly kind: 'row'; readonly session: LockSession } & WireRow)
  | { readonly kind: 'rows'; readonly session: LockSession; readonly rows: Values }
  /** Its batches follow, under the same id. */
  | { readonly kind: 'scan'; readonly session: LockSession }
  | { readonly kind: 'batch'; readonly batch: ScanBatch }
  | { readonly kind: 'end' }
  | { readonly kind: 'size'; readonly bytes: number }
  | CommitAnswer
  | PrepareAnswer
  | ConfirmAnswer
  | ResolveAnswer
  | OutcomeAnswer
  | RangeRefusal
  /** A DbError, or what broke while it was carried out. */
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly detail: string | undefined;
      readonly hint: string | undefined;
    }
  /** To a beat. */
  | { readonly kind: 'beat' };

/** As they are numbered on the wire: new ones at the end. */
const KINDS = [
  'slice',
  'values',
  'row',
  'rows',
  'scan',
  'batch',
  'end',
  'size',
  'committed',
  'ambiguous',
  'prepared',
  'confirmed',
  'resolved',
  'aborted',
  'wounded',
  'lockNotAvailable',
  'lockTimeout',
  'sessionGone',
  'notServing',
  'diskFull',
  'tooLarge',
  'wrongRange',
  'notLeader',
  'failed',
  'beat',
] as const satisfies readonly WireAnswer['kind'][];

const KIND_NUMBERS: Readonly<Record<WireAnswer['kind'], number>> = Object.fromEntries(
  KINDS.map((kind, number) => [kind, number]),
) as Record<WireAnswer['kind'], number>;

/** `id`: the request's. */
export function writeAnswer(writer: ByteWriter, id: number, answer: WireAnswer): void {
  writer.u8(KIND_NUMBERS[answer.kind]);
  writer.varint(id);
  switch (answer.kind) {
    case 'slice':
      writeRow(writer, answer);
      return;
    case 'values':
      words.writeManyBytes(writer, answer.values);
      return;
    case 'row':
      words.writeSession(writer, answer.session);
      writeRow(writer, answer);
      return;
    case 'rows':
      words.writeSession(writer, answer.session);
      words.writeManyBytes(writer, answer.rows);
      return;
    case 'scan':
      words.writeSession(writer, answer.session);
      return;
    case 'batch':
      words.writeBytes(writer, answer.batch.rows);
      writer.varint(answer.batch.rowCount);
      words.writeMaybeBytes(writer, answer.batch.lastKey);
      return;
    case 'size':
      writer.varint(answer.bytes);
      return;
    case 'committed':
      writer.u53(answer.timestamp);
      writeTimes(writer, 'times' in answer ? answer.times : undefined);
      return;
    case 'prepared':
      writer.u53(answer.at);
      writer.u53(answer.until);
      return;
    case 'confirmed':
      writer.u53(answer.until);
      return;
    case 'end':
    case 'resolved':
    case 'aborted':
    case 'beat':
      return;
    case 'ambiguous':
    case 'wounded':
    case 'sessionGone':
    case 'diskFull':
    case 'tooLarge':
      writer.text(answer.message);
      return;
    case 'lockNotAvailable':
    case 'lockTimeout':
      words.writeBytes(writer, answer.key);
      return;
    case 'notServing':
      writer.text(answer.message);
      writeNode(writer, answer.leaderNode);
      return;
    case 'wrongRange':
      writer.varint(answer.known.length);
      for (const descriptor of answer.known) writeDescriptor(writer, descriptor);
      return;
    case 'notLeader':
      writeNotLeader(writer, answer);
      return;
    case 'failed':
      writer.text(answer.code);
      writer.text(answer.message);
      writeMaybeText(writer, answer.detail);
      writeMaybeText(writer, answer.hint);
      return;
    default:
      unreachable(answer);
  }
}

/** Throws when it makes no sense. */
export function readAnswer(reader: ByteReader): {
  readonly id: number;
  readonly answer: WireAnswer;
} {
  const number = reader.u8();
  const kind = KINDS[number];
  if (kind === undefined) throw new RangeError(`an answer of unknown kind ${number}`);
  return { id: reader.varint(), answer: readBody(reader, kind) };
}

/** A commit of which they are not known has taken no time. */
function writeTimes(writer: ByteWriter, times: CommitTimes | undefined): void {
  writer.varint(Math.round(times?.replication ?? 0));
  writer.varint(Math.round(times?.wait ?? 0));
}

function readTimes(reader: ByteReader): { readonly times?: CommitTimes } {
  const [replication, wait] = [reader.varint(), reader.varint()];
  return replication + wait === 0 ? {} : { times: { replication, wait } };
}

function readBody(reader: ByteReader, kind: WireAnswer['kind']): WireAnswer {
  switch (kind) {
    case 'slice':
      return { kind, ...readRow(reader) };
    case 'values':
      return { kind, values: words.readManyBytes(reader) };
    case 'row':
      return { kind, session: words.readSession(reader), ...readRow(reader) };
    case 'rows':
      return { kind, session: words.readSession(reader), rows: words.readManyBytes(reader) };
    case 'scan':
      return { kind, session: words.readSession(reader) };
    case 'batch': {
      const rows = words.readBytes(reader);
      const rowCount = reader.varint();
      return { kind, batch: { rows, rowCount, lastKey: words.readMaybeBytes(reader) } };
    }
    case 'size':
      return { kind, bytes: reader.varint() };
    case 'committed':
      return { kind, timestamp: time(reader), ...readTimes(reader) };
    case 'prepared':
      return { kind, at: time(reader), until: time(reader) };
    case 'confirmed':
      return { kind, until: time(reader) };
    case 'end':
    case 'resolved':
    case 'aborted':
    case 'beat':
      return { kind };
    case 'ambiguous':
    case 'wounded':
    case 'sessionGone':
    case 'diskFull':
    case 'tooLarge':
      return { kind, message: reader.text() };
    case 'lockNotAvailable':
    case 'lockTimeout':
      return { kind, key: words.readBytes(reader) };
    case 'notServing':
      return { kind, message: reader.text(), leaderNode: readNode(reader) };
    case 'wrongRange':
      return { kind, known: words.readMany(reader, readDescriptor) };
    case 'notLeader':
      return readNotLeader(reader);
    case 'failed': {
      const code = reader.text();
      const message = reader.text();
      return { kind, code, message, detail: readMaybeText(reader), hint: readMaybeText(reader) };
    }
    default:
      return unreachable(kind);
  }
}

function writeRow(writer: ByteWriter, row: WireRow): void {
  writer.u53(row.timestamp);
  words.writeMaybeBytes(writer, row.value);
}

function readRow(reader: ByteReader): WireRow {
  return { timestamp: time(reader), value: words.readMaybeBytes(reader) };
}

function writeNotLeader(
  writer: ByteWriter,
  answer: Extract<Elsewhere, { kind: 'notLeader' }>,
): void {
  writeNode(writer, answer.leaderNode);
  writer.text(answer.message);
  writer.u8(answer.known === undefined ? 0 : 1);
  if (answer.known !== undefined) writeDescriptor(writer, answer.known);
}

function readNotLeader(reader: ByteReader): WireAnswer {
  const leaderNode = readNode(reader);
  const message = reader.text();
  const known: RangeDescriptor | undefined = reader.u8() === 0 ? undefined : readDescriptor(reader);
  return { kind: 'notLeader', leaderNode, message, known };
}

/** Node ids begin at 1, or at 0 with an only node. */
function writeNode(writer: ByteWriter, node: number | undefined): void {
  writer.varint(node === undefined ? 0 : node + 1);
}

function readNode(reader: ByteReader): number | undefined {
  const number = reader.varint();
  return number === 0 ? undefined : number - 1;
}

function writeMaybeText(writer: ByteWriter, text: string | undefined): void {
  writer.u8(text === undefined ? 0 : 1);
  if (text !== undefined) writer.text(text);
}

function readMaybeText(reader: ByteReader): string | undefined {
  return reader.u8() === 0 ? undefined : reader.text();
}

function time(reader: ByteReader): Timestamp {
  return reader.u53() as Timestamp;
}
