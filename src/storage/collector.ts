// Removes versions that nobody may ask for any more (P24): older ones that had been superseded by the threshold, and
// tombstones from before it. Slice by slice, when the owner asks for one: each reads a stretch of older versions while
// everything else goes on, and takes the writer's turn only to remove what it found.
//
// A tombstone is found through the version that it has superseded; that one goes in the same write, so that it is never
// forgotten. It goes from wherever the row is: a page may have a copy of it, or a dead one of what was there before.

import { keyAfter } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { EngineOp, EngineReader, Span } from './engine.ts';
import type { Exclusive } from './install.ts';
import {
  headerIsTombstone,
  headerTimestamp,
  LATEST_PREFIX,
  TIMESTAMP_BYTES,
  wasDeleted,
} from './mvcc.ts';
import { missingPage, Page, PageWriter } from './page.ts';
import { dropOps, mayBeSingle, type PageEntry, pageOps } from './page-index.ts';
import { PagedKeys, type RowStore } from './row-store.ts';
import type { ShardCollected } from './shard.ts';
import { historySpan } from './stored-span.ts';

/** Of one slice: about a millisecond. */
const READ_BYTES = 64 << 10;

interface Found {
  /** Of older versions. */
  readonly keys: Uint8Array[];
  /** Engine keys of newest versions that may be tombstones. */
  readonly deleted: Uint8Array[];
  readonly rest: Uint8Array | undefined;
}

export class Collector {
  private readonly store: RowStore;
  private readonly exclusive: Exclusive;

  constructor(store: RowStore, exclusive: Exclusive) {
    this.store = store;
    this.exclusive = exclusive;
  }

  /** `from`: where the slice before ended. */
  async slice(
    span: Span,
    threshold: Timestamp,
    from: Uint8Array | undefined,
  ): Promise<ShardCollected> {
    const { store } = this;
    const found = await this.find(span, threshold, from);
    let versions = found.keys.length;
    if (versions === 0) return { versions, rest: found.rest };
    await this.exclusive(async () => {
      const ops: EngineOp[] = found.keys.map((key) => ({ kind: 'delete', key }));
      const tombstones = await this.tombstones(found.deleted, threshold);
      versions += tombstones.length;
      await this.removeNewest(tombstones, ops);
      await store.engine.write(ops);
      store.index.settle();
    });
    return { versions, rest: found.rest };
  }

  private async find(
    span: Span,
    threshold: Timestamp,
    from: Uint8Array | undefined,
  ): Promise<Found> {
    // In the turn in which it was asked: nothing is being applied.
    const snapshot = this.store.snapshot();
    try {
      const all = await historySpan(snapshot, span);
      const left = from === undefined ? all : { start: from, end: all.end };
      return await findCollectable(snapshot.reader, left, threshold);
    } finally {
      snapshot.reader.release();
    }
  }

  /** Those of the rows whose newest version is a tombstone that may go. In the writer's turn. */
  private async tombstones(
    keys: readonly Uint8Array[],
    threshold: Timestamp,
  ): Promise<readonly Uint8Array[]> {
    if (keys.length === 0) return [];
    const records = await this.store.newestRecords(keys);
    return keys.filter((_, i) => {
      const record = records[i];
      return (
        record !== undefined && headerIsTombstone(record) && headerTimestamp(record) <= threshold
      );
    });
  }

  /** In the writer's turn: adds what the engine must be told to `ops`, and puts it into the index. */
  private async removeNewest(keys: readonly Uint8Array[], ops: EngineOp[]): Promise<void> {
    const { index, cache, engine } = this.store;
    const paged = new PagedKeys();
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as Uint8Array;
      // The packer may have it before its eyes.
      index.touched(key, key, 1);
      const entry = index.entryFor(key, 1);
      if (entry === undefined || mayBeSingle(entry, key, 1)) ops.push({ kind: 'delete', key });
      if (entry === undefined) continue;
      paged.add(entry, i);
    }
    if (paged.size === 0) return;
    await paged.each(engine, cache, (page, places, entry) => {
      if (page === undefined) throw missingPage(entry.start);
      const gone = new Set<number>();
      for (const place of places) {
        const row = page.find(keys[place] as Uint8Array, 1);
        if (row >= 0) gone.add(row);
      }
      if (gone.size > 0) this.rewrite(entry, page, gone, ops);
    });
  }

  private rewrite(entry: PageEntry, page: Page, gone: ReadonlySet<number>, ops: EngineOp[]): void {
    const { index, cache } = this.store;
    const writer = new PageWriter();
    for (let i = 0; i < page.count; i++) if (!gone.has(i)) writer.copy(page, i);
    cache.forget(entry.id);
    if (writer.count === 0) {
      index.remove(entry.start);
      ops.push(...dropOps(entry.start));
      return;
    }
    const { ops: puts, value, meta } = pageOps(writer, index.nextId(), entry.start);
    ops.push(...puts);
    const { isAlone, loose } = entry;
    index.put({ ...meta, isAlone, page: new Page(value, entry.start), loose });
  }
}

/** One batch of older versions. */
async function findCollectable(
  reader: EngineReader,
  history: Span,
  threshold: Timestamp,
): Promise<Found> {
  const keys: Uint8Array[] = [];
  const deleted: Uint8Array[] = [];
  for await (const batch of reader.scan(history, { batchBytes: READ_BYTES })) {
    for (let i = 0; i < batch.keys.length; i++) {
      const record = batch.values[i] as Uint8Array;
      if (headerTimestamp(record) > threshold) continue;
      const key = batch.keys[i] as Uint8Array;
      keys.push(key.slice());
      if (wasDeleted(record)) deleted.push(newestKeyOf(key));
    }
    const last = batch.keys[batch.keys.length - 1];
    const rest = batch.isLast || last === undefined ? undefined : keyAfter(last);
    return { keys, deleted, rest };
  }
  return { keys, deleted, rest: undefined };
}

/** Of the row of an older version. */
function newestKeyOf(historyKey: Uint8Array): Uint8Array {
  const key = historyKey.slice(0, historyKey.length - TIMESTAMP_BYTES);
  key[0] = LATEST_PREFIX;
  return key;
}
