// The writes of several commands, on their way to become one engine write: each row's new version, and what it supersedes
// moved among the older ones. Most rows become single records. Many that lie beyond all that their index held, as loads
// in key order bring them, become pages at once: that spares the engine and the packer most of their work.

import { compareBytes, equalBytes, hashBytes } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import { type CommandReader, WRITE_DELETE, WRITE_NEW } from './command-format.ts';
import type { EngineOp } from './engine.ts';
import {
  HEADER_BYTES,
  HISTORY_PREFIX,
  headerIsTombstone,
  headerTimestamp,
  LATEST_PREFIX,
  markDeleted,
  TIMESTAMP_BYTES,
  writeHeader,
  writeInverted,
} from './mvcc.ts';
import { PageWriter } from './page.ts';
import { INDEX_ID_BYTES, LooseRows, type PageEntry, pageOps } from './page-index.ts';
import type { RowStore } from './row-store.ts';
import { compareTail } from './snapshot-map.ts';
import type { RangeId } from './shard.ts';
import type { TailKeys } from './tail-keys.ts';

/** Hands out pieces of blocks: thousands of small keys and values without an allocation for each. */
class Arena {
  private block = new Uint8Array(0);
  private used = 0;

  take(length: number): Uint8Array {
    if (this.used + length > this.block.length) {
      this.block = new Uint8Array(Math.max(length, 64 << 10));
      this.used = 0;
    }
    const piece = this.block.subarray(this.used, this.used + length);
    this.used += length;
    return piece;
  }
}

/** Places [from, to) whose keys ascend beyond all that their index held. */
interface TailRun {
  readonly from: number;
  readonly to: number;
  /** The index was empty before. */
  readonly isWhole: boolean;
}

export class VersionBatch {
  /** Filled by finish(); clears put theirs in before. */
  ops: EngineOp[] = [];
  readonly applied: Map<RangeId, number> = new Map();
  /** Ranges of which nothing is kept any more. */
  readonly forgotten: Set<RangeId> = new Set();

  private arena = new Arena();
  /** Engine keys of newest versions, one for each row. */
  private keys: Uint8Array[] = [];
  /** The record that is to be the row's newest version; parallel to keys. */
  private records: Uint8Array[] = [];
  /** Of keys that were never written before; parallel to keys. */
  private isNew: boolean[] = [];
  private readonly places = new KeyPlaces();
  /** Records that rows of this batch got before their last one: [place, record]. */
  private earlier: { readonly place: number; readonly record: Uint8Array }[] = [];

  get isEmpty(): boolean {
    return this.ops.length === 0 && this.keys.length === 0 && this.applied.size === 0;
  }

  add(write: CommandReader): void {
    const source = write.reader.bytes;
    const key = this.arena.take(1 + write.keyEnd - write.keyStart);
    key[0] = LATEST_PREFIX;
    key.set(source.subarray(write.keyStart, write.keyEnd), 1);
    const record = this.arena.take(HEADER_BYTES + write.valueEnd - write.valueStart);
    writeHeader(record, 0, write.timestamp, write.op === WRITE_DELETE);
    if (write.valueEnd > write.valueStart) {
      record.set(source.subarray(write.valueStart, write.valueEnd), HEADER_BYTES);
    }
    const place = this.places.find(key, this.keys);
    if (place === this.keys.length) {
      this.keys.push(key);
      this.records.push(record);
      this.isNew.push(write.op === WRITE_NEW);
    } else {
      this.earlier.push({ place, record: this.records[place] as Uint8Array });
      this.records[place] = record;
    }
  }

