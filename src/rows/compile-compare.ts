// Comparison of two non-null values of a known type, as a function that does no more than it must.

import { compareText } from './compare-text.ts';
import { compareDatums, type Datum, orderingOf } from './datum.ts';
import type { CompareOp } from './expr.ts';

export type Compare = (a: Datum, b: Datum) => boolean;
type Numbers = (a: number, b: number) => boolean;

/** bigints compare with numbers too, and never equal one: datums are numbers while they are safe. */
const NUMBERS: Readonly<Record<CompareOp, Numbers>> = {
  '=': (a, b) => a === b,
  '<>': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

function ordered(op: CompareOp, compare: (a: Datum, b: Datum) => number): Compare {
  switch (op) {
    case '=':
      return (a, b) => compare(a, b) === 0;
    case '<>':
      return (a, b) => compare(a, b) !== 0;
    case '<':
      return (a, b) => compare(a, b) < 0;
    case '<=':
      return (a, b) => compare(a, b) <= 0;
    case '>':
      return (a, b) => compare(a, b) > 0;
    case '>=':
      return (a, b) => compare(a, b) >= 0;
  }
}

export function compileCompare(oid: number, op: CompareOp): Compare {
  const ordering = orderingOf(oid);
  if (ordering === 'number') return NUMBERS[op] as Compare;
  if (ordering === 'text' || ordering === 'bool') {
    if (op === '=') return (a, b) => a === b;
    if (op === '<>') return (a, b) => a !== b;
  }
  if (ordering === 'text') return ordered(op, compareText as (a: Datum, b: Datum) => number);
  return ordered(op, (a, b) => compareDatums(oid, a, b));
}
