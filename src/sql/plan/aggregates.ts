// Binding of aggregate calls.

import { DbError, unsupported } from '../../base/errors.ts';
import { orderingOf } from '../../rows/datum.ts';
import { ANY_VALUE } from '../../rows/function-types.ts';
import type { AggregateCall, AggregateKind, Expr } from '../../rows/expr.ts';
import * as t from '../../rows/types.ts';
import type { Expression } from '../parse/ast.ts';
import { canCoerceImplicitly, typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import { chooseOverload, type Signature } from '../types/overloads.ts';
import type { Binder } from './binder.ts';
import { noFunction } from './calls.ts';
import { hasColumns, parametersIn } from './expr-tools.ts';

interface AggregateSignature extends Signature {
  readonly kind: AggregateKind;
  readonly resultOid: number;
}

function each(kind: AggregateKind, oids: readonly number[], result?: number): AggregateSignature[] {
  return oids.map((oid) => ({ kind, argOids: [oid], resultOid: result ?? oid }));
}

const ORDERED: readonly number[] = [
  ...[t.INT2, t.INT4, t.INT8, t.FLOAT4, t.FLOAT8, t.NUMERIC, t.OID, t.TEXT, t.BPCHAR],
  ...[t.DATE, t.TIME, t.TIMESTAMP, t.TIMESTAMPTZ, t.INTERVAL],
  ...t.ARRAY_OIDS.filter((oid) => orderingOf(oid) !== undefined),
];

function spread(name: string, kind: AggregateKind): [string, readonly AggregateSignature[]][] {
  const exact = each(kind, [t.INT2, t.INT4, t.INT8, t.NUMERIC], t.NUMERIC);
  return [[name, [...exact, ...each(kind, [t.FLOAT4, t.FLOAT8], t.FLOAT8)]]];
}

const REGRESSIONS = [
  ...(['corr', 'covar_pop', 'covar_samp', 'regr_avgx', 'regr_avgy', 'regr_count'] as const),
  ...(['regr_intercept', 'regr_r2', 'regr_slope', 'regr_sxx', 'regr_sxy', 'regr_syy'] as const),
];

/** Of any type; resultOid UNKNOWN is the array of it. */
const LISTS: readonly AggregateSignature[] = [
  { kind: 'array_agg', argOids: [ANY_VALUE], resultOid: t.UNKNOWN },
  { kind: 'json_agg', argOids: [ANY_VALUE], resultOid: t.JSON_TYPE },
  { kind: 'jsonb_agg', argOids: [ANY_VALUE], resultOid: t.JSONB },
  { kind: 'json_object_agg', argOids: [ANY_VALUE, ANY_VALUE], resultOid: t.JSON_TYPE },
  { kind: 'jsonb_object_agg', argOids: [ANY_VALUE, ANY_VALUE], resultOid: t.JSONB },
];

const SIGNATURES: ReadonlyMap<string, readonly AggregateSignature[]> = new Map([
  [
    'sum',
    [
      ...each('sum', [t.INT2, t.INT4], t.INT8),
      ...each('sum', [t.INT8, t.NUMERIC], t.NUMERIC),
      ...each('sum', [t.FLOAT4, t.FLOAT8]),
    ],
  ],
  [
    'avg',
    [
      ...each('avg', [t.INT2, t.INT4, t.INT8, t.NUMERIC], t.NUMERIC),
      ...each('avg', [t.FLOAT4, t.FLOAT8], t.FLOAT8),
    ],
  ],
  ['min', each('min', ORDERED)],
  ['max', each('max', ORDERED)],
  ['bool_and', each('bool_and', [t.BOOL])],
  ['every', each('bool_and', [t.BOOL])],
  ['bool_or', each('bool_or', [t.BOOL])],
  ['string_agg', [{ kind: 'string_agg', argOids: [t.TEXT, t.TEXT], resultOid: t.TEXT }]],
  ...spread('stddev', 'stddev_samp'),
  ...spread('stddev_samp', 'stddev_samp'),
  ...spread('stddev_pop', 'stddev_pop'),
  ...spread('variance', 'var_samp'),
  ...spread('var_samp', 'var_samp'),
  ...spread('var_pop', 'var_pop'),
  ...REGRESSIONS.map((kind): [string, readonly AggregateSignature[]] => [
    kind,
    [
      {
        kind,
        argOids: [t.FLOAT8, t.FLOAT8],
        resultOid: kind === 'regr_count' ? t.INT8 : t.FLOAT8,
      },
    ],
  ]),
  ...(['bit_and', 'bit_or', 'bit_xor'] as const).map(
    (kind): [string, readonly AggregateSignature[]] => [kind, each(kind, [t.INT2, t.INT4, t.INT8])],
  ),
  ...LISTS.map((signature): [string, readonly AggregateSignature[]] => [
    signature.kind,
    [signature],
  ]),
]);

/** Aggregates that PostgreSQL has and this database has not yet. */
const LATER: ReadonlySet<string> = new Set([...['percentile_cont', 'percentile_disc', 'mode']]);

export const aggregateNames: readonly string[] = ['count', ...SIGNATURES.keys()];

type FunctionCall = Expression & { kind: 'function' };

export function isAggregate(ast: FunctionCall): boolean {
  if (ast.schema !== undefined && ast.schema !== 'pg_catalog') return false;
  return ast.name === 'count' || SIGNATURES.has(ast.name) || LATER.has(ast.name);
}

export function bindAggregate(binder: Binder, ast: FunctionCall): Expr {
  const { aggregates } = binder;
  if (LATER.has(ast.name)) throw unsupported(`aggregate ${ast.name}()`, ast.at + 1);
  if (aggregates?.inside === true) {
    throw new DbError('42803', 'aggregate function calls cannot be nested', positionOf(ast.at));
  }
  if (aggregates === undefined) {
    throw new DbError(
      '42803',
      `aggregate functions are not allowed in ${binder.place}`,
      positionOf(ast.at),
    );
  }
  if (ast.orderBy.length > 0) throw unsupported('ORDER BY in an aggregate', ast.at + 1);
  aggregates.inside = true;
  try {
    const filter = ast.filter === undefined ? undefined : binder.condition(ast.filter, 'FILTER');
    const call = resolve(binder, ast);
    refuseOuter(binder, call.args, ast.at);
    const slot = aggregates.add({ ...call, distinct: ast.distinct, filter });
    binder.columnAt.set(slot, ast.at);
    return slot;
  } finally {
    aggregates.inside = false;
  }
}

/** The call of a window: its arguments may have aggregates of the query in them. */
export function aggregateCall(binder: Binder, ast: FunctionCall): AggregateCall {
  if (LATER.has(ast.name)) throw unsupported(`aggregate ${ast.name}()`, ast.at + 1);
  const filter = ast.filter === undefined ? undefined : binder.condition(ast.filter, 'FILTER');
  return { ...resolve(binder, ast), distinct: false, filter };
}

/** PostgreSQL takes an aggregate of nothing but a query around's columns for one of that query. */
function refuseOuter({ context }: Binder, args: readonly Expr[], at: number): void {
  const around = context.correlation?.outer ?? [];
  const takes = args.some((arg) => parametersIn(arg).some((index) => around.includes(index)));
  if (takes && !args.some(hasColumns)) {
    throw unsupported('an aggregate of what the query around has', at + 1);
  }
}

function resolve(
  binder: Binder,
  ast: FunctionCall,
): { kind: AggregateKind; args: readonly Expr[]; type: t.ColumnType } {
  if (ast.name === 'count') {
    if (ast.star) return { kind: 'count(*)', args: [], type: t.columnType(t.INT8) };
    const [arg] = ast.args;
    if (arg === undefined && ast.args.length === 0) {
      throw new DbError(
        '42809',
        'count(*) must be used to call a parameterless aggregate function',
        positionOf(ast.at),
      );
    }
    if (arg === undefined || ast.args.length > 1) {
      const oids = ast.args.map((a) => typeOf(binder.bind(a)).oid);
      throw noFunction(ast.name, oids, 'none', ast.at);
    }
    const bound = binder.settled(binder.bind(arg), arg.at);
    return { kind: 'count', args: [bound], type: t.columnType(t.INT8) };
  }
  const args = ast.args.map((arg) => binder.bind(arg));
  const oids = args.map((arg) => typeOf(arg).oid);
  // PostgreSQL has sums of money and intervals too, so that nothing says what an unknown one is.
  const isVague = oids[0] === t.UNKNOWN && (ast.name === 'sum' || ast.name === 'avg');
  if (isVague || (ast.name === 'array_agg' && oids[0] === t.UNKNOWN))
    throw noFunction(ast.name, oids, 'ambiguous', ast.at);
  if (/^jsonb?_agg$/.test(ast.name) && oids[0] === t.UNKNOWN) {
    throw new DbError(
      '42804',
      'could not determine polymorphic type because input has type unknown',
    );
  }
  const choice = chooseOverload(
    SIGNATURES.get(ast.name) ?? [],
    oids,
    (from, to) => to === ANY_VALUE || canCoerceImplicitly(from, to),
  );
  if (ast.star || choice.kind !== 'one') {
    throw noFunction(ast.name, oids, choice.kind === 'one' ? 'none' : choice.kind, ast.at);
  }
  const { kind, argOids, resultOid } = choice.signature;
  const bound = args.map((arg, i) => {
    const wanted = argOids[i] as number;
    const place = ast.args[i]?.at ?? ast.at;
    if (wanted === ANY_VALUE) return binder.settled(arg, place);
    return binder.coerced(arg, t.columnType(wanted), place);
  });
  const type = resultOid === t.UNKNOWN ? arrayOfArgument(bound, ast.at) : resultOid;
  return { kind, args: bound, type: t.columnType(type) };
}

function arrayOfArgument([arg]: readonly Expr[], at: number): number {
  const { oid } = typeOf(arg as Expr);
  const array = t.elementOf(oid) === undefined ? t.arrayOf(oid) : oid;
  if (array !== undefined) return array;
  throw noFunction('array_agg', [oid], 'none', at);
}

/** GROUPING(a, b); its arguments are checked once the groups are known. */
export function bindGrouping(binder: Binder, ast: Expression & { kind: 'grouping' }): Expr {
  const { aggregates } = binder;
  if (aggregates === undefined) {
    const message = `grouping operations are not allowed in ${binder.place}`;
    throw new DbError('42803', message, positionOf(ast.at));
  }
  if (ast.args.length > 31) {
    throw new DbError('54023', 'GROUPING must have fewer than 32 arguments', positionOf(ast.at));
  }
  const args = ast.args.map((arg) => binder.settled(binder.bind(arg), arg.at));
  const slot = aggregates.addGrouping(args);
  binder.columnAt.set(slot, ast.args[0]?.at ?? ast.at);
  return slot;
}
