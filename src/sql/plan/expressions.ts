// Binding: a syntax tree's expression with names, overloads and literals of unknown type becomes a typed one without.
// What PostgreSQL would refuse is refused here, with its words and the place.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { BOOL, type ColumnType, columnType, TEXT, UNKNOWN } from '../../rows/types.ts';
import type { Expression } from '../parse/ast.ts';
import { canCoerceImplicitly, coerce, commonType, typeOf } from '../types/coercion.ts';
import { literalExpr } from '../types/literals.ts';
import { positionOf, resolveTypeName } from '../types/names.ts';
import { type AggregateCollector, isAggregateSlot } from './aggregate-collector.ts';
import { aggregateCall, bindAggregate, bindGrouping, isAggregate } from './aggregates.ts';
import type { Binder } from './binder.ts';
import { bindArray, bindArrayAs, bindQuantified, bindSubscript } from './arrays.ts';
import { bindFunction, bindOperator } from './calls.ts';
import { bindBetween, bindCase, bindComparison, bindIn, bindNullIf } from './conditions.ts';
import { findExpr } from './expr-tools.ts';
import type { Around, PlanContext } from './context.ts';
import { columnExpr, type Scope, type ScopeColumn } from './scope.ts';
import { bindRowComparison, bindRowIn, bindRowNull } from './rows.ts';
import { bindRegCast } from './reg-types.ts';
import { sessionFunction } from './session-functions.ts';
import { bindRowSubquery, bindSubquery } from './subqueries.ts';
import { bindWindowCall, isWindowFunction, type WindowCollector } from './windows.ts';

const BOOL_TYPE = columnType(BOOL);

export class ExpressionBinder implements Binder {
  readonly context: PlanContext;
  readonly scope: Scope;
  /** Takes aggregate calls; undefined where there may be none. */
  aggregates: AggregateCollector | undefined;
  /** Takes window functions' calls; undefined where there may be none. */
  windows: WindowCollector | undefined;
  /** The clause, for complaints: 'WHERE', 'RETURNING', … */
  place = '';
  /** Where a column was named, for what is found out after binding. */
  readonly columnAt: WeakMap<Expr, number> = new WeakMap();

  readonly #around: Around | undefined;

  constructor(context: PlanContext, scope: Scope) {
    this.context = context;
    this.scope = scope;
    this.#around = context.correlation;
  }

  /** A column of this query, or of one around it. */
  lookup(path: readonly string[], at: number): Expr | undefined {
    const own = this.scope.tryColumn(path, at);
    return own === undefined ? this.#around?.lookup(path, at) : this.#column(own, at);
  }

