// Names that PostgreSQL gives to what has none: table_column_key, table_column_idx, table_column_check.

import { utf8 } from '../../base/bytes.ts';
import { SchemaBusyError } from '../catalog/errors.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { DdlContext } from './context.ts';

export const NAME_BYTES_MAX = 63;

/** Parts joined by underscores; the longer of the first two is shortened until all fits. */
export function madeName(table: string, columns: string, suffix: string): string {
  let first = table;
  let second = columns;
  const joined = (): string => (second === '' ? first : `${first}_${second}`) + suffix;
  while (utf8(joined()).length > NAME_BYTES_MAX) {
    if (first.length > second.length) first = first.slice(0, -1);
    else second = second.slice(0, -1);
  }
  return joined();
}

/** The first of name, name1, name2, … that is free. */
export function freeName(
  table: string,
  columns: string,
  suffix: string,
  isTaken: (name: string) => boolean,
): string {
  for (let number = 0; ; number++) {
    const name = madeName(table, columns, `${suffix}${number === 0 ? '' : number}`);
    if (!isTaken(name)) return name;
  }
}

export function isRelation(ctx: DdlContext, schema: string, name: string): boolean {
  const path = { schema, name, at: -1 };
  try {
    return ctx.catalog.find(path) !== undefined || ctx.catalog.findIndex(path) !== undefined;
  } catch (error) {
    // There is one, and it is being changed.
    if (error instanceof SchemaBusyError) return true;
    throw error;
  }
}

export function isConstraint(
  table: Pick<TableDescriptor, 'checks' | 'indexes' | 'primary' | 'hasPrimaryKey'>,
  name: string,
): boolean {
  return (
    table.checks.some((check) => check.name === name) ||
    table.indexes.some((index) => index.isConstraint && index.name === name) ||
    (table.hasPrimaryKey && table.primary.name === name)
  );
}
