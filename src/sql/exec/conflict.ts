// ON CONFLICT, compiled: what to do with a row whose key is there already.

import { DbError } from '../../base/errors.ts';
import {
  type CompiledExpr,
  type CompiledPredicate,
  compileExpr,
  compilePredicate,
  TupleView,
} from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Arbiter, ConflictPlan } from '../plan/nodes.ts';
import type { Execution } from './execution.ts';
import type { RowWriter } from './row-writer.ts';

type Row = readonly Datum[];

export class CompiledConflict {
  readonly update:
    | {
        readonly set: readonly { readonly position: number; readonly value: CompiledExpr }[];
        readonly where: CompiledPredicate | undefined;
      }
    | undefined;
  /** SET names key columns: rows may change places. */
  readonly movesKeys: boolean;
  /** Whose conflicts it is about; none: whichever. */
  readonly arbiters: readonly Arbiter[];
  readonly #writer: RowWriter;

  constructor(plan: ConflictPlan, writer: RowWriter) {
    this.#writer = writer;
    this.arbiters = plan.arbiters;
    this.movesKeys =
      plan.kind === 'update' && plan.set.some(({ position }) => writer.isKey(position));
    this.update =
      plan.kind === 'nothing'
        ? undefined
        : {
            set: plan.set.map((s) => ({ position: s.position, value: compileExpr(s.value) })),
            where: plan.where === undefined ? undefined : compilePredicate(plan.where),
          };
  }

  /** The row to put; undefined when WHERE says to leave it. */
  updated(existing: Row, proposed: Row, execution: Execution): Row | undefined {
    const { set, where } = this.update as NonNullable<CompiledConflict['update']>;
    const both = new TupleView([...existing, ...proposed]);
    if (where !== undefined && !where(both, execution.params)) return undefined;
    const values = existing.slice();
    for (const { position, value } of set) values[position] = value(both, execution.params);
    this.#writer.check(values, execution.context.session);
    return values;
  }
}

export function secondTime(): DbError {
  return new DbError('21000', 'ON CONFLICT DO UPDATE command cannot affect row a second time', {
    hint: 'Ensure that no rows proposed for insertion within the same command have duplicate constrained values.',
  });
}
