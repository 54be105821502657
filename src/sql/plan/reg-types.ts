// regclass, regtype and their like: object ids that are read and written as names. What a name means is known when the
// statement runs: a dictionary of the session's says (rows/function-system.ts).

import type { Expr } from '../../rows/expr.ts';
import { SYSTEM_OID, SYSTEM_TEXT } from '../../rows/function-system.ts';
import {
  BPCHAR,
  columnType,
  INT4,
  NAME,
  OID,
  REG_TYPES,
  TEXT,
  UNKNOWN,
  VARCHAR,
} from '../../rows/types.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { coerce, typeOf } from '../types/coercion.ts';
import { namesByOid, oidsByName } from '../system/names.ts';
import type { PlanContext } from './context.ts';
import type { SessionFunction } from './session-functions.ts';

const TEXTS: readonly number[] = [TEXT, VARCHAR, BPCHAR, NAME, UNKNOWN];

function dictionary(name: string, evaluate: SessionFunction['evaluate']): SessionFunction {
  return {
    name,
    type: columnType(TEXT),
    volatile: false,
    waits: false,
    argOids: [],
    optional: 0,
    evaluate,
  };
}

function namesOf(type: number): SessionFunction {
  return dictionary(`${sqlTypeName(columnType(type))} names`, (session, _args, catalog) =>
    JSON.stringify(catalog === undefined ? {} : namesByOid(type, catalog, session)),
  );
}

function oidsOf(type: number): SessionFunction {
  const word = sqlTypeName(columnType(type));
  return dictionary(`${word} oids`, (session, _args, catalog) =>
    JSON.stringify({
      type: word,
      oids: catalog === undefined ? {} : oidsByName(type, catalog, session),
    }),
  );
}

const isReg = (oid: number): boolean => REG_TYPES.includes(oid);

/** Of an explicit cast; undefined: it is none of a name. */
export function bindRegCast(
  context: PlanContext,
  arg: Expr,
  target: number,
  at: number,
): Expr | undefined {
  const from = typeOf(arg).oid;
  if (isReg(target) && TEXTS.includes(from)) {
    const text = coerce(arg, columnType(TEXT), 'explicit', context.parameters, at) as Expr;
    const entries = context.sessionCall(oidsOf(target), []);
    return { kind: 'call', type: columnType(target), name: SYSTEM_OID, args: [entries, text] };
  }
  if (isReg(from) && TEXTS.includes(target)) {
    return coerce(written(context, arg), columnType(target), 'explicit', context.parameters, at);
  }
  return undefined;
}

/** As a result shows it: a text, whatever its type is called. */
export function written(context: PlanContext, arg: Expr): Expr {
  const { oid } = typeOf(arg);
  const text = columnType(TEXT);
  const number = coerce(arg, columnType(OID), 'explicit', context.parameters, -1) as Expr;
  const part: Expr = { kind: 'constant', type: columnType(INT4), value: 0 };
  const entries = context.sessionCall(namesOf(oid), []);
  const name: Expr = { kind: 'call', type: text, name: SYSTEM_TEXT, args: [entries, number, part] };
  const digits = coerce(number, text, 'explicit', context.parameters, -1) as Expr;
  return { kind: 'coalesce', type: text, args: [name, digits] };
}

/** What a client is sent of a query's outputs. */
export function writtenOutputs(context: PlanContext, outputs: readonly Expr[]): readonly Expr[] {
  if (!outputs.some((output) => isReg(typeOf(output).oid))) return outputs;
  return outputs.map((output) => (isReg(typeOf(output).oid) ? written(context, output) : output));
}
