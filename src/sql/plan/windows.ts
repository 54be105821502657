// Window functions: fn(…) OVER (…). Each call becomes a slot beyond any column's and any aggregate's while its query is
// bound; then a window node makes these slots of rows that hold all that is needed above.

import { DbError, unsupported } from '../../base/errors.ts';
import type { AggregateCall, Expr } from '../../rows/expr.ts';
import * as t from '../../rows/types.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { Expression, WindowDefinition, WindowFrame } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import { bindOperatorOf, noFunction } from './calls.ts';
import { compare } from './conditions.ts';
import { rewrite, sameExpr } from './expr-tools.ts';
import type { Binder } from './binder.ts';
import type { OrderKey } from './order.ts';
import type {
  PlanNode,
  SortKey,
  WindowBound,
  WindowFrameNode,
  WindowFunction,
  WindowNode,
} from './nodes.ts';

/** Above every aggregate's slot. */
export const WINDOW_SLOT: number = 1 << 25;

export interface WindowCall {
  readonly function: WindowFunction;
  /** Of an aggregate its arguments, and its FILTER behind them. */
  readonly args: readonly Expr[];
  readonly type: ColumnType;
  readonly partitionBy: readonly Expr[];
  readonly orderBy: readonly OrderKey[];
  readonly frame: WindowFrameNode;
}

/** The calls of one query, and the windows that its WINDOW clause names. */
export class WindowCollector {
  readonly calls: WindowCall[] = [];
  readonly named: readonly WindowDefinition[];
  inside = false;

  constructor(named: readonly WindowDefinition[]) {
    this.named = named;
  }

  add(call: WindowCall): Expr {
    const index = WINDOW_SLOT + this.calls.push(call) - 1;
    return { kind: 'column', type: call.type, index };
  }
}

const INT8_TYPE = t.columnType(t.INT8);

interface Signature {
  readonly type: (args: readonly Expr[]) => ColumnType;
  readonly least: number;
  readonly most: number;
}

const fixed = (oid: number, count = 0): Signature => ({
  type: () => t.columnType(oid),
  least: count,
  most: count,
});
const ofValue = (least: number, most: number): Signature => ({
  type: (args) => typeOf(args[0] as Expr),
  least,
  most,
});

const FUNCTIONS: ReadonlyMap<string, Signature> = new Map([
  ['row_number', fixed(t.INT8)],
  ['rank', fixed(t.INT8)],
  ['dense_rank', fixed(t.INT8)],
  ['percent_rank', fixed(t.FLOAT8)],
  ['cume_dist', fixed(t.FLOAT8)],
  ['ntile', fixed(t.INT4, 1)],
  ['lag', ofValue(1, 3)],
  ['lead', ofValue(1, 3)],
  ['first_value', ofValue(1, 1)],
  ['last_value', ofValue(1, 1)],
  ['nth_value', ofValue(2, 2)],
]);

export const windowFunctionNames: readonly string[] = [...FUNCTIONS.keys()];

type Call = Expression & { kind: 'function' };

export interface WindowBinder extends Binder {
  /** Undefined where there may be no window function. */
  readonly windows: WindowCollector | undefined;
}

/** Whether the call is one of a window function, or lacks OVER where it must have it. */
export function isWindowFunction({ name, schema }: Call): boolean {
  return FUNCTIONS.has(name) && (schema === undefined || schema === 'pg_catalog');
}

