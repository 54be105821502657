// Statements that are not plans: transaction control, SET and SHOW, DDL, COPY, EXPLAIN, maintenance.

import { DbError, unsupported } from '../../base/errors.ts';
import { columnType, TEXT } from '../../rows/types.ts';
import type { ReadView } from '../../txn/api.ts';
import type { CopyIn, ResultField, ResultSink } from '../api.ts';
import type { CatalogView } from '../catalog/api.ts';
import {
  alterRanges,
  type ClusterContext,
  clusterFields,
  setCluster,
  showCluster,
} from '../cluster/statements.ts';
import type { ClusterAdmin } from '../cluster-admin.ts';
import { runCopyTo } from '../copy/copy-to.ts';
import { startCopyFrom } from '../copy/copy-from.ts';
import { type DdlStatement, runDdl } from '../ddl/ddl.ts';
import type {
  AsOf,
  AlterRangesStatement,
  CopyStatement,
  ExplainStatement,
  Statement,
  TransactionStatement,
} from '../parse/ast.ts';
import type { CompiledPlan } from '../exec/plan-api.ts';
import type { StatementCompiler } from './compiler.ts';
import { demandSameTables, openAsOf } from './as-of.ts';
import { CountingSink } from './counting-sink.ts';
import { DiscardSink } from './discard-sink.ts';
import { type Measured, measuredLines } from './measured.ts';
import type { PlanRunner } from './runner.ts';
import type { SessionServices } from './services.ts';
import type { TransactionState } from './transaction-state.ts';
import type { LiveValues } from './values.ts';

export interface UtilityHost {
  readonly services: SessionServices;
  readonly catalog: CatalogView;
  readonly state: TransactionState;
  readonly values: LiveValues;
  readonly runner: PlanRunner;
  readonly compiler: StatementCompiler;
  /** Undefined: all. */
  dropPrepared(name: string | undefined): void;
}

export type UtilityOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'copyIn'; readonly copy: CopyIn };

const DONE: UtilityOutcome = { kind: 'done' };

function textField(name: string): ResultField {
  return { name, type: columnType(TEXT), tableId: 0, columnNumber: 0 };
}

/** What Describe tells of a statement that is not planned. */
export function utilityFields(
  statement: Statement,
  host: UtilityHost,
): readonly ResultField[] | undefined {
  switch (statement.kind) {
    case 'show':
      return statement.name === 'all'
        ? [textField('name'), textField('setting'), textField('description')]
        : [textField(host.services.settings.displayName(statement.name))];
    case 'explain':
      return [textField('QUERY PLAN')];
    case 'showCluster':
    case 'alterRanges':
      return clusterFields(statement);
    default:
      return undefined;
  }
}

