// Expressions, from the grammar's nodes to ours.

import type {
  A_Const,
  A_Expr,
  A_Indirection,
  CollateClause,
  FuncCall,
  Node,
  SortBy,
  SQLValueFunction,
  SubLink,
} from 'libpg-query';
import type { Expression, OrderItem } from './ast.ts';
import { expectNode, locationOf, type Lowering, namesOf, tagOf } from './lower-context.ts';
import { lowerType } from './lower-type.ts';
import { numberValue } from './numbers.ts';

/** What the nodes that we have no expression for are called in SQL. */
const constructs: Readonly<Record<string, string>> = {
  CurrentOfExpr: 'WHERE CURRENT OF',
  XmlExpr: 'an XML function',
  XmlSerialize: 'XMLSERIALIZE',
  NamedArgExpr: 'a named argument',
  MergeSupportFunc: 'MERGE_ACTION',
  GroupingSet: 'GROUPING SETS, ROLLUP or CUBE',
};

export function unsupportedNode(ctx: Lowering, node: Node): Error {
  const tag = tagOf(node);
  const json = tag.startsWith('Json') ? 'a JSON function' : undefined;
  return ctx.unsupported(constructs[tag] ?? json ?? tag, locationOf(node));
}

export function lowerExpressions(
  ctx: Lowering,
  nodes: readonly Node[] | undefined,
): readonly Expression[] {
  return (nodes ?? []).map((node) => lowerExpression(ctx, node));
}

export function lowerOptional(ctx: Lowering, node: Node | undefined): Expression | undefined {
  return node === undefined ? undefined : lowerExpression(ctx, node);
}

function required(ctx: Lowering, node: Node | undefined): Expression {
  expectNode(node !== undefined, 'the grammar left an operand out');
  return lowerExpression(ctx, node);
}

const COLLATIONS: ReadonlySet<string> = new Set(['default', 'C', 'POSIX', 'ucs_basic']);

/** All text is ordered by code point: a collation that asks for that changes nothing. */
function lowerCollate(ctx: Lowering, { arg, collname, location }: CollateClause): Expression {
  const names = namesOf(collname);
  const name = names[names.length - 1] ?? '';
  const isOfCatalog = names.length < 2 || names[0] === 'pg_catalog';
  if (isOfCatalog && COLLATIONS.has(name)) return required(ctx, arg);
  const shown = names.join('.');
  throw ctx.fail('42704', `collation "${shown}" for encoding "UTF8" does not exist`, location);
}

export function lowerExpression(ctx: Lowering, node: Node): Expression {
  if ('A_Const' in node) {
    const at = ctx.at(node.A_Const.location);
    return ctx.parameterAt(at) ?? lowerConstant(ctx, node.A_Const);
  }
  if ('ColumnRef' in node) {
    return lowerColumn(ctx, node.ColumnRef.fields ?? [], node.ColumnRef.location);
  }
  if ('A_Expr' in node) return lowerOperator(ctx, node.A_Expr);
  if ('CollateClause' in node) return lowerCollate(ctx, node.CollateClause);
  if ('ParamRef' in node) {
    const { number = 0, location } = node.ParamRef;
    if (number < 1) throw ctx.fail('42P02', `there is no parameter $${number}`, location);
    return { kind: 'parameter', index: number - 1, at: ctx.at(location) };
  }
  if ('BoolExpr' in node) {
    const args = lowerExpressions(ctx, node.BoolExpr.args);
    const at = ctx.at(node.BoolExpr.location);
    if (node.BoolExpr.boolop !== 'NOT_EXPR') {
      return { kind: node.BoolExpr.boolop === 'OR_EXPR' ? 'or' : 'and', args, at };
    }
    const arg = args[0];
    expectNode(arg !== undefined, 'NOT without an operand');
    return { kind: 'not', arg, at };
  }
  if ('FuncCall' in node) return lowerCall(ctx, node.FuncCall);
  if ('TypeCast' in node) {
    const { arg, typeName, location } = node.TypeCast;
    expectNode(typeName !== undefined, 'a cast without a type');
    const type = lowerType(ctx, typeName);
    const at = ctx.at(location);
    // DATE '…' has only its type's place.
    return { kind: 'cast', arg: required(ctx, arg), type, at: at < 0 ? type.at : at };
  }
  return lowerKeywordExpression(ctx, node);
}

