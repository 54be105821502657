// Execution of UPDATE … FROM and DELETE … USING: rows are read with those that they are joined with, each taken once
// with the first of these, and only then written.

import { type Maybe, whenReady } from '../../base/maybe.ts';
import type { Datum } from '../../rows/datum.ts';
import type { JoinedWritePlan } from '../plan/nodes.ts';
import { compileNode, slotsIn } from './compile-node.ts';
import { drain } from './cursor.ts';
import { keyText } from './duplicates.ts';
import { Execution, type SlotSet, transactionOf } from './execution.ts';
import { MemoryBudget } from './memory-budget.ts';
import { answer, Returning } from './returning.ts';
import { RowChanges } from './row-changes.ts';
import { RowWriter } from './row-writer.ts';
import type { Run } from './select.ts';
import { copyRow } from './sort.ts';

type Row = readonly Datum[];

interface Change {
  readonly before: Row;
  readonly after: Row;
  /** What RETURNING asks of the other tables. */
  readonly others: Row;
}

export function compileJoinedWrite(plan: JoinedWritePlan, slots: SlotSet): Run {
  const { table, set, command } = plan;
  const width = table.layout.types.length;
  const writer = new RowWriter(table, plan.rules);
  const input = compileNode(plan.input, slotsIn([]), slots);
  const returning = plan.returning === undefined ? undefined : new Returning(plan.returning, slots);
  const total = width + set.length + plan.others;

  const changeOf = (row: Row, execution: Execution): Change => {
    const before = row.slice(0, width);
    const others = row.slice(width + set.length);
    if (command === 'delete') return { before, after: before, others };
    const after = before.slice();
    set.forEach(({ position }, i) => {
      after[position] = row[width + i] as Datum;
    });
    writer.check(after, execution.context.session);
    return { before, after, others };
  };

  const gather = (execution: Execution): Maybe<readonly Change[]> => {
    const cursor = input.open(execution, 0);
    const changes: Change[] = [];
    const seen = new Set<string>();
    const budget = new MemoryBudget('UPDATE or DELETE');
    const drained = drain(cursor, () => {
      const row = copyRow(cursor.row, total);
      const key = keyText(writer.key(row));
      if (seen.has(key)) return;
      seen.add(key);
      budget.add(row);
      changes.push(changeOf(row, execution));
    });
    return whenReady(drained, () => changes);
  };

  return (context, params, sink, maxRows) => {
    const execution = new Execution(context, params, slots);
    return whenReady(gather(execution), (changes) => {
      const all = new RowChanges(writer);
      for (const { before, after } of changes) {
        if (command === 'delete') all.delete(before);
        else all.update(before, after);
      }
      return whenReady(all.apply(transactionOf(execution)), () => {
        const rows = changes.map(({ after, others }) => [...after, ...others]);
        const returned = returning?.rows(rows, execution);
        const tag = `${command.toUpperCase()} ${changes.length}`;
        return answer(returned, tag, execution, sink, maxRows);
      });
    });
  };
}
