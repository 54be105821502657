// Dropping all that a span holds: a dropped table, a range that leaves or is replaced. Pages that reach beyond the span
// are written anew without what lies in it.

import { compareBytes } from '../base/bytes.ts';
import type { EngineOp, Span } from './engine.ts';
import { LATEST_PREFIX, prefixedSpan } from './mvcc.ts';
import { missingPage, Page, PageWriter } from './page.ts';
import { dropOps, dropSpanOps, LooseRows, type PageEntry, pageOps } from './page-index.ts';
import type { RowStore } from './row-store.ts';
import { historySpan } from './stored-span.ts';

/**
 * For the one writer: the operations, which must be what it writes next. The index of pages is as after them already:
 * outside of the span it says what it said before.
 */
export async function clearSpan(store: RowStore, span: Span): Promise<EngineOp[]> {
  if (span.end !== undefined && compareBytes(span.start, span.end) >= 0) return [];
  const { engine, index, cache } = store;
  const source = { reader: engine, pages: index.peek(), cache };
  const ops: EngineOp[] = [
    { kind: 'deleteSpan', span: prefixedSpan(LATEST_PREFIX, span) },
    { kind: 'deleteSpan', span: await historySpan(source, span) },
    ...dropSpanOps(span),
  ];
  const inside = index.within(span);
  const before = index.entryFor(span.start, 0);
  const last = inside[inside.length - 1];
  const cut: PageEntry[] = [];
  if (before !== undefined && before !== inside[0] && reaches(before, span.start)) cut.push(before);
  if (last !== undefined && span.end !== undefined && reaches(last, span.end)) cut.push(last);
  const pages = await cache.load(engine, cut, 'scan');
  index.cleared();
  for (const { id, start } of inside) {
    index.remove(start);
    cache.forget(id);
  }
  for (let i = 0; i < cut.length; i++) {
    const entry = cut[i] as PageEntry;
    const page = pages[i];
    if (page === undefined) throw missingPage(entry.start);
    ops.push(...cutPage(store, entry, page, span));
  }
  return ops;
}

function reaches(entry: PageEntry, key: Uint8Array): boolean {
  return compareBytes(entry.lastKey, key) >= 0;
}

function cutPage(store: RowStore, entry: PageEntry, page: Page, span: Span): EngineOp[] {
  const { index, cache } = store;
  const from = page.lowerBound(span.start, 0);
  const to = span.end === undefined ? page.count : page.lowerBound(span.end, 0);
  // Where it is responsible from: a page that began in the span begins behind it now.
  const isInside = compareBytes(entry.start, span.start) >= 0;
  if (from === to && !isInside) return [];
  const writer = new PageWriter();
  for (let i = 0; i < page.count; i++) if (i < from || i >= to) writer.copy(page, i);
  cache.forget(entry.id);
  if (writer.count === 0) {
    index.remove(entry.start);
    return dropOps(entry.start);
  }
  const start = isInside ? (span.end as Uint8Array).slice() : entry.start;
  const { ops, value, meta } = pageOps(writer, index.nextId(), start);
  const loose = new LooseRows(start);
  // A page before the span has got the single records behind those that have just been removed.
  const current = index.entryFor(entry.start, 0);
  const isAlone = entry.isAlone && (current?.id !== entry.id || current.isAlone);
  index.put({ ...meta, isAlone, page: new Page(value, start), loose });
  index.add(loose, entry.loose.count);
  return ops;
}