/** IS, CASE, COALESCE and the rest that SQL spells with key words. */
function lowerKeywordExpression(ctx: Lowering, node: Node): Expression {
  if ('NullTest' in node) {
    const { arg, nulltesttype, location } = node.NullTest;
    return {
      kind: 'is',
      test: 'null',
      negated: nulltesttype === 'IS_NOT_NULL',
      arg: required(ctx, arg),
      at: ctx.at(location),
    };
  }
  if ('BooleanTest' in node) {
    const { arg, booltesttype = 'IS_TRUE', location } = node.BooleanTest;
    const test = booltesttype.endsWith('TRUE')
      ? 'true'
      : booltesttype.endsWith('FALSE')
        ? 'false'
        : 'unknown';
    const negated = booltesttype.startsWith('IS_NOT');
    return { kind: 'is', test, negated, arg: required(ctx, arg), at: ctx.at(location) };
  }
  if ('CaseExpr' in node) {
    const { arg, args, defresult, location } = node.CaseExpr;
    const whens = (args ?? []).map((when) => {
      expectNode('CaseWhen' in when, 'a CASE without WHEN');
      return {
        when: required(ctx, when.CaseWhen.expr),
        result: required(ctx, when.CaseWhen.result),
      };
    });
    return {
      kind: 'case',
      operand: lowerOptional(ctx, arg),
      whens,
      otherwise: lowerOptional(ctx, defresult),
      at: ctx.at(location),
    };
  }
  if ('CoalesceExpr' in node) {
    const { args, location } = node.CoalesceExpr;
    return { kind: 'coalesce', args: lowerExpressions(ctx, args), at: ctx.at(location) };
  }
  if ('MinMaxExpr' in node) {
    const { op, args, location } = node.MinMaxExpr;
    const name = op === 'IS_LEAST' ? 'least' : 'greatest';
    return call(undefined, name, lowerExpressions(ctx, args), ctx.at(location));
  }
  if ('SubLink' in node) return lowerSubquery(ctx, node.SubLink);
  if ('RowExpr' in node) {
    const { args, location } = node.RowExpr;
    return { kind: 'row', args: lowerExpressions(ctx, args), at: ctx.at(location) };
  }
  if ('GroupingFunc' in node) {
    const { args, location } = node.GroupingFunc;
    return { kind: 'grouping', args: lowerExpressions(ctx, args), at: ctx.at(location) };
  }
  if ('SQLValueFunction' in node) return lowerSpecial(ctx, node.SQLValueFunction);
  if ('A_ArrayExpr' in node) {
    const { elements, location } = node.A_ArrayExpr;
    return { kind: 'array', items: lowerExpressions(ctx, elements), at: ctx.at(location) };
  }
  if ('A_Indirection' in node) return lowerSubscripts(ctx, node.A_Indirection);
  if ('SetToDefault' in node) return { kind: 'default', at: ctx.at(node.SetToDefault.location) };
  throw unsupportedNode(ctx, node);
}

function lowerSubscripts(ctx: Lowering, node: A_Indirection): Expression {
  const arg = required(ctx, node.arg);
  const indices = (node.indirection ?? []).map((step) => {
    if (!('A_Indices' in step)) throw ctx.unsupported('a field selection', arg.at);
    const { is_slice: isSlice = false, lidx, uidx } = step.A_Indices;
    return { isSlice, lower: lowerOptional(ctx, lidx), upper: lowerOptional(ctx, uidx) };
  });
  return { kind: 'subscript', arg, indices, at: arg.at };
}

