// The first front end: PostgreSQL's grammar, lowered into our tree. This and the lower-*.ts files are all that knows
// the grammar's nodes; what has no place in our tree is refused by name, never left out.

import type { Node, RawStmt } from 'libpg-query';
import { DbError } from '../../base/errors.ts';
import { findAsOf, withAsOf } from './as-of.ts';
import type { AsOf, CommonTable, Expression, Statement } from './ast.ts';
import { findClusterStatements } from './cluster-statements.ts';
import type { Fingerprint } from './fingerprint.ts';
import { parseTree } from './grammar.ts';
import { guard } from './guard.ts';
import { isSpace, Lexer } from './lexer.ts';
import { expectNode, Lowering, locationOf, type QueryLowering, tagOf } from './lower-context.ts';
import { lowerExpression } from './lower-expression.ts';
import { lowerSelect } from './lower-select.ts';
import { lowerAlterTable, lowerRename } from './lower-alter.ts';
import { lowerIndex } from './lower-index.ts';
import { lowerAlterSequence, lowerCreateSequence } from './lower-sequence.ts';
import { lowerCreateTable, lowerDrop, lowerTruncate } from './lower-table.ts';
import {
  lowerCopy,
  lowerDeallocate,
  lowerDiscard,
  lowerExplain,
  lowerSet,
  lowerTransaction,
  lowerVacuum,
} from './lower-utility.ts';
import { lowerWindow } from './lower-window.ts';
import { lowerDelete, lowerInsert, lowerUpdate } from './lower-write.ts';
import { ByteOffsets } from './position.ts';
import { withInclude } from './storing.ts';

export interface ParsedStatement {
  readonly statement: Statement;
  /** Where it lies in the text, in UTF-16 units, without the semicolon and the space around it. */
  readonly start: number;
  readonly length: number;
  /** Every literal that the fingerprint took out has become a parameter: the plan may be kept under its key. Otherwise
   * the literals are all still in the statement. */
  readonly literalsTaken: boolean;
  /** Of a SELECT. */
  readonly asOf?: AsOf | undefined;
}

export interface ParseOptions {
  /** The text's own fingerprint, to make parameters of the literals that it took out. */
  readonly literals?: Fingerprint;
}

/** All statements of the text; none when it is empty. Throws DbError. */
export function parseStatements(text: string, options: ParseOptions = {}): ParsedStatement[] {
  guard(text);
  const times = findAsOf(withInclude(text));
  const { rest, found } = findClusterStatements(times.rest, parseRows);
  const tree = parseTree(rest);
  const offsets = new ByteOffsets(rest);
  const lexer = new Lexer();
  lexer.reset(rest);
  const parsed = (tree.stmts ?? []).map((raw) => lowerRaw(lexer, offsets, raw, options.literals));
  for (const asOf of times.found) {
    // A clause that was put in place of another's text lies within its statement.
    const i = parsed.findLastIndex(({ start }) => start <= asOf.at);
    const one = parsed[i] as ParsedStatement;
    parsed[i] = { ...one, ...withAsOf(one.statement, asOf, text) };
  }
  if (found.length === 0) return parsed;
  for (const one of found) parsed.push({ ...one, literalsTaken: false });
  return parsed.sort((a, b) => a.start - b.start);
}

/** Of a text that is VALUES (…), (…) and nothing else; rows may differ in length. */
function parseRows(text: string): readonly (readonly Expression[])[] {
  const [raw, another] = parseTree(text).stmts ?? [];
  const select = raw?.stmt !== undefined && 'SelectStmt' in raw.stmt ? raw.stmt.SelectStmt : {};
  const { valuesLists, limitOption: _, op: __, ...clauses } = select;
  if (valuesLists === undefined || another !== undefined || Object.keys(clauses).length > 0) {
    throw new DbError('42601', 'VALUES with rows and nothing else was expected');
  }
  const ctx = new Lowering(text, new ByteOffsets(text), 0, undefined, QUERIES);
  return valuesLists.map((list) => {
    expectNode('List' in list, 'a row was expected');
    return (list.List.items ?? []).map((item) => lowerExpression(ctx, item));
  });
}

/** An expression alone, as a column's DEFAULT is stored. Offsets in it are into `text`. */
export function parseExpressionText(text: string): Expression {
  const prefix = 'SELECT ';
  try {
    return shift(parseOnlyItem(prefix + text), prefix.length);
  } catch (error) {
    if (!(error instanceof DbError) || error.fields.position === undefined) throw error;
    const position = Math.max(1, error.fields.position - prefix.length);
    throw new DbError(error.code, error.message, { ...error.fields, position });
  }
}

function parseOnlyItem(text: string): Expression {
  guard(text);
  const [raw, another] = parseTree(text).stmts ?? [];
  const select = raw?.stmt !== undefined && 'SelectStmt' in raw.stmt ? raw.stmt.SelectStmt : {};
  const { targetList = [], limitOption: _, op: __, ...clauses } = select;
  const [item, second] = targetList;
  const alone = another === undefined && second === undefined && Object.keys(clauses).length === 0;
  const target = alone && item !== undefined && 'ResTarget' in item ? item.ResTarget : undefined;
  if (target?.val === undefined || target.name !== undefined) {
    throw new DbError('42601', 'an expression was expected');
  }
  return lowerExpression(
    new Lowering(text, new ByteOffsets(text), 0, undefined, QUERIES),
    target.val,
  );
}

