// What SQL clients do in a run, and how many there are.

import { type Workload, WORKLOADS } from '../checkers/history/check-history.ts';

/** Those that a history is judged of, and tables that come and go. */
export type SqlWorkload = Workload | 'tables';
export const SQL_WORKLOADS: readonly SqlWorkload[] = [...WORKLOADS, 'tables'];

export interface SqlPlan {
  readonly workloads: readonly SqlWorkload[];
  /** Of those that a history is judged of. */
  readonly clients: number;
  readonly tableClients: number;
  readonly operators: number;
  /** Between two questions of a client, at most. */
  readonly pauseMicrosMax: number;
}