/** `aggregate` binds the call as an aggregate that nobody collects. */
export function bindWindowCall(
  binder: WindowBinder,
  ast: Call,
  over: WindowDefinition | undefined,
  aggregate: (() => AggregateCall) | undefined,
): Expr {
  const { windows } = binder;
  const fail = (code: string, message: string): DbError =>
    new DbError(code, message, positionOf(ast.at));
  if (over === undefined) {
    throw fail('42809', `window function ${ast.name} requires an OVER clause`);
  }
  if (aggregate === undefined && !isWindowFunction(ast)) {
    throw fail(
      '42809',
      `OVER specified, but ${ast.name} is not a window function nor an aggregate function`,
    );
  }
  if (windows === undefined) {
    throw fail('42P20', `window functions are not allowed in ${binder.place}`);
  }
  if (windows.inside) throw fail('42P20', 'window function calls cannot be nested');
  if (ast.distinct) throw fail('0A000', 'DISTINCT is not implemented for window functions');
  if (ast.orderBy.length > 0) {
    throw fail('0A000', 'aggregate ORDER BY is not implemented for window functions');
  }
  windows.inside = true;
  try {
    const made = aggregate === undefined ? ownCall(binder, ast) : aggregateCall(aggregate());
    return windows.add({ ...made, ...bindWindow(binder, windows, over) });
  } finally {
    windows.inside = false;
  }
}

type Made = Pick<WindowCall, 'function' | 'args' | 'type'>;

function aggregateCall(call: AggregateCall): Made {
  const args = call.filter === undefined ? call.args : [...call.args, call.filter];
  return { function: { kind: 'aggregate', call }, args, type: call.type };
}

function ownCall(binder: Binder, ast: Call): Made {
  if (ast.filter !== undefined) {
    throw new DbError(
      '0A000',
      'FILTER is not implemented for non-aggregate window functions',
      positionOf(ast.at),
    );
  }
  const bound = ast.args.map((arg) => binder.bind(arg));
  const signature = FUNCTIONS.get(ast.name) as Signature;
  if (ast.star || bound.length < signature.least || bound.length > signature.most) {
    throw noFunction(
      ast.name,
      bound.map((arg) => typeOf(arg).oid),
      'none',
      ast.at,
    );
  }
  const args = coercedArgs(binder, ast, bound);
  return { function: { kind: 'own', name: ast.name }, args, type: signature.type(args) };
}

function coercedArgs(binder: Binder, ast: Call, bound: readonly Expr[]): readonly Expr[] {
  const at = (i: number): number => ast.args[i]?.at ?? ast.at;
  const int4 = t.columnType(t.INT4);
  if (ast.name === 'ntile') return [binder.coerced(bound[0] as Expr, int4, at(0))];
  const [value, count, otherwise] = bound;
  if (value === undefined) return [];
  if (otherwise === undefined) {
    const settled = binder.settled(value, at(0));
    return count === undefined ? [settled] : [settled, binder.coerced(count, int4, at(1))];
  }
  const { args } = binder.unifiedExprs([value, otherwise], ast.name, [at(0), at(2)]);
  return [args[0] as Expr, binder.coerced(count as Expr, int4, at(1)), args[1] as Expr];
}

type Bound = Pick<WindowCall, 'partitionBy' | 'orderBy' | 'frame'>;

function bindWindow(binder: Binder, windows: WindowCollector, over: WindowDefinition): Bound {
  const definition = resolve(windows, over);
  const partitionBy = definition.partitionBy.map((e) => binder.settled(binder.bind(e), e.at));
  const orderBy = definition.orderBy.map(({ expr, descending, nullsFirst }) => ({
    expr: binder.settled(binder.bind(expr), expr.at),
    descending,
    nullsFirst: nullsFirst ?? descending,
  }));
  return { partitionBy, orderBy, frame: bindFrame(binder, definition, orderBy) };
}

/** With what it takes of a named window. */
function resolve(windows: WindowCollector, over: WindowDefinition): WindowDefinition {
  const name = over.base ?? over.name;
  const isReference = over.base === undefined;
  if (name === undefined || (isReference && windows.named.includes(over))) return over;
  const found = windows.named.find((window) => window.name === name);
  if (found === undefined) {
    throw new DbError('42704', `window "${name}" does not exist`, positionOf(over.at));
  }
  const base = resolveNamed(windows, found);
  if (isReference) return base;
  const fail = (message: string): DbError => new DbError('42P20', message, positionOf(over.at));
  if (over.partitionBy.length > 0) {
    throw fail(`cannot override PARTITION BY clause of window "${name}"`);
  }
  if (over.orderBy.length > 0 && base.orderBy.length > 0) {
    throw fail(`cannot override ORDER BY clause of window "${name}"`);
  }
  if (base.frame !== undefined) {
    throw fail(`cannot copy window "${name}" because it has a frame clause`);
  }
  return {
    ...over,
    partitionBy: base.partitionBy,
    orderBy: over.orderBy.length > 0 ? over.orderBy : base.orderBy,
  };
}

