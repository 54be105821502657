// Runs a scan's program over rows on the main thread: what a transaction has written itself is merged with what is
// stored (txn/overlay-scan.ts), and only then filtered, projected and aggregated, with the code that shards run.

import type { ScanBatch } from '../ranges/api.ts';
import { PackedRowWriter } from '../rows/packed-rows.ts';
import { decodeParameters, decodeProgram, ProgramRunner } from '../rows/program.ts';
import type { ProgramRun } from '../txn/overlay-scan.ts';

export function createProgramRun(
  program: Uint8Array | undefined,
  parameters: Uint8Array | undefined,
  limitRows: number,
): ProgramRun {
  return program === undefined
    ? new WholeRows(limitRows)
    : new ProgramRows(
        new ProgramRunner(
          decodeProgram(program),
          parameters === undefined ? [] : decodeParameters(parameters),
        ),
        limitRows,
      );
}

function taken(writer: PackedRowWriter): ScanBatch | undefined {
  if (writer.rowCount === 0) return undefined;
  const { rowCount } = writer;
  return { rows: writer.take(), rowCount };
}

class ProgramRows implements ProgramRun {
  readonly #runner: ProgramRunner;
  readonly #limitRows: number;
  #count = 0;

  constructor(runner: ProgramRunner, limitRows: number) {
    this.#runner = runner;
    this.#limitRows = limitRows;
  }

  add(key: Uint8Array, row: Uint8Array, start: number, end: number): boolean {
    if (this.#runner.add(key, row, start, end)) this.#count += 1;
    return this.#limitRows === 0 || this.#count < this.#limitRows;
  }

  take(): ScanBatch | undefined {
    return taken(this.#runner.out);
  }

  finish(): ScanBatch | undefined {
    this.#runner.finish();
    return taken(this.#runner.out);
  }
}

class WholeRows implements ProgramRun {
  readonly #out = new PackedRowWriter();
  readonly #limitRows: number;
  #count = 0;

  constructor(limitRows: number) {
    this.#limitRows = limitRows;
  }

  add(key: Uint8Array, row: Uint8Array, start: number, end: number): boolean {
    this.#out.begin(key, 0, key.length);
    this.#out.append(row, start, end);
    this.#out.end();
    this.#count += 1;
    return this.#limitRows === 0 || this.#count < this.#limitRows;
  }

  take(): ScanBatch | undefined {
    return taken(this.#out);
  }

  finish(): ScanBatch | undefined {
    return taken(this.#out);
  }
}
