// Expressions back to SQL, for stored DEFAULTs, column names and error texts. What is printed reads back as the same
// tree (apart from offsets): operands that are operators themselves are always parenthesized.

import { unreachable } from '../../base/assert.ts';
import { unsupported } from '../../base/errors.ts';
import type { Expression, LiteralValue, OrderItem, TypeName } from './ast.ts';
import { isKeyword } from './keywords.ts';

export function formatIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) && !isKeyword(name)
    ? name
    : `"${name.replaceAll('"', '""')}"`;
}

function formatString(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

function formatLiteral(value: LiteralValue): string {
  switch (value.type) {
    case 'null':
      return 'NULL';
    case 'bool':
      return value.value ? 'TRUE' : 'FALSE';
    case 'string':
      return formatString(value.value);
    default:
      return value.text;
  }
}

/** The spellings that the grammar turns into pg_catalog's names; modifiers go where the braces are. */
const spellings: Readonly<Record<string, string>> = {
  bool: 'boolean',
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  numeric: 'numeric{}',
  varchar: 'character varying{}',
  bpchar: 'character{}',
  time: 'time{}',
  timetz: 'time{} with time zone',
  timestamp: 'timestamp{}',
  timestamptz: 'timestamp{} with time zone',
};

export function formatTypeName(type: TypeName): string {
  const modifiers = type.modifiers.length === 0 ? '' : `(${type.modifiers.join(', ')})`;
  const array = type.array ? '[]' : '';
  const spelling = type.schema === 'pg_catalog' ? spellings[type.name] : undefined;
  // CHARACTER alone would be CHARACTER(1).
  const bare = type.name === 'bpchar' && modifiers === '';
  if (spelling !== undefined && !bare && (modifiers === '' || spelling.includes('{}'))) {
    return spelling.replace('{}', modifiers) + array;
  }
  const schema = type.schema === undefined ? '' : `${formatIdentifier(type.schema)}.`;
  return `${schema}${formatIdentifier(type.name)}${modifiers}${array}`;
}

export function formatExpression(expr: Expression): string {
  switch (expr.kind) {
    case 'literal':
      return formatLiteral(expr.value);
    case 'parameter':
      return `$${expr.index + 1}`;
    case 'column':
      return expr.path.map(formatIdentifier).join('.');
    case 'star':
      return expr.table === undefined ? '*' : `${formatIdentifier(expr.table)}.*`;
    case 'unary':
      return formatUnary(expr.op, expr.arg);
    case 'binary':
      return `${operand(expr.left)} ${expr.op} ${operand(expr.right)}`;
    case 'and':
    case 'or':
      return expr.args.map(operand).join(expr.kind === 'and' ? ' AND ' : ' OR ');
    case 'not':
      return `NOT ${operand(expr.arg)}`;
    case 'is':
      return `${operand(expr.arg)} IS ${not(expr.negated)}${expr.test.toUpperCase()}`;
    case 'isDistinct':
      return `${operand(expr.left)} IS ${not(expr.negated)}DISTINCT FROM ${operand(expr.right)}`;
    case 'in':
      return `${operand(expr.arg)} ${not(expr.negated)}IN (${list(expr.list)})`;
    case 'between': {
      const word = expr.symmetric ? 'BETWEEN SYMMETRIC' : 'BETWEEN';
      const bounds = `${operand(expr.low)} AND ${operand(expr.high)}`;
      return `${operand(expr.arg)} ${not(expr.negated)}${word} ${bounds}`;
    }
    case 'cast':
      return `CAST(${formatExpression(expr.arg)} AS ${formatTypeName(expr.type)})`;
    case 'case':
      return formatCase(expr);
    case 'coalesce':
      return `COALESCE(${list(expr.args)})`;
    case 'nullif':
      return `NULLIF(${list([expr.left, expr.right])})`;
    case 'function':
      return formatCall(expr);
    case 'array':
      return `ARRAY[${list(expr.items)}]`;
    case 'subscript': {
      const indices = expr.indices.map(({ isSlice, lower, upper }) => {
        const to = upper === undefined ? '' : formatExpression(upper);
        if (!isSlice) return `[${to}]`;
        return `[${lower === undefined ? '' : formatExpression(lower)}:${to}]`;
      });
      return `(${formatExpression(expr.arg)})${indices.join('')}`;
    }
    case 'quantified': {
      const word = expr.quantifier.toUpperCase();
      return `${operand(expr.left)} ${expr.op} ${word} (${formatExpression(expr.array)})`;
    }
    case 'special':
      return expr.name.toUpperCase();
    case 'row':
      return `ROW(${list(expr.args)})`;
    case 'subquery':
    case 'grouping':
      throw unsupported(
        `storing an expression with ${expr.kind === 'grouping' ? 'GROUPING' : 'a subquery'}`,
        expr.at + 1,
      );
    case 'default':
      return 'DEFAULT';
    default:
      return unreachable(expr);
  }
}

function not(negated: boolean): string {
  return negated ? 'NOT ' : '';
}

function list(expressions: readonly Expression[]): string {
  return expressions.map(formatExpression).join(', ');
}

function operand(expr: Expression): string {
  switch (expr.kind) {
    case 'unary':
    case 'binary':
    case 'and':
    case 'or':
    case 'not':
    case 'is':
    case 'isDistinct':
    case 'in':
    case 'between':
    case 'quantified':
      return `(${formatExpression(expr)})`;
    default:
      return formatExpression(expr);
  }
}

function formatUnary(op: string, arg: Expression): string {
  const isNumber =
    arg.kind === 'literal' && (arg.value.type === 'integer' || arg.value.type === 'decimal');
  // The grammar would make one constant of a minus and a number.
  const symbol = op === '-' && isNumber ? 'OPERATOR(pg_catalog.-)' : op;
  return `${symbol} ${operand(arg)}`;
}

function formatCase(expr: Extract<Expression, { kind: 'case' }>): string {
  const parts = ['CASE'];
  if (expr.operand !== undefined) parts.push(formatExpression(expr.operand));
  for (const { when, result } of expr.whens) {
    parts.push(`WHEN ${formatExpression(when)} THEN ${formatExpression(result)}`);
  }
  if (expr.otherwise !== undefined) parts.push(`ELSE ${formatExpression(expr.otherwise)}`);
  return `${parts.join(' ')} END`;
}

function formatCall(expr: Extract<Expression, { kind: 'function' }>): string {
  if (expr.over !== undefined || expr.withinGroup === true) {
    throw unsupported('storing an expression with a window function or WITHIN GROUP', expr.at + 1);
  }
  const schema = expr.schema === undefined ? '' : `${formatIdentifier(expr.schema)}.`;
  // GREATEST and LEAST are functions to us and key words to the grammar.
  const keyword = expr.schema === undefined && (expr.name === 'greatest' || expr.name === 'least');
  const name = keyword ? expr.name.toUpperCase() : formatIdentifier(expr.name);
  const args = expr.star ? '*' : (expr.distinct ? 'DISTINCT ' : '') + list(expr.args);
  const order = expr.orderBy.length === 0 ? '' : ` ORDER BY ${formatOrder(expr.orderBy)}`;
  const filter =
    expr.filter === undefined ? '' : ` FILTER (WHERE ${formatExpression(expr.filter)})`;
  return `${schema}${name}(${args}${order})${filter}`;
}

function formatOrder(items: readonly OrderItem[]): string {
  return items
    .map(({ expr, descending, nullsFirst }) => {
      const nulls = nullsFirst === undefined ? '' : ` NULLS ${nullsFirst ? 'FIRST' : 'LAST'}`;
      return `${formatExpression(expr)}${descending ? ' DESC' : ''}${nulls}`;
    })
    .join(', ');
}
