// One execution of a plan: its context, and the statement's parameters followed by the session's values. This room runs
// plans: closures made once from plan nodes, cursors that answer at once whenever a row is at hand.

import { assert } from '../../base/assert.ts';
import { unsupported } from '../../base/errors.ts';
import type { Maybe } from '../../base/maybe.ts';
import type { Datum } from '../../rows/datum.ts';
import { type CompiledExpr, compileExpr, type RowAccess, Suspension } from '../../rows/compile.ts';
import type { Expr } from '../../rows/expr.ts';
import { type ColumnType, columnType } from '../../rows/types.ts';
import type { PlanSlot, SessionFunction } from '../plan/session-functions.ts';
import { hasSubplan, someExpr } from '../plan/expr-tools.ts';
import type { Transaction } from '../../txn/api.ts';
import type { TableNode } from '../plan/nodes.ts';
import { blankRow } from './blank-row.ts';
import type { ExecContext } from './plan-api.ts';
import { NO_ROW } from './key-spans.ts';

const NO_DATUMS: readonly Datum[] = [];
const NO_SLOTS: readonly number[] = [];
const GIVING: ReadonlySet<string> = new Set(['nextval', 'setval']);

/** Undefined: filled by the queries that the plan has inside. */
type CompiledSlot =
  | { readonly function: SessionFunction; readonly args: readonly CompiledExpr[] }
  | undefined;

/** What compiling a plan's parts needs to know of the whole: which parameters are the session's. */
export class SlotSet {
  readonly firstSlot: number;
  /** Of all parameters, the slots included. */
  readonly types: readonly ColumnType[];
  /** Tables whose rows are not looked up, for EXPLAIN. */
  readonly indexOnly: Set<TableNode> = new Set();
  readonly #slots: readonly CompiledSlot[];
  readonly #claimed = new Set<number>();
  /** Queries of WITH that are worked out once; compiled after this was made, since they use it. */
  shared: readonly unknown[] = [];

