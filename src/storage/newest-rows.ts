// Walks the newest versions of a span in order, whichever way, from pages and single records alike: it stands at runs,
// stretches of one page or of one batch of records, so that nothing is paid for each row. Where a single record and a
// page have the same row, the record counts.

import { compareBytes } from '../base/bytes.ts';
import type { EngineBatch, Span } from './engine.ts';
import { LATEST_PREFIX, prefixedSpan } from './mvcc.ts';
import { missingPage, type Page } from './page.ts';
import type { PageUse } from './page-cache.ts';
import { type PageEntry, type Segment, segmentsBackwards, segmentsOf } from './page-index.ts';
import type { RowSource } from './row-store.ts';

/** Pages are read this much ahead of a long scan. */
const PAGES_AHEAD_MAX = 8;

export class NewestRows {
  /** The run: of a page rows [from, to), ascending, to be taken from the end in reverse; undefined: of records. */
  page: Page | undefined;
  from = 0;
  to = 0;
  /** Engine keys and records [from, to), in the order of the walk. */
  keys: readonly Uint8Array[] = [];
  records: readonly Uint8Array[] = [];

  private readonly reverse: boolean;
  private readonly span: Span;
  private readonly pages: PagesAhead;
  private readonly singles: Singles;
  private segment: Segment | undefined;
  /** Rows of the segment's page that are left: [low, high). */
  private segmentPage: Page | undefined;
  private low = 0;
  private high = 0;

  /** `source` must show one state for as long as the walk lasts. */
  constructor(
    source: RowSource,
    span: Span,
    reverse: boolean,
    batchBytes: number,
    use: PageUse = 'scan',
  ) {
    this.reverse = reverse;
    this.span = span;
    this.pages = new PagesAhead(source, span, reverse, use);
    this.singles = new Singles(source, span, reverse, batchBytes);
  }

  /** False: that was the last run. */
  async next(): Promise<boolean> {
    for (;;) {
      if (this.segment === undefined && !(await this.enterSegment())) return false;
      const segment = this.segment as Segment;
      if (segment.entry?.isAlone === true) {
        this.segment = undefined;
        if (this.takePage(this.low, this.high)) return true;
        continue;
      }
      const isWaiting = this.singles.isAt(segment);
      if (isWaiting === undefined) {
        await this.singles.read(segment);
        continue;
      }
      if (!isWaiting) {
        this.segment = undefined;
        if (this.takePage(this.low, this.high)) return true;
        continue;
      }
      if (this.takeUpToSingle()) return true;
      this.takeSingles(segment);
      return true;
    }
  }

  /** Must be called, also after an error: the engine holds an iterator. */
  async close(): Promise<void> {
    await this.pages.close();
    await this.singles.close();
  }

  private async enterSegment(): Promise<boolean> {
    const ahead = await this.pages.next();
    if (ahead === undefined) return false;
    const { segment, page } = ahead;
    this.segment = segment;
    this.segmentPage = page;
    this.low = 0;
    this.high = 0;
    if (page === undefined) return true;
    const { start, end } = this.span;
    this.low =
      compareBytes(segment.start, (segment.entry as PageEntry).start) > 0
        ? page.lowerBound(start, 0)
        : 0;
    this.high = end !== undefined && segment.end === end ? page.lowerBound(end, 0) : page.count;
    return true;
  }

  /** Page rows on this side of the next single record. */
  private takeUpToSingle(): boolean {
    const page = this.segmentPage;
    if (page === undefined || this.low >= this.high) return false;
    const key = this.singles.key();
    const at = page.lowerBound(key, 1);
    if (!this.reverse) {
      const until = Math.min(at, this.high);
      const from = this.low;
      this.low = Math.max(until, from);
      return this.takePage(from, until);
    }
    const isSame = at < page.count && page.compareKey(at, key, 1) === 0;
    const from = Math.max(isSame ? at + 1 : at, this.low);
    const until = this.high;
    this.high = Math.min(from, until);
    return this.takePage(from, until);
  }

  /** Single records on this side of the next row of the page; rows that they override are passed. */
  private takeSingles(segment: Segment): void {
    const { singles, segmentPage: page, reverse } = this;
    const end = singles.endIn(segment);
    let at = singles.at;
    if (page === undefined || this.low >= this.high) {
      at = end;
    } else {
      while (at < end && this.low < this.high) {
        const edge = reverse ? this.high - 1 : this.low;
        const order = page.compareKey(edge, singles.keys[at] as Uint8Array, 1);
        if (order === 0) {
          if (reverse) this.high--;
          else this.low++;
        } else if (reverse ? order > 0 : order < 0) break;
        at++;
      }
      if (this.low >= this.high) at = end;
    }
    this.page = undefined;
    this.keys = singles.keys;
    this.records = singles.records;
    this.from = singles.at;
    this.to = at;
    singles.at = at;
  }

