// FROM: tables, joins, queries and functions become relations of a scope and a tree of sources; once WHERE is bound,
// place.ts makes plan nodes of that tree with each condition as deep in it as it may go.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { columnType, type ColumnType, INT4, INT8, NUMERIC } from '../../rows/types.ts';
import type { LockOptions } from '../../txn/api.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { Expression, FromItem } from '../parse/ast.ts';
import { commonType, typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import { compare } from './conditions.ts';
import type { PlanContext } from './context.ts';
import { ExpressionBinder } from './expressions.ts';
import type { PlanNode } from './nodes.ts';
import {
  derivedRelation,
  Scope,
  type ScopeColumn,
  type ScopeRelation,
  tableRelation,
} from './scope.ts';
import { findVirtualTable } from './virtual-tables.ts';

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
    }
  | {
      readonly kind: 'join';
      readonly type: 'inner' | 'left';
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

  constructor(context: PlanContext, lock: LockOptions | undefined) {
    this.#context = context;
    this.#lock = lock;
  }

  bind(items: readonly FromItem[]): { source: Source | undefined; scope: Scope } {
    let all: Bound | undefined;
    for (const item of items) {
      const next = this.#item(item);
      all = all === undefined ? next : join(all, next, 'inner', undefined);
    }
    if (all === undefined) return { source: undefined, scope: new Scope([]) };
    return { source: all.source, scope: new Scope(all.relations, all.visible) };
  }

  #item(item: FromItem): Bound {
    switch (item.kind) {
      case 'table':
        return this.#table(item);
      case 'join':
        return this.#join(item);
      case 'subquery': {
        if (item.lateral) throw unsupported('LATERAL', item.at + 1);
        const query = this.#context.query(item.query);
        const names = query.fields.map((f) => f.name);
        const types = query.fields.map((f) => f.type);
        const base = this.#take(names.length);
        const alias = item.alias ?? '';
        const relation = derivedRelation(alias, names, types, base, item.columnAliases);
        return leaf({ kind: 'subquery', base, query }, relation, base, names.length);
      }
      case 'functionTable':
        return this.#series(item);
    }
  }

  #table(item: FromItem & { kind: 'table' }): Bound {
    const { table: name, alias, columnAliases } = item;
    const virtual = findVirtualTable(name, (n) => this.#context.environment.catalog.find(n));
    if (virtual !== undefined) {
      const names = virtual.columns.map((c) => c.name);
      const types = virtual.columns.map((c) => c.type);
      const base = this.#take(names.length);
      const relation = derivedRelation(alias ?? virtual.name, names, types, base, columnAliases);
      const node: PlanNode = { kind: 'virtual', virtual, base };
      const named = { ...relation, schema: alias === undefined ? virtual.schema : undefined };
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

  /** generate_series(start, stop [, step]) over integers and numeric. */
  #series(item: FromItem & { kind: 'functionTable' }): Bound {
    const { call } = item;
    if (item.ordinality === true) throw unsupported('WITH ORDINALITY', item.at + 1);
    if (call.kind !== 'function' || call.name !== 'generate_series' || item.lateral) {
      const what = call.kind === 'function' ? `function ${call.name}() in FROM` : 'this in FROM';
      throw unsupported(what, item.at + 1);
    }
    const binder = new ExpressionBinder(this.#context, new Scope([]));
    binder.place = 'functions in FROM';
    const args = call.args.map((arg) => binder.bind(arg));
    const [start, stop, step] = args;
    if (start === undefined || stop === undefined || args.length > 3) {
      throw unsupported('generate_series() with these arguments', call.at + 1);
    }
    const ats = call.args.map((arg) => arg.at);
    const oids = args.map((arg) => typeOf(arg).oid);
    const common = commonType(oids, 'generate_series', ats);
    const oid = common === INT8 || common === NUMERIC ? common : INT4;
    const type = columnType(oid);
    const coerced = args.map((arg, i) => binder.coerced(arg, type, ats[i] as number));
    const base = this.#take(1);
    const alias = item.alias ?? 'generate_series';
    const relation = derivedRelation(alias, [alias], [type], base, item.columnAliases);
    const node: PlanNode = {
      kind: 'series',
      base,
      type,
      start: coerced[0] as Expr,
      stop: coerced[1] as Expr,
      step: step === undefined ? undefined : coerced[2],
    };
    return leaf(node, relation, base, 1);
  }

  #join(item: FromItem & { kind: 'join' }): Bound {
    const { at } = item;
    if (item.type === 'full') throw unsupported('FULL JOIN', at + 1);
    const left = this.#item(item.left);
    const right = this.#item(item.right);
    const type = item.type === 'left' || item.type === 'right' ? 'left' : 'inner';
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
    type: 'inner' | 'left',
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
    const kept = pairs.map((pair) => (written === 'right' ? pair.right : pair.left));
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

function leaf(node: PlanNode, relation: ScopeRelation, base: number, width: number): Bound {
  return {
    source: { kind: 'leaf', node, base, width },
    relations: [relation],
    visible: relation.columns,
  };
}

function join(left: Bound, right: Bound, type: 'inner' | 'left', on: Expr | undefined): Bound {
  return {
    source: { kind: 'join', type, left: left.source, right: right.source, on },
    relations: [...left.relations, ...right.relations],
    visible: [...left.visible, ...right.visible],
  };
}

function columnExpr(column: ScopeColumn): Expr {
  return { kind: 'column', type: column.type as ColumnType, index: column.slot };
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
