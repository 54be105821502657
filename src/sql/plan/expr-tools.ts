// Walking and rewriting bound expressions.

import type { Datum } from '../../rows/datum.ts';
import type { Expr } from '../../rows/expr.ts';
import { formatText } from '../../rows/text-format.ts';
import type { ColumnType } from '../../rows/types.ts';

export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'constant':
    case 'column':
    case 'parameter':
      return [];
    case 'call':
    case 'and':
    case 'or':
    case 'coalesce':
    case 'subplan':
      return expr.args;
    case 'cast':
    case 'not':
    case 'isNull':
    case 'isBool':
      return [expr.arg];
    case 'compare':
    case 'isDistinct':
      return [expr.left, expr.right];
    case 'in':
      return [expr.arg, ...expr.list];
    case 'case': {
      const parts = expr.whens.flatMap((w) => [w.when, w.result]);
      return expr.otherwise === undefined ? parts : [...parts, expr.otherwise];
    }
  }
}

/** The tree with `replace` applied from the top: what it answers stands, undefined goes on into the children. */
export function rewrite(expr: Expr, replace: (expr: Expr) => Expr | undefined): Expr {
  const replaced = replace(expr);
  if (replaced !== undefined) return replaced;
  const go = (e: Expr): Expr => rewrite(e, replace);
  switch (expr.kind) {
    case 'constant':
    case 'column':
    case 'parameter':
      return expr;
    case 'call':
    case 'and':
    case 'or':
    case 'coalesce':
    case 'subplan':
      return { ...expr, args: expr.args.map(go) };
    case 'cast':
    case 'not':
    case 'isNull':
    case 'isBool':
      return { ...expr, arg: go(expr.arg) };
    case 'compare':
    case 'isDistinct':
      return { ...expr, left: go(expr.left), right: go(expr.right) };
    case 'in':
      return { ...expr, arg: go(expr.arg), list: expr.list.map(go) };
    case 'case':
      return {
        ...expr,
        whens: expr.whens.map((w) => ({ when: go(w.when), result: go(w.result) })),
        otherwise: expr.otherwise === undefined ? undefined : go(expr.otherwise),
      };
  }
}

export function someExpr(expr: Expr, holds: (expr: Expr) => boolean): boolean {
  return findExpr(expr, holds) !== undefined;
}

/** The first part, from the top, that is as asked. */
export function findExpr(expr: Expr, holds: (expr: Expr) => boolean): Expr | undefined {
  if (holds(expr)) return expr;
  for (const child of childrenOf(expr)) {
    const found = findExpr(child, holds);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function parametersIn(expr: Expr): readonly number[] {
  return expr.kind === 'parameter' ? [expr.index] : childrenOf(expr).flatMap(parametersIn);
}

export function hasColumns(expr: Expr): boolean {
  return someExpr(expr, (e) => e.kind === 'column');
}

/** Whether it waits for a query: then only what can be suspended may evaluate it. */
export function hasSubplan(expr: Expr): boolean {
  return someExpr(expr, (e) => e.kind === 'subplan');
}

export function collectSlots(expr: Expr, into: Set<number>): void {
  if (expr.kind === 'column') into.add(expr.index);
  for (const child of childrenOf(expr)) collectSlots(child, into);
}

/** Column slots renumbered. */
export function mapSlots(expr: Expr, map: (slot: number) => number): Expr {
  return rewrite(expr, (e) => {
    if (e.kind !== 'column') return undefined;
    const index = map(e.index);
    return index === e.index ? e : { ...e, index };
  });
}

/** The parts that must all hold. */
export function conjunctsOf(expr: Expr | undefined): readonly Expr[] {
  if (expr === undefined) return [];
  return expr.kind === 'and' ? expr.args.flatMap(conjunctsOf) : [expr];
}

export function conjunction(parts: readonly Expr[]): Expr | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  return parts.length === 1 ? first : { kind: 'and', args: parts };
}

/** Structural equality: the same slots, parameters and constants combined in the same way. */
export function sameExpr(a: Expr, b: Expr): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  if (a.kind === 'constant' && b.kind === 'constant') {
    return a.type.oid === b.type.oid && sameValue(a.type, a.value, b.value);
  }
  if ('type' in a && 'type' in b) {
    if (a.type.oid !== b.type.oid || a.type.modifier !== b.type.modifier) return false;
  }
  if (headOf(a) !== headOf(b)) return false;
  const left = childrenOf(a);
  const right = childrenOf(b);
  return left.length === right.length && left.every((e, i) => sameExpr(e, right[i] as Expr));
}

function headOf(expr: Expr): string {
  switch (expr.kind) {
    case 'column':
    case 'parameter':
      return String(expr.index);
    case 'call':
      return expr.name;
    case 'subplan':
      return String(expr.run);
    case 'compare':
      return expr.op;
    case 'isNull':
    case 'isDistinct':
    case 'in':
      return String(expr.negated);
    case 'isBool':
      return `${expr.value} ${expr.negated}`;
    case 'case':
      return `${expr.whens.length} ${expr.otherwise === undefined}`;
    default:
      return '';
  }
}

function sameValue(type: ColumnType, a: Datum, b: Datum): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  return formatText(type, a) === formatText(type, b);
}
