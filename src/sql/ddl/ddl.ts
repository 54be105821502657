// Schema changes. Each runs inside the session's transaction and is taken back with it. This room turns statements into
// new descriptors and moves rows where a change needs it; how descriptors are kept and who waits for whom is the
// catalog's.

import type {
  AlterSequenceStatement,
  AlterTableStatement,
  CreateIndexStatement,
  CreateSequenceStatement,
  CreateTableStatement,
  DropIndexStatement,
  DropSequenceStatement,
  DropTableStatement,
  RenameIndexStatement,
  TruncateStatement,
} from '../parse/ast.ts';
import { alterTable } from './alter-table.ts';
import type { DdlContext } from './context.ts';
import { createTable } from './create-table.ts';
import { dropTables } from './drop-table.ts';
import { createIndex, dropIndexes, renameIndex } from './indexes.ts';
import { alterSequence, createSequence, dropSequences } from './sequences.ts';
import { truncateTables } from './truncate.ts';

export type DdlStatement =
  | CreateTableStatement
  | DropTableStatement
  | AlterTableStatement
  | CreateIndexStatement
  | DropIndexStatement
  | RenameIndexStatement
  | CreateSequenceStatement
  | AlterSequenceStatement
  | DropSequenceStatement
  | TruncateStatement;

/** The command tag. Throws DbError; the transaction must then be rolled back. */
export function runDdl(statement: DdlStatement, ctx: DdlContext): Promise<string> {
  switch (statement.kind) {
    case 'createTable':
      return createTable(statement, ctx);
    case 'dropTable':
      return dropTables(statement, ctx);
    case 'alterTable':
      return alterTable(statement, ctx);
    case 'createIndex':
      return createIndex(statement, ctx);
    case 'dropIndex':
      return dropIndexes(statement, ctx);
    case 'renameIndex':
      return renameIndex(statement, ctx);
    case 'createSequence':
      return createSequence(statement, ctx);
    case 'alterSequence':
      return alterSequence(statement, ctx);
    case 'dropSequence':
      return dropSequences(statement, ctx);
    case 'truncate':
      return truncateTables(statement, ctx);
  }
}