  constructor(parameterTypes: readonly ColumnType[], slots: readonly PlanSlot[]) {
    this.firstSlot = parameterTypes.length;
    this.types = [...parameterTypes, ...slots.map(slotType)];
    this.#slots = slots.map((slot) =>
      slot.kind === 'session'
        ? { function: slot.function, args: slot.args.map(compileExpr) }
        : undefined,
    );
  }

  get size(): number {
    return this.#slots.length;
  }

  isVolatile(expr: Expr): boolean {
    return someExpr(
      expr,
      (e) =>
        e.kind === 'parameter' && this.#slots[e.index - this.firstSlot]?.function.volatile === true,
    );
  }

  /** Those whose evaluation counts and may have to wait, as indexes among the slots: whoever asks evaluates them for
   * each row (Execution.refresh). */
  waitingIn(exprs: readonly Expr[]): readonly number[] {
    const found = new Set<number>();
    for (const expr of exprs) {
      someExpr(expr, (e) => {
        const i = e.kind === 'parameter' ? e.index - this.firstSlot : -1;
        if (this.#slots[i]?.function.waits === true) found.add(i);
        return false;
      });
    }
    for (const i of found) this.#claimed.add(i);
    return [...found];
  }

  refuseGiving(exprs: readonly Expr[], where: string): void {
    const i = this.waitingIn(exprs).find((one) => isGiving(this.#slots[one]));
    if (i !== undefined) throw unsupported(`${this.#slots[i]?.function.name ?? ''}() in ${where}`);
  }

  /** When all is compiled: what gives numbers stands only where rows are made one by one. */
  demandClaimed(): void {
    const name = this.#slots.find((slot, i) => isGiving(slot) && !this.#claimed.has(i))?.function;
    if (name !== undefined) throw unsupported(`${name.name}() here`);
  }

  /** Fills the slots in `params`, all or only the volatile ones; of those that count only `waiting`. `given`:
   * what they gave before one of them had to wait, so that it is not asked for again. */
  fill(
    context: ExecContext,
    params: Datum[],
    volatileOnly: boolean,
    waiting: readonly number[] = NO_SLOTS,
    given?: Map<number, Datum>,
  ): void {
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[i];
      if (slot === undefined || (volatileOnly && !slot.function.volatile)) continue;
      if (slot.function.waits && !waiting.includes(i)) {
        if (volatileOnly || isGiving(slot) || this.#claimed.has(i)) continue;
      }
      const before = given?.get(i);
      if (before !== undefined) {
        params[this.firstSlot + i] = before;
        continue;
      }
      const args = slot.args.length === 0 ? NO_DATUMS : slot.args.map((arg) => arg(NO_ROW, params));
      const value = slot.function.evaluate(context.session, args, context.catalog);
      params[this.firstSlot + i] = value;
      if (slot.function.waits) given?.set(i, value);
    }
    given?.clear();
  }
}

function isGiving(slot: CompiledSlot): boolean {
  return slot !== undefined && GIVING.has(slot.function.name);
}

function slotType(slot: PlanSlot): ColumnType {
  return slot.kind === 'session' ? columnType(slot.function.type.oid) : slot.type;
}

/** Rows that are made or looked at without a promise between two turns of others: a few milliseconds of work. */
const STEPS_BETWEEN_PAUSES = 8192;

export class Execution {
  readonly context: ExecContext;
  /** With the slots' values. */
  readonly params: readonly Datum[];
  readonly #slots: SlotSet;
  /** The whole statement's; an inner query's has others' parameters. */
  readonly root: Execution;
  /** What each recursion's last step has found. */
  readonly working: Map<number, readonly (readonly Datum[])[]> = new Map();
  readonly #shared: Maybe<readonly (readonly Datum[])[]>[] = [];
  #given: Map<number, Datum> | undefined;
  #steps = 0;

  constructor(context: ExecContext, params: readonly Datum[], slots: SlotSet, root?: Execution) {
    this.root = root ?? this;
    this.context = context;
    this.#slots = slots;
    if (params.length === slots.types.length) {
      // Nothing to fill, or filled already.
      this.params = params;
    } else {
      const filled = blankRow(slots.types.length);
      for (let i = 0; i < params.length; i++) filled[i] = params[i] as Datum;
      slots.fill(context, filled, false);
      this.params = filled;
    }
  }

  /** Of a query inside this one, with parameters of its own. */
  inner(params: readonly Datum[]): Execution {
    return new Execution(this.context, params, this.#slots, this.root);
  }

  /** What is worked out once for the whole statement. */
  shared(
    id: number,
    work: () => Maybe<readonly (readonly Datum[])[]>,
  ): Maybe<readonly (readonly Datum[])[]> {
    const { root } = this;
    if (root !== this) return root.shared(id, work);
    const known = this.#shared[id];
    if (known !== undefined) return known;
    const rows = work();
    this.#shared[id] = rows;
    if (!(rows instanceof Promise)) return rows;
    return rows.then((ready) => {
      this.#shared[id] = ready;
      return ready;
    });
  }

  /** Counts a step of work that waits for nothing; true when it is time to pause(). */
  isPauseDue(): boolean {
    this.#steps++;
    return this.#steps % STEPS_BETWEEN_PAUSES === 0;
  }

  /** Lets others have their turn; throws when the statement was cancelled meanwhile. */
  async pause(): Promise<void> {
    this.context.checkCancelled();
    await this.context.pause();
    this.context.checkCancelled();
  }

  /** New values for volatile functions: before each row whose expressions have any. `waiting`: see SlotSet. */
  refresh(waiting?: readonly number[]): void {
    const counts = waiting !== undefined && waiting.length > 0;
    if (counts) this.#given ??= new Map();
    const given = counts ? this.#given : undefined;
    this.#slots.fill(this.context, this.params as Datum[], true, waiting, given);
  }
}

export function transactionOf({ context }: Execution): Transaction {
  assert(context.txn !== undefined, 'a plan that locks or writes runs in a transaction');
  return context.txn;
}

/** Several expressions over one row, into an array that is reused. */
export class RowExprs {
  readonly #exprs: readonly CompiledExpr[];
  readonly #isVolatile: boolean;
  readonly #waiting: readonly number[];
  /** Some wait for queries: into() may throw a Suspension. */
  readonly suspends: boolean;

  constructor(exprs: readonly Expr[], slots: SlotSet) {
    this.#exprs = exprs.map(compileExpr);
    this.#isVolatile = exprs.some((e) => slots.isVolatile(e));
    this.#waiting = slots.waitingIn(exprs);
    this.suspends = this.#waiting.length > 0 || exprs.some(hasSubplan);
  }

  get width(): number {
    return this.#exprs.length;
  }

  into(row: RowAccess, execution: Execution, out: Datum[]): void {
    if (this.#isVolatile) execution.refresh(this.#waiting);
    const { params } = execution;
    for (let i = 0; i < this.#exprs.length; i++) {
      out[i] = (this.#exprs[i] as CompiledExpr)(row, params);
    }
  }

  values(row: RowAccess, execution: Execution): Datum[] {
    const out = blankRow(this.#exprs.length);
    this.into(row, execution, out);
    return out;
  }
}

/** Runs what may wait for a query inside an expression: at once, or again and again until it need not wait. */
export function suspending<T>(run: () => T): Maybe<T> {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Suspension)) throw error;
    return error.ready.then(() => suspending(run));
  }
}
