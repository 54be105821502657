// Rows in one buffer, as scans return them: [u32 key length][key][u32 row length][row] repeated. A key of length 0
// means that the program dropped it.

import { ByteWriter } from '../base/bytes.ts';
import type { RowRun } from './row-run.ts';

const NO_BYTES = new Uint8Array(0);

/** Walks a batch in place. */
export class PackedRowReader {
  bytes: Uint8Array;
  keyStart = 0;
  keyEnd = 0;
  rowStart = 0;
  rowEnd = 0;
  private at = 0;

  constructor(bytes: Uint8Array = NO_BYTES) {
    this.bytes = bytes;
  }

  reset(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.at = 0;
  }

  next(): boolean {
    const { bytes, at } = this;
    if (at >= bytes.length) return false;
    this.keyStart = at + 4;
    this.keyEnd = this.keyStart + u32(bytes, at);
    this.rowStart = this.keyEnd + 4;
    this.rowEnd = this.rowStart + u32(bytes, this.keyEnd);
    if (this.rowEnd > bytes.length) throw new RangeError('packed rows end within a row');
    this.at = this.rowEnd;
    return true;
  }

  /** A copy. */
  key(): Uint8Array {
    return this.bytes.slice(this.keyStart, this.keyEnd);
  }

  /** A copy. */
  row(): Uint8Array {
    return this.bytes.slice(this.rowStart, this.rowEnd);
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** Gathers a batch. */
export class PackedRowWriter {
  readonly writer: ByteWriter;
  rowCount = 0;
  private rowAt = 0;

  constructor(capacity = 4096) {
    this.writer = new ByteWriter(capacity);
  }

  get byteLength(): number {
    return this.writer.length;
  }

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    row: Uint8Array,
    rowStart: number,
    rowEnd: number,
  ): void {
    this.begin(key, keyStart, keyEnd);
    copyInto(this.writer, row, rowStart, rowEnd);
    this.end();
  }

  /** Row i of a run, with its key. */
  addFrom(run: RowRun, i: number): void {
    this.beginFrom(run, i);
    this.append(run.bytes, run.bounds[i] as number, run.bounds[i + 1] as number);
    this.end();
  }

  /** As begin(), with the key of row i. */
  beginFrom(run: RowRun, i: number): void {
    const { writer } = this;
    writer.u32(run.keyLength(i));
    run.appendKey(i, writer);
    writer.u32(0);
    this.rowAt = writer.length;
  }

  /** The row is then appended, here or to `writer`, and end() called. */
  begin(key: Uint8Array, keyStart: number, keyEnd: number): void {
    this.writer.u32(keyEnd - keyStart);
    copyInto(this.writer, key, keyStart, keyEnd);
    this.writer.u32(0);
    this.rowAt = this.writer.length;
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    copyInto(this.writer, bytes, start, end);
  }

  end(): void {
    this.writer.view.setUint32(this.rowAt - 4, this.writer.length - this.rowAt, true);
    this.rowCount++;
  }

  /** A copy of the batch; the writer starts over. */
  take(): Uint8Array {
    const out = this.writer.take();
    this.reset();
    return out;
  }

  reset(): void {
    this.writer.reset();
    this.rowCount = 0;
  }
}

function copyInto(writer: ByteWriter, bytes: Uint8Array, start: number, end: number): void {
  const length = end - start;
  if (length > 48) {
    writer.raw(bytes.subarray(start, end));
    return;
  }
  writer.reserve(length);
  const out = writer.bytes;
  const at = writer.length;
  for (let i = 0; i < length; i++) out[at + i] = bytes[start + i] as number;
  writer.length = at + length;
}
