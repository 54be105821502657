// Queries in expressions: (SELECT …), EXISTS, IN, ANY and ALL.

import { assert } from '../../base/assert.ts';
import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import {
  arrayOf,
  BOOL,
  type ColumnType,
  columnType,
  INT8,
  TEXT,
  UNKNOWN,
} from '../../rows/types.ts';
import type { Expression, SelectStatement } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import type { Binder } from './binder.ts';
import { bindOperatorOf } from './calls.ts';
import { COMPARE_OPS } from './conditions.ts';
import { Correlation } from './correlation.ts';
import { rewrite, someExpr } from './expr-tools.ts';
import { inputsOf, type PlanNode, type SelectPlan, type SubplanAnswer } from './nodes.ts';
import { comparedPairs, rowsCompare } from './rows.ts';

type Subquery = Expression & { kind: 'subquery' };

const BOOL_TYPE = columnType(BOOL);

export function bindSubquery(binder: Binder, ast: Subquery): Expr {
  const { form } = ast;
  if (!binder.context.mayQuery) {
    const place = binder.place.replace(/s$/, '');
    throw new DbError('0A000', `cannot use subquery in ${place}`, positionOf(ast.at));
  }
  if (form === 'any' || form === 'all') return bindQuantified(binder, ast, form);
  const inner = bindInner(binder, ast.query);
  if (form === 'exists') {
    const { plan, correlation } = inner;
    const one: Expr = { kind: 'constant', type: columnType(INT8), value: 1 };
    const input: PlanNode = {
      kind: 'limit',
      input: plan.input,
      limit: one,
      offset: undefined,
      ties: undefined,
    };
    const query = { ...plan, input, outputs: [], ...withoutOutputs(plan) };
    return subplan(binder, { plan: query, correlation }, [], BOOL_TYPE, { kind: 'exists' });
  }
  const [only, another] = inner.plan.outputs;
  if (only === undefined || another !== undefined) {
    throw new DbError('42601', 'subquery must return only one column', positionOf(ast.at));
  }
  const type = typeOf(only);
  if (form === 'scalar') return subplan(binder, inner, [], type, { kind: 'scalar' });
  const element = type.oid === UNKNOWN ? TEXT : type.oid;
  const array = arrayOf(element);
  if (array === undefined) {
    throw unsupported(`an array of ${sqlTypeName(type)}`, ast.at + 1);
  }
  return subplan(binder, inner, [], columnType(array), { kind: 'array', elementOid: element });
}

/** Only whether there are rows is asked, so that of the keyed query only the keys are left. */
function withoutOutputs({ outputs, keyed }: SelectPlan): Pick<SelectPlan, 'keyed'> {
  if (keyed === undefined) return {};
  const keys = keyed.plan.outputs.slice(outputs.length);
  return { keyed: { ...keyed, plan: { ...keyed.plan, outputs: keys } } };
}

/** (a, b) = (SELECT x, y …), and with other comparisons. */
export function bindRowSubquery(
  binder: Binder,
  op: string,
  left: Expression & { kind: 'row' },
  ast: Subquery,
  at: number,
): Expr {
  return comparison(binder, { lefts: left.args, op, quantifier: 'row', query: ast.query, at });
}

interface Inner {
  readonly plan: SelectPlan;
  readonly correlation: Correlation;
}

function bindInner(binder: Binder, query: SelectStatement): Inner {
  const { context } = binder;
  const around = context.correlation;
  const correlation = new Correlation(context, binder);
  context.correlation = correlation;
  const bound = context.query(query);
  context.correlation = around;
  // What depends on the query around elsewhere, too, can't be answered for all of it at once.
  const { keyed, ...plan } = bound;
  return { plan: keyed?.uses === correlation.uses ? bound : plan, correlation };
}

function bindQuantified(binder: Binder, ast: Subquery, quantifier: 'any' | 'all'): Expr {
  const { left, op, query, at } = ast;
  assert(left !== undefined && op !== undefined, 'ANY and ALL have a left side');
  const lefts = left.kind === 'row' ? left.args : [left];
  if (quantifier === 'any' || (op !== '<>' && op !== '!=')) {
    return comparison(binder, { lefts, op, quantifier, query, at });
  }
  // What differs from all equals none: that can be looked up.
  const arg = comparison(binder, { lefts, op: '=', quantifier: 'any', query, at });
  return { kind: 'not', arg };
}

