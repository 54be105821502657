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
const STEPS_BYTES = 256;
const BYTES_KEPT_MAX = 64 * 1024;

/** For command(), which is over before anybody else calls it: buffers of their own cost more than all that is written
 * into them (bench: two-phase-commit). */
let whole = new ByteWriter(STEPS_BYTES);

export class RecordSteps {
  private copies: ByteWriter | undefined = undefined;
  private steps = new ByteWriter(STEPS_BYTES);
  private count = 0;
  private writes: Uint8Array | undefined = undefined;
  /** Nothing is done to the records of this range. */
  private readonly spared: RangeId | undefined;

  constructor(spared?: RangeId) {
    this.spared = spared;
  }

  /** As new. */
  reset(): void {
    this.copies = undefined;
    if (this.steps.bytes.length > BYTES_KEPT_MAX) this.steps = new ByteWriter(STEPS_BYTES);
    else this.steps.reset();
    this.count = 0;
    this.writes = undefined;
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
    this.copies ??= new ByteWriter(STEPS_BYTES);
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
    whole.reset();
    whole.u8(COMMAND_VERSION);
    whole.u8(COMMAND_RECORDS);
    whole.u32(this.count);
    if (copies !== undefined) whole.raw(copies.peek());
    whole.raw(steps.peek());
    if (writes !== undefined) whole.raw(writes);
    const command = whole.take();
    if (whole.bytes.length > BYTES_KEPT_MAX) whole = new ByteWriter(STEPS_BYTES);
    return command;
  }

  private step(writer: ByteWriter, op: number, range: RangeId, name: string): void {
    this.count++;
    writer.u8(op);
    writer.u32(range);
    writer.text(name);
  }
}
