// Key constraints with their values: the keys or spans that an execution reads, in key order and disjoint.

import { ByteWriter, compareBytes, equalBytes, prefixEnd } from '../../base/bytes.ts';
import { type ArrayValue, compareDatums, type Datum } from '../../rows/datum.ts';
import { type CompiledExpr, compileExpr, TupleView } from '../../rows/compile.ts';
import { encodeKeyDatum, keyPrefix, VALUE_MARK } from '../../rows/key-codec.ts';
import type { Span } from '../../ranges/api.ts';
import type { IndexColumn, IndexDescriptor } from '../catalog/descriptor.ts';
import type { KeyConstraint, KeyValue, TableAccess } from '../plan/spans.ts';
import { narrow } from './narrow.ts';

export const NO_ROW: TupleView = new TupleView([]);

interface CompiledValue {
  readonly evaluate: CompiledExpr;
  readonly oid: number;
  readonly each: boolean;
}

interface CompiledConstraint {
  readonly column: IndexColumn;
  readonly oid: number;
  readonly nullable: boolean;
  readonly equal: readonly CompiledValue[] | undefined;
  readonly isNull: boolean;
  readonly bounds: readonly { readonly op: string; readonly value: CompiledValue }[];
}

interface Bound {
  readonly value: Datum;
  readonly inclusive: boolean;
}

export class KeySpans {
  readonly #prefix: Uint8Array;
  readonly #constraints: readonly CompiledConstraint[];

  /** `primary`: the table's, where the access names no other. */
  constructor(primary: IndexDescriptor, access: TableAccess) {
    this.#prefix = keyPrefix((access.index?.index ?? primary).id);
    this.#constraints = access.constraints.map(compileConstraint);
  }

  /** For accesses of kind 'points': all full keys, each once. */
  points(params: readonly Datum[]): Uint8Array[] {
    return this.#prefixes(this.#constraints, params);
  }

  /** For accesses of kind 'spans'. */
  spans(params: readonly Datum[]): Span[] {
    const last = this.#constraints[this.#constraints.length - 1];
    const isRanged = last !== undefined && last.equal === undefined && !last.isNull;
    const ranged = isRanged ? last : undefined;
    const fixed = ranged === undefined ? this.#constraints : this.#constraints.slice(0, -1);
    const prefixes = this.#prefixes(fixed, params);
    if (ranged === undefined) return prefixes.map((p) => ({ start: p, end: prefixEnd(p) }));
    const limits = boundsOf(ranged, params);
    if (limits === undefined) return [];
    const spans: Span[] = [];
    for (const prefix of prefixes) {
      const span = rangeSpan(prefix, ranged, limits.lower, limits.upper);
      const { start, end } = span;
      if (end === undefined || compareBytes(start, end) < 0) spans.push(span);
    }
    return spans;
  }

  #prefixes(constraints: readonly CompiledConstraint[], params: readonly Datum[]): Uint8Array[] {
    let prefixes: Uint8Array[] = [this.#prefix];
    for (const { column, oid, equal, isNull } of constraints) {
      const parts = isNull
        ? [encoded(column, oid, null)]
        : distinctParts(column, oid, equal ?? [], params);
      const next: Uint8Array[] = [];
      for (const prefix of prefixes) {
        for (const part of parts) next.push(joined(prefix, part));
      }
      prefixes = next;
    }
    return prefixes;
  }
}

/** The column's encoded values, sorted: prefixes times them then come out in key order. */
function distinctParts(
  column: IndexColumn,
  oid: number,
  values: readonly CompiledValue[],
  params: readonly Datum[],
): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const value of values) {
    const datum = value.evaluate(NO_ROW, params);
    for (const item of value.each ? itemsOf(datum) : [datum]) {
      if (item === null) continue;
      const narrowed = narrow(value.oid, oid, item);
      if (narrowed.kind === 'exact') parts.push(encoded(column, oid, narrowed.at));
    }
  }
  if (parts.length < 2) return parts;
  parts.sort(compareBytes);
  return parts.filter((part, i) => i === 0 || !equalBytes(part, parts[i - 1] as Uint8Array));
}

function itemsOf(array: Datum): readonly Datum[] {
  return array === null ? [] : (array as ArrayValue).items;
}

function compileConstraint(constraint: KeyConstraint): CompiledConstraint {
  return {
    column: constraint.column,
    oid: constraint.type.oid,
    nullable: constraint.nullable,
    isNull: constraint.isNull,
    equal: constraint.equal?.map(compileValue),
    bounds: constraint.bounds.map(({ op, value }) => ({
      op,
      value: compileValue(value),
    })),
  };
}

function compileValue({ expr, type, each = false }: KeyValue): CompiledValue {
  return { evaluate: compileExpr(expr), oid: type.oid, each };
}

/** The tightest bounds; undefined when nothing satisfies them all. */
function boundsOf(
  { oid, bounds }: CompiledConstraint,
  params: readonly Datum[],
): { lower: Bound | undefined; upper: Bound | undefined } | undefined {
  let lower: Bound | undefined;
  let upper: Bound | undefined;
  for (const { op, value } of bounds) {
    const datum = value.evaluate(NO_ROW, params);
    if (datum === null) return undefined;
    const at = narrow(value.oid, oid, datum);
    const isLower = op === '>' || op === '>=';
    if (at.kind === 'belowAll' || at.kind === 'aboveAll') {
      // Everything satisfies it, or nothing does.
      if ((at.kind === 'belowAll') !== isLower) return undefined;
      continue;
    }
    // Above `at` and below the column's next value: greater means beyond `at`, less means up to `at`.
    const inclusive = at.kind === 'exact' ? op === '>=' || op === '<=' : !isLower;
    const bound = { value: at.at, inclusive };
    if (isLower) lower = tighter(oid, lower, bound, 1);
    else upper = tighter(oid, upper, bound, -1);
  }
  return { lower, upper };
}

