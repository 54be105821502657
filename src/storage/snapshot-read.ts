// Reading a range out of a shard, as it was at one applied index: one engine snapshot, walked as far as the reader has
// given credit for.

import { ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Span } from './engine.ts';
import { engineKey } from './mvcc-scan.ts';
import { NewestRows } from './newest-rows.ts';
import { readAppliedIndex, readRecords, recordsSpan } from './range-records.ts';
import type { AppliedRange, RangeId } from './shard.ts';
import {
  addVersion,
  beginChunk,
  CHUNK_HEAD_BYTES,
  VERSION_OVERHEAD_BYTES,
} from './snapshot-chunk.ts';
import { recordOf, type RowStore, type StoreSnapshot } from './row-store.ts';
import { historySpan } from './stored-span.ts';

/** Read from the engine at once. */
const READ_BYTES_MAX = 256 << 10;

export interface SnapshotOutput {
  began(taken: AppliedRange): void;
  /** Valid only for as long as the call lasts; empty at the end of a snapshot that fills its chunks exactly. */
  chunk(bytes: Uint8Array, isLast: boolean): void;
  failed(error: unknown): void;
  /** Nothing more comes, and the engine has its handles back. */
  ended(): void;
}

export class RunningSnapshot {
  private readonly range: RangeId;
  private readonly span: Span;
  private readonly chunkBytes: number;
  private readonly output: SnapshotOutput;
  private readonly snapshot: StoreSnapshot;
  private readonly out: ByteWriter;
  private credits: number;
  private closed = false;
  private resume: (() => void) | undefined;

  constructor(
    store: RowStore,
    range: RangeId,
    span: Span,
    chunkBytes: number,
    credits: number,
    output: SnapshotOutput,
  ) {
    this.range = range;
    this.span = span;
    this.chunkBytes = chunkBytes;
    this.credits = credits;
    this.output = output;
    this.snapshot = store.snapshot();
    this.out = new ByteWriter(chunkBytes);
  }

  addCredit(credits: number): void {
    this.credits += credits;
    this.resume?.();
  }

  /** The reader wants no more. */
  close(): void {
    this.closed = true;
    this.resume?.();
  }

  /** Once; never rejects. */
  async run(): Promise<void> {
    try {
      await this.produce();
    } catch (error) {
      if (!this.closed) this.output.failed(error);
    } finally {
      this.snapshot.reader.release();
      this.output.ended();
    }
  }

  private async produce(): Promise<void> {
    const { reader } = this.snapshot;
    const appliedIndex = await readAppliedIndex(reader, this.range);
    if (appliedIndex === undefined) {
      throw new DbError('55006', `range ${this.range} is being installed from a snapshot here`);
    }
    const records = await readRecords(reader, this.range);
    this.output.began({ range: this.range, appliedIndex, records, isInstalling: false });
    const history = await historySpan(this.snapshot, this.span);
    beginChunk(this.out);
    if (!(await this.addEntries(recordsSpan(this.range)))) return;
    if (!(await this.addNewest())) return;
    if (!(await this.addEntries(history))) return;
    await this.hand(true);
  }

  /** False: nothing more is wanted. */
  private async addEntries(span: Span): Promise<boolean> {
    const batchBytes = Math.min(READ_BYTES_MAX, this.chunkBytes);
    for await (const { keys, values } of this.snapshot.reader.scan(span, { batchBytes })) {
      for (let i = 0; i < keys.length; i++) {
        const isWanted = this.add(keys[i] as Uint8Array, values[i] as Uint8Array);
        if (isWanted !== true && !(await isWanted)) return false;
      }
    }
    return !this.closed;
  }

  /** Newest versions, packed or not: what is packed is a matter of each store. */
  private async addNewest(): Promise<boolean> {
    const batchBytes = Math.min(READ_BYTES_MAX, this.chunkBytes);
    const rows = new NewestRows(this.snapshot, this.span, false, batchBytes);
    try {
      while (await rows.next()) {
        const { page, from, to, keys, records } = rows;
        for (let i = from; i < to; i++) {
          const key = page === undefined ? (keys[i] as Uint8Array) : engineKey(page, i);
          const record = page === undefined ? (records[i] as Uint8Array) : recordOf(page, i);
          const isWanted = this.add(key, record);
          if (isWanted !== true && !(await isWanted)) return false;
        }
      }
    } finally {
      await rows.close();
    }
    return !this.closed;
  }

  private add(key: Uint8Array, record: Uint8Array): boolean | Promise<boolean> {
    const { out } = this;
    const bytes = VERSION_OVERHEAD_BYTES + key.length + record.length;
    if (out.length <= CHUNK_HEAD_BYTES || out.length + bytes <= this.chunkBytes) {
      addVersion(out, key, record);
      return !this.closed;
    }
    return this.hand(false).then((isWanted) => {
      if (isWanted) addVersion(out, key, record);
      return isWanted;
    });
  }

  /** Waits for credit. False: nothing more is wanted. */
  private async hand(isLast: boolean): Promise<boolean> {
    while (this.credits === 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.resume = resolve;
      });
      this.resume = undefined;
    }
    if (this.closed) return false;
    const { out } = this;
    this.credits--;
    this.output.chunk(out.peek(), isLast);
    beginChunk(out);
    return true;
  }
}
