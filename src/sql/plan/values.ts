// Binding of VALUES.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { Expression, SelectStatement } from '../parse/ast.ts';
import { positionOf } from '../types/names.ts';
import type { PlanContext } from './context.ts';
import { ExpressionBinder } from './expressions.ts';
import { bindLimits, finish } from './finish.ts';
import type { PlanNode, SelectPlan } from './nodes.ts';
import { bindOrderBy } from './order-by.ts';
import { Scope } from './scope.ts';
import type { Target } from './targets.ts';

export function bindValues(
  context: PlanContext,
  ast: SelectStatement,
  values: readonly (readonly Expression[])[],
): SelectPlan {
  if (ast.locking !== undefined) throw unsupported('FOR UPDATE with VALUES', ast.at + 1);
  const binder = new ExpressionBinder(context, new Scope([]));
  binder.place = 'VALUES';
  const width = values[0]?.length ?? 0;
  const bound = values.map((row) => {
    if (row.length !== width) {
      throw new DbError(
        '42601',
        'VALUES lists must all be the same length',
        positionOf(row[0]?.at ?? ast.at),
      );
    }
    return row.map((cell) => binder.bind(cell));
  });
  const types: ColumnType[] = [];
  const columns = Array.from({ length: width }, (_, i) => {
    const ats = values.map((row) => row[i]?.at ?? -1);
    const column = bound.map((row) => row[i] as Expr);
    const { args, type } = binder.unifiedExprs(column, 'VALUES', ats);
    types.push(type);
    return args;
  });
  const rows = bound.map((_, r) => columns.map((column) => column[r] as Expr));
  const outputs = types.map((type, index): Expr => ({ kind: 'column', type, index }));
  const targets = outputs.map(
    (expr, i): Target => ({
      expr,
      field: { name: `column${i + 1}`, type: types[i] as ColumnType, tableId: 0, columnNumber: 0 },
    }),
  );
  const order = bindOrderBy(binder, ast.orderBy, targets);
  const node: PlanNode = { kind: 'values', base: 0, rows };
  const fields = targets.map((t) => t.field);
  return finish({
    node,
    outputs,
    fields,
    order,
    distinct: false,
    distinctOn: undefined,
    limits: bindLimits(binder, ast),
  });
}
