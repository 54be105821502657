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

/** A version as the engine has it: the row is `record` from HEADER_BYTES on. */
export interface StoredVersion {
  readonly timestamp: Timestamp;
  readonly record: Uint8Array;
  readonly tombstone: boolean;
  /** Nothing newer was there when it was read. */
  readonly isNewest: boolean;
}

/** What stands for a row that has no version at all: a tombstone from the beginning of time. */
export const NEVER_WRITTEN: StoredVersion = {
  timestamp: 0 as Timestamp,
  record: new Uint8Array(HEADER_BYTES),
  tombstone: true,
  isNewest: true,
};

/**
 * The newest version of each row at or below its time. Keys are engine keys of newest versions. Undefined: the row has
 * versions, but none so old. Newest and older versions may be read from different states of the engine: a version
 * that was superseded in between is found among the older ones, since it moves there atomically.
 */
export async function readVersions(
  reader: EngineReader,
  keys: readonly Uint8Array[],
  times: readonly Timestamp[],
): Promise<(StoredVersion | undefined)[]> {
  const records = await reader.getMany(keys);
  const out = new Array<StoredVersion | undefined>(keys.length);
  let overwritten: number[] | undefined;
  for (let i = 0; i < keys.length; i++) {
    const record = records[i];
    if (record === undefined) {
      out[i] = NEVER_WRITTEN;
      continue;
    }
    const timestamp = headerTimestamp(record);
    if (timestamp <= (times[i] as Timestamp)) {
      out[i] = { timestamp, record, tombstone: headerIsTombstone(record), isNewest: true };
    } else {
      overwritten ??= [];
      overwritten.push(i);
    }
  }
  if (overwritten !== undefined) {
    await Promise.all(
      overwritten.map(async (i) => {
        const cursor = new HistoryCursor(reader, keys[i] as Uint8Array, 1);
        out[i] = await cursor.find(keys[i] as Uint8Array, times[i] as Timestamp);
      }),
    );
  }
  return out;
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
    return {
      timestamp: historyTimestamp(key),
      record,
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