/** A named window may continue one that was named before it. */
function resolveNamed(windows: WindowCollector, window: WindowDefinition): WindowDefinition {
  if (window.base === undefined) return window;
  const before = new WindowCollector(windows.named.slice(0, windows.named.indexOf(window)));
  return resolve(before, { ...window, name: undefined });
}

function bindFrame(
  binder: Binder,
  { frame, at }: WindowDefinition,
  orderBy: readonly OrderKey[],
): WindowFrameNode {
  if (frame === undefined) {
    const [start, end] = [{ kind: 'unbounded' }, { kind: 'currentRow' }] as const;
    return { mode: 'range', start, end, exclude: 'none' };
  }
  checkFrame(frame, at);
  if (frame.mode === 'groups' && orderBy.length === 0) {
    throw new DbError('42P20', 'GROUPS mode requires an ORDER BY clause', positionOf(at));
  }
  const start = bindBound(binder, frame, frame.start, orderBy, true, at);
  const end = bindBound(binder, frame, frame.end, orderBy, false, at);
  return { mode: frame.mode, start, end, exclude: frame.exclude };
}

function checkFrame({ start, end }: WindowFrame, at: number): void {
  const fail = (message: string): DbError => new DbError('42P20', message, positionOf(at));
  if (start.kind === 'currentRow' && end.kind === 'preceding') {
    throw fail('frame starting from current row cannot have preceding rows');
  }
  if (start.kind === 'following' && (end.kind === 'preceding' || end.kind === 'currentRow')) {
    throw fail('frame starting from following row cannot have preceding rows');
  }
}

function bindBound(
  binder: Binder,
  { mode }: WindowFrame,
  bound: WindowFrame['start'],
  orderBy: readonly OrderKey[],
  isStart: boolean,
  at: number,
): WindowBound {
  if (bound.kind === 'unbounded' || bound.kind === 'currentRow') return { kind: bound.kind };
  const offset = binder.bind(bound.offset);
  if (mode !== 'range') {
    return { kind: bound.kind, offset: binder.coerced(offset, INT8_TYPE, bound.offset.at) };
  }
  const [key, another] = orderBy;
  if (key === undefined || another !== undefined) {
    throw new DbError(
      '42P20',
      'RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column',
      positionOf(at),
    );
  }
  return { kind: bound.kind, ...rangeTest(binder, key, offset, bound, isStart) };
}

type OffsetBound = Extract<WindowFrame['start'], { kind: 'preceding' | 'following' }>;

const EXACT: ReadonlyMap<number, number> = new Map([
  // In a wider type nothing overflows.
  ...[t.INT2, t.INT4].map((oid): [number, number] => [oid, t.INT8]),
  [t.INT8, t.NUMERIC],
  [t.NUMERIC, t.NUMERIC],
  ...[t.FLOAT4, t.FLOAT8].map((oid): [number, number] => [oid, t.FLOAT8]),
]);

