// One client's session: PostgreSQL's messages as method calls. It finds or makes plans, runs them in the right
// transaction, retries what may be retried, and leaves the rest (SET, DDL, COPY, …) to utility.ts.

import { DbError } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { isPromise, type Maybe } from '../../base/maybe.ts';
import type { ColumnType } from '../../rows/types.ts';
import type {
  BindRequest,
  CopyIn,
  ExecuteOutcome,
  ResultField,
  ResultSink,
  Session,
  SimpleOutcome,
  TransactionStatus,
} from '../api.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { CompiledPlan } from '../exec/plan-api.ts';
import type { Statement } from '../parse/ast.ts';
import {
  decodeParameters,
  fieldsOf,
  type Portal,
  PREPARED_MAX,
  type PreparedPlan,
  type PreparedStatement,
} from './prepared.ts';
import { Portals } from './portals.ts';
import { PlanRunner } from './runner.ts';
import { whenSchemaFree } from './busy.ts';
import type { SessionServices } from './services.ts';
import { type ParsedText, type PlannedText, StatementCompiler } from './compiler.ts';
import { type CommitAgain, TransactionState } from './transaction-state.ts';
import { runUtility, type UtilityHost, type UtilityOutcome, utilityFields } from './utility.ts';
import type { LiveValues } from './values.ts';
import { CopySession } from './copy-session.ts';

const DONE: ExecuteOutcome = { kind: 'done' };

export class SqlSession implements Session {
  readonly #services: SessionServices;
  readonly #catalog: CatalogView;
  readonly #state: TransactionState;
  readonly #runner: PlanRunner;
  readonly #compiler: StatementCompiler;
  readonly #utility: UtilityHost;
  readonly #statements = new Map<string, PreparedStatement>();
  readonly #portals = new Portals();
  /** Statements of a simple text that wait for a COPY to end. */
  #remaining: readonly ParsedText[] = [];
  /** All that the batch has done so far: one statement that gives no rows. Its client has not been told yet. */
  #lone: Portal | undefined;
  #loneSink: ResultSink | undefined;
  #closed = false;

