// Packs quiet rows into pages: stretches of keys into which much was written singly (page-index.ts counts) are read, row
// by row, and written as pages in place of the single records and of the pages that these overrode. Slice by slice, when
// the owner asks for one: each reads at most some thousand rows from a snapshot while everything else goes on, and takes
// the writer's turn only to write what it read. Had anything in the stretch changed until then, the slice was in vain:
// the stretch is not quiet.
//
// After a restart nobody knows which segments have single records. A survey walks over all of those first.

import type { EngineOp, Span } from './engine.ts';
import { compareBytes, EMPTY_BYTES, keyAfter } from '../base/bytes.ts';
import type { Exclusive } from './install.ts';
import {
  HEADER_BYTES,
  headerIsTombstone,
  headerTimestamp,
  LATEST_PREFIX,
  prefixedSpan,
} from './mvcc.ts';
import { NewestRows } from './newest-rows.ts';
import { missingPage, Page, PageWriter } from './page.ts';
import {
  indexEnd,
  LooseRows,
  type PageEntry,
  pageOps,
  segmentsOf,
  type WatchedSpan,
} from './page-index.ts';
import type { RowStore, StoreSnapshot } from './row-store.ts';
import { MORE_TO_PACK, MORE_TO_PACK_WHEN_IDLE, NOTHING_TO_PACK } from './shard-protocol.ts';

/** Of one slice: some milliseconds. */
const SLICE_PAGES = 8;
const SLICE_ROWS_MAX = 2048;
/** Read at once: what a slice keeps the thread busy with between two turns. */
const READ_BYTES = 32 << 10;
/** So many single records are worth packing while others write and read. */
const BUSY_LOOSE_MIN = 8192;

export class Packer {
  private readonly store: RowStore;
  private readonly exclusive: Exclusive;
  /** How far the survey has come; undefined: it is through. */
  private surveyed: Uint8Array | undefined = EMPTY_BYTES;
  private isRunning = false;

  constructor(store: RowStore, exclusive: Exclusive) {
    this.store = store;
    this.exclusive = exclusive;
  }

  /** One of NOTHING_TO_PACK and its like. */
  get state(): number {
    const { loose } = this.store;
    if (this.surveyed === undefined && loose.length === 0) return NOTHING_TO_PACK;
    const isMuch = loose.some(({ count }) => count >= BUSY_LOOSE_MIN);
    return isMuch ? MORE_TO_PACK : MORE_TO_PACK_WHEN_IDLE;
  }

  /** Does a little; one at a time. `isIdle`: nobody else has anything to do. */
  async slice(isIdle: boolean): Promise<void> {
    if (this.isRunning) return;
    this.isRunning = true;
    try {
      if (isIdle && this.surveyed !== undefined) await this.survey(this.surveyed);
      else await this.packSome(isIdle);
    } finally {
      this.isRunning = false;
    }
  }

  private async packSome(isIdle: boolean): Promise<void> {
    const { loose: queue, index } = this.store;
    const at = isIdle ? 0 : queue.findIndex(({ count }) => count >= BUSY_LOOSE_MIN);
    const [loose] = at < 0 ? [] : queue.splice(at, 1);
    if (loose === undefined) return;
    loose.isQueued = false;
    const entry = index.entryFor(loose.start, 0);
    const isCurrent = (entry?.loose ?? index.unpagedAt(loose.start, 0)) === loose;
    // Its page has gone or was replaced: whoever did that has counted what is left.
    if (!isCurrent) return;
    await new PackJob(this.store, this.exclusive, entry, loose).run();
  }

