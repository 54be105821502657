// Binds what a table's descriptor keeps as text, once for each descriptor.

import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { type ColumnType, columnType } from '../../rows/types.ts';
import type { CatalogView } from '../catalog/api.ts';
import {
  type ColumnDescriptor,
  columnAt,
  type SecondaryIndex,
  type TableDescriptor,
} from '../catalog/descriptor.ts';
import { entryLayout, entryPositions, indexColumnTypes } from '../catalog/index-entry.ts';
import type { Expression } from '../parse/ast.ts';
import { parseExpressionText } from '../parse/postgres.ts';
import { coerce, typeOf } from '../types/coercion.ts';
import { PlanContext } from './context.ts';
import { ExpressionBinder } from './expressions.ts';
import { Scope, tableRelation } from './scope.ts';
import type { SessionCall } from './session-functions.ts';
import type { IndexRule, TableRules } from './table-rules.ts';

const NO_RULES: TableRules = { checks: [], generated: [], indexes: [], slots: [] };

const known = new WeakMap<TableDescriptor, TableRules>();

export function tableRules(table: TableDescriptor, catalog: CatalogView): TableRules {
  const hasGenerated = table.columns.some((column) => column.generatedText !== undefined);
  if (table.checks.length === 0 && table.indexes.length === 0 && !hasGenerated) return NO_RULES;
  let rules = known.get(table);
  if (rules === undefined) {
    rules = bindRules(table, catalog);
    known.set(table, rules);
  }
  return rules;
}

function bindRules(table: TableDescriptor, catalog: CatalogView): TableRules {
  const checks = new StoredExpressions(table, catalog, 'check constraints');
  const others = new StoredExpressions(table, catalog, 'stored expressions');
  return {
    checks: table.checks.map(({ name, text }) => ({
      name,
      expr: checks.condition(parseExpressionText(text), 'CHECK'),
    })),
    generated: table.columns.flatMap((column) =>
      column.generatedText === undefined
        ? []
        : [
            {
              position: column.position,
              expr: others.assigned(parseExpressionText(column.generatedText), column),
            },
          ],
    ),
    indexes: table.indexes.map((index) => indexRule(table, index, others)),
    slots: checks.slots,
  };
}

function indexRule(
  table: TableDescriptor,
  index: SecondaryIndex,
  bound: StoredExpressions,
): IndexRule {
  const expressions = index.expressions.map(({ text }) => bound.value(parseExpressionText(text)));
  const types = indexColumnTypes(table, index);
  return {
    index,
    keys: index.columns.map(({ position }, i) =>
      position >= 0
        ? { kind: 'column', type: types[i] as ColumnType, index: position }
        : (expressions[-1 - position] as Expr),
    ),
    types,
    nullable: index.columns.map(({ position }) => columnAt(table, position)?.notNull !== true),
    expressions,
    predicate:
      index.predicateText === undefined
        ? undefined
        : bound.condition(parseExpressionText(index.predicateText), 'WHERE'),
    positions: entryPositions(table, index),
    layout: entryLayout(table, index),
  };
}

/** Binds expressions over one table's columns. */
export class StoredExpressions {
  readonly #context: PlanContext;
  readonly #binder: ExpressionBinder;

  constructor(table: TableDescriptor, catalog: CatalogView, place: string) {
    this.#context = new PlanContext({
      catalog,
      parseExpression: parseExpressionText,
      parameterTypes: [],
      literals: [],
      parameterCount: 0,
    });
    this.#binder = new ExpressionBinder(
      this.#context,
      new Scope([tableRelation(table, undefined, 0)]),
    );
    this.#binder.place = place;
  }

  /** Values of the session that were asked for so far. */
  get slots(): readonly SessionCall[] {
    return this.#context.slots.filter((slot) => slot.kind === 'session');
  }

  value(ast: Expression): Expr {
    return this.#binder.settled(this.#binder.bind(ast), ast.at);
  }

  condition(ast: Expression, word: string): Expr {
    return this.#binder.condition(ast, word);
  }

  /** As a value of the column; throws 42804. */
  assigned(ast: Expression, column: Pick<ColumnDescriptor, 'name' | 'type'>): Expr {
    const expr = this.#binder.bind(ast);
    const bound = coerce(expr, column.type, 'assignment', this.#context.parameters, ast.at);
    if (bound !== undefined) return bound;
    const wanted = sqlTypeName(columnType(column.type.oid));
    const given = sqlTypeName(columnType(typeOf(expr).oid));
    throw new DbError(
      '42804',
      `column "${column.name}" is of type ${wanted} but default expression is of type ${given}`,
      { hint: 'You will need to rewrite or cast the expression.' },
    );
  }
}