  constructor(services: SessionServices, values: LiveValues, view: CatalogView) {
    this.#services = services;
    const settings = services.settings;
    this.#catalog = view;
    this.#state = new TransactionState(services.transactions, this.#catalog, settings);
    this.#runner = new PlanRunner(services, this.#state, this.#catalog, values);
    this.#compiler = new StatementCompiler(services.planCache, this.#catalog, () =>
      settings.pathMark(),
    );
    this.#utility = {
      services,
      catalog: this.#catalog,
      state: this.#state,
      values,
      runner: this.#runner,
      compiler: this.#compiler,
      dropPrepared: (name) => this.#dropPrepared(name),
    };
  }

  get status(): TransactionStatus {
    return this.#state.status;
  }

  /** The timestamp of the oldest snapshot that it reads. */
  get readsAt(): Timestamp | undefined {
    const [block, statement] = [this.#state.readsAt, this.#runner.readsAt];
    if (block === undefined || statement === undefined) return block ?? statement;
    return block < statement ? block : statement;
  }

  // The simple protocol

  simple(text: string, sink: ResultSink): Maybe<SimpleOutcome> {
    this.closePortal('');
    this.#statements.delete('');
    try {
      if (!this.#state.open) {
        const cached = this.#compiler.cached(text, undefined);
        if (cached !== undefined) {
          if (cached.plan.fields !== undefined) sink.fields(cached.plan.fields);
          const result = this.#runner.runAlone(cached.plan, cached.literals, sink, 0, cached.asOf);
          if (!isPromise(result)) {
            sink.complete(result as string);
            return DONE;
          }
          return result.then(
            (tag) => {
              sink.complete(tag as string);
              return DONE;
            },
            (error: unknown) => this.#simpleFailed(error, sink),
          );
        }
      }
      const parsed = this.#compiler.parse(text);
      if (parsed.length === 0) {
        sink.emptyQuery();
        return DONE;
      }
      return this.#runTexts(parsed, sink).catch((error: unknown) =>
        this.#simpleFailed(error, sink),
      );
    } catch (error) {
      return this.#simpleFailed(error, sink);
    }
  }

  simpleContinue(sink: ResultSink): Maybe<SimpleOutcome> {
    const remaining = this.#remaining;
    this.#remaining = [];
    return this.#runTexts(remaining, sink).catch((error: unknown) =>
      this.#simpleFailed(error, sink),
    );
  }

  /** Several statements in one text are one transaction, unless they say otherwise. */
  async #runTexts(parsed: readonly ParsedText[], sink: ResultSink): Promise<SimpleOutcome> {
    for (let i = 0; i < parsed.length; i++) {
      const one = parsed[i] as ParsedText;
      const last = i + 1 === parsed.length;
      if (!last) this.#state.beginImplicit();
      const outcome = await this.#runText(one, sink, last);
      if (outcome.kind === 'copyIn') {
        this.#remaining = parsed.slice(i + 1);
        return outcome;
      }
    }
    if (this.#state.open && this.#state.status === 'I') await this.#state.commit();
    return DONE;
  }

  async #runText(one: ParsedText, sink: ResultSink, last: boolean): Promise<SimpleOutcome> {
    const { statement } = one;
    if (!endsBlock(statement)) this.#state.check();
    let planned = await this.#whenFree(() => this.#compiler.plan(one, undefined));
    // A schema change may have begun since: from here to the run nothing comes between.
    while (planned !== undefined && this.#catalog.isBusy(planned.plan.tables)) {
      planned = await this.#whenFree(() => this.#compiler.plan(one, undefined));
    }
    if (planned === undefined) return await this.#runUtility(statement, sink, true);
    if (planned.plan.fields !== undefined) sink.fields(planned.plan.fields);
    const inBlock = this.#state.open || !last;
    if (inBlock && planned.asOf !== undefined) throw asOfInBlock();
    const tag = inBlock
      ? await this.#runner.runInBlock(planned.plan, planned.literals, sink, 0)
      : await this.#runner.runAlone(planned.plan, planned.literals, sink, 0, planned.asOf);
    sink.complete(tag as string);
    return DONE;
  }

  #simpleFailed(error: unknown, sink: ResultSink): SimpleOutcome {
    this.#remaining = [];
    this.failed();
    if (!(error instanceof DbError)) throw error;
    if (!this.#closed) sink.error(error);
    return DONE;
  }

  // The extended protocol

  parse(name: string, text: string, parameterTypes: readonly number[]): Maybe<void> {
    if (name !== '' && this.#statements.has(name)) {
      throw new DbError('42P05', `prepared statement "${name}" already exists`);
    }
    if (this.#statements.size >= PREPARED_MAX) {
      throw new DbError('53400', `a session may keep at most ${PREPARED_MAX} prepared statements`, {
        hint: 'DEALLOCATE those that are not needed.',
      });
    }
    const cached =
      this.#state.status === 'E' ? undefined : this.#compiler.cached(text, parameterTypes);
    if (cached !== undefined) {
      this.#statements.set(name, this.#planned(text, cached));
      return;
    }
    const parsed = this.#compiler.parse(text);
    if (parsed.length > 1) {
      throw new DbError('42601', 'cannot insert multiple commands into a prepared statement');
    }
    const one = parsed[0];
    if (one === undefined) {
      this.#statements.set(name, { kind: 'empty' });
      return;
    }
    if (this.#state.status === 'E' && !endsBlock(one.statement)) this.#state.check();
    return this.#whenFree(() => {
      const planned = this.#compiler.plan(one, parameterTypes);
      this.#statements.set(
        name,
        planned !== undefined
          ? this.#planned(text, planned)
          : {
              kind: 'utility',
              statement: one.statement,
              fields: utilityFields(one.statement, this.#utility),
            },
      );
    });
  }

  #planned(text: string, planned: PlannedText): PreparedPlan {
    const { plan, literals, asOf } = planned;
    return {
      kind: 'plan',
      text,
      asOf,
      plan,
      version: this.#catalog.version,
      parameterCount: plan.parameterTypes.length - literals.length,
      literals,
      fields: plan.fields,
    };
  }

  bind(request: BindRequest): Maybe<void> {
    const prepared = this.#prepared(request.statement);
    this.#portals.makeRoom(request.portal);
    if (this.#isStale(prepared)) {
      const refreshed = this.#whenFree(() => this.#refresh(prepared));
      if (isPromise(refreshed)) return refreshed.then(() => this.#openPortal(request, prepared));
    }
    return this.#openPortal(request, prepared);
  }

  #openPortal(request: BindRequest, prepared: PreparedStatement): void {
    if (prepared.kind !== 'utility' || !endsBlock(prepared.statement)) this.#state.check();
    checkResultFormats(request.resultFormats, fieldsOf(prepared));
    this.#portals.open(request.portal, {
      prepared,
      parameters: decodeParameters(request, prepared),
      resultFormats: request.resultFormats,
      suspended: undefined,
      finished: undefined,
    });
  }

  describeStatement(name: string): {
    parameterTypes: readonly number[];
    fields: readonly ResultField[] | undefined;
  } {
    const prepared = this.#prepared(name);
    if (prepared.kind !== 'plan') return { parameterTypes: [], fields: fieldsOf(prepared) };
    const types = prepared.plan.parameterTypes.slice(0, prepared.parameterCount);
    return { parameterTypes: types.map((type) => type.oid), fields: prepared.fields };
  }

  portalShape(name: string): {
    fields: readonly ResultField[] | undefined;
    resultFormats: readonly number[];
  } {
    const portal = this.#portals.get(name);
    return { fields: fieldsOf(portal.prepared), resultFormats: portal.resultFormats };
  }

  execute(name: string, maxRows: number, sink: ResultSink): Maybe<ExecuteOutcome> {
    const portal = this.#portals.get(name);
    const { prepared } = portal;
    if (prepared.kind === 'empty') {
      sink.emptyQuery();
      return DONE;
    }
    if (prepared.kind === 'utility') {
      this.#lone = undefined;
      return this.#runUtility(prepared.statement, sink, false);
    }
    const { plan } = prepared;
    if (portal.finished !== undefined) {
      if (prepared.fields === undefined) {
        throw new DbError('55000', `portal "${name}" cannot be run`);
      }
      // Its rows are all gone: the tag's count is of this Execute.
      sink.complete((portal.finished as string).replace(/\d+$/, '0'));
      return DONE;
    }
    this.#state.check();
    // Bound before a schema change: the plan may read what is no longer there.
    if (portal.suspended === undefined && this.#isStale(prepared)) {
      return Promise.resolve(this.#whenFree(() => this.#refresh(prepared))).then(() =>
        this.execute(name, maxRows, sink),
      );
    }
    const result =
      portal.suspended !== undefined
        ? this.#runner.resume(portal.suspended, sink, maxRows)
        : this.#state.open || maxRows > 0 || !plan.readOnly
          ? this.#runInBatch(portal, plan, sink, maxRows)
          : this.#runner.runAlone(plan, portal.parameters, sink, maxRows, prepared.asOf);
    if (isPromise(result)) return result.then((done) => this.#executed(portal, done, sink));
    return this.#executed(portal, result, sink);
  }

  /** Writes and cursors of the extended protocol live until Sync, together. */
  #runInBatch(
    portal: Portal,
    plan: CompiledPlan,
    sink: ResultSink,
    maxRows: number,
  ): Maybe<string | NonNullable<Portal['suspended']>> {
    const { parameters, prepared } = portal;
    const asOf = prepared.kind === 'plan' ? prepared.asOf : undefined;
    if (asOf !== undefined) {
      if (this.#state.open) throw asOfInBlock();
      this.#runner.beginAsOf(plan, asOf);
    }
    if (!this.#state.open) {
      this.#lone = plan.fields === undefined ? portal : undefined;
      this.#loneSink = sink;
      this.#state.beginImplicit();
      return this.#runner.runFirst(plan, parameters, sink, maxRows);
    }
    this.#lone = undefined;
    return this.#runner.runInBlock(plan, parameters, sink, maxRows);
  }

  #executed(
    portal: Portal,
    result: string | NonNullable<Portal['suspended']>,
    sink: ResultSink,
  ): ExecuteOutcome {
    if (typeof result === 'string') {
      portal.suspended = undefined;
      portal.finished = result;
      sink.complete(result);
    } else {
      portal.suspended = result;
      sink.suspended();
    }
    return DONE;
  }

  closeStatement(name: string): void {
    this.#statements.delete(name);
  }

  closePortal(name: string): void {
    this.#portals.close(name);
  }

  sync(): Maybe<void> {
    if (this.#state.status !== 'T') this.#portals.closeAll();
    if (this.#state.open && this.#state.status === 'I') return this.#state.commit(this.#again);
    return undefined;
  }

  /** The batch was aborted as it was committed: what was one statement, and is as good as alone, is tried again. */
  readonly #again: CommitAgain = (error, txn) => {
    const lone = this.#lone;
    const sink = this.#loneSink;
    this.#lone = undefined;
    if (lone === undefined || sink === undefined) return undefined;
    if (!(error instanceof DbError) || error.code !== '40001') return undefined;
    const { prepared, parameters, finished } = lone;
    if (prepared.kind !== 'plan' || typeof finished !== 'string') return undefined;
    const isStale: boolean = this.#isStale(prepared);
    if (isStale) return undefined;
    return this.#runner.runAgain(prepared.plan, parameters, sink, txn, finished, error);
  };

  failed(): void {
    this.#lone = undefined;
    this.#portals.closeAll();
    this.#state.fail();
    this.#runner.statementOver();
  }

  cancel(): void {
    this.#runner.cancel();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#portals.closeAll();
    this.#statements.clear();
    this.#remaining = [];
    if (this.#state.open || this.#state.current !== undefined) this.#state.rollback();
    this.#services.sessionClosed(this);
  }

  #prepared(name: string): PreparedStatement {
    const prepared = this.#statements.get(name);
    if (prepared === undefined) {
      throw name === ''
        ? new DbError('26000', 'unnamed prepared statement does not exist')
        : new DbError('26000', `prepared statement "${name}" does not exist`);
    }
    return prepared;
  }

  #dropPrepared(name: string | undefined): void {
    if (name === undefined) this.#statements.clear();
    else {
      this.#prepared(name);
      this.#statements.delete(name);
    }
  }

  /** A session that was closed meanwhile has no transaction to go on in. */
  #whenFree<T>(run: () => Maybe<T>): Maybe<T> {
    return whenSchemaFree(() => {
      if (this.#closed) throw new DbError('57P01', 'the session was closed');
      return run();
    });
  }

  #isStale(prepared: PreparedStatement): prepared is PreparedPlan {
    return (
      prepared.kind === 'plan' &&
      (prepared.version !== this.#catalog.version || this.#catalog.isBusy(prepared.plan.tables))
    );
  }

  /** Plans again after a schema change; what the client was told of the result must still be true. */
  #refresh(prepared: PreparedPlan): void {
    this.#state.check();
    const one = this.#compiler.parse(prepared.text)[0] as ParsedText;
    // The client goes on binding what it was told.
    const told = prepared.plan.parameterTypes.slice(0, prepared.parameterCount);
    const planned = this.#compiler.plan(
      one,
      told.map((type) => type.oid),
    );
    if (planned === undefined || !sameShape(planned.plan.fields, prepared.fields)) {
      throw new DbError('0A000', 'cached plan must not change result type');
    }
    if (!sameTypes(planned.plan.parameterTypes, prepared.plan.parameterTypes)) {
      throw new DbError('0A000', 'cached plan must not change parameter types');
    }
    prepared.plan = planned.plan;
    prepared.version = this.#catalog.version;
  }

  #runUtility(statement: Statement, sink: ResultSink, simple: boolean): Promise<ExecuteOutcome> {
    const run = (): Promise<UtilityOutcome> => runUtility(statement, this.#utility, sink, simple);
    // DDL waits by itself; these plan before they do anything.
    const waits = statement.kind === 'copy' || statement.kind === 'explain';
    return Promise.resolve(waits ? this.#whenFree(run) : run()).then((outcome) => {
      if (outcome.kind !== 'copyIn') return outcome;
      const copy: CopyIn = new CopySession(outcome.copy, this.#state, simple);
      return { kind: 'copyIn', copy };
    });
  }
}

