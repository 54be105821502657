// What every session shares, and what is its own.

import type { IntervalClock } from '../../clock/interval-clock.ts';
import type { Log, Random, Time, Timers } from '../../runtime/runtime.ts';
import type { Transactions } from '../../txn/api.ts';
import type { Catalog } from '../catalog/api.ts';
import type { ClusterAdmin } from '../cluster-admin.ts';
import type { Settings } from '../settings/settings.ts';
import type { CachedPlan } from './compiler.ts';
import type { PlanCache } from '../parse/plan-cache.ts';
import type { Session } from '../api.ts';

export interface SqlServices {
  readonly transactions: Transactions;
  readonly catalog: Catalog;
  readonly clock: IntervalClock;
  readonly time: Time;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  /** What statements about ranges, nodes and settings ask; left out: they answer 0A000. */
  readonly cluster?: ClusterAdmin | undefined;
}

/** And what is the session's own. A class, for spreading the services into one object for each session makes each of a
 * kind of its own to the compiler, and every look into them slow (bench: point). */
export class SessionServices implements SqlServices {
  readonly transactions: Transactions;
  readonly catalog: Catalog;
  readonly clock: IntervalClock;
  readonly time: Time;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly cluster: ClusterAdmin | undefined;
  readonly planCache: PlanCache<CachedPlan>;
  readonly settings: Settings;
  readonly statistics: SqlStatistics;
  readonly sessionClosed: (session: Session) => void;

  constructor(
    services: SqlServices,
    planCache: PlanCache<CachedPlan>,
    settings: Settings,
    statistics: SqlStatistics,
    sessionClosed: (session: Session) => void,
  ) {
    this.transactions = services.transactions;
    this.catalog = services.catalog;
    this.clock = services.clock;
    this.time = services.time;
    this.timers = services.timers;
    this.random = services.random;
    this.log = services.log;
    this.cluster = services.cluster;
    this.planCache = planCache;
    this.settings = settings;
    this.statistics = statistics;
    this.sessionClosed = sessionClosed;
  }
}

/** Counters for /metrics. */
export interface SqlStatistics {
  statements: number;
  retries: number;
  sessions: number;
}
