// From SQL text to our own syntax tree (ast.ts). A lexer finds a statement's fingerprint, under which its plan is
// cached; on a miss PostgreSQL's own grammar parses it, behind a guard, and one lowering makes our tree of its nodes.
// This room may know nothing of catalogs, types or plans: names are still names here. second.ts is a second front end,
// there to check the first.

export {
  fingerprint,
  INT4_LITERAL,
  INT8_LITERAL,
  NUMERIC_LITERAL,
  STRING_LITERAL,
} from './fingerprint.ts';
export { formatExpression } from './format.ts';
export { initParser } from './grammar.ts';
export { PlanCache } from './plan-cache.ts';
export { characterPosition, positionOf } from './position.ts';
export { parseExpressionText, parseStatements } from './postgres.ts';
