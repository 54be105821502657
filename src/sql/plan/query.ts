// The entry of binding a query: SELECT, VALUES, or a set operation, alone or in something else.

import { unsupported } from '../../base/errors.ts';
import type { SelectStatement } from '../parse/ast.ts';
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
  if (ast.with !== undefined) throw unsupported('WITH', (ast.with.tables[0]?.at ?? ast.at) + 1);
  if (ast.setOperation !== undefined)
    return bindSetOperation(context, ast, ast.setOperation, options);
  if (ast.values !== undefined) return bindValues(context, ast, ast.values);
  return bindSelect(context, ast, options);
}
