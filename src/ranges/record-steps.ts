// What a replica has its shard make of an entry that changes more than rows (a split, a prepare, a change of replicas):
// steps on the named records of ranges, carried out in one atomic step with the applied index, with the rows that the
// entry writes, if any (storage/command-format.ts, kind 5). Every replica computes the same from the same log.
//
// Names: STATE_RECORD (range-state.ts), and by their prefixes those of RECORD_PREFIXES.

import { ByteWriter } from '../base/bytes.ts';
import {
  COMMAND_RECORDS,
  COMMAND_VERSION,
  RECORD_APPLIED,
  RECORD_COPY,
  RECORD_DELETE,
  RECORD_FORGET,
  RECORD_PUT,
} from '../storage/command-format.ts';
import type { RangeId } from '../storage/shard.ts';

export { RECENT_PREFIX } from '../storage/recent-ids.ts';

/** Of a prepared transaction, by its id. */
export const PREPARED_PREFIX = 'p/';
/** Of a transaction that was decided here, by its id. */
export const DECIDED_PREFIX = 'd/';
/** Of a range that this one has taken over, by its id: its log may be there still. */
export const MERGED_PREFIX = 'm/';
export class RecordSteps {
  private readonly copies = new ByteWriter(32);
  private readonly steps = new ByteWriter(256);
  private count = 0;
  private writes: Uint8Array | undefined = undefined;
  /** Nothing is done to the records of this range. */
  private readonly spared: RangeId | undefined;

  constructor(spared?: RangeId) {
    this.spared = spared;
  }

  get isEmpty(): boolean {
    return this.count === 0 && this.writes === undefined;
  }

  put(range: RangeId, name: string, value: Uint8Array): void {
    if (range === this.spared) return;
    this.step(this.steps, RECORD_PUT, range, name);
    this.steps.block(value);
  }

  delete(range: RangeId, name: string): void {
    this.step(this.steps, RECORD_DELETE, range, name);
  }

  /** The range begins with its state as of this index. */
  applied(range: RangeId, index: number): void {
    if (range === this.spared) return;
    this.step(this.steps, RECORD_APPLIED, range, '');
    this.steps.u53(index);
  }

  /** `to` gets the records of `from` whose names begin so, as they are before all other steps. */
  copy(from: RangeId, prefix: string, to: RangeId): void {
    if (to === this.spared) return;
    this.step(this.copies, RECORD_COPY, from, prefix);
    this.copies.u32(to);
  }

  /** Whatever is kept of the range beside its rows goes. */
  forget(range: RangeId): void {
    this.step(this.steps, RECORD_FORGET, range, '');
  }

  /** A packed command of kind COMMAND_WRITES that belongs to the same entry. */
  withWrites(command: Uint8Array): void {
    this.writes = command;
  }

  /** For ApplyPump.push. */
  command(): Uint8Array {
    const { copies, steps, writes } = this;
    const writer = new ByteWriter(6 + copies.length + steps.length + (writes?.length ?? 0));
    writer.u8(COMMAND_VERSION);
    writer.u8(COMMAND_RECORDS);
    writer.u32(this.count);
    writer.raw(copies.peek());
    writer.raw(steps.peek());
    if (writes !== undefined) writer.raw(writes);
    return writer.take();
  }

  private step(writer: ByteWriter, op: number, range: RangeId, name: string): void {
    this.count++;
    writer.u8(op);
    writer.u32(range);
    writer.text(name);
  }
}
