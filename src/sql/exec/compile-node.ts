// Plan nodes to compiled nodes, from the top: each is told which slots are needed of it, so that tables send no more.

import type { Expr } from '../../rows/expr.ts';
import { collectSlots } from '../plan/expr-tools.ts';
import type { JoinNode, LateralNode, PlanNode } from '../plan/nodes.ts';
import { compileAggregate, compilePushedAggregate } from './aggregate.ts';
import type { CompiledNode } from './cursor.ts';
import type { SlotSet } from './execution.ts';
import { compileRecursive, compileShared, compileWorking } from './common-tables.ts';
import { compileJoin } from './join.ts';
import { compileLateral } from './lateral.ts';
import {
  compileFilter,
  compileLimit,
  compileProject,
  compileValues,
  compileVirtual,
  RESULT_NODE,
} from './operators.ts';
import { compileAppend, compileMatched } from './set-operations.ts';
import { compileTableFunction } from './table-functions.ts';
import { compileDistinct, compileSort } from './sort.ts';
import { compileTable } from './table.ts';
import { compileWindow } from './window.ts';

export function compileNode(
  node: PlanNode,
  needed: ReadonlySet<number>,
  slots: SlotSet,
): CompiledNode {
  switch (node.kind) {
    case 'result':
      return RESULT_NODE;
    case 'table':
      return compileTable(node, needed, slots);
    case 'virtual':
      return compileVirtual(node);
    case 'values':
      return compileValues(node, slots);
    case 'tableFunction':
      return compileTableFunction(node);
    case 'shared':
      return compileShared(node, slots);
    case 'working':
      return compileWorking(node);
    case 'recursive': {
      const base = compileNode(node.base, needed, slots);
      return compileRecursive(node, base, compileNode(node.step, needed, slots));
    }
    case 'subquery': {
      const { query, base } = node;
      const input = compileNode(query.input, slotsIn(query.outputs), slots);
      return compileProject(input, query.outputs, slots, base);
    }
    case 'filter': {
      const input = compileNode(node.input, slotsIn([node.predicate], needed), slots);
      return compileFilter(input, node.predicate, slots);
    }
    case 'join':
      return joined(node, needed, slots);
    case 'lateral':
      return lateralJoined(node, needed, slots);
    case 'aggregate': {
      const { groupBy, aggregates, input } = node;
      if (node.pushed && input.kind === 'table') {
        return compilePushedAggregate(input, groupBy, aggregates, slots);
      }
      const exprs = aggregates.flatMap((c) =>
        c.filter === undefined ? c.args : [...c.args, c.filter],
      );
      const below = compileNode(input, slotsIn([...groupBy, ...exprs]), slots);
      return compileAggregate(below, groupBy, aggregates, slots, node.grouping);
    }
    case 'window':
      return compileWindow(node, compileNode(node.input, allSlots(node.width), slots));
    case 'project':
      return compileProject(compileNode(node.input, slotsIn(node.exprs), slots), node.exprs, slots);
    case 'distinct':
      return compileDistinct(compileNode(node.input, needed, slots), node.types, node.keys);
    case 'append': {
      const inputs = node.inputs.map((input) => compileNode(input, needed, slots));
      return compileAppend(inputs, node.width);
    }
    case 'matched': {
      const left = compileNode(node.left, needed, slots);
      return compileMatched(node, left, compileNode(node.right, needed, slots));
    }
    case 'sort':
      return compileSort(compileNode(node.input, needed, slots), node.keys, node.width);
    case 'limit':
      return compileLimit(compileNode(node.input, needed, slots), node);
  }
}

function joined(node: JoinNode, needed: ReadonlySet<number>, slots: SlotSet): CompiledNode {
  const used = new Set(needed);
  if (node.condition !== undefined) collectSlots(node.condition, used);
  const isRight = new Set(node.rightSlots);
  const rightSlots = [...used].filter((slot) => isRight.has(slot));
  const leftSlots = [...used].filter((slot) => !isRight.has(slot));
  const leftKeys = node.equal.map((pair) => pair.left);
  const rightKeys = node.equal.map((pair) => pair.right);
  const left = compileNode(node.left, slotsIn(leftKeys, leftSlots), slots);
  const right = compileNode(node.right, slotsIn(rightKeys, rightSlots), slots);
  return compileJoin(node, left, right, leftSlots, rightSlots, slots);
}

function lateralJoined(
  node: LateralNode,
  needed: ReadonlySet<number>,
  slots: SlotSet,
): CompiledNode {
  const used = slotsIn(node.condition === undefined ? [] : [node.condition], needed);
  const isRight = new Set(node.rightSlots);
  const rightSlots = [...used].filter((slot) => isRight.has(slot));
  const leftSlots = [...used].filter((slot) => !isRight.has(slot));
  const left = compileNode(node.left, slotsIn(node.args, leftSlots), slots);
  const right = compileNode(node.right, new Set(rightSlots), slots);
  return compileLateral(node, left, right, leftSlots, rightSlots, slots);
}

function allSlots(width: number): ReadonlySet<number> {
  return new Set(Array.from({ length: width }, (_, i) => i));
}

export function slotsIn(exprs: readonly Expr[], more: Iterable<number> = []): Set<number> {
  const used = new Set<number>(more);
  for (const expr of exprs) collectSlots(expr, used);
  return used;
}
