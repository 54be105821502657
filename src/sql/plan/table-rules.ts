// The expressions that a table's descriptor keeps as text, bound over storage positions (bind-rules.ts): what CHECK
// demands, what GENERATED makes, what indexes are over.

import type { Expr } from '../../rows/expr.ts';
import type { RowLayout } from '../../rows/row-codec.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { SecondaryIndex } from '../catalog/descriptor.ts';
import { collectSlots } from './expr-tools.ts';
import type { SessionCall } from './session-functions.ts';

export interface IndexRule {
  readonly index: SecondaryIndex;
  /** Of each of its columns. */
  readonly keys: readonly Expr[];
  readonly types: readonly ColumnType[];
  readonly nullable: readonly boolean[];
  /** Values of its expressions, in their order. */
  readonly expressions: readonly Expr[];
  readonly predicate: Expr | undefined;
  /** What its entries hold: catalog/index-entry.ts. */
  readonly positions: readonly number[];
  readonly layout: RowLayout;
}

export interface TableRules {
  readonly checks: readonly { readonly name: string; readonly expr: Expr }[];
  readonly generated: readonly { readonly position: number; readonly expr: Expr }[];
  readonly indexes: readonly IndexRule[];
  /** Of checks: parameters 0…. */
  readonly slots: readonly SessionCall[];
}

/** The storage positions that SET writes, with those of columns that are generated from them. */
export function writtenBy(
  rules: TableRules,
  set: readonly { readonly position: number }[],
): ReadonlySet<number> {
  const written = new Set(set.map(({ position }) => position));
  for (const { position, expr } of rules.generated) {
    const over = new Set<number>();
    collectSlots(expr, over);
    if ([...over].some((slot) => written.has(slot))) written.add(position);
  }
  return written;
}

/** Whether a row in which these columns change may have another entry than before. */
export function changesEntries(rule: IndexRule, written: ReadonlySet<number>): boolean {
  if (rule.positions.some((position) => written.has(position))) return true;
  const over = new Set<number>();
  for (const expr of rule.expressions) collectSlots(expr, over);
  if (rule.predicate !== undefined) collectSlots(rule.predicate, over);
  return [...over].some((position) => written.has(position));
}
