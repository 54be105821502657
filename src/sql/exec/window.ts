// Window functions: all rows are held and sorted, window by window; each call is then worked out partition by partition
// and its values stand behind the row's own.

import { type Maybe, whenReady } from '../../base/maybe.ts';
import type { Datum } from '../../rows/datum.ts';
import type { WindowNode } from '../plan/nodes.ts';
import { type CompiledNode, DeferredCursor, drain } from './cursor.ts';
import type { Execution } from './execution.ts';
import { MemoryBudget } from './memory-budget.ts';
import { copyRow, rowComparator, sortAll } from './sort.ts';
import { Partition } from './window-frame.ts';
import { type CallFiller, compileCall } from './window-functions.ts';

interface CompiledWindow {
  readonly partitionOrder: (a: readonly Datum[], b: readonly Datum[]) => number;
  readonly order: (a: readonly Datum[], b: readonly Datum[]) => number;
  readonly isSorted: boolean;
  readonly calls: readonly CallFiller[];
}

export function compileWindow(node: WindowNode, input: CompiledNode): CompiledNode {
  const windows = node.windows.map(({ partition, keys, calls }): CompiledWindow => {
    const position = (slot: number): number => input.position(slot);
    return {
      partitionOrder: rowComparator(partition),
      order: rowComparator(keys),
      isSorted: partition.length + keys.length > 0,
      calls: calls.map((call) => compileCall(call, keys, position)),
    };
  });
  return {
    isStored: false,
    position: (slot) => slot,
    open: (execution) => {
      const source = input.open(execution, 0);
      return new DeferredCursor(
        () => {
          const rows: Datum[][] = [];
          const budget = new MemoryBudget('window functions');
          const drained = drain(source, () => {
            const values = copyRow(source.row, node.width);
            for (let i = 0; i < node.count; i++) values.push(null);
            budget.add(values);
            rows.push(values);
          });
          return whenReady(drained, () => fillAll(execution, windows, rows));
        },
        () => source.close(),
      );
    },
  };
}

async function fillAll(
  execution: Execution,
  windows: readonly CompiledWindow[],
  given: Datum[][],
): Promise<readonly Datum[][]> {
  let rows = given;
  for (const window of windows) {
    const { partitionOrder, order, isSorted } = window;
    if (isSorted) {
      const sorted: Maybe<Datum[][]> = sortAll(execution, rows, (a, b) => {
        const first = partitionOrder(a, b);
        return first === 0 ? order(a, b) : first;
      });
      rows = sorted instanceof Promise ? await sorted : sorted;
    }
    for (let start = 0; start < rows.length; ) {
      let end = start + 1;
      while (
        end < rows.length &&
        partitionOrder(rows[start] as Datum[], rows[end] as Datum[]) === 0
      ) {
        end++;
      }
      const partition = new Partition(rows.slice(start, end), order);
      for (const fill of window.calls) await fill(partition, execution);
      start = end;
    }
  }
  return rows;
}
