// Which keys of which index a predicate allows: the conjuncts of WHERE that bind leading columns of its key become key
// constraints, whose values are computed at execution (sql/exec/key-spans.ts); the rest stays as a filter. A conjunct
// is taken over only if the constraint says exactly the same, so it need not be checked again.

import type { CompareOp, Expr } from '../../rows/expr.ts';
import { quantifiedCompare } from '../../rows/function-quantified.ts';
import { exprType } from '../../rows/expr-type.ts';
import * as t from '../../rows/types.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { IndexColumn, TableDescriptor } from '../catalog/descriptor.ts';
import { conjunction, conjunctsOf, hasColumns, sameExpr } from './expr-tools.ts';
import type { IndexRule } from './table-rules.ts';

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

/** What is known of one key column. Either any of `equal`, or NULL, or all of `bounds`, which NULL never satisfies. */
export interface KeyConstraint {
  readonly column: IndexColumn;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly equal: readonly KeyValue[] | undefined;
  readonly isNull: boolean;
  readonly bounds: readonly KeyBound[];
}

/** Which keys of which index are looked at. */
export interface TableAccess {
  /** Undefined: the primary one, which holds the rows. */
  readonly index: IndexRule | undefined;
  /** Points: every key column of a unique index is fixed, so entries are got by key; spans: scanned. */
  readonly kind: 'points' | 'spans';
  /** For the leading columns of the key, in order; only the last may be a range. None: all of the index. */
  readonly constraints: readonly KeyConstraint[];
}

interface KeyColumn {
  readonly column: IndexColumn;
  readonly type: ColumnType;
  readonly expr: Expr;
  readonly nullable: boolean;
}

/** One conjunct as a statement about one expression over columns, most often a column. */
type Fact =
  | { readonly kind: 'equal'; readonly key: Expr; readonly values: readonly KeyValue[] }
  | { readonly kind: 'bound'; readonly key: Expr; readonly bound: KeyBound }
  | { readonly kind: 'null' | 'notNull'; readonly key: Expr };

/** Several IN lists multiply: beyond this many keys only the first columns' lists are used. */
const KEY_COMBINATIONS_MAX = 1024;

export interface AccessChoice {
  readonly access: TableAccess;
  /** What the access does not guarantee. */
  readonly residual: Expr | undefined;
  /** How many of the leading columns are fixed. */
  readonly fixedColumns: number;
}

/** What choosing asks of the statement. */
export interface AccessContext {
  /** Whether an expression's value is fixed for the execution. */
  isStable(expr: Expr): boolean;
  /** With the literals that the fingerprint took out in their places again. */
  withLiterals(expr: Expr): Expr;
  /** The plan holds for these literals only. */
  dependOnLiterals(): void;
}

/** The accesses that there are, the best first. `filter` is over storage positions. There are no statistics: a key
 * that is fixed is better than one that is bounded, and that is better than none. */
export function accessChoices(
  table: TableDescriptor,
  indexes: readonly IndexRule[],
  filter: Expr | undefined,
  context: AccessContext,
): readonly [AccessChoice, ...AccessChoice[]] {
  const conjuncts = conjunctsOf(filter);
  const facts = conjuncts.map((conjunct) => factOf(conjunct, (e) => context.isStable(e)));
  const primary = choiceOf(undefined, primaryColumns(table), conjuncts, facts);
  if (indexes.length === 0 || primary.access.kind === 'points') return [primary];
  const scored = [{ choice: primary, score: scoreOf(primary) }];
  for (const rule of indexes) {
    const implied = impliedBy(rule.predicate, conjuncts, facts, context);
    if (implied === undefined) continue;
    const choice = choiceOf(rule, secondaryColumns(rule), conjuncts, facts, implied);
    scored.push({ choice, score: scoreOf(choice) });
  }
  // Stable: of two that are as good the older stands first, and the rows themselves before both.
  scored.sort((a, b) => b.score - a.score);
  return scored.map(({ choice }) => choice) as [AccessChoice, ...AccessChoice[]];
}

const UNUSABLE = -1;

