// Aggregate calls: which there are, what they answer, and their states. A state takes rows (step) or partial states
// (mergePartial), and gives a partial state (writePartial) or the answer (finish).

import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { unsupported } from '../base/errors.ts';
import * as accumulators from './accumulators.ts';
import type { Accumulator } from './accumulators.ts';
import { ArrayList, ArrayStack, JsonList, JsonObjectList } from './accumulators-lists.ts';
import {
  type BitFold,
  BitSums,
  ExactSpread,
  FloatSpread,
  type Regression,
  RegressionSums,
  type Spread,
} from './accumulators-statistics.ts';
import {
  type CompiledExpr,
  type CompiledPredicate,
  compileExpr,
  compilePredicate,
} from './compile.ts';
import { compareDatums, type Datum, hashKey, orderingOf } from './datum.ts';
import { withoutWidening } from './compile-packed.ts';
import type { AggregateCall, AggregateKind, Expr } from './expr.ts';
import { exprType } from './expr-type.ts';
import { decodeRow, encodeRow, layoutOf, type RowAccess, type RowLayout } from './row-codec.ts';
import { storedForm } from './row-layout.ts';
import { isNumberForm } from './run-values.ts';
import {
  BOOL,
  BPCHAR,
  BYTEA,
  type ColumnType,
  columnType,
  DATE,
  elementOf,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  INTERVAL,
  NUMERIC,
  OID,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  VARCHAR,
} from './types.ts';

type ListKind = 'array_agg' | 'json_agg' | 'jsonb_agg' | 'json_object_agg' | 'jsonb_object_agg';

/** Their answer depends on the order in which values come, so that rows can't be aggregated where they are. */
export const ORDER_MATTERS: ReadonlySet<AggregateKind> = new Set<AggregateKind>([
  ...(['string_agg', 'array_agg', 'json_agg', 'jsonb_agg'] as const),
  ...(['json_object_agg', 'jsonb_object_agg'] as const),
]);

export interface AggregateState {
  step(row: RowAccess, params: readonly Datum[]): void;
  /** So many rows at once, of which `values` are the argument's first `count` that are not null. Only where
   * CompiledAggregate.numbers says so. */
  stepNumbers(values: Float64Array, count: number): void;
  /** One such row. */
  stepNumber(value: number): void;
  /** Sets out[at] and what follows: one datum for each of the call's partialTypes. */
  writePartial(out: Datum[], at: number): void;
  /** Columns `at` and following of a row that holds a partial state. */
  mergePartial(row: RowAccess, at: number): void;
  finish(): Datum;
}

/** The answer's type, of the aggregates that SQL has always had; undefined for others, and for types that there is none
 * of (before any implicit cast). */
export function aggregateResultType(
  kind: AggregateKind,
  argTypes: readonly ColumnType[],
): ColumnType | undefined {
  const oid = argTypes[0]?.oid;
  switch (kind) {
    case 'count(*)':
      return argTypes.length === 0 ? columnType(INT8) : undefined;
    case 'count':
      return argTypes.length === 1 ? columnType(INT8) : undefined;
    case 'sum':
      return argTypes.length === 1 ? sumType(oid) : undefined;
    case 'avg':
      if (argTypes.length !== 1) return undefined;
      if (oid === FLOAT4 || oid === FLOAT8) return columnType(FLOAT8);
      return sumType(oid) === undefined ? undefined : columnType(NUMERIC);
    case 'min':
    case 'max':
      return argTypes.length === 1 ? extremeType(oid) : undefined;
    case 'bool_and':
    case 'bool_or':
      return argTypes.length === 1 && oid === BOOL ? columnType(BOOL) : undefined;
    case 'string_agg':
      return argTypes.length === 2 && oid === TEXT ? columnType(TEXT) : undefined;
    default:
      return undefined;
  }
}

function sumType(oid: number | undefined): ColumnType | undefined {
  switch (oid) {
    case INT2:
    case INT4:
      return columnType(INT8);
    case INT8:
    case NUMERIC:
      return columnType(NUMERIC);
    case FLOAT4:
    case FLOAT8:
      return columnType(oid);
    default:
      return undefined;
  }
}

function extremeType(oid: number | undefined): ColumnType | undefined {
  switch (oid) {
    case VARCHAR:
      return columnType(TEXT);
    case INT2:
    case INT4:
    case INT8:
    case OID:
    case NUMERIC:
    case FLOAT4:
    case FLOAT8:
    case TEXT:
    case BPCHAR:
    case DATE:
    case TIME:
    case TIMESTAMP:
    case TIMESTAMPTZ:
    case INTERVAL:
      return columnType(oid);
    default:
      return undefined;
  }
}

/** A call ready to make states, one for each group. */
export class CompiledAggregate {
  readonly partialTypes: readonly ColumnType[];
  private readonly call: AggregateCall;
  private readonly value: CompiledExpr;
  private readonly delimiter: CompiledExpr | undefined;
  private readonly filter: CompiledPredicate | undefined;
  private readonly argLayout: RowLayout;
  /** Takes rows without looking at them. */
  readonly countsRows: boolean;
  /** The column whose numbers it takes; undefined: it must be stepped through rows. */
  readonly numbers: Extract<Expr, { kind: 'column' }> | undefined;

