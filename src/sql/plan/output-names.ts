// What the columns of a result are called.

import type { Expression } from '../parse/ast.ts';

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