/** A constant as it stands, where a parameter can't: ORDER BY 1. */
export function lowerConstant(ctx: Lowering, node: A_Const): Expression {
  const at = ctx.at(node.location);
  if (node.isnull === true) return { kind: 'literal', value: { type: 'null' }, at };
  if (node.ival !== undefined) {
    return { kind: 'literal', value: { type: 'integer', text: String(node.ival.ival ?? 0) }, at };
  }
  if (node.fval !== undefined) {
    return { kind: 'literal', value: numberValue(node.fval.fval ?? '0'), at };
  }
  if (node.boolval !== undefined) {
    const value = node.boolval.boolval === true;
    return { kind: 'literal', value: { type: 'bool', value }, at };
  }
  if (node.sval !== undefined) {
    return { kind: 'literal', value: { type: 'string', value: node.sval.sval ?? '' }, at };
  }
  throw ctx.unsupported('a bit string', node.location);
}

function lowerColumn(
  ctx: Lowering,
  fields: readonly Node[],
  location: number | undefined,
): Expression {
  const at = ctx.at(location);
  const last = fields.at(-1);
  if (last === undefined || !('A_Star' in last))
    return { kind: 'column', path: namesOf(fields), at };
  if (fields.length > 2) throw ctx.unsupported('schema.table.*', location);
  return { kind: 'star', table: fields.length === 2 ? namesOf(fields)[0] : undefined, at };
}

/** An operator's symbol; OPERATOR(pg_catalog.+) is +. */
export function operatorName(
  ctx: Lowering,
  names: readonly Node[] | undefined,
  location: number | undefined,
): string {
  const path = namesOf(names);
  if (path.length > 1 && (path.length > 2 || path[0] !== 'pg_catalog')) {
    throw ctx.unsupported(`the operator ${path.join('.')}`, location);
  }
  return path.at(-1) ?? '';
}

function lowerOperator(ctx: Lowering, node: A_Expr): Expression {
  const at = ctx.at(node.location);
  const op = operatorName(ctx, node.name, node.location);
  switch (node.kind) {
    case 'AEXPR_OP': {
      const right = required(ctx, node.rexpr);
      if (node.lexpr === undefined) return { kind: 'unary', op, arg: right, at };
      return { kind: 'binary', op, left: required(ctx, node.lexpr), right, at };
    }
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE':
    case 'AEXPR_SIMILAR': {
      const [left, right] = [required(ctx, node.lexpr), required(ctx, node.rexpr)];
      return { kind: 'binary', op, left, right, at };
    }
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT': {
      const [left, right] = [required(ctx, node.lexpr), required(ctx, node.rexpr)];
      return { kind: 'isDistinct', negated: node.kind === 'AEXPR_NOT_DISTINCT', left, right, at };
    }
    case 'AEXPR_NULLIF': {
      const [left, right] = [required(ctx, node.lexpr), required(ctx, node.rexpr)];
      return { kind: 'nullif', left, right, at };
    }
    case 'AEXPR_IN': {
      const list = lowerExpressions(ctx, listItems(node.rexpr));
      return { kind: 'in', negated: op === '<>', arg: required(ctx, node.lexpr), list, at };
    }
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM': {
      const [low, high] = lowerExpressions(ctx, listItems(node.rexpr));
      expectNode(low !== undefined && high !== undefined, 'BETWEEN without its bounds');
      return {
        kind: 'between',
        negated: node.kind.startsWith('AEXPR_NOT'),
        symmetric: node.kind.endsWith('SYM'),
        arg: required(ctx, node.lexpr),
        low,
        high,
        at,
      };
    }
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL': {
      const [left, array] = [required(ctx, node.lexpr), required(ctx, node.rexpr)];
      const quantifier = node.kind === 'AEXPR_OP_ANY' ? 'any' : 'all';
      return { kind: 'quantified', op, quantifier, left, array, at };
    }
    default:
      throw ctx.unsupported('an expression of an unknown kind', node.location);
  }
}

function listItems(node: Node | undefined): readonly Node[] | undefined {
  expectNode(node !== undefined && 'List' in node, 'a list was expected');
  return node.List.items;
}

