// The type of an expression: what it says, or bool for the tests.

import type { Expr } from './expr.ts';
import { BOOL, type ColumnType, columnType } from './types.ts';

const BOOL_TYPE: ColumnType = columnType(BOOL);

export function exprType(expr: Expr): ColumnType {
  switch (expr.kind) {
    case 'constant':
    case 'column':
    case 'parameter':
    case 'call':
    case 'cast':
    case 'case':
    case 'coalesce':
    case 'subplan':
      return expr.type;
    case 'compare':
    case 'and':
    case 'or':
    case 'not':
    case 'isNull':
    case 'isBool':
    case 'isDistinct':
    case 'in':
      return BOOL_TYPE;
  }
}
