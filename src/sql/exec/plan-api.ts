// What a session asks of planning and execution. A statement is compiled once (prepare.ts) to a CompiledPlan, which
// holds closures and no state of any execution, and is then run any number of times with an ExecContext.

import type { Maybe } from '../../base/maybe.ts';
import type { Datum } from '../../rows/datum.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { ReadView, Transaction } from '../../txn/api.ts';
import type { ResultField, ResultSink } from '../api.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { Expression, LiteralValue } from '../parse/ast.ts';

/** What binding a statement needs to know. */
export interface PlanEnvironment {
  readonly catalog: CatalogView;
  /** Reads a column's defaultText back (sql/parse). */
  readonly parseExpression: (text: string) => Expression;
  /** Declared OIDs of $1…, 0 or UNKNOWN where the client left it open. Parameters beyond the list are open. */
  readonly parameterTypes: readonly number[];
  /** The literals that the fingerprint took out, as this text has them: parameter `parameterCount + i` is literal i. */
  readonly literals: readonly LiteralValue[];
  /** How many parameters are the statement's own: the index of the first literal. */
  readonly parameterCount: number;
}

/** Values of the session and of the moment that functions such as now() and current_user answer. Plain fields and
 * methods: one object for each session, changed by it between statements. */
export interface SessionValues {
  readonly currentUser: string;
  readonly sessionUser: string;
  readonly database: string;
  /** The schemas of the search path that exist, in order. */
  readonly searchPath: readonly string[];
  readonly backendPid: number;
  /** Microseconds since 1970, as now() and statement_timestamp() answer them. */
  readonly transactionMicros: number;
  readonly statementMicros: number;
  /** Microseconds since 1970, at this moment: clock_timestamp(). */
  clockMicros(): number;
  /** Minutes to add to UTC for the session's zone at an instant (microseconds since 1970); 0 for UTC. */
  zoneOffsetMinutes(micros: number): number;
  /** version() */
  readonly version: string;
  /** Undefined: there is no such setting. Names are lower case. */
  setting(name: string): string | undefined;
  readonly sequences: SequenceValues;
  /** Uniform in [0, 2^32): random(), gen_random_uuid(). */
  uint32(): number;
}

/** nextval() and its like. Each throws a Suspension while it must wait: it is then asked again. */
export interface SequenceValues {
  nextval(name: string): bigint;
  currval(name: string): bigint;
  lastval(): bigint;
  setval(name: string, value: bigint, isCalled: boolean): bigint;
}

/** What an execution may touch. The session may reuse one object: a plan keeps it no longer than its cursor lives. */
export interface ExecContext {
  /** What the statement reads: a snapshot, or the transaction itself. */
  readonly view: ReadView;
  /** Set whenever the plan is not readOnly. */
  readonly txn: Transaction | undefined;
  readonly session: SessionValues;
  readonly catalog: CatalogView;
  /** Catalog.nextRowId: hidden keys. */
  nextRowId(): number;
  /** Throws DbError 57014 once the statement was cancelled or timed out. Asked at least once a batch. */
  checkCancelled(): void;
  /** Resolves when other work of this node has had its turn: for what computes long without waiting for anything. */
  pause(): Promise<void>;
  monotonicMicros(): number;
  /** Set by EXPLAIN ANALYZE: counts what is read. */
  readonly reads?: ReadCounts;
}

export interface ReadCounts {
  /** Got by their keys. */
  keys: number;
  /** Scanned, after filters and aggregation where the rows are. */
  rows: number;
  batches: number;
  bytes: number;
}

/** A string is the command tag of a statement that is through ('SELECT 1'): the caller sends it, after the commit if
 * it commits. Otherwise maxRows were sent and there may be more. */
export type ExecResult = string | SuspendedExecution;

export interface SuspendedExecution {
  /** With the context of then, which must still be valid (same transaction or snapshot). */
  resume(sink: ResultSink, maxRows: number): Maybe<ExecResult>;
  /** Gives scans up; idempotent. */
  close(): void;
}

export interface CompiledPlan {
  /** One for each parameter, the folded literals included: what `params` must hold. */
  readonly parameterTypes: readonly ColumnType[];
  /** Undefined: returns no rows. */
  readonly fields: readonly ResultField[] | undefined;
  /** As messages name it: INSERT, SELECT FOR UPDATE, … */
  readonly command: string;
  /** True: a snapshot is enough. False: needs context.txn. */
  readonly readOnly: boolean;
  /** Real tables that the plan was made for: pin them (CatalogView.use); a change of any voids the plan. */
  readonly tables: readonly TableDescriptor[];
  /** The plan holds for these very literals only (ORDER BY 1, GROUP BY a + 1): cache it by text, not by fingerprint. */
  readonly literalDependent: boolean;
  /** Throws or rejects with DbError. Sends rows to the sink, never fields, complete or suspended. maxRows 0: all. */
  execute(
    context: ExecContext,
    params: readonly Datum[],
    sink: ResultSink,
    maxRows: number,
  ): Maybe<ExecResult>;
  /** The tree, one line each. */
  explain(): readonly string[];
}