  #column(column: ScopeColumn, at: number): Expr {
    const expr = columnExpr(column);
    this.columnAt.set(expr, at);
    return expr;
  }

  bind(ast: Expression): Expr {
    switch (ast.kind) {
      case 'literal':
        return literalExpr(ast.value);
      case 'parameter':
        return this.context.parameter(ast.index, ast.at);
      case 'column':
        return (
          this.lookup(ast.path, ast.at) ?? this.#column(this.scope.column(ast.path, ast.at), ast.at)
        );
      case 'subquery':
        return bindSubquery(this, ast);
      case 'row':
        throw unsupported('a row as a value', ast.at + 1);
      case 'grouping':
        return bindGrouping(this, ast);
      case 'star':
        throw new DbError(
          '0A000',
          'row expansion via "*" is not supported here',
          positionOf(ast.at),
        );
      case 'unary':
        return this.#unary(ast);
      case 'binary':
        return (
          bindRows(this, ast) ??
          bindComparison(this, ast.op, ast.left, ast.right, ast.at) ??
          bindOperator(this, ast.op, [ast.left, ast.right], ast.at)
        );
      case 'and':
      case 'or': {
        const word = ast.kind === 'and' ? 'AND' : 'OR';
        return { kind: ast.kind, args: ast.args.map((arg) => this.condition(arg, word)) };
      }
      case 'not':
        return { kind: 'not', arg: this.condition(ast.arg, 'NOT') };
      case 'is':
        return this.#is(ast);
      case 'isDistinct': {
        const compared = bindComparison(this, '=', ast.left, ast.right, ast.at);
        if (compared?.kind !== 'compare') throw unsupported('IS DISTINCT FROM here', ast.at + 1);
        const { left, right } = compared;
        return { kind: 'isDistinct', left, right, negated: ast.negated };
      }
      case 'in':
        return ast.arg.kind === 'row' ? bindRowIn(this, ast, ast.arg) : bindIn(this, ast);
      case 'between':
        return bindBetween(this, ast);
      case 'cast':
        return this.#cast(ast);
      case 'case':
        return bindCase(this, ast);
      case 'coalesce': {
        const { args, type } = this.unified(ast.args, 'COALESCE');
        return { kind: 'coalesce', type, args };
      }
      case 'nullif':
        return bindNullIf(this, ast);
      case 'function':
        if (ast.withinGroup === true) throw unsupported('WITHIN GROUP', ast.at + 1);
        if (ast.over !== undefined || isWindowFunction(ast)) {
          const aggregate = isAggregate(ast) ? () => aggregateCall(this, ast) : undefined;
          return bindWindowCall(this, ast, ast.over, aggregate);
        }
        if (isAggregate(ast)) return bindAggregate(this, ast);
        return bindFunction(this, ast);
      case 'special': {
        const fn = sessionFunction(ast.name);
        if (fn === undefined) throw unsupported(ast.name.toUpperCase(), ast.at + 1);
        return this.context.sessionCall(fn, []);
      }
      case 'array':
        return bindArray(this, ast);
      case 'subscript':
        return bindSubscript(this, ast);
      case 'quantified':
        return bindQuantified(this, ast);
      case 'default':
        throw new DbError('42601', 'DEFAULT is not allowed in this context', positionOf(ast.at));
    }
  }

  /** Binds a clause, which may have aggregates or not. */
  clause<T>(place: string, aggregates: AggregateCollector | undefined, bind: () => T): T {
    const before = { aggregates: this.aggregates, windows: this.windows };
    this.place = place;
    this.aggregates = aggregates;
    if (place !== 'ORDER BY' && place !== 'DISTINCT ON') this.windows = undefined;
    const bound = bind();
    this.aggregates = before.aggregates;
    this.windows = before.windows;
    return bound;
  }

  /** The first aggregate in a bound expression. */
  aggregateIn(expr: Expr): Expr | undefined {
    return findExpr(expr, (e) => e.kind === 'column' && isAggregateSlot(e.index));
  }

  /** An expression that must be boolean; `word` says of what it is the argument. */
  condition(ast: Expression, word: string): Expr {
    return this.toBool(this.bind(ast), word, ast.at);
  }

  toBool(expr: Expr, word: string, at: number): Expr {
    const bound = coerce(expr, BOOL_TYPE, 'implicit', this.context.parameters, at);
    if (bound !== undefined) return bound;
    const type = sqlTypeName(columnType(typeOf(expr).oid));
    throw new DbError(
      '42804',
      `argument of ${word} must be type boolean, not type ${type}`,
      positionOf(at),
    );
  }

  /** Implicit coercion that the caller knows to exist. */
  coerced(expr: Expr, type: ColumnType, at: number): Expr {
    const bound = coerce(expr, type, 'implicit', this.context.parameters, at);
    if (bound !== undefined) return bound;
    const [from, to] = [sqlTypeName(typeOf(expr)), sqlTypeName(type)];
    throw new DbError('42846', `cannot cast type ${from} to ${to}`, positionOf(at));
  }

  /** What nothing gave a type is text. */
  settled(expr: Expr, at: number): Expr {
    return typeOf(expr).oid === UNKNOWN ? this.coerced(expr, columnType(TEXT), at) : expr;
  }

  /** All brought to one type. A modifier survives if all have it. */
  unified(
    asts: readonly Expression[],
    what: string,
  ): { readonly args: readonly Expr[]; readonly type: ColumnType } {
    return this.unifiedExprs(
      asts.map((ast) => this.bind(ast)),
      what,
      asts.map((ast) => ast.at),
    );
  }

  unifiedExprs(
    exprs: readonly Expr[],
    what: string,
    ats: readonly number[],
  ): { readonly args: readonly Expr[]; readonly type: ColumnType } {
    const types = exprs.map(typeOf);
    const common = commonType(
      types.map((t) => t.oid),
      what,
      ats,
    );
    const oid = common === UNKNOWN ? TEXT : common;
    const [first] = types;
    const alike = types.every((t) => t.oid === oid && t.modifier === first?.modifier);
    const type = columnType(oid);
    const args = exprs.map((expr, i) => {
      const from = (types[i] as ColumnType).oid;
      if (from !== UNKNOWN && from !== oid && !canCoerceImplicitly(from, oid)) {
        const [a, b] = [sqlTypeName(columnType(from)), sqlTypeName(type)];
        throw new DbError(
          '42846',
          `${what} could not convert type ${a} to ${b}`,
          positionOf(ats[i] ?? -1),
        );
      }
      return this.coerced(expr, type, ats[i] ?? -1);
    });
    return { args, type: alike && first !== undefined ? first : type };
  }

  #unary(ast: Expression & { kind: 'unary' }): Expr {
    const { op, arg, at } = ast;
    if (op === '-' && arg.kind === 'literal' && arg.value.type !== 'string') {
      const { value } = arg;
      if ((value.type === 'integer' || value.type === 'decimal') && !value.text.startsWith('-')) {
        return literalExpr({ type: value.type, text: `-${value.text}` });
      }
    }
    return bindOperator(this, op, [arg], at);
  }

  #is(ast: Expression & { kind: 'is' }): Expr {
    const { test, negated } = ast;
    if (test === 'null' && ast.arg.kind === 'row') return bindRowNull(this, ast.arg, negated);
    if (test === 'null') {
      // Whether a parameter is NULL says nothing of its type: `$1 IS NULL OR id = $1` learns it behind OR.
      const arg = this.bind(ast.arg);
      const tested = arg.kind === 'parameter' ? arg : this.settled(arg, ast.arg.at);
      return { kind: 'isNull', arg: tested, negated };
    }
    const word = `IS ${negated ? 'NOT ' : ''}${test.toUpperCase()}`;
    const arg = this.condition(ast.arg, word);
    if (test === 'unknown') return { kind: 'isNull', arg, negated };
    return { kind: 'isBool', arg, value: test === 'true', negated };
  }

  #cast(ast: Expression & { kind: 'cast' }): Expr {
    const target = resolveTypeName(ast.type);
    const array = ast.arg.kind === 'array' ? bindArrayAs(this, ast.arg, target) : undefined;
    if (array !== undefined) return array;
    const arg = this.bind(ast.arg);
    const named = bindRegCast(this.context, arg, target.oid, ast.arg.at);
    if (named !== undefined) return named;
    const bound = coerce(arg, target, 'explicit', this.context.parameters, ast.arg.at);
    if (bound !== undefined) return bound;
    const from = sqlTypeName(columnType(typeOf(arg).oid));
    const to = sqlTypeName(columnType(target.oid));
    throw new DbError('42846', `cannot cast type ${from} to ${to}`, positionOf(ast.at));
  }
}

/** A comparison of rows; undefined when the left side is none. */
function bindRows(binder: Binder, ast: Expression & { kind: 'binary' }): Expr | undefined {
  const { op, left, right, at } = ast;
  if (left.kind !== 'row') return undefined;
  if (right.kind === 'row') return bindRowComparison(binder, op, left, right, at);
  if (right.kind !== 'subquery' || right.form !== 'scalar') return undefined;
  return bindRowSubquery(binder, op, left, right, at);
}
