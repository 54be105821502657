// What a transaction has spent on waiting, as far as its own node can tell, in microseconds (EXPLAIN ANALYZE).

import type { Timestamp } from '../clock/timestamp.ts';

export class TransactionTimes {
  /** For reads under locks that could not be answered at once: for the locks, and for the way to their range. */
  locks = 0;
  lockedReads = 0;
  /** Of the commit in all; undefined: it has not committed. */
  commit: number | undefined = undefined;
  /** Of it, at the range that decided. */
  replication = 0;
  commitWait = 0;
  /** It had to be agreed upon with other ranges first. */
  isDivided = false;
  timestamp: Timestamp | undefined = undefined;
}
