// GROUP BY with several sets of groups: each row goes into a group of every set.

import { whenReady } from '../../base/maybe.ts';
import type { Datum } from '../../rows/datum.ts';
import type { AggregateCall, Expr } from '../../rows/expr.ts';
import { HashAggregation } from '../../rows/hash-aggregation.ts';
import type { GroupingSetsNode } from '../plan/nodes.ts';
import { blankRow } from './blank-row.ts';
import { type CompiledNode, DeferredCursor, drain } from './cursor.ts';

/** `groupBy` and `aggregates` are over the input's rows, which nothing volatile is asked of. */
export function compileGroupingSets(
  input: CompiledNode,
  groupBy: readonly Expr[],
  aggregates: readonly AggregateCall[],
  { sets, groupings }: GroupingSetsNode,
  groupsMax: number,
): CompiledNode {
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution) => {
      const source = input.open(execution, 0);
      return new DeferredCursor(
        () => {
          const states = sets.map(
            (set) =>
              new HashAggregation(
                set.map((i) => groupBy[i] as Expr),
                aggregates,
                groupsMax,
              ),
          );
          const drained = drain(source, () => {
            for (const state of states) state.step(source.row, execution.params);
          });
          return whenReady(drained, () => {
            const rows: Datum[][] = [];
            states.forEach((state, s) => {
              const set = sets[s] as readonly number[];
              const marks = groupings.map((args) => grouping(args, set));
              state.finish((values) => {
                const row = blankRow(groupBy.length);
                set.forEach((group, i) => {
                  row[group] = values[i] as Datum;
                });
                rows.push([...row, ...values.slice(set.length), ...marks]);
              });
            });
            return rows;
          });
        },
        () => source.close(),
      );
    },
  };
}

/** A bit for each argument, the last one lowest: set where the set does not group by it. */
function grouping(args: readonly number[], set: readonly number[]): number {
  return args.reduce((mask, group) => mask * 2 + (set.includes(group) ? 0 : 1), 0);
}
