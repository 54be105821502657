// Two-phase commit in one replica: the state that all replicas have, and the two sides of it that the leader plays, as a
// participant and as the one who decides (P16 to P21).

import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { RangeId } from '../storage/shard.ts';
import type { Bounds } from './bounds.ts';
import { commandTimestamp, EMPTY_COMMAND } from './command.ts';
import type { Commits } from './commit/commits.ts';
import { Deciding } from './commit/deciding.ts';
import type { InFlightWrites } from './commit/in-flight.ts';
import { Participant } from './commit/participant.ts';
import type { Prepared } from './commit/prepared.ts';
import { Recovery } from './commit/recovery.ts';
import { type TwoPhaseEffect, TwoPhaseState } from './commit/two-phase-state.ts';
import type {
  ConfirmAnswer,
  DecideRequest,
  Elsewhere,
  OutcomeAnswer,
  PrepareAnswer,
  PrepareRequest,
  RangeCommit,
  RangeHead,
  RangeTxn,
  ResolveAnswer,
  ResolveRequest,
  TwoPhaseEndpoint,
} from './endpoint.ts';
import type { Gate } from './gate.ts';
import type { LockTable } from './locks/lock-table.ts';
import type { Session } from './locks/session.ts';
import type { Sessions } from './locks/sessions.ts';
import { RecordSteps } from './record-steps.ts';
import type { ReplicaParts } from './replica-parts.ts';
import type { Span, TxnId } from './requests.ts';

export type Records = ReadonlyMap<string, Uint8Array>;

/** Of the entry that is being applied, by whichever replica: it takes one turn. */
const STEPS = new RecordSteps();

export class ReplicaTwoPhase implements TwoPhaseEndpoint {
  private readonly parts: ReplicaParts;
  private readonly commits: Commits;
  private readonly state = new TwoPhaseState();
  private readonly participant: Participant;
  private readonly deciding: Deciding;
  private readonly recovery: Recovery;
  private undivided: readonly Prepared[] = [];

  constructor(
    parts: ReplicaParts,
    bounds: Bounds,
    gate: Gate,
    locks: LockTable,
    sessions: Sessions,
    inFlight: InFlightWrites,
    commits: Commits,
  ) {
    const { state } = this;
    this.parts = parts;
    this.commits = commits;
    this.participant = new Participant(
      parts,
      bounds,
      gate,
      locks,
      sessions,
      inFlight,
      commits,
      state,
    );
    this.deciding = new Deciding(parts, bounds, gate, sessions, commits, state);
    this.recovery = new Recovery(
      parts.runtime,
      state,
      locks,
      this.participant,
      this.deciding,
      parts.outcomes,
    );
  }

  /** P23: no follower may take anything at or above it for closed; undefined: nothing is prepared. */
  get oldestPrepare(): Timestamp | undefined {
    return this.state.prepared.oldest;
  }

  get preparedCount(): number {
    return this.state.prepared.size;
  }

  get decisionCount(): number {
    return this.state.decisions.size;
  }

  prepare(head: RangeHead, request: PrepareRequest): Promise<PrepareAnswer | Elsewhere> {
    return this.participant.prepare(head, request);
  }

  confirm(head: RangeHead, txn: RangeTxn): Promise<ConfirmAnswer | Elsewhere> {
    return this.participant.confirm(head, txn);
  }

  decide(head: RangeHead, request: DecideRequest): Promise<RangeCommit> {
    return this.deciding.decide(head, request);
  }

  resolve(head: RangeHead, request: ResolveRequest): Promise<ResolveAnswer | Elsewhere> {
    return this.participant.resolve(head, request);
  }

  inquire(
    _head: RangeHead,
    txn: TxnId,
    anchor: Uint8Array,
    deadline: Timestamp,
  ): Promise<OutcomeAnswer | Elsewhere> {
    return this.deciding.inquire(txn, anchor, deadline);
  }

  settled(_head: RangeHead, txn: TxnId, anchor: Uint8Array): Promise<ResolveAnswer | Elsewhere> {
    return Promise.resolve(this.deciding.settled(txn, anchor));
  }

  /** A committed entry for which isTwoPhase(): `give` takes what the shard is to make of it, before anything of it can
   * be seen here (P13). */
  committed(command: Uint8Array, give: (packed: Uint8Array) => void): void {
    const steps = STEPS;
    steps.reset();
    const effect = this.state.apply(this.parts.range, command, steps);
    give(steps.isEmpty ? EMPTY_COMMAND : steps.command());
    this.commits.met(commandTimestamp(command) ?? MIN_TIMESTAMP);
    this.show(effect);
    this.recovery.watch();
  }

  /** Whoever commits it has ended, or is gone. */
  unattended(txn: TxnId): void {
    this.participant.unattended(txn);
  }

  /** Of a confirmed one: it ends, once its promise is over. */
  forsake(session: Session): void {
    this.participant.forsake(session);
  }

  /** Before anything is served; sessions that were handed over are there. */
  lead(): void {
    this.participant.lead();
    this.recovery.lead();
  }

  cease(): void {
    this.recovery.cease();
    this.participant.cease();
    this.deciding.cease();
  }

  /** At the start, or from a snapshot. */
  restore(records: Records, span: Span): void {
    // A bug on purpose, for the simulator to find: what was prepared is forgotten.
    if (this.parts.runtime.faults.sometimes('ranges.forget-prepare')) return;
    this.state.restore(records, span);
  }

  /** P25: at a split's entry. Answers what the right half begins with; the steps write it. */
  divide(right: RangeId, at: Uint8Array, steps: RecordSteps): Records {
    this.undivided = this.state.prepared.all();
    if (this.undivided.length > 0) this.parts.runtime.faults.reached('split.prepared');
    return this.state.divide(this.parts.range, right, at, steps);
  }

  /** The range is the left half, and what was locked in the right one is handed over. */
  divided(): void {
    this.participant.divided(this.undivided);
    this.undivided = [];
  }

  /** All that is prepared or decided here, by name. */
  records(): Records {
    return this.state.records();
  }

  /** P27. While it leads, united() follows in the same turn. */
  unite(records: Records, steps: RecordSteps): void {
    this.undivided = this.state.prepared.all();
    if (this.undivided.length > 0 || records.size > 0) {
      this.parts.runtime.faults.reached('merge.prepared');
    }
    this.state.unite(this.parts.range, records, steps);
  }

  /** Of the leader: the range has grown, and sessions that were handed over are there. */
  united(): void {
    this.participant.united(this.undivided);
    this.undivided = [];
    this.recovery.watch();
  }

  private show(effect: TwoPhaseEffect): void {
    switch (effect.kind) {
      case 'prepared':
        this.participant.prepared(effect.prepared);
        return;
      case 'decided': {
        const { txn, s } = effect.decision.facts;
        if (effect.decision.isCommitted) this.commits.decided(s, txn);
        return;
      }
      case 'resolved':
        this.participant.resolved(effect.prepared, effect.s);
        return;
      case 'nothing':
        return;
    }
  }
}