  /** Looks up what the new versions supersede, and fills ops. Answers the pages that it makes of some: they belong into
   * the index once the engine has them. */
  async finish(store: RowStore, tails: TailKeys): Promise<readonly PageEntry[]> {
    if (this.keys.length === 0) return [];
    await tails.load(store, this.keys);
    const unsure: number[] = [];
    const runs = this.tailRuns(tails, unsure, store.tuning.runRowsMin);
    const stored = await store.newestRecords(unsure.map((place) => this.keys[place] as Uint8Array));
    // Rows go through their versions in log order, from the stored one on.
    const last = this.records;
    const current = new Array<Uint8Array | undefined>(last.length);
    for (let i = 0; i < unsure.length; i++) current[unsure[i] as number] = stored[i];
    for (const { place, record } of this.earlier) {
      if (leavesSomething(current[place], record)) {
        current[place] = this.succeed(place, current[place], record);
      }
    }
    const entries: PageEntry[] = [];
    const singles: Uint8Array[] = [];
    let at = 0;
    for (const run of runs) {
      for (; at < run.from; at++) singles.push(this.putSingle(at, current[at], store));
      for (; at < run.to; at++) {
        current[at] = this.succeed(at, current[at], last[at] as Uint8Array);
      }
      this.putPages(run, current as Uint8Array[], store, entries);
    }
    for (; at < last.length; at++) singles.push(this.putSingle(at, current[at], store));
    if (entries.length > 0) for (const key of singles) noteSingle(entries, key);
    return entries;
  }

  /** Adds to `unsure` the places of rows that may have a version already. */
  private tailRuns(tails: TailKeys, unsure: number[], rowsMin: number): TailRun[] {
    const runs: TailRun[] = [];
    const { keys, isNew } = this;
    let from = 0;
    let isWhole = false;
    const finish = (to: number): void => {
      if (to - from >= rowsMin) runs.push({ from, to, isWhole });
    };
    for (let place = 0; place < keys.length; place++) {
      const key = keys[place] as Uint8Array;
      const wasEmpty = tails.isEmpty(key);
      // A tombstone of nothing becomes nothing.
      const isTail = !headerIsTombstone(this.records[place] as Uint8Array) && tails.extends(key);
      if (!isTail && !(isNew[place] as boolean)) unsure.push(place);
      if (isTail && from < place && hasSameIndex(keys[from] as Uint8Array, key)) continue;
      finish(place);
      from = isTail ? place : place + 1;
      isWhole = wasEmpty;
    }
    finish(keys.length);
    return runs;
  }

  private putSingle(place: number, old: Uint8Array | undefined, store: RowStore): Uint8Array {
    const key = this.keys[place] as Uint8Array;
    const record = this.records[place] as Uint8Array;
    if (!leavesSomething(old, record)) return key;
    const value = this.succeed(place, old, record);
    store.index.wrote(key, 1);
    this.ops.push({ kind: 'put', key, value });
    return key;
  }

  private putPages(
    run: TailRun,
    records: readonly Uint8Array[],
    store: RowStore,
    entries: PageEntry[],
  ): void {
    const { index } = store;
    const writer = new PageWriter();
    let bytes = 0;
    for (let place = run.from; place < run.to; place++) {
      bytes += (this.keys[place] as Uint8Array).length + (records[place] as Uint8Array).length;
    }
    const pageBytes = bytes / Math.max(1, Math.round(bytes / store.tuning.pageBytes));
    let first = run.from;
    for (let place = run.from; place < run.to; place++) {
      const record = records[place] as Uint8Array;
      const timestamp = headerTimestamp(record);
      const isTombstone = headerIsTombstone(record);
      const key = this.keys[place] as Uint8Array;
      writer.add(key, 1, record, HEADER_BYTES, record.length, timestamp, isTombstone);
      if (writer.byteLength < pageBytes && place + 1 < run.to) continue;
      const firstKey = this.keys[first] as Uint8Array;
      const isFirst = run.isWhole && first === run.from;
      const start = firstKey.slice(1, isFirst ? 1 + INDEX_ID_BYTES : undefined);
      const { ops, meta } = pageOps(writer, index.nextId(), start);
      this.ops.push(...ops);
      // Nothing was written behind it, but perhaps by the same batch: noteSingle().
      entries.push({ ...meta, isAlone: true, page: undefined, loose: new LooseRows(start) });
      first = place + 1;
    }
    index.touched(this.keys[run.from] as Uint8Array, this.keys[run.to - 1] as Uint8Array, 1);
  }

