// From the text of a history to what is wrong with it.

import { checkBank } from './bank.ts';
import { type Call, count, pairEvents } from './calls.ts';
import { badHistory, type HistoryEvent, parseEvents } from './events.ts';
import { checkListAppend } from './list-append.ts';
import { checkLongFork } from './long-fork.ts';
import { type Anomaly, Findings, type Model } from './models.ts';
import { checkRegisterTransactions } from './rw-register.ts';
import { checkSet } from './set.ts';
import { isTransactional, transactionsOf } from './transactions.ts';

export const WORKLOADS = ['append', 'rw', 'bank', 'long-fork', 'set'] as const;

export type Workload = (typeof WORKLOADS)[number];

export interface HistoryReport {
  readonly workload: Workload;
  /** Transactions, or whatever was asked for. */
  readonly asked: number;
  readonly acknowledged: number;
  readonly refused: number;
  /** Their outcome is unknown. */
  readonly unknown: number;
  readonly anomalies: readonly Anomaly[];
}

export interface CheckOptions {
  /** By default what the history looks like. */
  readonly workload?: Workload | undefined;
  /** Of a bank; by default what the first read says. */
  readonly total?: number | undefined;
}

/** DbError when the text is no history. */
export function checkHistory(text: string, options: CheckOptions = {}): HistoryReport {
  return checkEvents(parseEvents(text), options);
}

/** The same of what was never text. */
export function checkEvents(
  events: readonly HistoryEvent[],
  options: CheckOptions = {},
): HistoryReport {
  const calls = pairEvents(events);
  if (calls.length === 0) throw badHistory('there is no event of a client in it');
  const workload = options.workload ?? workloadOf(calls);
  const findings = new Findings();
  judge(workload, calls, findings, options.total);
  return {
    workload,
    asked: calls.length,
    acknowledged: count(calls, 'done'),
    refused: count(calls, 'failed'),
    unknown: count(calls, 'unknown'),
    anomalies: findings.list(),
  };
}

/** Whether nothing was found that the model does not allow. */
export function holdsTo({ anomalies }: HistoryReport, model: Model): boolean {
  return anomalies.every(({ rulesOut }) => !rulesOut.includes(model));
}

function judge(
  workload: Workload,
  calls: readonly Call[],
  findings: Findings,
  total?: number,
): void {
  switch (workload) {
    case 'append':
      return checkListAppend(transactionsOf(calls, 'append'), findings);
    case 'rw':
      return checkRegisterTransactions(transactionsOf(calls, 'rw'), findings);
    case 'long-fork': {
      const transactions = transactionsOf(calls, 'rw');
      checkLongFork(transactions, findings);
      return checkRegisterTransactions(transactions, findings);
    }
    case 'bank':
      return checkBank(calls, findings, total);
    case 'set':
      return checkSet(calls, findings);
  }
}

function workloadOf(calls: readonly Call[]): Workload {
  if (calls.some(({ f }) => f === 'add')) return 'set';
  if (calls.some(isOfBank)) return 'bank';
  const operations = calls.flatMap(({ asked }) =>
    isTransactional(asked) ? (asked as unknown[][]) : [],
  );
  if (operations.some(([f]) => f === 'append')) return 'append';
  return calls.every(isOfLongFork) && operations.some(([f]) => f === 'r') ? 'long-fork' : 'rw';
}

function isOfBank({ f, asked, answered }: Call): boolean {
  const isNamed = Array.isArray(asked) && asked[0] === 'transfer';
  const isObject = typeof answered === 'object' && answered !== null && !Array.isArray(answered);
  return f === 'transfer' || isNamed || isObject;
}

/** One write of a 1, or nothing but reads of several keys. */
function isOfLongFork({ asked }: Call): boolean {
  if (!isTransactional(asked)) return false;
  const operations = asked as unknown[][];
  const [first] = operations;
  if (operations.length === 1) return first?.[0] === 'w' && first[2] === 1;
  return operations.length > 1 && operations.every(([f]) => f === 'r');
}
