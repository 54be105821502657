// ALTER TABLE: its actions one after another, with the table to itself.

import { unreachable } from '../../base/assert.ts';
import { DbError, unsupported } from '../../base/errors.ts';
import { relationExists } from '../catalog/errors.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { AlterTableAction, AlterTableStatement } from '../parse/ast.ts';
import { addPrimaryKey } from './add-primary-key.ts';
import {
  addColumn,
  alterType,
  dropColumn,
  renameColumn,
  setDefault,
  setNotNull,
} from './alter-columns.ts';
import { constraintMissing, newIndexes, validateCheck, withConstraint } from './constraints.ts';
import type { DdlContext } from './context.ts';
import { fillIndexes } from './fill-index.ts';
import { isConstraint, isRelation } from './relation-names.ts';
import { alterSettings } from './table-settings.ts';
import { leaveIndexes, nothingToDo, takeAltered } from './tables.ts';

export async function alterTable(statement: AlterTableStatement, ctx: DdlContext): Promise<string> {
  let table = await takeAltered(ctx, statement.table, statement.ifExists);
  if (table === undefined) return 'ALTER TABLE';
  for (const action of statement.actions) table = await apply(table, action, ctx);
  ctx.schemaChanged(nothingToDo, nothingToDo);
  return 'ALTER TABLE';
}

function apply(
  table: TableDescriptor,
  action: AlterTableAction,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  switch (action.kind) {
    case 'addPrimaryKey':
      return addPrimaryKey(table, action, ctx);
    case 'settings':
      return alterSettings(table, action.settings, ctx);
    case 'addColumn':
      return addColumn(table, action, ctx);
    case 'dropColumn':
      return dropColumn(table, action, ctx);
    case 'setDefault':
      return setDefault(table, action, ctx);
    case 'setNotNull':
      return setNotNull(table, action.column, action.notNull, ctx);
    case 'alterType':
      return alterType(table, action, ctx);
    case 'addConstraint':
      return addConstraint(table, action, ctx);
    case 'dropConstraint':
      return dropConstraint(table, action, ctx);
    case 'validateConstraint':
      return validateConstraint(table, action.name, ctx);
    case 'renameColumn':
      return renameColumn(table, action, ctx);
    case 'renameTable':
      return renameTable(table, action.to, ctx);
    case 'renameConstraint':
      return renameConstraint(table, action, ctx);
    default:
      return unreachable(action);
  }
}

type Action<K> = Extract<AlterTableAction, { kind: K }>;

async function addConstraint(
  table: TableDescriptor,
  { constraint }: Action<'addConstraint'>,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  if (constraint.kind === 'unique' && constraint.name !== undefined) {
    if (isRelation(ctx, table.schema, constraint.name)) throw relationExists(constraint.name);
  }
  const next = await ctx.catalog.replace(ctx.txn, await withConstraint(ctx, table, constraint));
  await fillIndexes(ctx, next, newIndexes(table, next));
  if (constraint.kind === 'check' && !constraint.notValid) {
    await validateCheck(ctx, next, next.checks.at(-1)?.name ?? '');
  }
  return next;
}

async function dropConstraint(
  table: TableDescriptor,
  { name, ifExists }: Action<'dropConstraint'>,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  if (!isConstraint(table, name)) {
    if (!ifExists) throw constraintMissing(table, name);
    const message = `constraint "${name}" of relation "${table.name}" does not exist, skipping`;
    ctx.notice('NOTICE', '00000', message);
    return table;
  }
  if (table.hasPrimaryKey && table.primary.name === name) {
    throw unsupported('dropping a primary key');
  }
  const index = table.indexes.find((one) => one.isConstraint && one.name === name);
  const next = await ctx.catalog.replace(ctx.txn, {
    ...table,
    checks: table.checks.filter((check) => check.name !== name),
    indexes: table.indexes.filter((one) => one !== index),
  });
  if (index !== undefined) leaveIndexes(ctx, [index.id]);
  return next;
}

async function validateConstraint(
  table: TableDescriptor,
  name: string,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  const check = table.checks.find((one) => one.name === name);
  if (check === undefined) {
    if (!isConstraint(table, name)) throw constraintMissing(table, name);
    const message = `constraint "${name}" of relation "${table.name}" is not a foreign key or check constraint`;
    throw new DbError('42809', message);
  }
  if (check.validated) return table;
  await validateCheck(ctx, table, name);
  const checks = table.checks.map((one) => (one === check ? { ...one, validated: true } : one));
  return await ctx.catalog.replace(ctx.txn, { ...table, checks });
}

async function renameTable(
  table: TableDescriptor,
  to: string,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  if (isRelation(ctx, table.schema, to)) throw relationExists(to);
  return await ctx.catalog.replace(ctx.txn, { ...table, name: to });
}

async function renameConstraint(
  table: TableDescriptor,
  { name, to }: Action<'renameConstraint'>,
  ctx: DdlContext,
): Promise<TableDescriptor> {
  if (!isConstraint(table, name)) {
    const message = `constraint "${name}" for table "${table.name}" does not exist`;
    throw new DbError('42704', message);
  }
  if (isConstraint(table, to)) {
    const message = `constraint "${to}" for relation "${table.name}" already exists`;
    throw new DbError('42710', message);
  }
  const { primary } = table;
  return await ctx.catalog.replace(ctx.txn, {
    ...table,
    primary: table.hasPrimaryKey && primary.name === name ? { ...primary, name: to } : primary,
    checks: table.checks.map((one) => (one.name === name ? { ...one, name: to } : one)),
    indexes: table.indexes.map((one) =>
      one.isConstraint && one.name === name ? { ...one, name: to } : one,
    ),
  });
}
