// Binding of operators and functions: which of those in rows/functions.ts a call means.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { ANY, ANY_VALUE, type ScalarFunction } from '../../rows/function-types.ts';
import { candidates } from '../../rows/functions.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import {
  ANYNONARRAY,
  BOOL,
  columnType,
  elementOf,
  FLOAT4,
  FLOAT8,
  REGTYPE,
  TEXT,
  UNKNOWN,
} from '../../rows/types.ts';
import type { Expression } from '../parse/ast.ts';
import { canCoerceImplicitly, coerce, typeOf } from '../types/coercion.ts';
import { positionOf, resolveTypeName } from '../types/names.ts';
import { chooseOverload } from '../types/overloads.ts';
import { fitsPolymorphic, isPolymorphic, resolvePolymorphic } from '../types/polymorphic.ts';
import type { Binder } from './binder.ts';
import { noOperator } from './conditions.ts';
import { hasColumns } from './expr-tools.ts';
import { bindSystemFunction } from '../system/functions.ts';
import { sessionFunction } from './session-functions.ts';

export function bindOperator(
  binder: Binder,
  op: string,
  asts: readonly Expression[],
  at: number,
): Expr {
  return bindOperatorOf(
    binder,
    op,
    asts.map((ast) => binder.bind(ast)),
    asts,
    at,
  );
}

/** Of operands that are bound already. */
export function bindOperatorOf(
  binder: Binder,
  op: string,
  args: readonly Expr[],
  asts: readonly Place[],
  at: number,
): Expr {
  const oids = args.map((arg) => typeOf(arg).oid);
  const named = operators(op);
  // One operand of unknown type: first suppose that it is of the other's type.
  if (oids.length === 2 && (oids[0] === UNKNOWN) !== (oids[1] === UNKNOWN)) {
    const known = (oids[0] === UNKNOWN ? oids[1] : oids[0]) as number;
    const exact = named.find((f) => f.argOids.length === 2 && f.argOids.every((o) => o === known));
    if (exact !== undefined) return call(binder, exact.of, args, asts, at);
  }
  const choice = chooseOverload(named, oids, acceptsImplicitly);
  if (choice.kind !== 'one') throw noOperator(op, oids, choice.kind, at);
  return call(binder, choice.signature.of, args, asts, at);
}

interface Place {
  readonly at: number;
}

interface Candidate {
  readonly argOids: readonly number[];
  readonly of: ScalarFunction;
  fits?(inputs: readonly number[]): boolean;
}

function candidate(of: ScalarFunction, argOids: readonly number[]): Candidate {
  return argOids.some(isPolymorphic)
    ? { argOids, of, fits: (inputs) => fitsPolymorphic(argOids, inputs) }
    : { argOids, of };
}

/** float4 with float8 is PostgreSQL's own operator: without it float4 with integer would be a float4. */
function operators(op: string): readonly Candidate[] {
  return candidates(op).flatMap((of): Candidate[] => {
    const { argOids } = of;
    const isFloat8 = argOids.length === 2 && argOids.every((oid) => oid === FLOAT8);
    const mixed = isFloat8
      ? [
          { argOids: [FLOAT4, FLOAT8], of },
          { argOids: [FLOAT8, FLOAT4], of },
        ]
      : [];
    return [candidate(of, argOids), ...mixed];
  });
}

type FunctionCall = Expression & { kind: 'function' };

/** What PostgreSQL has and this database has not yet: refused by name rather than "does not exist". */
const LATER =
  /^(jsonb_path_|jsonb?_populate_|jsonb?_to_record|jsonb_set_lax$|setseed$|xml|ts_|to_tsvector$)/;

export function bindFunction(binder: Binder, ast: FunctionCall): Expr {
  const { name, at } = ast;
  refuseAggregateSyntax(ast);
  if (LATER.test(name)) throw unsupported(`${name}()`, at + 1);
  if (ast.schema !== undefined && ast.schema !== 'pg_catalog') {
    const oids = ast.args.map((arg) => typeOf(binder.bind(arg)).oid);
    throw noFunction(`${ast.schema}.${name}`, oids, 'none', at);
  }
  if (name === 'greatest' || name === 'least') return bindExtreme(binder, ast);
  const args = ast.args.map((arg) => binder.bind(arg));
  const oids = args.map((arg) => typeOf(arg).oid);
  if (name === 'pg_typeof' && args.length === 1) {
    return { kind: 'constant', type: columnType(REGTYPE), value: oids[0] as number };
  }
  const session = sessionFunction(name);
  if (
    session !== undefined &&
    args.length <= session.argOids.length &&
    args.length >= session.argOids.length - session.optional
  ) {
    const bound = args.map((arg, i) =>
      binder.coerced(arg, columnType(session.argOids[i] as number), ast.args[i]?.at ?? at),
    );
    if (bound.some(hasColumns)) throw unsupported(`${name}() of a column`, at + 1);
    return binder.context.sessionCall(session, bound);
  }
  const system = bindSystemFunction(
    name,
    args,
    (i, oid) => binder.coerced(args[i] as Expr, columnType(oid), ast.args[i]?.at ?? at),
    (fn) => binder.context.sessionCall(fn, []),
  );
  if (system !== undefined) return system;
  const named = candidates(name).map((f) => spread(f, args.length));
  const choice = chooseOverload(named, oids, acceptsImplicitly);
  if (choice.kind === 'one') return call(binder, choice.signature.of, args, ast.args, at);
  return castByName(binder, ast, args) ?? fail(noFunction(name, oids, choice.kind, at));
}

