// FROM: tables, joins, queries and functions become relations of a scope and a tree of sources; once WHERE is bound,
// place.ts makes plan nodes of that tree with each condition as deep in it as it may go.

import { assert } from '../../base/assert.ts';
import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import type { LockOptions } from '../../txn/api.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { Expression, FromItem } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import { compare } from './conditions.ts';
import type { PlanContext } from './context.ts';
import { ExpressionBinder } from './expressions.ts';
import type { PlanNode } from './nodes.ts';
import { bindCommonTable } from './common-tables.ts';
import { Correlation } from './correlation.ts';
import { bindTableFunction } from './table-functions.ts';
import {
  columnExpr,
  derivedRelation,
  Scope,
  type ScopeColumn,
  type ScopeRelation,
  tableRelation,
} from './scope.ts';
import { TABLE_OID } from '../system/define.ts';
import { findVirtualTable } from '../system/virtual-tables.ts';

export type JoinType = 'inner' | 'left' | 'full';

export interface Lateral {
  /** Parameters of the item, and their values in terms of the items before it. */
  readonly outer: readonly number[];
  readonly args: readonly Expr[];
}

/** What FROM names, before conditions are placed. */
export type Source =
  | {
      readonly kind: 'table';
      readonly table: TableDescriptor;
      readonly base: number;
      readonly width: number;
      readonly lock: LockOptions | undefined;
    }
  | {
      readonly kind: 'leaf';
      readonly node: PlanNode;
      readonly base: number;
      readonly width: number;
      /** What it takes of the items before it. */
      readonly lateral?: Lateral;
    }
  | {
      readonly kind: 'join';
      readonly type: JoinType;
      readonly left: Source;
      readonly right: Source;
      readonly on: Expr | undefined;
    };

interface Bound {
  readonly source: Source;
  readonly relations: readonly ScopeRelation[];
  readonly visible: readonly ScopeColumn[];
}

export class FromBinder {
  readonly #context: PlanContext;
  readonly #lock: LockOptions | undefined;
  #width = 0;
  /** The items to the left of the one that is being bound. */
  #before: Bound | undefined;

  constructor(context: PlanContext, lock: LockOptions | undefined) {
    this.#context = context;
    this.#lock = lock;
  }

  bind(items: readonly FromItem[]): { source: Source | undefined; scope: Scope } {
    let all: Bound | undefined;
    for (const item of items) {
      this.#before = all;
      const next = this.#item(item);
      all = all === undefined ? next : join(all, next, 'inner', undefined);
    }
    if (all === undefined) return { source: undefined, scope: new Scope([]) };
    return { source: all.source, scope: new Scope(all.relations, all.visible) };
  }

  /** The table that a statement writes, its slots from 0 on, and what it is joined with. */
  bindTarget(
    table: TableDescriptor,
    alias: string | undefined,
    lock: LockOptions,
    items: readonly FromItem[],
  ): { source: Source; scope: Scope } {
    const width = table.layout.types.length;
    const relation = tableRelation(table, alias, this.#take(width), []);
    let all: Bound = {
      source: { kind: 'table', table, base: 0, width, lock },
      relations: [relation],
      visible: relation.columns.filter((c) => !c.hidden),
    };
    let before: Bound | undefined;
    for (const item of items) {
      this.#before = before;
      const next = this.#item(item);
      before = before === undefined ? next : join(before, next, 'inner', undefined);
      all = join(all, next, 'inner', undefined);
    }
    return { source: all.source, scope: new Scope(all.relations, all.visible) };
  }

  #item(item: FromItem): Bound {
    switch (item.kind) {
      case 'table':
        return this.#table(item);
      case 'join':
        return this.#join(item);
      case 'subquery': {
        const { made: query, lateral } = item.lateral
          ? this.#lateral(() => this.#context.query(item.query))
          : { made: this.#context.query(item.query), lateral: undefined };
        const names = query.fields.map((f) => f.name);
        const types = query.fields.map((f) => f.type);
        const base = this.#take(names.length);
        const alias = item.alias ?? '';
        const relation = derivedRelation(alias, names, types, base, item.columnAliases);
        const node: PlanNode = { kind: 'subquery', base, query };
        return leaf(node, relation, base, names.length, lateral);
      }
      case 'functionTable':
        return this.#function(item);
    }
  }

  /** Binds what may name columns of the items before it. */
  #lateral<T>(bind: () => T): { readonly made: T; readonly lateral: Lateral | undefined } {
    const context = this.#context;
    const around = context.correlation;
    const before = this.#before;
    const scope = new Scope(before?.relations ?? [], before?.visible ?? []);
    const correlation = new Correlation(context, new ExpressionBinder(context, scope));
    context.correlation = correlation;
    const made = bind();
    context.correlation = around;
    const { args, outer } = correlation;
    return { made, lateral: args.length === 0 ? undefined : { args, outer } };
  }

