// FROM: tables, joins, subqueries, functions.

import type { Alias, JoinExpr, Node, RangeFunction, RangeVar } from 'libpg-query';
import type { FromItem, JoinRef, Name } from './ast.ts';
import { expectNode, locationOf, type Lowering, namesOf, tagOf } from './lower-context.ts';
import { lowerExpression, lowerOptional } from './lower-expression.ts';

export function lowerName(ctx: Lowering, node: RangeVar): Name {
  if (node.catalogname !== undefined) {
    throw ctx.unsupported('a table of another database', node.location);
  }
  return { schema: node.schemaname, name: node.relname ?? '', at: ctx.at(node.location) };
}

/** Of the table that a statement writes to. */
export function lowerAlias(ctx: Lowering, node: RangeVar): string | undefined {
  if (columnAliases(node.alias) !== undefined) {
    throw ctx.unsupported('a list of column aliases', node.location);
  }
  return node.alias?.aliasname;
}

function columnAliases(alias: Alias | undefined): readonly string[] | undefined {
  return alias?.colnames === undefined ? undefined : namesOf(alias.colnames);
}

/** What FROM may hold that we have nothing for, as SQL names it. */
const sources: Readonly<Record<string, string>> = {
  RangeTableSample: 'TABLESAMPLE',
  RangeTableFunc: 'XMLTABLE',
  JsonTable: 'JSON_TABLE',
};

export function lowerFrom(ctx: Lowering, node: Node): FromItem {
  if ('RangeVar' in node) {
    const aliases = columnAliases(node.RangeVar.alias);
    return {
      kind: 'table',
      table: lowerName(ctx, node.RangeVar),
      alias: node.RangeVar.alias?.aliasname,
      ...(aliases === undefined ? {} : { columnAliases: aliases }),
    };
  }
  if ('JoinExpr' in node) return lowerJoin(ctx, node.JoinExpr);
  if ('RangeSubselect' in node) {
    const { subquery, lateral, alias } = node.RangeSubselect;
    expectNode(subquery !== undefined && 'SelectStmt' in subquery, 'a subquery was expected');
    return {
      kind: 'subquery',
      query: ctx.queries.select(ctx, subquery.SelectStmt),
      lateral: lateral === true,
      alias: alias?.aliasname,
      columnAliases: columnAliases(alias),
      at: -1,
    };
  }
  if ('RangeFunction' in node) return lowerFunction(ctx, node.RangeFunction);
  const tag = tagOf(node);
  throw ctx.unsupported(sources[tag] ?? tag, locationOf(node));
}

const joinTypes: Readonly<Record<string, JoinRef['type']>> = {
  JOIN_INNER: 'inner',
  JOIN_LEFT: 'left',
  JOIN_RIGHT: 'right',
  JOIN_FULL: 'full',
};

function lowerJoin(ctx: Lowering, node: JoinExpr): JoinRef {
  const { larg, rarg, isNatural, usingClause, quals, alias } = node;
  expectNode(larg !== undefined && rarg !== undefined, 'a join without its sides');
  const left = lowerFrom(ctx, larg);
  const at = placeOf(left);
  if (alias !== undefined) throw ctx.unsupportedAt('an alias of a join', at);
  if (node.join_using_alias !== undefined) throw ctx.unsupportedAt('an alias of USING', at);
  const type = joinTypes[node.jointype ?? ''];
  expectNode(type !== undefined, 'an unknown kind of join');
  const natural = isNatural === true;
  const unconditional = !natural && usingClause === undefined && quals === undefined;
  return {
    kind: 'join',
    type: type === 'inner' && unconditional ? 'cross' : type,
    left,
    right: lowerFrom(ctx, rarg),
    on: lowerOptional(ctx, quals),
    using: usingClause === undefined ? undefined : namesOf(usingClause),
    natural,
    at,
  };
}

/** A join has no place of its own; its first table has. */
function placeOf(item: FromItem): number {
  return item.kind === 'table' ? item.table.at : item.at;
}

function lowerFunction(ctx: Lowering, node: RangeFunction): FromItem {
  const [first] = node.functions ?? [];
  expectNode(first !== undefined && 'List' in first, 'a function was expected');
  const [call, definitions] = first.List.items ?? [];
  expectNode(call !== undefined, 'a function was expected');
  const location = locationOf(call);
  if (node.is_rowsfrom === true) throw ctx.unsupported('ROWS FROM', location);
  const defined = definitions !== undefined && Object.keys(definitions).length > 0;
  if (node.coldeflist !== undefined || defined) {
    throw ctx.unsupported('a column definition list', location);
  }
  const lowered = lowerExpression(ctx, call);
  // current_date and its like are calls to PostgreSQL here.
  if (lowered.kind !== 'function') throw ctx.unsupported('this function in FROM', location);
  return {
    kind: 'functionTable',
    call: lowered,
    ...(node.ordinality === true ? { ordinality: true } : {}),
    lateral: node.lateral === true,
    alias: node.alias?.aliasname,
    columnAliases: columnAliases(node.alias),
    at: lowered.at,
  };
}
