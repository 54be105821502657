// Which pages there are, in memory. A page lies under the row key from which on it is responsible: up to the next page,
// or to the end of its index (the first four bytes of a row key). That stretch is its segment. Rows of a segment lie in
// its page or as single records; a single record overrides the page's copy of its row, which is then dead. Where a
// segment surely has no single record it is alone: readers need not ask the engine. Rows before the first page of an
// index, and indexes without pages, have single records only.
//
// Readers take a view together with a snapshot of the engine; the two must fit:
//   - what is written into a segment is noted here before the engine has it: a reader never takes a segment for alone
//     that is not;
//   - a page that replaces records or another page without changing what they say (packing, split-page.ts) is in the
//     index, with its bytes, before the engine has it: whichever state of the engine a reader sees, records and page
//     agree;
//   - everything else that changes pages does so while no reader can begin (applies: shard-server.ts), or in a span that
//     nobody reads (installs).

import {
  ByteReader,
  ByteWriter,
  compareBytes,
  EMPTY_BYTES,
  hashBytes,
  toHex,
} from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { EngineOp, EngineReader, Span } from './engine.ts';
import { PAGE_PREFIX, PAGE_ROWS_PREFIX, prefixedKey, prefixedSpan } from './mvcc.ts';
import { PAGE_VERSION, type Page, type PageWriter } from './page.ts';
import { compareTail, lookUpFloor, type MapView, SnapshotMap, ViewCursor } from './snapshot-map.ts';

export const INDEX_ID_BYTES = 4;
/** Some 10 MB of them. */
const HASHES_MAX = 400_000;
const HASHES_OF_SEGMENT_MAX = 256;

/** What was written singly into a stretch of keys since it was packed; one object for as long as the stretch lives. */
export class LooseRows {
  /** Where the stretch begins. */
  readonly start: Uint8Array;
  /** Writes, not rows. After a restart only those since, until the packer has looked (packer.ts). */
  count = 0;
  /** The packer has it on its list. */
  isQueued = false;
  /** Hashes of the keys of all single records of a segment that was alone; undefined: they are too many, or unknown. So
   * what else is in the page is read, and overwritten, without asking the engine (bench: tpcb; its accounts are packed as
   * they are loaded). */
  hashes: Set<number> | undefined;

  constructor(start: Uint8Array) {
    this.start = start;
  }
}

export interface PageEntry {
  readonly start: Uint8Array;
  readonly id: number;
  readonly rows: number;
  readonly bytes: number;
  readonly lastKey: Uint8Array;
  /** Surely no single record lies in its segment. */
  readonly isAlone: boolean;
  /** While the engine may not have it yet. */
  readonly page: Page | undefined;
  readonly loose: LooseRows;
}

export interface WatchedSpan {
  readonly span: Span;
  /** Nothing below it has changed. */
  touched: Uint8Array | undefined;
}

/** A stretch of keys that has one page, or none. */
export interface Segment {
  readonly entry: PageEntry | undefined;
  readonly start: Uint8Array;
  readonly end: Uint8Array | undefined;
}

/** The pages at one moment, for ever. */
export type PageView = MapView<PageEntry>;

/** The page in whose segment key[at...] lies. */
export function entryFor(view: PageView, key: Uint8Array, at: number): PageEntry | undefined {
  if (view.length === 0) return undefined;
  const entry = lookUpFloor(view, key, at);
  return entry !== undefined && sameIndex(entry.start, key, at) ? entry : undefined;
}

/** Whether key[at...] may be a single record in the entry's segment; for readers of the present. */
export function mayBeSingle(entry: PageEntry, key: Uint8Array, at: number): boolean {
  if (entry.isAlone) return false;
  const { hashes } = entry.loose;
  return hashes === undefined || hashes.has(smallHash(key, at));
}

/** One that a Set keeps without an object. */
function smallHash(key: Uint8Array, at: number): number {
  return hashBytes(key, at) >>> 2;
}

