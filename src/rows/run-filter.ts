// Filters over runs of packed rows: each condition of a conjunction goes over a whole chunk of rows and leaves those for
// which it is true. Comparisons of a numeric or text column with a constant or a parameter are loops of their own; every
// other condition is asked row by row.

import { utf8 } from '../base/bytes.ts';
import {
  type ColumnOperand,
  columnOperand,
  compilePackedPredicate,
  type PackedPredicate,
} from './compile-packed.ts';
import type { Datum } from './datum.ts';
import type { CompareOp, Expr } from './expr.ts';
import { RowView } from './row-codec.ts';
import { type RowLayout, storedForm } from './row-layout.ts';
import type { RowRun } from './row-run.ts';
import { CHUNK_ROWS, ColumnPlace, isNumberForm, RunValues } from './run-values.ts';
import { BPCHAR, TEXT, VARCHAR } from './types.ts';

/** Leaves in `kept` the rows of picked[from...to), at most CHUNK_ROWS, for which it is true; answers how many. `kept` may
 * be `picked` itself, from 0 on. */
interface Condition {
  keep(run: RowRun, picked: Int32Array, from: number, to: number, kept: Int32Array): number;
}

export class RunFilter {
  readonly kept: Int32Array = new Int32Array(CHUNK_ROWS);
  /** Rows beyond those that are wanted may be looked at: no condition can fail. */
  readonly isSafe: boolean;
  private readonly conditions: readonly Condition[];

  constructor(filter: Expr, layout: RowLayout, params: readonly Datum[]) {
    const parts = conjuncts(filter);
    this.conditions = parts.map((part) => {
      return fastCondition(part, layout, params) ?? new AskedCondition(part, layout, params);
    });
    this.isSafe = this.conditions.every((condition) => !(condition instanceof AskedCondition));
  }

  /** Of rows picked[from...to), at most CHUNK_ROWS: how many are in `kept` now. */
  keep(run: RowRun, picked: Int32Array, from: number, to: number): number {
    const { kept, conditions } = this;
    let count = (conditions[0] as Condition).keep(run, picked, from, to, kept);
    for (let i = 1; i < conditions.length; i++) {
      count = (conditions[i] as Condition).keep(run, kept, 0, count, kept);
    }
    return count;
  }
}

function conjuncts(expr: Expr): readonly Expr[] {
  return expr.kind === 'and' && expr.args.length > 0 ? expr.args.flatMap(conjuncts) : [expr];
}

function fastCondition(
  expr: Expr,
  layout: RowLayout,
  params: readonly Datum[],
): Condition | undefined {
  const found = columnOperand(expr);
  if (found === undefined) return undefined;
  const { other } = found;
  const wanted = other.kind === 'constant' ? other.value : (params[other.index] as Datum);
  const stored = storedForm(found.column.type.oid);
  if (stored !== storedForm((layout.types[found.column.index] as { oid: number }).oid))
    return undefined;
  if (wanted === null) return new NothingCondition();
  if (isNumberForm(stored)) {
    if (typeof wanted !== 'number' || Number.isNaN(wanted)) return undefined;
    return new NumberCondition(expr, found, layout, wanted, params);
  }
  const { oid } = found.column.type;
  if ((oid === TEXT || oid === VARCHAR || oid === BPCHAR) && typeof wanted === 'string') {
    return new TextCondition(expr, found, layout, wanted, params);
  }
  return undefined;
}

/** A comparison with NULL. */
class NothingCondition implements Condition {
  keep(): number {
    return 0;
  }
}

/** Any condition. */
class AskedCondition implements Condition {
  private readonly predicate: PackedPredicate;
  private readonly layout: RowLayout;
  private readonly params: readonly Datum[];
  private readonly view = new RowView();

  constructor(expr: Expr, layout: RowLayout, params: readonly Datum[]) {
    this.predicate = compilePackedPredicate(expr);
    this.layout = layout;
    this.params = params;
  }

  keep(run: RowRun, picked: Int32Array, from: number, to: number, kept: Int32Array): number {
    let count = 0;
    for (let k = from; k < to; k++) {
      const row = picked[k] as number;
      if (this.holds(run, row)) kept[count++] = row;
    }
    return count;
  }

  holds(run: RowRun, row: number): boolean {
    const start = run.bounds[row] as number;
    this.view.reset(this.layout, run.bytes, start, (run.bounds[row + 1] as number) - start);
    return this.predicate(this.view, this.params);
  }
}

