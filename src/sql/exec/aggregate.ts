// GROUP BY and aggregates: partial ones come from the shards, others are made here of the input's rows.

import { whenReady } from '../../base/maybe.ts';
import type { AggregateCall, Expr } from '../../rows/expr.ts';
import type { Datum } from '../../rows/datum.ts';
import { HashAggregation } from '../../rows/hash-aggregation.ts';
import type { ScanProgram } from '../../rows/program.ts';
import { overEntries } from '../plan/covering.ts';
import { mapSlots } from '../plan/expr-tools.ts';
import type { GroupingSetsNode, TableNode } from '../plan/nodes.ts';
import { type CompiledNode, DeferredCursor, drain } from './cursor.ts';
import type { SlotSet } from './execution.ts';
import { compileGroupingSets } from './grouping-sets.ts';
import { CompiledScan } from './table.ts';

/** Groups that one statement may hold. */
const GROUPS_MAX = 1_000_000;

export function compilePushedAggregate(
  node: TableNode,
  groupBy: readonly Expr[],
  aggregates: readonly AggregateCall[],
  slots: SlotSet,
): CompiledNode {
  if (node.access.index !== undefined) slots.indexOnly.add(node);
  const scan = new CompiledScan(node, pushedProgram(node, groupBy, aggregates), slots);
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution) => {
      const source = scan.open(execution, 0);
      return new DeferredCursor(
        () => {
          const groups = new HashAggregation(groupBy, aggregates, GROUPS_MAX);
          return whenReady(
            drain(source, () => groups.merge(source.row)),
            () => finished(groups),
          );
        },
        () => source.close(),
      );
    },
  };
}

/** Over rows, or over the entries of an index that have all that it takes. */
function pushedProgram(
  node: TableNode,
  groupBy: readonly Expr[],
  aggregates: readonly AggregateCall[],
): ScanProgram {
  const { index } = node.access;
  if (index === undefined) {
    const output = { kind: 'aggregate', groupBy, aggregates } as const;
    return { layout: node.table.layout, filter: node.filter, output };
  }
  const over = (e: Expr): Expr => overEntries(index, e);
  return {
    layout: index.layout,
    filter: node.filter === undefined ? undefined : over(node.filter),
    output: {
      kind: 'aggregate',
      groupBy: groupBy.map(over),
      aggregates: aggregates.map((call) => ({
        ...call,
        args: call.args.map(over),
        filter: call.filter === undefined ? undefined : over(call.filter),
      })),
    },
  };
}

export function compileAggregate(
  input: CompiledNode,
  groupBy: readonly Expr[],
  aggregates: readonly AggregateCall[],
  slots: SlotSet,
  sets?: GroupingSetsNode,
): CompiledNode {
  const mapped = (e: Expr): Expr => mapSlots(e, (slot) => input.position(slot));
  const groups = groupBy.map(mapped);
  const calls = aggregates.map((call) => ({
    ...call,
    args: call.args.map(mapped),
    filter: call.filter === undefined ? undefined : mapped(call.filter),
  }));
  if (sets !== undefined) return compileGroupingSets(input, groups, calls, sets, GROUPS_MAX);
  const exprs = [...groups, ...calls.flatMap((c) => [...c.args, ...(c.filter ? [c.filter] : [])])];
  const isVolatile = exprs.some((e) => slots.isVolatile(e));
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution) => {
      const source = input.open(execution, 0);
      return new DeferredCursor(
        () => {
          const state = new HashAggregation(groups, calls, GROUPS_MAX);
          const drained = drain(source, () => {
            if (isVolatile) execution.refresh();
            state.step(source.row, execution.params);
          });
          return whenReady(drained, () => finished(state));
        },
        () => source.close(),
      );
    },
  };
}

function finished(groups: HashAggregation): readonly (readonly Datum[])[] {
  const rows: Datum[][] = [];
  groups.finish((values) => rows.push(values));
  return rows;
}
