// Installing snapshots (P31). A range is marked, durably, before anything of it is dropped; its new rows are written;
// they are made durable; and one atomic write takes the mark away and says what the range is now, durable before the
// caller hears of it. So after power loss at any moment the range is either marked, or complete.

import { assert } from '../base/assert.ts';
import { clearSpan } from './clear-span.ts';
import type { Engine, EngineOp, Span } from './engine.ts';
import { LATEST_PREFIX } from './mvcc.ts';
import { beginOps, finishOps, forgetOps, type RangeRecords, readRecords } from './range-records.ts';
import { renumber } from './page.ts';
import { LooseRows, type PageEntry, putOps, sameIndex } from './page-index.ts';
import type { RowStore } from './row-store.ts';
import type { AppliedRange, RangeId } from './shard.ts';
import { type ChunkContents, readChunk } from './snapshot-chunk.ts';
import { splitPageAt } from './split-page.ts';

/** In one engine write: what comes between two applies of other ranges. */
const WRITE_BYTES = 1 << 20;

/** Lets `run` be the engine's only writer while it lasts. */
export type Exclusive = (run: () => Promise<void>) => Promise<void>;

interface Install {
  readonly span: Span;
  /** Everything so far is in the engine. */
  written: Promise<void>;
  /** The last page so far: whether single records follow it is not known before the next one comes. */
  lastPage: PageEntry | undefined;
  /** A chunk was refused: nothing can come of it any more. */
  broken: Error | undefined;
}

export class Installs {
  private readonly store: RowStore;
  private readonly engine: Engine;
  private readonly records: RangeRecords;
  private readonly exclusive: Exclusive;
  private readonly running = new Map<RangeId, Install>();

  constructor(store: RowStore, records: RangeRecords, exclusive: Exclusive) {
    this.store = store;
    this.engine = store.engine;
    this.records = records;
    this.exclusive = exclusive;
  }

  /** Entries must not be applied to it. */
  isInstalling(range: RangeId): boolean {
    return this.running.has(range) || this.records.isInstalling(range);
  }

  /** An install that was begun before and not finished gives way. `ready`: applies posted before are through. */
  begin(range: RangeId, span: Span, ready: Promise<void>): Promise<void> {
    const before = this.running.get(range)?.written ?? Promise.resolve();
    const own = { start: span.start.slice(), end: span.end?.slice() };
    const written = Promise.all([ready, before]).then(() => this.clear(range, own));
    written.catch(() => {});
    this.running.set(range, { span: own, written, lastPage: undefined, broken: undefined });
    return written;
  }

  /** Resolves when there is room for another: one chunk is written while one waits. */
  chunk(range: RangeId, chunk: Uint8Array): Promise<void> {
    const install = this.expect(range);
    let contents: ChunkContents;
    try {
      contents = readChunk(chunk, range, install.span, WRITE_BYTES);
    } catch (error) {
      install.broken = error instanceof Error ? error : new Error(String(error));
      throw install.broken;
    }
    const before = install.written;
    const { pages, pairs } = contents;
    install.written = before.then(async () => {
      if (pages.length > 0) await this.exclusive(() => this.writePages(install, pages));
      for (const piece of pairs) await this.exclusive(() => this.writePairs(piece));
    });
    // A write that fails is the end of the shard, which says so itself.
    install.written.catch(() => {});
    return before;
  }

  async finish(range: RangeId, appliedIndex: number, state: Uint8Array): Promise<AppliedRange> {
    const install = this.expect(range);
    const own = state.slice();
    await install.written;
    await this.engine.flush();
    await this.exclusive(async () => {
      // Whoever began another meanwhile has given this one up.
      assert(
        this.running.get(range) === install,
        'an install was begun anew while it was finished',
      );
      await this.engine.write(finishOps(range, appliedIndex, own));
      this.records.finished(range, appliedIndex);
      this.running.delete(range);
      if (install.lastPage !== undefined) this.endAt(install.lastPage);
    });
    await this.engine.flush();
    const records = await readRecords(this.engine, range);
    return { range, appliedIndex, records, isInstalling: false };
  }

  /** P32. `ready`: applies posted before are through. */
  async drop(range: RangeId, span: Span | undefined, ready: Promise<void>): Promise<void> {
    const own = span && { start: span.start.slice(), end: span.end?.slice() };
    const before = this.running.get(range)?.written ?? Promise.resolve();
    this.running.delete(range);
    await Promise.all([ready, before]);
    await this.exclusive(async () => {
      const ops = forgetOps(range);
      if (own !== undefined) ops.push(...(await clearSpan(this.store, own)));
      await this.engine.write(ops);
      this.store.index.settle();
      this.records.forget(range);
    });
  }

  private async clear(range: RangeId, span: Span): Promise<void> {
    await this.exclusive(async () => {
      await this.engine.write(beginOps(range));
      this.records.began(range);
    });
    await this.engine.flush();
    await this.exclusive(async () => {
      await this.engine.write(await clearSpan(this.store, span));
      this.store.index.settle();
    });
  }

  private async writePages(install: Install, pages: ChunkContents['pages']): Promise<void> {
    const { index } = this.store;
    const ops: EngineOp[] = [];
    const entries: PageEntry[] = [];
    for (const { start, page } of pages) {
      const lastKey = page.key(page.count - 1);
      const id = index.nextId();
      renumber(page, id);
      const { count: rows, bytes: value } = page;
      const meta = { start, id, rows, bytes: value.length, lastKey };
      for (const op of await splitPageAt(this.store, start)) ops.push(op);
      for (const op of putOps(meta, value)) ops.push(op);
      entries.push({ ...meta, isAlone: false, page: undefined, loose: new LooseRows(start) });
      index.touched(start, lastKey, 0);
    }
    await this.engine.write(ops);
    index.settle();
    // Only now: who reads beside the span finds in the engine what the index names.
    for (const entry of entries) {
      index.put(entry);
      const before = install.lastPage;
      if (before !== undefined) {
        if (!sameIndex(before.start, entry.start, 0)) this.endAt(before);
        else if (before.loose.count === 0) index.foundAlone(before);
      }
      install.lastPage = entry;
    }
  }

  /** Nobody knows here what follows the last page of an index, perhaps in another range: the packer will see. */
  private endAt(last: PageEntry): void {
    this.store.index.add(last.loose, this.store.tuning.looseMax);
  }

  /** Newest versions that come singly are packed later. */
  private writePairs(ops: readonly EngineOp[]): Promise<void> {
    for (const op of ops) {
      if (op.kind === 'put' && op.key[0] === LATEST_PREFIX) this.store.index.wrote(op.key, 1);
    }
    return this.engine.write(ops);
  }

  private expect(range: RangeId): Install {
    const install = this.running.get(range);
    assert(install !== undefined, 'a chunk of a snapshot came before the install was begun');
    if (install.broken !== undefined) throw install.broken;
    return install;
  }
}
