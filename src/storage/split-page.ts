// A page reaches from its first row to its last one, also across a stretch that is another range's: the packer knows no
// ranges, and a span that is cleared leaves a page with rows on both sides of it. Once another page comes to lie in that
// stretch, what follows belongs to its segment; so rows behind it must have a page of their own before.

import { compareBytes } from '../base/bytes.ts';
import type { EngineOp } from './engine.ts';
import { missingPage, Page, PageWriter } from './page.ts';
import { dropOps, LooseRows, type PageEntry, pageOps } from './page-index.ts';
import type { RowStore } from './row-store.ts';

/**
 * For the one writer, before it puts a page under row key `at`: the operations, which must be among what it writes next.
 * The index of pages is as after them already, and says the same of every row.
 */
export async function splitPageAt(store: RowStore, at: Uint8Array): Promise<EngineOp[]> {
  const { engine, index, cache } = store;
  const entry = index.entryFor(at, 0);
  if (entry === undefined || compareBytes(entry.lastKey, at) < 0) return [];
  const [page] = await cache.load(engine, [entry], 'scan');
  if (page === undefined) throw missingPage(entry.start);
  const middle = page.lowerBound(at, 0);
  index.touched(entry.start, entry.lastKey, 0);
  cache.forget(entry.id);
  const ops: EngineOp[] = [];
  if (middle > 0) {
    ops.push(...putPart(store, entry, page, 0, middle, entry.start));
  } else {
    ops.push(...dropOps(entry.start));
    index.remove(entry.start);
  }
  ops.push(...putPart(store, entry, page, middle, page.count, page.key(middle)));
  return ops;
}

/** Rows [from, to) of a page become one. */
function putPart(
  { index }: RowStore,
  entry: PageEntry,
  page: Page,
  from: number,
  to: number,
  start: Uint8Array,
): EngineOp[] {
  const writer = new PageWriter();
  for (let i = from; i < to; i++) writer.copy(page, i);
  const { ops, value, meta } = pageOps(writer, index.nextId(), start);
  const loose = new LooseRows(start);
  index.put({ ...meta, isAlone: entry.isAlone, page: new Page(value, start), loose });
  index.add(loose, entry.loose.count);
  return ops;
}
