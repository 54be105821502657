// OVER and WINDOW: partitions, order and frames. Frames come as a set of bits (PostgreSQL's nodes/parsenodes.h).

import type { Node, WindowDef } from 'libpg-query';
import type { FrameBound, WindowDefinition, WindowFrame } from './ast.ts';
import { expectNode, type Lowering } from './lower-context.ts';
import { lowerExpression, lowerExpressions, lowerOrderBy } from './lower-expression.ts';

const NOT_DEFAULT = 0x1;
const ROWS = 0x4;
const GROUPS = 0x8;
const START_UNBOUNDED = 0x20;
const END_UNBOUNDED = 0x100;
const START_CURRENT_ROW = 0x200;
const END_CURRENT_ROW = 0x400;
const START_PRECEDING = 0x800;
const END_PRECEDING = 0x1000;
const EXCLUDE_CURRENT_ROW = 0x8000;
const EXCLUDE_GROUP = 0x10000;
const EXCLUDE_TIES = 0x20000;

export function lowerWindow(ctx: Lowering, node: WindowDef): WindowDefinition {
  return {
    name: node.name,
    base: node.refname,
    partitionBy: lowerExpressions(ctx, node.partitionClause),
    orderBy: lowerOrderBy(ctx, node.orderClause),
    frame: lowerFrame(ctx, node),
    at: ctx.at(node.location),
  };
}

function lowerFrame(ctx: Lowering, node: WindowDef): WindowFrame | undefined {
  const { frameOptions = 0, startOffset, endOffset } = node;
  const has = (bit: number): boolean => (frameOptions & bit) !== 0;
  if (!has(NOT_DEFAULT)) return undefined;
  const start: FrameBound = has(START_UNBOUNDED)
    ? { kind: 'unbounded' }
    : has(START_CURRENT_ROW)
      ? { kind: 'currentRow' }
      : offsetBound(ctx, has(START_PRECEDING), startOffset);
  const end: FrameBound = has(END_UNBOUNDED)
    ? { kind: 'unbounded' }
    : has(END_CURRENT_ROW)
      ? { kind: 'currentRow' }
      : offsetBound(ctx, has(END_PRECEDING), endOffset);
  return {
    mode: has(ROWS) ? 'rows' : has(GROUPS) ? 'groups' : 'range',
    start,
    end,
    exclude: has(EXCLUDE_CURRENT_ROW)
      ? 'currentRow'
      : has(EXCLUDE_GROUP)
        ? 'group'
        : has(EXCLUDE_TIES)
          ? 'ties'
          : 'none',
  };
}

function offsetBound(ctx: Lowering, precedes: boolean, node: Node | undefined): FrameBound {
  expectNode(node !== undefined, 'a frame without its offset');
  return { kind: precedes ? 'preceding' : 'following', offset: lowerExpression(ctx, node) };
}