/** Whether a row's value (slot 0) lies within the bound that the current row's (slot 1) and the offset (slot 2) make. */
function rangeTest(
  binder: Binder,
  { expr, descending }: OrderKey,
  given: Expr,
  bound: OffsetBound,
  isStart: boolean,
): { readonly offset: Expr; readonly test: Expr } {
  const { oid } = typeOf(expr);
  const number = EXACT.get(oid);
  const isTime = [t.DATE, t.TIMESTAMP, t.TIMESTAMPTZ].includes(oid);
  if (number === undefined && !isTime) {
    throw unsupported('RANGE with an offset of this type', bound.offset.at + 1);
  }
  const place = bound.offset.at;
  const offset = binder.coerced(given, t.columnType(number ?? t.INTERVAL), place);
  const slot = (index: number, type: ColumnType): Expr => ({ kind: 'column', type, index });
  const widened = (index: number): Expr => {
    const column = slot(index, typeOf(expr));
    return number === undefined ? column : binder.coerced(column, t.columnType(number), place);
  };
  const isLess = (bound.kind === 'preceding') !== descending;
  const operands = [widened(1), slot(2, typeOf(offset))];
  const limit = bindOperatorOf(binder, isLess ? '-' : '+', operands, [], place);
  const op = isStart !== descending ? '>=' : '<=';
  const places = { at: place, leftAt: place, rightAt: place };
  return { offset, test: compare(binder, op, widened(0), limit, places) };
}

type NodeCall = WindowNode['windows'][number]['calls'][number];

/** Calls that want the same order of rows. */
interface Spec {
  readonly partition: readonly SortKey[];
  readonly keys: readonly SortKey[];
  readonly calls: NodeCall[];
}

export interface Windowed {
  readonly node: PlanNode;
  /** An expression in terms of the node's slots. */
  map(expr: Expr): Expr;
}

/** The node that makes the calls' slots, above `input`; `above` is all that is asked of it. */
export function windowNode(
  input: PlanNode,
  calls: readonly WindowCall[],
  above: readonly Expr[],
): Windowed {
  const exprs: Expr[] = [];
  const take = (expr: Expr): number => {
    const known = exprs.findIndex((e) => sameExpr(e, expr));
    return known >= 0 ? known : exprs.push(expr) - 1;
  };
  const slotFor = (expr: Expr): Expr => ({ kind: 'column', type: typeOf(expr), index: take(expr) });
  for (const expr of above) eachColumn(expr, take);
  const specs = new Map<string, Spec>();
  calls.forEach((call, i) => {
    const sortKey = (key: OrderKey): SortKey => ({
      slot: take(key.expr),
      type: typeOf(key.expr),
      descending: key.descending,
      nullsFirst: key.nullsFirst,
    });
    const partition = call.partitionBy.map((expr) =>
      sortKey({ expr, descending: false, nullsFirst: false }),
    );
    const keys = call.orderBy.map(sortKey);
    const text = JSON.stringify([partition, keys]);
    const spec = specs.get(text) ?? { keys, partition, calls: [] };
    specs.set(text, spec);
    const args = call.args.map(slotFor);
    spec.calls.push({
      function: call.function,
      args,
      frame: call.frame,
      result: i,
      type: call.type,
    });
  });
  const width = exprs.length;
  const windows = [...specs.values()].map(({ keys, partition, calls: own }) => ({
    partition,
    keys,
    calls: own.map((call) => ({ ...call, result: width + call.result })),
  }));
  const node: WindowNode = {
    kind: 'window',
    input: { kind: 'project', input, exprs },
    width,
    count: calls.length,
    windows,
  };
  const map = (expr: Expr): Expr =>
    rewrite(expr, (e) => {
      if (e.kind !== 'column') return undefined;
      const index = e.index >= WINDOW_SLOT ? width + (e.index - WINDOW_SLOT) : take(e);
      return { ...e, index };
    });
  return { node, map };
}

/** The call with each of its expressions replaced. */
export function mapCall(call: WindowCall, map: (expr: Expr) => Expr): WindowCall {
  return {
    ...call,
    args: call.args.map(map),
    partitionBy: call.partitionBy.map(map),
    orderBy: call.orderBy.map((key) => ({ ...key, expr: map(key.expr) })),
  };
}

function eachColumn(expr: Expr, use: (expr: Expr) => void): void {
  rewrite(expr, (e) => {
    if (e.kind === 'column' && e.index < WINDOW_SLOT) use(e);
    return undefined;
  });
}
