// What a literal's type is: integers by size, everything with a point or exponent numeric, strings not known yet.

import type { Datum } from '../../rows/datum.ts';
import { normalizeInt8 } from '../../rows/datum.ts';
import { Decimal } from '../../rows/decimal.ts';
import type { Expr } from '../../rows/expr.ts';
import { BOOL, columnType, INT4, INT8, NUMERIC, UNKNOWN } from '../../rows/types.ts';
import type { LiteralValue } from '../parse/ast.ts';

const INT4_MAX = 2_147_483_647n;
const INT8_MAX = 9_223_372_036_854_775_807n;

export function literalTypeOid(literal: LiteralValue): number {
  switch (literal.type) {
    case 'null':
    case 'string':
      return UNKNOWN;
    case 'bool':
      return BOOL;
    case 'decimal':
      return NUMERIC;
    case 'integer': {
      const value = BigInt(literal.text);
      if (value <= INT4_MAX && value >= -INT4_MAX - 1n) return INT4;
      return value <= INT8_MAX && value >= -INT8_MAX - 1n ? INT8 : NUMERIC;
    }
  }
}

/** A constant; a string's is UNKNOWN with its text as value until coercion reads it as a type. */
export function literalExpr(literal: LiteralValue): Expr {
  const oid = literalTypeOid(literal);
  return { kind: 'constant', type: columnType(oid), value: valueOf(literal, oid) };
}

function valueOf(literal: LiteralValue, oid: number): Datum {
  switch (literal.type) {
    case 'null':
      return null;
    case 'bool':
    case 'string':
      return literal.value;
    case 'decimal':
      return Decimal.parse(literal.text);
    case 'integer':
      if (oid === NUMERIC) return Decimal.parse(literal.text);
      return normalizeInt8(BigInt(literal.text));
  }
}
