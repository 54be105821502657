// Reading a range out of a shard, as it was at one applied index: one engine snapshot, walked as far as the reader has
// given credit for.

import { compareBytes, EMPTY_BYTES } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Span } from './engine.ts';
import { engineKey } from './mvcc-scan.ts';
import { HEADER_BYTES, headerIsTombstone, headerTimestamp } from './mvcc.ts';
import { NewestRows } from './newest-rows.ts';
import { Page, PageWriter } from './page.ts';
import { INDEX_ID_BYTES, sameIndex } from './page-index.ts';
import { readAppliedIndex, readRecords, recordsSpan } from './range-records.ts';
import type { AppliedRange, RangeId } from './shard.ts';
import { ChunkWriter } from './snapshot-chunk.ts';
import { type PageTuning, recordOf, type RowStore, type StoreSnapshot } from './row-store.ts';
import { historySpan } from './stored-span.ts';

/** Read from the engine at once. */
const READ_BYTES_MAX = 256 << 10;
/** What a page is built up to, of what fits into a chunk: how long it will be is not known to the byte. */
const PAGE_SHARE_OF_CHUNK = 0.75;

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
  private readonly tuning: PageTuning;
  private readonly out: ChunkWriter;
  /** Rows that are to become a page. */
  private readonly rows = new PageWriter();
  /** Of the last newest version that was put out. */
  private lastKey: Uint8Array = EMPTY_BYTES;
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
    const pageBytes = Math.min(store.tuning.pageBytes, chunkBytes * PAGE_SHARE_OF_CHUNK);
    this.tuning = { ...store.tuning, pageBytes };
    this.out = new ChunkWriter(chunkBytes);
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
    await this.addEntries(recordsSpan(this.range));
    await this.addNewest();
    await this.addEntries(history);
    await this.hand(true);
  }

  private async addEntries(span: Span): Promise<void> {
    if (this.closed) return;
    const batchBytes = Math.min(READ_BYTES_MAX, this.chunkBytes);
    for await (const { keys, values } of this.snapshot.reader.scan(span, { batchBytes })) {
      for (let i = 0; i < keys.length; i++) {
        const key = keys[i] as Uint8Array;
        const value = values[i] as Uint8Array;
        if (!this.out.hasRoomForPair(key, value)) await this.hand(false);
        if (this.closed) return;
        this.out.addPair(key, value);
      }
    }
  }

  private async addNewest(): Promise<void> {
    const batchBytes = Math.min(READ_BYTES_MAX, this.chunkBytes);
    const walk = new NewestRows(this.snapshot, this.span, false, batchBytes, 'once');
    try {
      while (!this.closed && (await walk.next())) {
        if (walk.page === undefined) await this.addRecords(walk);
        else if (this.isWorthWhole(walk.page, walk.from, walk.to)) await this.addWhole(walk.page);
        else await this.addRows(walk.page, walk.from, walk.to);
      }
    } finally {
      await walk.close();
    }
    await this.putRows();
  }

  private async addRecords({ from, to, keys, records }: NewestRows): Promise<void> {
    const { rows } = this;
    for (let i = from; i < to; i++) {
      const key = keys[i] as Uint8Array;
      const record = records[i] as Uint8Array;
      if (this.isFull || !this.continues(key, 1)) await this.putRows();
      const timestamp = headerTimestamp(record);
      const isTombstone = headerIsTombstone(record);
      rows.add(key, 1, record, HEADER_BYTES, record.length, timestamp, isTombstone);
    }
  }

  private async addRows(page: Page, from: number, to: number): Promise<void> {
    if (!this.continues(page.key(from), 0)) await this.putRows();
    for (let i = from; i < to; i++) {
      if (this.isFull) await this.putRows();
      this.rows.copy(page, i);
    }
  }

  /** A page goes as it is where all of it counts, unless it were to follow a few rows that have no page yet. */
  private isWorthWhole(page: Page, from: number, to: number): boolean {
    if (from > 0 || to < page.count) return false;
    const { rows, tuning } = this;
    if (rows.count > 0 && rows.byteLength < tuning.pageBytes / 2) return false;
    if (compareBytes(page.start, this.span.start) < 0) return false;
    // It begins behind all that was put out before it.
    const last = rows.count === 0 ? this.lastKey : rows.key(rows.count - 1);
    return compareBytes(page.start, last) > 0 && this.out.mayHold(page.start, page.bytes);
  }

  private async addWhole(page: Page): Promise<void> {
    await this.putRows();
    this.lastKey = page.key(page.count - 1);
    await this.addPage(page.start, page.bytes);
  }

  private get isFull(): boolean {
    return this.rows.byteLength >= this.tuning.pageBytes;
  }

  /** Whether key[at...] may be in one page with the rows that were gathered: no page has rows of two indexes. */
  private continues(key: Uint8Array, at: number): boolean {
    return this.rows.count === 0 || sameIndex(this.rows.key(0), key, at);
  }

  private async putRows(): Promise<void> {
    const { rows, tuning } = this;
    const { count } = rows;
    if (count === 0 || this.closed) return;
    const isSmall = count < tuning.rowsMin && rows.byteLength < tuning.pageBytes / 2;
    const start = rows.key(0);
    this.lastKey = rows.key(count - 1);
    const bytes = rows.take(0, start);
    if (!isSmall && start.length >= INDEX_ID_BYTES) {
      await this.addPage(start, bytes);
      return;
    }
    const page = new Page(bytes, start);
    for (let i = 0; i < count; i++) await this.addPair(engineKey(page, i), recordOf(page, i));
  }

  private async addPage(start: Uint8Array, page: Uint8Array): Promise<void> {
    if (!this.out.hasRoomForPage(start, page)) await this.hand(false);
    if (!this.closed) this.out.addPage(start, page);
  }

  private async addPair(key: Uint8Array, value: Uint8Array): Promise<void> {
    if (!this.out.hasRoomForPair(key, value)) await this.hand(false);
    if (!this.closed) this.out.addPair(key, value);
  }

  /** Waits for credit. */
  private async hand(isLast: boolean): Promise<void> {
    while (this.credits === 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.resume = resolve;
      });
      this.resume = undefined;
    }
    if (this.closed) return;
    this.credits--;
    this.output.chunk(this.out.take(), isLast);
  }
}
