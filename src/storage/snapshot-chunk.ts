// The format of what a range's snapshot consists of. A chunk holds pages or single pairs: first come pairs with the
// range's named records (range-records.ts), then its newest versions in the order of their keys, as pages wherever they
// are many, then pairs with all older versions. Little-endian:
//   0   u8 format version, u8 1: pairs, 2: pages, u16 0
//   4   u32 how many
//   8   u32 of pairs: XXH32 of all that follows; pages have checksums of their own, which cover where they lie, too
//   12  u32 0
//   16  pairs, as they lie in the engine, each [u32 key length][key with its prefix][u32 length][value]; then zeros to
//       whole words; or
//       pages, each [u32 length of the row key under which it lies][u32 its length][that key][the page], both with
//       zeros to whole eights: numbers in a page are read through typed arrays
// So that nobody on the way must look at each row, or reckon a checksum on a main thread (bench: snapshot).

import { AssertionError } from '../base/assert.ts';
import { ByteReader, ByteWriter, compareBytes } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import { xxh32 } from '../base/xxh32.ts';
import type { EngineOp, Span } from './engine.ts';
import { HEADER_BYTES, HISTORY_PREFIX, LATEST_PREFIX, TIMESTAMP_BYTES } from './mvcc.ts';
import { Page } from './page.ts';
import { isRecordOf } from './range-records.ts';
import type { RangeId } from './shard.ts';

const CHUNK_VERSION = 3;
const HEAD_BYTES = 16;
const HEAD_WORDS = HEAD_BYTES / 4;
const PAIRS = 1;
const PAGES = 2;

export type ChunkKind = typeof PAIRS | typeof PAGES;

export class ChunkWriter {
  private readonly out: ByteWriter;
  private readonly bytesMax: number;
  private kind: ChunkKind = PAIRS;
  private count = 0;

  constructor(bytesMax: number) {
    // Its end is padded.
    this.bytesMax = bytesMax & ~3;
    this.out = new ByteWriter(bytesMax + HEAD_BYTES);
    this.reset();
  }

  /** Whether a page could be in any chunk. */
  mayHold(start: Uint8Array, page: Uint8Array): boolean {
    return HEAD_BYTES + pageBytes(start, page) <= this.bytesMax;
  }

  hasRoomForPair(key: Uint8Array, value: Uint8Array): boolean {
    return this.hasRoom(PAIRS, 8 + key.length + value.length);
  }

  hasRoomForPage(start: Uint8Array, page: Uint8Array): boolean {
    return this.hasRoom(PAGES, pageBytes(start, page));
  }

  addPair(key: Uint8Array, value: Uint8Array): void {
    const { out } = this;
    this.kind = PAIRS;
    this.count++;
    out.reserve(8 + key.length + value.length);
    out.block(key);
    out.block(value);
  }

  addPage(start: Uint8Array, page: Uint8Array): void {
    const { out } = this;
    this.kind = PAGES;
    this.count++;
    out.reserve(pageBytes(start, page));
    out.u32(start.length);
    out.u32(page.length);
    out.raw(start);
    pad(out, 8);
    out.raw(page);
    pad(out, 8);
  }

  /** The chunk, valid until something is added; it starts over. */
  take(): Uint8Array {
    const { out, kind, count } = this;
    pad(out, 4);
    const words = new Int32Array(out.bytes.buffer, 0, out.length >>> 2);
    words[0] = CHUNK_VERSION | (kind << 8);
    words[1] = count;
    words[2] = kind === PAIRS ? xxh32(words, HEAD_WORDS, words.length, count) : 0;
    words[3] = 0;
    const chunk = out.peek();
    this.reset();
    return chunk;
  }

  /** The first of a chunk has room, however large it is. */
  private hasRoom(kind: ChunkKind, bytes: number): boolean {
    if (this.count === 0) return true;
    return this.kind === kind && this.out.length + bytes <= this.bytesMax;
  }

  private reset(): void {
    const { out } = this;
    this.count = 0;
    out.length = HEAD_BYTES;
  }
}

/** Pages and what is left of the writes that a chunk stands for. */
export interface ChunkContents {
  readonly pages: readonly { readonly start: Uint8Array; readonly page: Page }[];
  /** Pairs, in pieces of about the bytes that were asked. */
  readonly pairs: readonly (readonly EngineOp[])[];
}

