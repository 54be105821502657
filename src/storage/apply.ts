// Applies committed entries: packed commands become versions (mvcc.ts), in one atomic engine write together with the
// index up to which each range is applied. So after a crash the store is as of some applied index, and replaying the
// log from there gives the same state; entries at or below it are skipped.

import { assert } from '../base/assert.ts';
import { ByteReader, equalBytes, hashBytes } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import {
  COMMAND_CLEAR,
  COMMAND_RECORDS,
  COMMAND_WRITES,
  CommandReader,
  RECORD_APPLIED,
  RECORD_COPY,
  RECORD_DELETE,
  RECORD_PUT,
  WRITE_DELETE,
  WRITE_NEW,
} from './command-format.ts';
import type { Engine, EngineOp } from './engine.ts';
import {
  HEADER_BYTES,
  HISTORY_PREFIX,
  headerIsTombstone,
  headerTimestamp,
  LATEST_PREFIX,
  TIMESTAMP_BYTES,
  writeHeader,
  writeInverted,
} from './mvcc.ts';
import {
  appliedOp,
  copyRecords,
  deleteRecordOp,
  forgetOps,
  putRecordOp,
  RangeRecords,
} from './range-records.ts';
import type { AppliedRange, RangeId } from './shard.ts';
import { storedSpan } from './stored-span.ts';
import { TailKeys } from './tail-keys.ts';

/** Committed entries of one range, as Shard.apply takes them. */
export interface ApplyRequest {
  readonly range: RangeId;
  readonly entries: Uint8Array;
  readonly lastIndex: number;
}

/** The one writer of an engine. */
export class Applier {
  entriesApplied = 0;
  bytesApplied = 0;
  private readonly engine: Engine;
  readonly records: RangeRecords;
  private readonly tails = new TailKeys();
  private readonly command = new CommandReader();
  private busy = false;

  private constructor(engine: Engine, records: RangeRecords) {
    this.engine = engine;
    this.records = records;
  }

  static async open(engine: Engine): Promise<Applier> {
    return new Applier(engine, await RangeRecords.load(engine));
  }

  /** What the engine held of each range when it was opened. */
  openedRanges(): AppliedRange[] {
    return this.records.takeLoaded();
  }

  /** What the engine holds of each range, whether it survives power loss or not; without records. */
  appliedRanges(): AppliedRange[] {
    return this.records.all();
  }

  /** Someone else wrote versions. */
  forgetTails(): void {
    this.tails.clear();
  }

  /** In order. An error leaves the engine at some entry before the last; nothing may be applied after it. */
  async apply(requests: readonly ApplyRequest[]): Promise<void> {
    assert(!this.busy, 'one apply at a time');
    this.busy = true;
    const batch = new VersionBatch();
    for (const request of requests) {
      const reader = new ByteReader(request.entries);
      let previous = this.records.appliedIndex(request.range);
      while (reader.remaining > 0) {
        const index = reader.u53();
        const payload = reader.block();
        if (index <= previous) continue;
        previous = index;
        this.entriesApplied++;
        this.bytesApplied += payload.length;
        const { command } = this;
        command.start(payload);
        if (command.kind === COMMAND_RECORDS) {
          await this.addRecords(batch);
          if (command.startWrites()) while (command.nextWrite()) batch.add(command);
        } else if (command.kind === COMMAND_WRITES) {
          while (command.nextWrite()) batch.add(command);
        } else if (command.kind === COMMAND_CLEAR) {
          // A clear reads what lies around its span, so what came before it must be there.
          await this.write(batch);
          const { latest, history } = await storedSpan(this.engine, command.clearedSpan());
          batch.ops.push(
            { kind: 'deleteSpan', span: latest },
            { kind: 'deleteSpan', span: history },
          );
        }
        batch.applied.set(request.range, index);
        if (command.kind === COMMAND_CLEAR) await this.write(batch);
      }
      assert(previous >= request.lastIndex, 'an apply ends before its last index');
    }
    await this.write(batch);
    this.busy = false;
  }

  private async addRecords(batch: VersionBatch): Promise<void> {
    for (let one = this.command.nextRecord(); one !== undefined; one = this.command.nextRecord()) {
      const { op, range, name, value, number } = one;
      switch (op) {
        case RECORD_PUT:
          batch.ops.push(putRecordOp(range, name, value));
          break;
        case RECORD_DELETE:
          batch.ops.push(deleteRecordOp(range, name));
          break;
        case RECORD_APPLIED:
          batch.forgotten.delete(range);
          batch.applied.set(range, number);
          break;
        case RECORD_COPY:
          // It reads what the engine has, so what came before it must be there.
          await this.write(batch);
          batch.ops.push(...(await copyRecords(this.engine, range, name, number)));
          break;
        default:
          batch.ops.push(...forgetOps(range));
          batch.applied.delete(range);
          batch.forgotten.add(range);
      }
    }
  }

  private async write(batch: VersionBatch): Promise<void> {
    if (batch.isEmpty) return;
    await batch.finish(this.engine, this.tails);
    for (const [range, index] of batch.applied) {
      batch.ops.push(appliedOp(range, index));
    }
    await this.engine.write(batch.ops);
    this.tails.settle();
    for (const [range, index] of batch.applied) this.records.advance(range, index);
    for (const range of batch.forgotten) this.records.forget(range);
    batch.reset();
  }
}

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

/** The writes of several commands, on their way to become one engine write. */
class VersionBatch {
  /** Filled by finish(); clears put theirs in before. */
  ops: EngineOp[] = [];
  readonly applied = new Map<RangeId, number>();
  /** Ranges of which nothing is kept any more. */
  readonly forgotten = new Set<RangeId>();

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

  /** Looks up what the new versions supersede, and fills ops. */
  async finish(engine: Engine, tails: TailKeys): Promise<void> {
    if (this.keys.length === 0) return;
    await tails.load(engine, this.keys);
    const unsure: number[] = [];
    for (let place = 0; place < this.keys.length; place++) {
      const isTail = tails.extends(this.keys[place] as Uint8Array);
      if (!isTail && !(this.isNew[place] as boolean)) unsure.push(place);
    }
    const stored = await engine.getMany(unsure.map((place) => this.keys[place] as Uint8Array));
    // Rows go through their versions in log order, from the stored one on.
    const last = this.records;
    const current = new Array<Uint8Array | undefined>(last.length);
    for (let i = 0; i < unsure.length; i++) current[unsure[i] as number] = stored[i];
    for (const { place, record } of this.earlier) {
      current[place] = this.succeed(place, current[place], record);
    }
    for (let place = 0; place < last.length; place++) {
      const value = this.succeed(place, current[place], last[place] as Uint8Array);
      this.ops.push({ kind: 'put', key: this.keys[place] as Uint8Array, value });
    }
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
      this.supersede(place, old, before, after);
      return record;
    }
    // Locks make the versions of a row arrive in order. Were one late, it would still be found where it belongs, and
    // kept for longer than need be.
    this.supersede(place, record, after, before);
    return old;
  }

  private supersede(place: number, record: Uint8Array, at: Timestamp, by: Timestamp): void {
    const latest = this.keys[place] as Uint8Array;
    const key = this.arena.take(latest.length + TIMESTAMP_BYTES);
    key.set(latest);
    key[0] = HISTORY_PREFIX;
    writeInverted(key, latest.length, at);
    const value = this.arena.take(record.length);
    value.set(record);
    writeHeader(value, 0, by, headerIsTombstone(record));
    this.ops.push({ kind: 'put', key, value });
  }
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
