// A checksum of what a span holds at a time: of row keys, timestamps and rows, and of nothing that depends on how the
// engine keeps them. So replicas agree on it whatever each has flushed or compacted, and whichever of the versions has
// been superseded since.

import { hashBytes } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Engine, EngineSnapshot, Span } from './engine.ts';
import { HEADER_BYTES } from './mvcc.ts';
import { type RowSink, VersionScan } from './mvcc-scan.ts';
import type { ShardChecksum } from './shard.ts';

const READ_BYTES = 128 << 10;

/** Two sums of 32 bits that have nothing in common: a CRC, and a multiplicative hash. */
class RowSum implements RowSink {
  rows = 0;
  bytes = 0;
  private crc = 0;
  private hash = 0;
  /** Timestamp and lengths of a row. */
  private readonly frame = new DataView(new ArrayBuffer(16));
  private readonly frameBytes = new Uint8Array(this.frame.buffer);

  add(key: Uint8Array, record: Uint8Array, timestamp: Timestamp): boolean {
    const { frame, frameBytes } = this;
    this.rows++;
    this.bytes += key.length - 1 + record.length - HEADER_BYTES;
    frame.setUint32(0, timestamp >>> 0, true);
    frame.setUint32(4, Math.floor(timestamp / 0x100000000), true);
    frame.setUint32(8, key.length - 1, true);
    frame.setUint32(12, record.length - HEADER_BYTES, true);
    this.crc = crc32c(frameBytes, 0, frameBytes.length, this.crc);
    this.crc = crc32c(key, 1, key.length, this.crc);
    this.crc = crc32c(record, HEADER_BYTES, record.length, this.crc);
    this.mix(hashBytes(frameBytes));
    this.mix(hashBytes(key, 1));
    this.mix(hashBytes(record, HEADER_BYTES));
    return true;
  }

  finish(): ShardChecksum {
    const hex = (part: number): string => part.toString(16).padStart(8, '0');
    return { rows: this.rows, bytes: this.bytes, sum: hex(this.crc) + hex(this.hash) };
  }

  /** Not a sum: rows that change places change it. */
  private mix(part: number): void {
    let h = Math.imul(this.hash ^ part, 0x9e3779b1);
    h ^= h >>> 15;
    h = Math.imul(h, 0x85ebca77);
    this.hash = (h ^ (h >>> 13)) >>> 0;
  }
}

export interface ChecksumOutput {
  done(checksum: ShardChecksum): void;
  failed(error: unknown): void;
  /** Nothing more comes, and the engine has its handles back. */
  ended(): void;
}

export class RunningChecksum {
  private readonly output: ChecksumOutput;
  private readonly snapshot: EngineSnapshot;
  private readonly versions: VersionScan;
  private closed = false;

  constructor(engine: Engine, span: Span, at: Timestamp, output: ChecksumOutput) {
    this.output = output;
    this.snapshot = engine.snapshot();
    this.versions = new VersionScan(this.snapshot, span, at, false, READ_BYTES);
  }

  /** Its one answer needs no credit. */
  addCredit(): void {}

  close(): void {
    this.closed = true;
  }

  /** Once; never rejects. */
  async run(): Promise<void> {
    const sum = new RowSum();
    try {
      while (!this.closed && (await this.versions.step(sum)));
      if (!this.closed) this.output.done(sum.finish());
    } catch (error) {
      if (!this.closed) this.output.failed(error);
    } finally {
      await this.versions.close();
      this.snapshot.release();
      this.output.ended();
    }
  }
}
