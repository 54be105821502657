// The format of what a range's snapshot consists of: [u8 format version], then pairs as they lie in the engine, each
// [u32 key length][key with its prefix][u32 length][value]. First the range's named records (range-records.ts), then all
// newest versions in the order of their keys (mvcc.ts), then all older ones.

import { AssertionError } from '../base/assert.ts';
import { type ByteWriter, ByteReader, compareBytes } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { EngineOp, Span } from './engine.ts';
import { HEADER_BYTES, HISTORY_PREFIX, LATEST_PREFIX, TIMESTAMP_BYTES } from './mvcc.ts';
import { isRecordOf } from './range-records.ts';
import type { RangeId } from './shard.ts';

const CHUNK_VERSION = 2;
/** Of a chunk without versions. */
export const CHUNK_HEAD_BYTES = 1;
/** Of a version, beside its key and record. */
export const VERSION_OVERHEAD_BYTES = 8;

export function beginChunk(out: ByteWriter): void {
  out.reset();
  out.u8(CHUNK_VERSION);
}

export function addVersion(out: ByteWriter, key: Uint8Array, record: Uint8Array): void {
  out.reserve(VERSION_OVERHEAD_BYTES + key.length + record.length);
  out.block(key);
  out.block(record);
}

/**
 * The writes that a chunk stands for, in pieces of about `bytes` bytes; views into the chunk. Throws when anything in
 * it is not the range's: whatever a chunk says, nothing but the range's rows and records is touched by it.
 */
export function readChunk(
  chunk: Uint8Array,
  range: RangeId,
  span: Span,
  bytes: number,
): EngineOp[][] {
  const reader = new ByteReader(chunk);
  const version = reader.u8();
  if (version !== CHUNK_VERSION) {
    throw new DbError(
      'XX001',
      `a snapshot has format version ${version}, this program knows version ${CHUNK_VERSION}`,
      { hint: 'Let all nodes run the same version of Meridian.' },
    );
  }
  const pieces: EngineOp[][] = [];
  let piece: EngineOp[] = [];
  let pieceStart = reader.at;
  while (reader.remaining > 0) {
    const key = reader.block();
    const value = reader.block();
    const isRows = isVersionIn(span, key) && value.length >= HEADER_BYTES;
    if (!isRows && !isRecordOf(range, key)) {
      throw new AssertionError('a chunk of a snapshot holds what is not of its range');
    }
    piece.push({ kind: 'put', key, value });
    if (reader.at - pieceStart < bytes) continue;
    pieces.push(piece);
    piece = [];
    pieceStart = reader.at;
  }
  if (piece.length > 0) pieces.push(piece);
  return pieces;
}

function isVersionIn(span: Span, key: Uint8Array): boolean {
  let end = key.length;
  if (key[0] === HISTORY_PREFIX) end -= TIMESTAMP_BYTES;
  else if (key[0] !== LATEST_PREFIX) return false;
  if (end < 1) return false;
  const rowKey = key.subarray(1, end);
  if (compareBytes(rowKey, span.start) < 0) return false;
  return span.end === undefined || compareBytes(rowKey, span.end) < 0;
}
