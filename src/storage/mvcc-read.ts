// Reading rows as they were at a time: point reads in one batch, and what a scan needs for rows that have been
// overwritten since (the layout is in mvcc.ts).

import { compareBytes } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { EngineBatch, EngineReader } from './engine.ts';
import {
  HEADER_BYTES,
  HISTORY_PREFIX,
  headerIsTombstone,
  headerTimestamp,
  historyKey,
  historyTimestamp,
  isHistoryOf,
} from './mvcc.ts';
import { mayBeSingle } from './page-index.ts';
import { PagedKeys, type RowStore } from './row-store.ts';

export interface StoredVersion {
  readonly timestamp: Timestamp;
  /** A view into what the engine gave. */
  readonly row: Uint8Array;
  readonly tombstone: boolean;
  /** Nothing newer was there when it was read. */
  readonly isNewest: boolean;
}

/** What stands for a row that has no version at all: a tombstone from the beginning of time. */
export const NEVER_WRITTEN: StoredVersion = {
  timestamp: 0 as Timestamp,
  row: new Uint8Array(0),
  tombstone: true,
  isNewest: true,
};

/**
 * The newest version of each row at or below its time. Keys are engine keys of newest versions. Undefined: the row has
 * versions, but none so old. Single records, pages and older versions may be read from different states of the engine:
 * a version that was superseded in between is found among the older ones, since it moves there atomically; and one that
 * was packed in between is found in its page, since pages are looked at later.
 */
export async function readVersions(
  store: RowStore,
  keys: readonly Uint8Array[],
  times: readonly Timestamp[],
): Promise<(StoredVersion | undefined)[]> {
  const { engine, index } = store;
  const out = new Array<StoredVersion | undefined>(keys.length);
  const late = new TooNew();
  if (index.size === 0) {
    const records = await engine.getMany(keys);
    for (let i = 0; i < keys.length; i++)
      takeRecord(out, late, i, records[i], times[i] as Timestamp);
    // Were pages made meanwhile, what is missing may be in one of them.
    if (index.size > 0) await readPages(store, keys, times, out, late);
  } else {
    const places: number[] = [];
    const singles: Uint8Array[] = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as Uint8Array;
      const entry = index.entryFor(key, 1);
      if (entry !== undefined && !mayBeSingle(entry, key, 1)) continue;
      places.push(i);
      singles.push(key);
    }
    const records = await engine.getMany(singles);
    for (let k = 0; k < places.length; k++) {
      const i = places[k] as number;
      takeRecord(out, late, i, records[k], times[i] as Timestamp);
    }
    await readPages(store, keys, times, out, late);
  }
  await Promise.all(
    late.places.map(async (i) => {
      const cursor = new HistoryCursor(engine, keys[i] as Uint8Array, 1);
      out[i] = await cursor.find(keys[i] as Uint8Array, times[i] as Timestamp);
    }),
  );
  for (let i = 0; i < keys.length; i++) {
    if (out[i] === undefined && !late.has(i)) out[i] = NEVER_WRITTEN;
  }
  return out;
}

/** Rows whose newest version is above the time that they were asked for. */
class TooNew {
  readonly places: number[] = [];
  private readonly set = new Set<number>();

  add(place: number): void {
    this.places.push(place);
    this.set.add(place);
  }

  has(place: number): boolean {
    return this.set.has(place);
  }
}

function takeRecord(
  out: (StoredVersion | undefined)[],
  late: TooNew,
  i: number,
  record: Uint8Array | undefined,
  time: Timestamp,
): void {
  if (record === undefined) return;
  const timestamp = headerTimestamp(record);
  if (timestamp > time) {
    late.add(i);
    return;
  }
  const row = record.subarray(HEADER_BYTES);
  out[i] = { timestamp, row, tombstone: headerIsTombstone(record), isNewest: true };
}

/** Fills in what no single record was found of. */
async function readPages(
  store: RowStore,
  keys: readonly Uint8Array[],
  times: readonly Timestamp[],
  out: (StoredVersion | undefined)[],
  late: TooNew,
): Promise<void> {
  const { engine, index, cache } = store;
  let missing: number[] = [];
  for (let i = 0; i < keys.length; i++) if (out[i] === undefined && !late.has(i)) missing.push(i);
  while (missing.length > 0) {
    const paged = new PagedKeys();
    for (const i of missing) {
      const entry = index.entryFor(keys[i] as Uint8Array, 1);
      if (entry !== undefined) paged.add(entry, i);
    }
    const replaced: number[] = [];
    await paged.each(engine, cache, (page, places) => {
      if (page === undefined) {
        replaced.push(...places);
        return;
      }
      for (const i of places) {
        const at = page.find(keys[i] as Uint8Array, 1);
        if (at < 0) continue;
        const timestamp = page.timestamp(at);
        if (timestamp > (times[i] as Timestamp)) late.add(i);
        else {
          const tombstone = page.isTombstone(at);
          out[i] = { timestamp, row: page.row(at), tombstone, isNewest: true };
        }
      }
    });
    missing = replaced;
  }
}

/**
 * Finds older versions of rows asked for in ascending order. Opening an iterator costs as much as reading dozens of
 * entries with it, so each one reads some way ahead; rows that lie beyond that get an iterator of their own, so that
 * a long history of one row is never walked through.
 */
export class HistoryCursor {
  private readonly reader: EngineReader;
  /** Engine key of the newest version of the last row that will be asked for. */
  private readonly lastKey: Uint8Array;
  private readonly readAheadBytes: number;
  private batch: EngineBatch = { keys: [], values: [], isLast: false };
  private at = 0;

  constructor(reader: EngineReader, lastKey: Uint8Array, readAheadBytes: number) {
    this.reader = reader;
    this.lastKey = lastKey;
    this.readAheadBytes = readAheadBytes;
  }

  /** The version of `latest`'s row that is newest at or below t. */
  async find(latest: Uint8Array, t: Timestamp): Promise<StoredVersion | undefined> {
    const target = historyKey(latest, t);
    this.skipTo(target);
    if (this.at >= this.batch.keys.length) {
      // Nothing lies between the end of the batch and the last row's oldest version.
      if (this.batch.isLast) return undefined;
      await this.seek(target);
    }
    const key = this.batch.keys[this.at];
    if (key === undefined || !isHistoryOf(key, latest)) return undefined;
    const record = this.batch.values[this.at] as Uint8Array;
    // Superseded by then: a tombstone was, which has been collected (P24).
    if (headerTimestamp(record) <= t) return undefined;
    return {
      timestamp: historyTimestamp(key),
      row: record.subarray(HEADER_BYTES),
      tombstone: headerIsTombstone(record),
      isNewest: false,
    };
  }

  private skipTo(target: Uint8Array): void {
    const { keys } = this.batch;
    while (this.at < keys.length && compareBytes(keys[this.at] as Uint8Array, target) < 0) {
      this.at++;
    }
  }

  private async seek(target: Uint8Array): Promise<void> {
    this.batch = { keys: [], values: [], isLast: true };
    this.at = 0;
    const end = historyEnd(this.lastKey);
    for await (const batch of this.reader.scan(
      { start: target, end },
      { batchBytes: this.readAheadBytes },
    )) {
      this.batch = batch;
      return;
    }
  }
}

/** Just above the oldest version that the row can have. */
function historyEnd(latest: Uint8Array): Uint8Array {
  const end = new Uint8Array(latest.length + 9).fill(0xff);
  end.set(latest);
  end[0] = HISTORY_PREFIX;
  end[end.length - 1] = 0;
  return end;
}