function tighter(oid: number, old: Bound | undefined, bound: Bound, sign: 1 | -1): Bound {
  if (old === undefined) return bound;
  const order = compareDatums(oid, bound.value, old.value) * sign;
  if (order > 0) return bound;
  return order === 0 && !bound.inclusive ? bound : old;
}

function rangeSpan(
  prefix: Uint8Array,
  { column, oid, nullable }: CompiledConstraint,
  lower: Bound | undefined,
  upper: Bound | undefined,
): Span {
  const first = column.descending ? upper : lower;
  const last = column.descending ? lower : upper;
  // NULLs lie before or behind all values, and satisfy no bound.
  const values = nullable ? joined(prefix, VALUES) : prefix;
  const end = prefixEnd(values);
  let from: Uint8Array | undefined = values;
  if (first !== undefined) {
    const key = joined(prefix, encoded(column, oid, first.value));
    from = first.inclusive ? key : prefixEnd(key);
  }
  if (last === undefined) return { start: from ?? values, end };
  const key = joined(prefix, encoded(column, oid, last.value));
  return { start: from ?? values, end: last.inclusive ? prefixEnd(key) : key };
}

/** What a column that is not NULL begins with (rows/key-codec.ts). */
const VALUES = Uint8Array.of(VALUE_MARK);

const scratch = new ByteWriter(64);

function encoded(column: IndexColumn, oid: number, value: Datum): Uint8Array {
  scratch.reset();
  encodeKeyDatum(scratch, oid, value, column.descending, column.nullsFirst);
  return scratch.take();
}

function joined(prefix: Uint8Array, part: Uint8Array): Uint8Array {
  const out = new Uint8Array(prefix.length + part.length);
  out.set(prefix);
  out.set(part, prefix.length);
  return out;
}

/** The key of a row, given its datums by storage position. */
export class RowKeys {
  readonly #prefix: Uint8Array;
  readonly #columns: readonly IndexColumn[];
  readonly #oids: readonly number[];

  constructor(index: IndexDescriptor, oids: readonly number[]) {
    this.#prefix = keyPrefix(index.id);
    this.#columns = index.columns;
    this.#oids = index.columns.map((c) => oids[c.position] as number);
  }

  key(values: readonly Datum[]): Uint8Array {
    scratch.reset();
    scratch.raw(this.#prefix);
    for (let i = 0; i < this.#columns.length; i++) {
      const { position, descending, nullsFirst } = this.#columns[i] as IndexColumn;
      const oid = this.#oids[i] as number;
      encodeKeyDatum(scratch, oid, values[position] as Datum, descending, nullsFirst);
    }
    return scratch.take();
  }
}

/** The key of a single point, written into one buffer again and again: the path of a prepared SELECT by key. */
export class PointKey {
  readonly #prefix: Uint8Array;
  readonly #columns: readonly IndexColumn[];
  readonly #oids: readonly number[];
  readonly #values: readonly CompiledValue[];
  #writer = new ByteWriter(64);
  #view: Uint8Array | undefined;

  /** Undefined unless every column has exactly one value. */
  static of(index: IndexDescriptor, access: TableAccess): PointKey | undefined {
    const single =
      access.kind === 'points' &&
      access.index === undefined &&
      access.constraints.every((c) => c.equal?.length === 1 && c.equal[0]?.each !== true);
    return single ? new PointKey(index, access) : undefined;
  }

  private constructor(index: IndexDescriptor, access: TableAccess) {
    this.#prefix = keyPrefix(index.id);
    this.#columns = index.columns;
    this.#oids = access.constraints.map((c) => c.type.oid);
    this.#values = access.constraints.map((c) => {
      return compileValue(c.equal?.[0] as KeyValue);
    });
  }

  /** False: no row can match. The key is then in borrowed() or taken with copy(). */
  write(params: readonly Datum[]): boolean {
    const writer = this.#writer;
    writer.reset();
    writer.raw(this.#prefix);
    for (let i = 0; i < this.#values.length; i++) {
      const { evaluate, oid: from } = this.#values[i] as CompiledValue;
      const oid = this.#oids[i] as number;
      let datum = evaluate(NO_ROW, params);
      if (datum === null) return false;
      if (from !== oid) {
        const narrowed = narrow(from, oid, datum);
        if (narrowed.kind !== 'exact') return false;
        datum = narrowed.at;
      }
      const { descending, nullsFirst } = this.#columns[i] as IndexColumn;
      encodeKeyDatum(writer, oid, datum, descending, nullsFirst);
    }
    return true;
  }

  /** The bytes in place: valid until the next write(), and as long as nobody keeps them. */
  borrowed(): Uint8Array {
    const { bytes, length } = this.#writer;
    const view = this.#view;
    if (view !== undefined && view.length === length && view.buffer === bytes.buffer) return view;
    this.#view = bytes.subarray(0, length);
    return this.#view;
  }

  copy(): Uint8Array {
    return this.#writer.take();
  }

  /** Whoever got borrowed() keeps it: the next key goes into another buffer. */
  abandon(): void {
    this.#writer = new ByteWriter(64);
    this.#view = undefined;
  }
}
