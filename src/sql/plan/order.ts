// Whether reading a table in the order of an index already gives the order that is asked for.

import type { Expr } from '../../rows/expr.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import { sameExpr } from './expr-tools.ts';
import { primaryColumns, secondaryColumns, type TableAccess } from './spans.ts';

export interface OrderKey {
  readonly expr: Expr;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

/** 'forward' or 'reverse' when the scan in that direction has the order; `expr`s are over storage positions. */
export function keyOrder(
  table: TableDescriptor,
  access: TableAccess,
  order: readonly OrderKey[],
): 'forward' | 'reverse' | undefined {
  const { index, constraints } = access;
  const primary = primaryColumns(table);
  // Entries of an index that are equal lie in the order of the primary key.
  const columns = index === undefined ? primary : [...secondaryColumns(index), ...primary];
  const isFixed = columns.map((_, i) => {
    const { isNull = false, equal = [] } = constraints[i] ?? {};
    return isNull || (equal.length === 1 && equal[0]?.each !== true);
  });
  const fixed = columns.filter((_, i) => isFixed[i]);
  const free = columns.filter((_, i) => !isFixed[i]);
  let direction: 'forward' | 'reverse' | undefined;
  let at = 0;
  for (const { expr, descending, nullsFirst } of order) {
    if (at === free.length) break;
    if (fixed.some((column) => sameExpr(column.expr, expr))) continue;
    const next = free[at];
    if (next === undefined || !sameExpr(next.expr, expr)) return undefined;
    const { column, nullable } = next;
    const wanted = column.descending === descending ? 'forward' : 'reverse';
    // Read backwards, NULLs lie at the other end.
    const nullsAreFirst = column.nullsFirst === (wanted === 'forward');
    if (nullable && nullsAreFirst !== nullsFirst) return undefined;
    if (direction !== undefined && direction !== wanted) return undefined;
    direction = wanted;
    at++;
  }
  return direction ?? 'forward';
}
