// GROUP BY: expressions above an aggregation may use only what it makes, groups and aggregates.

import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { positionOf } from '../types/names.ts';
import { AGGREGATE_SLOT, GROUPING_SLOT, isAggregateSlot } from './aggregate-collector.ts';
import { mapSlots, rewrite, sameExpr } from './expr-tools.ts';
import type { Scope } from './scope.ts';

export class Grouping {
  /** Grows by columns that a grouped primary key determines. */
  readonly groups: Expr[];
  readonly #scope: Scope;
  /** Then a column that a set's groups determine is not determined by another's. */
  readonly #hasSets: boolean;
  readonly #columnAt: WeakMap<Expr, number>;

  constructor(
    groups: readonly Expr[],
    scope: Scope,
    columnAt: WeakMap<Expr, number>,
    hasSets: boolean,
  ) {
    this.#hasSets = hasSets;
    this.groups = [...groups];
    this.#scope = scope;
    this.#columnAt = columnAt;
  }

  /** The groups that GROUPING(…) names. */
  groupings(list: readonly (readonly Expr[])[]): readonly (readonly number[])[] {
    return list.map((args) =>
      args.map((arg) => {
        const at = this.groups.findIndex((group) => sameExpr(group, arg));
        if (at >= 0) return at;
        throw new DbError(
          '42803',
          'arguments to GROUPING must be grouping expressions of the associated query level',
          positionOf(this.#columnAt.get(arg) ?? -1),
        );
      }),
    );
  }

  /** In terms of groups (slots 0…) and aggregates (still from AGGREGATE_SLOT); throws 42803. */
  regroup(expr: Expr): Expr {
    return rewrite(expr, (e) => {
      const at = this.groups.findIndex((group) => sameExpr(group, e));
      if (at >= 0) return this.#slot(at);
      if (e.kind === 'subplan') return { ...e, args: e.args.map((arg) => this.#outside(arg)) };
      if (e.kind !== 'column') return undefined;
      if (e.index >= AGGREGATE_SLOT) return e;
      if (!this.#hasSets && this.#determined(e.index)) return this.#slot(this.groups.push(e) - 1);
      throw this.#ungrouped(e);
    });
  }

  /** What a query inside takes. */
  #outside(arg: Expr): Expr {
    try {
      return this.regroup(arg);
    } catch (error) {
      if (!(error instanceof DbError) || arg.kind !== 'column' || error.code !== '42803')
        throw error;
      const message = `subquery uses ungrouped column "${this.#named(arg.index)}" from outer query`;
      throw new DbError('42803', message, error.fields);
    }
  }

  /** The aggregates' slots, once all groups are known. */
  finish(expr: Expr, calls: number): Expr {
    const { length } = this.groups;
    return mapSlots(expr, (slot) =>
      slot >= GROUPING_SLOT && isAggregateSlot(slot)
        ? length + calls + (slot - GROUPING_SLOT)
        : isAggregateSlot(slot)
          ? length + (slot - AGGREGATE_SLOT)
          : slot,
    );
  }

  #slot(index: number): Expr {
    const group = this.groups[index] as Expr;
    const type = 'type' in group ? group.type : { oid: 16, modifier: -1 };
    return { kind: 'column', type, index };
  }

  /** Whether the groups hold the whole primary key of the column's table. */
  #determined(slot: number): boolean {
    const relation = this.#scope.relations.find((r) => r.columns.some((c) => c.slot === slot));
    const table = relation?.table;
    if (relation === undefined || table === undefined || !table.hasPrimaryKey) return false;
    const first = relation.columns[0];
    const base = (first?.slot ?? 0) - (table.columns[0]?.position ?? 0);
    return table.primary.columns.every((key) =>
      this.groups.some((g) => g.kind === 'column' && g.index === base + key.position),
    );
  }

  #ungrouped(column: Expr & { kind: 'column' }): DbError {
    return new DbError(
      '42803',
      `column "${this.#named(column.index)}" must appear in the GROUP BY clause or be used in an aggregate function`,
      positionOf(this.#columnAt.get(column) ?? -1),
    );
  }

  #named(slot: number): string {
    for (const relation of this.#scope.relations) {
      const found = relation.columns.find((c) => c.slot === slot);
      if (found !== undefined) {
        return relation.alias === '' ? found.name : `${relation.alias}.${found.name}`;
      }
    }
    return '?';
  }
}
