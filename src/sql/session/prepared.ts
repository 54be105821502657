// Prepared statements and portals of a session, and parameters as they come off the wire.

import { fromUtf8Strict } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { parseBinary } from '../../rows/binary-format.ts';
import type { Datum } from '../../rows/datum.ts';
import { parseText } from '../../rows/text-format.ts';
import { type ColumnType, INT2, INT4, INT8 } from '../../rows/types.ts';
import type { BindRequest, ResultField } from '../api.ts';
import type { CompiledPlan, ExecResult, SuspendedExecution } from '../exec/plan-api.ts';
import type { AsOf, Statement } from '../parse/ast.ts';

/** Statements that a session may keep prepared; portals likewise. */
export const PREPARED_MAX = 10_000;

export type PreparedStatement =
  | { readonly kind: 'empty' }
  | {
      readonly kind: 'utility';
      readonly statement: Statement;
      readonly fields: readonly ResultField[] | undefined;
    }
  | PreparedPlan;

export interface PreparedPlan {
  readonly kind: 'plan';
  readonly text: string;
  plan: CompiledPlan;
  /** CatalogView.version that the plan was made under. */
  version: number;
  /** How many parameters the client binds; the text's literals follow them. */
  readonly parameterCount: number;
  readonly literals: readonly Datum[];
  /** When it reads; undefined: now. */
  readonly asOf: AsOf | undefined;
  /** As the client was told. */
  readonly fields: readonly ResultField[] | undefined;
}

export function fieldsOf(prepared: PreparedStatement): readonly ResultField[] | undefined {
  return prepared.kind === 'empty' ? undefined : prepared.fields;
}

export interface Portal {
  readonly prepared: PreparedStatement;
  readonly parameters: readonly Datum[];
  readonly resultFormats: readonly number[];
  suspended: SuspendedExecution | undefined;
  /** Ran to its end: another Execute gives no more rows. */
  finished: ExecResult | undefined;
}

export function decodeParameters(
  request: BindRequest,
  prepared: PreparedStatement,
): readonly Datum[] {
  const { parameters, parameterFormats } = request;
  const wanted = prepared.kind === 'plan' ? prepared.parameterCount : 0;
  if (parameters.length !== wanted) {
    throw new DbError(
      '08P01',
      `bind message supplies ${parameters.length} parameters, but prepared statement "${request.statement}" requires ${wanted}`,
    );
  }
  if (prepared.kind !== 'plan') return NO_DATUMS;
  const { literals } = prepared;
  if (parameters.length === 0) return literals;
  const types = prepared.plan.parameterTypes;
  if (parameterFormats.length > 1 && parameterFormats.length !== parameters.length) {
    throw new DbError(
      '08P01',
      `bind message has ${parameterFormats.length} parameter formats but ${parameters.length} parameters`,
    );
  }
  const datums = new Array<Datum>(parameters.length + literals.length);
  for (let i = 0; i < parameters.length; i++) {
    const bytes = parameters[i];
    const format =
      parameterFormats.length === 1 ? (parameterFormats[0] as number) : (parameterFormats[i] ?? 0);
    datums[i] =
      bytes === undefined ? null : decodeParameter(types[i] as ColumnType, bytes, format, i);
  }
  for (let i = 0; i < literals.length; i++) datums[parameters.length + i] = literals[i] as Datum;
  return datums;
}

const NO_DATUMS: readonly Datum[] = [];

function decodeParameter(
  type: ColumnType,
  bytes: Uint8Array,
  format: number,
  index: number,
): Datum {
  if (format === 1) return parseBinary(type, bytes);
  const digits = plainDigitsMax(type.oid);
  if (digits > 0) {
    const small = plainDigits(bytes, digits);
    if (small !== undefined) return small;
  }
  const text = fromUtf8Strict(bytes);
  if (text === undefined) {
    throw new DbError(
      '22021',
      `invalid byte sequence for encoding "UTF8" in parameter $${index + 1}`,
    );
  }
  return parseText(type, text);
}

/** So many plain digits fit: no text in between. Anything else is the text parser's. */
function plainDigitsMax(oid: number): number {
  if (oid === INT4) return 9;
  if (oid === INT8) return 16;
  return oid === INT2 ? 4 : 0;
}

function plainDigits(bytes: Uint8Array, most: number): number | undefined {
  if (bytes.length === 0 || bytes.length > most) return undefined;
  let value = 0;
  for (let i = 0; i < bytes.length; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  // Of sixteen digits not all are safe; up to the last one they were.
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}
