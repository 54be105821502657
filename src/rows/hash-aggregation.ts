// GROUP BY by hashing: rows or partial states in, partial states or answers out. Used by scan programs in the shards
// and, to merge them or where rows come from elsewhere, by execution on the main thread.

import { DbError } from '../base/errors.ts';
import { type AggregateState, CompiledAggregate, groupKey } from './aggregates.ts';
import { type CompiledExpr, compileExpr } from './compile.ts';
import type { Datum } from './datum.ts';
import type { AggregateCall, Expr } from './expr.ts';
import { exprType } from './expr-type.ts';
import { layoutOf, type RowAccess, type RowLayout } from './row-codec.ts';
import type { ColumnType } from './types.ts';

export interface Group {
  readonly keys: readonly Datum[];
  readonly states: readonly AggregateState[];
}

/** More groups than this in one place are refused rather than held. */
export const GROUPS_MAX = 5_000_000;

export class HashAggregation {
  /** Of partial rows: the group's datums, then each aggregate's partial columns. */
  readonly partialLayout: RowLayout;
  private readonly groupTypes: readonly ColumnType[];
  private readonly groupBy: readonly CompiledExpr[];
  readonly groupExprs: readonly Expr[];
  readonly aggregates: readonly CompiledAggregate[];
  /** Counts how often all groups were forgotten. */
  generation = 0;
  private readonly groupsMax: number;
  private groups = new Map<unknown, Group>();
  /** Without GROUP BY there is one group, also when there are no rows. */
  single: Group | undefined;

  constructor(
    groupBy: readonly Expr[],
    aggregates: readonly AggregateCall[],
    groupsMax: number = GROUPS_MAX,
  ) {
    this.groupTypes = groupBy.map(exprType);
    this.groupExprs = groupBy;
    this.groupBy = groupBy.map(compileExpr);
    this.aggregates = aggregates.map((call) => new CompiledAggregate(call));
    this.groupsMax = groupsMax;
    this.partialLayout = layoutOf([
      ...this.groupTypes,
      ...this.aggregates.flatMap(({ partialTypes }) => partialTypes),
    ]);
    if (groupBy.length === 0) this.single = this.newGroup([]);
  }

  get groupCount(): number {
    return this.single === undefined ? this.groups.size : 1;
  }

  step(row: RowAccess, params: readonly Datum[]): void {
    const { states } = this.single ?? this.groupOf(row, params);
    for (let i = 0; i < states.length; i++) (states[i] as AggregateState).step(row, params);
  }

  /** A row of partialLayout. */
  merge(row: RowAccess): void {
    const { length } = this.groupTypes;
    let group = this.single;
    if (group === undefined) {
      const keys = new Array<Datum>(length);
      for (let i = 0; i < length; i++) keys[i] = row.datum(i);
      group = this.find(keys);
    }
    let at = length;
    for (let i = 0; i < this.aggregates.length; i++) {
      (group.states[i] as AggregateState).mergePartial(row, at);
      at += (this.aggregates[i] as CompiledAggregate).partialTypes.length;
    }
  }

  /** Hands out every group's partial row (one array, reused) and forgets them all. */
  takePartials(emit: (values: readonly Datum[]) => void): void {
    const values = new Array<Datum>(this.partialLayout.types.length);
    this.each((group) => {
      let at = 0;
      for (const key of group.keys) values[at++] = key;
      for (let i = 0; i < this.aggregates.length; i++) {
        (group.states[i] as AggregateState).writePartial(values, at);
        at += (this.aggregates[i] as CompiledAggregate).partialTypes.length;
      }
      emit(values);
    });
    this.groups.clear();
    this.generation++;
    if (this.single !== undefined) this.single = this.newGroup([]);
  }

  /** Hands out every group's datums followed by its answers (a fresh array each). */
  finish(emit: (values: Datum[]) => void): void {
    this.each((group) => {
      emit([...group.keys, ...group.states.map((state) => state.finish())]);
    });
    this.groups.clear();
  }

  private each(use: (group: Group) => void): void {
    if (this.single !== undefined) use(this.single);
    else for (const group of this.groups.values()) use(group);
  }

  private groupOf(row: RowAccess, params: readonly Datum[]): Group {
    const { groupBy } = this;
    const keys = new Array<Datum>(groupBy.length);
    for (let i = 0; i < groupBy.length; i++) keys[i] = (groupBy[i] as CompiledExpr)(row, params);
    return this.find(keys);
  }

  /** The group of these datums, made when it is not there. */
  find(keys: readonly Datum[]): Group {
    const key = groupKey(this.groupTypes, keys);
    let group = this.groups.get(key);
    if (group === undefined) {
      if (this.groups.size >= this.groupsMax) {
        throw new DbError('53200', `GROUP BY has more than ${this.groupsMax} groups`);
      }
      group = this.newGroup(keys);
      this.groups.set(key, group);
    }
    return group;
  }

  private newGroup(keys: readonly Datum[]): Group {
    return { keys, states: this.aggregates.map((aggregate) => aggregate.create()) };
  }
}
