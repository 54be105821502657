// WITH: named queries. One that is named once stands where it is named; one that is named more often, or writes, is
// worked out once and kept. Recursive ones feed on their own rows.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { CommonTable, Name, SelectStatement, WithClause } from '../parse/ast.ts';
import { isComparable } from '../types/comparison.ts';
import { positionOf } from '../types/names.ts';
import type { CommonTables, CommonTableUse, PlanContext } from './context.ts';
import { ExpressionBinder } from './expressions.ts';
import type { PlanNode, SelectPlan } from './nodes.ts';
import { Scope } from './scope.ts';

export function bindCommonTable(context: PlanContext, name: Name): CommonTableUse | undefined {
  if (name.schema !== undefined) return undefined;
  for (let at = context.commonTables; at !== undefined; at = at.outer) {
    if (at.name === name.name) return at.use(name.at);
  }
  return undefined;
}

/** Binds `bind` with the names of a WITH. */
export function withCommonTables<T>(
  context: PlanContext,
  clause: WithClause | undefined,
  statement: unknown,
  bind: () => T,
): T {
  if (clause === undefined) return bind();
  const before = context.commonTables;
  const seen = new Set<string>();
  for (const table of clause.tables) {
    if (seen.has(table.name)) {
      throw new DbError(
        '42712',
        `WITH query name "${table.name}" specified more than once`,
        positionOf(table.at),
      );
    }
    seen.add(table.name);
    const uses = countUses(statement, table.name) - countUses(table.query, table.name);
    context.commonTables = declare(context, table, clause.recursive, uses);
  }
  const bound = bind();
  context.commonTables = before;
  return bound;
}

/** How often a table of this name stands in the tree; more where the name means other things, too. */
function countUses(tree: unknown, name: string): number {
  if (typeof tree !== 'object' || tree === null) return 0;
  if (Array.isArray(tree)) return tree.reduce<number>((n, item) => n + countUses(item, name), 0);
  const node = tree as { readonly kind?: unknown; readonly table?: Partial<Name> };
  const isUse =
    node.kind === 'table' && node.table?.name === name && node.table.schema === undefined;
  return Object.values(tree).reduce<number>((n, part) => n + countUses(part, name), isUse ? 1 : 0);
}

function declare(
  context: PlanContext,
  table: CommonTable,
  recursive: boolean,
  uses: number,
): CommonTables {
  const outer = context.commonTables;
  const { name, query } = table;
  if (query.kind !== 'select')
    throw unsupported(`${query.kind.toUpperCase()} in WITH`, table.at + 1);
  const correlation = context.correlation;
  const before = correlation?.uses ?? 0;
  const make = (): SelectPlan =>
    recursive && countUses(query, name) > 0
      ? bindRecursive(context, table, query, outer)
      : bindPlain(context, query, outer);
  // Bound also where nobody names it: it may be wrong.
  const plan = make();
  const names = namesFor(
    table,
    plan.fields.map((f) => f.name),
  );
  const types = plan.fields.map((f) => f.type);
  const isCorrelated = (correlation?.uses ?? 0) > before;
  const inline = table.materialized === false || (table.materialized === undefined && uses <= 1);
  if (inline || isCorrelated) {
    let first: SelectPlan | undefined = plan;
    return {
      name,
      outer,
      use: () => {
        if (isCorrelated && context.correlation !== correlation) first = undefined;
        const taken = first ?? make();
        first = undefined;
        return { names, types, node: (base) => ({ kind: 'subquery', base, query: taken }) };
      },
    };
  }
  const id = context.shared.push(plan) - 1;
  return { name, outer, use: () => sharedUse(id, names, types) };
}

function sharedUse(
  id: number,
  names: readonly string[],
  types: readonly ColumnType[],
): CommonTableUse {
  return { names, types, node: (base) => ({ kind: 'shared', base, id, width: names.length }) };
}

function namesFor({ name, columns, at }: CommonTable, names: readonly string[]): readonly string[] {
  if (columns !== undefined && columns.length > names.length) {
    throw new DbError(
      '42P10',
      `WITH query "${name}" has ${names.length} columns available but ${columns.length} columns specified`,
      positionOf(at),
    );
  }
  return names.map((own, i) => columns?.[i] ?? own);
}

function bindPlain(
  context: PlanContext,
  query: SelectStatement,
  names: CommonTables | undefined,
): SelectPlan {
  const before = context.commonTables;
  context.commonTables = names;
  const plan = context.query(query);
  context.commonTables = before;
  return plan;
}

