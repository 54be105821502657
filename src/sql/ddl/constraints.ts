// CHECK and UNIQUE constraints, and what of them and of NOT NULL must be looked for in the rows that are there.

import { DbError } from '../../base/errors.ts';
import { compileExpr, TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Expr } from '../../rows/expr.ts';
import { encodeParameters, encodeProgram } from '../../rows/program.ts';
import { columnType } from '../../rows/types.ts';
import type { CheckConstraint, SecondaryIndex, TableDescriptor } from '../catalog/descriptor.ts';
import { indexSpan } from '../catalog/keys.ts';
import type { TableConstraint } from '../parse/ast.ts';
import type { SessionCall } from '../plan/session-functions.ts';
import { StoredExpressions, tableRules } from '../plan/bind-rules.ts';
import type { DdlContext } from './context.ts';
import { makeIndex } from './make-index.ts';
import { freeName, isConstraint } from './relation-names.ts';
import { columnsIn, storedText } from './stored-text.ts';

const ONE_ROW_BYTES = 1024;

/** The table with the constraint; nothing is asked of its rows. */
export async function withConstraint(
  ctx: DdlContext,
  table: TableDescriptor,
  constraint: TableConstraint,
): Promise<TableDescriptor> {
  const { name } = constraint;
  // Of a table that is still to be made.
  if (constraint.kind === 'check' && table.id === 0 && table.checks.some((c) => c.name === name)) {
    throw new DbError('42710', `check constraint "${name}" already exists`);
  }
  if (name !== undefined && isConstraint(table, name)) {
    const message = `constraint "${name}" for relation "${table.name}" already exists`;
    throw new DbError('42710', message);
  }
  if (constraint.kind === 'unique') {
    const index = await makeIndex(ctx, table, {
      name,
      elements: constraint.columns.map((column) => ({
        expr: { kind: 'column', path: [column], at: -1 },
        descending: false,
        nullsFirst: undefined,
      })),
      stored: constraint.stored,
      where: undefined,
      unique: true,
      isConstraint: true,
      at: constraint.at,
    });
    return { ...table, indexes: [...table.indexes, index] };
  }
  return { ...table, checks: [...table.checks, makeCheck(ctx, table, constraint)] };
}

function makeCheck(
  ctx: DdlContext,
  table: TableDescriptor,
  { name, expr, notValid }: Extract<TableConstraint, { kind: 'check' }>,
): CheckConstraint {
  new StoredExpressions(table, ctx.catalog, 'check constraints').condition(expr, 'CHECK');
  const [column, another] = columnsIn(expr);
  const over = column !== undefined && another === undefined ? column : '';
  const isTaken = (one: string): boolean => isConstraint(table, one);
  return {
    name: name ?? freeName(table.name, over, '_check', isTaken),
    text: storedText(expr),
    validated: !notValid,
  };
}

/** Throws 23514 when a row does not satisfy the check. */
export async function validateCheck(
  ctx: DdlContext,
  table: TableDescriptor,
  name: string,
): Promise<void> {
  const { checks, slots } = tableRules(table, ctx.catalog);
  const check = checks.find((one) => one.name === name);
  if (check === undefined) return;
  const fails: Expr = { kind: 'isBool', arg: check.expr, value: false, negated: false };
  if (!(await hasRow(ctx, table, fails, slots))) return;
  const message = `check constraint "${name}" of relation "${table.name}" is violated by some row`;
  throw new DbError('23514', message, { table: table.name, constraint: name });
}

/** Throws 23502 when a row has NULL there. */
export async function validateNotNull(
  ctx: DdlContext,
  table: TableDescriptor,
  position: number,
): Promise<void> {
  const type = table.layout.types[position] ?? columnType(0);
  const isNull: Expr = {
    kind: 'isNull',
    arg: { kind: 'column', type, index: position },
    negated: false,
  };
  if (!(await hasRow(ctx, table, isNull, []))) return;
  const column = table.columns.find((c) => c.position === position)?.name ?? '';
  const message = `column "${column}" of relation "${table.name}" contains null values`;
  throw new DbError('23502', message, { table: table.name, column });
}

async function hasRow(
  ctx: DdlContext,
  table: TableDescriptor,
  filter: Expr,
  slots: readonly SessionCall[],
): Promise<boolean> {
  const view = new TupleView();
  const values = slots.map(
    ({ function: fn, args }): Datum =>
      fn.evaluate(
        ctx.session,
        args.map((arg) => compileExpr(arg)(view, [])),
      ),
  );
  const types = slots.map((slot) => slot.function.type);
  const scan = await ctx.txn.scan({
    span: indexSpan(table.primary.id),
    reverse: false,
    program: encodeProgram({
      layout: table.layout,
      filter,
      output: { kind: 'rows', withKeys: false, columns: [] },
    }),
    parameters: slots.length === 0 ? undefined : encodeParameters(types, values),
    limitRows: 1,
    batchBytes: ONE_ROW_BYTES,
  });
  try {
    for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
      if (batch.rowCount > 0) return true;
    }
    return false;
  } finally {
    scan.close();
  }
}

export function constraintMissing(table: TableDescriptor, name: string): DbError {
  const message = `constraint "${name}" of relation "${table.name}" does not exist`;
  return new DbError('42704', message);
}

/** Those of `to` that `from` has not. */
export function newIndexes(from: TableDescriptor, to: TableDescriptor): readonly SecondaryIndex[] {
  return to.indexes.filter(({ id }) => !from.indexes.some((index) => index.id === id));
}
