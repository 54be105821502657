// What the entries of an index answer by themselves.

import type { Expr } from '../../rows/expr.ts';
import { collectSlots, mapSlots } from './expr-tools.ts';
import type { TableNode } from './nodes.ts';
import type { IndexRule } from './table-rules.ts';

/** Whether no row has to be looked up: `needed` are storage positions. */
export function isCovered(node: TableNode, needed: Iterable<number>): boolean {
  const { index } = node.access;
  if (index === undefined) return true;
  // What is locked is the row.
  if (node.lock !== undefined) return false;
  const used = new Set(needed);
  if (node.filter !== undefined) collectSlots(node.filter, used);
  return holds(index, used);
}

/** Whether entries have all that the expression is over. */
export function isOverEntries(index: IndexRule, expr: Expr): boolean {
  const used = new Set<number>();
  collectSlots(expr, used);
  return holds(index, used);
}

function holds({ positions }: IndexRule, used: ReadonlySet<number>): boolean {
  for (const position of used) if (!positions.includes(position)) return false;
  return true;
}

/** Over an entry's values. */
export function overEntries(index: IndexRule, expr: Expr): Expr {
  return mapSlots(expr, (position) => index.positions.indexOf(position));
}
