// One file of the log: a header, then records, then zeros. Files are zero-filled to their full size before they are
// used, so that a synced write changes no metadata.
//
//   0 8 bytes magic
//   8 u32 format version
//  12 u32 header bytes
//  16 u53 segment number
//  60 u32 CRC-32C of the 60 bytes before it

import { DbError } from '../../base/errors.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { OpenFile } from '../../runtime/runtime.ts';

/** 2: tombstones, and logs that begin anew. */
export const FORMAT_VERSION = 2;
export const SEGMENT_HEADER_BYTES = 64;

const MAGIC = new Uint8Array([0x4d, 0x65, 0x72, 0x69, 0x64, 0x4c, 0x6f, 0x67]);
const NAME = /^raft-(\d{10})\.log$/;

export class Segment {
  readonly number: number;
  readonly file: OpenFile;
  /** Size of the file: what may be written without preallocating more. */
  capacity: number;
  /** Where the next record goes. Everything below it has been written. */
  end: number;
  /** Reads under way: the file is not closed before they are through. */
  readers = 0;

  constructor(number: number, file: OpenFile, capacity: number) {
    this.number = number;
    this.file = file;
    this.capacity = capacity;
    this.end = SEGMENT_HEADER_BYTES;
  }

  get room(): number {
    return this.capacity - this.end;
  }
}

export function segmentName(number: number): string {
  return `raft-${String(number).padStart(10, '0')}.log`;
}

export function segmentNumber(name: string): number | undefined {
  const match = NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function encodeSegmentHeader(number: number): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, SEGMENT_HEADER_BYTES, true);
  view.setUint32(16, number >>> 0, true);
  view.setUint32(20, Math.floor(number / 0x100000000), true);
  view.setUint32(60, crc32c(bytes, 0, 60, 0), true);
  return bytes;
}

/** False when there is no whole header of this segment; throws when a newer version wrote it. */
export function checkSegmentHeader(bytes: Uint8Array, number: number, path: string): boolean {
  if (bytes.length < SEGMENT_HEADER_BYTES) return false;
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC[i]) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Before the checksum: a newer version may have put that elsewhere.
  const version = view.getUint32(8, true);
  if (version > FORMAT_VERSION) {
    throw new DbError(
      '0A000',
      `the log file ${path} has format version ${version}; this build reads format version ${FORMAT_VERSION} and older`,
      { hint: 'Start this data directory with the newer build that wrote it.' },
    );
  }
  return (
    view.getUint32(60, true) === crc32c(bytes, 0, 60, 0) &&
    view.getUint32(16, true) + view.getUint32(20, true) * 0x100000000 === number
  );
}

/** Synced data is gone or changed: nothing that this log says can be trusted further (P34). */
export function logDamage(path: string, offset: number, what: string): DbError {
  return new DbError('XX001', `the log file ${path} is damaged at offset ${offset}: ${what}`, {
    hint: 'Acknowledged writes may be lost. Restore the data directory from a backup, or remove this node and add a new one.',
  });
}
