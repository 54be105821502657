// FOR UPDATE SKIP LOCKED over a span. Nothing but single rows can be skipped, so the span itself is not locked: what it
// holds at present is read without locks, each row that the program would take is then locked if that can be done at
// once, and read anew under its lock. With a limit no more rows are locked than are still wanted.

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { Maybe } from '../base/maybe.ts';
import type { RowScan, ScanBatch } from '../ranges/api.ts';
import type { ProgramRun } from './overlay-scan.ts';

/** Without a limit so many rows are locked at a time. */
const LOCKED_AT_ONCE = 256;

export interface SkipLockedParts {
  /** Keys and whole rows. */
  readonly stored: RowScan;
  /** The scan's program without its limit: what it would take. */
  readonly probe: ProgramRun;
  /** 0: no limit. */
  readonly limitRows: number;
  /** Newest rows; undefined: locked by another, or not there any more. */
  lock(keys: readonly Uint8Array[]): Maybe<readonly (Uint8Array | undefined)[]>;
}

/** Rows come out whole, as they went in: whoever asked runs the program over them. */
export class SkipLockedScan implements RowScan {
  private readonly parts: SkipLockedParts;
  /** Would be taken, and are not locked yet: those from `next` on. */
  private wanted: Uint8Array[] = [];
  private nextWanted = 0;
  private isRead = false;
  private given = 0;

  constructor(parts: SkipLockedParts) {
    this.parts = parts;
  }

  async next(): Promise<ScanBatch | undefined> {
    const { limitRows } = this.parts;
    for (;;) {
      if (this.nextWanted >= this.wanted.length && !(await this.readMore())) return undefined;
      const most = limitRows === 0 ? LOCKED_AT_ONCE : Math.max(1, limitRows - this.given);
      const until = Math.min(this.nextWanted + Math.min(most, LOCKED_AT_ONCE), this.wanted.length);
      const keys = this.wanted.slice(this.nextWanted, until);
      this.nextWanted = until;
      const rows = await this.parts.lock(keys);
      const writer = new ByteWriter(1024);
      let rowCount = 0;
      for (let i = 0; i < keys.length; i++) {
        const row = rows[i];
        if (row === undefined) continue;
        writer.block(keys[i] as Uint8Array);
        writer.block(row);
        rowCount++;
      }
      this.given += rowCount;
      if (rowCount > 0) return { rows: writer.take(), rowCount };
    }
  }

  close(): void {
    this.isRead = true;
    this.parts.stored.close();
  }

  /** False: there is nothing more. */
  private async readMore(): Promise<boolean> {
    const { stored, probe } = this.parts;
    this.wanted = [];
    this.nextWanted = 0;
    while (!this.isRead && this.wanted.length === 0) {
      const batch = await stored.next();
      if (batch === undefined) {
        this.isRead = true;
        break;
      }
      const reader = new ByteReader(batch.rows);
      while (reader.remaining > 0) {
        const key = reader.block();
        const row = reader.block();
        probe.add(key, row, 0, row.length);
        // Of another batch's bytes: it is kept as a lock.
        if (probe.take() !== undefined) this.wanted.push(key.slice());
      }
    }
    return this.wanted.length > 0;
  }
}
