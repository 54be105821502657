// INSERT, UPDATE and DELETE.

import type {
  DeleteStmt,
  InsertStmt,
  Node,
  OnConflictClause,
  ResTarget,
  ReturningClause,
  UpdateStmt,
} from 'libpg-query';
import type {
  Assignment,
  DeleteStatement,
  Expression,
  InsertStatement,
  SelectItem,
  UpdateStatement,
} from './ast.ts';
import { expectNode, locationOf, type Lowering } from './lower-context.ts';
import { lowerExpression, lowerOptional } from './lower-expression.ts';
import { lowerAlias, lowerFrom, lowerName } from './lower-from.ts';
import { lowerItems, lowerSelect, lowerWith } from './lower-select.ts';

function lowerReturning(
  ctx: Lowering,
  clause: ReturningClause | undefined,
): readonly SelectItem[] | undefined {
  if (clause === undefined) return undefined;
  const [option] = clause.options ?? [];
  if (option !== undefined) throw ctx.unsupported('RETURNING WITH', locationOf(option));
  return lowerItems(ctx, clause.exprs);
}

/** A column that is written: a name, no field or element of it. */
function targetName(ctx: Lowering, target: ResTarget): string {
  if ((target.indirection ?? []).length > 0) {
    throw ctx.unsupported('assigning to a part of a column', target.location);
  }
  return target.name ?? '';
}

function targetOf(node: Node): ResTarget {
  expectNode('ResTarget' in node, 'a column was expected');
  return node.ResTarget;
}

export function lowerInsert(ctx: Lowering, node: InsertStmt): InsertStatement {
  const before = lowerWith(ctx, node.withClause);
  const { relation, cols, selectStmt } = node;
  expectNode(relation !== undefined, 'INSERT without a table');
  expectNode(selectStmt === undefined || 'SelectStmt' in selectStmt, 'INSERT from something odd');
  return {
    kind: 'insert',
    ...before,
    table: lowerName(ctx, relation),
    alias: lowerAlias(ctx, relation),
    columns: cols?.map((column) => {
      const target = targetOf(column);
      return { name: targetName(ctx, target), at: ctx.at(target.location) };
    }),
    ...(node.override === 'OVERRIDING_SYSTEM_VALUE'
      ? { overriding: 'system' as const }
      : node.override === 'OVERRIDING_USER_VALUE'
        ? { overriding: 'user' as const }
        : {}),
    source: selectStmt === undefined ? undefined : lowerSelect(ctx, selectStmt.SelectStmt),
    onConflict:
      node.onConflictClause === undefined ? undefined : lowerConflict(ctx, node.onConflictClause),
    returning: lowerReturning(ctx, node.returningClause),
    at: ctx.statementAt,
  };
}

function lowerConflict(
  ctx: Lowering,
  node: OnConflictClause,
): NonNullable<InsertStatement['onConflict']> {
  const { infer } = node;
  const elements = infer?.indexElems?.map((element): Expression => {
    expectNode('IndexElem' in element, 'a conflict target was expected');
    const { name, expr, collation, opclass } = element.IndexElem;
    if (collation !== undefined || opclass !== undefined) {
      throw ctx.unsupported('a collation or operator class in ON CONFLICT', infer.location);
    }
    if (expr !== undefined) return lowerExpression(ctx, expr);
    return { kind: 'column', path: [name ?? ''], at: ctx.at(infer.location) };
  });
  const action = node.action === 'ONCONFLICT_UPDATE' ? 'update' : 'nothing';
  if (action === 'update' && infer === undefined) {
    const message = 'ON CONFLICT DO UPDATE requires inference specification or constraint name';
    throw ctx.fail('42601', message, node.location);
  }
  return {
    elements,
    predicate: lowerOptional(ctx, infer?.whereClause),
    constraint: infer?.conname,
    action,
    set: lowerAssignments(ctx, node.targetList),
    where: lowerOptional(ctx, node.whereClause),
    at: ctx.at(node.location),
  };
}

function lowerAssignments(
  ctx: Lowering,
  nodes: readonly Node[] | undefined,
): readonly Assignment[] {
  return (nodes ?? []).map((node) => {
    const target = targetOf(node);
    expectNode(target.val !== undefined, 'an assignment without a value');
    const column = targetName(ctx, target);
    return { column, value: lowerAssigned(ctx, target.val), at: ctx.at(target.location) };
  });
}

/** A value, or for `(a, b) = (1, 2)` the one of the row that is this column's. */
function lowerAssigned(ctx: Lowering, node: Node): Expression {
  if (!('MultiAssignRef' in node)) return lowerExpression(ctx, node);
  const { source, colno = 1, ncolumns } = node.MultiAssignRef;
  expectNode(source !== undefined, 'an assignment without a value');
  if (!('RowExpr' in source)) {
    throw ctx.unsupported('assigning several columns from a subquery', locationOf(source));
  }
  const values = source.RowExpr.args ?? [];
  const value = values[colno - 1];
  if (values.length !== ncolumns || value === undefined) {
    const message = 'number of columns does not match number of values';
    throw ctx.fail('42601', message, source.RowExpr.location);
  }
  return lowerExpression(ctx, value);
}

export function lowerUpdate(ctx: Lowering, node: UpdateStmt): UpdateStatement {
  const before = lowerWith(ctx, node.withClause);
  expectNode(node.relation !== undefined, 'UPDATE without a table');
  return {
    kind: 'update',
    ...before,
    table: lowerName(ctx, node.relation),
    alias: lowerAlias(ctx, node.relation),
    set: lowerAssignments(ctx, node.targetList),
    ...(node.fromClause === undefined
      ? {}
      : { from: node.fromClause.map((item) => lowerFrom(ctx, item)) }),
    where: lowerOptional(ctx, node.whereClause),
    returning: lowerReturning(ctx, node.returningClause),
    at: ctx.statementAt,
  };
}

export function lowerDelete(ctx: Lowering, node: DeleteStmt): DeleteStatement {
  const before = lowerWith(ctx, node.withClause);
  expectNode(node.relation !== undefined, 'DELETE without a table');
  return {
    kind: 'delete',
    ...before,
    table: lowerName(ctx, node.relation),
    alias: lowerAlias(ctx, node.relation),
    ...(node.usingClause === undefined
      ? {}
      : { using: node.usingClause.map((item) => lowerFrom(ctx, item)) }),
    where: lowerOptional(ctx, node.whereClause),
    returning: lowerReturning(ctx, node.returningClause),
    at: ctx.statementAt,
  };
}
