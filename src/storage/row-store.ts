// An engine and the pages in it: what everything that reads or writes versions goes through.

import type { Engine, EngineReader, EngineSnapshot } from './engine.ts';
import { HEADER_BYTES, writeHeader } from './mvcc.ts';
import type { Page } from './page.ts';
import { PageCache } from './page-cache.ts';
import {
  type LooseRows,
  mayBeSingle,
  type PageEntry,
  PageIndex,
  type PageView,
} from './page-index.ts';

export interface PageTuning {
  /** What a page is meant to have. */
  readonly pageBytes: number;
  /** Single records that make a stretch worth packing. */
  readonly looseMax: number;
  /** Fewer rows that have no page yet are left as they are. */
  readonly rowsMin: number;
  /** So many rows at once, beyond all that their index held, become pages without being single records before. */
  readonly runRowsMin: number;
}

/** Of smaller pages a scan pays more for the engine's calls, of larger ones a point read for what it does not want: a page
 * of 16 KiB takes 31 µs to read, one of 32 KiB 37 µs, one of 64 KiB 60 µs, in batches and with all that the engine does. */
export const DEFAULT_TUNING: PageTuning = {
  pageBytes: 32 << 10,
  looseMax: 64,
  rowsMin: 32,
  runRowsMin: 64,
};

/** For simulations and tests: what takes much data otherwise happens all the time. */
export const TINY_PAGES: PageTuning = { pageBytes: 512, looseMax: 4, rowsMin: 2, runRowsMin: 4 };

/** One state of the store. */
export interface RowSource {
  readonly reader: EngineReader;
  readonly pages: PageView;
  readonly cache: PageCache;
}

export interface StoreSnapshot extends RowSource {
  readonly reader: EngineSnapshot;
}

export class RowStore {
  readonly engine: Engine;
  readonly tuning: PageTuning;
  readonly index: PageIndex;
  readonly cache: PageCache;
  /** Stretches that have become worth packing, oldest first. */
  readonly loose: LooseRows[] = [];

  private constructor(engine: Engine, tuning: PageTuning, cacheBytes: number | undefined) {
    this.engine = engine;
    this.tuning = tuning;
    this.cache = new PageCache(cacheBytes);
    this.index = new PageIndex(tuning.looseMax, (loose) => this.loose.push(loose));
  }

  static async open(
    engine: Engine,
    tuning: PageTuning = DEFAULT_TUNING,
    cacheBytes?: number,
  ): Promise<RowStore> {
    const store = new RowStore(engine, tuning, cacheBytes);
    await store.index.load(engine);
    return store;
  }

  /** To be called in the turn in which nothing but packing is being written (page-index.ts). */
  snapshot(): StoreSnapshot {
    return { reader: this.engine.snapshot(), pages: this.index.view(), cache: this.cache };
  }

  /**
   * The newest records of rows, header first, for the one writer: nothing changes meanwhile. Keys are engine keys of
   * newest versions.
   */
  async newestRecords(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    if (this.index.size === 0) return this.engine.getMany(keys);
    const out = new Array<Uint8Array | undefined>(keys.length);
    const entries = keys.map((key) => this.index.entryFor(key, 1));
    const singles: number[] = [];
    for (let i = 0; i < keys.length; i++) {
      const entry = entries[i];
      if (entry === undefined || mayBeSingle(entry, keys[i] as Uint8Array, 1)) singles.push(i);
    }
    const records = await this.engine.getMany(singles.map((i) => keys[i] as Uint8Array));
    for (let k = 0; k < singles.length; k++) out[singles[k] as number] = records[k];
    const paged = new PagedKeys();
    for (let i = 0; i < keys.length; i++) {
      const entry = entries[i];
      if (out[i] === undefined && entry !== undefined) paged.add(entry, i);
    }
    await paged.each(this.engine, this.cache, (page, places) => {
      for (const i of places) {
        const row = page?.find(keys[i] as Uint8Array, 1) ?? -1;
        if (row >= 0) out[i] = recordOf(page as Page, row);
      }
    });
    return out;
  }
}

/** Keys by the page that they may be in. */
export class PagedKeys {
  private readonly places = new Map<PageEntry, number[]>();

  add(entry: PageEntry, place: number): void {
    const places = this.places.get(entry);
    if (places === undefined) this.places.set(entry, [place]);
    else places.push(place);
  }

  get size(): number {
    return this.places.size;
  }

  /** Undefined for a page that was replaced meanwhile. A few at a time: they need not all fit into memory. */
  async each(
    reader: EngineReader,
    cache: PageCache,
    use: (page: Page | undefined, places: readonly number[], entry: PageEntry) => void,
  ): Promise<void> {
    const entries = [...this.places.keys()];
    for (let from = 0; from < entries.length; from += PAGES_AT_ONCE) {
      const some = entries.slice(from, from + PAGES_AT_ONCE);
      const pages = await cache.load(reader, some, 'point');
      for (let i = 0; i < some.length; i++) {
        const entry = some[i] as PageEntry;
        use(pages[i], this.places.get(entry) as number[], entry);
      }
    }
  }
}

const PAGES_AT_ONCE = 64;

/** A row of a page as a single record would have it. */
export function recordOf(page: Page, i: number): Uint8Array {
  const from = page.bounds[i] as number;
  const to = page.bounds[i + 1] as number;
  const record = new Uint8Array(HEADER_BYTES + to - from);
  writeHeader(record, 0, page.timestamp(i), page.isTombstone(i));
  record.set(page.bytes.subarray(from, to), HEADER_BYTES);
  return record;
}
