// A scan of rows as they were at a time. It walks newest versions (newest-rows.ts); where one is too new, the version of
// that time is looked up among the older ones. Rows go to a sink without a promise or an object for each of them.

import { EMPTY_BYTES } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Span } from './engine.ts';
import { HEADER_BYTES, headerIsTombstone, headerTimestamp, LATEST_PREFIX } from './mvcc.ts';
import { HistoryCursor, type StoredVersion } from './mvcc-read.ts';
import { NewestRows } from './newest-rows.ts';
import type { Page } from './page.ts';
import type { RowSource } from './row-store.ts';

export interface RowSink {
  /** The row key is key[1...], the row row[start...]. False: enough, no more rows are wanted. */
  add(key: Uint8Array, row: Uint8Array, start: number, timestamp: Timestamp): boolean;
  /** Rows picked[from...to] of a page, none a tombstone. Answers how many it took: fewer, when it has no room for more
   * before it is emptied, or is done. */
  addPage(page: Page, picked: Int32Array, from: number, to: number): number;
  /** After a page of which it took but some: no more rows are wanted. */
  readonly isDone: boolean;
}

const NONE_PICKED = new Int32Array(0);
const HISTORY_READ_AHEAD_BYTES = 32 << 10;

export class VersionScan {
  /** Of what the scan has met so far, tombstones included (P10). */
  newest: Timestamp = 0 as Timestamp;
  private readonly source: RowSource;
  private readonly rows: NewestRows;
  private readonly at: Timestamp;
  private readonly reverse: boolean;

  /** What is left of a page, in the order of the scan: rows, or ~rows that are too new. */
  private picked = NONE_PICKED;
  private pickedAt = 0;
  private pickedEnd = 0;
  private page: Page | undefined;
  /** Parallel to `picked`; only where a row is too new. */
  private older: (StoredVersion | undefined)[] = [];

  /** The last one met, tombstones and versions that are too new included. */
  lastKey(): Uint8Array {
    const { rows, page, reverse } = this;
    if (page !== undefined && this.pickedAt > 0) {
      const row = this.picked[this.pickedAt - 1] as number;
      return page.key(row < 0 ? ~row : row);
    }
    if (rows.page !== undefined) return rows.page.key(reverse ? rows.from : rows.to - 1);
    return rows.to === 0 ? EMPTY_BYTES : (rows.keys[rows.to - 1] as Uint8Array).subarray(1);
  }

  /** `source` must show one state for as long as the scan runs: a snapshot. */
  constructor(source: RowSource, span: Span, at: Timestamp, reverse: boolean, batchBytes: number) {
    this.source = source;
    this.at = at;
    this.reverse = reverse;
    this.rows = new NewestRows(source, span, reverse, batchBytes);
  }

  /** Hands some rows to the sink. False: that was the end. */
  async step(sink: RowSink): Promise<boolean> {
    if (this.page === undefined) {
      const { rows } = this;
      if (!(await rows.next())) return false;
      if (rows.page === undefined) {
        const older = await this.olderRecords();
        return this.handRecords(older, sink);
      }
      if (this.pick(rows.page)) await this.lookUpOlder(rows.page);
    }
    return this.handPage(sink);
  }

  /** Must be called, also after an error: the engine holds an iterator for the scan. */
  async close(): Promise<void> {
    await this.rows.close();
  }

  private handRecords(older: readonly (StoredVersion | undefined)[], sink: RowSink): boolean {
    const { keys, records, from, to } = this.rows;
    for (let i = from; i < to; i++) {
      const key = keys[i] as Uint8Array;
      const record = records[i] as Uint8Array;
      const timestamp = headerTimestamp(record);
      if (timestamp > this.at) {
        if (!this.handOlder(key, older[i], sink)) return false;
        continue;
      }
      if (timestamp > this.newest) this.newest = timestamp;
      if (headerIsTombstone(record)) continue;
      if (!sink.add(key, record, HEADER_BYTES, timestamp)) return false;
    }
    return true;
  }

  private handOlder(key: Uint8Array, version: StoredVersion | undefined, sink: RowSink): boolean {
    if (version === undefined) return true;
    if (version.timestamp > this.newest) this.newest = version.timestamp;
    return version.tombstone || sink.add(key, version.row, 0, version.timestamp);
  }

