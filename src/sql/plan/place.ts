// From sources and conditions to plan nodes: each condition goes to the deepest node that has its columns, and what
// binds a table's key becomes its access.

import { unsupported } from '../../base/errors.ts';
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
import type { JoinType, Lateral, Source } from './from.ts';
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
      const { node, lateral } = source;
      if (lateral === undefined) return { node: filtered(node, here), left: up };
      // There is nothing to the left of it: what it takes is of the query around.
      const alone: PlanNode = {
        kind: 'lateral',
        type: 'inner',
        left: { kind: 'result' },
        right: node,
        ...lateral,
        condition: conjunction(here),
        rightSlots: slotsOf(source),
      };
      return { node: alone, left: up };
    }
    case 'join':
      if (source.right.kind === 'leaf' && source.right.lateral !== undefined) {
        return placeLateral(context, source, source.right, source.right.lateral, conditions);
      }
      if (source.type === 'inner') return placeInner(context, source, conditions);
      return source.type === 'left'
        ? placeLeft(context, source, conditions)
        : placeFull(context, source, conditions);
  }
}

type JoinSource = Source & { kind: 'join' };

/** Inner joins of several tables are made in an order in which each finds something to be equal to, if there is one. */
function placeInner(context: PlanContext, source: JoinSource, conditions: readonly Expr[]): Placed {
  const all = [...conditions];
  const waiting = innerSources(source, all);
  let rest: readonly Expr[] = all;
  let placed: { source: Source; node: PlanNode } | undefined;
  while (waiting.length > 0) {
    const next = waiting.splice(nextToJoin(placed?.source, waiting, rest), 1)[0] as Source;
    const [own, others] = split(rest, next);
    const right = place(context, next, own);
    rest = [...others, ...right.left];
    if (placed === undefined) {
      placed = { source: next, node: right.node };
      continue;
    }
    const both: JoinSource = {
      kind: 'join',
      type: 'inner',
      left: placed.source,
      right: next,
      on: undefined,
    };
    const [here, later] = split(rest, both);
    rest = later;
    placed = { source: both, node: joinNode('inner', both, placed.node, right.node, here) };
  }
  return { node: (placed as { node: PlanNode }).node, left: rest };
}

/** What a tree of inner joins joins; its conditions go to `conditions`. */
function innerSources(source: Source, conditions: Expr[]): Source[] {
  const isInner = source.kind === 'join' && source.type === 'inner';
  if (!isInner || isLateral(source.right)) return [source];
  conditions.push(...conjunctsOf(source.on));
  return [...innerSources(source.left, conditions), ...innerSources(source.right, conditions)];
}

function isLateral(source: Source): boolean {
  return source.kind === 'leaf' && source.lateral !== undefined;
}

/** The first one that must equal something of what is joined already; else the first. */
function nextToJoin(
  placed: Source | undefined,
  waiting: readonly Source[],
  conditions: readonly Expr[],
): number {
  if (placed === undefined) return 0;
  const found = waiting.findIndex((next) => {
    const both: JoinSource = {
      kind: 'join',
      type: 'inner',
      left: placed,
      right: next,
      on: undefined,
    };
    return conditions.some((c) => equalPair(c, both) !== undefined);
  });
  return Math.max(0, found);
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

/** Either side may be missing: everything waits. */
function placeFull(context: PlanContext, source: JoinSource, conditions: readonly Expr[]): Placed {
  const left = place(context, source.left, []);
  const right = place(context, source.right, []);
  const leftNode = filtered(left.node, left.left);
  const rightNode = filtered(right.node, right.left);
  const on = conjunctsOf(source.on);
  return { node: joinNode('full', source, leftNode, rightNode, on), left: conditions };
}

function placeLateral(
  context: PlanContext,
  source: JoinSource,
  item: Source & { kind: 'leaf' },
  lateral: Lateral,
  conditions: readonly Expr[],
): Placed {
  const isInner = source.type === 'inner';
  if (!lateral.args.every((arg) => !hasColumns(arg) || within(arg, source.left))) {
    throw unsupported('LATERAL that names an item outside its own join');
  }
  const [toLeft, rest] = split(conditions, source.left);
  const on = conjunctsOf(source.on);
  const [here, up] = isInner ? split([...rest, ...on], source) : [on, rest];
  const left = place(context, source.left, toLeft);
  const node: PlanNode = {
    kind: 'lateral',
    type: isInner ? 'inner' : 'left',
    left: filtered(left.node, left.left),
    right: item.node,
    ...lateral,
    condition: conjunction(here),
    rightSlots: slotsOf(item),
  };
  return { node, left: up };
}

function joinNode(
  type: JoinType,
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
