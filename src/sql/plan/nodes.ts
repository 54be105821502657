// Plans as data: what binding makes of a statement and execution compiles to closures. This room knows descriptors and
// types; it reads no rows. Every node makes rows of numbered slots, and the expressions above it name these slots. A
// table's slots are its storage positions shifted by `base`, so that several tables of one join do not collide.

import type { AggregateCall, Expr } from '../../rows/expr.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { LockOptions } from '../../txn/api.ts';
import type { ResultField } from '../api.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { SessionSlot } from './session-functions.ts';
import type { TableAccess } from './spans.ts';
import type { VirtualTable } from './virtual.ts';

export interface TableNode {
  readonly kind: 'table';
  readonly table: TableDescriptor;
  readonly base: number;
  readonly access: TableAccess;
  /** Over storage positions (not shifted); what the access doesn't already guarantee. Has no volatile slots. */
  readonly filter: Expr | undefined;
  readonly reverse: boolean;
  readonly lock: LockOptions | undefined;
}

export interface SortKey {
  readonly slot: number;
  readonly type: ColumnType;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

export type PlanNode =
  /** One row without columns. */
  | { readonly kind: 'result' }
  | TableNode
  | {
      readonly kind: 'virtual';
      readonly virtual: VirtualTable;
      readonly base: number;
    }
  /** Expressions without columns, row by row; slots from `base`. */
  | {
      readonly kind: 'values';
      readonly base: number;
      readonly rows: readonly (readonly Expr[])[];
    }
  | {
      readonly kind: 'series';
      readonly base: number;
      readonly type: ColumnType;
      readonly start: Expr;
      readonly stop: Expr;
      readonly step: Expr | undefined;
    }
  /** A query in FROM: its outputs are slots from `base`. */
  | { readonly kind: 'subquery'; readonly base: number; readonly query: SelectPlan }
  | { readonly kind: 'filter'; readonly input: PlanNode; readonly predicate: Expr }
  | JoinNode
  | {
      readonly kind: 'aggregate';
      readonly input: PlanNode;
      /** Slots 0…; the aggregates follow. */
      readonly groupBy: readonly Expr[];
      readonly aggregates: readonly AggregateCall[];
      /** Partial aggregates are made where the rows are. */
      readonly pushed: boolean;
    }
  /** Slots 0…; what is above a projection sees nothing else. */
  | { readonly kind: 'project'; readonly input: PlanNode; readonly exprs: readonly Expr[] }
  | { readonly kind: 'distinct'; readonly input: PlanNode; readonly types: readonly ColumnType[] }
  | {
      readonly kind: 'sort';
      readonly input: PlanNode;
      readonly keys: readonly SortKey[];
      /** How many slots a row has. */
      readonly width: number;
    }
  | {
      readonly kind: 'limit';
      readonly input: PlanNode;
      readonly limit: Expr | undefined;
      readonly offset: Expr | undefined;
    };

export interface JoinNode {
  readonly kind: 'join';
  readonly type: 'inner' | 'left';
  readonly left: PlanNode;
  readonly right: PlanNode;
  /** Pairs that must be equal: hashed. Each side sees only its own slots. */
  readonly equal: readonly { readonly left: Expr; readonly right: Expr }[];
  /** What else must hold for a pair, over both sides' slots. */
  readonly condition: Expr | undefined;
  /** Slots that the right side makes: NULL for a left row without partner. */
  readonly rightSlots: readonly number[];
}

export interface SelectPlan {
  readonly kind: 'select';
  readonly input: PlanNode;
  /** Over the input's slots. */
  readonly outputs: readonly Expr[];
  readonly fields: readonly ResultField[];
}

/** What to do with one row that is written; all slots are storage positions. */
export interface InsertPlan {
  readonly kind: 'insert';
  readonly table: TableDescriptor;
  /** For each storage position, over the source's slots; undefined: the hidden key. */
  readonly values: readonly (Expr | undefined)[];
  /** VALUES lists: for each row its own `values`; then there is no source. */
  readonly rows: readonly (readonly (Expr | undefined)[])[] | undefined;
  readonly source: SelectPlan | undefined;
  readonly conflict: ConflictPlan | undefined;
  readonly returning: ReturningPlan | undefined;
}

export type ConflictPlan =
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'update';
      /** Over the existing row at 0… and the proposed one at `excludedBase`…. */
      readonly set: readonly SetColumn[];
      readonly where: Expr | undefined;
      readonly excludedBase: number;
    };

export interface SetColumn {
  readonly position: number;
  readonly value: Expr;
}

export interface ReturningPlan {
  readonly outputs: readonly Expr[];
  readonly fields: readonly ResultField[];
}

export interface UpdatePlan {
  readonly kind: 'update';
  readonly input: TableNode;
  /** What of WHERE can't go into the table's node. */
  readonly residual: Expr | undefined;
  readonly set: readonly SetColumn[];
  readonly returning: ReturningPlan | undefined;
}

export interface DeletePlan {
  readonly kind: 'delete';
  readonly input: TableNode;
  readonly residual: Expr | undefined;
  readonly returning: ReturningPlan | undefined;
}

export type StatementPlan = SelectPlan | InsertPlan | UpdatePlan | DeletePlan;

/** A bound statement with what is common to all. */
export interface Plan {
  readonly statement: StatementPlan;
  readonly parameterTypes: readonly ColumnType[];
  /** Values of the session: parameters from index parameterTypes.length on. */
  readonly slots: readonly SessionSlot[];
  readonly tables: readonly TableDescriptor[];
  readonly command: string;
  readonly readOnly: boolean;
  readonly literalDependent: boolean;
}
