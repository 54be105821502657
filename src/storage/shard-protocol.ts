// What travels over the port between a shard and its owner. A message is requests (or answers) one after the other,
// each [u8 kind][u32 request id] and what its kind needs. Packed by ByteWriter, little-endian.

import { AssertionError } from '../base/assert.ts';
import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import { DbError, type DbErrorFields } from '../base/errors.ts';
import { FileError, type FileErrorKind } from '../runtime/runtime.ts';
import type { Span } from './engine.ts';
import { NO_RECORDS } from './range-records.ts';
import type { AppliedRange } from './shard.ts';

/** u32 range, u53 last index, block entries. */
export const REQUEST_APPLY = 1;
/** u53 time, u32 count, blocks: row keys with LATEST_PREFIX before them. */
export const REQUEST_GET = 2;
/** u53 time, u8 flags (SCAN_*), block start, [block end], [block program], [block parameters], u32 row limit,
 * u32 batch bytes, u32 credits. */
export const REQUEST_SCAN = 3;
/** u32 credits: so many more batches may be sent. */
export const REQUEST_SCAN_CREDIT = 4;
export const REQUEST_SCAN_CLOSE = 5;
export const REQUEST_FLUSH = 6;
/** A span. */
export const REQUEST_APPROXIMATE_BYTES = 7;
export const REQUEST_USAGE = 8;
/** u32 range, a span, u32 chunk bytes, u32 credits; credit and close as for a scan. */
export const REQUEST_SNAPSHOT = 9;
/** u32 range, a span. */
export const REQUEST_INSTALL_BEGIN = 10;
/** u32 range, writeChunk(). */
export const REQUEST_INSTALL_CHUNK = 11;
/** u32 range, u53 applied index, block state. */
export const REQUEST_INSTALL_FINISH = 12;
/** A span, u53 time. */
export const REQUEST_CHECKSUM = 13;
/** u32 range, u8 whether it has rows, [a span]. */
export const REQUEST_DROP = 14;
/** u8 whether nobody else has anything to do. */
export const REQUEST_PACK = 15;
/** A span, u53 threshold, block from where (empty: from its start). */
export const REQUEST_COLLECT = 16;

export const SCAN_REVERSE = 1;
export const SCAN_HAS_END = 2;
export const SCAN_HAS_PROGRAM = 4;
export const SCAN_HAS_PARAMETERS = 8;

/** Without a request: ranges. */
export const ANSWER_OPENED = 1;
export const ANSWER_DONE = 2;
/** u32 count, each u8 flags (VERSION_*) and, if there is one, u53 timestamp and, if it is a row, block. */
export const ANSWER_VERSIONS = 3;
/** u8 whether it is the last, u53 newest, u32 row count, block rows and, unless it is the last, block last key. */
export const ANSWER_SCAN_BATCH = 4;
/** Ranges. */
export const ANSWER_FLUSHED = 5;
/** u53; of packing one of NOTHING_TO_PACK and its like. */
export const ANSWER_NUMBER = 6;
/** u53 gets, scans, entries applied, bytes applied. */
export const ANSWER_USAGE = 7;
/** An error. */
export const ANSWER_ERROR = 8;
/** Without a request: the shard has failed as a whole. An error. */
export const ANSWER_FAILED = 9;

/** Ranges, one: the snapshot is taken, its chunks follow. */
export const ANSWER_SNAPSHOT = 10;
/** u8 whether it is the last, block chunk. */
export const ANSWER_SNAPSHOT_CHUNK = 11;
/** u53 rows, u53 bytes, text sum. */
export const ANSWER_CHECKSUM = 12;
/** Ranges, one. */
export const ANSWER_INSTALLED = 13;
/** u32 versions, block from where the next slice goes on (empty: that was the last). */
export const ANSWER_COLLECTED = 14;

export const NOTHING_TO_PACK = 0;
export const MORE_TO_PACK = 1;
/** Not worth it while others have something to do. */
export const MORE_TO_PACK_WHEN_IDLE = 2;

export const VERSION_FOUND = 1;
export const VERSION_IS_ROW = 2;
export const VERSION_IS_NEWEST = 4;

export function writeRanges(writer: ByteWriter, ranges: readonly AppliedRange[]): void {
  writer.u32(ranges.length);
  for (const { range, appliedIndex, records, isInstalling } of ranges) {
    writer.u32(range);
    writer.u53(appliedIndex);
    writer.u8(isInstalling ? 1 : 0);
    writer.u32(records.size);
    for (const [name, value] of records) {
      writer.text(name);
      writer.block(value);
    }
  }
}

export function readRanges(reader: ByteReader): AppliedRange[] {
  const ranges: AppliedRange[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const range = reader.u32();
    const appliedIndex = reader.u53();
    const isInstalling = reader.u8() === 1;
    let records: AppliedRange['records'] = NO_RECORDS;
    const count = reader.u32();
    if (count > 0) {
      const read = new Map<string, Uint8Array>();
      for (let i = 0; i < count; i++) read.set(reader.text(), reader.block().slice());
      records = read;
    }
    ranges.push({ range, appliedIndex, records, isInstalling });
  }
  return ranges;
}

/** Block start, u8 whether there is an end, [block end]. */
/** [u8 count, as many zeros] and the chunk as a block, which so begins in the message where typed arrays may. */
export function writeChunk(out: ByteWriter, chunk: Uint8Array): void {
  const zeros = -(out.length + 5) & 7;
  out.u8(zeros);
  for (let i = 0; i < zeros; i++) out.u8(0);
  out.block(chunk);
}

export function readChunk(reader: ByteReader): Uint8Array {
  reader.raw(reader.u8());
  return reader.block();
}

export function writeSpan(writer: ByteWriter, span: Span): void {
  writer.block(span.start);
  writer.u8(span.end === undefined ? 0 : 1);
  if (span.end !== undefined) writer.block(span.end);
}

export function readSpan(reader: ByteReader): Span {
  const start = reader.block();
  return { start, end: reader.u8() === 0 ? undefined : reader.block() };
}

const ERROR_OTHER = 0;
const ERROR_DB = 1;
const ERROR_FILE = 2;
const ERROR_ASSERTION = 3;

/** Errors keep their class, and what a user or the node is told by it. */
export function writeError(writer: ByteWriter, error: unknown): void {
  if (error instanceof DbError) {
    writer.u8(ERROR_DB);
    writer.text(error.message);
    writer.text(error.code);
    writer.text(JSON.stringify(error.fields));
  } else if (error instanceof FileError) {
    writer.u8(ERROR_FILE);
    writer.text(error.message);
    writer.text(error.kind);
    writer.text(error.path);
  } else {
    writer.u8(error instanceof AssertionError ? ERROR_ASSERTION : ERROR_OTHER);
    writer.text(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

export function readError(reader: ByteReader): Error {
  const kind = reader.u8();
  const message = reader.text();
  switch (kind) {
    case ERROR_DB: {
      const code = reader.text();
      return new DbError(code, message, JSON.parse(reader.text()) as DbErrorFields);
    }
    case ERROR_FILE: {
      const fileKind = reader.text() as FileErrorKind;
      return new FileError(fileKind, reader.text(), message);
    }
    case ERROR_ASSERTION:
      return new AssertionError(message);
    default:
      return new Error(message);
  }
}
