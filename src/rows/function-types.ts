// What a scalar function is, and how the function-*.ts files declare theirs.

import type { Datum } from './datum.ts';
import { catalogTypeName } from './type-names.ts';
import type { ColumnType } from './types.ts';

/** In place of an argument's type: any type, given as text. Whoever resolves the call casts it explicitly to text. */
export const ANY = 2276;

/** Any type, given as it is: unknown ones are text. (PostgreSQL's number for "any" is ANY's; this one is ours.) */
export const ANY_VALUE: number = -2276;

type Volatility = 'immutable' | 'stable' | 'volatile';

type Run = (...args: Datum[]) => Datum;

export interface ScalarFunction {
  /** The signature's name, as expressions have it: 'int4+int4', '-int4', 'substr(text,int4)', 'concat(any…)'. */
  readonly name: string;
  /** What SQL calls it: a function's name or an operator's symbol. */
  readonly sqlName: string;
  readonly argOids: readonly number[];
  /** The last argument's type may come any number of times, at least once. */
  readonly variadic: boolean;
  readonly resultOid: number;
  /** NULL in, NULL out, without a call. */
  readonly strict: boolean;
  readonly volatility: Volatility;
  /** Takes as many datums as there are arguments. */
  readonly run: Run;
  /** In place of `run`, for what depends on its arguments' types: made once, when the call is compiled. */
  readonly bind?: (args: readonly ColumnType[], result: ColumnType) => Run;
}

/** A body may name the datums that its signature promises. */
type Body = (...args: never[]) => Datum;

function signature(sqlName: string, argOids: readonly number[], variadic: boolean): string {
  const names = argOids.map((oid) =>
    oid === ANY || oid === ANY_VALUE ? 'any' : catalogTypeName(oid),
  );
  if (/^[\w[]/.test(sqlName)) return `${sqlName}(${names.join(',')}${variadic ? '…' : ''})`;
  return names.length === 1 ? `${sqlName}${names[0]}` : `${names[0]}${sqlName}${names[1]}`;
}

/** A strict, immutable function or operator. */
export function scalar(
  sqlName: string,
  argOids: readonly number[],
  resultOid: number,
  body: Body,
): ScalarFunction {
  return {
    name: signature(sqlName, argOids, false),
    sqlName,
    argOids,
    variadic: false,
    resultOid,
    strict: true,
    volatility: 'immutable',
    run: body as Run,
  };
}

/** One that is called with NULLs too and whose last argument may be repeated. */
export function variadicWithNulls(
  sqlName: string,
  argOids: readonly number[],
  resultOid: number,
  body: Run,
): ScalarFunction {
  return {
    name: signature(sqlName, argOids, true),
    sqlName,
    argOids,
    variadic: true,
    resultOid,
    strict: false,
    volatility: 'immutable',
    run: body,
  };
}

/** One that is called with NULLs too. */
export function withNulls(
  sqlName: string,
  argOids: readonly number[],
  resultOid: number,
  body: Body,
): ScalarFunction {
  return { ...scalar(sqlName, argOids, resultOid, body), strict: false };
}

const unbound: Run = () => null;

/** One that is made for the types of its arguments; those may be pseudo-types. */
export function typed(
  sqlName: string,
  argOids: readonly number[],
  resultOid: number,
  strict: boolean,
  bind: (args: readonly ColumnType[], result: ColumnType) => (...args: never[]) => Datum,
  variadic = false,
): ScalarFunction {
  return {
    ...scalar(sqlName, argOids, resultOid, unbound),
    name: signature(sqlName, argOids, variadic),
    variadic,
    strict,
    bind: bind as (args: readonly ColumnType[], result: ColumnType) => Run,
  };
}