/** A variadic function as one of as many arguments as the call has. */
function spread(f: ScalarFunction, count: number): Candidate {
  if (!f.variadic || count < f.argOids.length) return candidate(f, f.argOids);
  const last = f.argOids[f.argOids.length - 1] as number;
  const argOids = Array.from({ length: count }, (_, i) => f.argOids[i] ?? last);
  return candidate(f, argOids);
}

function acceptsImplicitly(from: number, to: number): boolean {
  if (to === ANYNONARRAY) return elementOf(from) === undefined;
  return to === ANY || to === ANY_VALUE || isPolymorphic(to) || canCoerceImplicitly(from, to);
}

function call(
  binder: Binder,
  f: ScalarFunction,
  args: readonly Expr[],
  asts: readonly Place[],
  at: number,
): Expr {
  const last = f.argOids[f.argOids.length - 1] as number;
  const declared = args.map((_, i) => f.argOids[i] ?? last);
  const inputs = args.map((arg) => typeOf(arg).oid);
  const { argOids, resultOid } = resolvePolymorphic(declared, f.resultOid, inputs);
  const bound = args.map((arg, i) => {
    const wanted = argOids[i] as number;
    const place = asts[i]?.at ?? at;
    if (wanted === ANY) return asOutput(binder, arg, place);
    if (wanted === ANY_VALUE) return binder.settled(arg, place);
    if (wanted !== ANYNONARRAY) return binder.coerced(arg, columnType(wanted), place);
    return coerce(arg, columnType(TEXT), 'explicit', binder.context.parameters, place) ?? arg;
  });
  return { kind: 'call', type: columnType(resultOid), name: f.name, args: bound };
}

/** As text in the way in which a result shows it: true is t there, unlike in a cast. */
function asOutput(binder: Binder, arg: Expr, at: number): Expr {
  const text = columnType(TEXT);
  if (typeOf(arg).oid !== BOOL) {
    return coerce(arg, text, 'explicit', binder.context.parameters, at) ?? arg;
  }
  const constant = (value: string): Expr => ({ kind: 'constant', type: text, value });
  const whens = [
    { when: arg, result: constant('t') },
    { when: { kind: 'not', arg } as Expr, result: constant('f') },
  ];
  return { kind: 'case', type: text, whens, otherwise: undefined };
}

/** text(x), int4(x): a type's name as a function of one argument is a cast. */
function castByName(binder: Binder, ast: FunctionCall, args: readonly Expr[]): Expr | undefined {
  const [arg] = args;
  if (arg === undefined || args.length > 1) return undefined;
  try {
    const name = { schema: undefined, name: ast.name, modifiers: [], array: false, at: ast.at };
    const target = resolveTypeName(name);
    return coerce(arg, target, 'explicit', binder.context.parameters, ast.args[0]?.at ?? -1);
  } catch (error) {
    if (error instanceof DbError && error.code !== '22P02') return undefined;
    throw error;
  }
}

/** greatest() and least() take one type, as COALESCE does. */
function bindExtreme(binder: Binder, ast: FunctionCall): Expr {
  const word = ast.name.toUpperCase();
  const bound = ast.args.map((arg) => binder.bind(arg));
  const { args, type } = binder.unifiedExprs(
    bound,
    word,
    ast.args.map((arg) => arg.at),
  );
  const found = candidates(ast.name).find((f) => f.argOids[0] === type.oid);
  if (found === undefined) {
    throw new DbError(
      '42883',
      `could not identify a comparison function for type ${sqlTypeName(columnType(type.oid))}`,
      positionOf(ast.at),
    );
  }
  return { kind: 'call', type, name: found.name, args };
}

function refuseAggregateSyntax(ast: FunctionCall): void {
  const refuse = (what: string): never => {
    throw new DbError(
      '42809',
      `${what}, but ${ast.name} is not an aggregate function`,
      positionOf(ast.at),
    );
  };
  if (ast.star) {
    const takesNothing = candidates(ast.name).some((f) => f.argOids.length === 0);
    if (!takesNothing) throw noFunction(ast.name, [], 'none', ast.at);
    refuse(`${ast.name}(*) specified`);
  }
  if (ast.distinct) refuse('DISTINCT specified');
  if (ast.filter !== undefined) refuse('FILTER specified');
  if (ast.orderBy.length > 0) refuse('ORDER BY specified');
}

export function noFunction(
  name: string,
  oids: readonly number[],
  why: 'none' | 'ambiguous',
  at: number,
): DbError {
  const shown = `${name}(${oids.map((oid) => sqlTypeName(columnType(oid))).join(', ')})`;
  return why === 'none'
    ? new DbError('42883', `function ${shown} does not exist`, {
        hint: 'No function matches the given name and argument types. You might need to add explicit type casts.',
        ...positionOf(at),
      })
    : new DbError('42725', `function ${shown} is not unique`, {
        hint: 'Could not choose a best candidate function. You might need to add explicit type casts.',
        ...positionOf(at),
      });
}

function fail(error: DbError): never {
  throw error;
}
