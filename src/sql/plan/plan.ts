// The entry of planning: a data statement of the syntax tree becomes a Plan.

import type {
  DeleteStatement,
  InsertStatement,
  SelectStatement,
  UpdateStatement,
} from '../parse/ast.ts';
import type { PlanEnvironment } from '../exec/plan-api.ts';
import { withCommonTables } from './common-tables.ts';
import { PlanContext } from './context.ts';
import { bindInsert } from './insert.ts';
import { bindDelete, bindUpdate } from './modify.ts';
import { bindJoinedWrite } from './modify-joined.ts';
import type { Plan, StatementPlan } from './nodes.ts';
import { bindQuery } from './query.ts';
import { writtenOutputs } from './reg-types.ts';

type WriteStatement = InsertStatement | UpdateStatement | DeleteStatement;
export type DataStatement = SelectStatement | WriteStatement;

/** Throws DbError for whatever is wrong with the statement. */
export function planStatement(ast: DataStatement, environment: PlanEnvironment): Plan {
  const context = new PlanContext(environment, { query: bindQuery });
  const statement =
    ast.kind === 'select'
      ? bindShown(context, ast)
      : withCommonTables(context, ast.with, ast, () => bindWrite(context, ast));
  return {
    statement,
    parameterTypes: context.parameters.finish(),
    slots: context.slots,
    subplans: context.subplans,
    shared: context.shared,
    tables: context.tables,
    command: commandOf(ast),
    readOnly: ast.kind === 'select' && !context.locksRows,
    literalDependent: context.literalDependent,
  };
}

function bindShown(context: PlanContext, ast: SelectStatement): StatementPlan {
  const query = bindQuery(context, ast);
  return { ...query, outputs: writtenOutputs(context, query.outputs) };
}

function bindWrite(context: PlanContext, ast: WriteStatement): StatementPlan {
  switch (ast.kind) {
    case 'insert':
      return bindInsert(context, ast);
    case 'update':
      return ast.from === undefined
        ? bindUpdate(context, ast)
        : bindJoinedWrite(context, ast, ast.from);
    case 'delete':
      return ast.using === undefined
        ? bindDelete(context, ast)
        : bindJoinedWrite(context, ast, ast.using);
  }
}

function commandOf(ast: DataStatement): string {
  const locking = ast.kind === 'select' ? ast.locking?.strength : undefined;
  const suffix = locking === undefined ? '' : ` FOR ${locking}`;
  return `${ast.kind}${suffix}`.toUpperCase();
}
