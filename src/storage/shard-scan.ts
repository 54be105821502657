// One scan on the shard's side: reads versions, runs the program on them, and hands out batches of packed rows for as
// long as the reader has given credit.

import type { Datum } from '../rows/datum.ts';
import { PackedRowWriter } from '../rows/packed-rows.ts';
import { decodeParameters, ProgramRunner } from '../rows/program.ts';
import type { DecodedPrograms } from './decoded-programs.ts';
import { type RowSink, VersionScan } from './mvcc-scan.ts';
import type { Page } from './page.ts';
import type { RowStore, StoreSnapshot } from './row-store.ts';
import type { ShardScanRequest } from './shard.ts';

/** Read from the engine at once: enough to make the thread hops small beside the work. */
const READ_BYTES_MAX = 64 << 10;
const READ_BYTES_MIN = 8 << 10;
/** Of a row, when a limit says how many are wanted. */
const ASSUMED_ROW_BYTES = 1 << 10;

export interface ScanOutput {
  /** Undefined: it is the last. */
  batch(rows: PackedRowWriter, newest: number, lastKey: Uint8Array | undefined): void;
  failed(error: unknown): void;
  /** Nothing more comes, and the engine has its handles back. */
  ended(): void;
}

export class RunningScan implements RowSink {
  private readonly output: ScanOutput;
  private readonly snapshot: StoreSnapshot;
  private readonly versions: VersionScan;
  private readonly rows: PackedRowWriter;
  /** Undefined: keys and whole rows go out as they are. */
  private readonly runner: ProgramRunner | undefined;
  private readonly batchBytes: number;
  private rowsLeft: number;
  private credits: number;
  private closed = false;
  private running = false;

  /** `rows` is empty, and the scan's until it has ended. Throws when the program can't be decoded: then nothing is held. */
  constructor(
    store: RowStore,
    programs: DecodedPrograms,
    request: ShardScanRequest,
    credits: number,
    output: ScanOutput,
    rows: PackedRowWriter,
  ) {
    this.output = output;
    this.rows = rows;
    this.credits = credits;
    this.batchBytes = request.batchBytes;
    this.rowsLeft = request.limitRows === 0 ? Number.POSITIVE_INFINITY : request.limitRows;
    if (request.program !== undefined) {
      const params: readonly Datum[] =
        request.parameters === undefined ? [] : decodeParameters(request.parameters);
      this.runner = new ProgramRunner(programs.get(request.program), params, this.rows);
    }
    this.snapshot = store.snapshot();
    const wantedBytes = Math.max(READ_BYTES_MIN, this.rowsLeft * ASSUMED_ROW_BYTES);
    this.versions = new VersionScan(
      this.snapshot,
      request.span,
      request.at,
      request.reverse,
      Math.min(READ_BYTES_MAX, this.batchBytes, wantedBytes),
    );
  }

  addCredit(credits: number): void {
    this.credits += credits;
    this.run();
  }

  /** The reader wants no more. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (!this.running) void this.release();
  }

  /** Goes on until the credit is used up. */
  run(): void {
    if (this.running || this.closed || this.credits === 0) return;
    this.running = true;
    void this.produce();
  }

  get isDone(): boolean {
    return this.rowsLeft <= 0;
  }

  add(key: Uint8Array, row: Uint8Array, start: number): boolean {
    if (this.runner === undefined) {
      this.rows.add(key, 1, key.length, row, start, row.length);
    } else if (!this.runner.add(key, row, start, row.length, 1)) {
      return true;
    }
    this.rowsLeft--;
    return this.rowsLeft > 0;
  }

  addPage(page: Page, picked: Int32Array, from: number, to: number): number {
    const { rows, runner } = this;
    const before = rows.rowCount;
    let taken: number;
    if (runner === undefined) {
      const end = Math.min(to, from + this.rowsLeft);
      let k = from;
      while (k < end && rows.byteLength < this.batchBytes)
        rows.addFrom(page, picked[k++] as number);
      taken = k - from;
    } else {
      taken = runner.addRun(page, picked, from, to, this.rowsLeft, this.batchBytes);
    }
    if (runner?.isAggregate !== true) this.rowsLeft -= rows.rowCount - before;
    return taken;
  }

  /** Never rejects. */
  private async produce(): Promise<void> {
    try {
      while (this.credits > 0 && !this.closed) await this.nextBatch();
    } catch (error) {
      if (!this.closed) this.output.failed(error);
      this.closed = true;
    }
    this.running = false;
    if (this.closed) await this.release();
  }

  private async nextBatch(): Promise<void> {
    let more = true;
    while (more && this.rows.byteLength < this.batchBytes) {
      more = await this.versions.step(this);
      if (this.closed) return;
    }
    // Groups too: whoever goes on after the last key must miss nothing of what came before it.
    this.runner?.finish();
    this.credits--;
    this.output.batch(this.rows, this.versions.newest, more ? this.versions.lastKey() : undefined);
    this.rows.reset();
    this.closed = !more;
  }

  private async release(): Promise<void> {
    try {
      await this.versions.close();
    } catch (error) {
      this.output.failed(error);
    } finally {
      this.snapshot.reader.release();
      this.output.ended();
    }
  }
}