/** `simple`: results need their fields said first, and what stands alone commits here. */
export async function runUtility(
  statement: Statement,
  host: UtilityHost,
  sink: ResultSink,
  simple: boolean,
): Promise<UtilityOutcome> {
  const { state, services } = host;
  if (statement.kind === 'transaction') {
    await runTransaction(statement, host, sink);
    return DONE;
  }
  state.check();
  const fields = simple ? utilityFields(statement, host) : undefined;
  switch (statement.kind) {
    case 'set': {
      const { settings } = services;
      if (statement.name === 'transaction_read_only' && state.open) {
        state.setReadOnly(isOn(statement.values?.[0]));
      } else {
        settings.set(statement.name, statement.values, statement.local, state.open, sink);
      }
      sink.complete('SET');
      return DONE;
    }
    case 'readAt':
      requireBlock(state, 'SET TRANSACTION AS OF SYSTEM TIME');
      state.readAt(openAsOf(statement.asOf, services.transactions, undefined));
      sink.complete('SET');
      return DONE;
    case 'reset':
      services.settings.reset(statement.name, state.open, sink);
      sink.complete('RESET');
      return DONE;
    case 'show': {
      if (fields !== undefined) sink.fields(fields);
      if (statement.name === 'all') {
        for (const row of services.settings.all()) sink.tuple(row);
      } else {
        sink.tuple([
          statement.name === 'transaction_read_only'
            ? state.readOnly
              ? 'on'
              : 'off'
            : services.settings.show(statement.name),
        ]);
      }
      sink.complete('SHOW');
      return DONE;
    }
    case 'explain':
      if (fields !== undefined) sink.fields(fields);
      await runExplain(statement, host, sink, simple);
      sink.complete('EXPLAIN');
      return DONE;
    case 'copy':
      return await runCopy(statement, host, sink, simple);
    case 'showCluster':
      if (fields !== undefined) sink.fields(fields);
      await host.runner.guard(() => showCluster(statement, clusterContext(host, sink)));
      sink.complete('SHOW');
      return DONE;
    case 'alterRanges': {
      refuseBlock(host, rangeCommand(statement));
      if (fields !== undefined) sink.fields(fields);
      const context = clusterContext(host, sink);
      sink.complete(await host.runner.guard(() => alterRanges(statement, context)));
      return DONE;
    }
    case 'setCluster': {
      refuseBlock(host, 'SET CLUSTER SETTING');
      const cluster = services.cluster ?? NO_CLUSTER;
      sink.complete(await host.runner.guard(() => setCluster(statement, cluster)));
      return DONE;
    }
    case 'createTable':
    case 'dropTable':
    case 'alterTable':
    case 'createIndex':
    case 'dropIndex':
    case 'renameIndex':
    case 'createSequence':
    case 'alterSequence':
    case 'dropSequence':
    case 'truncate': {
      state.demandWritable(ddlCommand(statement));
      const tag = await host.runner.guard(() =>
        inBlock(host, simple, () =>
          runDdl(statement, {
            txn: state.transaction(),
            catalog: host.catalog,
            transactions: services.transactions,
            clearIndex: (indexId) => services.catalog.clearIndex(indexId),
            searchPath: () => services.settings.searchPath(),
            notice: (severity, code, message) => tell(host, sink, severity, code, message),
            schemaChanged: (committed, rolledBack) => state.schemaChanged(committed, rolledBack),
            checkCancelled: host.runner.checkCancelled,
            session: host.values,
            nextRowId: () => services.catalog.nextRowId(),
            cluster: services.cluster ?? NO_CLUSTER,
            log: services.log,
          }),
        ),
      );
      sink.complete(tag);
      return DONE;
    }
    case 'maintenance':
      for (const table of statement.tables) host.catalog.table(table);
      if (statement.command === 'vacuum' && state.explicit) {
        throw new DbError('25001', 'VACUUM cannot run inside a transaction block');
      }
      sink.complete(statement.command.toUpperCase());
      return DONE;
    case 'deallocate':
      host.dropPrepared(statement.name);
      sink.complete(statement.name === undefined ? 'DEALLOCATE ALL' : 'DEALLOCATE');
      return DONE;
    case 'discard':
      if (statement.target === 'all') {
        if (state.explicit) {
          throw new DbError('25001', 'DISCARD ALL cannot run inside a transaction block');
        }
        host.dropPrepared(undefined);
        services.settings.reset('all', false, sink);
      }
      sink.complete(`DISCARD ${statement.target.toUpperCase()}`);
      return DONE;
    case 'select':
    case 'insert':
    case 'update':
    case 'delete':
      throw new DbError('XX000', `a ${statement.kind} came without its plan`);
  }
}

/** Runs in the open block, or in one of its own that commits here (simple) or at Sync (extended). */
async function inBlock<T>(host: UtilityHost, simple: boolean, run: () => Promise<T>): Promise<T> {
  const { state } = host;
  const alone = !state.open;
  if (alone) state.beginImplicit();
  const result = await run();
  if (alone && simple) await state.commit();
  return result;
}

