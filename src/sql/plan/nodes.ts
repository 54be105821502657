// Plans as data: what binding makes of a statement and execution compiles to closures. This room knows descriptors and
// types; it reads no rows. Every node makes rows of numbered slots, and the expressions above it name these slots. A
// table's slots are its storage positions shifted by `base`, so that several tables of one join do not collide.

import type { SetFunction } from '../../rows/function-sets.ts';
import type { AggregateCall, Expr } from '../../rows/expr.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { LockOptions } from '../../txn/api.ts';
import type { ResultField } from '../api.ts';
import type { SecondaryIndex, TableDescriptor } from '../catalog/descriptor.ts';
import type { PlanSlot } from './session-functions.ts';
import type { AccessChoice, TableAccess } from './spans.ts';
import type { TableRules } from './table-rules.ts';
import type { VirtualTable } from '../system/virtual.ts';

export interface TableNode {
  readonly kind: 'table';
  readonly table: TableDescriptor;
  readonly base: number;
  readonly access: TableAccess;
  /** Over storage positions (not shifted); what the access doesn't already guarantee. Has no volatile slots. */
  readonly filter: Expr | undefined;
  readonly reverse: boolean;
  readonly lock: LockOptions | undefined;
  /** Of the entries of the index that is gone through; as the rows' where it is not said. */
  readonly entryLock?: LockOptions;
  /** What else could be done, the best first: of use where an order is asked for. */
  readonly choices: readonly AccessChoice[];
  /** All of the conditions on the table's rows, over storage positions. */
  readonly conditions: Expr | undefined;
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
  /** A function that answers rows; slots from `base`, the number of the row last when there is ordinality. */
  | {
      readonly kind: 'tableFunction';
      readonly base: number;
      readonly name: string;
      readonly types: readonly ColumnType[];
      readonly args: readonly Expr[];
      readonly ordinality: boolean;
      /** Undefined: generate_series or unnest. */
      readonly set: SetFunction | undefined;
    }
  /** A query of WITH that is worked out once: shared[id] of the plan. */
  | { readonly kind: 'shared'; readonly base: number; readonly id: number; readonly width: number }
  /** The rows of a recursion's last step. */
  | { readonly kind: 'working'; readonly base: number; readonly id: number; readonly width: number }
  /** The base's rows, then the step's as long as there come new ones. */
  | {
      readonly kind: 'recursive';
      readonly id: number;
      /** Without ALL, rows that were there already are dropped. */
      readonly all: boolean;
      readonly types: readonly ColumnType[];
      readonly base: PlanNode;
      readonly step: PlanNode;
    }
  /** A query in FROM: its outputs are slots from `base`. */
  | { readonly kind: 'subquery'; readonly base: number; readonly query: SelectPlan }
  | { readonly kind: 'filter'; readonly input: PlanNode; readonly predicate: Expr }
  | JoinNode
  | LateralNode
  | WindowNode
  | {
      readonly kind: 'aggregate';
      readonly input: PlanNode;
      /** Slots 0…; the aggregates follow. */
      readonly groupBy: readonly Expr[];
      readonly aggregates: readonly AggregateCall[];
      /** Partial aggregates are made where the rows are. */
      readonly pushed: boolean;
      /** Several sets of groups; what a set does not have is NULL. */
      readonly grouping?: GroupingSetsNode;
    }
  /** Slots 0…; what is above a projection sees nothing else. */
  | { readonly kind: 'project'; readonly input: PlanNode; readonly exprs: readonly Expr[] }
  /** The first of rows that are equal in `keys` (undefined: in all slots); `types` are all slots'. */
  | {
      readonly kind: 'distinct';
      readonly input: PlanNode;
      readonly types: readonly ColumnType[];
      readonly keys: readonly number[] | undefined;
    }
  /** One after the other; all have the same slots. */
  | { readonly kind: 'append'; readonly inputs: readonly PlanNode[]; readonly width: number }
  /** INTERSECT and EXCEPT. */
  | {
      readonly kind: 'matched';
      readonly op: 'intersect' | 'except';
      readonly all: boolean;
      readonly left: PlanNode;
      readonly right: PlanNode;
      readonly types: readonly ColumnType[];
    }
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
      /** WITH TIES: rows that are equal to the last one in these come, too. */
      readonly ties: readonly SortKey[] | undefined;
    };