  /** Puts the run's rows in order. Whether some are too new. */
  private pick(page: Page): boolean {
    const { from, to } = this.rows;
    if (this.picked.length < to - from) this.picked = new Int32Array((to - from) * 2);
    const { picked, at } = this;
    this.page = page;
    this.pickedAt = 0;
    let end = 0;
    let row = this.reverse ? to - 1 : from;
    const step = this.reverse ? -1 : 1;
    if (page.maxTimestamp <= at) {
      const newest = page.newestOf(from, to);
      if (newest > this.newest) this.newest = newest;
      if (!page.hasTombstones) {
        for (end = 0; end < to - from; end++, row += step) picked[end] = row;
        this.pickedEnd = end;
        return false;
      }
    }
    let isTooNew = false;
    for (let left = to - from; left > 0; left--, row += step) {
      const timestamp = page.timestamp(row);
      if (timestamp > at) {
        picked[end++] = ~row;
        isTooNew = true;
        continue;
      }
      if (timestamp > this.newest) this.newest = timestamp;
      if (!page.isTombstone(row)) picked[end++] = row;
    }
    this.pickedEnd = end;
    return isTooNew;
  }

  /** What is picked, as far as the sink takes it. */
  private handPage(sink: RowSink): boolean {
    const { picked, pickedEnd } = this;
    const page = this.page as Page;
    while (this.pickedAt < pickedEnd) {
      const at = this.pickedAt;
      const first = picked[at] as number;
      if (first < 0) {
        this.pickedAt++;
        if (
          this.older[at] !== undefined &&
          !this.handOlder(engineKey(page, ~first), this.older[at], sink)
        ) {
          return false;
        }
        continue;
      }
      let to = at + 1;
      if (this.older.length === 0) to = pickedEnd;
      else while (to < pickedEnd && (picked[to] as number) >= 0) to++;
      const taken = sink.addPage(page, picked, at, to);
      this.pickedAt = at + taken;
      if (this.pickedAt < to) return !sink.isDone;
    }
    this.page = undefined;
    this.older = [];
    return !sink.isDone;
  }

  private async lookUpOlder(page: Page): Promise<void> {
    const { picked, pickedEnd, reverse } = this;
    const older = new Array<StoredVersion | undefined>(pickedEnd);
    // Ascending, whichever way the scan runs.
    const step = reverse ? -1 : 1;
    const last = engineKey(page, this.rows.to - 1);
    let cursor: HistoryCursor | undefined;
    for (let k = reverse ? pickedEnd - 1 : 0; k >= 0 && k < pickedEnd; k += step) {
      const row = picked[k] as number;
      if (row >= 0) continue;
      cursor ??= new HistoryCursor(this.source.reader, last, HISTORY_READ_AHEAD_BYTES);
      older[k] = await cursor.find(engineKey(page, ~row), this.at);
    }
    this.older = older;
  }

  /** Parallel to the run's records. */
  private async olderRecords(): Promise<(StoredVersion | undefined)[]> {
    const { keys, records, from, to } = this.rows;
    let first = -1;
    let last = -1;
    for (let i = from; i < to; i++) {
      if (headerTimestamp(records[i] as Uint8Array) <= this.at) continue;
      if (first < 0) first = i;
      last = i;
    }
    if (first < 0) return [];
    const out = new Array<StoredVersion | undefined>(to);
    // Ascending, whichever way the scan runs.
    const step = this.reverse ? -1 : 1;
    const begin = this.reverse ? last : first;
    const end = this.reverse ? first : last;
    const { reader } = this.source;
    const cursor = new HistoryCursor(reader, keys[end] as Uint8Array, HISTORY_READ_AHEAD_BYTES);
    for (let i = begin; ; i += step) {
      if (headerTimestamp(records[i] as Uint8Array) > this.at) {
        out[i] = await cursor.find(keys[i] as Uint8Array, this.at);
      }
      if (i === end) return out;
    }
  }
}

/** Where a row of a page would lie as a single record. */
export function engineKey(page: Page, i: number): Uint8Array {
  const key = new Uint8Array(1 + page.keyLength(i));
  key[0] = LATEST_PREFIX;
  page.copyKey(i, key, 1);
  return key;
}
