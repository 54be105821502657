// Runs compiled plans: which view they read, when their transaction begins and commits, what is retried, and how a
// running statement is cancelled. The path of a cached point read allocates a snapshot and nothing else.

import { DbError } from '../../base/errors.ts';
import { isPromise, type Maybe } from '../../base/maybe.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { ReadView, Snapshot, Transaction } from '../../txn/api.ts';
import type { AsOf } from '../parse/ast.ts';
import type { ResultSink } from '../api.ts';
import type { CatalogView } from '../catalog/api.ts';
import type {
  CompiledPlan,
  ExecContext,
  ExecResult,
  SuspendedExecution,
} from '../exec/plan-api.ts';
import { demandSameTables, openAsOf } from './as-of.ts';
import { CountingSink } from './counting-sink.ts';
import type { SessionServices } from './services.ts';
import type { TransactionState } from './transaction-state.ts';
import type { LiveValues } from './values.ts';

/** A statement outside a block is tried again after 40001 this often. Its age is kept, so that in the end it is the
 * oldest and nobody wounds it (P21): the bound is against defects, not against contention. */
const ATTEMPTS_MAX = 1000;

interface Attempt {
  readonly txn: Transaction;
  /** Undefined: to be executed. */
  readonly running: Maybe<ExecResult> | undefined;
}

export class PlanRunner {
  readonly #services: SessionServices;
  readonly #state: TransactionState;
  readonly #catalog: CatalogView;
  readonly #values: LiveValues;
  #cancelled: DbError | undefined;
  #running = false;
  #timeout: Disposable | undefined;
  #readsAt: Timestamp | undefined;
  /** The transaction of a statement that runs alone: what cancel() has to wake. */
  #alone: Transaction | undefined;
  readonly #nextRowId: () => number;
  readonly checkCancelled: () => void;
  readonly #pause: () => Promise<void>;
  readonly #monotonicMicros: () => number;

