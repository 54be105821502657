// From sources and conditions to plan nodes: each condition goes to the deepest node that has its columns, and what
// binds a table's key becomes its access.

import type { Expr } from '../../rows/expr.ts';
import type { PlanContext } from './context.ts';
import {
  collectSlots,
  conjunction,
  conjunctsOf,
  hasColumns,
  hasSubplan,
  mapSlots,
} from './expr-tools.ts';
import type { Source } from './from.ts';
import type { PlanNode } from './nodes.ts';
import { accessChoices } from './spans.ts';
import { tableRules } from './bind-rules.ts';

/** The node for all of FROM under all of WHERE. */
export function placeConditions(
  context: PlanContext,
  source: Source | undefined,
  where: Expr | undefined,
): PlanNode {
  const conjuncts = conjunctsOf(where);
  // What needs no row is decided once, before any row is read.
  const once = conjuncts.filter((c) => !hasColumns(c));
  const rest = conjuncts.filter(hasColumns);
  const placed: Placed =
    source === undefined ? { node: { kind: 'result' }, left: rest } : place(context, source, rest);
  return filtered(filtered(placed.node, placed.left), once);
}

interface Placed {
  readonly node: PlanNode;
  /** Conditions that must be checked further up. */
  readonly left: readonly Expr[];
}

function place(context: PlanContext, source: Source, conditions: readonly Expr[]): Placed {
  switch (source.kind) {
    case 'table': {
      const [here, up] = split(conditions, source, (c) => context.isStable(c));
      const { table, base, lock } = source;
      const local = conjunction(here.map((c) => mapSlots(c, (slot) => slot - base)));
      const { indexes } = tableRules(table, context.environment.catalog);
      const choices = accessChoices(table, indexes, local, context);
      const [{ access, residual: filter }] = choices;
      const asked = { filter, reverse: false, lock, choices, conditions: local };
      return { node: { kind: 'table', table, base, access, ...asked }, left: up };
    }
    case 'leaf': {
      const [here, up] = split(conditions, source);
      return { node: filtered(source.node, here), left: up };
    }
    case 'join':
      return source.type === 'inner'
        ? placeInner(context, source, conditions)
        : placeLeft(context, source, conditions);
  }
}

type JoinSource = Source & { kind: 'join' };

function placeInner(context: PlanContext, source: JoinSource, conditions: readonly Expr[]): Placed {
  const all = [...conditions, ...conjunctsOf(source.on)];
  const [toLeft, notLeft] = split(all, source.left);
  const [toRight, both] = split(notLeft, source.right);
  const left = place(context, source.left, toLeft);
  const right = place(context, source.right, toRight);
  const [here, up] = split([...both, ...left.left, ...right.left], source);
  return { node: joinNode('inner', source, left.node, right.node, here), left: up };
}

/** WHERE comes after the join: it must not touch the side that may be missing. */
function placeLeft(context: PlanContext, source: JoinSource, conditions: readonly Expr[]): Placed {
  const [toLeft, up] = split(conditions, source.left);
  const [toRight, here] = split(conjunctsOf(source.on), source.right);
  const left = place(context, source.left, toLeft);
  const right = place(context, source.right, toRight);
  const rightNode = filtered(right.node, right.left);
  const leftNode = filtered(left.node, left.left);
  return { node: joinNode('left', source, leftNode, rightNode, here), left: up };
}

function joinNode(
  type: 'inner' | 'left',
  source: JoinSource,
  left: PlanNode,
  right: PlanNode,
  conditions: readonly Expr[],
): PlanNode {
  const equal: { left: Expr; right: Expr }[] = [];
  const others: Expr[] = [];
  for (const condition of conditions) {
    const pair = equalPair(condition, source);
    if (pair === undefined) others.push(condition);
    else equal.push(pair);
  }
  const condition = conjunction(others);
  return { kind: 'join', type, left, right, equal, condition, rightSlots: slotsOf(source.right) };
}

function equalPair(condition: Expr, source: JoinSource): { left: Expr; right: Expr } | undefined {
  if (condition.kind !== 'compare' || condition.op !== '=') return undefined;
  const { left, right } = condition;
  if (!hasColumns(left) || !hasColumns(right) || hasSubplan(condition)) return undefined;
  if (within(left, source.left) && within(right, source.right)) return { left, right };
  if (within(right, source.left) && within(left, source.right)) return { left: right, right: left };
  return undefined;
}

/** Those that only need the source's columns (and some), and the others. */
function split(
  conditions: readonly Expr[],
  source: Source,
  also: (condition: Expr) => boolean = () => true,
): [readonly Expr[], readonly Expr[]] {
  const here: Expr[] = [];
  const rest: Expr[] = [];
  for (const c of conditions) (hasColumns(c) && within(c, source) && also(c) ? here : rest).push(c);
  return [here, rest];
}

function within(expr: Expr, source: Source): boolean {
  const used = new Set<number>();
  collectSlots(expr, used);
  const own = new Set(slotsOf(source));
  for (const slot of used) if (!own.has(slot)) return false;
  return true;
}

function slotsOf(source: Source): readonly number[] {
  if (source.kind === 'join') return [...slotsOf(source.left), ...slotsOf(source.right)];
  return Array.from({ length: source.width }, (_, i) => source.base + i);
}

export function filtered(node: PlanNode, conditions: readonly Expr[]): PlanNode {
  const predicate = conjunction(conditions);
  return predicate === undefined ? node : { kind: 'filter', input: node, predicate };
}