  /** One batch of single records: finds out what segments have. */
  private async survey(from: Uint8Array): Promise<void> {
    const { engine, index } = this.store;
    const found = new Map<LooseRows, number>();
    let last: Uint8Array | undefined;
    const span = prefixedSpan(LATEST_PREFIX, { start: from, end: undefined });
    for await (const { keys, isLast } of engine.scan(span, { batchBytes: READ_BYTES })) {
      for (const key of keys) {
        const loose = index.entryFor(key, 1)?.loose ?? index.unpagedAt(key, 1);
        if (loose !== undefined) found.set(loose, (found.get(loose) ?? 0) + 1);
      }
      if (!isLast) last = (keys[keys.length - 1] as Uint8Array).slice(1);
      break;
    }
    for (const entry of index.within({ start: from, end: last })) {
      // Nothing was there, and nothing was written since the store was opened.
      if (!found.has(entry.loose) && entry.loose.count === 0) index.foundAlone(entry);
    }
    for (const [loose, count] of found) index.add(loose, count);
    this.surveyed = last && keyAfter(last);
  }
}

interface NewPage {
  readonly start: Uint8Array;
  readonly writer: PageWriter;
}

interface Beginning {
  readonly segment: Span;
  readonly watched: WatchedSpan;
  readonly snapshot: StoreSnapshot;
}

/** One slice of one segment, or of the rows before the first page of an index. */
class PackJob {
  private readonly store: RowStore;
  private readonly exclusive: Exclusive;
  private readonly entry: PageEntry | undefined;
  private readonly loose: LooseRows;
  private readonly pages: NewPage[] = [];
  /** The first row that is left for another slice. */
  private rest: Uint8Array | undefined;
  private rows = 0;

  constructor(
    store: RowStore,
    exclusive: Exclusive,
    entry: PageEntry | undefined,
    loose: LooseRows,
  ) {
    this.store = store;
    this.exclusive = exclusive;
    this.entry = entry;
    this.loose = loose;
  }

  async run(): Promise<void> {
    const { segment, watched, snapshot } = await this.begin();
    let from: Uint8Array | undefined;
    try {
      from = await this.firstToPack(snapshot, segment);
      if (from !== undefined)
        await this.read(snapshot, { start: from, end: segment.end }, segment.start);
      if (from === segment.start) await this.keepRest(snapshot);
    } finally {
      snapshot.reader.release();
    }
    const isWorthIt =
      this.rows >= this.store.tuning.rowsMin ||
      (this.entry !== undefined && from === segment.start);
    if (from !== undefined && !isWorthIt) {
      if (watched.touched === undefined) this.loose.count = 0;
      return;
    }
    await this.exclusive(() => this.finish(watched, from));
  }

  /** In the writer's turn, too: what an apply under way brings might be in the engine only later. */
  private async begin(): Promise<Beginning> {
    let beginning: Beginning | undefined;
    await this.exclusive(async () => {
      const segment = this.segment();
      const watched = this.store.index.watch(segment);
      beginning = { segment, watched, snapshot: this.store.snapshot() };
    });
    return beginning as Beginning;
  }

  private segment(): Span {
    const { start } = this.loose;
    const span = { start, end: indexEnd(start, 0) };
    for (const segment of segmentsOf(this.store.index.peek(), span)) return segment;
    return span;
  }

  /** Undefined: there is nothing to pack. A page that is full stays when all single records lie behind its last row. */
  private async firstToPack(
    snapshot: StoreSnapshot,
    segment: Span,
  ): Promise<Uint8Array | undefined> {
    const { entry } = this;
    const singles = prefixedSpan(LATEST_PREFIX, segment);
    for await (const { keys } of snapshot.reader.scan(singles, { batchBytes: 1 })) {
      const first = (keys[0] as Uint8Array).slice(1);
      const isBehind = entry !== undefined && compareBytes(first, entry.lastKey) > 0;
      return isBehind && entry.bytes >= this.store.tuning.pageBytes / 2 ? first : segment.start;
    }
    return undefined;
  }