/** The segments of a span in order, clipped; stretches without a page are segments too. */
export function* segmentsOf(view: PageView, span: Span): Generator<Segment> {
  const { end } = span;
  let from = span.start;
  const floor = lookUpFloor(view, from, 0);
  const cursor = new ViewCursor(view, floor?.start ?? from, false);
  while (end === undefined || compareBytes(from, end) < 0) {
    const entry = cursor.key === undefined ? undefined : cursor.value;
    if (entry !== undefined && compareBytes(entry.start, from) <= 0) {
      cursor.advance();
      const to = lesser(segmentEnd(entry, cursor.key), end);
      if (to !== undefined && compareBytes(to, from) <= 0) continue;
      yield { entry, start: from, end: to };
      if (to === undefined) return;
      from = to;
    } else {
      const to = lesser(entry?.start, end);
      yield { entry: undefined, start: from, end: to };
      if (to === undefined) return;
      from = to;
    }
  }
}

/** The same, from the end on. */
export function* segmentsBackwards(view: PageView, span: Span): Generator<Segment> {
  const { start } = span;
  let to = span.end;
  let next: Uint8Array | undefined;
  const cursor = new ViewCursor(view, to, true);
  while (to === undefined || compareBytes(start, to) < 0) {
    const entry = cursor.key === undefined ? undefined : cursor.value;
    const end = entry === undefined ? undefined : segmentEnd(entry, next);
    if (entry !== undefined && isAtOrAbove(end, to)) {
      const from = greater(entry.start, start);
      yield { entry, start: from, end: to };
      to = from;
      next = entry.start;
      cursor.advance();
    } else {
      // Nothing but single records above the page.
      const from = end === undefined ? start : greater(end, start);
      yield { entry: undefined, start: from, end: to };
      to = from;
    }
  }
}

/** Where the responsibility of a page ends, when `next` is where the next page lies. */
function segmentEnd(entry: PageEntry, next: Uint8Array | undefined): Uint8Array | undefined {
  if (next !== undefined && sameIndex(next, entry.start, 0)) return next;
  return lesser(indexEnd(entry.start, 0), next);
}

/** Of ends, where undefined is the end of the keyspace. */
function isAtOrAbove(end: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return end === undefined || (other !== undefined && compareBytes(end, other) >= 0);
}

function lesser(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  return isAtOrAbove(a, b) ? b : a;
}

function greater(a: Uint8Array, b: Uint8Array): Uint8Array {
  return compareBytes(a, b) >= 0 ? a : b;
}

/** The index of the store's one writer. */
export class PageIndex {
  private readonly map = new SnapshotMap<PageEntry>();
  /** Of stretches without a page, by index. */
  private readonly unpaged = new Map<number, LooseRows>();
  private lastId = 0;
  /** Of all segments together. */
  private hashes = 0;
  private unsettled: PageEntry[] = [];
  private watched: WatchedSpan | undefined;
  /** Called when a stretch has become worth packing. */
  private readonly onLoose: (loose: LooseRows) => void;
  private readonly looseMax: number;

  constructor(looseMax: number, onLoose: (loose: LooseRows) => void) {
    this.looseMax = looseMax;
    this.onLoose = onLoose;
  }

  async load(reader: EngineReader): Promise<void> {
    const span = { start: Uint8Array.of(PAGE_PREFIX), end: Uint8Array.of(PAGE_PREFIX + 1) };
    for await (const { keys, values } of reader.scan(span)) {
      for (let i = 0; i < keys.length; i++) {
        const entry = decodeEntry((keys[i] as Uint8Array).slice(1), values[i] as Uint8Array);
        this.map.set(entry.start, entry);
        if (entry.id > this.lastId) this.lastId = entry.id;
      }
    }
  }

  get size(): number {
    return this.map.size;
  }

  view(): PageView {
    return this.map.view();
  }

  /** Valid until the index changes: for readers that are through before they wait. */
  peek(): PageView {
    return this.map.peek();
  }

  entryFor(key: Uint8Array, at: number): PageEntry | undefined {
    return entryFor(this.map.peek(), key, at);
  }

  /** The last page of the index that the row key at key[at...] belongs to. */
  lastOf(key: Uint8Array, at: number): PageEntry | undefined {
    const cursor = new ViewCursor(this.map.peek(), indexEnd(key, at), true);
    if (cursor.key === undefined || !sameIndex(cursor.key, key, at)) return undefined;
    return cursor.value;
  }

