// Expressions to closures, once; then a row costs a few calls and nothing is allocated but results. SQL's three-valued
// logic: null is unknown.

import { assert } from '../base/assert.ts';
import { compileCast } from './casts.ts';
import { compileCompare } from './compile-compare.ts';
import { type Datum, hashKey } from './datum.ts';
import type { Expr } from './expr.ts';
import { exprType } from './expr-type.ts';
import { scalarFunctions } from './functions.ts';
import type { RowAccess } from './row-codec.ts';

export type { RowAccess } from './row-codec.ts';
export { TupleView } from './row-codec.ts';

export type CompiledExpr = (row: RowAccess, params: readonly Datum[]) => Datum;
/** Answers a query inside an expression, or throws a Suspension until it can. */
export type SubplanRun = (args: readonly Datum[]) => Datum;

/** Thrown out of an expression that must wait for a query: evaluate it again when `ready` has resolved. There is one,
 * since it is caught in the turn in which it is thrown, and making an error for each row would cost more than the row. */
export class Suspension extends Error {
  ready: Promise<unknown> = Promise.resolve();

  static until(ready: Promise<unknown>): Suspension {
    THE_SUSPENSION.ready = ready;
    return THE_SUSPENSION;
  }
}

const THE_SUSPENSION = new Suspension();

export type CompiledPredicate = (row: RowAccess, params: readonly Datum[]) => boolean;

export function compileExpr(expr: Expr): CompiledExpr {
  switch (expr.kind) {
    case 'constant': {
      const { value } = expr;
      return () => value;
    }
    case 'column': {
      const { index } = expr;
      return (row) => row.datum(index);
    }
    case 'parameter': {
      const { index } = expr;
      return (_row, params) => params[index] as Datum;
    }
    case 'call':
      return compileCall(expr);
    case 'cast': {
      const arg = compileExpr(expr.arg);
      const cast = compileCast(exprType(expr.arg), expr.type, expr.context);
      return (row, params) => {
        const value = arg(row, params);
        return value === null ? null : cast(value);
      };
    }
    case 'compare':
      return compileComparison(expr);
    case 'and':
      return compileJunction(expr.args, false);
    case 'or':
      return compileJunction(expr.args, true);
    case 'not': {
      const arg = compileExpr(expr.arg);
      return (row, params) => {
        const value = arg(row, params);
        return value === null ? null : value !== true;
      };
    }
    case 'isNull': {
      const arg = compileExpr(expr.arg);
      const { negated } = expr;
      return (row, params) => (arg(row, params) === null) !== negated;
    }
    case 'isBool': {
      const arg = compileExpr(expr.arg);
      const { value, negated } = expr;
      return (row, params) => (arg(row, params) === value) !== negated;
    }
    case 'isDistinct':
      return compileDistinct(expr);
    case 'in':
      return compileIn(expr);
    case 'case':
      return compileCase(expr);
    case 'subplan': {
      const args = expr.args.map(compileExpr);
      const { run } = expr;
      return (row, params) => {
        const values = args.map((arg) => arg(row, params));
        return (params[run] as unknown as SubplanRun)(values);
      };
    }
    case 'coalesce': {
      const args = expr.args.map(compileExpr);
      return (row, params) => {
        for (const arg of args) {
          const value = arg(row, params);
          if (value !== null) return value;
        }
        return null;
      };
    }
  }
}

/** True only where the expression is true: neither false nor unknown. */
export function compilePredicate(expr: Expr): CompiledPredicate {
  switch (expr.kind) {
    case 'and': {
      const args = expr.args.map(compilePredicate);
      return (row, params) => {
        for (const arg of args) if (!arg(row, params)) return false;
        return true;
      };
    }
    case 'or': {
      const args = expr.args.map(compilePredicate);
      return (row, params) => {
        for (const arg of args) if (arg(row, params)) return true;
        return false;
      };
    }
    case 'compare': {
      const left = compileExpr(expr.left);
      const right = compileExpr(expr.right);
      const compare = compileCompare(exprType(expr.left).oid, expr.op);
      return (row, params) => {
        const a = left(row, params);
        if (a === null) return false;
        const b = right(row, params);
        return b !== null && compare(a, b);
      };
    }
    default: {
      const value = compileExpr(expr);
      return (row, params) => value(row, params) === true;
    }
  }
}

