// Applies committed entries: packed commands become versions (mvcc.ts), in one atomic engine write together with the
// index up to which each range is applied. So after a crash the store is as of some applied index, and replaying the
// log from there gives the same state; entries at or below it are skipped.

import { assert } from '../base/assert.ts';
import { ByteReader } from '../base/bytes.ts';
import {
  COMMAND_CLEAR,
  COMMAND_RECORDS,
  COMMAND_WRITES,
  CommandReader,
  RECORD_APPLIED,
  RECORD_COPY,
  RECORD_DELETE,
  RECORD_PUT,
} from './command-format.ts';
import type { Engine } from './engine.ts';
import { clearSpan } from './clear-span.ts';
import {
  appliedOp,
  copyRecords,
  deleteRecordOp,
  forgetOps,
  putRecordOp,
  RangeRecords,
} from './range-records.ts';
import { RecentIds } from './recent-ids.ts';
import type { AppliedRange, RangeId } from './shard.ts';
import { type PageTuning, RowStore } from './row-store.ts';
import { TailKeys } from './tail-keys.ts';
import { VersionBatch } from './version-batch.ts';

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
  readonly store: RowStore;
  readonly records: RangeRecords;
  private readonly engine: Engine;
  private readonly recent = new RecentIds();
  private readonly tails = new TailKeys();
  private readonly command = new CommandReader();
  private busy = false;

  private constructor(store: RowStore, records: RangeRecords) {
    this.store = store;
    this.engine = store.engine;
    this.records = records;
  }

  static async open(engine: Engine, tuning?: PageTuning, cacheBytes?: number): Promise<Applier> {
    const store = await RowStore.open(engine, tuning, cacheBytes);
    return new Applier(store, await RangeRecords.load(engine));
  }

  /** What the engine held of each range when it was opened. */
  openedRanges(): AppliedRange[] {
    const opened = this.records.takeLoaded();
    for (const { range, records } of opened) {
      for (const [name, record] of records) this.recent.learn(range, name, record);
    }
    return opened;
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
          if (command.startWrites()) {
            this.recent.note(request.range, index, command);
            while (command.nextWrite()) batch.add(command);
          }
        } else if (command.kind === COMMAND_WRITES) {
          this.recent.note(request.range, index, command);
          while (command.nextWrite()) batch.add(command);
        } else if (command.kind === COMMAND_CLEAR) {
          // A clear reads what lies around its span, so what came before it must be there.
          await this.write(batch);
          batch.ops.push(...(await clearSpan(this.store, command.clearedSpan())));
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
          this.recent.copied(range, name, number);
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
    this.recent.addOps(batch.ops);
    const pages = await batch.finish(this.store, this.tails);
    for (const [range, index] of batch.applied) {
      batch.ops.push(appliedOp(range, index));
    }
    await this.engine.write(batch.ops);
    this.store.index.settle();
    for (const page of pages) this.store.index.put(page);
    this.tails.settle();
    for (const [range, index] of batch.applied) this.records.advance(range, index);
    for (const range of batch.forgotten) {
      this.records.forget(range);
      this.recent.forget(range);
    }
    batch.reset();
  }
}
