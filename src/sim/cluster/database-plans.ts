// Kinds of run of the whole database: what SQL clients do, what goes wrong, and how ranges change meanwhile. As for
// ranges (ranges-plans.ts), 'any' is a mixture by chance, and the others look where a certain kind of bug shows itself.

import type { SeededRandom } from '../random.ts';
import { SQL_WORKLOADS, type SqlPlan, type SqlWorkload } from '../sql/sql-plan.ts';
import { FAULT_KINDS, type FaultKind } from './faults.ts';
import { allOf, faults, QUICK_TIMING } from './plans.ts';
import { moves, type RangesShape, someRangesShape } from './ranges-plans.ts';

const SECOND = 1_000_000;
/** Groups of registers of the key-value door, which is used a little too. */
const AREAS = 2;
const NODES = 3;

export interface DatabaseShape extends RangesShape {
  readonly sql: SqlPlan;
}

export type DatabasePlanName = 'any' | 'commits' | 'late' | 'leases' | 'schema' | 'clocks' | 'skew';

type Planner = (random: SeededRandom) => Partial<DatabaseShape>;

export const DATABASE_PLANS: Readonly<
  Record<DatabasePlanName, { readonly what: string; readonly plan: Planner }>
> = {
  any: { what: 'a mixture, another one for each seed', plan: () => ({}) },
  commits: {
    what: 'ranges are split in the middle of commits, and who commits dies',
    plan: () => ({
      faults: faults({ crash: 3, isolate: 2, late: 2, loss: 1 }, SECOND / 2, SECOND),
      moves: moves({ split: 3, burst: 1, merge: 3, transfer: 2 }, 80_000),
      timing: QUICK_TIMING,
      settings: [],
      sql: sqlPlan({ clients: 10, pauseMicrosMax: 30_000 }),
    }),
  },
  late: {
    what: 'prepares, decisions and inquiries come late and overtake each other',
    plan: () => ({
      faults: faults({ late: 4, slow: 4, pause: 1 }, SECOND / 2, 2 * SECOND),
      moves: moves({ split: 3, merge: 2, transfer: 1 }, 150_000),
      timing: QUICK_TIMING,
      settings: [],
      sql: sqlPlan({ workloads: ['append', 'bank'], clients: 12, pauseMicrosMax: 20_000 }),
    }),
  },
  leases: {
    what: 'leases are handed over all the time, and leaders are lost',
    plan: () => ({
      faults: faults({ isolate: 3, crash: 2, pause: 2, oneWay: 1 }, SECOND / 2, SECOND),
      moves: moves({ transfer: 6, scatter: 3, split: 1, drain: 1 }, 60_000),
      timing: QUICK_TIMING,
      settings: [],
      sql: sqlPlan({ clients: 8, pauseMicrosMax: 40_000 }),
    }),
  },
  schema: {
    what: 'tables come, go and change all the time, on nodes that are cut off',
    plan: () => ({
      faults: faults({ isolate: 3, crash: 2, pause: 1 }, SECOND, SECOND),
      sql: sqlPlan({ clients: 4, tableClients: 4, operators: 2, pauseMicrosMax: 100_000 }),
    }),
  },
  clocks: {
    what: 'clocks are as far off and run as fast or slow as they may',
    plan: (random) => ({
      faults: faults({ clocks: 6, isolate: 2, crash: 1, pause: 1 }, SECOND / 4, 2 * SECOND),
      uncertaintyMicros: random.oneIn(2) ? 5_000 : 50_000,
      sql: sqlPlan({ clients: 8, pauseMicrosMax: 40_000 }),
    }),
  },
  skew: {
    what: 'the clock of one node is wrong by more than it knows',
    plan: (random) => ({
      faults: faults({ wrongClock: 6, isolate: 1 }, SECOND, 6 * SECOND, SECOND),
      moves: moves({ transfer: 2, split: 1 }, 300_000),
      uncertaintyMicros: random.oneIn(2) ? 2_000 : 10_000,
      settings: [],
      sql: sqlPlan({ clients: 8, pauseMicrosMax: 40_000 }),
    }),
  },
};

export interface DatabaseChoices {
  readonly nodes?: number;
  /** Only these, each as often as the others. */
  readonly faults?: readonly FaultKind[];
  readonly workloads?: readonly SqlWorkload[];
}

export function databaseShapeOf(
  name: DatabasePlanName,
  random: SeededRandom,
  choices: DatabaseChoices,
): DatabaseShape {
  const nodes = choices.nodes ?? NODES;
  const by: Partial<DatabaseShape> = {
    groups: AREAS,
    hotGroupsMax: AREAS,
    clients: AREAS,
    ...DATABASE_PLANS[name].plan(random),
  };
  const ranges = someRangesShape(random, nodes, by, nodes);
  const shape = { ...ranges, sql: by.sql ?? randomSqlPlan(random) };
  const { faults: kinds, workloads } = choices;
  return {
    ...shape,
    ...(kinds === undefined ? {} : { faults: { ...shape.faults, weights: weightsOf(kinds) } }),
    ...(workloads === undefined ? {} : { sql: { ...shape.sql, workloads } }),
  };
}

function weightsOf(kinds: readonly FaultKind[]): Readonly<Record<FaultKind, number>> {
  return allOf(FAULT_KINDS, Object.fromEntries(kinds.map((kind) => [kind, 1])));
}

function sqlPlan(by: Partial<SqlPlan>): SqlPlan {
  return {
    workloads: SQL_WORKLOADS,
    clients: 6,
    tableClients: 1,
    operators: 1,
    pauseMicrosMax: 80_000,
    ...by,
  };
}

/** Most seeds do a bit of everything, some only one thing. */
function randomSqlPlan(random: SeededRandom): SqlPlan {
  const one = SQL_WORKLOADS[random.below(SQL_WORKLOADS.length)] as SqlWorkload;
  return sqlPlan({
    ...(random.oneIn(4) ? { workloads: [one] } : {}),
    clients: 3 + random.below(8),
    tableClients: 1 + random.below(2),
    operators: random.below(2),
    pauseMicrosMax: 20_000 + random.below(random.oneIn(2) ? 40_000 : 200_000),
  });
}
