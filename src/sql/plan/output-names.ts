// What the columns of a result are called.

import type { Expression, SelectStatement } from '../parse/ast.ts';

/** What an output column is called when nobody named it (parse_target.c, FigureColname). */
export function outputName(ast: Expression): string {
  return figure(ast).name;
}

interface Figured {
  readonly name: string;
  /** A cast keeps a strong name and replaces a weak one by the type's. */
  readonly strong: boolean;
}

function figure(ast: Expression): Figured {
  switch (ast.kind) {
    case 'column':
      return { name: ast.path[ast.path.length - 1] as string, strong: true };
    case 'function':
      return { name: ast.name, strong: true };
    case 'array':
      return { name: 'array', strong: true };
    case 'subscript':
      return figure(ast.arg);
    case 'special':
      return { name: ast.name, strong: true };
    case 'nullif':
      return { name: 'nullif', strong: true };
    case 'coalesce':
      return { name: 'coalesce', strong: true };
    case 'subquery': {
      if (ast.form === 'exists') return { name: 'exists', strong: true };
      if (ast.form === 'array') return { name: 'array', strong: true };
      const [item] = leftmost(ast.query).items;
      if (ast.form !== 'scalar' || item === undefined) return { name: '?column?', strong: false };
      return item.alias === undefined ? figure(item.expr) : { name: item.alias, strong: true };
    }
    case 'row':
      return { name: 'row', strong: true };
    case 'grouping':
      return { name: 'grouping', strong: true };
    case 'cast': {
      const inner = figure(ast.arg);
      return inner.strong ? inner : { name: ast.type.name, strong: false };
    }
    case 'case': {
      const inner = ast.otherwise === undefined ? undefined : figure(ast.otherwise);
      return inner?.strong === true ? inner : { name: 'case', strong: false };
    }
    default:
      return { name: '?column?', strong: false };
  }
}

/** The query whose columns a UNION is named by. */
function leftmost(query: SelectStatement): SelectStatement {
  return query.setOperation === undefined ? query : leftmost(query.setOperation.left);
}