class NumberCondition implements Condition {
  private readonly values: RunValues;
  private readonly op: CompareOp;
  private readonly wanted: number;
  private readonly asked: AskedCondition;

  constructor(
    expr: Expr,
    operand: ColumnOperand,
    layout: RowLayout,
    wanted: number,
    params: readonly Datum[],
  ) {
    this.values = new RunValues(layout, operand.column.index);
    this.op = operand.op;
    this.wanted = wanted;
    this.asked = new AskedCondition(expr, layout, params);
  }

  keep(run: RowRun, picked: Int32Array, from: number, to: number, kept: Int32Array): number {
    const { wanted } = this;
    const count = this.values.read(run, picked, from, to);
    if (count < 0) return this.asked.keep(run, picked, from, to, kept);
    const { values, rows } = this.values;
    let n = 0;
    switch (this.op) {
      case '=':
        for (let k = 0; k < count; k++) if (values[k] === wanted) kept[n++] = rows[k] as number;
        return n;
      case '<>':
        for (let k = 0; k < count; k++) if (values[k] !== wanted) kept[n++] = rows[k] as number;
        return n;
      case '<':
        for (let k = 0; k < count; k++)
          if ((values[k] as number) < wanted) kept[n++] = rows[k] as number;
        return n;
      case '<=':
        for (let k = 0; k < count; k++)
          if ((values[k] as number) <= wanted) kept[n++] = rows[k] as number;
        return n;
      case '>':
        for (let k = 0; k < count; k++)
          if ((values[k] as number) > wanted) kept[n++] = rows[k] as number;
        return n;
      case '>=':
        for (let k = 0; k < count; k++)
          if ((values[k] as number) >= wanted) kept[n++] = rows[k] as number;
        return n;
    }
  }
}

/** The order of texts is that of their UTF-8. */
class TextCondition implements Condition {
  private readonly place: ColumnPlace;
  private readonly wanted: Uint8Array;
  private readonly isEquality: boolean;
  /** Whether the condition is true of a text below the wanted one, of an equal one, of one above it. */
  private readonly below: boolean;
  private readonly equal: boolean;
  private readonly above: boolean;
  private readonly asked: AskedCondition;

  constructor(
    expr: Expr,
    operand: ColumnOperand,
    layout: RowLayout,
    wanted: string,
    params: readonly Datum[],
  ) {
    const { op } = operand;
    this.place = new ColumnPlace(layout, operand.column.index);
    this.wanted = utf8(wanted);
    this.isEquality = op === '=' || op === '<>';
    this.below = op === '<' || op === '<=' || op === '<>';
    this.equal = op === '=' || op === '<=' || op === '>=';
    this.above = op === '>' || op === '>=' || op === '<>';
    this.asked = new AskedCondition(expr, layout, params);
  }

  keep(run: RowRun, picked: Int32Array, from: number, to: number, kept: Int32Array): number {
    const { bytes, bounds, view } = run;
    const { place, wanted, isEquality, below, equal, above } = this;
    const { plainHead, nullsHead, bitmapAt, bit, isFirstVariable } = place;
    let n = 0;
    for (let k = from; k < to; k++) {
      const row = picked[k] as number;
      const at = bounds[row] as number;
      const head = view.getUint16(at, true) | ((bytes[at + 2] as number) << 16);
      let dataAt: number;
      let endsAt: number;
      if (head === plainHead) {
        dataAt = at + place.plainAt;
        endsAt = at + place.plainEndsAt;
      } else if (head === nullsHead) {
        if ((((bytes[at + bitmapAt] as number) >> bit) & 1) === 1) continue;
        dataAt = at + place.nullsAt;
        endsAt = at + place.nullsEndsAt;
      } else {
        if (this.asked.holds(run, row)) kept[n++] = row;
        continue;
      }
      const end = dataAt + view.getUint16(endsAt, true);
      const start = isFirstVariable ? dataAt : dataAt + view.getUint16(endsAt - 2, true);
      const length = end - start;
      let holds: boolean;
      if (isEquality && length !== wanted.length) {
        holds = below;
      } else {
        const shared = length < wanted.length ? length : wanted.length;
        let order = length - wanted.length;
        for (let i = 0; i < shared; i++) {
          const difference = (bytes[start + i] as number) - (wanted[i] as number);
          if (difference !== 0) {
            order = difference;
            break;
          }
        }
        holds = order === 0 ? equal : order < 0 ? below : above;
      }
      if (holds) kept[n++] = row;
    }
    return n;
  }
}
