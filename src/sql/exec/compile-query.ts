// A query inside a statement: its rows are its outputs, slots 0….

import type { SelectPlan } from '../plan/nodes.ts';
import { compileNode, slotsIn } from './compile-node.ts';
import type { CompiledNode } from './cursor.ts';
import type { SlotSet } from './execution.ts';
import { compileProject } from './operators.ts';

export function compileQuery(plan: SelectPlan, slots: SlotSet): CompiledNode {
  const input = compileNode(plan.input, slotsIn(plan.outputs), slots);
  return compileProject(input, plan.outputs, slots);
}
