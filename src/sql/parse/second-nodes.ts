// Reading node-sql-parser's trees, which are untyped and differ from place to place.

import { Refusal } from './second-text.ts';

export type Tree = Readonly<Record<string, unknown>>;

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function treeOf(value: unknown): Tree {
  if (!isTree(value)) throw new Refusal(`no node: ${String(value)}`);
  return value;
}

export function treesOf(value: unknown): readonly Tree[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new Refusal('no list');
  return value.map(treeOf);
}

export function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new Refusal(`no text: ${typeof value}`);
  return value;
}

export function optionalText(value: unknown): string | undefined {
  return value === null || value === undefined ? undefined : textOf(value);
}

/** A name: bare, or in one of the wrappings that it comes in. */
export function nameOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const tree = treeOf(value);
  if (tree['type'] === 'column_ref') return nameOf(tree['column']);
  if ('expr' in tree) return nameOf(tree['expr']);
  return textOf(tree['value']);
}

/** Anything here that we don't look at elsewhere would be lost silently. */
export function refuseOthers(tree: Tree, known: readonly string[]): void {
  for (const [key, value] of Object.entries(tree)) {
    const empty = value === null || value === undefined || value === false || value === '';
    if (!empty && !known.includes(key) && !(Array.isArray(value) && value.length === 0)) {
      throw new Refusal(`${String(tree['type'])}.${key}`);
    }
  }
}
