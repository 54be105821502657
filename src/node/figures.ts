// What a node counts, for /metrics.

import type { ReplicaStats } from '../ranges/replica.ts';
import type { RowCacheStats } from '../storage/row-cache.ts';
import type { ShardUsage } from '../storage/shard.ts';
import type { Gauge, RangeStatus } from './status.ts';

export interface Figures {
  readonly ranges: readonly { readonly replica: ReplicaStats; readonly range: RangeStatus }[];
  readonly cache: RowCacheStats;
  readonly sql: {
    readonly statements: number;
    readonly retries: number;
    readonly sessions: number;
  };
  readonly syncs: number;
  /** Of each shard. */
  readonly usage: readonly ShardUsage[];
  readonly versionsCollected: number;
  readonly clockWidth: number;
  readonly freeBytes: number;
}

export function gaugesOf(figures: Figures): Gauge[] {
  const { ranges, cache, sql } = figures;
  const replica = sumOf(ranges.map((one) => one.replica));
  const usage = sumOf(figures.usage);
  const range = ranges.map((one) => one.range);
  return [
    counter('sql_statements_total', 'Statements executed.', sql.statements),
    counter('sql_retries_total', 'Statements tried again after an abort.', sql.retries),
    gauge('sql_sessions', 'Open sessions.', sql.sessions),
    counter('commits_total', 'Transactions committed with writes.', replica.committed),
    counter('wounds_total', 'Transactions wounded by older ones.', replica.wounds),
    counter('lock_waits_total', 'Waits for locks that are over.', replica.lockWaitsOver),
    seconds('lock_wait_seconds_total', 'Time that they took.', replica.lockWaitMicros),
    counter(
      'replications_total',
      'Entries of transactions that the log has committed.',
      replica.replications,
    ),
    seconds(
      'replication_seconds_total',
      'Time from their proposal until then.',
      replica.replicationMicros,
    ),
    counter(
      'commit_waits_total',
      'Commits that were replicated before their time had passed.',
      replica.commitWaits,
    ),
    seconds('commit_wait_seconds_total', 'Time that they waited then.', replica.commitWaitMicros),
    gauge('locks_waiting', 'Lock requests that wait.', replica.lockWaits),
    gauge('locked_keys', 'Keys locked.', replica.lockedKeys),
    gauge('writes_in_flight', 'Commits proposed and not yet committed.', replica.inFlight),
    counter(
      'rows_loaded_total',
      'Rows read from storage because the cache had them not.',
      replica.rowsLoaded,
    ),
    counter('cache_hits_total', 'Look-ups that the hot-row cache answered.', cache.hits),
    counter('cache_misses_total', 'Look-ups that it did not.', cache.misses),
    gauge('cache_rows', 'Rows in the hot-row cache.', cache.entries),
    gauge('cache_bytes', 'Memory that the hot-row cache has taken.', cache.bytes),
    counter('log_syncs_total', 'Writes of the log with their sync.', figures.syncs),
    gauge('ranges', 'Ranges that this node has replicas of.', range.length),
    gauge(
      'ranges_led',
      'Ranges that this node leads.',
      range.filter(({ role }) => role === 'leader').length,
    ),
    gauge('raft_term', 'Greatest term of a range.', Math.max(0, ...range.map(({ term }) => term))),
    gauge(
      'apply_lag_entries',
      'Entries committed and not applied yet.',
      range.reduce((sum, { lag }) => sum + lag, 0),
    ),
    gauge(
      'ranges_broken',
      'Replicas that were found to differ from the others.',
      range.filter(({ broken }) => broken !== undefined).length,
    ),
    counter('entries_applied_total', 'Log entries applied to storage.', usage.entriesApplied),
    counter('bytes_applied_total', 'Bytes of them.', usage.bytesApplied),
    counter('shard_gets_total', 'Point reads that storage served.', usage.getsServed),
    counter('shard_scans_total', 'Scans that storage served.', usage.scansServed),
    counter(
      'versions_collected_total',
      'Old versions of rows that were removed.',
      figures.versionsCollected,
    ),
    gauge('clock_width_micros', "Width of the clock's interval.", figures.clockWidth),
    gauge('free_bytes', 'Free space on the disk.', figures.freeBytes),
  ];
}

/** Of counts by name. */
function sumOf<T extends { readonly [name in keyof T]: number }>(
  all: readonly T[],
): Partial<T> & { readonly [name in keyof T]: number } {
  const sum: Record<string, number> = {};
  for (const one of all) {
    for (const [name, count] of Object.entries<number>(one)) sum[name] = (sum[name] ?? 0) + count;
  }
  return sum as Partial<T> & { readonly [name in keyof T]: number };
}

function counter(name: string, help: string, value: number | undefined): Gauge {
  return { name, help, type: 'counter', value: value ?? 0 };
}

function seconds(name: string, help: string, micros: number | undefined): Gauge {
  return counter(name, help, (micros ?? 0) / 1e6);
}

function gauge(name: string, help: string, value: number | undefined): Gauge {
  return { name, help, type: 'gauge', value: value ?? 0 };
}
