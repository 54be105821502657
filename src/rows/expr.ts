// Typed expressions: what the planner binds SQL to, what the main thread and the storage shards both compile to
// closures (rows/compile.ts), and what travels to a shard packed (rows/program.ts). No names, no overloads, no
// implicit casts are left in them.

import type { Datum } from './datum.ts';
import type { ColumnType } from './types.ts';

export type Expr =
  | { readonly kind: 'constant'; readonly type: ColumnType; readonly value: Datum }
  /** A column of the input row: storage position in a packed row, slot in a tuple. */
  | { readonly kind: 'column'; readonly type: ColumnType; readonly index: number }
  /** A statement parameter or folded literal, 0-based. */
  | { readonly kind: 'parameter'; readonly type: ColumnType; readonly index: number }
  /** A function of rows/functions.ts by its signature's name, such as 'int4+int4' or 'lower(text)'. Most are strict:
   * NULL in, NULL out. */
  | {
      readonly kind: 'call';
      readonly type: ColumnType;
      readonly name: string;
      readonly args: readonly Expr[];
    }
  /** A cast of rows/casts.ts; the type's modifier is applied (explicit casts truncate, assignments complain). */
  | {
      readonly kind: 'cast';
      readonly type: ColumnType;
      readonly arg: Expr;
      readonly context: 'implicit' | 'assignment' | 'explicit';
    }
  | { readonly kind: 'compare'; readonly op: CompareOp; readonly left: Expr; readonly right: Expr }
  | { readonly kind: 'and'; readonly args: readonly Expr[] }
  | { readonly kind: 'or'; readonly args: readonly Expr[] }
  | { readonly kind: 'not'; readonly arg: Expr }
  | { readonly kind: 'isNull'; readonly arg: Expr; readonly negated: boolean }
  /** IS [NOT] TRUE / FALSE. */
  | {
      readonly kind: 'isBool';
      readonly arg: Expr;
      readonly value: boolean;
      readonly negated: boolean;
    }
  | {
      readonly kind: 'isDistinct';
      readonly left: Expr;
      readonly right: Expr;
      readonly negated: boolean;
    }
  | {
      readonly kind: 'in';
      readonly arg: Expr;
      readonly list: readonly Expr[];
      readonly negated: boolean;
    }
  | {
      readonly kind: 'case';
      readonly type: ColumnType;
      readonly whens: readonly { readonly when: Expr; readonly result: Expr }[];
      readonly otherwise: Expr | undefined;
    }
  /** A query inside an expression: params[run] holds a SubplanRun, which answers for these arguments. Never sent to a
   * shard. */
  | {
      readonly kind: 'subplan';
      readonly type: ColumnType;
      readonly run: number;
      readonly args: readonly Expr[];
    }
  | { readonly kind: 'coalesce'; readonly type: ColumnType; readonly args: readonly Expr[] };

/** Both sides have the same type (after casts). */
export type CompareOp = '=' | '<>' | '<' | '<=' | '>' | '>=';

export type AggregateKind =
  | 'count(*)'
  | 'count'
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'bool_and'
  | 'bool_or'
  | 'string_agg'
  | 'stddev_samp'
  | 'stddev_pop'
  | 'var_samp'
  | 'var_pop'
  | 'corr'
  | 'covar_pop'
  | 'covar_samp'
  | 'regr_avgx'
  | 'regr_avgy'
  | 'regr_count'
  | 'regr_intercept'
  | 'regr_r2'
  | 'regr_slope'
  | 'regr_sxx'
  | 'regr_sxy'
  | 'regr_syy'
  | 'bit_and'
  | 'bit_or'
  | 'bit_xor'
  | 'array_agg'
  | 'json_agg'
  | 'jsonb_agg'
  | 'json_object_agg'
  | 'jsonb_object_agg';

export interface AggregateCall {
  readonly kind: AggregateKind;
  /** Empty for count(*). */
  readonly args: readonly Expr[];
  readonly distinct: boolean;
  readonly filter: Expr | undefined;
  /** Result type. */
  readonly type: ColumnType;
}
