// What CREATE INDEX and UNIQUE make of their words: an index's descriptor.

import { DbError } from '../../base/errors.ts';
import type {
  ColumnDescriptor,
  IndexColumn,
  IndexExpression,
  SecondaryIndex,
  TableDescriptor,
} from '../catalog/descriptor.ts';
import type { Expression, IndexElement } from '../parse/ast.ts';
import { typeOf } from '../types/coercion.ts';
import { StoredExpressions } from '../plan/bind-rules.ts';
import type { DdlContext } from './context.ts';
import { checkKeyType, positionAt } from './keys.ts';
import { freeName, isRelation } from './relation-names.ts';
import { storedText } from './stored-text.ts';

const COLUMNS_MAX = 32;

export interface IndexWords {
  readonly name: string | undefined;
  readonly elements: readonly IndexElement[];
  readonly stored: readonly string[];
  readonly where: Expression | undefined;
  readonly unique: boolean;
  readonly isConstraint: boolean;
  readonly at: number;
}

/** With an id of its own. */
export async function makeIndex(
  ctx: DdlContext,
  table: TableDescriptor,
  words: IndexWords,
): Promise<SecondaryIndex> {
  if (words.elements.length + words.stored.length > COLUMNS_MAX) {
    throw new DbError('54011', `cannot use more than ${COLUMNS_MAX} columns in an index`);
  }
  const bound = new StoredExpressions(table, ctx.catalog, 'index expressions');
  const expressions: IndexExpression[] = [];
  const columns = words.elements.map((element): IndexColumn => {
    const { expr, descending, nullsFirst } = element;
    return {
      position: elementPosition(table, words, expr, bound, expressions),
      descending,
      nullsFirst: nullsFirst ?? descending,
    };
  });
  const stored = words.stored.map((name) => columnOf(table, name, words).position);
  let predicateText: string | undefined;
  if (words.where !== undefined) {
    const before = bound.slots.length;
    bound.condition(words.where, 'WHERE');
    if (bound.slots.length > before) throw mustBeImmutable('index predicate');
    predicateText = storedText(words.where);
  }
  const taken = (name: string): boolean =>
    isRelation(ctx, table.schema, name) ||
    name === table.name ||
    name === table.primary.name ||
    table.indexes.some((index) => index.name === name);
  const name = words.name ?? freeName(table.name, namedAfter(words), suffixOf(words), taken);
  return {
    id: await ctx.catalog.newIndexId(),
    name,
    columns,
    unique: words.unique,
    isConstraint: words.isConstraint,
    expressions,
    stored,
    predicateText,
  };
}

function suffixOf({ isConstraint }: IndexWords): string {
  return isConstraint ? '_key' : '_idx';
}

function elementPosition(
  table: TableDescriptor,
  words: IndexWords,
  expr: Expression,
  bound: StoredExpressions,
  expressions: IndexExpression[],
): number {
  if (expr.kind === 'column' && expr.path.length === 1) {
    const column = columnOf(table, expr.path[0] as string, words);
    checkKeyType(column.type.oid);
    return column.position;
  }
  const before = bound.slots.length;
  const type = typeOf(bound.value(expr));
  if (bound.slots.length > before) throw mustBeImmutable('index expression');
  checkKeyType(type.oid);
  expressions.push({ text: storedText(expr), type });
  return -expressions.length;
}

function mustBeImmutable(what: string): DbError {
  return new DbError('42P17', `functions in ${what} must be marked IMMUTABLE`);
}

function columnOf(table: TableDescriptor, name: string, words: IndexWords): ColumnDescriptor {
  const column = table.columns.find((c) => c.name === name && !c.hidden);
  if (column !== undefined) return column;
  if (!words.isConstraint) throw new DbError('42703', `column "${name}" does not exist`);
  const message = `column "${name}" named in key does not exist`;
  throw new DbError('42703', message).at(positionAt(words.at));
}

/** Columns by their names, a function by its own, anything else as "expr". */
function namedAfter({ elements, stored }: IndexWords): string {
  const names = elements.map(({ expr }) => {
    if (expr.kind === 'column') return expr.path[expr.path.length - 1] as string;
    return expr.kind === 'function' ? expr.name : 'expr';
  });
  return [...names, ...stored].join('_');
}