  constructor(
    services: SessionServices,
    state: TransactionState,
    catalog: CatalogView,
    values: LiveValues,
  ) {
    this.#services = services;
    this.#state = state;
    this.#catalog = catalog;
    this.#values = values;
    this.#nextRowId = () => services.catalog.nextRowId();
    this.checkCancelled = () => {
      if (this.#cancelled !== undefined) throw this.#cancelled;
    };
    this.#pause = () => new Promise((resolve) => services.timers.soon(resolve));
    this.#monotonicMicros = () => services.time.monotonicMicros();
  }

  /** A statement that is its own transaction. */
  runAlone(
    plan: CompiledPlan,
    params: readonly Datum[],
    sink: ResultSink,
    maxRows: number,
    asOf?: AsOf,
  ): Maybe<ExecResult> {
    if (!plan.readOnly) this.#state.demandWritable(plan.command);
    this.#begins(true);
    if (asOf !== undefined) return this.#readPast(plan, params, sink, maxRows, asOf);
    if (!plan.readOnly) return this.#writeAlone(plan, params, sink, maxRows);
    const context = this.context(this.#services.transactions.snapshot(), undefined);
    const result = plan.execute(context, params, sink, maxRows);
    if (!isPromise(result)) {
      this.#over();
      return result;
    }
    // It goes on after this turn: schema changes must wait for it from now on.
    try {
      this.#pin(plan);
    } catch (error) {
      result.catch(() => undefined);
      this.#over();
      throw error;
    }
    return result.then(
      (done) => {
        this.#release();
        return done;
      },
      (error: unknown) => {
        this.#release();
        throw this.#reason(error);
      },
    );
  }

  async #readPast(
    plan: CompiledPlan,
    params: readonly Datum[],
    sink: ResultSink,
    maxRows: number,
    asOf: AsOf,
  ): Promise<ExecResult> {
    try {
      const snapshot = this.openAsOf(plan, asOf);
      await demandSameTables(snapshot, plan.tables, this.#services.transactions);
      return await plan.execute(this.context(snapshot, undefined), params, sink, maxRows);
    } catch (error) {
      throw this.#reason(error);
    } finally {
      this.#release();
    }
  }

  /** Begins an implicit block that reads as of then, for a statement of which rows are asked for a few at a time. */
  beginAsOf(plan: CompiledPlan, asOf: AsOf): void {
    this.#state.beginImplicit();
    this.#state.readAt(this.openAsOf(plan, asOf));
  }

  /** The tables are pinned as they are now. */
  openAsOf(plan: CompiledPlan, asOf: AsOf): Snapshot {
    if (!plan.readOnly) {
      throw new DbError('25006', 'what is locked is locked now: it can not be read in the past');
    }
    this.#pin(plan);
    return openAsOf(asOf, this.#services.transactions, plan.tables);
  }

  /** The first statement of an implicit block: begins its transaction, and may be retried since nothing came before.
   * Answers at once when nothing has to be waited for, which is most of what an INSERT of one row is (bench: point). */
  runFirst(
    plan: CompiledPlan,
    params: readonly Datum[],
    sink: ResultSink,
    maxRows: number,
  ): Maybe<ExecResult> {
    if (plan.readOnly || maxRows > 0) return this.runInBlock(plan, params, sink, maxRows);
    this.#state.demandWritable(plan.command);
    this.#begins(true);
    this.#pin(plan);
    if (plan.fields !== undefined) return this.#firstLater(plan, params, sink, undefined);
    const txn = this.#beginAttempt(undefined);
    let running: Maybe<ExecResult>;
    try {
      running = plan.execute(this.context(txn, txn), params, sink, 0);
    } catch (error) {
      running = Promise.reject(error);
    }
    if (isPromise(running)) return this.#firstLater(plan, params, sink, { txn, running });
    this.#state.adopt(txn);
    this.#over();
    return running;
  }

  /** What runFirst() ran and the end of its block aborted with `reason`. Its tag stands in the answer already: where it
   * would be another one now, nothing is changed and the client has to try again. */
  async runAgain(
    plan: CompiledPlan,
    params: readonly Datum[],
    sink: ResultSink,
    before: Transaction,
    tag: string,
    reason: DbError,
  ): Promise<void> {
    this.#begins(true);
    this.#pin(plan);
    let isSame = true;
    const settle = (txn: Transaction, result: ExecResult): Promise<unknown> | undefined => {
      isSame = result === tag;
      if (isSame) return txn.commit();
      txn.rollback();
      return undefined;
    };
    try {
      const txn = this.#beginAttempt(before);
      await this.#attempts(plan, params, sink, settle, 0, { txn, running: undefined });
    } catch (error) {
      throw this.#reason(error);
    } finally {
      this.#release();
    }
    if (!isSame) throw reason;
  }

  async #firstLater(
    plan: CompiledPlan,
    params: readonly Datum[],
    sink: ResultSink,
    begun: Attempt | undefined,
  ): Promise<ExecResult> {
    const adopt = (txn: Transaction): undefined => {
      this.#state.adopt(txn);
    };
    try {
      return await this.#attempts(plan, params, sink, adopt, 0, begun);
    } catch (error) {
      throw this.#reason(error);
    } finally {
      this.#over();
    }
  }

  /** A statement in an open block. */
  runInBlock(
    plan: CompiledPlan,
    params: readonly Datum[],
    sink: ResultSink,
    maxRows: number,
  ): Maybe<ExecResult> {
    if (!plan.readOnly) this.#state.demandWritable(plan.command);
    this.#begins(false);
    const view = this.#state.view();
    const txn = this.#state.current;
    // A snapshot that was opened before says nothing of now.
    if (txn === undefined) this.#catalog.demandLease();
    if (txn !== undefined) txn.lockTimeoutMicros = this.#services.settings.lockTimeoutMicros;
    const { readsPast } = this.#state;
    this.#pin(plan, txn === undefined && !readsPast ? (view as Snapshot).timestamp : undefined);
    const execute = (): Maybe<ExecResult> =>
      plan.execute(this.context(view, txn), params, sink, maxRows);
    const proving = readsPast
      ? demandSameTables(view as Snapshot, plan.tables, this.#services.transactions)
      : undefined;
    return this.#finish(proving === undefined ? execute() : proving.then(execute));
  }

  resume(suspended: SuspendedExecution, sink: ResultSink, maxRows: number): Maybe<ExecResult> {
    this.#begins(false);
    if (this.#state.current === undefined) this.#catalog.demandLease();
    return this.#finish(suspended.resume(sink, maxRows));
  }

  /** For statements that are not plans: DDL, COPY. */
  async guard<T>(run: () => Promise<T>): Promise<T> {
    this.#begins(false);
    try {
      return await run();
    } catch (error) {
      throw this.#reason(error);
    } finally {
      this.#over();
    }
  }

  context(view: ReadView, txn: Transaction | undefined): ExecContext {
    this.#readsAt = txn === undefined ? (view as Snapshot).timestamp : undefined;
    return {
      view,
      txn,
      session: this.#values,
      catalog: this.#catalog,
      nextRowId: this.#nextRowId,
      checkCancelled: this.checkCancelled,
      pause: this.#pause,
      monotonicMicros: this.#monotonicMicros,
    };
  }

  /** Of the snapshot that the statement under way reads. */
  get readsAt(): Timestamp | undefined {
    return this.#running ? this.#readsAt : undefined;
  }

  cancel(): void {
    this.#stop(new DbError('57014', 'canceling statement due to user request'));
  }

  /** After an error outside of run…: timers must not outlive the statement. */
  statementOver(): void {
    this.#over();
  }

  async #writeAlone(
    plan: CompiledPlan,
    params: readonly Datum[],
    sink: ResultSink,
    maxRows: number,
  ): Promise<ExecResult> {
    this.#pin(plan);
    try {
      return await this.#attempts(
        plan,
        params,
        sink,
        async (txn) => {
          await txn.commit();
        },
        maxRows,
        undefined,
      );
    } catch (error) {
      throw this.#reason(error);
    } finally {
      this.#release();
    }
  }

  /** Runs until an attempt goes through, the first of which may have begun; each keeps the age of the one before. */
  async #attempts(
    plan: CompiledPlan,
    params: readonly Datum[],
    sink: ResultSink,
    settle: (txn: Transaction, result: ExecResult) => Promise<unknown> | undefined,
    maxRows: number,
    begun: Attempt | undefined,
  ): Promise<ExecResult> {
    // Rows that went out can't be taken back: then there is no other attempt.
    const counting = plan.fields === undefined ? undefined : new CountingSink(sink);
    let txn = begun?.txn ?? this.#beginAttempt(undefined);
    let running: Maybe<ExecResult> | undefined = begun?.running;
    for (let attempt = 1; ; attempt++) {
      try {
        running ??= plan.execute(this.context(txn, txn), params, counting ?? sink, maxRows);
        const result = isPromise(running) ? await running : running;
        const settled = settle(txn, result);
        if (settled !== undefined) await settled;
        return result;
      } catch (error) {
        txn.rollback();
        const again =
          error instanceof DbError &&
          error.code === '40001' &&
          this.#cancelled === undefined &&
          (counting === undefined || counting.rows === 0) &&
          attempt < ATTEMPTS_MAX;
        if (!again) throw error;
        this.#services.statistics.retries += 1;
        txn = this.#beginAttempt(txn);
        running = undefined;
      }
    }
  }

  #beginAttempt(before: Transaction | undefined): Transaction {
    const txn = this.#services.transactions.begin(before);
    txn.lockTimeoutMicros = this.#services.settings.lockTimeoutMicros;
    this.#alone = txn;
    return txn;
  }

