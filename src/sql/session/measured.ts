// What EXPLAIN ANALYZE says of time: as of when was read, how far off the clock may be, and what was waited for.

import type { Timestamp } from '../../clock/timestamp.ts';
import { UNIX_EPOCH_DISTANCE } from '../../rows/calendar.ts';
import { formatTimestampTz } from '../../rows/datetime-format.ts';
import type { ReadView, Snapshot, TransactionTimes } from '../../txn/api.ts';

export interface Measured {
  readonly view: ReadView;
  /** Undefined: it read without locks. */
  readonly times: TransactionTimes | undefined;
  readonly uncertaintyMicros: number;
}

export function measuredLines({ view, times, uncertaintyMicros }: Measured): readonly string[] {
  const lines = [
    `Read Timestamp: ${isSnapshot(view) ? instant(view.timestamp) : 'the newest, under locks'}`,
    `Clock Uncertainty: ${millis(uncertaintyMicros)}`,
  ];
  if (times === undefined) return lines;
  const { locks, lockedReads } = times;
  lines.push(`Locks: ${millis(locks)} (${lockedReads} not granted at once)`);
  if (times.commit === undefined) {
    lines.push('Commit: with the transaction block');
    return lines;
  }
  const { commit, isDivided, replication, commitWait, timestamp } = times;
  const rest = Math.max(0, commit - replication - commitWait);
  if (isDivided) lines.push(`Prepare: ${millis(rest)}`);
  lines.push(`Replication: ${millis(replication)}`, `Commit Wait: ${millis(commitWait)}`);
  if (timestamp !== undefined) lines.push(`Commit Timestamp: ${instant(timestamp)}`);
  return lines;
}

function isSnapshot(view: ReadView): view is Snapshot {
  return 'timestamp' in view;
}

/** As AS OF SYSTEM TIME takes it, both ways. */
function instant(timestamp: Timestamp): string {
  return `${formatTimestampTz(timestamp - UNIX_EPOCH_DISTANCE)} (${timestamp})`;
}

function millis(micros: number): string {
  return `${(micros / 1000).toFixed(3)} ms`;
}