  private async read(snapshot: StoreSnapshot, span: Span, segmentStart: Uint8Array): Promise<void> {
    const rows = new NewestRows(snapshot, span, false, READ_BYTES);
    const { pageBytes } = this.store.tuning;
    let writer = new PageWriter();
    let bytes = 0;
    try {
      while (await rows.next()) {
        const { page, keys, records } = rows;
        for (let i = rows.from; i < rows.to; i++) {
          if (bytes >= SLICE_PAGES * pageBytes || this.rows >= SLICE_ROWS_MAX) {
            this.rest = page === undefined ? (keys[i] as Uint8Array).slice(1) : page.key(i);
            return;
          }
          if (page === undefined)
            addRecord(writer, keys[i] as Uint8Array, records[i] as Uint8Array);
          else writer.copy(page, i);
          this.rows++;
          if (writer.count === 1) {
            // The first page is responsible for what lies before its first row, too.
            const isFirst = this.pages.length === 0 && span.start === segmentStart;
            this.pages.push({ start: isFirst ? segmentStart : writer.key(0), writer });
          }
          if (writer.byteLength < pageBytes) continue;
          bytes += writer.byteLength;
          writer = new PageWriter();
        }
      }
    } finally {
      await rows.close();
      // What is left when the slice ends early fills no page: the next one begins with it.
      const last = this.pages[this.pages.length - 1];
      if (this.rest !== undefined && last?.writer === writer && this.pages.length > 1) {
        this.pages.pop();
        this.rest = writer.key(0);
      }
    }
  }

  /** Rows of the page that is replaced lie behind the slice: they get a page of their own. */
  private async keepRest(snapshot: StoreSnapshot): Promise<void> {
    const { entry, rest } = this;
    if (entry === undefined || rest === undefined || compareBytes(entry.lastKey, rest) < 0) return;
    const [page] = await this.store.cache.load(snapshot.reader, [entry], 'scan');
    if (page === undefined) throw missingPage(entry.start);
    const writer = new PageWriter();
    for (let i = page.lowerBound(rest, 0); i < page.count; i++) writer.copy(page, i);
    this.pages.push({ start: rest, writer });
  }

  /** In the writer's turn. */
  private async finish(watched: WatchedSpan, from: Uint8Array | undefined): Promise<void> {
    const { store, entry, loose } = this;
    const { index, cache } = store;
    const { touched } = watched;
    // What comes behind the slice is none of its business.
    const isBehind =
      touched !== undefined && this.rest !== undefined && compareBytes(touched, this.rest) >= 0;
    if (touched !== undefined && !isBehind) {
      index.add(loose, 0);
      return;
    }
    if (from === undefined) {
      if (entry !== undefined) index.foundAlone(entry);
      else loose.count = 0;
      return;
    }
    const to = this.rest ?? watched.span.end;
    const ops: EngineOp[] = [
      { kind: 'deleteSpan', span: prefixedSpan(LATEST_PREFIX, { start: from, end: to }) },
    ];
    const left = Math.max(0, loose.count - this.rows);
    // What the segment had is counted with its last page from now on.
    loose.count = 0;
    for (let i = 0; i < this.pages.length; i++) {
      const { start, writer } = this.pages[i] as NewPage;
      const { ops: puts, value, meta } = pageOps(writer, index.nextId(), start);
      ops.push(...puts);
      const page = new Page(value, start);
      const isAlone = i + 1 < this.pages.length || this.rest === undefined;
      const looseRows = new LooseRows(start);
      index.put({ ...meta, isAlone, page, loose: looseRows });
      if (!isAlone) index.add(looseRows, Math.max(left, store.tuning.looseMax));
      cache.keep(page, 'scan');
    }
    if (entry !== undefined) {
      if (from === watched.span.start) cache.forget(entry.id);
      // Its single records lay behind the first new page.
      else index.foundAlone(entry);
    }
    await store.engine.write(ops);
    index.settle();
  }
}

function addRecord(writer: PageWriter, key: Uint8Array, record: Uint8Array): void {
  const timestamp = headerTimestamp(record);
  writer.add(key, 1, record, HEADER_BYTES, record.length, timestamp, headerIsTombstone(record));
}
