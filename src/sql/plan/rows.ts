// Rows as operands: (a, b) < (c, d) is decided by the first pair that is not equal.

import { DbError } from '../../base/errors.ts';
import type { CompareOp, Expr } from '../../rows/expr.ts';
import type { Expression } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import type { Binder } from './binder.ts';
import { COMPARE_OPS, compare, type ComparePlaces, noOperator } from './conditions.ts';

/** What error texts call a row's type. */
const RECORD = 2249;

export interface Pair {
  readonly left: Expr;
  readonly right: Expr;
}

/** Each two brought to the type in which they compare. */
export function comparedPairs(
  binder: Binder,
  op: CompareOp,
  lefts: readonly Expr[],
  rights: readonly Expr[],
  places: ComparePlaces,
): readonly Pair[] {
  return lefts.map((left, i) => {
    const compared = compare(binder, op, left, rights[i] as Expr, places);
    return compared.kind === 'compare' ? compared : { left, right: rights[i] as Expr };
  });
}

export function rowsCompare(op: CompareOp, pairs: readonly Pair[]): Expr {
  const [first, ...rest] = pairs.map(({ left, right }): Pair & { kind: 'compare' } => ({
    kind: 'compare',
    left,
    right,
  }));
  if (first === undefined)
    return { kind: 'constant', type: { oid: 16, modifier: -1 }, value: op === '=' };
  if (rest.length === 0) return { ...first, op };
  const all = [first, ...rest];
  if (op === '=') return { kind: 'and', args: all.map((pair) => ({ ...pair, op })) };
  if (op === '<>') return { kind: 'or', args: all.map((pair) => ({ ...pair, op })) };
  const strict = op === '<' || op === '<=' ? '<' : '>';
  const later = rowsCompare(op, rest);
  return {
    kind: 'or',
    args: [
      { ...first, op: strict },
      { kind: 'and', args: [{ ...first, op: '=' }, later] },
    ],
  };
}

/** (a, b) = (c, d); undefined when `op` is no comparison. */
export function bindRowComparison(
  binder: Binder,
  op: string,
  left: Expression & { kind: 'row' },
  right: Expression & { kind: 'row' },
  at: number,
): Expr | undefined {
  const compareOp = COMPARE_OPS.get(op);
  if (compareOp === undefined) return undefined;
  const lefts = left.args.map((arg) => binder.bind(arg));
  const rights = right.args.map((arg) => binder.bind(arg));
  if (lefts.length !== rights.length) {
    throw new DbError('42601', 'unequal number of entries in row expressions', positionOf(at));
  }
  const places = { at, leftAt: left.at, rightAt: right.at };
  return rowsCompare(compareOp, comparedPairs(binder, compareOp, lefts, rights, places));
}

/** (a, b) IS NULL: all of them; IS NOT NULL: none of them. */
export function bindRowNull(
  binder: Binder,
  row: Expression & { kind: 'row' },
  negated: boolean,
): Expr {
  const args = row.args.map((arg): Expr => {
    const bound = binder.bind(arg);
    return {
      kind: 'isNull',
      arg: bound.kind === 'parameter' ? bound : binder.settled(bound, arg.at),
      negated,
    };
  });
  const [only] = args;
  return args.length === 1 && only !== undefined ? only : { kind: 'and', args };
}

/** (a, b) IN ((1, 2), …). */
export function bindRowIn(
  binder: Binder,
  { list, negated, at }: Expression & { kind: 'in' },
  row: Expression & { kind: 'row' },
): Expr {
  const args = list.map((item): Expr => {
    const compared =
      item.kind === 'row'
        ? bindRowComparison(binder, negated ? '<>' : '=', row, item, at)
        : undefined;
    if (compared !== undefined) return compared;
    throw noOperator('=', [RECORD, typeOf(binder.bind(item)).oid], 'none', at);
  });
  return { kind: negated ? 'and' : 'or', args };
}