  nextId(): number {
    return ++this.lastId;
  }

  /** The row of key[at...] is about to be written singly. */
  wrote(key: Uint8Array, at: number): void {
    this.touched(key, key, at);
    const entry = this.entryFor(key, at);
    if (entry !== undefined) this.noteHash(entry, smallHash(key, at));
    if (entry?.isAlone === true) this.map.set(entry.start, { ...entry, isAlone: false });
    const loose = entry?.loose ?? this.unpagedAt(key, at);
    if (loose === undefined) return;
    this.add(loose, 1);
  }

  private noteHash({ isAlone, loose }: PageEntry, hash: number): void {
    if (isAlone) {
      this.dropHashes(loose);
      if (this.hashes < HASHES_MAX) loose.hashes = new Set();
    }
    const { hashes } = loose;
    if (hashes === undefined || hashes.has(hash)) return;
    hashes.add(hash);
    this.hashes++;
    if (hashes.size > HASHES_OF_SEGMENT_MAX) this.dropHashes(loose);
  }

  private dropHashes(loose: LooseRows): void {
    this.hashes -= loose.hashes?.size ?? 0;
    loose.hashes = undefined;
  }

  /** Something is about to change between two row keys, inclusive. */
  touched(first: Uint8Array, last: Uint8Array, at: number): void {
    const { watched } = this;
    if (watched === undefined) return;
    const { start, end } = watched.span;
    if (compareTail(start, last, at) > 0) return;
    if (end !== undefined && compareTail(end, first, at) <= 0) return;
    const { touched } = watched;
    if (touched !== undefined && compareTail(touched, first, at) <= 0) return;
    watched.touched = first.slice(at);
  }

  /** Tells from now on whether anything in the span changes; one span at a time. */
  watch(span: Span): WatchedSpan {
    this.watched = { span, touched: undefined };
    return this.watched;
  }

  /** A span goes, whatever was in it. */
  cleared(): void {
    if (this.watched !== undefined) this.watched.touched = EMPTY_BYTES;
  }

  /** So many single records more than was known. */
  add(loose: LooseRows, count: number): void {
    loose.count += count;
    if (loose.count < this.looseMax || loose.isQueued) return;
    loose.isQueued = true;
    this.onLoose(loose);
  }

  unpagedAt(key: Uint8Array, at: number): LooseRows | undefined {
    if (key.length - at < INDEX_ID_BYTES) return undefined;
    const id = indexIdOf(key, at);
    let loose = this.unpaged.get(id);
    if (loose === undefined) {
      loose = new LooseRows(key.slice(at, at + INDEX_ID_BYTES));
      this.unpaged.set(id, loose);
    }
    return loose;
  }

  put(entry: PageEntry): void {
    const before = this.map.get(entry.start);
    if (before !== undefined && before.loose !== entry.loose) this.dropHashes(before.loose);
    this.map.set(entry.start, entry);
    if (entry.page !== undefined) this.unsettled.push(entry);
  }

  /** The engine has all pages by now: they are read from it, or from the cache. */
  settle(): void {
    if (this.unsettled.length === 0) return;
    for (const { start, id } of this.unsettled) {
      const entry = this.map.get(start);
      if (entry?.id === id && entry.page !== undefined) {
        this.map.set(start, { ...entry, page: undefined });
      }
    }
    this.unsettled = [];
  }

  /** Surely alone from now on. */
  foundAlone(entry: PageEntry): void {
    const current = this.map.get(entry.start);
    if (current?.id === entry.id && !current.isAlone) {
      current.loose.count = 0;
      this.dropHashes(current.loose);
      this.map.set(entry.start, { ...current, isAlone: true });
    }
  }

  remove(start: Uint8Array): void {
    const entry = this.map.get(start);
    if (entry === undefined) return;
    this.map.delete(start);
    this.dropHashes(entry.loose);
    if (entry.isAlone) return;
    // What it had of single records belongs to the page before it now, or to none.
    const before = this.entryFor(start, 0);
    if (before?.isAlone === true) this.map.set(before.start, { ...before, isAlone: false });
    if (before !== undefined) this.dropHashes(before.loose);
    const loose = before?.loose ?? this.unpagedAt(start, 0);
    if (loose !== undefined) this.add(loose, entry.loose.count);
  }

