// A checksum of what a span holds at a time: of row keys, timestamps and rows, and of nothing that depends on how the
// engine keeps them. So replicas agree on it whatever each has flushed or compacted, and whichever of the versions has
// been superseded since.

import { ByteWriter, hashBytes } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Span } from './engine.ts';
import { type RowSink, VersionScan } from './mvcc-scan.ts';
import type { Page } from './page.ts';
import type { RowStore, StoreSnapshot } from './row-store.ts';
import type { ShardChecksum } from './shard.ts';

const READ_BYTES = 128 << 10;

/** Two sums of 32 bits that have nothing in common: a CRC, and a multiplicative hash. */
class RowSum implements RowSink {
  rows = 0;
  bytes = 0;
  readonly isDone = false;
  private crc = 0;
  private hash = 0;
  /** Timestamp and lengths of a row. */
  private readonly frame = new DataView(new ArrayBuffer(16));
  private readonly key = new ByteWriter(64);
  private readonly frameBytes = new Uint8Array(this.frame.buffer);

  add(key: Uint8Array, row: Uint8Array, start: number, timestamp: Timestamp): boolean {
    this.take(key, 1, key.length, row, start, row.length, timestamp);
    return true;
  }

  addPage(page: Page, picked: Int32Array, from: number, to: number): number {
    for (let k = from; k < to; k++) {
      const i = picked[k] as number;
      const { key } = this;
      key.reset();
      page.appendKey(i, key);
      const start = page.bounds[i] as number;
      const end = page.bounds[i + 1] as number;
      this.take(key.bytes, 0, key.length, page.bytes, start, end, page.timestamp(i));
    }
    return to - from;
  }

  private take(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    row: Uint8Array,
    start: number,
    end: number,
    timestamp: Timestamp,
  ): void {
    const { frame, frameBytes } = this;
    this.rows++;
    this.bytes += keyEnd - keyStart + end - start;
    frame.setUint32(0, timestamp >>> 0, true);
    frame.setUint32(4, Math.floor(timestamp / 0x100000000), true);
    frame.setUint32(8, keyEnd - keyStart, true);
    frame.setUint32(12, end - start, true);
    this.crc = crc32c(frameBytes, 0, frameBytes.length, this.crc);
    this.crc = crc32c(key, keyStart, keyEnd, this.crc);
    this.crc = crc32c(row, start, end, this.crc);
    this.mix(hashBytes(frameBytes));
    this.mix(hashBytes(key, keyStart, keyEnd));
    this.mix(hashBytes(row, start, end));
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
  private readonly snapshot: StoreSnapshot;
  private readonly versions: VersionScan;
  private closed = false;

  constructor(store: RowStore, span: Span, at: Timestamp, output: ChecksumOutput) {
    this.output = output;
    this.snapshot = store.snapshot();
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
      this.snapshot.reader.release();
      this.output.ended();
    }
  }
}
