// SELECT and VALUES.

import type { LockingClause, Node, SelectStmt } from 'libpg-query';
import type { Expression, FromItem, SelectItem, SelectStatement } from './ast.ts';
import { expectNode, locationOf, type Lowering } from './lower-context.ts';
import {
  lowerExpression,
  lowerExpressions,
  lowerListItem,
  lowerOptional,
  lowerOrderBy,
  unsupportedNode,
} from './lower-expression.ts';
import { lowerFrom } from './lower-from.ts';

export function lowerItems(
  ctx: Lowering,
  nodes: readonly Node[] | undefined,
): readonly SelectItem[] {
  return (nodes ?? []).map((node) => {
    expectNode('ResTarget' in node && node.ResTarget.val !== undefined, 'an item without a value');
    return { expr: lowerExpression(ctx, node.ResTarget.val), alias: node.ResTarget.name };
  });
}

export function refuseWith(ctx: Lowering, clause: { location?: number } | undefined): void {
  if (clause !== undefined) throw ctx.unsupported('WITH', clause.location);
}

export function lowerSelect(ctx: Lowering, node: SelectStmt): SelectStatement {
  refuseWith(ctx, node.withClause);
  if (node.op !== undefined && node.op !== 'SETOP_NONE') {
    throw ctx.unsupported(node.op.replace('SETOP_', ''));
  }
  if (node.intoClause !== undefined) {
    throw ctx.unsupported('SELECT INTO', node.intoClause.rel?.location);
  }
  const [window] = node.windowClause ?? [];
  if (window !== undefined) throw ctx.unsupported('WINDOW', locationOf(window));
  if (node.groupDistinct === true) throw ctx.unsupported('GROUP BY DISTINCT');
  if (node.limitOption === 'LIMIT_OPTION_WITH_TIES') throw ctx.unsupported('WITH TIES');
  const from = (node.fromClause ?? []).map((item) => lowerFrom(ctx, item, lowerSelect));
  return {
    kind: 'select',
    distinct: lowerDistinct(ctx, node.distinctClause),
    items: lowerItems(ctx, node.targetList),
    from,
    values: node.valuesLists === undefined ? undefined : lowerRows(ctx, node.valuesLists),
    where: lowerOptional(ctx, node.whereClause),
    groupBy: (node.groupClause ?? []).map((item) => lowerListItem(ctx, item)),
    having: lowerOptional(ctx, node.havingClause),
    orderBy: lowerOrderBy(ctx, node.sortClause),
    limit: lowerLimit(ctx, node.limitCount),
    offset: lowerLimit(ctx, node.limitOffset),
    locking: lowerLocking(ctx, node.lockingClause, from),
    at: ctx.statementAt,
  };
}

/** SELECT DISTINCT comes as a list with one empty node, DISTINCT ON with its expressions. */
function lowerDistinct(ctx: Lowering, clause: readonly Node[] | undefined): boolean {
  const [first] = clause ?? [];
  if (first !== undefined && Object.keys(first).length > 0) {
    throw ctx.unsupported('DISTINCT ON', locationOf(first));
  }
  return first !== undefined;
}

function lowerRows(ctx: Lowering, lists: readonly Node[]): readonly (readonly Expression[])[] {
  const rows = lists.map((list) => {
    expectNode('List' in list, 'VALUES without rows');
    return lowerExpressions(ctx, list.List.items);
  });
  const width = rows[0]?.length ?? 0;
  const odd = rows.find((row) => row.length !== width);
  if (odd !== undefined) {
    throw ctx.failAt('42601', 'VALUES lists must all be the same length', odd[0]?.at ?? -1);
  }
  return rows;
}

/** LIMIT ALL and LIMIT NULL are no limit. */
function lowerLimit(ctx: Lowering, node: Node | undefined): Expression | undefined {
  if (node === undefined || ('A_Const' in node && node.A_Const.isnull === true)) return undefined;
  return lowerExpression(ctx, node);
}

const strengths: Readonly<Record<string, 'update' | 'share'>> = {
  // The weaker strengths exist for PostgreSQL's foreign keys; the stronger lock is always right.
  LCS_FORUPDATE: 'update',
  LCS_FORNOKEYUPDATE: 'update',
  LCS_FORSHARE: 'share',
  LCS_FORKEYSHARE: 'share',
};

function lowerLocking(
  ctx: Lowering,
  clauses: readonly Node[] | undefined,
  from: readonly FromItem[],
): SelectStatement['locking'] {
  const [first, second] = clauses ?? [];
  if (first === undefined) return undefined;
  if (second !== undefined) throw ctx.unsupported('more than one locking clause');
  expectNode('LockingClause' in first, 'a locking clause was expected');
  refuseOtherTables(ctx, first.LockingClause, from);
  const { strength, waitPolicy } = first.LockingClause;
  const wait =
    waitPolicy === 'LockWaitSkip' ? 'skip' : waitPolicy === 'LockWaitError' ? 'nowait' : 'block';
  return { strength: strengths[strength ?? ''] ?? 'update', wait };
}

/** FOR UPDATE OF t says nothing new where t is all there is. */
function refuseOtherTables(ctx: Lowering, clause: LockingClause, from: readonly FromItem[]): void {
  for (const node of clause.lockedRels ?? []) {
    if (!('RangeVar' in node)) throw unsupportedNode(ctx, node);
    const name = node.RangeVar.relname ?? '';
    const [only] = from;
    if (from.length > 1 || only?.kind !== 'table') {
      throw ctx.unsupported('FOR UPDATE OF', node.RangeVar.location);
    }
    if ((only.alias ?? only.table.name) !== name) {
      const message = `relation "${name}" in FOR UPDATE clause not found in FROM clause`;
      throw ctx.fail('42P01', message, node.RangeVar.location);
    }
  }
}
