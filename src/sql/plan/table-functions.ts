// Functions in FROM: those that answer many rows, and WITH ORDINALITY.

import { unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { type SetFunction, setFunctions } from '../../rows/function-sets.ts';
import * as t from '../../rows/types.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { FunctionRef } from '../parse/ast.ts';
import { canCoerceImplicitly, commonType, typeOf } from '../types/coercion.ts';
import { chooseOverload } from '../types/overloads.ts';
import { noFunction } from './calls.ts';
import type { PlanContext } from './context.ts';
import { ExpressionBinder } from './expressions.ts';
import type { PlanNode } from './nodes.ts';
import { Scope } from './scope.ts';

export interface TableFunction {
  readonly alias: string;
  readonly names: readonly string[];
  readonly types: readonly ColumnType[];
  node(base: number): PlanNode;
}

export function bindTableFunction(context: PlanContext, item: FunctionRef): TableFunction {
  const { call } = item;
  if (call.kind !== 'function') throw unsupported('this in FROM', item.at + 1);
  const binder = new ExpressionBinder(context, new Scope([]));
  binder.place = 'functions in FROM';
  const bound = call.args.map((arg) => binder.bind(arg));
  const { types, args, set, names: own } = resolved(binder, call, bound);
  const ordinality = item.ordinality === true;
  const alias = item.alias ?? call.name;
  // The one column is called like the function, or like its alias.
  const names = types.map((_, i) => own?.[i] ?? (types.length === 1 ? alias : call.name));
  const node = (base: number): PlanNode => ({
    kind: 'tableFunction',
    base,
    name: call.name,
    types,
    args,
    ordinality,
    set,
  });
  return ordinality
    ? { alias, names: [...names, 'ordinality'], types: [...types, t.columnType(t.INT8)], node }
    : { alias, names, types, node };
}

interface Resolved {
  readonly types: readonly ColumnType[];
  /** Undefined ones are called like the function, or like its alias. */
  readonly names?: readonly (string | undefined)[];
  readonly set?: SetFunction;
  readonly args: readonly Expr[];
}

function resolved(
  binder: ExpressionBinder,
  call: FunctionRef['call'] & { kind: 'function' },
  bound: readonly Expr[],
): Resolved {
  switch (call.name) {
    case 'generate_series':
      return series(binder, call, bound);
    case 'unnest':
      return unnest(call, bound);
    default:
      return ofSet(binder, call, bound);
  }
}

/** One of those in rows/function-sets.ts. */
function ofSet(
  binder: ExpressionBinder,
  call: FunctionRef['call'] & { kind: 'function' },
  bound: readonly Expr[],
): Resolved {
  const named = setFunctions.filter((f) => f.name === call.name);
  if (named.length === 0) throw unsupported(`function ${call.name}() in FROM`, call.at + 1);
  const oids = bound.map((arg) => typeOf(arg).oid);
  const choice = chooseOverload(named, oids, canCoerceImplicitly);
  if (choice.kind !== 'one') throw noFunction(call.name, oids, choice.kind, call.at);
  const { argOids, columns } = choice.signature;
  const args = bound.map((arg, i) => {
    const place = call.args[i]?.at ?? call.at;
    return binder.coerced(arg, t.columnType(argOids[i] as number), place);
  });
  return {
    types: columns.map(({ oid }) => t.columnType(oid)),
    names: columns.map(({ name }) => name),
    args,
    set: choice.signature,
  };
}

/** Of integers, numeric, timestamps with an interval. */
function series(
  binder: ExpressionBinder,
  call: FunctionRef['call'] & { kind: 'function' },
  bound: readonly Expr[],
): Resolved {
  const oids = bound.map((arg) => typeOf(arg).oid);
  const ats = call.args.map((arg) => arg.at);
  if (bound.length < 2 || bound.length > 3) throw noFunction(call.name, oids, 'none', call.at);
  const [first, second, step] = bound as [Expr, Expr, Expr | undefined];
  const ends = commonType([oids[0] as number, oids[1] as number], call.name, ats);
  const isTime = [t.DATE, t.TIMESTAMP, t.TIMESTAMPTZ].includes(ends);
  if (isTime && step !== undefined) {
    const type = t.columnType(ends === t.DATE ? t.TIMESTAMPTZ : ends);
    const args = [first, second].map((arg, i) => binder.coerced(arg, type, ats[i] as number));
    return {
      types: [type],
      args: [...args, binder.coerced(step, t.columnType(t.INTERVAL), ats[2] as number)],
    };
  }
  const common = commonType(oids, call.name, ats);
  const isNumber = [t.INT2, t.INT4, t.INT8, t.NUMERIC, t.UNKNOWN].includes(common);
  if (!isNumber) throw noFunction(call.name, oids, 'none', call.at);
  const type = t.columnType(common === t.INT8 || common === t.NUMERIC ? common : t.INT4);
  const args = bound.map((arg, i) => binder.coerced(arg, type, ats[i] as number));
  return { types: [type], args };
}

/** Several arrays side by side, the shorter ones filled up with NULLs. */
function unnest(
  call: FunctionRef['call'] & { kind: 'function' },
  bound: readonly Expr[],
): Resolved {
  const types = bound.map((arg) => {
    const element = t.elementOf(typeOf(arg).oid);
    const oids = bound.map((e) => typeOf(e).oid);
    if (element === undefined) throw noFunction(call.name, oids, 'none', call.at);
    return t.columnType(element);
  });
  if (types.length === 0) throw noFunction(call.name, [], 'none', call.at);
  return { types, args: bound };
}
