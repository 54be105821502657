// A scan of a span into which the transaction has written: the stored rows come whole, are merged with the buffered
// writes, and then go through the scan's program on this side.

import { ByteReader, compareBytes } from '../base/bytes.ts';
import type { RowScan, ScanBatch, Write } from '../ranges/api.ts';

/** One run of a packed scan program over rows in key order. The rows room has it; it is handed in, as transactions do
 * not know what is in a row. */
export interface ProgramRun {
  /** False: nothing more is wanted, its limit is reached. */
  add(key: Uint8Array, row: Uint8Array, start: number, end: number): boolean;
  /** What it has put out since the last call; undefined when that is nothing. */
  take(): ScanBatch | undefined;
  /** After the last row: the rest, such as the groups of an aggregate. */
  finish(): ScanBatch | undefined;
}

/** Program undefined: keys and whole rows. `limitRows` 0: no limit. */
export type RunProgram = (
  program: Uint8Array | undefined,
  parameters: Uint8Array | undefined,
  limitRows: number,
) => ProgramRun;

export class OverlayScan implements RowScan {
  private readonly stored: RowScan;
  /** In the order of the scan. */
  private readonly own: readonly Write[];
  private readonly reverse: boolean;
  private readonly run: ProgramRun;
  private nextOwn = 0;
  private isOver = false;

  constructor(stored: RowScan, own: readonly Write[], reverse: boolean, run: ProgramRun) {
    this.stored = stored;
    this.own = own;
    this.reverse = reverse;
    this.run = run;
  }

  async next(): Promise<ScanBatch | undefined> {
    while (!this.isOver) {
      const batch = await this.stored.next();
      const wantsMore = batch === undefined ? this.addOwnRows() : this.addStored(batch);
      if (batch !== undefined && wantsMore) {
        const rows = this.run.take();
        if (rows !== undefined) return rows;
        continue;
      }
      this.close();
      return this.run.finish();
    }
    return undefined;
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.stored.close();
  }

  private addStored(batch: ScanBatch): boolean {
    const reader = new ByteReader(batch.rows);
    while (reader.remaining > 0) {
      const key = reader.block();
      const row = reader.block();
      let isReplaced = false;
      for (; this.nextOwn < this.own.length; this.nextOwn++) {
        const write = this.own[this.nextOwn] as Write;
        const order = this.reverse ? compareBytes(key, write.key) : compareBytes(write.key, key);
        if (order > 0) break;
        if (order === 0) isReplaced = true;
        if (!this.addOwn(write)) return false;
      }
      if (!isReplaced && !this.run.add(key, row, 0, row.length)) return false;
    }
    return true;
  }

  private addOwnRows(): boolean {
    for (; this.nextOwn < this.own.length; this.nextOwn++) {
      if (!this.addOwn(this.own[this.nextOwn] as Write)) return false;
    }
    return true;
  }

  /** A delete adds nothing. */
  private addOwn({ key, value }: Write): boolean {
    return value === undefined || this.run.add(key, value, 0, value.length);
  }
}
