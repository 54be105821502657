// Scan programs: what a shard does with the rows of a scan before they travel. Filter, then either keep rows (whole or
// some columns) or aggregate them into partial states, which whoever asked merges (HashAggregation.merge, with rows of
// programOutputLayout).

import type { Datum } from './datum.ts';
import { compilePackedPredicate, type PackedPredicate } from './compile-packed.ts';
import { HashAggregation } from './hash-aggregation.ts';
import { PackedRowWriter } from './packed-rows.ts';
import { encodeRowInto, layoutOf, type RowLayout, RowView } from './row-codec.ts';
import type { RowRun } from './row-run.ts';
import { RunAggregation } from './run-aggregation.ts';
import { RunFilter } from './run-filter.ts';
import { CHUNK_ROWS } from './run-values.ts';
import { projectRow } from './row-projection.ts';
import type { ScanProgram } from './scan-program.ts';

export {
  decodeParameters,
  decodeProgram,
  encodeParameters,
  encodeProgram,
} from './program-codec.ts';
export type { ScanProgram } from './scan-program.ts';

/** How the program's output rows are to be read. */
export function programOutputLayout(program: ScanProgram): RowLayout {
  const { output, layout } = program;
  if (output.kind === 'aggregate') {
    return new HashAggregation(output.groupBy, output.aggregates).partialLayout;
  }
  if (output.columns === undefined) return layout;
  return layoutOf(
    output.columns.map((column) => layout.types[column] as RowLayout['types'][number]),
  );
}

/** How far a scan is in picked[from...to) when it has taken `taken` of the `count` rows that a filter kept of them. */
function rowsUpTo(
  picked: Int32Array,
  from: number,
  to: number,
  kept: Int32Array,
  taken: number,
  count: number,
): number {
  if (taken === count) return to;
  const next = kept[taken] as number;
  let at = from;
  while (picked[at] !== next) at++;
  return at;
}

/** Above so many groups a shard hands out what it has and starts over: partial states merge on the other side. */
const SHARD_GROUPS_MAX = 100_000;
const NO_KEY = new Uint8Array(0);

interface RunParts {
  readonly filter: RunFilter | undefined;
  readonly aggregation: RunAggregation | undefined;
}

export class ProgramRunner {
  /** Output rows so far are in here; whoever runs the program takes batches out of it between rows. */
  readonly out: PackedRowWriter;
  private readonly program: ScanProgram;
  private readonly params: readonly Datum[];
  private readonly filter: PackedPredicate | undefined;
  private readonly aggregation: HashAggregation | undefined;
  private readonly withKeys: boolean;
  private readonly columns: readonly number[] | undefined;
  private readonly outputLayout: RowLayout;
  private readonly view = new RowView();
  /** What takes runs; made for the first one. */
  private runParts: RunParts | undefined;

  constructor(
    program: ScanProgram,
    params: readonly Datum[],
    out: PackedRowWriter = new PackedRowWriter(),
  ) {
    const { output } = program;
    this.program = program;
    this.params = params;
    this.out = out;
    this.filter = program.filter === undefined ? undefined : compilePackedPredicate(program.filter);
    this.aggregation =
      output.kind === 'aggregate'
        ? new HashAggregation(output.groupBy, output.aggregates)
        : undefined;
    this.withKeys = output.kind === 'rows' && output.withKeys;
    this.columns = output.kind === 'rows' ? output.columns : undefined;
    this.outputLayout = this.aggregation?.partialLayout ?? programOutputLayout(program);
  }

