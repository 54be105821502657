// The entry of planning: a data statement of the syntax tree becomes a Plan.

import type {
  DeleteStatement,
  InsertStatement,
  SelectStatement,
  UpdateStatement,
} from '../parse/ast.ts';
import type { PlanEnvironment } from '../exec/plan-api.ts';
import { PlanContext } from './context.ts';
import { bindInsert } from './insert.ts';
import { bindDelete, bindUpdate } from './modify.ts';
import type { Plan, StatementPlan } from './nodes.ts';
import { bindQuery } from './query.ts';

export type DataStatement = SelectStatement | InsertStatement | UpdateStatement | DeleteStatement;

/** Throws DbError for whatever is wrong with the statement. */
export function planStatement(ast: DataStatement, environment: PlanEnvironment): Plan {
  const context = new PlanContext(environment, { query: bindQuery });
  const statement = bind(context, ast);
  return {
    statement,
    parameterTypes: context.parameters.finish(),
    slots: context.slots,
    subplans: context.subplans,
    tables: context.tables,
    command: commandOf(ast),
    readOnly: ast.kind === 'select' && !context.locksRows,
    literalDependent: context.literalDependent,
  };
}

function bind(context: PlanContext, ast: DataStatement): StatementPlan {
  switch (ast.kind) {
    case 'select':
      return bindQuery(context, ast);
    case 'insert':
      return bindInsert(context, ast);
    case 'update':
      return bindUpdate(context, ast);
    case 'delete':
      return bindDelete(context, ast);
  }
}

function commandOf(ast: DataStatement): string {
  const locking = ast.kind === 'select' ? ast.locking?.strength : undefined;
  const suffix = locking === undefined ? '' : ` FOR ${locking}`;
  return `${ast.kind}${suffix}`.toUpperCase();
}