  /** Pages that begin in the span. */
  within(span: Span): PageEntry[] {
    const entries: PageEntry[] = [];
    const cursor = new ViewCursor(this.map.peek(), span.start, false);
    for (; cursor.key !== undefined; cursor.advance()) {
      if (span.end !== undefined && compareBytes(cursor.key, span.end) >= 0) break;
      entries.push(cursor.value);
    }
    return entries;
  }
}

/** What the engine must be told of a new page; the writer's rows are taken out of it. */
export function pageOps(
  writer: PageWriter,
  id: number,
  start: Uint8Array,
): { readonly ops: EngineOp[]; readonly value: Uint8Array; readonly meta: PageMeta } {
  const rows = writer.count;
  const lastKey = writer.key(rows - 1);
  const value = writer.take(id, start);
  const meta = { start, id, rows, bytes: value.length, lastKey };
  return { ops: putOps(meta, value), value, meta };
}

/** What the engine must be told of a page. */
export function putOps(meta: PageMeta, value: Uint8Array): EngineOp[] {
  return [
    { kind: 'put', key: prefixedKey(PAGE_PREFIX, meta.start), value: encodeEntry(meta) },
    { kind: 'put', key: prefixedKey(PAGE_ROWS_PREFIX, meta.start), value },
  ];
}

export function dropOps(start: Uint8Array): EngineOp[] {
  return [
    { kind: 'delete', key: prefixedKey(PAGE_PREFIX, start) },
    { kind: 'delete', key: prefixedKey(PAGE_ROWS_PREFIX, start) },
  ];
}

export function dropSpanOps(span: Span): EngineOp[] {
  return [
    { kind: 'deleteSpan', span: prefixedSpan(PAGE_PREFIX, span) },
    { kind: 'deleteSpan', span: prefixedSpan(PAGE_ROWS_PREFIX, span) },
  ];
}

export type PageMeta = Pick<PageEntry, 'start' | 'id' | 'rows' | 'bytes' | 'lastKey'>;

function encodeEntry(meta: PageMeta): Uint8Array {
  const out = new ByteWriter(32 + meta.lastKey.length);
  out.u8(PAGE_VERSION);
  out.u53(meta.id);
  out.u32(meta.rows);
  out.u32(meta.bytes);
  out.block(meta.lastKey);
  return out.take();
}

function decodeEntry(start: Uint8Array, value: Uint8Array): PageEntry {
  const reader = new ByteReader(value);
  const version = reader.u8();
  if (version !== PAGE_VERSION) {
    throw new DbError(
      'XX001',
      `the page of rows at key ${toHex(start)} of the store has format version ${version}, this program knows version ${PAGE_VERSION}`,
      { hint: 'Start the version of Meridian that wrote this data directory, or a newer one.' },
    );
  }
  const id = reader.u53();
  const rows = reader.u32();
  const bytes = reader.u32();
  const lastKey = reader.block().slice();
  const loose = new LooseRows(start);
  return { start, id, rows, bytes, lastKey, isAlone: false, page: undefined, loose };
}

export function indexIdOf(key: Uint8Array, at: number): number {
  return (
    (((key[at] as number) << 24) |
      ((key[at + 1] as number) << 16) |
      ((key[at + 2] as number) << 8) |
      (key[at + 3] as number)) >>>
    0
  );
}

/** Where the index of key[at...] ends; undefined is the end of the keyspace. */
export function indexEnd(key: Uint8Array, at: number): Uint8Array | undefined {
  const id = indexIdOf(key, at);
  if (id === 0xffffffff) return undefined;
  const end = new Uint8Array(INDEX_ID_BYTES);
  new DataView(end.buffer).setUint32(0, id + 1, false);
  return end;
}

/** Whether key[at...] belongs to the index of `start`. */
export function sameIndex(start: Uint8Array, key: Uint8Array, at: number): boolean {
  if (key.length - at < INDEX_ID_BYTES) return false;
  for (let i = 0; i < INDEX_ID_BYTES; i++) if (start[i] !== key[at + i]) return false;
  return true;
}
