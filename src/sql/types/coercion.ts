// Conversions that binding puts into a tree: literals are read as their type at once, parameters learn theirs, the
// rest becomes a cast. The caller words the error when there is no conversion.

import { DbError } from '../../base/errors.ts';
import { castDatum, castKind } from '../../rows/casts.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Expr } from '../../rows/expr.ts';
import { parseText } from '../../rows/text-format.ts';
import { BOOL, type ColumnType, columnType, UNKNOWN } from '../../rows/types.ts';
import { categoryOf, isPreferred } from './categories.ts';
import { formatTypeOid, positionOf } from './names.ts';
import type { ParameterTypes } from './parameters.ts';

export type CastContext = 'implicit' | 'assignment' | 'explicit';

const BOOL_TYPE: ColumnType = columnType(BOOL);

export function typeOf(expr: Expr): ColumnType {
  switch (expr.kind) {
    case 'compare':
    case 'and':
    case 'or':
    case 'not':
    case 'isNull':
    case 'isBool':
    case 'isDistinct':
    case 'in':
      return BOOL_TYPE;
    default:
      return expr.type;
  }
}

export function canCoerce(from: number, to: number, context: CastContext): boolean {
  if (from === to || from === UNKNOWN) return true;
  const kind = castKind(from, to);
  if (kind === undefined) return false;
  if (context === 'explicit') return true;
  return context === 'assignment' ? kind !== 'explicit' : kind === 'implicit';
}

export function canCoerceImplicitly(from: number, to: number): boolean {
  return canCoerce(from, to, 'implicit');
}

/** `expr` as `target`; undefined when the context allows no such conversion. `at` is where a literal's error points. */
export function coerce(
  expr: Expr,
  target: ColumnType,
  context: CastContext,
  parameters: ParameterTypes,
  at: number,
): Expr | undefined {
  const from = typeOf(expr);
  if (from.oid === target.oid && (target.modifier === -1 || target.modifier === from.modifier)) {
    return expr;
  }
  if (from.oid === UNKNOWN) return coerceUnknown(expr, target, context, parameters, at);
  if (!canCoerce(from.oid, target.oid, context)) return undefined;
  if (expr.kind === 'parameter' && context !== 'explicit' && target.modifier === -1) {
    const widens = categoryOf(from.oid) === 'N' && castKind(from.oid, target.oid) === 'implicit';
    if (widens && parameters.retypeLiteral(expr.index, target.oid)) {
      return { kind: 'parameter', type: target, index: expr.index };
    }
  }
  return cast(expr, target, context);
}

function coerceUnknown(
  expr: Expr,
  target: ColumnType,
  context: CastContext,
  parameters: ParameterTypes,
  at: number,
): Expr {
  const plain = columnType(target.oid);
  if (expr.kind === 'parameter') {
    parameters.settle(expr.index, target.oid, at);
    return limited({ kind: 'parameter', type: plain, index: expr.index }, target, context);
  }
  if (expr.kind === 'constant') {
    let value: Datum = null;
    if (expr.value !== null) {
      try {
        value = parseText(plain, expr.value as string);
      } catch (error) {
        throw error instanceof DbError ? error.at(at < 0 ? undefined : at + 1) : error;
      }
    }
    return limited({ kind: 'constant', type: plain, value }, target, context);
  }
  // Other unknowns do not come out of binding: CASE and the like settle on text.
  return cast(expr, target, context);
}

/** Applies a length or precision to what already has the right type. */
function limited(expr: Expr, target: ColumnType, context: CastContext): Expr {
  return target.modifier === -1 ? expr : cast(expr, target, context);
}

/** Constants are cast now, if they can be. */
function cast(expr: Expr, target: ColumnType, context: CastContext): Expr {
  const unfolded: Expr = { kind: 'cast', type: target, arg: expr, context };
  if (expr.kind !== 'constant' || !foldable(expr.type.oid, target.oid)) return unfolded;
  try {
    const value = expr.value === null ? null : castDatum(expr.type, target, expr.value, context);
    return { kind: 'constant', type: target, value };
  } catch (error) {
    // It fails when it is evaluated, which it may never be.
    if (error instanceof DbError) return unfolded;
    throw error;
  }
}

/** Between dates and times a cast may depend on the session's time zone, so it waits for execution. */
function foldable(from: number, to: number): boolean {
  return from === to || (categoryOf(from) !== 'D' && categoryOf(to) !== 'D');
}

/** The type that CASE, COALESCE, IN and VALUES bring their parts to (manual, 10.5). Throws 42804. */
export function commonType(oids: readonly number[], what: string, ats: readonly number[]): number {
  let chosen = UNKNOWN;
  for (let i = 0; i < oids.length; i++) {
    const oid = oids[i] as number;
    if (oid === UNKNOWN || oid === chosen) continue;
    if (chosen === UNKNOWN) {
      chosen = oid;
    } else if (categoryOf(oid) !== categoryOf(chosen)) {
      throw new DbError(
        '42804',
        `${what} types ${formatTypeOid(chosen)} and ${formatTypeOid(oid)} cannot be matched`,
        positionOf(ats[i] ?? -1),
      );
    } else if (
      !isPreferred(chosen) &&
      canCoerceImplicitly(chosen, oid) &&
      !canCoerceImplicitly(oid, chosen)
    ) {
      chosen = oid;
    }
  }
  return chosen;
}
