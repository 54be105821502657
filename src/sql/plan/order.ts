// Whether reading a table in key order already gives the order that is asked for.

import type { Expr } from '../../rows/expr.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { TableAccess } from './spans.ts';

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
  const fixed = new Set<number>();
  for (const { column, equal } of access.constraints) {
    if (equal?.length === 1) fixed.add(column.position);
  }
  // Key columns are NOT NULL, so where NULLs go does not matter.
  const key = table.primary.columns.filter((c) => !fixed.has(c.position));
  let direction: 'forward' | 'reverse' | undefined;
  let at = 0;
  for (const { expr, descending } of order) {
    if (at === key.length) break;
    if (expr.kind !== 'column') return undefined;
    if (fixed.has(expr.index)) continue;
    const column = key[at];
    if (column === undefined || column.position !== expr.index) return undefined;
    const wanted = column.descending === descending ? 'forward' : 'reverse';
    if (direction !== undefined && direction !== wanted) return undefined;
    direction = wanted;
    at++;
  }
  return direction ?? 'forward';
}