  #finish(result: Maybe<ExecResult>): Maybe<ExecResult> {
    if (!isPromise(result)) {
      this.#over();
      return result;
    }
    return result.then(
      (done) => {
        this.#over();
        return done;
      },
      (error: unknown) => {
        const reason = this.#reason(error);
        this.#over();
        throw reason;
      },
    );
  }

  #begins(newTransaction: boolean): void {
    this.#cancelled = undefined;
    this.#readsAt = undefined;
    this.#running = true;
    this.#values.statementBegins(newTransaction);
    this.#services.statistics.statements += 1;
    const timeoutMicros = this.#services.settings.statementTimeoutMicros;
    if (timeoutMicros > 0) {
      this.#timeout = this.#services.timers.after(timeoutMicros, () =>
        this.#stop(new DbError('57014', 'canceling statement due to statement timeout')),
      );
    }
  }

  #over(): void {
    this.#running = false;
    this.#alone = undefined;
    if (this.#timeout !== undefined) {
      this.#timeout[Symbol.dispose]();
      this.#timeout = undefined;
    }
  }

  /** `asOf`: of a snapshot that was opened before this statement. */
  #pin(plan: CompiledPlan, asOf?: Timestamp): void {
    const { tables } = plan;
    for (let i = 0; i < tables.length; i++) {
      this.#catalog.use(tables[i] as (typeof tables)[number], asOf);
    }
  }

  #release(): void {
    this.#over();
    if (!this.#state.open) this.#catalog.releaseAll();
  }

  /** A cancelled statement fails with why it was cancelled, whatever it was waiting for; unless it may have committed. */
  #reason(error: unknown): unknown {
    const isUnknown = error instanceof DbError && error.code === '40003';
    return isUnknown ? error : (this.#cancelled ?? error);
  }

  #stop(reason: DbError): void {
    if (!this.#running || this.#cancelled !== undefined) return;
    this.#cancelled = reason;
    // Wakes whoever waits for a lock: the transaction can only fail from here.
    const txn = this.#alone ?? this.#state.current;
    txn?.rollback();
  }
}
