// Definitions of indexes and constraints, as PostgreSQL's pg_get_…def() functions write them.

import {
  columnAt,
  type IndexColumn,
  type SecondaryIndex,
  type TableDescriptor,
} from '../catalog/descriptor.ts';
import { formatIdentifier } from '../parse/format.ts';
import { columnsIn } from '../ddl/stored-text.ts';
import { parseExpressionText } from '../parse/postgres.ts';

type AnyIndex = Pick<SecondaryIndex, 'name' | 'columns'> & Partial<SecondaryIndex>;

/** A column's name, or an expression in parentheses. */
export function indexColumnText(
  table: TableDescriptor,
  index: AnyIndex,
  { position }: IndexColumn,
): string {
  if (position >= 0) return formatIdentifier(columnAt(table, position)?.name ?? '');
  const expression = index.expressions?.[-1 - position]?.text ?? '';
  // A function's call needs no parentheses.
  return /^[a-z_][\w$]*\(.*\)$/i.test(expression) ? expression : `(${expression})`;
}

export function indexText(table: TableDescriptor, index: AnyIndex, isUnique: boolean): string {
  const columns = index.columns.map((column) => {
    const name = indexColumnText(table, index, column);
    const { descending, nullsFirst } = column;
    const nulls = nullsFirst === descending ? '' : nullsFirst ? ' NULLS FIRST' : ' NULLS LAST';
    return `${name}${descending ? ' DESC' : ''}${nulls}`;
  });
  const stored = (index.stored ?? []).map((position) =>
    formatIdentifier(columnAt(table, position)?.name ?? ''),
  );
  const include = stored.length === 0 ? '' : ` INCLUDE (${stored.join(', ')})`;
  const where =
    index.predicateText === undefined ? '' : ` WHERE ${parenthesized(index.predicateText)}`;
  const on = `${formatIdentifier(table.schema)}.${formatIdentifier(table.name)}`;
  const unique = isUnique ? 'UNIQUE ' : '';
  return `CREATE ${unique}INDEX ${formatIdentifier(index.name)} ON ${on} USING btree (${columns.join(', ')})${include}${where}`;
}

export function keyConstraintText(
  table: TableDescriptor,
  index: AnyIndex,
  isPrimary: boolean,
): string {
  const names = index.columns.map((column) => indexColumnText(table, index, column));
  const stored = (index.stored ?? []).map((position) =>
    formatIdentifier(columnAt(table, position)?.name ?? ''),
  );
  const include = stored.length === 0 ? '' : ` INCLUDE (${stored.join(', ')})`;
  return `${isPrimary ? 'PRIMARY KEY' : 'UNIQUE'} (${names.join(', ')})${include}`;
}

export function checkText(text: string, validated: boolean): string {
  return `CHECK (${parenthesized(text)})${validated ? '' : ' NOT VALID'}`;
}

export function parenthesized(text: string): string {
  return text.startsWith('(') && text.endsWith(')') ? text : `(${text})`;
}

/** Those that a check names. */
export function columnsOfText(text: string): readonly string[] {
  return [...columnsIn(parseExpressionText(text))];
}
