// DROP TABLE.

import { DbError } from '../../base/errors.ts';
import { indexIdsOf, type TableDescriptor } from '../catalog/descriptor.ts';
import type { DropTableStatement, Name } from '../parse/ast.ts';
import type { DdlContext } from './context.ts';
import { dropOwned } from './sequences.ts';
import { demandTable, findTable, leaveIndexes } from './tables.ts';

const SCHEMAS: ReadonlySet<string> = new Set(['public', 'pg_catalog', 'information_schema']);

export async function dropTables(statement: DropTableStatement, ctx: DdlContext): Promise<string> {
  const tables = new Set<TableDescriptor>();
  for (const name of statement.tables) {
    const table = await findTable(ctx, name);
    if (table !== undefined) {
      if (table.sequence !== undefined) {
        demandTable(table, 'Use DROP SEQUENCE to remove a sequence.');
      }
      tables.add(table);
    } else if (statement.ifExists) tellMissing(ctx, name);
    else throw missingTable(name);
  }
  // In one order everywhere, so that two such statements don't wait for each other.
  for (const table of [...tables].sort((a, b) => a.id - b.id)) {
    await ctx.catalog.exclusive(ctx.txn, table, () => ctx.checkCancelled());
    await ctx.catalog.drop(ctx.txn, table);
    leaveIndexes(ctx, indexIdsOf(table));
    await dropOwned(ctx, table);
  }
  return 'DROP TABLE';
}

function tellMissing(ctx: DdlContext, name: Name): void {
  const what = isSchema(name.schema) ? `table "${name.name}"` : `schema "${name.schema}"`;
  ctx.notice('NOTICE', '00000', `${what} does not exist, skipping`);
}

function missingTable(name: Name): DbError {
  if (!isSchema(name.schema)) {
    return new DbError('3F000', `schema "${name.schema}" does not exist`);
  }
  const shown = name.schema === undefined ? name.name : `${name.schema}.${name.name}`;
  return new DbError('42P01', `table "${shown}" does not exist`);
}

function isSchema(schema: string | undefined): boolean {
  return schema === undefined || SCHEMAS.has(schema);
}
