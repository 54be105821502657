// Scan programs and their parameters as bytes, with a format version: how they travel to a shard.

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Datum } from './datum.ts';
import type { AggregateCall, AggregateKind, CompareOp, Expr } from './expr.ts';
import { decodeRow, encodeRow, layoutOf, type RowLayout } from './row-codec.ts';
import { storedForm } from './row-layout.ts';
import type { ScanProgram } from './scan-program.ts';
import { readStored, writeStored } from './stored-value.ts';
import type { ColumnType } from './types.ts';

const FORMAT_VERSION = 1;

const EXPR_KINDS = [
  ...(['constant', 'column', 'parameter', 'call', 'cast', 'compare', 'and', 'or', 'not'] as const),
  ...(['isNull', 'isBool', 'isDistinct', 'in', 'case', 'coalesce'] as const),
];
type ShardExprKind = (typeof EXPR_KINDS)[number];
const COMPARE_OPS: readonly CompareOp[] = ['=', '<>', '<', '<=', '>', '>='];
const CONTEXTS = ['implicit', 'assignment', 'explicit'] as const;
const AGGREGATES: readonly AggregateKind[] = [
  ...([
    'count(*)',
    'count',
    'sum',
    'avg',
    'min',
    'max',
    'bool_and',
    'bool_or',
    'string_agg',
    'stddev_samp',
    'stddev_pop',
    'var_samp',
    'var_pop',
    'corr',
    'covar_pop',
    'covar_samp',
    'regr_avgx',
    'regr_avgy',
    'regr_count',
    'regr_intercept',
    'regr_r2',
    'regr_slope',
    'regr_sxx',
    'regr_sxy',
    'regr_syy',
    'bit_and',
    'bit_or',
    'bit_xor',
    'array_agg',
    'json_agg',
    'jsonb_agg',
    'json_object_agg',
    'jsonb_object_agg',
  ] as const),
];

export function encodeProgram(program: ScanProgram): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(FORMAT_VERSION);
  writeTypes(writer, program.layout.types);
  writer.block(encodeRow(layoutOf(program.layout.types), program.layout.missing));
  writeOptional(writer, program.filter);
  const { output } = program;
  if (output.kind === 'rows') {
    writer.u8(0);
    writer.u8(output.withKeys ? 1 : 0);
    writer.u8(output.columns === undefined ? 0 : 1);
    writer.varint(output.columns?.length ?? 0);
    for (const column of output.columns ?? []) writer.varint(column);
  } else {
    writer.u8(1);
    writeExprs(writer, output.groupBy);
    writer.varint(output.aggregates.length);
    for (const call of output.aggregates) writeAggregate(writer, call);
  }
  return writer.take();
}

export function decodeProgram(bytes: Uint8Array): ScanProgram {
  const reader = new ByteReader(bytes);
  expectVersion(reader, 'scan program');
  const types = readTypes(reader);
  const layout: RowLayout = { types, missing: decodeRow(layoutOf(types), reader.block()) };
  const filter = readOptional(reader);
  if (reader.u8() === 0) {
    const withKeys = reader.u8() === 1;
    const some = reader.u8() === 1;
    const columns = readList(reader, () => reader.varint());
    return {
      layout,
      filter,
      output: { kind: 'rows', withKeys, columns: some ? columns : undefined },
    };
  }
  const groupBy = readExprs(reader);
  const aggregates = readList(reader, () => readAggregate(reader));
  return { layout, filter, output: { kind: 'aggregate', groupBy, aggregates } };
}

export function encodeParameters(
  types: readonly ColumnType[],
  datums: readonly Datum[],
): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(FORMAT_VERSION);
  writeTypes(writer, types);
  writer.raw(encodeRow(layoutOf(types), datums));
  return writer.take();
}

export function decodeParameters(bytes: Uint8Array): Datum[] {
  const reader = new ByteReader(bytes);
  expectVersion(reader, 'list of parameters');
  const types = readTypes(reader);
  return decodeRow(layoutOf(types), reader.raw(reader.remaining));
}

function expectVersion(reader: ByteReader, what: string): void {
  const version = reader.u8();
  if (version === FORMAT_VERSION) return;
  throw new DbError(
    'XX000',
    `${what} has format version ${version}; this program reads version ${FORMAT_VERSION}`,
  );
}

function writeTypes(writer: ByteWriter, types: readonly ColumnType[]): void {
  writer.varint(types.length);
  for (const type of types) writeType(writer, type);
}

function readTypes(reader: ByteReader): ColumnType[] {
  return readList(reader, () => readType(reader));
}

function writeType(writer: ByteWriter, type: ColumnType): void {
  writer.varint(type.oid);
  // -1 is the usual modifier.
  writer.varint(type.modifier + 1);
}

function readType(reader: ByteReader): ColumnType {
  return { oid: reader.varint(), modifier: reader.varint() - 1 };
}

function readList<T>(reader: ByteReader, read: () => T): T[] {
  const count = reader.varint();
  const list: T[] = [];
  for (let i = 0; i < count; i++) list.push(read());
  return list;
}

function writeExprs(writer: ByteWriter, list: readonly Expr[]): void {
  writer.varint(list.length);
  for (const expr of list) writeExpr(writer, expr);
}

function readExprs(reader: ByteReader): Expr[] {
  return readList(reader, () => readExpr(reader));
}