function ddlCommand(statement: DdlStatement): string {
  switch (statement.kind) {
    case 'createTable':
      return 'CREATE TABLE';
    case 'dropTable':
      return 'DROP TABLE';
    case 'alterTable':
      return 'ALTER TABLE';
    case 'createIndex':
      return 'CREATE INDEX';
    case 'dropIndex':
      return 'DROP INDEX';
    case 'renameIndex':
      return 'ALTER INDEX';
    case 'createSequence':
      return 'CREATE SEQUENCE';
    case 'alterSequence':
      return 'ALTER SEQUENCE';
    case 'dropSequence':
      return 'DROP SEQUENCE';
    case 'truncate':
      return 'TRUNCATE TABLE';
  }
}

const NO_CLUSTER: ClusterAdmin = {};

function clusterContext(
  { services, catalog, values, runner }: UtilityHost,
  sink: ResultSink,
): ClusterContext {
  return {
    cluster: services.cluster ?? NO_CLUSTER,
    catalog: services.catalog,
    view: catalog,
    session: values,
    sink,
    checkCancelled: runner.checkCancelled,
  };
}

/** What no rollback takes back. */
function refuseBlock({ state }: UtilityHost, command: string): void {
  state.demandWritable(command);
  if (!state.explicit) return;
  throw new DbError('25001', `${command} cannot run inside a transaction block`);
}

function rangeCommand({ target, action }: AlterRangesStatement): string {
  const what = action === 'unsplitAll' ? 'UNSPLIT' : action.toUpperCase();
  return `ALTER ${target.kind.toUpperCase()} … ${what}`;
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(on|true|yes|1)$/i.test(value);
}

async function runTransaction(
  statement: TransactionStatement,
  host: UtilityHost,
  sink: ResultSink,
): Promise<void> {
  const { state, values } = host;
  switch (statement.action) {
    case 'begin':
      state.check();
      if (statement.asOf !== undefined && !state.explicit) {
        const snapshot = openAsOf(statement.asOf, host.services.transactions, undefined);
        state.begin(true);
        state.readAt(snapshot);
        values.transactionBegins();
      } else if (!state.begin(statement.readOnly)) {
        tell(host, sink, 'WARNING', '25001', 'there is already a transaction in progress');
      } else {
        values.transactionBegins();
      }
      sink.complete(statement.start ? 'START TRANSACTION' : 'BEGIN');
      return;
    case 'commit':
    case 'rollback': {
      const wasFailed = state.status === 'E';
      const wasReadOnly = state.readOnly;
      if (state.status === 'I') {
        if (statement.chain) requireBlock(state, `${statement.action.toUpperCase()} AND CHAIN`);
        tell(host, sink, 'WARNING', '25P01', 'there is no transaction in progress');
      }
      const commits = statement.action === 'commit' && !wasFailed;
      if (commits) await state.commit();
      else state.rollback();
      if (statement.chain) {
        state.begin(wasReadOnly);
        values.transactionBegins();
      }
      sink.complete(commits ? 'COMMIT' : 'ROLLBACK');
      return;
    }
    case 'savepoint':
      state.check();
      requireBlock(state, 'SAVEPOINT');
      state.savepoint(statement.savepoint as string);
      sink.complete('SAVEPOINT');
      return;
    case 'release':
      state.check();
      requireBlock(state, 'RELEASE SAVEPOINT');
      state.release(statement.savepoint as string);
      sink.complete('RELEASE');
      return;
    case 'rollbackTo':
      requireBlock(state, 'ROLLBACK TO SAVEPOINT');
      state.rollbackTo(statement.savepoint as string);
      sink.complete('ROLLBACK');
      return;
  }
}

/** Unless client_min_messages says that the client doesn't want it. */
function tell(
  host: UtilityHost,
  sink: ResultSink,
  severity: 'NOTICE' | 'WARNING',
  code: string,
  message: string,
): void {
  const least = host.services.settings.show('client_min_messages');
  if (least === 'error' || (least === 'warning' && severity === 'NOTICE')) return;
  sink.notice(severity, code, message);
}

