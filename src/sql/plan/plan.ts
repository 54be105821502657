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
import { bindSelect } from './select.ts';

export type DataStatement = SelectStatement | InsertStatement | UpdateStatement | DeleteStatement;

/** Throws DbError for whatever is wrong with the statement. */
export function planStatement(ast: DataStatement, environment: PlanEnvironment): Plan {
  const context = new PlanContext(environment);
  const statement = bind(context, ast);
  return {
    statement,
    parameterTypes: context.parameters.finish(),
    slots: context.slots,
    tables: context.tables,
    command: commandOf(ast),
    readOnly: ast.kind === 'select' && !locks(ast),
    literalDependent: context.literalDependent,
  };
}

function bind(context: PlanContext, ast: DataStatement): StatementPlan {
  switch (ast.kind) {
    case 'select':
      return bindSelect(context, ast);
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

/** FOR UPDATE, also in a query in FROM, needs a transaction to hold the locks. */
function locks(ast: SelectStatement): boolean {
  if (ast.locking !== undefined) return true;
  const inside = (item: SelectStatement['from'][number]): boolean =>
    item.kind === 'subquery'
      ? locks(item.query)
      : item.kind === 'join' && (inside(item.left) || inside(item.right));
  return ast.from.some(inside);
}
