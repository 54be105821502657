// Binding of INSERT.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import type { ColumnDescriptor, TableDescriptor } from '../catalog/descriptor.ts';
import type { Expression, InsertStatement, SelectItem } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import { assign, bindSet, columnNamed, defaultOf } from './assign.ts';
import type { PlanContext } from './context.ts';
import { hasSubplan } from './expr-tools.ts';
import { ExpressionBinder } from './expressions.ts';
import type { ConflictPlan, InsertPlan, ReturningPlan } from './nodes.ts';
import { bindArbiters } from './arbiters.ts';
import { Scope, tableRelation } from './scope.ts';
import { bindQuery } from './query.ts';
import { tableRules } from './bind-rules.ts';
import { bindTargets } from './targets.ts';

type Row = readonly (Expr | undefined)[];

export function bindInsert(context: PlanContext, ast: InsertStatement): InsertPlan {
  const table = context.table(ast.table);
  const columns = insertColumns(table, ast);
  const { source } = ast;
  const plain =
    source?.values !== undefined && source.orderBy.length === 0 && source.limit === undefined;
  const rules = tableRules(table, context.environment.catalog);
  const filled = new RowFiller(context, table);
  let values: Row = [];
  let rows: readonly Row[] | undefined;
  let query: InsertPlan['source'];
  if (source === undefined) {
    rows = [filled.row(new Map())];
  } else if (plain && source.offset === undefined) {
    rows = (source.values ?? []).map((row) => valuesRow(context, ast, filled, columns, row));
  } else {
    const wanted = columns.map((c) => c.type);
    query = bindQuery(context, source, { wanted });
    const extra = source.items[columns.length]?.expr.at ?? source.at;
    checkWidth(ast, columns, query.outputs.length, extra);
    refuseGenerated(columns.slice(0, query.outputs.length), ast);
    const given = new Map(
      query.outputs.flatMap((output, index) => {
        const column = columns[index] as ColumnDescriptor;
        if (ast.overriding === 'user' && column.identity !== undefined) return [];
        const slot: Expr = { kind: 'column', type: typeOf(output), index };
        return [[column.position, assign(context, slot, column, source.at)] as const];
      }),
    );
    values = filled.row(given);
  }
  return {
    kind: 'insert',
    table,
    rules,
    values,
    rows,
    source: query,
    conflict: bindConflict(context, ast, table),
    returning: bindReturning(context, table, ast.alias, ast.returning),
  };
}

function insertColumns(table: TableDescriptor, ast: InsertStatement): readonly ColumnDescriptor[] {
  if (ast.columns === undefined) return table.columns.filter((c) => !c.hidden);
  const seen = new Set<string>();
  return ast.columns.map(({ name, at }) => {
    const column = columnNamed(table, name, at);
    if (seen.has(name)) {
      throw new DbError('42701', `column "${name}" specified more than once`, positionOf(at));
    }
    seen.add(name);
    return column;
  });
}

function refuseGenerated(
  columns: readonly ColumnDescriptor[],
  { overriding }: InsertStatement,
): void {
  const identity = columns.find((column) => column.identity === 'always');
  if (identity !== undefined && overriding === undefined) {
    throw new DbError('428C9', `cannot insert a non-DEFAULT value into column "${identity.name}"`, {
      detail: `Column "${identity.name}" is an identity column defined as GENERATED ALWAYS.`,
      hint: 'Use OVERRIDING SYSTEM VALUE to override.',
    });
  }
  const generated = columns.find((column) => column.generatedText !== undefined);
  if (generated === undefined) return;
  throw new DbError('428C9', `cannot insert a non-DEFAULT value into column "${generated.name}"`, {
    detail: `Column "${generated.name}" is a generated column.`,
  });
}

function checkWidth(
  ast: InsertStatement,
  columns: readonly ColumnDescriptor[],
  width: number,
  at: number,
): void {
  if (width > columns.length) {
    throw new DbError('42601', 'INSERT has more expressions than target columns', positionOf(at));
  }
  if (ast.columns !== undefined && width < columns.length) {
    const place = ast.columns[width]?.at ?? at;
    throw new DbError(
      '42601',
      'INSERT has more target columns than expressions',
      positionOf(place),
    );
  }
}

