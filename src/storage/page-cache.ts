// Pages in memory, bounded. Point reads make a page stay; a scan of more than fits would only push everything out before
// it comes by again, so while the cache is full it keeps but some of what scans bring.

import type { EngineReader } from './engine.ts';
import { PAGE_ROWS_PREFIX, prefixedKey } from './mvcc.ts';
import { Page } from './page.ts';
import type { PageEntry } from './page-index.ts';

export const PAGE_CACHE_BYTES: number = 128 << 20;
/** Of the pages that scans bring to a full cache, one in so many is taken in. */
const SCANNED_SHARE = 16;

/** What is read `once` is not kept. */
export type PageUse = 'point' | 'scan' | 'once';

export class PageCache {
  /** By id; the one used longest ago comes first. */
  private readonly pages = new Map<number, Page>();
  private readonly bytesMax: number;
  private bytes = 0;
  private scanned = 0;

  constructor(bytesMax: number = PAGE_CACHE_BYTES) {
    this.bytesMax = bytesMax;
  }

  get(entry: PageEntry): Page | undefined {
    if (entry.page !== undefined) return entry.page;
    const page = this.pages.get(entry.id);
    if (page === undefined) return undefined;
    this.pages.delete(entry.id);
    this.pages.set(entry.id, page);
    return page;
  }

  /** Those that the engine does not have as the entries say are undefined: they were replaced meanwhile. */
  async load(
    reader: EngineReader,
    entries: readonly PageEntry[],
    use: PageUse,
  ): Promise<(Page | undefined)[]> {
    const out = new Array<Page | undefined>(entries.length);
    const missing: number[] = [];
    for (let i = 0; i < entries.length; i++) {
      out[i] = this.get(entries[i] as PageEntry);
      if (out[i] === undefined) missing.push(i);
    }
    if (missing.length === 0) return out;
    const values = await reader.getMany(
      missing.map((i) => prefixedKey(PAGE_ROWS_PREFIX, (entries[i] as PageEntry).start)),
    );
    for (let k = 0; k < missing.length; k++) {
      const i = missing[k] as number;
      const { id, start } = entries[i] as PageEntry;
      const value = values[k];
      if (value === undefined) continue;
      const page = new Page(value, start);
      if (page.id !== id) continue;
      out[i] = page;
      if (use !== 'once') this.keep(page, use);
    }
    return out;
  }

  keep(page: Page, use: 'point' | 'scan'): void {
    const isFull = this.bytes + page.bytes.length > this.bytesMax;
    if (isFull && use === 'scan' && ++this.scanned % SCANNED_SHARE !== 0) return;
    this.forget(page.id);
    this.pages.set(page.id, page);
    this.bytes += page.bytes.length;
    for (const [id, oldest] of this.pages) {
      if (this.bytes <= this.bytesMax) break;
      this.pages.delete(id);
      this.bytes -= oldest.bytes.length;
    }
  }

  forget(id: number): void {
    const page = this.pages.get(id);
    if (page === undefined) return;
    this.pages.delete(id);
    this.bytes -= page.bytes.length;
  }
}
