// A scan of rows as they were at a time. It walks newest versions, one engine entry for each row; where one is too
// new, the version of that time is looked up among the older ones. Rows go to a sink without a promise or an object
// for each of them.

import { EMPTY_BYTES } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { EngineBatch, EngineReader, Span } from './engine.ts';
import { headerIsTombstone, headerTimestamp, LATEST_PREFIX, prefixedSpan } from './mvcc.ts';
import { HistoryCursor, type StoredVersion } from './mvcc-read.ts';

/** Takes rows: the row key is `key` from 1 on, the row is `record` from HEADER_BYTES on. */
export interface RowSink {
  /** False: enough, no more rows are wanted. */
  add(key: Uint8Array, record: Uint8Array, timestamp: Timestamp): boolean;
}

const HISTORY_READ_AHEAD_BYTES = 32 << 10;

export class VersionScan {
  /** Of what the scan has met so far, tombstones included (P10). */
  newest: Timestamp = 0 as Timestamp;
  /** The last one met: a view that lasts until the next step. */
  lastKey: Uint8Array = EMPTY_BYTES;
  private readonly reader: EngineReader;
  private readonly batches: AsyncIterator<EngineBatch>;
  private readonly at: Timestamp;
  private readonly reverse: boolean;

  /** `reader` must show one state for as long as the scan runs: a snapshot. */
  constructor(
    reader: EngineReader,
    span: Span,
    at: Timestamp,
    reverse: boolean,
    batchBytes: number,
  ) {
    this.reader = reader;
    this.at = at;
    this.reverse = reverse;
    this.batches = reader
      .scan(prefixedSpan(LATEST_PREFIX, span), { reverse, batchBytes })
      [Symbol.asyncIterator]();
  }

  /** Hands one batch of rows to the sink. False: that was the end. */
  async step(sink: RowSink): Promise<boolean> {
    const next = await this.batches.next();
    if (next.done === true) return false;
    const { keys, values, isLast } = next.value;
    const older = await this.olderVersions(keys, values);
    if (keys.length > 0) this.lastKey = (keys[keys.length - 1] as Uint8Array).subarray(1);
    for (let i = 0, n = keys.length; i < n; i++) {
      let record = values[i] as Uint8Array;
      let timestamp = headerTimestamp(record);
      if (timestamp > this.at) {
        const version = older?.[i];
        if (version === undefined) continue;
        record = version.record;
        timestamp = version.timestamp;
      }
      if (timestamp > this.newest) this.newest = timestamp;
      if (headerIsTombstone(record)) continue;
      if (!sink.add(keys[i] as Uint8Array, record, timestamp)) return false;
    }
    return !isLast;
  }

  /** Must be called, also after an error: the engine holds an iterator for the scan. */
  async close(): Promise<void> {
    await this.batches.return?.();
  }

  /** Parallel to the batch; undefined when no row of it has been overwritten since. */
  private async olderVersions(
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
  ): Promise<(StoredVersion | undefined)[] | undefined> {
    let first = -1;
    let last = -1;
    for (let i = 0, n = values.length; i < n; i++) {
      if (headerTimestamp(values[i] as Uint8Array) <= this.at) continue;
      if (first < 0) first = i;
      last = i;
    }
    if (first < 0) return undefined;
    const out = new Array<StoredVersion | undefined>(values.length);
    // Ascending, whichever way the scan runs.
    const step = this.reverse ? -1 : 1;
    const from = this.reverse ? last : first;
    const to = this.reverse ? first : last;
    const cursor = new HistoryCursor(this.reader, keys[to] as Uint8Array, HISTORY_READ_AHEAD_BYTES);
    for (let i = from; ; i += step) {
      if (headerTimestamp(values[i] as Uint8Array) > this.at) {
        out[i] = await cursor.find(keys[i] as Uint8Array, this.at);
      }
      if (i === to) return out;
    }
  }
}