  /** One row, at [start, end) of `bytes`, its key at [keyStart, keyEnd) of `key`. True when it became an output row:
   * what a scan's limit counts. */
  add(
    key: Uint8Array,
    bytes: Uint8Array,
    start: number,
    end: number,
    keyStart = 0,
    keyEnd: number = key.length,
  ): boolean {
    const { view, out } = this;
    view.reset(this.program.layout, bytes, start, end - start);
    if (this.filter !== undefined && !this.filter(view, this.params)) return false;
    if (this.aggregation !== undefined) {
      this.aggregation.step(view, this.params);
      if (this.aggregation.groupCount >= SHARD_GROUPS_MAX) this.flushGroups();
      return false;
    }
    if (!this.withKeys) out.begin(NO_KEY, 0, 0);
    else out.begin(key, keyStart, keyEnd);
    if (this.columns === undefined) out.append(bytes, start, end);
    else projectRow(view, this.columns, this.outputLayout, out.writer);
    out.end();
    return true;
  }

  get isAggregate(): boolean {
    return this.aggregation !== undefined;
  }

  /**
   * Rows picked[from...to) of a run, in that order. Answers how many it has seen to: it stops behind the row that was
   * the `rowsMax`th to become an output row, and behind the one with which `out` has reached `bytesMax`.
   */
  addRun(
    run: RowRun,
    picked: Int32Array,
    from: number,
    to: number,
    rowsMax: number,
    bytesMax: number,
  ): number {
    const { filter } = this.runs;
    const limit = this.isAggregate ? Number.POSITIVE_INFINITY : this.out.rowCount + rowsMax;
    for (let at = from; at < to; ) {
      // Where a condition may fail, it must not look beyond the row that ends the scan.
      const room = filter?.isSafe === false ? limit - this.out.rowCount : CHUNK_ROWS;
      const end = Math.min(to, at + Math.min(CHUNK_ROWS, room));
      if (filter === undefined) {
        const taken = this.takeRows(run, picked, at, end, limit, bytesMax);
        if (taken < end) return taken - from;
      } else {
        const count = filter.keep(run, picked, at, end);
        const taken = this.takeRows(run, filter.kept, 0, count, limit, bytesMax);
        if (taken < count || this.out.rowCount >= limit || this.out.byteLength >= bytesMax) {
          return rowsUpTo(picked, at, end, filter.kept, taken, count) - from;
        }
      }
      at = end;
    }
    return to - from;
  }

  /** Of rows that passed the filter; answers where it stopped. */
  private takeRows(
    run: RowRun,
    picked: Int32Array,
    from: number,
    to: number,
    limit: number,
    bytesMax: number,
  ): number {
    const { out, withKeys, columns, view } = this;
    const { aggregation } = this.runs;
    if (aggregation !== undefined) {
      aggregation.step(run, picked, from, to);
      if ((this.aggregation?.groupCount ?? 0) >= SHARD_GROUPS_MAX) this.flushGroups();
      return to;
    }
    const { bytes, bounds } = run;
    const { layout } = this.program;
    for (let k = from; k < to; k++) {
      if (out.rowCount >= limit || out.byteLength >= bytesMax) return k;
      const row = picked[k] as number;
      const start = bounds[row] as number;
      const end = bounds[row + 1] as number;
      if (withKeys) out.beginFrom(run, row);
      else out.begin(NO_KEY, 0, 0);
      if (columns === undefined) {
        out.append(bytes, start, end);
      } else {
        view.reset(layout, bytes, start, end - start);
        projectRow(view, columns, this.outputLayout, out.writer);
      }
      out.end();
    }
    return to;
  }

  private get runs(): RunParts {
    if (this.runParts === undefined) {
      const { program, params, aggregation } = this;
      const { filter, layout } = program;
      this.runParts = {
        filter: filter === undefined ? undefined : new RunFilter(filter, layout, params),
        aggregation: aggregation && new RunAggregation(aggregation, layout, params),
      };
    }
    return this.runParts;
  }

  /** After the last row. */
  finish(): void {
    if (this.aggregation !== undefined) this.flushGroups();
  }

  private flushGroups(): void {
    const { out } = this;
    this.aggregation?.takePartials((values) => {
      out.begin(NO_KEY, 0, 0);
      encodeRowInto(this.outputLayout, values, out.writer);
      out.end();
    });
  }
}
