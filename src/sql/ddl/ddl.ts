// Schema changes. Each runs inside the session's transaction and is taken back with it. This room turns statements into
// new descriptors and moves rows where a change needs it; how descriptors are kept and who waits for whom is the
// catalog's.

import type {
  AlterTableStatement,
  CreateTableStatement,
  DropTableStatement,
  TruncateStatement,
} from '../parse/ast.ts';
import { addPrimaryKey } from './add-primary-key.ts';
import type { DdlContext } from './context.ts';
import { createTable } from './create-table.ts';
import { dropTables } from './drop-table.ts';
import { alterSettings } from './table-settings.ts';
import { truncateTables } from './truncate.ts';

export type DdlStatement =
  | CreateTableStatement
  | DropTableStatement
  | AlterTableStatement
  | TruncateStatement;

/** The command tag. Throws DbError; the transaction must then be rolled back. */
export function runDdl(statement: DdlStatement, ctx: DdlContext): Promise<string> {
  switch (statement.kind) {
    case 'createTable':
      return createTable(statement, ctx);
    case 'dropTable':
      return dropTables(statement, ctx);
    case 'alterTable': {
      const { action } = statement;
      return action.kind === 'settings'
        ? alterSettings(statement, action.settings, ctx)
        : addPrimaryKey(statement, action, ctx);
    }
    case 'truncate':
      return truncateTables(statement, ctx);
  }
}
