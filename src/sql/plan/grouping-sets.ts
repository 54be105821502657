// GROUP BY with ROLLUP, CUBE and GROUPING SETS: which groups each set has.

import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import type { Expression, GroupItem } from '../parse/ast.ts';
import { sameExpr } from './expr-tools.ts';

const SETS_MAX = 4096;

export interface GroupSets {
  readonly groups: readonly Expr[];
  /** Indices into `groups`; undefined: one set of all. */
  readonly sets: readonly (readonly number[])[] | undefined;
}

export function groupSets(
  items: readonly GroupItem[],
  distinct: boolean,
  bind: (ast: Expression) => Expr,
): GroupSets {
  const groups: Expr[] = [];
  const take = (ast: Expression): readonly number[] => {
    if (ast.kind === 'row') return ast.args.flatMap(take);
    const expr = bind(ast);
    const known = groups.findIndex((group) => sameExpr(group, expr));
    return [known >= 0 ? known : groups.push(expr) - 1];
  };
  // Every item multiplies what those before it have made.
  let sets: readonly (readonly number[])[] = [[]];
  for (const item of items) {
    const own = setsOf(item, take);
    if (sets.length * own.length > SETS_MAX) {
      throw new DbError('54011', `too many grouping sets present (maximum ${SETS_MAX})`);
    }
    sets = sets.flatMap((before) => own.map((set) => [...new Set([...before, ...set])]));
  }
  if (!items.some((item) => item.kind === 'groupingSet')) return { groups, sets: undefined };
  return { groups, sets: distinct ? withoutTwins(sets) : sets };
}

function setsOf(
  item: GroupItem,
  take: (ast: Expression) => readonly number[],
): readonly (readonly number[])[] {
  if (item.kind !== 'groupingSet') return [take(item)];
  switch (item.form) {
    case 'empty':
      return [[]];
    case 'sets':
      return item.items.flatMap((inner) => setsOf(inner, take));
    case 'rollup': {
      const parts = item.items.map((inner) => setsOf(inner, take)[0] ?? []);
      return Array.from({ length: parts.length + 1 }, (_, i) =>
        parts.slice(0, parts.length - i).flat(),
      );
    }
    case 'cube': {
      const parts = item.items.map((inner) => setsOf(inner, take)[0] ?? []);
      if (parts.length > 12) {
        throw new DbError('54011', 'CUBE is limited to 12 elements');
      }
      const all = Array.from({ length: 2 ** parts.length }, (_, i) => 2 ** parts.length - 1 - i);
      return all.map((mask) => parts.filter((_, i) => (mask & (1 << i)) !== 0).flat());
    }
  }
}

function withoutTwins(sets: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const seen = new Map(sets.map((set) => [[...set].sort((a, b) => a - b).join(), set] as const));
  return [...seen.values()];
}