  constructor(call: AggregateCall) {
    this.call = call;
    const [first, second] = call.args;
    this.value = first === undefined ? () => true : compileExpr(first);
    this.delimiter = second === undefined ? undefined : compileExpr(second);
    this.filter = call.filter === undefined ? undefined : compilePredicate(call.filter);
    this.argLayout = layoutOf(call.args.map(exprType));
    const isPlain = !call.distinct && call.filter === undefined && call.args.length < 2;
    this.countsRows = isPlain && call.kind === 'count(*)';
    const arg = first === undefined ? undefined : withoutWidening(first);
    const takesNumbers = isPlain && this.accumulator().addNumbers !== undefined;
    this.numbers =
      takesNumbers && arg?.kind === 'column' && isNumberForm(storedForm(arg.type.oid))
        ? arg
        : undefined;
    this.partialTypes = call.distinct ? [columnType(BYTEA)] : this.accumulator().partialTypes;
  }

  create(): AggregateState {
    const accumulator = this.accumulator();
    if (this.call.distinct) {
      return new DistinctState(
        accumulator,
        this.value,
        this.delimiter,
        this.filter,
        this.argLayout,
      );
    }
    return this.filter === undefined && this.delimiter === undefined
      ? new PlainState(accumulator, this.value)
      : new FilteredState(accumulator, this.value, this.delimiter, this.filter);
  }

  private otherAccumulator(kind: Spread | Regression | BitFold | ListKind): Accumulator {
    const { args, type } = this.call;
    const [first = type, second = type] = args.map(exprType);
    switch (kind) {
      case 'stddev_samp':
      case 'stddev_pop':
      case 'var_samp':
      case 'var_pop':
        return first.oid === FLOAT8 || first.oid === FLOAT4
          ? new FloatSpread(kind)
          : new ExactSpread(kind);
      case 'bit_and':
      case 'bit_or':
      case 'bit_xor':
        return new BitSums(kind, type);
      case 'array_agg':
        return elementOf(first.oid) === undefined ? new ArrayList(type) : new ArrayStack(type);
      case 'json_agg':
      case 'jsonb_agg':
        return new JsonList(type.oid, first);
      case 'json_object_agg':
      case 'jsonb_object_agg':
        return new JsonObjectList(type.oid, first, second);
      default:
        return new RegressionSums(kind);
    }
  }

  private accumulator(): Accumulator {
    const { kind, args, type } = this.call;
    const oid = args[0] === undefined ? INT8 : exprType(args[0]).oid;
    const isFloat = oid === FLOAT4 || oid === FLOAT8;
    switch (kind) {
      case 'count(*)':
      case 'count':
        return new accumulators.Count();
      case 'sum':
        if (isFloat) return new accumulators.FloatSum(oid === FLOAT4 ? 'sum4' : 'sum');
        if (sumType(oid) === undefined) throw unsupported(`sum of type ${oid}`);
        return oid === INT2 || oid === INT4
          ? new accumulators.SumToInt8()
          : new accumulators.SumToNumeric();
      case 'avg':
        if (isFloat) return new accumulators.FloatSum('avg');
        if (sumType(oid) === undefined) throw unsupported(`avg of type ${oid}`);
        return new accumulators.AverageNumeric();
      case 'min':
        return new accumulators.Extreme(args[0] === undefined ? type : exprType(args[0]), -1);
      case 'max':
        return new accumulators.Extreme(args[0] === undefined ? type : exprType(args[0]), 1);
      case 'bool_and':
        return new accumulators.BoolFold(columnType(BOOL), false);
      case 'bool_or':
        return new accumulators.BoolFold(columnType(BOOL), true);
      case 'string_agg':
        return new accumulators.StringJoin();
      default:
        return this.otherAccumulator(kind);
    }
  }
}

/** A single state; for many groups of one call, keep a CompiledAggregate. */
export function createAggregate(call: AggregateCall): AggregateState {
  return new CompiledAggregate(call).create();
}

class PlainState implements AggregateState {
  private readonly accumulator: Accumulator;
  private readonly value: CompiledExpr;

  constructor(accumulator: Accumulator, value: CompiledExpr) {
    this.accumulator = accumulator;
    this.value = value;
  }

  step(row: RowAccess, params: readonly Datum[]): void {
    const value = this.value(row, params);
    if (value !== null || this.accumulator.takesNulls === true) this.accumulator.add(value, null);
  }

  stepNumbers(values: Float64Array, count: number): void {
    this.accumulator.addNumbers?.(values, count);
  }

  stepNumber(value: number): void {
    this.accumulator.add(value, null);
  }

  writePartial(out: Datum[], at: number): void {
    this.accumulator.writePartial(out, at);
  }

  mergePartial(row: RowAccess, at: number): void {
    this.accumulator.mergePartial(row, at);
  }

