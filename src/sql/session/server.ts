// The SQL server of a node: opens sessions, and keeps what they share.

import { DbError } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { PlanCache } from '../parse/plan-cache.ts';
import { Settings } from '../settings/settings.ts';
import type { Session, SessionOptions, SqlServer } from '../api.ts';
import type { CachedPlan } from './compiler.ts';
import { SessionServices, type SqlServices, type SqlStatistics } from './services.ts';
import { SqlSession } from './session.ts';
import { SessionSequences } from './sequences.ts';
import { LiveValues } from './values.ts';

const PLANS_MAX = 2_000;
export const DATABASE = 'defaultdb';
export const USER = 'root';
const VERSION = 'PostgreSQL 15.0 (Meridian 0.1.0)';

export interface SqlServerParts {
  readonly server: SqlServer;
  readonly statistics: SqlStatistics;
  /** Of all sessions, the timestamp of the oldest snapshot that is read. */
  oldestRead(): Timestamp | undefined;
  /** Ends every session. */
  close(): void;
}

interface OpenSession {
  readonly session: SqlSession;
  readonly settings: Settings;
}

export function createSqlServer(services: SqlServices): SqlServerParts {
  const planCache = new PlanCache<CachedPlan>(PLANS_MAX);
  const sessions = new Map<Session, OpenSession>();
  const statistics: SqlStatistics = { statements: 0, retries: 0, sessions: 0 };
  let nextPid = 1;

  function openSession(options: SessionOptions): Session {
    if (options.database !== DATABASE) {
      throw new DbError('3D000', `database "${options.database}" does not exist`, {
        hint: `There is one database, "${DATABASE}".`,
      });
    }
    if (options.user !== USER) {
      throw new DbError('28000', `role "${options.user}" does not exist`, {
        hint: `There is one user, "${USER}".`,
      });
    }
    const settings = new Settings(options.parameters, options.user);
    const view = services.catalog.view(() => settings.searchPath());
    const values = new LiveValues({
      user: options.user,
      database: options.database,
      backendPid: nextPid++,
      version: VERSION,
      clock: services.clock,
      random: services.random,
      settings,
      sequences: new SessionSequences(view, services.catalog.sequences),
    });
    const sessionClosed = (closed: Session): void => {
      sessions.delete(closed);
      statistics.sessions = sessions.size;
    };
    const own = new SessionServices(services, planCache, settings, statistics, sessionClosed);
    const session = new SqlSession(own, values, view);
    sessions.set(session, { session, settings });
    statistics.sessions = sessions.size;
    return session;
  }

  return {
    server: {
      openSession,
      parameterStatuses: (session) =>
        (sessions.get(session) as OpenSession).settings.parameterStatuses(),
    },
    statistics,
    oldestRead: () => {
      let oldest: Timestamp | undefined;
      for (const { session } of sessions.values()) {
        const { readsAt } = session;
        if (readsAt !== undefined && (oldest === undefined || readsAt < oldest)) oldest = readsAt;
      }
      return oldest;
    },
    close: () => {
      for (const session of [...sessions.keys()]) session.close();
    },
  };
}