/**
 * What is in a chunk; views into it. Throws when anything in it is not the
 * range's: whatever a chunk says, nothing but the range's rows and records is touched by it.
 */
export function readChunk(
  message: Uint8Array,
  range: RangeId,
  span: Span,
  pieceBytes: number,
): ChunkContents {
  // Where it begins as typed arrays must, which it does in all but small messages, it is not copied.
  const chunk = message.byteOffset % 8 === 0 ? message : message.slice();
  const version = chunk[0];
  if (version !== CHUNK_VERSION) {
    throw new DbError(
      'XX001',
      `a snapshot has format version ${version}, this program knows version ${CHUNK_VERSION}`,
      { hint: 'Let all nodes run the same version of Meridian.' },
    );
  }
  const reader = new ByteReader(chunk, 4);
  const count = reader.u32();
  const sum = reader.u32();
  reader.at = HEAD_BYTES;
  if (chunk[1] === PAGES) return { pages: readPages(reader, count, span), pairs: [] };
  const words = new Int32Array(chunk.buffer, chunk.byteOffset, chunk.length >>> 2);
  if (chunk[1] !== PAIRS || sum !== xxh32(words, HEAD_WORDS, words.length, count)) {
    throw new DbError('XX001', 'a chunk of a snapshot was damaged on its way');
  }
  return { pages: [], pairs: readPairs(reader, count, range, span, pieceBytes) };
}

function readPages(reader: ByteReader, count: number, span: Span): ChunkContents['pages'] {
  const pages: { start: Uint8Array; page: Page }[] = [];
  for (let i = 0; i < count; i++) {
    const keyBytes = reader.u32();
    const bytes = reader.u32();
    const start = reader.raw(keyBytes).slice();
    align(reader, 8);
    // Its checksum covers its start.
    const page = new Page(reader.raw(bytes), start);
    align(reader, 8);
    const isIn =
      page.count > 0 &&
      isRowIn(span, start) &&
      page.compareKey(0, start, 0) >= 0 &&
      isRowIn(span, page.key(page.count - 1));
    if (!isIn) throw notOfRange();
    pages.push({ start, page });
  }
  return pages;
}

function readPairs(
  reader: ByteReader,
  count: number,
  range: RangeId,
  span: Span,
  bytes: number,
): EngineOp[][] {
  const pieces: EngineOp[][] = [];
  let piece: EngineOp[] = [];
  let pieceStart = reader.at;
  for (let i = 0; i < count; i++) {
    const key = reader.block();
    const value = reader.block();
    const isRows = isVersionIn(span, key) && value.length >= HEADER_BYTES;
    if (!isRows && !isRecordOf(range, key)) throw notOfRange();
    piece.push({ kind: 'put', key, value });
    if (reader.at - pieceStart < bytes) continue;
    pieces.push(piece);
    piece = [];
    pieceStart = reader.at;
  }
  if (piece.length > 0) pieces.push(piece);
  return pieces;
}

function notOfRange(): AssertionError {
  return new AssertionError('a chunk of a snapshot holds what is not of its range');
}

function isVersionIn(span: Span, key: Uint8Array): boolean {
  let end = key.length;
  if (key[0] === HISTORY_PREFIX) end -= TIMESTAMP_BYTES;
  else if (key[0] !== LATEST_PREFIX) return false;
  return end >= 1 && isRowIn(span, key.subarray(1, end));
}

function isRowIn(span: Span, rowKey: Uint8Array): boolean {
  if (compareBytes(rowKey, span.start) < 0) return false;
  return span.end === undefined || compareBytes(rowKey, span.end) < 0;
}

function pageBytes(start: Uint8Array, page: Uint8Array): number {
  return 8 + up(start.length, 8) + up(page.length, 8);
}

function up(length: number, to: number): number {
  return (length + to - 1) & ~(to - 1);
}

function pad(out: ByteWriter, to: number): void {
  const length = up(out.length, to);
  out.reserve(length - out.length);
  out.bytes.fill(0, out.length, length);
  out.length = length;
}

function align(reader: ByteReader, to: number): void {
  reader.at = up(reader.at, to);
}