/** The nodes whose rows a node works on. */
export function inputsOf(node: PlanNode): readonly PlanNode[] {
  switch (node.kind) {
    case 'join':
    case 'lateral':
    case 'matched':
      return [node.left, node.right];
    case 'append':
      return node.inputs;
    case 'recursive':
      return [node.base, node.step];
    case 'subquery':
      return [node.query.input];
    case 'filter':
    case 'aggregate':
    case 'window':
    case 'project':
    case 'distinct':
    case 'sort':
    case 'limit':
      return [node.input];
    default:
      return [];
  }
}

export interface JoinNode {
  readonly kind: 'join';
  readonly type: 'inner' | 'left' | 'full';
  readonly left: PlanNode;
  readonly right: PlanNode;
  /** Pairs that must be equal: hashed. Each side sees only its own slots. */
  readonly equal: readonly { readonly left: Expr; readonly right: Expr }[];
  /** What else must hold for a pair, over both sides' slots. */
  readonly condition: Expr | undefined;
  /** Slots that the right side makes: NULL for a left row without partner. */
  readonly rightSlots: readonly number[];
}

export interface GroupingSetsNode {
  /** Indices of groups. */
  readonly sets: readonly (readonly number[])[];
  /** The arguments of each GROUPING(…), as groups: slots behind the aggregates. */
  readonly groupings: readonly (readonly number[])[];
}

export type WindowFunction =
  | { readonly kind: 'aggregate'; readonly call: AggregateCall }
  | { readonly kind: 'own'; readonly name: string };

export type WindowBound =
  | { readonly kind: 'unbounded' }
  | { readonly kind: 'currentRow' }
  | {
      readonly kind: 'preceding' | 'following';
      readonly offset: Expr;
      /** Of RANGE: whether a row (slot 0) is within the bound of the current one (slot 1) and the offset (slot 2). */
      readonly test?: Expr;
    };

export interface WindowFrameNode {
  readonly mode: 'rows' | 'range' | 'groups';
  readonly start: WindowBound;
  readonly end: WindowBound;
  readonly exclude: 'none' | 'currentRow' | 'group' | 'ties';
}

export interface WindowNode {
  readonly kind: 'window';
  readonly input: PlanNode;
  /** Slots of the input; those of the calls follow. */
  readonly width: number;
  readonly count: number;
  readonly windows: readonly {
    readonly partition: readonly SortKey[];
    readonly keys: readonly SortKey[];
    readonly calls: readonly {
      readonly function: WindowFunction;
      /** Slots of the input. */
      readonly args: readonly Expr[];
      readonly frame: WindowFrameNode;
      readonly result: number;
      readonly type: ColumnType;
    }[];
  }[];
}

/** A join whose right side takes values of the left one's row: it is run anew for each. */
export interface LateralNode {
  readonly kind: 'lateral';
  readonly type: 'inner' | 'left';
  readonly left: PlanNode;
  readonly right: PlanNode;
  /** Parameters of the right side, and their values over the left side's slots. */
  readonly outer: readonly number[];
  readonly args: readonly Expr[];
  readonly condition: Expr | undefined;
  readonly rightSlots: readonly number[];
}

export interface SelectPlan {
  readonly kind: 'select';
  readonly input: PlanNode;
  /** Over the input's slots. */
  readonly outputs: readonly Expr[];
  readonly fields: readonly ResultField[];
  /** Of a query that depends on the one around it only by columns that must equal something of that: how to answer
   * for all values of these at once. */
  readonly keyed?: KeyedQuery;
}

export interface KeyedQuery {
  /** Its outputs are the query's, and behind them what must be equal to `keys`. */
  readonly plan: SelectPlan;
  /** In terms of the parameters that stand for the query around. */
  readonly keys: readonly Expr[];
  /** How many of the columns taken from around stand in the comparisons that became keys. */
  readonly uses: number;
  /** It answers something also where no row is. */
  readonly answersNothing: boolean;
}

