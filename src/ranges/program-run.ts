// Scan programs run on this side of the shard: what transactions need for spans that they have written into
// (txn/overlay-scan.ts has the interface; assembly hands this in, as transactions know neither rows nor ranges).

import { PackedRowWriter } from '../rows/packed-rows.ts';
import { decodeParameters, decodeProgram, ProgramRunner } from '../rows/program.ts';
import type { ScanBatch } from './api.ts';

/** `program` undefined puts out keys and whole rows; `limitRows` 0 is no limit. */
export function runProgram(
  program: Uint8Array | undefined,
  parameters: Uint8Array | undefined,
  limitRows: number,
): ProgramRun {
  const out = new PackedRowWriter();
  if (program === undefined) return new ProgramRun(out, undefined, limitRows);
  const params = parameters === undefined ? [] : decodeParameters(parameters);
  return new ProgramRun(out, new ProgramRunner(decodeProgram(program), params, out), limitRows);
}

class ProgramRun {
  private readonly out: PackedRowWriter;
  private readonly runner: ProgramRunner | undefined;
  private rowsLeft: number;

  constructor(out: PackedRowWriter, runner: ProgramRunner | undefined, limitRows: number) {
    this.out = out;
    this.runner = runner;
    this.rowsLeft = limitRows === 0 ? Number.POSITIVE_INFINITY : limitRows;
  }

  /** False: the limit is reached. */
  add(key: Uint8Array, row: Uint8Array, start: number, end: number): boolean {
    if (this.runner === undefined) this.out.add(key, 0, key.length, row, start, end);
    else if (!this.runner.add(key, row, start, end)) return true;
    return --this.rowsLeft > 0;
  }

  /** What was put out since the last call. */
  take(): ScanBatch | undefined {
    const { out } = this;
    if (out.rowCount === 0) return undefined;
    const { rowCount } = out;
    return { rows: out.take(), rowCount };
  }

  /** The rest, after the last row. */
  finish(): ScanBatch | undefined {
    this.runner?.finish();
    return this.take();
  }
}