function requireBlock(state: TransactionState, what: string): void {
  if (state.status === 'I') {
    throw new DbError('25P01', `${what} can only be used in transaction blocks`);
  }
}

async function runCopy(
  statement: CopyStatement,
  host: UtilityHost,
  sink: ResultSink,
  simple: boolean,
): Promise<UtilityOutcome> {
  const { state, services } = host;
  if (statement.direction === 'from') {
    state.demandWritable('COPY FROM');
    if (!state.open) state.beginImplicit();
    const copy = startCopyFrom(statement, {
      txn: state.transaction(),
      catalog: host.catalog,
      transactions: services.transactions,
      session: host.values,
      nextRowId: () => services.catalog.nextRowId(),
      clearIndex: (indexId) => services.catalog.clearIndex(indexId),
      schemaChanged: (committed, rolledBack) => state.schemaChanged(committed, rolledBack),
      log: services.log,
      checkCancelled: host.runner.checkCancelled,
    });
    return { kind: 'copyIn', copy };
  }
  const tag = await host.runner.guard(() =>
    inBlock(host, simple, () => {
      const plan = host.compiler.planCopy(statement);
      return runCopyTo(statement, plan, host.runner.context(readView(host), state.current), sink);
    }),
  );
  sink.complete(tag);
  return DONE;
}

/** COPY TO and EXPLAIN ANALYZE of a reading statement that nothing came before in its transaction need no locks. */
function readView({ state, services }: UtilityHost): ReadView {
  return state.explicit || state.current !== undefined
    ? state.view()
    : services.transactions.snapshot();
}

async function viewOf(
  plan: CompiledPlan,
  asOf: AsOf | undefined,
  host: UtilityHost,
): Promise<ReadView> {
  if (asOf === undefined) return readView(host);
  const snapshot = host.runner.openAsOf(plan, asOf);
  await demandSameTables(snapshot, plan.tables, host.services.transactions);
  return snapshot;
}

async function runExplain(
  statement: ExplainStatement,
  host: UtilityHost,
  sink: ResultSink,
  simple: boolean,
): Promise<void> {
  const { asOf, statement: inner } = statement;
  if (asOf !== undefined && host.state.open) {
    throw unsupported('EXPLAIN of what reads the past in a transaction block');
  }
  const plan = host.compiler.planStatement(inner);
  if (plan === undefined) throw unsupported(`EXPLAIN of ${inner.kind}`);
  for (const line of plan.explain()) sink.tuple([line]);
  if (!statement.analyze) return;
  const { time, transactions } = host.services;
  const counting = new CountingSink(new DiscardSink());
  const reads = { keys: 0, rows: 0, batches: 0, bytes: 0 };
  const uncertaintyMicros = transactions.uncertaintyMicros();
  const started = time.monotonicMicros();
  const measured = await host.runner.guard(() =>
    inBlock(host, simple, async (): Promise<Measured> => {
      if (!plan.readOnly) host.state.demandWritable(plan.command);
      const view = plan.readOnly ? await viewOf(plan, asOf, host) : host.state.transaction();
      const times = host.state.current?.measure();
      const context = { ...host.runner.context(view, host.state.current), reads };
      await plan.execute(context, [], counting, 0);
      return { view, times, uncertaintyMicros };
    }),
  );
  const micros = time.monotonicMicros() - started;
  sink.tuple([`Rows: ${counting.rows}`]);
  const { keys, rows, batches, bytes } = reads;
  sink.tuple([`Read: ${keys} keys; ${rows} rows in ${batches} batches, ${bytes} bytes`]);
  for (const line of measuredLines(measured)) sink.tuple([line]);
  sink.tuple([`Execution Time: ${(micros / 1000).toFixed(3)} ms`]);
}
