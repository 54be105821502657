// x op ANY (array) and x op ALL (array): one function for each comparison and for each operator that answers a truth
// value, under a name that no call can have.

import { compileCompare } from './compile-compare.ts';
import { ArrayValue, type Datum, hashKey } from './datum.ts';
import type { CompareOp } from './expr.ts';
import { type ScalarFunction, typed } from './function-types.ts';
import { ANYARRAY, ANYELEMENT, BOOL, type ColumnType } from './types.ts';

export type Quantifier = 'any' | 'all';

const COMPARE_OPS: readonly CompareOp[] = ['=', '<>', '<', '<=', '>', '>='];

/** Longer arrays are looked up in a set. */
const COMPARED_MAX = 8;

/** The name of a quantified comparison. */
export function quantifiedCompare(op: CompareOp, quantifier: Quantifier): string {
  return `[${op} ${quantifier}](any)`;
}

/** The name of a quantified operator, by the operator's own. */
export function quantifiedCall(name: string, quantifier: Quantifier): string {
  return `[${name} ${quantifier}](any)`;
}

type Test = (item: Datum, other: Datum) => Datum;

/** The first decisive answer; unknown if there is an unknown one. */
function quantified(test: Test, quantifier: Quantifier): (value: Datum, array: Datum) => Datum {
  const decisive = quantifier === 'any';
  return (value, array) => {
    if (array === null) return null;
    const { items } = array as ArrayValue;
    if (items.length === 0) return !decisive;
    if (value === null) return null;
    let unknown = false;
    for (const item of items) {
      const answer = item === null ? null : test(value, item);
      if (answer === decisive) return decisive;
      if (answer === null) unknown = true;
    }
    return unknown ? null : !decisive;
  };
}

/** = ANY: the set of a long array is kept until another array comes. */
function equalsAny(oid: number): (value: Datum, array: Datum) => Datum {
  const few = quantified(compileCompare(oid, '='), 'any');
  let of: Datum = null;
  let keys = new Set<unknown>();
  let unknown = false;
  return (value, array) => {
    if (!(array instanceof ArrayValue) || array.items.length <= COMPARED_MAX) {
      return few(value, array);
    }
    if (value === null) return null;
    if (array !== of) {
      of = array;
      unknown = array.items.includes(null);
      keys = new Set();
      for (const item of array.items) if (item !== null) keys.add(hashKey(oid, item));
    }
    if (keys.has(hashKey(oid, value))) return true;
    return unknown ? null : false;
  };
}

function make(name: string, bind: (args: readonly ColumnType[]) => unknown): ScalarFunction {
  return {
    ...typed('[quantified]', [ANYELEMENT, ANYARRAY], BOOL, false, (args) => bind(args) as never),
    name,
  };
}

export function quantifiedFunctions(operators: readonly ScalarFunction[]): ScalarFunction[] {
  const quantifiers: readonly Quantifier[] = ['any', 'all'];
  return quantifiers.flatMap((quantifier) => [
    ...COMPARE_OPS.map((op) =>
      make(quantifiedCompare(op, quantifier), ([left]) => {
        const { oid } = left as ColumnType;
        if (op === '=' && quantifier === 'any') return equalsAny(oid);
        return quantified(compileCompare(oid, op), quantifier);
      }),
    ),
    ...operators
      .filter((f) => f.resultOid === BOOL && f.argOids.length === 2 && !/^[\w[]/.test(f.sqlName))
      .map((f) =>
        make(quantifiedCall(f.name, quantifier), () => quantified(f.run as Test, quantifier)),
      ),
  ]);
}