function call(
  schema: string | undefined,
  name: string,
  args: readonly Expression[],
  at: number,
): Expression {
  return {
    kind: 'function',
    schema,
    name,
    args,
    star: false,
    distinct: false,
    filter: undefined,
    orderBy: [],
    at,
  };
}

function lowerCall(ctx: Lowering, node: FuncCall): Expression {
  const names = namesOf(node.funcname);
  if (node.func_variadic === true) throw ctx.unsupported('VARIADIC', node.location);
  if (names.length > 2) throw ctx.unsupported('a function of another database', node.location);
  return {
    kind: 'function',
    schema: names.length === 2 ? names[0] : undefined,
    name: names.at(-1) ?? '',
    args: lowerExpressions(ctx, node.args),
    star: node.agg_star === true,
    distinct: node.agg_distinct === true,
    filter: lowerOptional(ctx, node.agg_filter),
    orderBy: lowerOrderBy(ctx, node.agg_order),
    ...(node.agg_within_group === true ? { withinGroup: true } : {}),
    ...(node.over === undefined ? {} : { over: ctx.queries.window(ctx, node.over) }),
    at: ctx.at(node.location),
  };
}

function lowerSubquery(ctx: Lowering, node: SubLink): Expression {
  const { subLinkType, subselect, testexpr, operName, location } = node;
  expectNode(subselect !== undefined && 'SelectStmt' in subselect, 'a subquery was expected');
  const at = ctx.at(location);
  const form = subqueryForms[subLinkType ?? ''];
  if (form === undefined) throw ctx.unsupported('this query in an expression', location);
  // Its operands come first in the text.
  const left = lowerOptional(ctx, testexpr);
  const query = ctx.queries.select(ctx, subselect.SelectStmt);
  const quantified = form === 'any' || form === 'all';
  // IN is = ANY.
  const op = operName === undefined ? '=' : operatorName(ctx, operName, location);
  return { kind: 'subquery', form, query, left, op: quantified ? op : undefined, at };
}

const subqueryForms: Readonly<Record<string, (Expression & { kind: 'subquery' })['form']>> = {
  EXISTS_SUBLINK: 'exists',
  ALL_SUBLINK: 'all',
  ANY_SUBLINK: 'any',
  ARRAY_SUBLINK: 'array',
  EXPR_SUBLINK: 'scalar',
};

function lowerSpecial(ctx: Lowering, node: SQLValueFunction): Expression {
  const name = (node.op ?? '').replace('SVFOP_', '').toLowerCase();
  if (name.endsWith('_n')) {
    throw ctx.unsupported(`a precision of ${name.slice(0, -2).toUpperCase()}`, node.location);
  }
  return { kind: 'special', name, at: ctx.at(node.location) };
}

/** An item of ORDER BY or GROUP BY, where an integer is a position in the select list and never a parameter. */
export function lowerListItem(ctx: Lowering, node: Node): Expression {
  return 'A_Const' in node ? lowerConstant(ctx, node.A_Const) : lowerExpression(ctx, node);
}

export function lowerOrderBy(
  ctx: Lowering,
  nodes: readonly Node[] | undefined,
): readonly OrderItem[] {
  return (nodes ?? []).map((node) => {
    expectNode('SortBy' in node, 'ORDER BY without its items');
    return lowerOrderItem(ctx, node.SortBy);
  });
}

function lowerOrderItem(ctx: Lowering, node: SortBy): OrderItem {
  if (node.sortby_dir === 'SORTBY_USING') throw ctx.unsupported('ORDER BY USING', node.location);
  expectNode(node.node !== undefined, 'ORDER BY without an expression');
  return {
    expr: lowerListItem(ctx, node.node),
    descending: node.sortby_dir === 'SORTBY_DESC',
    nullsFirst:
      node.sortby_nulls === 'SORTBY_NULLS_FIRST'
        ? true
        : node.sortby_nulls === 'SORTBY_NULLS_LAST'
          ? false
          : undefined,
  };
}