function compileCall(expr: Extract<Expr, { kind: 'call' }>): CompiledExpr {
  const found = scalarFunctions.get(expr.name);
  assert(found !== undefined, `unknown function ${expr.name}`);
  const { strict } = found;
  const run = found.bind?.(expr.args.map(exprType), expr.type) ?? found.run;
  const args = expr.args.map(compileExpr);
  const [first, second] = args;
  if (strict && first !== undefined && args.length === 1) {
    return (row, params) => {
      const a = first(row, params);
      return a === null ? null : run(a);
    };
  }
  if (strict && first !== undefined && second !== undefined && args.length === 2) {
    return (row, params) => {
      const a = first(row, params);
      if (a === null) return null;
      const b = second(row, params);
      return b === null ? null : run(a, b);
    };
  }
  return (row, params) => {
    const values = new Array<Datum>(args.length);
    for (let i = 0; i < args.length; i++) {
      const value = (args[i] as CompiledExpr)(row, params);
      if (strict && value === null) return null;
      values[i] = value;
    }
    return run(...values);
  };
}

function compileComparison(expr: Extract<Expr, { kind: 'compare' }>): CompiledExpr {
  const left = compileExpr(expr.left);
  const right = compileExpr(expr.right);
  const compare = compileCompare(exprType(expr.left).oid, expr.op);
  return (row, params) => {
    const a = left(row, params);
    if (a === null) return null;
    const b = right(row, params);
    return b === null ? null : compare(a, b);
  };
}

/** AND ends at the first false, OR at the first true; an unknown survives anything else. */
function compileJunction(list: readonly Expr[], decisive: boolean): CompiledExpr {
  const args = list.map(compileExpr);
  return (row, params) => {
    let unknown = false;
    for (const arg of args) {
      const value = arg(row, params);
      if (value === decisive) return decisive;
      if (value === null) unknown = true;
    }
    return unknown ? null : !decisive;
  };
}

function compileDistinct(expr: Extract<Expr, { kind: 'isDistinct' }>): CompiledExpr {
  const left = compileExpr(expr.left);
  const right = compileExpr(expr.right);
  const equal = compileCompare(exprType(expr.left).oid, '=');
  const { negated } = expr;
  return (row, params) => {
    const a = left(row, params);
    const b = right(row, params);
    const same = a === null || b === null ? a === b : equal(a, b);
    return same === negated;
  };
}

/** Constants become a set; NULL in the list makes "not found" unknown. */
function compileIn(expr: Extract<Expr, { kind: 'in' }>): CompiledExpr {
  const arg = compileExpr(expr.arg);
  const { oid } = exprType(expr.arg);
  const { negated } = expr;
  const equal = compileCompare(oid, '=');
  const constants = new Set<unknown>();
  const others: CompiledExpr[] = [];
  let constantNull = false;
  for (const item of expr.list) {
    if (item.kind !== 'constant') others.push(compileExpr(item));
    else if (item.value === null) constantNull = true;
    else constants.add(hashKey(oid, item.value));
  }
  return (row, params) => {
    const value = arg(row, params);
    if (value === null) return null;
    if (constants.size > 0 && constants.has(hashKey(oid, value))) return !negated;
    let unknown = constantNull;
    for (const other of others) {
      const candidate = other(row, params);
      if (candidate === null) unknown = true;
      else if (equal(value, candidate)) return !negated;
    }
    return unknown ? null : negated;
  };
}

function compileCase(expr: Extract<Expr, { kind: 'case' }>): CompiledExpr {
  const whens = expr.whens.map(({ when }) => compilePredicate(when));
  const results = expr.whens.map(({ result }) => compileExpr(result));
  const otherwise = expr.otherwise === undefined ? undefined : compileExpr(expr.otherwise);
  return (row, params) => {
    for (let i = 0; i < whens.length; i++) {
      if ((whens[i] as CompiledPredicate)(row, params))
        return (results[i] as CompiledExpr)(row, params);
    }
    return otherwise === undefined ? null : otherwise(row, params);
  };
}