function writeOptional(writer: ByteWriter, expr: Expr | undefined): void {
  writer.u8(expr === undefined ? 0 : 1);
  if (expr !== undefined) writeExpr(writer, expr);
}

function readOptional(reader: ByteReader): Expr | undefined {
  return reader.u8() === 0 ? undefined : readExpr(reader);
}

function writeAggregate(writer: ByteWriter, call: AggregateCall): void {
  writer.u8(AGGREGATES.indexOf(call.kind));
  writeExprs(writer, call.args);
  writer.u8(call.distinct ? 1 : 0);
  writeOptional(writer, call.filter);
  writeType(writer, call.type);
}

function readAggregate(reader: ByteReader): AggregateCall {
  return {
    kind: pick(AGGREGATES, reader.u8()),
    args: readExprs(reader),
    distinct: reader.u8() === 1,
    filter: readOptional(reader),
    type: readType(reader),
  };
}

function pick<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new RangeError(`malformed scan program: no choice ${index}`);
  return found;
}

function writeValue(writer: ByteWriter, type: ColumnType, value: Datum): void {
  writer.u8(value === null ? 0 : 1);
  if (value === null) return;
  const scratch = new ByteWriter(32);
  writeStored(scratch, storedForm(type.oid), value);
  writer.block(scratch.peek());
}

function readValue(reader: ByteReader, type: ColumnType): Datum {
  if (reader.u8() === 0) return null;
  const bytes = reader.block();
  return readStored(bytes, storedForm(type.oid), 0, bytes.length);
}

function writeExpr(writer: ByteWriter, expr: Expr): void {
  writer.u8(EXPR_KINDS.indexOf(expr.kind as ShardExprKind));
  switch (expr.kind) {
    case 'constant':
      writeType(writer, expr.type);
      return writeValue(writer, expr.type, expr.value);
    case 'column':
    case 'parameter':
      writeType(writer, expr.type);
      return writer.varint(expr.index);
    case 'call':
      writeType(writer, expr.type);
      writer.text(expr.name);
      return writeExprs(writer, expr.args);
    case 'cast':
      writeType(writer, expr.type);
      writer.u8(CONTEXTS.indexOf(expr.context));
      return writeExpr(writer, expr.arg);
    case 'compare':
      writer.u8(COMPARE_OPS.indexOf(expr.op));
      writeExpr(writer, expr.left);
      return writeExpr(writer, expr.right);
    case 'and':
    case 'or':
      return writeExprs(writer, expr.args);
    case 'not':
      return writeExpr(writer, expr.arg);
    case 'isNull':
      writer.u8(expr.negated ? 1 : 0);
      return writeExpr(writer, expr.arg);
    case 'isBool':
      writer.u8(expr.value ? 1 : 0);
      writer.u8(expr.negated ? 1 : 0);
      return writeExpr(writer, expr.arg);
    case 'isDistinct':
      writer.u8(expr.negated ? 1 : 0);
      writeExpr(writer, expr.left);
      return writeExpr(writer, expr.right);
    case 'in':
      writer.u8(expr.negated ? 1 : 0);
      writeExpr(writer, expr.arg);
      return writeExprs(writer, expr.list);
    case 'case':
      writeType(writer, expr.type);
      writer.varint(expr.whens.length);
      for (const { when, result } of expr.whens) {
        writeExpr(writer, when);
        writeExpr(writer, result);
      }
      return writeOptional(writer, expr.otherwise);
    case 'subplan':
      throw new RangeError('a query inside an expression is not for a shard');
    case 'coalesce':
      writeType(writer, expr.type);
      return writeExprs(writer, expr.args);
  }
}

/** Fields are read in the order in which writeExpr wrote them: object literals evaluate in order. */
function readExpr(reader: ByteReader): Expr {
  const kind = pick(EXPR_KINDS, reader.u8());
  switch (kind) {
    case 'constant': {
      const type = readType(reader);
      return { kind, type, value: readValue(reader, type) };
    }
    case 'column':
    case 'parameter':
      return { kind, type: readType(reader), index: reader.varint() };
    case 'call':
      return { kind, type: readType(reader), name: reader.text(), args: readExprs(reader) };
    case 'cast':
      return {
        kind,
        type: readType(reader),
        context: pick(CONTEXTS, reader.u8()),
        arg: readExpr(reader),
      };
    case 'compare':
      return {
        kind,
        op: pick(COMPARE_OPS, reader.u8()),
        left: readExpr(reader),
        right: readExpr(reader),
      };
    case 'and':
    case 'or':
      return { kind, args: readExprs(reader) };
    case 'not':
      return { kind, arg: readExpr(reader) };
    case 'isNull':
      return { kind, negated: reader.u8() === 1, arg: readExpr(reader) };
    case 'isBool':
      return { kind, value: reader.u8() === 1, negated: reader.u8() === 1, arg: readExpr(reader) };
    case 'isDistinct':
      return { kind, negated: reader.u8() === 1, left: readExpr(reader), right: readExpr(reader) };
    case 'in':
      return { kind, negated: reader.u8() === 1, arg: readExpr(reader), list: readExprs(reader) };
    case 'case': {
      const type = readType(reader);
      const whens = readList(reader, () => ({ when: readExpr(reader), result: readExpr(reader) }));
      return { kind, type, whens, otherwise: readOptional(reader) };
    }
    case 'coalesce':
      return { kind, type: readType(reader), args: readExprs(reader) };
  }
}