/** base UNION [ALL] step, where step names the table. */
function bindRecursive(
  context: PlanContext,
  table: CommonTable,
  query: SelectStatement,
  outer: CommonTables | undefined,
): SelectPlan {
  const { name, at } = table;
  const { setOperation } = query;
  if (setOperation === undefined || setOperation.op !== 'union') {
    throw new DbError(
      '42P19',
      `recursive query "${name}" does not have the form non-recursive-term UNION [ALL] recursive-term`,
      positionOf(at),
    );
  }
  refuseClauses(query);
  const before = context.commonTables;
  const place = `recursive reference to query "${name}" must not appear within`;
  const misplaced = (what: string, named: number): DbError =>
    new DbError('42P19', `${place} ${what}`, positionOf(named));
  const nowhere = (what: string): CommonTables => ({
    name,
    outer,
    use: (named) => {
      throw misplaced(what, named);
    },
  });
  context.commonTables = nowhere('its non-recursive term');
  const base = context.query(setOperation.left);
  const names = namesFor(
    table,
    base.fields.map((f) => f.name),
  );
  const types = base.fields.map((f) => f.type);
  const id = context.recursions++;
  const { correlation } = context;
  context.commonTables = {
    name,
    outer,
    use: (named) => {
      if (context.correlation !== correlation) throw misplaced('a subquery', named);
      return {
        names,
        types,
        node: (at0) => ({ kind: 'working', base: at0, id, width: types.length }),
      };
    },
  };
  const step = context.query(setOperation.right, { keepsUnknown: true });
  context.commonTables = before;
  const exprs = coercedTo(context, table, types, step);
  if (!setOperation.all) types.forEach(checkEquality);
  const input: PlanNode = {
    kind: 'recursive',
    id,
    all: setOperation.all,
    types,
    base: { kind: 'project', input: base.input, exprs: base.outputs },
    step: { kind: 'project', input: step.input, exprs },
  };
  const outputs = types.map((type, index): Expr => ({ kind: 'column', type, index }));
  const fields = base.fields.map((field) => ({ ...field, tableId: 0, columnNumber: 0 }));
  return { kind: 'select', input, outputs, fields };
}

function refuseClauses({ orderBy, limit, offset, locking }: SelectStatement): void {
  const what =
    orderBy.length > 0
      ? 'ORDER BY'
      : offset !== undefined
        ? 'OFFSET'
        : limit !== undefined
          ? 'LIMIT'
          : locking === undefined
            ? undefined
            : 'FOR UPDATE/SHARE';
  if (what === undefined) return;
  const at = orderBy[0]?.expr.at ?? limit?.at ?? offset?.at ?? -1;
  throw new DbError('0A000', `${what} in a recursive query is not implemented`, positionOf(at));
}

function checkEquality(type: ColumnType): void {
  if (isComparable(type.oid)) return;
  throw new DbError(
    '42883',
    `could not identify an equality operator for type ${sqlTypeName(type)}`,
  );
}

/** The step's outputs as what the base has decided. */
function coercedTo(
  context: PlanContext,
  { name, at, query }: CommonTable,
  types: readonly ColumnType[],
  step: SelectPlan,
): readonly Expr[] {
  if (step.outputs.length !== types.length) {
    throw new DbError(
      '42601',
      'each UNION query must have the same number of columns',
      positionOf(at),
    );
  }
  const binder = new ExpressionBinder(context, new Scope([]));
  return step.outputs.map((output, i) => {
    const type = types[i] as ColumnType;
    const pair: Expr[] = [{ kind: 'constant', type, value: null }, output];
    const common = binder.unifiedExprs(pair, 'UNION', [at, at]);
    if (common.type.oid === type.oid) return common.args[1] as Expr;
    const [base, all] = [sqlTypeName(type), sqlTypeName(common.type)];
    throw new DbError(
      '42804',
      `recursive query "${name}" column ${i + 1} has type ${base} in non-recursive term but type ${all} overall`,
      {
        hint: 'Cast the output of the non-recursive term to the correct type.',
        ...positionOf(columnAt(query, i) ?? at),
      },
    );
  });
}

/** Where a column of the non-recursive term stands. */
function columnAt(query: CommonTable['query'], column: number): number | undefined {
  if (query.kind !== 'select') return undefined;
  if (query.setOperation !== undefined) return columnAt(query.setOperation.left, column);
  return query.values?.[0]?.[column]?.at ?? query.items[column]?.expr.at;
}