/** A query inside an expression. */
export interface Subplan {
  /** The parameter that holds its runner, or its answer when it is `initial`. */
  readonly run: number;
  /** Needs nothing of what is around it: answered once, before anything is read. */
  readonly initial: boolean;
  /** What an initial one compares its rows with. */
  readonly lefts: readonly Expr[];
  readonly query: SelectPlan;
  /** Parameters of the query that the last arguments of a call are the values of. */
  readonly outer: readonly number[];
  readonly outerTypes: readonly ColumnType[];
  /** Its rows are got by keys that the arguments give, so that nothing is won by reading all at once. */
  readonly byKey: boolean;
  readonly answer: SubplanAnswer;
}

export type SubplanAnswer =
  | { readonly kind: 'scalar' }
  | { readonly kind: 'exists' }
  /** ARRAY(SELECT …) */
  | { readonly kind: 'array'; readonly elementOid: number }
  /** Compares the first arguments of a call with each row. */
  | {
      readonly kind: 'quantified';
      /** row: there must be at most one. */
      readonly quantifier: 'any' | 'all' | 'row';
      /** Over the arguments (slots 0…) and the row behind them. */
      readonly test: Expr;
      /** Of the arguments, where all of them must equal the row's columns. */
      readonly hashed: readonly ColumnType[] | undefined;
      readonly width: number;
    };

/** What to do with one row that is written; all slots are storage positions. */
export interface InsertPlan {
  readonly kind: 'insert';
  readonly table: TableDescriptor;
  readonly rules: TableRules;
  /** For each storage position, over the source's slots; undefined: the hidden key. */
  readonly values: readonly (Expr | undefined)[];
  /** VALUES lists: for each row its own `values`; then there is no source. */
  readonly rows: readonly (readonly (Expr | undefined)[])[] | undefined;
  readonly source: SelectPlan | undefined;
  readonly conflict: ConflictPlan | undefined;
  readonly returning: ReturningPlan | undefined;
}

/** What may be there already: the primary key, or a unique index. */
export type Arbiter =
  | { readonly kind: 'primary' }
  | { readonly kind: 'index'; readonly index: SecondaryIndex };

export type ConflictPlan =
  /** Without arbiters: whatever is there already. */
  | { readonly kind: 'nothing'; readonly arbiters: readonly Arbiter[] }
  | {
      readonly kind: 'update';
      readonly arbiters: readonly Arbiter[];
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
  readonly rules: TableRules;
  readonly input: TableNode;
  /** What of WHERE can't go into the table's node. */
  readonly residual: Expr | undefined;
  readonly set: readonly SetColumn[];
  readonly returning: ReturningPlan | undefined;
}

export interface DeletePlan {
  readonly kind: 'delete';
  readonly rules: TableRules;
  readonly input: TableNode;
  readonly residual: Expr | undefined;
  readonly returning: ReturningPlan | undefined;
}

/** UPDATE … FROM and DELETE … USING. */
export interface JoinedWritePlan {
  readonly kind: 'joinedWrite';
  readonly command: 'update' | 'delete';
  readonly table: TableDescriptor;
  readonly rules: TableRules;
  /** The row by storage position, what is set, and what RETURNING asks of the other tables. */
  readonly input: PlanNode;
  /** Over the input's slots. */
  readonly set: readonly SetColumn[];
  /** Over the row as it is when it is written, and the other tables' slots behind it. */
  readonly returning: ReturningPlan | undefined;
  readonly others: number;
}

export type StatementPlan = SelectPlan | InsertPlan | UpdatePlan | DeletePlan | JoinedWritePlan;

/** A bound statement with what is common to all. */
export interface Plan {
  readonly statement: StatementPlan;
  readonly parameterTypes: readonly ColumnType[];
  /** Values of the session: parameters from index parameterTypes.length on. */
  readonly slots: readonly PlanSlot[];
  readonly subplans: readonly Subplan[];
  readonly shared: readonly SelectPlan[];
  readonly tables: readonly TableDescriptor[];
  readonly command: string;
  readonly readOnly: boolean;
  readonly literalDependent: boolean;
}