/** A copy with every `at` moved down. */
function shift<T>(value: T, by: number): T {
  if (Array.isArray(value)) return value.map((item: unknown) => shift(item, by)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    copy[key] = key === 'at' && (inner as number) >= 0 ? (inner as number) - by : shift(inner, by);
  }
  return copy as T;
}

function lowerRaw(
  lexer: Lexer,
  offsets: ByteOffsets,
  raw: RawStmt,
  literals: Fingerprint | undefined,
): ParsedStatement {
  expectNode(raw.stmt !== undefined, 'an empty statement');
  const { text } = lexer;
  // The grammar counts the comments and the space before a statement to it.
  lexer.end = offsets.utf16(raw.stmt_location ?? 0);
  lexer.next();
  const { start } = lexer;
  let end = text.length;
  if (raw.stmt_len !== undefined && raw.stmt_len > 0) {
    end = offsets.utf16((raw.stmt_location ?? 0) + raw.stmt_len);
  }
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  const length = end - start;
  const ctx = new Lowering(text, offsets, start, literals, QUERIES);
  const statement = lowerStatement(ctx, raw.stmt);
  if (ctx.allTaken) return { statement, start, length, literalsTaken: literals !== undefined };
  const plain = new Lowering(text, offsets, start, undefined, QUERIES);
  return { statement: lowerStatement(plain, raw.stmt), start, length, literalsTaken: false };
}

/** Names of statements that don't follow from their nodes'. */
const statements: Readonly<Record<string, string>> = {
  ViewStmt: 'CREATE VIEW',
  RuleStmt: 'CREATE RULE',
  CreateTrigStmt: 'CREATE TRIGGER',
  CreatedbStmt: 'CREATE DATABASE',
  DropdbStmt: 'DROP DATABASE',
  CreateTableAsStmt: 'CREATE TABLE AS',
  CompositeTypeStmt: 'CREATE TYPE',
  CreateEnumStmt: 'CREATE TYPE',
  CreateRangeStmt: 'CREATE TYPE',
  DefineStmt: 'CREATE of this kind of object',
  GrantRoleStmt: 'GRANT',
  ConstraintsSetStmt: 'SET CONSTRAINTS',
  DeclareCursorStmt: 'DECLARE CURSOR',
  ClosePortalStmt: 'CLOSE',
  CheckPointStmt: 'CHECKPOINT',
  MergeStmt: 'MERGE',
};

const QUERIES: QueryLowering = {
  select: lowerSelect,
  commonTable: lowerCommonTable,
  window: lowerWindow,
};

/** What WITH may hold. */
function lowerCommonTable(ctx: Lowering, node: Node): CommonTable['query'] {
  const statement = lowerStatement(ctx, node);
  switch (statement.kind) {
    case 'select':
    case 'insert':
    case 'update':
    case 'delete':
      return statement;
    default:
      throw ctx.unsupported(`${statement.kind} in WITH`, locationOf(node));
  }
}

function lowerStatement(ctx: Lowering, node: Node): Statement {
  if ('SelectStmt' in node) return lowerSelect(ctx, node.SelectStmt);
  if ('InsertStmt' in node) return lowerInsert(ctx, node.InsertStmt);
  if ('UpdateStmt' in node) return lowerUpdate(ctx, node.UpdateStmt);
  if ('DeleteStmt' in node) return lowerDelete(ctx, node.DeleteStmt);
  if ('TransactionStmt' in node) return lowerTransaction(ctx, node.TransactionStmt);
  if ('CreateStmt' in node) return lowerCreateTable(ctx, node.CreateStmt);
  if ('DropStmt' in node) return lowerDrop(ctx, node.DropStmt);
  if ('AlterTableStmt' in node) return lowerAlterTable(ctx, node.AlterTableStmt);
  if ('CreateSeqStmt' in node) return lowerCreateSequence(ctx, node.CreateSeqStmt);
  if ('AlterSeqStmt' in node) return lowerAlterSequence(ctx, node.AlterSeqStmt);
  if ('RenameStmt' in node) return lowerRename(ctx, node.RenameStmt);
  if ('IndexStmt' in node) return lowerIndex(ctx, node.IndexStmt);
  if ('TruncateStmt' in node) return lowerTruncate(ctx, node.TruncateStmt);
  if ('VariableSetStmt' in node) return lowerSet(ctx, node.VariableSetStmt);
  if ('VariableShowStmt' in node) {
    return { kind: 'show', name: (node.VariableShowStmt.name ?? '').toLowerCase() };
  }
  if ('ExplainStmt' in node) return lowerExplain(ctx, node.ExplainStmt, lowerStatement);
  if ('CopyStmt' in node) return lowerCopy(ctx, node.CopyStmt);
  if ('VacuumStmt' in node) return lowerVacuum(ctx, node.VacuumStmt);
  if ('DeallocateStmt' in node) return lowerDeallocate(node.DeallocateStmt);
  if ('DiscardStmt' in node) return lowerDiscard(node.DiscardStmt);
  const tag = tagOf(node);
  throw ctx.unsupported(statements[tag] ?? spell(tag));
}

/** CreateFunctionStmt: CREATE FUNCTION. */
function spell(tag: string): string {
  return tag
    .replace(/Stmt$/, '')
    .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toUpperCase();
}
