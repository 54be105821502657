// Type names.

import type { Node, TypeName as TypeNode } from 'libpg-query';
import type { TypeName } from './ast.ts';
import { type Lowering, namesOf } from './lower-context.ts';

export function lowerType(ctx: Lowering, node: TypeNode): TypeName {
  const names = namesOf(node.names);
  if (node.setof === true) throw ctx.unsupported('SETOF', node.location);
  if (node.pct_type === true) throw ctx.unsupported('%TYPE', node.location);
  if (names.length > 2) throw ctx.unsupported('a type of another database', node.location);
  return {
    schema: names.length === 2 ? names[0] : undefined,
    name: names.at(-1) ?? '',
    modifiers: (node.typmods ?? []).map((modifier) => lowerModifier(ctx, modifier, node.location)),
    array: (node.arrayBounds ?? []).length > 0,
    at: ctx.at(node.location),
  };
}

function lowerModifier(ctx: Lowering, node: Node, location: number | undefined): number {
  if ('A_Const' in node && node.A_Const.ival !== undefined) return node.A_Const.ival.ival ?? 0;
  throw ctx.fail('22023', 'type modifiers must be simple constants', location);
}
