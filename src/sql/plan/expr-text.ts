// Bound expressions as SQL-like text, for EXPLAIN.

import type { AggregateCall, Expr } from '../../rows/expr.ts';
import { ARRAY_CONSTRUCTOR, SLICE, SUBSCRIPT } from '../../rows/function-array.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { formatText } from '../../rows/text-format.ts';
import { BOOL, NUMERIC, FLOAT4, FLOAT8, INT2, INT4, INT8, OID } from '../../rows/types.ts';

export interface Names {
  column(slot: number): string;
  parameter(index: number): string;
}

const PLAIN: ReadonlySet<number> = new Set([BOOL, NUMERIC, FLOAT4, FLOAT8, INT2, INT4, INT8, OID]);

export function exprText(expr: Expr, names: Names): string {
  const text = (e: Expr): string => exprText(e, names);
  const inner = (e: Expr): string =>
    e.kind === 'and' || e.kind === 'or' || e.kind === 'compare' || isOperator(e)
      ? `(${text(e)})`
      : text(e);
  switch (expr.kind) {
    case 'constant': {
      if (expr.value === null) return 'NULL';
      const shown = formatText(expr.type, expr.value);
      return PLAIN.has(expr.type.oid) ? shown : `'${shown.replaceAll("'", "''")}'`;
    }
    case 'column':
      return names.column(expr.index);
    case 'parameter':
      return names.parameter(expr.index);
    case 'call':
      return callText(expr, text, inner);
    case 'cast':
      return `${inner(expr.arg)}::${sqlTypeName(expr.type)}`;
    case 'compare':
      return `${inner(expr.left)} ${expr.op} ${inner(expr.right)}`;
    case 'and':
    case 'or':
      return expr.args.map(inner).join(expr.kind === 'and' ? ' AND ' : ' OR ');
    case 'not':
      return `NOT ${inner(expr.arg)}`;
    case 'isNull':
      return `${inner(expr.arg)} IS ${expr.negated ? 'NOT ' : ''}NULL`;
    case 'isBool':
      return `${inner(expr.arg)} IS ${expr.negated ? 'NOT ' : ''}${expr.value ? 'TRUE' : 'FALSE'}`;
    case 'isDistinct':
      return `${inner(expr.left)} IS ${expr.negated ? 'NOT ' : ''}DISTINCT FROM ${inner(expr.right)}`;
    case 'in':
      return `${inner(expr.arg)} ${expr.negated ? 'NOT ' : ''}IN (${expr.list.map(text).join(', ')})`;
    case 'case': {
      const whens = expr.whens.map((w) => `WHEN ${text(w.when)} THEN ${text(w.result)}`).join(' ');
      return `CASE ${whens}${expr.otherwise === undefined ? '' : ` ELSE ${text(expr.otherwise)}`} END`;
    }
    case 'subplan':
      return `${names.parameter(expr.run)}(${expr.args.map(text).join(', ')})`;
    case 'coalesce':
      return `COALESCE(${expr.args.map(text).join(', ')})`;
  }
}

type Call = Expr & { kind: 'call' };

/** Signatures read 'lower(text)' for functions, 'int4+int4' and '-int4' for operators. */
function isOperator(expr: Expr): expr is Call {
  return expr.kind === 'call' && !expr.name.endsWith(')');
}

function callText(expr: Call, text: (e: Expr) => string, inner: (e: Expr) => string): string {
  const [left, right] = expr.args;
  if (expr.name.startsWith('[')) return syntaxText(expr, text, inner);
  if (!isOperator(expr) || left === undefined) {
    return `${expr.name.slice(0, expr.name.indexOf('('))}(${expr.args.map(text).join(', ')})`;
  }
  const op = /[^\w" ]+/.exec(expr.name)?.[0] ?? '?';
  return right === undefined ? `${op}${inner(left)}` : `${inner(left)} ${op} ${inner(right)}`;
}

/** What has a syntax of its own: ARRAY[…], a[1], a[1:2], x = ANY (a). */
function syntaxText(expr: Call, text: (e: Expr) => string, inner: (e: Expr) => string): string {
  const [first, ...rest] = expr.args;
  if (expr.name === ARRAY_CONSTRUCTOR || first === undefined) {
    return `ARRAY[${expr.args.map(text).join(', ')}]`;
  }
  if (expr.name === SUBSCRIPT) return `${inner(first)}${rest.map((e) => `[${text(e)}]`).join('')}`;
  if (expr.name === SLICE) {
    const limit = (i: number): string => (isTrue(rest[i]) ? text(rest[i + 1] as Expr) : '');
    const slices = Array.from(
      { length: rest.length / 4 },
      (_, i) => `[${limit(i * 4)}:${limit(i * 4 + 2)}]`,
    );
    return inner(first) + slices.join('');
  }
  const [, op = '?', quantifier = ''] =
    /^\[(?:\w* ?)*?([^\w" \]]+).* (any|all)\]/.exec(expr.name) ?? [];
  return `${inner(first)} ${op} ${quantifier.toUpperCase()} (${rest.map(text).join(', ')})`;
}

function isTrue(expr: Expr | undefined): boolean {
  return expr?.kind === 'constant' && expr.value === true;
}

export function aggregateText(call: AggregateCall, names: Names): string {
  if (call.kind === 'count(*)') return `count(*)${filterText(call, names)}`;
  const args = call.args.map((e) => exprText(e, names)).join(', ');
  return `${call.kind}(${call.distinct ? 'DISTINCT ' : ''}${args})${filterText(call, names)}`;
}

function filterText(call: AggregateCall, names: Names): string {
  return call.filter === undefined ? '' : ` FILTER (WHERE ${exprText(call.filter, names)})`;
}
