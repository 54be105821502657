// Binding of comparisons and of what SQL builds from them: IN, BETWEEN, CASE, NULLIF.

import { DbError } from '../../base/errors.ts';
import type { CompareOp, Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { columnType, elementOf, TEXT, UNKNOWN } from '../../rows/types.ts';
import type { Expression } from '../parse/ast.ts';
import { canCoerceImplicitly, commonType, typeOf } from '../types/coercion.ts';
import { COMPARISONS, isComparable } from '../types/comparison.ts';
import { positionOf } from '../types/names.ts';
import { chooseOverload } from '../types/overloads.ts';
import type { Binder } from './binder.ts';

export const COMPARE_OPS: ReadonlyMap<string, CompareOp> = new Map([
  ['=', '='],
  ['<>', '<>'],
  ['!=', '<>'],
  ['<', '<'],
  ['<=', '<='],
  ['>', '>'],
  ['>=', '>='],
]);

/** Undefined when `op` is no comparison. */
export function bindComparison(
  binder: Binder,
  op: string,
  leftAst: Expression,
  rightAst: Expression,
  at: number,
): Expr | undefined {
  const compareOp = COMPARE_OPS.get(op);
  if (compareOp === undefined) return undefined;
  const left = binder.bind(leftAst);
  const right = binder.bind(rightAst);
  return compare(binder, compareOp, left, right, { at, leftAt: leftAst.at, rightAt: rightAst.at });
}

export interface ComparePlaces {
  readonly at: number;
  readonly leftAt: number;
  readonly rightAt: number;
}

export function compare(
  binder: Binder,
  op: CompareOp,
  left: Expr,
  right: Expr,
  places: ComparePlaces,
): Expr {
  const type = columnType(comparedAs(op, typeOf(left).oid, typeOf(right).oid, places.at));
  return {
    kind: 'compare',
    op,
    left: binder.coerced(left, type, places.leftAt),
    right: binder.coerced(right, type, places.rightAt),
  };
}

/** The type that both sides are brought to; throws 42883. */
export function comparedAs(op: string, left: number, right: number, at: number): number {
  // An unknown side is supposed to be of the other's type, if that type compares at all.
  if (left === UNKNOWN && right === UNKNOWN) return TEXT;
  const inputs =
    left === UNKNOWN ? [right, right] : right === UNKNOWN ? [left, left] : [left, right];
  const [first, second] = inputs as [number, number];
  if (first === second && elementOf(first) !== undefined) {
    if (isComparable(first)) return first;
    throw new DbError(
      '42883',
      `could not identify ${op === '=' || op === '<>' ? 'an equality operator' : 'a comparison function'} for type ${sqlTypeName(columnType(elementOf(first) as number))}`,
    );
  }
  const choice = chooseOverload(COMPARISONS, inputs, canCoerceImplicitly);
  if (choice.kind === 'one') return choice.signature.comparedAs;
  throw noOperator(op, [left, right], choice.kind, at);
}

export function noOperator(
  op: string,
  oids: readonly number[],
  why: 'none' | 'ambiguous',
  at: number,
): DbError {
  const names = oids.map((oid) => sqlTypeName(columnType(oid)));
  const shown = names.length === 1 ? `${op} ${names[0]}` : `${names[0]} ${op} ${names[1]}`;
  return why === 'none'
    ? new DbError('42883', `operator does not exist: ${shown}`, {
        hint:
          names.length === 1
            ? 'No operator matches the given name and argument type. You might need to add an explicit type cast.'
            : 'No operator matches the given name and argument types. You might need to add explicit type casts.',
        ...positionOf(at),
      })
    : new DbError('42725', `operator is not unique: ${shown}`, {
        hint: 'Could not choose a best candidate operator. You might need to add explicit type casts.',
        ...positionOf(at),
      });
}

export function bindIn(binder: Binder, ast: Expression & { kind: 'in' }): Expr {
  const { negated } = ast;
  const arg = shared(binder, binder.bind(ast.arg));
  const list = ast.list.map((item) => binder.bind(item));
  const ats = ast.list.map((item) => item.at);
  const listOid = commonOid([typeOf(arg).oid, ...list.map((e) => typeOf(e).oid)]);
  if (listOid !== undefined) {
    const oid = comparedAs('=', typeOf(arg).oid, listOid, ast.at);
    const type = columnType(oid);
    return {
      kind: 'in',
      arg: binder.coerced(arg, type, ast.arg.at),
      list: list.map((e, i) => binder.coerced(e, type, ats[i] as number)),
      negated,
    };
  }
  // No one type for all: then each is compared by itself, as PostgreSQL does.
  const places = { at: ast.at, leftAt: ast.arg.at, rightAt: ast.at };
  const args = list.map((e) => compare(binder, negated ? '<>' : '=', arg, e, places));
  return { kind: negated ? 'and' : 'or', args };
}

function commonOid(oids: readonly number[]): number | undefined {
  try {
    const oid = commonType(oids, 'IN', []);
    const usable = oids.every((o) => o === UNKNOWN || o === oid || canCoerceImplicitly(o, oid));
    return usable ? oid : undefined;
  } catch (error) {
    if (error instanceof DbError) return undefined;
    throw error;
  }
}

export function bindBetween(binder: Binder, ast: Expression & { kind: 'between' }): Expr {
  const arg = shared(binder, binder.bind(ast.arg));
  const low = binder.bind(ast.low);
  const high = binder.bind(ast.high);
  const low2 = ast.symmetric ? shared(binder, low) : low;
  const high2 = ast.symmetric ? shared(binder, high) : high;
  const within = (from: Expr, to: Expr): Expr => {
    const fromPlaces = { at: ast.at, leftAt: ast.arg.at, rightAt: ast.low.at };
    const toPlaces = { at: ast.at, leftAt: ast.arg.at, rightAt: ast.high.at };
    return ast.negated
      ? {
          kind: 'or',
          args: [
            compare(binder, '<', arg, from, fromPlaces),
            compare(binder, '>', arg, to, toPlaces),
          ],
        }
      : {
          kind: 'and',
          args: [
            compare(binder, '>=', arg, from, fromPlaces),
            compare(binder, '<=', arg, to, toPlaces),
          ],
        };
  };
  if (!ast.symmetric) return within(low2, high2);
  const args = [within(low2, high2), within(high2, low2)];
  return ast.negated ? { kind: 'and', args } : { kind: 'or', args };
}

/** An expression that is used more than once keeps the type that its first use gave it. */
function shared(binder: Binder, expr: Expr): Expr {
  if (expr.kind === 'parameter') binder.context.parameters.pin(expr.index);
  return expr;
}

export function bindCase(binder: Binder, ast: Expression & { kind: 'case' }): Expr {
  const operand =
    ast.operand === undefined
      ? undefined
      : shared(binder, binder.settled(binder.bind(ast.operand), ast.operand.at));
  const whens = ast.whens.map((w) => {
    if (operand === undefined) return binder.condition(w.when, 'CASE/WHEN');
    const places = { at: w.when.at, leftAt: ast.operand?.at ?? ast.at, rightAt: w.when.at };
    return compare(binder, '=', operand, binder.bind(w.when), places);
  });
  const results = ast.whens.map((w) => binder.bind(w.result));
  const otherwise: Expr =
    ast.otherwise === undefined
      ? { kind: 'constant', type: columnType(UNKNOWN), value: null }
      : binder.bind(ast.otherwise);
  // PostgreSQL looks at ELSE first.
  const { args, type } = binder.unifiedExprs([otherwise, ...results], 'CASE', [
    ast.otherwise?.at ?? ast.at,
    ...ast.whens.map((w) => w.result.at),
  ]);
  return {
    kind: 'case',
    type,
    whens: whens.map((when, i) => ({ when, result: args[i + 1] as Expr })),
    otherwise: ast.otherwise === undefined ? undefined : args[0],
  };
}

export function bindNullIf(binder: Binder, ast: Expression & { kind: 'nullif' }): Expr {
  const compared = bindComparison(binder, '=', ast.left, ast.right, ast.at);
  if (compared?.kind !== 'compare') throw noOperator('=', [], 'none', ast.at);
  const type = typeOf(compared.left);
  const none: Expr = { kind: 'constant', type, value: null };
  return {
    kind: 'case',
    type,
    whens: [{ when: compared, result: none }],
    otherwise: compared.left,
  };
}
