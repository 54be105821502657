// Which keys a predicate allows: the conjuncts of WHERE that bind leading columns of the primary key become key
// constraints, whose values are computed at execution (sql/exec/key-spans.ts); the rest stays as a filter. A conjunct
// is taken over only if the constraint says exactly the same, so it need not be checked again.

import type { CompareOp, Expr } from '../../rows/expr.ts';
import { quantifiedCompare } from '../../rows/function-quantified.ts';
import * as t from '../../rows/types.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { IndexColumn, TableDescriptor } from '../catalog/descriptor.ts';
import { conjunction, conjunctsOf, hasColumns } from './expr-tools.ts';

/** A value without columns, of the type in which it is compared: the column's own or one that contains it. */
export interface KeyValue {
  readonly expr: Expr;
  readonly type: ColumnType;
  /** It is an array, and any of its items is meant. */
  readonly each?: boolean;
}

export interface KeyBound {
  readonly op: '<' | '<=' | '>' | '>=';
  readonly value: KeyValue;
}

/** What is known of one key column, which is never NULL. Either any of `equal`, or all of `bounds`. */
export interface KeyConstraint {
  readonly column: IndexColumn;
  readonly type: ColumnType;
  readonly equal: readonly KeyValue[] | undefined;
  readonly bounds: readonly KeyBound[];
}

/** Which keys of a table's primary index are looked at. */
export interface TableAccess {
  /** Points: every key column is fixed, so rows are got by key; spans: scanned. */
  readonly kind: 'points' | 'spans';
  /** For the leading columns of the key, in order; only the last may be a range. None: the whole table. */
  readonly constraints: readonly KeyConstraint[];
}

/** One conjunct as a statement about one column. */
type ColumnFact =
  | { readonly kind: 'equal'; readonly position: number; readonly values: readonly KeyValue[] }
  | { readonly kind: 'bound'; readonly position: number; readonly bound: KeyBound };

/** Several IN lists multiply: beyond this many keys only the first columns' lists are used. */
const KEY_COMBINATIONS_MAX = 1024;

export interface AccessChoice {
  readonly access: TableAccess;
  /** What the access does not guarantee. */
  readonly residual: Expr | undefined;
}

/** `filter` is over storage positions. `stable` tells expressions whose value is fixed for the execution. */
export function chooseAccess(
  table: TableDescriptor,
  filter: Expr | undefined,
  stable: (expr: Expr) => boolean,
): AccessChoice {
  const conjuncts = conjunctsOf(filter);
  const facts = conjuncts.map((conjunct) => factOf(conjunct, stable));
  const used = new Set<number>();
  const constraints: KeyConstraint[] = [];
  let combinations = 1;
  for (const column of table.primary.columns) {
    const type = table.layout.types[column.position] as ColumnType;
    const at = facts.findIndex((f) => f?.kind === 'equal' && f.position === column.position);
    const fact = facts[at];
    if (fact?.kind === 'equal') {
      combinations *= fact.values.length;
      if (constraints.length > 0 && combinations > KEY_COMBINATIONS_MAX) break;
      used.add(at);
      constraints.push({ column, type, equal: fact.values, bounds: [] });
      continue;
    }
    const bounds: KeyBound[] = [];
    facts.forEach((f, i) => {
      if (f?.kind !== 'bound' || f.position !== column.position) return;
      bounds.push(f.bound);
      used.add(i);
    });
    if (bounds.length > 0) constraints.push({ column, type, equal: undefined, bounds });
    break;
  }
  const points =
    constraints.length === table.primary.columns.length &&
    constraints.every((c) => c.equal !== undefined);
  return {
    access: { kind: points ? 'points' : 'spans', constraints },
    residual: conjunction(conjuncts.filter((_, i) => !used.has(i))),
  };
}