/** An index of which nothing is known but that all of it would be read is worth it for its order at best. */
function scoreOf({ access, fixedColumns }: AccessChoice): number {
  const { index, kind, constraints } = access;
  if (kind === 'points') return index === undefined ? 10_000 : 9000;
  const ranged = constraints[constraints.length - 1];
  const bounds = ranged === undefined ? 0 : ranged.bounds.length;
  const score = fixedColumns * 100 + Math.min(bounds, 2) * 10;
  if (index === undefined) return score + 5;
  if (index.predicate !== undefined) return score + 8;
  return score === 0 && constraints.length === 0 ? UNUSABLE : score;
}

/** Whether the choice reads less than everything. */
export function isSelective({ access }: AccessChoice): boolean {
  return access.constraints.length > 0 || access.index?.predicate !== undefined;
}

export function primaryColumns(table: TableDescriptor): readonly KeyColumn[] {
  return table.primary.columns.map((column) => {
    const type = table.layout.types[column.position] as ColumnType;
    const expr: Expr = { kind: 'column', type, index: column.position };
    return { column, type, expr, nullable: false };
  });
}

export function secondaryColumns(rule: IndexRule): readonly KeyColumn[] {
  return rule.index.columns.map((column, i) => ({
    column,
    type: rule.types[i] as ColumnType,
    expr: rule.keys[i] as Expr,
    nullable: rule.nullable[i] as boolean,
  }));
}

function choiceOf(
  rule: IndexRule | undefined,
  columns: readonly KeyColumn[],
  conjuncts: readonly Expr[],
  facts: readonly (Fact | undefined)[],
  implied: ReadonlySet<number> = new Set(),
): AccessChoice {
  const used = new Set<number>(implied);
  const constraints: KeyConstraint[] = [];
  let combinations = 1;
  for (const { column, type, expr, nullable } of columns) {
    const at = facts.findIndex((f) => f?.kind === 'equal' && sameExpr(f.key, expr));
    const fact = facts[at];
    if (fact?.kind === 'equal') {
      combinations *= fact.values.length;
      if (constraints.length > 0 && combinations > KEY_COMBINATIONS_MAX) break;
      used.add(at);
      const equal = fact.values;
      constraints.push({ column, type, nullable, equal, isNull: false, bounds: [] });
      continue;
    }
    const nullAt = facts.findIndex((f) => f?.kind === 'null' && sameExpr(f.key, expr));
    if (nullAt >= 0) {
      used.add(nullAt);
      constraints.push({ column, type, nullable, equal: undefined, isNull: true, bounds: [] });
      continue;
    }
    const bounds: KeyBound[] = [];
    let isBounded = false;
    facts.forEach((f, i) => {
      if ((f?.kind !== 'bound' && f?.kind !== 'notNull') || !sameExpr(f.key, expr)) return;
      if (f.kind === 'bound') bounds.push(f.bound);
      isBounded = true;
      used.add(i);
    });
    if (isBounded && (bounds.length > 0 || nullable)) {
      constraints.push({ column, type, nullable, equal: undefined, isNull: false, bounds });
    }
    break;
  }
  const fixedColumns = constraints.filter((c) => c.equal !== undefined || c.isNull).length;
  const points =
    (rule === undefined || rule.index.unique) &&
    constraints.length === columns.length &&
    constraints.every((c) => c.equal !== undefined);
  return {
    access: { index: rule, kind: points ? 'points' : 'spans', constraints },
    residual: conjunction(conjuncts.filter((_, i) => !used.has(i))),
    fixedColumns,
  };
}

/** Which conjuncts an index's predicate makes needless; undefined when they do not imply it. */
function impliedBy(
  predicate: Expr | undefined,
  conjuncts: readonly Expr[],
  facts: readonly (Fact | undefined)[],
  context: AccessContext,
): ReadonlySet<number> | undefined {
  const implied = new Set<number>();
  let isByLiteral = false;
  for (const part of conjunctsOf(predicate)) {
    let at = conjuncts.findIndex((conjunct) => sameExpr(conjunct, part));
    if (at < 0) {
      at = conjuncts.findIndex((conjunct) => sameExpr(context.withLiterals(conjunct), part));
      if (at >= 0) isByLiteral = true;
    }
    if (at >= 0) implied.add(at);
    else if (!isNotNull(part, facts)) return undefined;
  }
  if (isByLiteral) context.dependOnLiterals();
  return implied;
}

