// Ranges: what lives here is one range's leader and everything that orders its reads and writes. A replica is put
// together from parts that each know one thing: the gate (may it act at t), sessions and the lock table, writes in
// flight, commits, reads with and without locks, the loader of rows and the pump that feeds the shard. Transactions
// know only api.ts; Raft, the clock and the shard are handed in (replica-parts.ts).

import type { Maybe } from '../base/maybe.ts';
import { laterOf, type Timestamp } from '../clock/timestamp.ts';
import type { LockSession, Span, TxnRef } from './api.ts';
import { ApplyPump } from './apply-pump.ts';
import { EMPTY_COMMAND } from './command.ts';
import { Commits } from './commits.ts';
import { Gate } from './gate.ts';
import { InFlightWrites } from './in-flight.ts';
import { LockTable } from './lock-table.ts';
import { LockWaits } from './lock-waits.ts';
import { LockedReads } from './locked-reads.ts';
import type { PendingCommit } from './pending-commit.ts';
import type { CommittedEntry, ReplicaParts } from './replica-parts.ts';
import { RowLoader } from './row-loader.ts';
import { Sessions } from './sessions.ts';
import { SnapshotReads } from './snapshot-reads.ts';

export interface ReplicaStats {
  readonly lockedKeys: number;
  readonly lockedSpans: number;
  readonly lockWaits: number;
  readonly wounds: number;
  readonly sessions: number;
  readonly inFlight: number;
  readonly committed: number;
  readonly rowsLoaded: number;
}

export class Replica {
  private readonly parts: ReplicaParts;
  private readonly gate: Gate;
  private readonly locks = new LockTable();
  private readonly sessions: Sessions;
  private readonly inFlight = new InFlightWrites<PendingCommit>();
  private readonly pump: ApplyPump;
  private readonly loader: RowLoader;
  readonly snapshots: SnapshotReads;
  readonly locked: LockedReads;
  readonly commits: Commits;

  constructor(parts: ReplicaParts) {
    const { runtime, shard, cache } = parts;
    this.parts = parts;
    this.gate = new Gate(parts.clock, parts.lease);
    this.sessions = new Sessions(parts.range, this.locks);
    this.pump = new ApplyPump(
      parts.range,
      shard,
      runtime.timers,
      parts.appliedIndex,
      parts.onFailure,
    );
    this.loader = new RowLoader(shard, cache, this.pump);
    const { gate, locks, sessions, inFlight, pump, loader } = this;
    const waits = new LockWaits(locks, sessions, runtime);
    this.snapshots = new SnapshotReads(runtime, gate, inFlight, cache, loader, pump, shard);
    this.locked = new LockedReads(gate, locks, waits, sessions, cache, loader, pump, shard);
    this.commits = new Commits(parts, gate, locks, waits, sessions, inFlight, pump);
  }

  /** Every committed entry after appliedIndex, once, in the order of the log; synced here (P29). At start these are
   * what the log has beyond the shard's state, which may be much: a promise says when there is room for more. */
  committed(entries: readonly CommittedEntry[]): Maybe<void> {
    for (let i = 0; i < entries.length; i++) {
      const { index, kind, data } = entries[i] as CommittedEntry;
      const command = kind === 'command' && data.length > 0 ? data : EMPTY_COMMAND;
      this.pump.push(index, command);
      this.commits.entryCommitted(command);
    }
    this.pump.pump();
    return this.pump.isFull ? this.pump.room() : undefined;
  }

  /** The last entry that is applied, not necessarily durable: the log may be cut only by what Shard.flush() answers
   * (P30). */
  get appliedIndex(): number {
    return this.pump.appliedIndex;
  }

  /** Serves from when this resolves on. To be called when an entry of this leader's own term was given to committed().
   *
   * P1: the floor lies above now().latest and above every timestamp of the log and of the state. Those of the log
   * from appliedIndex on were met on the way here. Those of the state that is older are not looked at: this node
   * issued them, so they lie at or below the bound that the clock keeps synced, and the clock serves only once that
   * bound has passed (P8). P10: nothing of the log is shown before it has passed. */
  async lead(term: number): Promise<void> {
    const { clock, cache } = this.parts;
    const greatest = this.commits.greatestLogged;
    if (!clock.observe(greatest)) {
      this.parts.runtime.log.warn(
        'the log holds timestamps of the future; waiting for them to pass',
        {
          range: this.parts.range,
          greatest,
        },
      );
    }
    await clock.waitUntilAfter(greatest);
    this.sessions.lead(this.parts.generation, term);
    cache.clear();
    this.gate.open(laterOf(clock.latest(), greatest));
  }

  /** Ends all sessions; what was proposed is answered as ambiguous (P14, P15). */
  stopServing(reason: string): void {
    this.gate.close(reason);
    this.sessions.endAll();
    this.commits.abandon(reason);
    this.pump.wakeWaiters();
    this.parts.cache.clear();
  }

  /** Why writes are refused with 53100; undefined while there is room on the disk. */
  set refuseWrites(reason: string | undefined) {
    this.commits.refuseWrites = reason;
  }

  get refuseWrites(): string | undefined {
    return this.commits.refuseWrites;
  }

  /** The lowest timestamp that may still be assigned lies above it. */
  get floor(): Timestamp {
    return this.gate.floor;
  }

  release(txn: TxnRef, _session: LockSession | undefined): void {
    const session = this.sessions.find(txn.id);
    // One that is being decided ends with its outcome.
    if (session === undefined || session.owner.state === 'committing') return;
    this.sessions.end(session);
  }

  approximateBytes(span: Span): Promise<number> {
    this.pump.flush();
    return this.parts.shard.approximateBytes(span);
  }

  stats(): ReplicaStats {
    return {
      lockedKeys: this.locks.lockedKeys,
      lockedSpans: this.locks.lockedSpans,
      lockWaits: this.locks.waiting,
      wounds: this.locks.wounds,
      sessions: this.sessions.size,
      inFlight: this.inFlight.size,
      committed: this.commits.committed,
      rowsLoaded: this.loader.rowsLoaded,
    };
  }
}
