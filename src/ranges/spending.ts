// What a range's leader has spent on waiting for the sake of transactions: for locks, for the log's majority, and for time
// to pass (DESIGN.md section 8.5). Metrics tell the sums; a commit's answer tells its own share (EXPLAIN ANALYZE).

export interface SpendingStats {
  /** Waits for locks that are over, however they ended. */
  readonly lockWaitsOver: number;
  readonly lockWaitMicros: number;
  /** Entries of transactions, from their proposal to their commit in the log. */
  readonly replications: number;
  readonly replicationMicros: number;
  /** Commits that had to wait for their time to pass when they were replicated. */
  readonly commitWaits: number;
  readonly commitWaitMicros: number;
}

export class Spending implements SpendingStats {
  lockWaitsOver = 0;
  lockWaitMicros = 0;
  replications = 0;
  replicationMicros = 0;
  commitWaits = 0;
  commitWaitMicros = 0;

  lockWaited(micros: number): void {
    this.lockWaitsOver++;
    this.lockWaitMicros += micros;
  }

  replicated(micros: number): void {
    this.replications++;
    this.replicationMicros += micros;
  }

  commitWaited(micros: number): void {
    this.commitWaits++;
    this.commitWaitMicros += micros;
  }

  stats(): SpendingStats {
    const { lockWaitsOver, lockWaitMicros, replications, replicationMicros } = this;
    const { commitWaits, commitWaitMicros } = this;
    return {
      ...{ lockWaitsOver, lockWaitMicros, replications, replicationMicros },
      ...{ commitWaits, commitWaitMicros },
    };
  }
}