  finish(): Datum {
    return this.accumulator.finish();
  }
}

class FilteredState implements AggregateState {
  private readonly accumulator: Accumulator;
  private readonly value: CompiledExpr;
  private readonly delimiter: CompiledExpr | undefined;
  private readonly filter: CompiledPredicate | undefined;

  constructor(
    accumulator: Accumulator,
    value: CompiledExpr,
    delimiter: CompiledExpr | undefined,
    filter: CompiledPredicate | undefined,
  ) {
    this.accumulator = accumulator;
    this.value = value;
    this.delimiter = delimiter;
    this.filter = filter;
  }

  step(row: RowAccess, params: readonly Datum[]): void {
    if (this.filter !== undefined && !this.filter(row, params)) return;
    const value = this.value(row, params);
    if (value === null && this.accumulator.takesNulls !== true) return;
    this.accumulator.add(value, this.delimiter === undefined ? null : this.delimiter(row, params));
  }

  stepNumbers(): void {
    assert(false, 'these aggregates look at each row');
  }

  stepNumber(): void {
    assert(false, 'these aggregates look at each row');
  }

  writePartial(out: Datum[], at: number): void {
    this.accumulator.writePartial(out, at);
  }

  mergePartial(row: RowAccess, at: number): void {
    this.accumulator.mergePartial(row, at);
  }

  finish(): Datum {
    return this.accumulator.finish();
  }
}

/** Keeps the distinct arguments themselves, since partial states may share some; accumulates only at the end. */
class DistinctState implements AggregateState {
  private readonly accumulator: Accumulator;
  private readonly value: CompiledExpr;
  private readonly delimiter: CompiledExpr | undefined;
  private readonly filter: CompiledPredicate | undefined;
  private readonly layout: RowLayout;
  private readonly seen = new Map<unknown, readonly Datum[]>();

  constructor(
    accumulator: Accumulator,
    value: CompiledExpr,
    delimiter: CompiledExpr | undefined,
    filter: CompiledPredicate | undefined,
    layout: RowLayout,
  ) {
    assert(layout.types.length > 0, 'DISTINCT needs an argument');
    this.accumulator = accumulator;
    this.value = value;
    this.delimiter = delimiter;
    this.filter = filter;
    this.layout = layout;
  }

  step(row: RowAccess, params: readonly Datum[]): void {
    if (this.filter !== undefined && !this.filter(row, params)) return;
    const value = this.value(row, params);
    if (value === null && this.accumulator.takesNulls !== true) return;
    this.note(this.delimiter === undefined ? [value] : [value, this.delimiter(row, params)]);
  }

  stepNumbers(): void {
    assert(false, 'these aggregates look at each row');
  }

  stepNumber(): void {
    assert(false, 'these aggregates look at each row');
  }

  writePartial(out: Datum[], at: number): void {
    const writer = new ByteWriter();
    for (const values of this.seen.values()) writer.block(encodeRow(this.layout, values));
    out[at] = writer.take();
  }

  mergePartial(row: RowAccess, at: number): void {
    const reader = new ByteReader(row.datum(at) as Uint8Array);
    while (reader.remaining > 0) this.note(decodeRow(this.layout, reader.block()));
  }

  finish(): Datum {
    // PostgreSQL finds what is distinct by sorting.
    const { types } = this.layout;
    const all = [...this.seen.values()].sort((a, b) => compareLists(types, a, b));
    for (const [value, delimiter = null] of all) this.accumulator.add(value as Datum, delimiter);
    this.seen.clear();
    return this.accumulator.finish();
  }

  private note(values: readonly Datum[]): void {
    const key = groupKey(this.layout.types, values);
    if (!this.seen.has(key)) this.seen.set(key, values);
  }
}

/** NULLs last. */
function compareLists(
  types: readonly ColumnType[],
  a: readonly Datum[],
  b: readonly Datum[],
): number {
  for (let i = 0; i < types.length; i++) {
    const [x, y] = [a[i] as Datum, b[i] as Datum];
    const { oid } = types[i] as ColumnType;
    if (x === null || y === null) {
      if (x === y) continue;
      return x === null ? 1 : -1;
    }
    const order = orderingOf(oid) === undefined ? 0 : compareDatums(oid, x, y);
    if (order !== 0) return order;
  }
  return 0;
}

/** One primitive for a list of datums, the same exactly for equal lists (NULLs are equal here). */
export function groupKey(types: readonly ColumnType[], values: readonly Datum[]): unknown {
  const [first] = values;
  if (values.length === 1) {
    return first === null ? null : hashKey((types[0] as ColumnType).oid, first as Datum);
  }
  let key = '';
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as Datum;
    if (value === null) {
      key += '~';
    } else if (typeof value === 'number') {
      // -0 and 0 print alike.
      key += `${value};`;
    } else {
      const text = String(hashKey((types[i] as ColumnType).oid, value));
      // Lengths keep neighbours apart.
      key += `${text.length}:${text}`;
    }
  }
  return key;
}
