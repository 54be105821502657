// CREATE INDEX, DROP INDEX and ALTER INDEX … RENAME.

import { DbError } from '../../base/errors.ts';
import { relationExists, relationMissing, SchemaBusyError } from '../catalog/errors.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type {
  CreateIndexStatement,
  DropIndexStatement,
  Name,
  RenameIndexStatement,
} from '../parse/ast.ts';
import type { DdlContext } from './context.ts';
import { fillIndexes } from './fill-index.ts';
import { makeIndex } from './make-index.ts';
import { isRelation } from './relation-names.ts';
import { leaveIndexes, nothingToDo, takeAltered } from './tables.ts';

/** Another DDL may have the table again each time that it becomes free; each wait is bounded too. */
const LOOKS_MAX = 100;

export async function createIndex(
  statement: CreateIndexStatement,
  ctx: DdlContext,
): Promise<string> {
  const table = (await takeAltered(ctx, statement.table, false)) as TableDescriptor;
  const { name } = statement;
  if (name !== undefined && isRelation(ctx, table.schema, name)) {
    if (!statement.ifNotExists) throw relationExists(name);
    ctx.notice('NOTICE', '42P07', `relation "${name}" already exists, skipping`);
    return 'CREATE INDEX';
  }
  const index = await makeIndex(ctx, table, { ...statement, isConstraint: false });
  const indexes = [...table.indexes, index];
  const next = await ctx.catalog.replace(ctx.txn, { ...table, indexes });
  ctx.schemaChanged(nothingToDo, nothingToDo);
  await fillIndexes(ctx, next, [index]);
  return 'CREATE INDEX';
}

export async function dropIndexes(statement: DropIndexStatement, ctx: DdlContext): Promise<string> {
  for (const name of statement.indexes) {
    const found = await findIndex(ctx, name);
    if (found === undefined) {
      const shown = name.schema === undefined ? name.name : `${name.schema}.${name.name}`;
      if (!statement.ifExists) throw new DbError('42704', `index "${shown}" does not exist`);
      ctx.notice('NOTICE', '00000', `index "${name.name}" does not exist, skipping`);
      continue;
    }
    const path = { schema: found.schema, name: found.name, at: -1 };
    const table = (await takeAltered(ctx, path, false)) as TableDescriptor;
    const index = table.indexes.find((one) => one.name === name.name);
    if (index === undefined) throw relationMissing(name);
    if (index.isConstraint) throw isConstraints(table.name, index.name);
    const indexes = table.indexes.filter((one) => one !== index);
    await ctx.catalog.replace(ctx.txn, { ...table, indexes });
    leaveIndexes(ctx, [index.id]);
  }
  return 'DROP INDEX';
}

export async function renameIndex(
  statement: RenameIndexStatement,
  ctx: DdlContext,
): Promise<string> {
  const { index: name, to, ifExists } = statement;
  const found = await findIndex(ctx, name);
  if (found === undefined) {
    if (!ifExists) throw relationMissing({ ...name, at: -1 });
    ctx.notice('NOTICE', '00000', `relation "${name.name}" does not exist, skipping`);
    return 'ALTER INDEX';
  }
  if (isRelation(ctx, found.schema, to)) throw relationExists(to);
  const path = { schema: found.schema, name: found.name, at: -1 };
  const table = (await takeAltered(ctx, path, false)) as TableDescriptor;
  const indexes = table.indexes.map((one) => (one.name === name.name ? { ...one, name: to } : one));
  await ctx.catalog.replace(ctx.txn, { ...table, indexes });
  ctx.schemaChanged(nothingToDo, nothingToDo);
  return 'ALTER INDEX';
}

function isConstraints(table: string, index: string): DbError {
  const message = `cannot drop index ${index} because constraint ${index} on table ${table} requires it`;
  return new DbError('2BP01', message, {
    hint: `You can drop constraint ${index} on table ${table} instead.`,
  });
}

/** The table that has it. A primary key's index is found as one that can only be dropped with its constraint. */
async function findIndex(ctx: DdlContext, name: Name): Promise<TableDescriptor | undefined> {
  for (let look = 1; ; look++) {
    try {
      const found = ctx.catalog.findIndex(name);
      if (found !== undefined) return found;
      break;
    } catch (error) {
      if (!(error instanceof SchemaBusyError) || look === LOOKS_MAX) throw error;
      await error.whenFree();
      ctx.checkCancelled();
    }
  }
  const keyed = ctx.catalog
    .all()
    .find((table) => table.hasPrimaryKey && table.primary.name === name.name);
  if (keyed !== undefined) throw isConstraints(keyed.name, keyed.primary.name);
  return undefined;
}