  #table(item: FromItem & { kind: 'table' }): Bound {
    const { table: name, alias, columnAliases } = item;
    const common = bindCommonTable(this.#context, name);
    if (common !== undefined) {
      const base = this.#take(common.names.length);
      const shown = alias ?? name.name;
      const relation = derivedRelation(shown, common.names, common.types, base, columnAliases);
      return leaf(common.node(base), relation, base, common.names.length);
    }
    const virtual = findVirtualTable(name, (n) => this.#context.environment.catalog.find(n));
    if (virtual !== undefined) {
      const names = virtual.columns.map((c) => c.name);
      const types = virtual.columns.map((c) => c.type);
      const base = this.#take(names.length);
      const relation = derivedRelation(alias ?? virtual.name, names, types, base, columnAliases);
      const node: PlanNode = { kind: 'virtual', virtual, base };
      const columns = relation.columns.map((column, i) =>
        virtual.columns[i]?.name === TABLE_OID
          ? { ...column, hidden: true, isSystem: true }
          : column,
      );
      const schema = alias === undefined ? virtual.schema : undefined;
      const named = { ...relation, columns, schema };
      return leaf(node, named, base, names.length);
    }
    const table = this.#context.table(name);
    const width = table.layout.types.length;
    const base = this.#take(width);
    const relation = tableRelation(table, alias, base, columnAliases);
    return {
      source: { kind: 'table', table, base, width, lock: this.#lock },
      relations: [relation],
      visible: relation.columns.filter((c) => !c.hidden),
    };
  }

  /** A function's arguments may name the items before it, also where LATERAL is not said. */
  #function(item: FromItem & { kind: 'functionTable' }): Bound {
    const { made, lateral } = this.#lateral(() => bindTableFunction(this.#context, item));
    const { names, types, alias } = made;
    const base = this.#take(names.length);
    const relation = derivedRelation(alias, names, types, base, item.columnAliases);
    const values = { ...relation, isValue: names.length === 1 };
    return leaf(made.node(base), values, base, names.length, lateral);
  }

  #join(item: FromItem & { kind: 'join' }): Bound {
    const { at } = item;
    const before = this.#before;
    const left = this.#item(item.left);
    this.#before = before === undefined ? left : join(before, left, 'inner', undefined);
    const right = this.#item(item.right);
    this.#before = before;
    const type = item.type === 'cross' ? 'inner' : item.type === 'right' ? 'left' : item.type;
    if (isLateral(right.source) && (item.type === 'right' || item.type === 'full')) {
      throw new DbError('42P10', 'invalid reference to FROM-clause entry', {
        detail: 'The combining JOIN type must be INNER or LEFT for a LATERAL reference.',
      });
    }
    const both = new Scope([...left.relations, ...right.relations]);
    const using = item.natural ? commonNames(left, right) : item.using;
    if (using !== undefined) return this.#using(item.type, left, right, using, type, at);
    const on = item.on === undefined ? undefined : this.#on(item.on, both);
    return item.type === 'right'
      ? { ...join(right, left, type, on), visible: [...left.visible, ...right.visible] }
      : join(left, right, type, on);
  }

  #on(ast: Expression, scope: Scope): Expr {
    const binder = new ExpressionBinder(this.#context, scope);
    binder.place = 'JOIN conditions';
    return binder.condition(ast, 'JOIN/ON');
  }

  #using(
    written: string,
    left: Bound,
    right: Bound,
    names: readonly string[],
    type: JoinType,
    at: number,
  ): Bound {
    const binder = new ExpressionBinder(this.#context, new Scope([]));
    const pairs = names.map((name) => ({
      left: commonColumn(left, name, 'left', at),
      right: commonColumn(right, name, 'right', at),
    }));
    const parts = pairs.map((pair) => {
      const places = { at, leftAt: at, rightAt: at };
      return compare(binder, '=', columnExpr(pair.left), columnExpr(pair.right), places);
    });
    const on: Expr | undefined = parts.length === 0 ? undefined : { kind: 'and', args: parts };
    const joined = written === 'right' ? join(right, left, type, on) : join(left, right, type, on);
    // Each common column once, first, from the side that always has it.
    const kept = pairs.map((pair, i) =>
      type === 'full'
        ? mergedColumn(pair.left, parts[i] as Expr)
        : written === 'right'
          ? pair.right
          : pair.left,
    );
    const common = new Set(pairs.flatMap((pair) => [pair.left.slot, pair.right.slot]));
    const rest = [...left.visible, ...right.visible].filter((c) => !common.has(c.slot));
    return { ...joined, visible: [...kept, ...rest] };
  }

  #take(width: number): number {
    const base = this.#width;
    this.#width += width;
    return base;
  }
}

/** Whichever of the two is there. */
function mergedColumn(left: ScopeColumn, equal: Expr): ScopeColumn {
  assert(equal.kind === 'compare', 'common columns are compared');
  const type = typeOf(equal.left);
  const merged: Expr = { kind: 'coalesce', type, args: [equal.left, equal.right] };
  return { ...left, type, merged };
}

function isLateral(source: Source): boolean {
  return source.kind === 'leaf' && source.lateral !== undefined;
}

function leaf(
  node: PlanNode,
  relation: ScopeRelation,
  base: number,
  width: number,
  lateral?: Lateral,
): Bound {
  return {
    source: { kind: 'leaf', node, base, width, ...(lateral === undefined ? {} : { lateral }) },
    relations: [relation],
    visible: relation.columns,
  };
}

function join(left: Bound, right: Bound, type: JoinType, on: Expr | undefined): Bound {
  return {
    source: { kind: 'join', type, left: left.source, right: right.source, on },
    relations: [...left.relations, ...right.relations],
    visible: [...left.visible, ...right.visible],
  };
}

function commonNames(left: Bound, right: Bound): readonly string[] {
  const names = new Set(right.visible.map((c) => c.name));
  return left.visible.map((c) => c.name).filter((name) => names.has(name));
}

function commonColumn(bound: Bound, name: string, side: string, at: number): ScopeColumn {
  const found = bound.visible.filter((c) => c.name === name);
  const [first] = found;
  if (first === undefined) {
    throw new DbError(
      '42703',
      `column "${name}" specified in USING clause does not exist in ${side} table`,
      positionOf(at),
    );
  }
  if (found.length > 1) {
    throw new DbError(
      '42702',
      `common column name "${name}" appears more than once in ${side} table`,
      positionOf(at),
    );
  }
  return first;
}