/** `x IS NOT NULL`, where something compares x with a value. */
function isNotNull(part: Expr, facts: readonly (Fact | undefined)[]): boolean {
  if (part.kind !== 'isNull' || !part.negated) return false;
  return facts.some(
    (f) => (f?.kind === 'equal' || f?.kind === 'bound') && sameExpr(f.key, part.arg),
  );
}

function factOf(expr: Expr, stable: (expr: Expr) => boolean): Fact | undefined {
  switch (expr.kind) {
    case 'compare': {
      const side = keySide(expr.left, expr.right, expr.op, stable);
      if (side === undefined || side.op === '<>') return undefined;
      const { op, key, value } = side;
      if (op === '=') return { kind: 'equal', key, values: [value] };
      return { kind: 'bound', key, bound: { op, value } };
    }
    case 'in': {
      if (expr.negated || !hasColumns(expr.arg)) return undefined;
      if (!expr.list.every((e) => isValue(e, stable))) return undefined;
      const type = exprType(expr.arg);
      const values = expr.list.map((e) => ({ expr: e, type }));
      return { kind: 'equal', key: keyOf(expr.arg), values };
    }
    case 'call': {
      const any = anyOf(expr, stable);
      return any === undefined ? undefined : { kind: 'equal', ...any };
    }
    case 'or': {
      const facts = expr.args.map((arg) => factOf(arg, stable));
      const values: KeyValue[] = [];
      const [first] = facts;
      for (const fact of facts) {
        if (fact?.kind !== 'equal' || !sameExpr(fact.key, (first as Fact).key)) return undefined;
        values.push(...fact.values);
      }
      return first === undefined ? undefined : { kind: 'equal', key: first.key, values };
    }
    case 'isNull':
      if (!hasColumns(expr.arg)) return undefined;
      return { kind: expr.negated ? 'notNull' : 'null', key: expr.arg };
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
): { key: Expr; values: readonly KeyValue[] } | undefined {
  if (expr.name !== EQUALS_ANY) return undefined;
  const [left, array] = expr.args as readonly [Expr, Expr];
  if (!hasColumns(left) || !isValue(array, stable)) return undefined;
  return { key: keyOf(left), values: [{ expr: array, type: exprType(left), each: true }] };
}

const EQUALS_ANY = quantifiedCompare('=', 'any');

function boolFact(column: Expr & { kind: 'column' }, value: boolean): Fact {
  const constant: Expr = { kind: 'constant', type: column.type, value };
  return { kind: 'equal', key: column, values: [{ expr: constant, type: column.type }] };
}

const MIRRORED: Readonly<Record<CompareOp, CompareOp>> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

function keySide(
  left: Expr,
  right: Expr,
  op: CompareOp,
  stable: (expr: Expr) => boolean,
): { key: Expr; op: CompareOp; value: KeyValue } | undefined {
  if (hasColumns(left) && isValue(right, stable)) {
    return { key: keyOf(left), op, value: { expr: right, type: exprType(left) } };
  }
  if (hasColumns(right) && isValue(left, stable)) {
    return { key: keyOf(right), op: MIRRORED[op], value: { expr: left, type: exprType(right) } };
  }
  return undefined;
}

function isValue(expr: Expr, stable: (expr: Expr) => boolean): boolean {
  return !hasColumns(expr) && stable(expr);
}

/** What is compared: itself, or what is cast to a type that holds all its values in the same order, each as a value of
 * its own. */
function keyOf(expr: Expr): Expr {
  if (expr.kind !== 'cast' || expr.type.modifier !== -1) return expr;
  const inner = keyOf(expr.arg);
  return widens(exprType(expr.arg).oid, expr.type.oid) ? inner : expr;
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
