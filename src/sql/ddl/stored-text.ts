// Expressions as descriptors keep them: text over bare names of columns.

import { formatExpression } from '../parse/format.ts';
import type { Expression } from '../parse/ast.ts';
import { parseExpressionText } from '../parse/postgres.ts';

/** `ast` has been bound over the table: a qualified name says no more than the bare one. */
export function storedText(ast: Expression): string {
  return formatExpression(withColumns(ast, (name) => name));
}

export function renamedIn(text: string, from: string, to: string): string {
  const rename = (name: string): string => (name === from ? to : name);
  return formatExpression(withColumns(parseExpressionText(text), rename));
}

/** The names of columns that it uses. */
export function columnsIn(ast: Expression): ReadonlySet<string> {
  const names = new Set<string>();
  withColumns(ast, (name) => {
    names.add(name);
    return name;
  });
  return names;
}

function withColumns<T>(value: T, rename: (name: string) => string): T {
  if (Array.isArray(value)) return value.map((item: unknown) => withColumns(item, rename)) as T;
  if (typeof value !== 'object' || value === null) return value;
  if ('kind' in value && value.kind === 'column' && 'path' in value) {
    const path = value.path as readonly string[];
    return { ...value, path: [rename(path[path.length - 1] as string)] };
  }
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) copy[key] = withColumns(inner, rename);
  return copy as T;
}