interface Comparison {
  readonly lefts: readonly Expression[];
  readonly op: string;
  readonly quantifier: 'any' | 'all' | 'row';
  readonly query: SelectStatement;
  readonly at: number;
}

function comparison(binder: Binder, { lefts: asts, op, quantifier, query, at }: Comparison): Expr {
  const bound = asts.map((e) => binder.bind(e));
  const { plan, correlation } = bindInner(binder, query);
  const width = bound.length;
  if (plan.outputs.length !== width) {
    const much = plan.outputs.length > width ? 'many' : 'few';
    throw new DbError('42601', `subquery has too ${much} columns`, positionOf(at));
  }
  const places = { at, leftAt: asts[0]?.at ?? at, rightAt: at };
  const compareOp = COMPARE_OPS.get(op);
  if (compareOp === undefined) {
    if (width > 1) throw unsupported(`the operator ${op} for rows`, at + 1);
    const [left, right] = [bound[0] as Expr, plan.outputs[0] as Expr];
    const operands = [slotOf(left, 0), slotOf(right, 1)];
    const test = bindOperatorOf(binder, op, operands, [asts[0] ?? { at }, { at }], at);
    const answer = {
      kind: 'quantified',
      quantifier,
      test: binder.toBool(test, quantifier.toUpperCase(), at),
      hashed: undefined,
      width,
    } as const;
    return subplan(binder, { plan, correlation }, bound, BOOL_TYPE, answer);
  }
  const pairs = comparedPairs(binder, compareOp, bound, plan.outputs, places);
  const slots = pairs.map(({ left, right }, i) => ({
    left: slotOf(left, i),
    right: slotOf(right, width + i),
  }));
  const lefts = pairs.map((pair) => pair.left);
  const answer = {
    kind: 'quantified',
    quantifier,
    test: rowsCompare(compareOp, slots),
    hashed: compareOp === '=' && quantifier === 'any' ? lefts.map(typeOf) : undefined,
    width,
  } as const;
  const outputs = pairs.map((pair) => pair.right);
  return subplan(
    binder,
    { plan: withOutputs(plan, outputs), correlation },
    lefts,
    BOOL_TYPE,
    answer,
  );
}

function slotOf(expr: Expr, index: number): Expr {
  return { kind: 'column', type: typeOf(expr), index };
}

/** The query with casts of its outputs in their place. */
function withOutputs(plan: SelectPlan, outputs: readonly Expr[]): SelectPlan {
  const { keyed } = plan;
  if (keyed === undefined) return { ...plan, outputs };
  // The same casts, of the same outputs.
  const behind = keyed.plan.outputs.slice(outputs.length);
  const cast = outputs.map((output, i) => {
    const before = plan.outputs[i] as Expr;
    const same = keyed.plan.outputs[i] as Expr;
    return rewrite(output, (e) => (e === before ? same : undefined));
  });
  const both = { ...keyed, plan: { ...keyed.plan, outputs: [...cast, ...behind] } };
  return { ...plan, outputs, keyed: both };
}

function subplan(
  binder: Binder,
  { plan, correlation }: Inner,
  lefts: readonly Expr[],
  type: ColumnType,
  answer: SubplanAnswer,
): Expr {
  const { context } = binder;
  const { outer, args } = correlation;
  const number = context.subplans.length + 1;
  const initial = args.length === 0 && lefts.every((left) => context.isKnownAtStart(left));
  const run = context.reserve(`subquery ${number}`, type, initial);
  context.subplans.push({
    run,
    initial,
    lefts: initial ? lefts : [],
    query: plan,
    outer,
    outerTypes: args.map(typeOf),
    byKey: readsByKey(plan.input, new Set(outer)),
    answer,
  });
  if (initial) return { kind: 'parameter', type, index: run };
  return { kind: 'subplan', type, run, args: [...lefts, ...args] };
}

/** Whether some table is read by keys that the query around gives. */
function readsByKey(node: PlanNode, outer: ReadonlySet<number>): boolean {
  if (node.kind === 'table') {
    return node.access.constraints.some(({ equal }) =>
      equal?.some(({ expr }) =>
        someExpr(expr, (e) => e.kind === 'parameter' && outer.has(e.index)),
      ),
    );
  }
  return inputsOf(node).some((input) => readsByKey(input, outer));
}
