// The select list (and RETURNING): stars expanded, expressions bound and named.

import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { ResultField } from '../api.ts';
import type { SelectItem } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { positionOf } from '../types/names.ts';
import { isUnknown } from './context.ts';
import type { ExpressionBinder } from './expressions.ts';
import { outputName } from './output-names.ts';
import { columnExpr, type ScopeColumn } from './scope.ts';

export interface Target {
  readonly expr: Expr;
  readonly field: ResultField;
}

export function bindTargets(
  binder: ExpressionBinder,
  items: readonly SelectItem[],
  wanted: readonly ColumnType[] = [],
  keepsUnknown = false,
): readonly Target[] {
  return items.flatMap(({ expr: ast, alias }, i): Target[] => {
    if (ast.kind === 'star') return star(binder, ast.table, ast.at);
    const bound = binder.bind(ast);
    const type = isUnknown(bound) ? wanted[i] : undefined;
    const expr =
      type === undefined && keepsUnknown
        ? bound
        : type === undefined
          ? binder.settled(bound, ast.at)
          : binder.coerced(bound, type, ast.at);
    const name = alias ?? outputName(ast);
    const column = expr.kind === 'column' ? columnOf(binder, expr.index) : undefined;
    return [{ expr, field: fieldOf(name, expr, column) }];
  });
}

function star(binder: ExpressionBinder, table: string | undefined, at: number): Target[] {
  const { scope } = binder;
  if (table === undefined && scope.relations.length === 0) {
    throw new DbError('42601', 'SELECT * with no tables specified is not valid', positionOf(at));
  }
  const columns =
    table === undefined
      ? scope.visible
      : scope.relation([table], at).columns.filter((c) => !c.hidden);
  return columns.map((column) => {
    const expr = columnExpr(column);
    binder.columnAt.set(expr, at);
    return {
      expr,
      field: fieldOf(column.name, expr, column.merged === undefined ? column : undefined),
    };
  });
}

function columnOf(binder: ExpressionBinder, slot: number): ScopeColumn | undefined {
  for (const relation of binder.scope.relations) {
    const found = relation.columns.find((c) => c.slot === slot);
    if (found !== undefined) return found;
  }
  return undefined;
}

function fieldOf(name: string, expr: Expr, column: ScopeColumn | undefined): ResultField {
  return {
    name,
    type: typeOf(expr),
    tableId: column?.tableId ?? 0,
    columnNumber: column?.tableId === 0 ? 0 : (column?.columnNumber ?? 0),
  };
}