  private takePage(from: number, to: number): boolean {
    if (from >= to) return false;
    this.page = this.segmentPage;
    this.from = from;
    this.to = to;
    return true;
  }
}

interface Ahead {
  readonly segment: Segment;
  readonly page: Page | undefined;
}

/** The segments of the walk with their pages, a growing number of which is read while those before are worked on. */
class PagesAhead {
  private readonly source: RowSource;
  private readonly segments: Iterator<Segment>;
  private ready: Ahead[] = [];
  private at = 0;
  private reading: Promise<Ahead[]> | undefined;
  private wanted = 1;
  private readonly use: PageUse;

  constructor(source: RowSource, span: Span, reverse: boolean, use: PageUse) {
    this.source = source;
    this.use = use;
    this.segments = reverse
      ? segmentsBackwards(source.pages, span)
      : segmentsOf(source.pages, span);
  }

  async next(): Promise<Ahead | undefined> {
    if (this.at === this.ready.length) {
      const isFirst = this.reading === undefined;
      this.ready = await (this.reading ?? this.read());
      this.reading = undefined;
      this.at = 0;
      if (this.ready.length === 0) return undefined;
      // A short scan ends within the first pages: then nothing is read in vain.
      if (!isFirst || this.wanted > 2) this.readAhead();
    }
    return this.ready[this.at++];
  }

  async close(): Promise<void> {
    await this.reading?.catch(() => undefined);
  }

  private readAhead(): void {
    this.reading = this.read();
    // Whoever comes for it gets the error.
    this.reading.catch(() => undefined);
  }

  private async read(): Promise<Ahead[]> {
    const { cache, reader } = this.source;
    const segments: Segment[] = [];
    const entries: PageEntry[] = [];
    while (entries.length < this.wanted && segments.length < PAGES_AHEAD_MAX * 2) {
      const next = this.segments.next();
      if (next.done === true) break;
      segments.push(next.value);
      if (next.value.entry !== undefined) entries.push(next.value.entry);
    }
    this.wanted = Math.min(this.wanted * 2, PAGES_AHEAD_MAX);
    const pages = entries.length === 0 ? [] : await cache.load(reader, entries, this.use);
    let next = 0;
    return segments.map((segment) => {
      if (segment.entry === undefined) return { segment, page: undefined };
      const page = pages[next++];
      if (page === undefined) throw missingPage(segment.entry.start);
      return { segment, page };
    });
  }
}

/** The single records of the walk, by one iterator from the first segment on that may have any. */
class Singles {
  keys: readonly Uint8Array[] = [];
  records: readonly Uint8Array[] = [];
  at = 0;
  private readonly source: RowSource;
  private readonly span: Span;
  private readonly reverse: boolean;
  private readonly batchBytes: number;
  private batches: AsyncIterator<EngineBatch> | undefined;
  private isOver = false;

  constructor(source: RowSource, span: Span, reverse: boolean, batchBytes: number) {
    this.source = source;
    this.span = span;
    this.reverse = reverse;
    this.batchBytes = batchBytes;
  }

  key(): Uint8Array {
    return this.keys[this.at] as Uint8Array;
  }

  /** Whether the next record lies in the segment; undefined: it must be read to know. */
  isAt(segment: Segment): boolean | undefined {
    if (this.at < this.keys.length) return this.isIn(segment, this.at);
    return this.isOver ? false : undefined;
  }

  /** Where the records of the batch end that lie in the segment. */
  endIn(segment: Segment): number {
    let low = this.at;
    let high = this.keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.isIn(segment, middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async read(segment: Segment): Promise<void> {
    if (this.batches === undefined) {
      const { start, end } = this.span;
      const span = this.reverse ? { start, end: segment.end } : { start: segment.start, end };
      const { reverse, batchBytes } = this;
      this.batches = this.source.reader
        .scan(prefixedSpan(LATEST_PREFIX, span), { reverse, batchBytes })
        [Symbol.asyncIterator]();
    }
    const next = await this.batches.next();
    this.at = 0;
    this.keys = next.done === true ? [] : next.value.keys;
    this.records = next.done === true ? [] : next.value.values;
    this.isOver = next.done === true || next.value.isLast;
  }

  async close(): Promise<void> {
    await this.batches?.return?.();
  }

  private isIn(segment: Segment, at: number): boolean {
    const key = this.keys[at] as Uint8Array;
    if (this.reverse) return compareRowKey(key, segment.start) >= 0;
    return segment.end === undefined || compareRowKey(key, segment.end) < 0;
  }
}

/** Of an engine key, behind its first byte, and a row key. */
export function compareRowKey(engineKey: Uint8Array, rowKey: Uint8Array): number {
  const length = engineKey.length - 1;
  const shorter = length < rowKey.length ? length : rowKey.length;
  for (let i = 0; i < shorter; i++) {
    const difference = (engineKey[i + 1] as number) - (rowKey[i] as number);
    if (difference !== 0) return difference;
  }
  return length - rowKey.length;
}
