// The entry of binding a query: SELECT, VALUES, or a set operation, alone or in something else.

import type { SelectStatement } from '../parse/ast.ts';
import { withCommonTables } from './common-tables.ts';
import type { PlanContext, QueryOptions } from './context.ts';
import type { SelectPlan } from './nodes.ts';
import { bindSelect } from './select.ts';
import { bindSetOperation } from './set-operations.ts';
import { bindValues } from './values.ts';

export function bindQuery(
  context: PlanContext,
  ast: SelectStatement,
  options: QueryOptions = {},
): SelectPlan {
  return withCommonTables(context, ast.with, ast, () => bindBody(context, ast, options));
}

function bindBody(context: PlanContext, ast: SelectStatement, options: QueryOptions): SelectPlan {
  if (ast.setOperation !== undefined)
    return bindSetOperation(context, ast, ast.setOperation, options);
  if (ast.values !== undefined) return bindValues(context, ast, ast.values);
  return bindSelect(context, ast, options);
}
