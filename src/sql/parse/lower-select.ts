// SELECT and VALUES.

import type { LockingClause, Node, SelectStmt, WithClause as PgWithClause } from 'libpg-query';
import type {
  CommonTable,
  Expression,
  FromItem,
  GroupingSet,
  GroupItem,
  SelectItem,
  SelectStatement,
  SetOperation,
  WithClause,
} from './ast.ts';
import { expectNode, type Lowering, namesOf } from './lower-context.ts';
import {
  lowerExpression,
  lowerExpressions,
  lowerListItem,
  lowerOptional,
  lowerOrderBy,
  unsupportedNode,
} from './lower-expression.ts';
import { lowerFrom } from './lower-from.ts';
import { lowerWindow } from './lower-window.ts';

export function lowerItems(
  ctx: Lowering,
  nodes: readonly Node[] | undefined,
): readonly SelectItem[] {
  return (nodes ?? []).map((node) => {
    expectNode('ResTarget' in node && node.ResTarget.val !== undefined, 'an item without a value');
    return { expr: lowerExpression(ctx, node.ResTarget.val), alias: node.ResTarget.name };
  });
}

export function lowerWith(
  ctx: Lowering,
  clause: PgWithClause | undefined,
): { readonly with?: WithClause } {
  if (clause === undefined) return {};
  const tables = (clause.ctes ?? []).map((node): CommonTable => {
    expectNode('CommonTableExpr' in node, 'WITH without its queries');
    const { ctename, aliascolnames, ctematerialized, ctequery, location } = node.CommonTableExpr;
    expectNode(ctequery !== undefined, 'WITH without a query');
    if (node.CommonTableExpr.search_clause !== undefined) throw ctx.unsupported('SEARCH', location);
    if (node.CommonTableExpr.cycle_clause !== undefined) throw ctx.unsupported('CYCLE', location);
    return {
      name: ctename ?? '',
      columns: aliascolnames === undefined ? undefined : namesOf(aliascolnames),
      query: ctx.queries.commonTable(ctx, ctequery),
      materialized:
        ctematerialized === 'CTEMaterializeAlways'
          ? true
          : ctematerialized === 'CTEMaterializeNever'
            ? false
            : undefined,
      at: ctx.at(location),
    };
  });
  return { with: { recursive: clause.recursive === true, tables } };
}

export function lowerSelect(ctx: Lowering, node: SelectStmt): SelectStatement {
  if (node.intoClause !== undefined) {
    throw ctx.unsupported('SELECT INTO', node.intoClause.rel?.location);
  }
  const before = lowerWith(ctx, node.withClause);
  const operation = lowerSetOperation(ctx, node);
  const from = (node.fromClause ?? []).map((item) => lowerFrom(ctx, item));
  const on = distinctOn(ctx, node.distinctClause);
  const windows = (node.windowClause ?? []).map((window) => {
    expectNode('WindowDef' in window, 'WINDOW without a window');
    return lowerWindow(ctx, window.WindowDef);
  });
  return {
    kind: 'select',
    ...before,
    ...(operation === undefined ? {} : { setOperation: operation }),
    distinct: node.distinctClause !== undefined && on === undefined,
    ...(on === undefined ? {} : { distinctOn: on }),
    items: lowerItems(ctx, node.targetList),
    from,
    values: node.valuesLists === undefined ? undefined : lowerRows(ctx, node.valuesLists),
    where: lowerOptional(ctx, node.whereClause),
    groupBy: (node.groupClause ?? []).map((item) => lowerGroupItem(ctx, item)),
    ...(node.groupDistinct === true ? { groupDistinct: true } : {}),
    having: lowerOptional(ctx, node.havingClause),
    ...(windows.length === 0 ? {} : { windows }),
    orderBy: lowerOrderBy(ctx, node.sortClause),
    limit: lowerLimit(ctx, node.limitCount),
    ...(node.limitOption === 'LIMIT_OPTION_WITH_TIES' ? { withTies: true } : {}),
    offset: lowerLimit(ctx, node.limitOffset),
    locking: lowerLocking(ctx, node.lockingClause, from),
    at: ctx.statementAt,
  };
}

const operations: Readonly<Record<string, SetOperation['op']>> = {
  SETOP_UNION: 'union',
  SETOP_INTERSECT: 'intersect',
  SETOP_EXCEPT: 'except',
};

function lowerSetOperation(ctx: Lowering, node: SelectStmt): SetOperation | undefined {
  const op = operations[node.op ?? ''];
  if (op === undefined) return undefined;
  expectNode(node.larg !== undefined && node.rarg !== undefined, `${op} without its sides`);
  const left = lowerSelect(ctx, node.larg);
  return { op, all: node.all === true, left, right: lowerSelect(ctx, node.rarg) };
}

const groupForms: Readonly<Record<string, GroupingSet['form']>> = {
  GROUPING_SET_EMPTY: 'empty',
  GROUPING_SET_ROLLUP: 'rollup',
  GROUPING_SET_CUBE: 'cube',
  GROUPING_SET_SETS: 'sets',
};

function lowerGroupItem(ctx: Lowering, node: Node): GroupItem {
  if (!('GroupingSet' in node)) return lowerListItem(ctx, node);
  const { kind, content, location } = node.GroupingSet;
  const form = groupForms[kind ?? ''];
  expectNode(form !== undefined, 'a grouping set of an unknown kind');
  const items = (content ?? []).map((item) => lowerGroupItem(ctx, item));
  return { kind: 'groupingSet', form, items, at: ctx.at(location) };
}

/** SELECT DISTINCT comes as a list with one empty node, DISTINCT ON with its expressions. */
function distinctOn(
  ctx: Lowering,
  clause: readonly Node[] | undefined,
): readonly Expression[] | undefined {
  const [first] = clause ?? [];
  if (first === undefined || Object.keys(first).length === 0) return undefined;
  return clause?.map((item) => lowerListItem(ctx, item));
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
