// One record of the log, as bytes. The body (all but the checksum) is the same on disk and on the wire.
//
//   0 u32 checksum   CRC-32C of the rest, seeded by segment and offset (P34): a stale or misplaced record never passes
//   4 u32 length     of what follows
//   8 u8  kind, 3 bytes zero
//  12 u32 group
//  16 u53 term
//  24 u53 index
//  32 payload
//
// A zero checksum and length end the log: segments are zero-filled before use.

import type { ByteWriter } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';

/** Begins what one write holds. Group 0; term and index say up to which segment and offset the log was synced when it
 * was written: the watermark. */
export const BATCH = 1;
export const COMMAND = 2;
export const CHANGE = 3;
/** Payload: codec.ts; index 0. */
export const HARD_STATE = 4;
/** The log of this group begins after (term, index); payload: its identity and configuration (group-log.ts). */
export const MARK = 5;
/** As MARK, but nothing that was written of the group before counts any more: a snapshot has replaced its log. */
export const BEGINNING = 7;
/** The replica whose id stands in place of the term was removed: neither it nor an older one of this group comes to life
 * again here (P32); EVERY_REPLICA: the group is over. Index 1: all that the log held of it ends here; 0: written again,
 * before its segment went. */
export const TOMBSTONE = 6;

export const RECORD_HEADER_BYTES = 32;
const UNCOUNTED_BYTES = 8;
const FIXED_LENGTH = RECORD_HEADER_BYTES - UNCOUNTED_BYTES;

/** Payload bytes that one record may have. */
export const PAYLOAD_BYTES_MAX: number = 256 * 1024 * 1024;

/** A record as it lies in a buffer; reused from one to the next. */
export interface RecordView {
  kind: number;
  group: number;
  term: number;
  index: number;
  payloadStart: number;
  payloadEnd: number;
}

export function emptyRecordView(): RecordView {
  return { kind: 0, group: 0, term: 0, index: 0, payloadStart: 0, payloadEnd: 0 };
}

function checksumSeed(segment: number, offset: number): number {
  let h = Math.imul(segment, 0x9e3779b1) ^ Math.imul(offset + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0xc2b2ae35);
  return (h ^ (h >>> 13)) >>> 0;
}

/** Appends a record that will stand at `offset` of segment number `segment`. */
export function writeRecord(
  writer: ByteWriter,
  segment: number,
  offset: number,
  kind: number,
  group: number,
  term: number,
  index: number,
  payload: Uint8Array,
): void {
  const at = writer.length;
  writer.reserve(RECORD_HEADER_BYTES + payload.length);
  const { bytes, view } = writer;
  view.setUint32(at + 4, FIXED_LENGTH + payload.length, true);
  view.setUint32(at + 8, kind, true);
  view.setUint32(at + 12, group, true);
  setSafeInteger(view, at + 16, term);
  setSafeInteger(view, at + 24, index);
  bytes.set(payload, at + RECORD_HEADER_BYTES);
  const end = at + RECORD_HEADER_BYTES + payload.length;
  view.setUint32(at, crc32c(bytes, at + 4, end, checksumSeed(segment, offset)), true);
  writer.length = end;
}

/** Reads the record at `at` of `bytes`, which stands at `offset` of its segment. `end`: nothing was written here;
 * `bad`: something was, but it is not a whole record. */
export function readRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  segment: number,
  offset: number,
  into: RecordView,
): 'record' | 'end' | 'bad' {
  if (at + RECORD_HEADER_BYTES > bytes.length) return 'end';
  const checksum = view.getUint32(at, true);
  const length = view.getUint32(at + 4, true);
  if (checksum === 0 && length === 0) return 'end';
  const end = at + UNCOUNTED_BYTES + length;
  if (length < FIXED_LENGTH || end > bytes.length) return 'bad';
  if (crc32c(bytes, at + 4, end, checksumSeed(segment, offset)) !== checksum) return 'bad';
  into.kind = view.getUint32(at + 8, true);
  into.group = view.getUint32(at + 12, true);
  into.term = getSafeInteger(view, at + 16);
  into.index = getSafeInteger(view, at + 24);
  into.payloadStart = at + RECORD_HEADER_BYTES;
  into.payloadEnd = end;
  return 'record';
}

/** Whether a whole batch header stands at `at`: proof that the log before it had been synced. */
export function isBatchHeader(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  segment: number,
  offset: number,
): boolean {
  return (
    view.getUint32(at + 4, true) === FIXED_LENGTH &&
    view.getUint32(at + 8, true) === BATCH &&
    view.getUint32(at, true) ===
      crc32c(bytes, at + 4, at + RECORD_HEADER_BYTES, checksumSeed(segment, offset))
  );
}

function setSafeInteger(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x100000000), true);
}

function getSafeInteger(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x100000000;
}
