// Columns as descriptors have them, of CREATE TABLE and of ADD COLUMN.

import { DbError, unsupported } from '../../base/errors.ts';
import { sqlTypeName } from '../../rows/type-names.ts';
import { elementOf, REG_TYPES, UNKNOWN } from '../../rows/types.ts';
import {
  type ColumnDescriptor,
  PLAIN_COLUMN,
  type TableDescriptor,
} from '../catalog/descriptor.ts';
import type { ColumnDefinition } from '../parse/ast.ts';
import { formatExpression } from '../parse/format.ts';
import { StoredExpressions } from '../plan/bind-rules.ts';
import { positionOf, resolveTypeName } from '../types/names.ts';
import type { DdlContext } from './context.ts';
import { bindDefault } from './defaults.ts';
import { columnsIn, storedText } from './stored-text.ts';

export const COLUMNS_MAX = 1600;

/** Without its generation expression, which may be over columns that come later. */
export function columnOf(
  definition: ColumnDefinition,
  id: number,
  position: number,
  ctx: DdlContext,
): ColumnDescriptor {
  const { name, default: initial } = definition;
  const type = resolveTypeName(definition.type);
  if (type.oid === UNKNOWN) {
    throw new DbError('42P16', `column "${name}" has pseudo-type unknown`);
  }
  if (REG_TYPES.includes(elementOf(type.oid) ?? type.oid)) {
    throw unsupported(`a column of type ${sqlTypeName(type)}`, definition.type.at + 1);
  }
  if (initial !== undefined) bindDefault(initial, name, type, ctx.catalog);
  return {
    ...PLAIN_COLUMN,
    id,
    name,
    position,
    type,
    notNull: definition.notNull || definition.primaryKey,
    identity: definition.identity?.when,
    defaultText: initial === undefined ? undefined : formatExpression(initial),
  };
}

/** The columns with what GENERATED says of some of them. */
export function withGenerated(
  table: TableDescriptor,
  definitions: readonly ColumnDefinition[],
  ctx: DdlContext,
): readonly ColumnDescriptor[] {
  return table.columns.map((column) => {
    const generated = definitions.find(({ name }) => name === column.name)?.generated;
    if (generated === undefined) return column;
    const bound = new StoredExpressions(table, ctx.catalog, 'column generation expressions');
    bound.assigned(generated, column);
    if (bound.slots.length > 0) {
      throw new DbError('42P17', 'generation expression is not immutable');
    }
    for (const name of columnsIn(generated)) {
      const isGenerated =
        table.columns.some((c) => c.name === name && c.generatedText !== undefined) ||
        definitions.some((d) => d.name === name && d.generated !== undefined);
      if (!isGenerated) continue;
      throw new DbError(
        '42P17',
        `cannot use generated column "${name}" in column generation expression`,
        {
          detail: 'A generated column cannot reference another generated column.',
          ...positionOf(generated.at),
        },
      );
    }
    return { ...column, generatedText: storedText(generated) };
  });
}
