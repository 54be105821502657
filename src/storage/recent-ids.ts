// Which transactions wrote lately, kept beside the rows that they wrote (P20): an attempt that is sent again after a
// restart is known, though its entry is not in the log any more. One record for each range and engine write, named by
// the range and the last entry in it: [u53 latest deadline][u32 count], then count times [16 bytes id][u53 timestamp]. It goes once
// what is written is later than its deadlines by so much that no clock can doubt it.

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { MAX_TIMESTAMP } from '../clock/timestamp.ts';
import type { CommandReader } from './command-format.ts';
import type { EngineOp } from './engine.ts';
import { deleteRecordOp, putRecordOp } from './range-records.ts';
import type { RangeId } from './shard.ts';

export const RECENT_PREFIX = 'r/';

/** Far more than clocks may differ, and timestamps run ahead of them. */
const KEPT_MICROS = 30_000_000;
/** In one engine write: what is left over goes with the next. */
const DELETED_AT_ONCE_MAX = 64;

class RangeIds {
  /** Of the engine write that is being made. */
  readonly ids: ByteWriter = new ByteWriter(256);
  count = 0;
  lastIndex = 0;
  latestDeadline = 0;
  /** The latest deadline in each, by name: who split and merged has heard of the same more than once. About the oldest
   * first. */
  readonly kept: Map<string, number> = new Map();
}

export class RecentIds {
  private readonly ranges = new Map<RangeId, RangeIds>();
  private readonly noted = new Set<RangeId>();
  /** The greatest that was written. */
  private newest = 0;

  /** Of a record that was there when the engine was opened. */
  learn(range: RangeId, name: string, record: Uint8Array): void {
    if (!name.startsWith(RECENT_PREFIX)) return;
    this.of(range).kept.set(name, new ByteReader(record).u53());
  }

  /** A command of kind COMMAND_WRITES at its first write. */
  note(range: RangeId, index: number, command: CommandReader): void {
    const { timestamp, deadline, txnId } = command;
    if (timestamp > this.newest) this.newest = timestamp;
    // Outside any transaction: nobody sends it again.
    if (deadline === MAX_TIMESTAMP) return;
    const ids = this.of(range);
    this.noted.add(range);
    ids.ids.raw(txnId);
    ids.ids.u53(timestamp);
    ids.count++;
    ids.lastIndex = index;
    if (deadline > ids.latestDeadline) ids.latestDeadline = deadline;
  }

  /** To be written in the same step as what was noted. */
  addOps(ops: EngineOp[]): void {
    for (const range of this.noted) {
      const ids = this.of(range);
      // A split or merge brings what other ranges have kept, with indexes of theirs.
      const name = `${RECENT_PREFIX}${range}/${ids.lastIndex}`;
      const record = new ByteWriter(12 + ids.ids.length);
      record.u53(ids.latestDeadline);
      record.u32(ids.count);
      record.raw(ids.ids.peek());
      ops.push(putRecordOp(range, name, record.take()));
      ids.kept.set(name, ids.latestDeadline);
      ids.ids.reset();
      ids.count = 0;
      ids.latestDeadline = 0;
      this.dropOld(range, ids, ops);
    }
    this.noted.clear();
  }

  /** Records of one range were written for another too. */
  copied(from: RangeId, prefix: string, to: RangeId): void {
    const known = this.ranges.get(from)?.kept;
    if (prefix !== RECENT_PREFIX || known === undefined) return;
    const { kept } = this.of(to);
    for (const [name, latestDeadline] of known) kept.set(name, latestDeadline);
  }

  forget(range: RangeId): void {
    this.ranges.delete(range);
    this.noted.delete(range);
  }

  private dropOld(range: RangeId, { kept }: RangeIds, ops: EngineOp[]): void {
    let dropped = 0;
    for (const [name, latestDeadline] of kept) {
      if (latestDeadline + KEPT_MICROS >= this.newest || dropped === DELETED_AT_ONCE_MAX) break;
      ops.push(deleteRecordOp(range, name));
      kept.delete(name);
      dropped++;
    }
  }

  private of(range: RangeId): RangeIds {
    let ids = this.ranges.get(range);
    if (ids === undefined) this.ranges.set(range, (ids = new RangeIds()));
    return ids;
  }
}