function asOfInBlock(): DbError {
  return new DbError('0A000', 'AS OF SYSTEM TIME of one statement in a transaction block', {
    hint: 'BEGIN AS OF SYSTEM TIME … reads all of a block at one time.',
  });
}

/** COMMIT and ROLLBACK are the only statements that a failed block takes. */
function endsBlock(statement: Statement): boolean {
  return (
    statement.kind === 'transaction' &&
    (statement.action === 'commit' ||
      statement.action === 'rollback' ||
      statement.action === 'rollbackTo')
  );
}

function checkResultFormats(
  formats: readonly number[],
  fields: readonly ResultField[] | undefined,
): void {
  if (fields === undefined || formats.length <= 1 || formats.length === fields.length) return;
  throw new DbError(
    '08P01',
    `bind message has ${formats.length} result formats but query has ${fields.length} columns`,
  );
}

function sameTypes(a: readonly ColumnType[], b: readonly ColumnType[]): boolean {
  return a.length === b.length && a.every((type, i) => type.oid === b[i]?.oid);
}

function sameShape(
  a: readonly ResultField[] | undefined,
  b: readonly ResultField[] | undefined,
): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.length === b.length &&
    a.every((field, i) => {
      const other = b[i] as ResultField;
      return field.type.oid === other.type.oid && field.name === other.name;
    })
  );
}