  reset(): void {
    this.ops = [];
    this.applied.clear();
    this.forgotten.clear();
    this.arena = new Arena();
    this.keys = [];
    this.records = [];
    this.isNew = [];
    this.places.clear();
    this.earlier = [];
  }

  /** Which of the two is the newest version; the other moves among the older ones. */
  private succeed(place: number, old: Uint8Array | undefined, record: Uint8Array): Uint8Array {
    if (old === undefined) return record;
    const before = headerTimestamp(old);
    const after = headerTimestamp(record);
    // One transaction wrote the row twice: its last word counts.
    if (before === after) return record;
    if (before < after) {
      this.supersede(place, old, before, after, headerIsTombstone(record));
      return record;
    }
    // Locks make the versions of a row arrive in order. Were one late, it would still be found where it belongs, and
    // kept for longer than need be.
    this.supersede(place, record, after, before, headerIsTombstone(old));
    return old;
  }

  private supersede(
    place: number,
    record: Uint8Array,
    at: Timestamp,
    by: Timestamp,
    byTombstone: boolean,
  ): void {
    const latest = this.keys[place] as Uint8Array;
    const key = this.arena.take(latest.length + TIMESTAMP_BYTES);
    key.set(latest);
    key[0] = HISTORY_PREFIX;
    writeInverted(key, latest.length, at);
    const value = this.arena.take(record.length);
    value.set(record);
    writeHeader(value, 0, by, headerIsTombstone(record));
    if (byTombstone) markDeleted(value);
    this.ops.push({ kind: 'put', key, value });
  }
}

/** A tombstone of what was never there would be collected by nobody (P24). */
function leavesSomething(old: Uint8Array | undefined, record: Uint8Array): boolean {
  return old !== undefined || !headerIsTombstone(record);
}

/** Finds a key's place in a list of distinct keys. */
class KeyPlaces {
  /** Place + 1; 0 is free. */
  private slots = new Int32Array(64);
  private count = 0;

  /** The place of `key` in `keys`; keys.length when it is not there: the caller then appends it. */
  find(key: Uint8Array, keys: readonly Uint8Array[]): number {
    if (this.count * 2 >= this.slots.length) this.grow(keys);
    const mask = this.slots.length - 1;
    for (let at = hashBytes(key) & mask; ; at = (at + 1) & mask) {
      const slot = this.slots[at] as number;
      if (slot === 0) {
        this.count++;
        this.slots[at] = keys.length + 1;
        return keys.length;
      }
      if (equalBytes(keys[slot - 1] as Uint8Array, key)) return slot - 1;
    }
  }

  clear(): void {
    this.slots = new Int32Array(64);
    this.count = 0;
  }

  private grow(keys: readonly Uint8Array[]): void {
    const slots = new Int32Array(this.slots.length * 4);
    const mask = slots.length - 1;
    for (let place = 0; place < keys.length; place++) {
      let at = hashBytes(keys[place] as Uint8Array) & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = place + 1;
    }
    this.slots = slots;
  }
}

/** A row that is written singly together with pages may lie among theirs. */
function noteSingle(entries: PageEntry[], key: Uint8Array): void {
  let best = -1;
  for (let i = 0; i < entries.length; i++) {
    const { start } = entries[i] as PageEntry;
    if (compareTail(start, key, 1) > 0) continue;
    if (best < 0 || compareBytes(start, (entries[best] as PageEntry).start) > 0) best = i;
  }
  const entry = entries[best];
  if (entry === undefined) return;
  entry.loose.count++;
  if (entry.isAlone) entries[best] = { ...entry, isAlone: false };
}

function hasSameIndex(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 1; i <= INDEX_ID_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}
