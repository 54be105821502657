// Filters over packed rows, for scans of millions of them: comparisons of an int4 or text column with a constant or a
// parameter read the row's bytes; everything else goes the general way (npm run bench -- micro shows the difference).

import { utf8 } from '../base/bytes.ts';
import { compilePredicate } from './compile.ts';
import type { Datum } from './datum.ts';
import type { CompareOp, Expr } from './expr.ts';
import type { RowView } from './row-codec.ts';
import { BPCHAR, INT4, INT8, TEXT, VARCHAR } from './types.ts';

export type PackedPredicate = (row: RowView, params: readonly Datum[]) => boolean;

export function compilePackedPredicate(expr: Expr): PackedPredicate {
  if (expr.kind === 'and') {
    const args = expr.args.map(compilePackedPredicate);
    return (row, params) => {
      for (const arg of args) if (!arg(row, params)) return false;
      return true;
    };
  }
  if (expr.kind === 'compare') {
    return compileColumnCompare(expr) ?? compilePredicate(expr);
  }
  return compilePredicate(expr);
}

const FLIPPED: Readonly<Record<CompareOp, CompareOp>> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

type Operand = Extract<Expr, { kind: 'constant' | 'parameter' }>;
type Column = Extract<Expr, { kind: 'column' }>;

/** A comparison of a column with something that is the same for all rows. */
export interface ColumnOperand {
  readonly column: Column;
  readonly op: CompareOp;
  readonly other: Operand;
}

export function columnOperand(expr: Expr): ColumnOperand | undefined {
  if (expr.kind !== 'compare') return undefined;
  return (
    operandOf(expr.left, expr.op, expr.right) ?? operandOf(expr.right, FLIPPED[expr.op], expr.left)
  );
}

function operandOf(left: Expr, op: CompareOp, other: Expr): ColumnOperand | undefined {
  if (other.kind !== 'constant' && other.kind !== 'parameter') return undefined;
  const column = withoutWidening(left);
  return column.kind === 'column' ? { column, op, other } : undefined;
}

function compileColumnCompare(expr: Expr): PackedPredicate | undefined {
  const operand = columnOperand(expr);
  if (operand === undefined) return undefined;
  const { column: bare, op, other } = operand;
  switch (bare.type.oid) {
    case INT4:
      return compareInt4(bare.index, op, other);
    case TEXT:
    case VARCHAR:
    case BPCHAR:
      if (op === '=' || op === '<>') return compareText(bare.index, op === '=', other);
      return undefined;
    default:
      return undefined;
  }
}

/** int4 as int8, varchar as text: the datum is the same. */
export function withoutWidening(expr: Expr): Expr {
  if (expr.kind !== 'cast' || expr.type.modifier !== -1 || expr.arg.kind !== 'column') return expr;
  const from = expr.arg.type.oid;
  const to = expr.type.oid;
  const same =
    (from === INT4 && to === INT8) || ((from === VARCHAR || from === BPCHAR) && to === TEXT);
  return same ? expr.arg : expr;
}

/** The value of the other side, and of the column; null is never a match. */
function compareInt4(column: number, op: CompareOp, other: Operand): PackedPredicate {
  const fixed = other.kind === 'constant' ? (other.value as number | null) : null;
  const parameter = other.kind === 'parameter' ? other.index : -1;
  const value = (params: readonly Datum[]): number | null =>
    parameter < 0 ? fixed : (params[parameter] as number | null);
  const read = (row: RowView): number =>
    row.has(column) ? row.int4(column) : (row.datum(column) as number);
  switch (op) {
    case '=':
      return (row, params) => {
        const wanted = value(params);
        return wanted !== null && !row.isNull(column) && read(row) === wanted;
      };
    case '<>':
      return (row, params) => {
        const wanted = value(params);
        return wanted !== null && !row.isNull(column) && read(row) !== wanted;
      };
    case '<':
      return (row, params) => {
        const wanted = value(params);
        return wanted !== null && !row.isNull(column) && read(row) < wanted;
      };
    case '<=':
      return (row, params) => {
        const wanted = value(params);
        return wanted !== null && !row.isNull(column) && read(row) <= wanted;
      };
    case '>':
      return (row, params) => {
        const wanted = value(params);
        return wanted !== null && !row.isNull(column) && read(row) > wanted;
      };
    case '>=':
      return (row, params) => {
        const wanted = value(params);
        return wanted !== null && !row.isNull(column) && read(row) >= wanted;
      };
  }
}

/** Equality of bytes; the wanted text is encoded again only when the parameter changes. */
function compareText(column: number, equal: boolean, other: Operand): PackedPredicate {
  const fixed = other.kind === 'constant' ? (other.value as string | null) : null;
  const parameter = other.kind === 'parameter' ? other.index : -1;
  let text: string | null = null;
  let wanted = utf8('');
  return (row, params) => {
    const value = parameter < 0 ? fixed : (params[parameter] as string | null);
    if (value === null || row.isNull(column)) return false;
    if (!row.has(column)) return (row.datum(column) === value) === equal;
    if (value !== text) {
      text = value;
      wanted = utf8(value);
    }
    const start = row.start(column);
    return sameBytes(row.bytes, start, row.end(column), wanted) === equal;
  };
}

function sameBytes(bytes: Uint8Array, start: number, end: number, wanted: Uint8Array): boolean {
  const length = end - start;
  if (length !== wanted.length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== wanted[i]) return false;
  return true;
}