function valuesRow(
  context: PlanContext,
  ast: InsertStatement,
  filled: RowFiller,
  columns: readonly ColumnDescriptor[],
  row: readonly Expression[],
): Row {
  checkWidth(ast, columns, row.length, row[columns.length]?.at ?? row[0]?.at ?? ast.at);
  const binder = new ExpressionBinder(context, new Scope([]));
  binder.place = 'VALUES';
  const given = new Map<number, Expr>();
  row.forEach((cell, i) => {
    const column = columns[i] as ColumnDescriptor;
    if (cell.kind === 'default') return;
    refuseGenerated([column], ast);
    if (ast.overriding === 'user' && column.identity !== undefined) return;
    const value = binder.bind(cell);
    refuseWaiting(value, 'VALUES of INSERT', cell.at);
    given.set(column.position, assign(context, value, column, cell.at));
  });
  return filled.row(given);
}

/** Rows in storage order: what was given, defaults for the rest, nothing for the hidden key. */
class RowFiller {
  readonly #context: PlanContext;
  readonly #table: TableDescriptor;

  constructor(context: PlanContext, table: TableDescriptor) {
    this.#context = context;
    this.#table = table;
  }

  /** Volatile defaults are bound anew for each row: every one has a slot of its own. */
  row(given: ReadonlyMap<number, Expr>): Row {
    const row: (Expr | undefined)[] = this.#table.layout.types.map((type) => ({
      kind: 'constant',
      type,
      value: null,
    }));
    for (const column of this.#table.columns) {
      row[column.position] = column.hidden
        ? undefined
        : (given.get(column.position) ?? defaultOf(this.#context, column));
    }
    return row;
  }
}

function bindConflict(
  context: PlanContext,
  ast: InsertStatement,
  table: TableDescriptor,
): ConflictPlan | undefined {
  const { onConflict } = ast;
  if (onConflict === undefined) return undefined;
  const { elements, constraint, action, at } = onConflict;
  const isInferred = elements !== undefined || constraint !== undefined;
  const arbiters = bindArbiters(context, table, onConflict);
  if (action === 'nothing') return { kind: 'nothing', arbiters };
  if (!isInferred) {
    throw new DbError(
      '42601',
      'ON CONFLICT DO UPDATE requires inference specification or constraint name',
      { hint: 'For example, ON CONFLICT (column_name).', ...positionOf(at) },
    );
  }
  const excludedBase = table.layout.types.length;
  const target = tableRelation(table, ast.alias, 0);
  const excluded = tableRelation(table, 'excluded', excludedBase);
  const binder = new ExpressionBinder(context, new Scope([target, excluded]));
  binder.place = 'UPDATE';
  const set = bindSet(binder, table, onConflict.set);
  binder.place = 'WHERE';
  const where =
    onConflict.where === undefined ? undefined : binder.condition(onConflict.where, 'WHERE');
  for (const { value } of set) refuseWaiting(value, 'ON CONFLICT DO UPDATE', at);
  if (where !== undefined) refuseWaiting(where, 'ON CONFLICT DO UPDATE', at);
  return { kind: 'update', arbiters, set, where, excludedBase };
}

/** Of subqueries only those that need nothing of the row may stand here. */
export function refuseWaiting(expr: Expr, where: string, at: number): void {
  if (hasSubplan(expr)) throw unsupported(`this subquery in ${where}`, at + 1);
}

export function bindReturning(
  context: PlanContext,
  table: TableDescriptor,
  alias: string | undefined,
  items: readonly SelectItem[] | undefined,
): ReturningPlan | undefined {
  if (items === undefined) return undefined;
  const scope = new Scope([tableRelation(table, alias, 0)]);
  const binder = new ExpressionBinder(context, scope);
  binder.place = 'RETURNING';
  const targets = bindTargets(binder, items);
  targets.forEach(({ expr }, i) => refuseWaiting(expr, 'RETURNING', items[i]?.expr.at ?? -1));
  return { outputs: targets.map((t) => t.expr), fields: targets.map((t) => t.field) };
}