function factOf(expr: Expr, stable: (expr: Expr) => boolean): ColumnFact | undefined {
  switch (expr.kind) {
    case 'compare': {
      const side = columnSide(expr.left, expr.right, expr.op, stable);
      if (side === undefined || side.op === '<>') return undefined;
      if (side.op === '=') return { kind: 'equal', position: side.position, values: [side.value] };
      return {
        kind: 'bound',
        position: side.position,
        bound: { op: side.op, value: side.value },
      };
    }
    case 'in': {
      if (expr.negated) return undefined;
      const column = keyColumn(expr.arg);
      if (column === undefined || !expr.list.every((e) => isValue(e, stable))) return undefined;
      const values = expr.list.map((e) => ({ expr: e, type: column.comparedAs }));
      return { kind: 'equal', position: column.position, values };
    }
    case 'call': {
      const column = anyOf(expr, stable);
      return column === undefined ? undefined : { kind: 'equal', ...column };
    }
    case 'or': {
      const facts = expr.args.map((arg) => factOf(arg, stable));
      const values: KeyValue[] = [];
      const [first] = facts;
      for (const fact of facts) {
        if (fact?.kind !== 'equal' || fact.position !== first?.position) return undefined;
        values.push(...fact.values);
      }
      return first === undefined ? undefined : { kind: 'equal', position: first.position, values };
    }
    case 'column':
      return expr.type.oid === t.BOOL ? boolFact(expr, true) : undefined;
    case 'not':
      return expr.arg.kind === 'column' ? boolFact(expr.arg, false) : undefined;
    default:
      return undefined;
  }
}

/** column = ANY (array): the array's items are known when it is run. */
function anyOf(
  expr: Expr & { kind: 'call' },
  stable: (expr: Expr) => boolean,
): { position: number; values: readonly KeyValue[] } | undefined {
  if (expr.name !== EQUALS_ANY) return undefined;
  const [left, array] = expr.args as readonly [Expr, Expr];
  const column = keyColumn(left);
  if (column === undefined || !isValue(array, stable)) return undefined;
  const value = { expr: array, type: column.comparedAs, each: true };
  return { position: column.position, values: [value] };
}

const EQUALS_ANY = quantifiedCompare('=', 'any');

function boolFact(column: Expr & { kind: 'column' }, value: boolean): ColumnFact {
  const constant: Expr = { kind: 'constant', type: column.type, value };
  const values = [{ expr: constant, type: column.type }];
  return { kind: 'equal', position: column.index, values };
}

const MIRRORED: Readonly<Record<CompareOp, CompareOp>> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

function columnSide(
  left: Expr,
  right: Expr,
  op: CompareOp,
  stable: (expr: Expr) => boolean,
): { position: number; op: CompareOp; value: KeyValue } | undefined {
  const onLeft = keyColumn(left);
  if (onLeft !== undefined && isValue(right, stable)) {
    const { position, comparedAs } = onLeft;
    return { position, op, value: { expr: right, type: comparedAs } };
  }
  const onRight = keyColumn(right);
  if (onRight !== undefined && isValue(left, stable)) {
    const { position, comparedAs } = onRight;
    return { position, op: MIRRORED[op], value: { expr: left, type: comparedAs } };
  }
  return undefined;
}

function isValue(expr: Expr, stable: (expr: Expr) => boolean): boolean {
  return !hasColumns(expr) && stable(expr);
}

/** A column, or a column cast to a type that holds all its values in the same order, each as a value of its own. */
function keyColumn(expr: Expr): { position: number; comparedAs: ColumnType } | undefined {
  if (expr.kind === 'column') return { position: expr.index, comparedAs: expr.type };
  if (expr.kind !== 'cast' || expr.type.modifier !== -1) return undefined;
  const inner = keyColumn(expr.arg);
  if (inner === undefined || !widens(inner.comparedAs.oid, expr.type.oid)) return undefined;
  return { position: inner.position, comparedAs: expr.type };
}

const WIDER: ReadonlyMap<number, readonly number[]> = new Map([
  [t.INT2, [t.INT4, t.INT8, t.NUMERIC, t.FLOAT4, t.FLOAT8]],
  [t.INT4, [t.INT8, t.NUMERIC, t.FLOAT8]],
  [t.INT8, [t.NUMERIC]],
  [t.FLOAT4, [t.FLOAT8]],
  [t.VARCHAR, [t.TEXT]],
  [t.NAME, [t.TEXT]],
]);

/** Not int8 to float8, which merges values, nor char(n) to text, which reorders blanks against control characters. */
export function widens(from: number, to: number): boolean {
  return from === to || (WIDER.get(from)?.includes(to) ?? false);
}
