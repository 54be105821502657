// Ranges: what lives here is one replica of a range: it applies the range's log, and while it leads it orders all reads
// and writes. It is put together from parts that each know one thing: the gate (may it act at t), sessions and the lock
// table, writes in flight, commits, reads with and without locks, the loader of rows and the pump that feeds the shard.
// Transactions know only api.ts; Raft, the clock and the shard are handed in (replica-parts.ts).
//
// Here is its life: what it applies, whether it leads, what becomes of it. What others ask of it is the affair of
// replica-endpoint.ts. What its range is may change with an entry of its log (range-changes.ts):
// bounds.ts is what every request is held against.
//
// A replica that follows only applies: no cache is filled, no lock is held, nothing is known of what was never written
// (P14). It may lead any number of times; each time begins with nothing but the log and the state.

import { assert } from '../base/assert.ts';
import type { Maybe } from '../base/maybe.ts';
import { laterOf, MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { AppliedRange } from '../storage/shard.ts';
import { ApplyPump } from './apply-pump.ts';
import { Bounds } from './bounds.ts';
import { isChangeCommand } from './change-commands.ts';
import { COMMANDS, commandChecksum, corrupted, EMPTY_COMMAND, isClear } from './command.ts';
import { Commits } from './commit/commits.ts';
import { InFlightWrites } from './commit/in-flight.ts';
import type { PendingCommit } from './commit/pending-commit.ts';
import { isTwoPhase } from './commit/two-phase-format.ts';
import { ReplicaSums } from './consistency/replica-sums.ts';
import type { RangeDescriptor } from './descriptor.ts';
import { Gate } from './gate.ts';
import type { Absorption, Inheritance } from './handed-over.ts';
import { Heritage } from './heritage.ts';
import { HAND_OVER_MICROS } from './limits.ts';
import { LoadBook } from './load/load-book.ts';
import type { RangeLoad } from './load/range-load.ts';
import { LockTable } from './locks/lock-table.ts';
import { LockWaits } from './locks/lock-waits.ts';
import { LockedReads } from './locks/locked-reads.ts';
import { Sessions } from './locks/sessions.ts';
import { RangeChanges } from './range-changes.ts';
import { type RangeState, unknownState } from './range-state.ts';
import { Spending, type SpendingStats } from './spending.ts';
import { CachedRows } from './reads/cached-rows.ts';
import { ClosedReads } from './reads/closed-reads.ts';
import { RowLoader } from './reads/row-loader.ts';
import { SnapshotReads } from './reads/snapshot-reads.ts';
import { RECENT_PREFIX } from './record-steps.ts';
import { isCollect, PastLimit } from './past-limit.ts';
import type { CommittedEntry, ProposalOutcome, ReplicaParts } from './replica-parts.ts';
import { ReplicaEndpoint } from './replica-endpoint.ts';
import { ReplicaTwoPhase } from './replica-two-phase.ts';

export interface ReplicaStats extends SpendingStats {
  readonly lockedKeys: number;
  readonly lockedSpans: number;
  readonly lockWaits: number;
  readonly wounds: number;
  readonly sessions: number;
  readonly inFlight: number;
  readonly committed: number;
  readonly rowsLoaded: number;
}

/** Every state but leading has the gate closed. */
type ReplicaState =
  /** Another replica leads, or none that is known. */
  | { readonly kind: 'following' }
  /** Leads, and waits until what the log shows has passed (P10). */
  | { readonly kind: 'won'; readonly term: number }
  | { readonly kind: 'leading'; readonly term: number }
  /** Leads, and never serves again in this term (P3). */
  | { readonly kind: 'handingOver'; readonly term: number }
  /** Its state is being replaced by a snapshot: there is nothing to apply to (P31). */
  | { readonly kind: 'installing' }
  /** Its range is another's, or has no replica here any more. */
  | { readonly kind: 'gone' };

const FOLLOWING: ReplicaState = { kind: 'following' };

export class Replica {
  private readonly parts: ReplicaParts;
  private readonly bounds: Bounds;
  private readonly gate: Gate;
  private readonly locks = new LockTable();
  private readonly sessions: Sessions;
  private readonly inFlight = new InFlightWrites<PendingCommit>();
  private readonly spending = new Spending();
  private readonly pump: ApplyPump;
  private readonly loader: RowLoader;
  private readonly load: RangeLoad;
  private readonly encoder = COMMANDS;
  private state: ReplicaState = FOLLOWING;
  private readonly rows: CachedRows;
  private readonly heritage: Heritage;
  private readonly closed: ClosedReads;
  /** For all who have something to ask. */
  readonly endpoint: ReplicaEndpoint;
  readonly commits: Commits;
  readonly twoPhase: ReplicaTwoPhase;
  /** By which its range is divided, frozen and merged. */
  readonly changes: RangeChanges;
  readonly past: PastLimit;
  /** Of what this replica holds, for comparison with the others. */
  readonly sums: ReplicaSums;

  constructor(parts: ReplicaParts) {
    const { range, runtime, shard, cache } = parts;
    this.parts = parts;
    this.bounds = new Bounds(
      parts.state,
      parts.known ?? nothingKnown,
      parts.changed,
      runtime.faults,
    );
    this.gate = new Gate(parts.clock, parts.lease, runtime.timers);
    this.sessions = new Sessions(range, this.locks);
    this.pump = new ApplyPump(range, shard, runtime.timers, parts.appliedIndex, parts.onFailure);
    this.load = parts.load ?? new LoadBook(0).open();
    this.loader = new RowLoader(shard, cache, this.pump, this.load, parts.flushAll);
    const { bounds, gate, locks, sessions, inFlight, pump, loader, load, spending } = this;
    const waits = new LockWaits(bounds, locks, sessions, runtime, spending);
    this.closed = new ClosedReads(
      {
        closedAt: () => parts.closedAt?.() ?? MIN_TIMESTAMP,
        oldestPrepare: () => this.twoPhase.oldestPrepare,
        lacksState: () => this.hasNoState,
        faults: runtime.faults,
      },
      bounds,
      gate,
      pump,
      shard,
      load,
    );
    const snapshots = new SnapshotReads(
      runtime,
      bounds,
      gate,
      inFlight,
      cache,
      loader,
      pump,
      shard,
      this.closed,
      load,
    );
    const locked = new LockedReads(
      bounds,
      gate,
      locks,
      waits,
      sessions,
      cache,
      loader,
      pump,
      shard,
      load,
    );
    this.commits = new Commits(
      parts,
      bounds,
      gate,
      locks,
      waits,
      sessions,
      inFlight,
      pump,
      load,
      spending,
    );
    this.twoPhase = new ReplicaTwoPhase(
      parts,
      bounds,
      gate,
      locks,
      sessions,
      inFlight,
      this.commits,
    );
    const { commits, twoPhase } = this;
    this.endpoint = new ReplicaEndpoint({
      bounds,
      sessions,
      snapshots,
      locked,
      commits,
      twoPhase,
      pump,
      shard,
    });
    this.sums = new ReplicaSums(shard, bounds);
    this.rows = new CachedRows(cache, bounds);
    this.heritage = new Heritage(parts, {
      bounds,
      gate,
      sessions,
      pump,
      commits: this.commits,
      twoPhase: this.twoPhase,
      sums: this.sums,
      rows: this.rows,
      isLeading: () => this.state.kind === 'leading',
    });
    this.changes = new RangeChanges(parts.nodeId, bounds, gate, parts.proposer, this.heritage);
    this.past = new PastLimit(bounds, parts.proposer, () => this.heritage.whyNotLeading());
    if (parts.records !== undefined) this.restore(parts.records);
    this.commits.met(parts.state.floor);
    this.commits.met(parts.stateAtMost);
  }

  /** Every committed entry after appliedIndex, once, in the order of the log; synced here (P29). At start these are
   * what the log has beyond the shard's state, which may be much: a promise says when there is room for more. */
  committed(entries: readonly CommittedEntry[]): Maybe<void> {
    let bytes = 0;
    // Only what a new leader begins with comes after a freeze.
    if (this.state.kind === 'gone') return undefined;
    for (let i = 0; i < entries.length; i++) {
      const { index, term, kind, data } = entries[i] as CommittedEntry;
      bytes += data.length;
      if (kind === 'change') {
        this.pump.push(index, this.changes.membersChanged(data) ?? EMPTY_COMMAND);
        continue;
      }
      const command = data.length > 0 ? data : EMPTY_COMMAND;
      if (isChangeCommand(command)) {
        this.commits.entryCommitted(command);
        this.changes.apply({ index, term }, command, (steps) => {
          this.pump.push(index, steps?.command() ?? EMPTY_COMMAND);
        });
        continue;
      }
      if (isCollect(command)) {
        this.pump.push(index, this.past.committed(command) ?? EMPTY_COMMAND);
        continue;
      }
      if (isTwoPhase(command)) {
        this.twoPhase.committed(command, (packed) => this.pump.push(index, packed));
        continue;
      }
      this.pump.push(index, this.asApplied(index, command));
      this.commits.entryCommitted(command);
      const check = commandChecksum(command);
      if (check !== undefined) this.sum(check, command);
      else if (isClear(command)) this.sums.stateCleared();
    }
    // The leader has counted them when it proposed them.
    if (this.state.kind !== 'leading') this.load.followed(entries.length, bytes);
    this.pump.pump();
    return this.pump.isFull ? this.pump.room() : undefined;
  }

  /** The last entry that is applied, not necessarily durable: the log may be cut only by what Shard.flush() answers
   * (P30). */
  get appliedIndex(): number {
    return this.pump.appliedIndex;
  }

  get isServing(): boolean {
    return this.gate.isOpen;
  }

  /** This replica leads; serves from when this resolves on, unless that has ceased meanwhile. To be called when an
   * entry of the leader's own term was given to committed().
   *
   * P1: the floor lies above now().latest and above every timestamp of the log and of the state. Those of entries that
   * were committed during this run were met on the way, in committed() or with a snapshot; those of the state that was
   * there at the start are at most parts.stateAtMost. P10: nothing of these is shown before it has passed. */
  async lead(term: number): Promise<void> {
    assert(this.state.kind !== 'installing', 'a replica without a state does not lead');
    this.cease('another term has begun', undefined);
    const won: ReplicaState = { kind: 'won', term };
    this.state = won;
    const { clock } = this.parts;
    const greatest = this.commits.greatestLogged;
    if (!clock.observe(greatest)) {
      this.parts.runtime.log.warn(
        'the log holds timestamps of the future; waiting for them to pass',
        { range: this.parts.range, greatest },
      );
    }
    await clock.waitUntilAfter(greatest);
    if (this.state !== won) return;
    this.state = { kind: 'leading', term };
    this.sessions.lead(this.bounds.descriptor.generation, term);
    const inherited = this.heritage.claim(term);
    if (inherited === undefined) this.rows.forgetAll();
    else this.sessions.adopt(inherited);
    this.rows.mayBeCached = true;
    this.twoPhase.lead();
    this.gate.open(laterOf(clock.latest(), greatest));
    this.bounds.lift();
  }

  /** This replica does not lead, or no longer. Ends all sessions; what was proposed is answered once the log shows what
   * the next leader made of it, or as ambiguous when that takes too long (P14, P15). `leaderNode`: where to go, when
   * that is known. */
  follow(leaderNode: number | undefined): void {
    const reason =
      leaderNode === undefined
        ? 'no leader of the range is known'
        : `node ${leaderNode} leads the range`;
    this.cease(reason, leaderNode);
    if (leaderNode !== undefined) this.heritage.disinherit();
    if (!this.hasNoState) this.state = FOLLOWING;
  }

  /** The node stops, or is broken: nobody will tell what becomes of what was proposed. */
  stopServing(reason: string): void {
    this.commits.abandon(reason);
    this.cease(reason, undefined);
    this.heritage.disinherit();
    if (!this.hasNoState) this.state = FOLLOWING;
  }

  /** It differs from the other replicas: it goes on as a member of its group, and never serves again. */
  break(reason: string): void {
    this.gate.break(reason);
    this.cease(reason, undefined);
  }

  /** P3: before leadership is handed over. Nothing is served any more; what is in flight gets a moment to end; then an
   * entry says what was served and assigned at most. Resolves when that has committed; from then on this replica serves
   * again only in another term, whatever comes of the transfer. */
  async handOver(): Promise<void> {
    const { state } = this;
    // Nothing was served in this term, and nothing will be.
    if (state.kind === 'won') this.state = { kind: 'handingOver', term: state.term };
    if (state.kind !== 'leading') return;
    const handing: ReplicaState = { kind: 'handingOver', term: state.term };
    this.state = handing;
    this.gate.close('its leadership is being handed over');
    this.sessions.endAll();
    this.twoPhase.cease();
    await this.inFlight.idle(this.parts.runtime.timers, HAND_OVER_MICROS);
    if (this.state !== handing) throw new Error('leadership has ceased');
    // Promised included: no lock goes over (P16).
    const served = laterOf(this.gate.highest, this.gate.promised);
    const highest = laterOf(served, this.commits.greatestLogged);
    const outcome = await this.propose(this.encoder.floor(highest));
    if (outcome.kind === 'committed') return;
    // Nobody was asked to lead, and the lease is what it was.
    if (this.state === handing) {
      this.state = state;
      this.twoPhase.lead();
      this.gate.open(highest);
    }
    throw new Error(`what was served could not be logged: ${outcome.message}`);
  }

  /** Of the leader: logs that all replicas are to sum up what they hold at a timestamp, and answers it. Every write at
   * or below it comes before that entry in the log, and none after. */
  async proposeChecksum(id: number): Promise<Timestamp> {
    const { gate, inFlight } = this;
    const t = this.parts.clock.latest();
    const demand = (): void => {
      const reason = gate.refusal(t);
      if (reason !== undefined) throw new Error(reason);
    };
    demand();
    if (!gate.isCovered(t)) await gate.cover(t);
    demand();
    gate.raise(t);
    for (;;) {
      const blocking = inFlight.blockingSpan(this.bounds.span, t);
      if (blocking === undefined) break;
      await inFlight.wait(blocking);
    }
    demand();
    const outcome = await this.propose(this.encoder.checksum(t, id));
    if (outcome.kind !== 'committed') throw new Error(outcome.message);
    return t;
  }

  /** P31: the state is about to be replaced. Nothing is applied from now on; resolves when nothing is being applied. */
  beginInstall(): Promise<void> {
    assert(
      this.state.kind === 'following' || this.state.kind === 'installing',
      'a leader installs no snapshot',
    );
    this.state = { kind: 'installing' };
    this.gate.close('a snapshot is being installed');
    this.rows.forget();
    this.sums.stateCleared();
    return this.pump.halt();
  }

  /** The state is that of a snapshot now, which shows nothing above `state.floor` (P1). */
  installed({ appliedIndex, records }: AppliedRange, state: RangeState): void {
    assert(this.state.kind === 'installing', 'it was being installed');
    this.bounds.change(state);
    this.restore(records);
    this.commits.met(state.floor);
    this.sums.stateReplaced(state.floor);
    this.pump.resume(appliedIndex);
    this.state = FOLLOWING;
    this.gate.close('no leader of the range is known');
  }

  get isInstalling(): boolean {
    return this.state.kind === 'installing';
  }

  /** Why it is no origin of a snapshot now. */
  whyNotSending(): string | undefined {
    if (this.state.kind === 'installing') return 'a snapshot is being installed here';
    return this.gate.whyBroken;
  }

  /** Nothing was logged, applied or told here that lies above it (P1). */
  get greatest(): Timestamp {
    return this.commits.greatestLogged;
  }

  /** P20, for a snapshot. */
  packTransactions(): readonly Uint8Array[] {
    return this.commits.recent.pack();
  }

  unpackTransactions(packed: Uint8Array): void {
    this.commits.recent.unpack(packed);
  }

  get whyBroken(): string | undefined {
    return this.gate.whyBroken;
  }

  /** Posts what is committed to the shard: what is asked of that from now on sees it. */
  flushApplies(): void {
    this.pump.flush();
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

  /** P23: a read at or below it may be served, whoever leads. */
  get safeTime(): Timestamp {
    return this.closed.safeTime;
  }

  get descriptor(): RangeDescriptor {
    return this.bounds.descriptor;
  }

  get rangeState(): RangeState {
    return this.bounds.state;
  }

  /** P27: in the turn in which the range to the left applies the merge. */
  absorbed(): Absorption {
    const absorption = this.heritage.leave();
    this.sums.end();
    this.state = { kind: 'gone' };
    this.gate.close('its range was merged into another');
    this.bounds.change(unknownState(this.parts.range));
    return absorption;
  }

  /** It is no replica any more: nothing is given to the shard from now on. Resolves when nothing is under way there. */
  end(reason: string): Promise<void> {
    this.stopServing(reason);
    this.rows.forget();
    this.sums.end();
    this.state = { kind: 'gone' };
    return this.pump.halt();
  }

  /** In the turn of its birth. */
  inherit(inheritance: Inheritance): void {
    this.heritage.inherit(inheritance);
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
      ...this.spending.stats(),
    };
  }

  private cease(reason: string, leaderNode: number | undefined): void {
    this.gate.close(reason, leaderNode);
    this.sessions.endAll();
    this.twoPhase.cease();
    this.commits.lose();
    this.changes.lose();
    this.pump.wakeWaiters();
    if (this.state.kind === 'leading' || this.state.kind === 'handingOver') this.rows.forget();
  }

  private get hasNoState(): boolean {
    return this.state.kind === 'installing' || this.state.kind === 'gone';
  }

  /** P18, P20: from the shard's records. */
  private restore(records: ReadonlyMap<string, Uint8Array>): void {
    this.twoPhase.restore(records, this.bounds.span);
    this.changes.restore(records);
    for (const [name, record] of records) {
      if (name.startsWith(RECENT_PREFIX)) this.commits.recent.unpack(record);
    }
  }

  private propose(command: Uint8Array): Promise<ProposalOutcome> {
    return new Promise((resolve) => this.parts.proposer.submit(command, resolve));
  }

  private sum(id: number, command: Uint8Array): void {
    this.pump.flush();
    this.sums.compute(id, command);
  }

  /** A bug on purpose, for the comparison of replicas to find: now and then one applies something else. */
  private asApplied(index: number, command: Uint8Array): Uint8Array {
    return index % CORRUPT_EVERY === 0 &&
      this.parts.runtime.faults.sometimes('ranges.corrupt-apply')
      ? corrupted(command)
      : command;
  }
}

const CORRUPT_EVERY = 61;

function nothingKnown(): readonly RangeDescriptor[] {
  return [];
}
