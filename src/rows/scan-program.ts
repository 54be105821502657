// The shape of a scan program; program.ts says what it does.

import type { AggregateCall, Expr } from './expr.ts';
import type { RowLayout } from './row-codec.ts';

export interface ScanProgram {
  readonly layout: RowLayout;
  readonly filter: Expr | undefined;
  readonly output:
    | {
        readonly kind: 'rows';
        readonly withKeys: boolean;
        /** Storage positions, in output order; undefined: the whole row, unchanged. */
        readonly columns: readonly number[] | undefined;
      }
    | {
        readonly kind: 'aggregate';
        readonly groupBy: readonly Expr[];
        readonly aggregates: readonly AggregateCall[];
      };
}
