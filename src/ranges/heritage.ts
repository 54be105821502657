// What goes from one range to another when they part or become one: what is prepared, whose locks are whose, the ids of
// transactions, what was promised and what is cached. All in the turn in which the split or the merge is applied, beside
// what the shard is given.

import { assert } from '../base/assert.ts';
import { laterOf, type Timestamp } from '../clock/timestamp.ts';
import { BIRTH } from '../raft/birth.ts';
import type { RangeId } from '../storage/shard.ts';
import type { ApplyPump } from './apply-pump.ts';
import type { Bounds } from './bounds.ts';
import type { Commits } from './commit/commits.ts';
import type { ReplicaSums } from './consistency/replica-sums.ts';
import type { RangeDescriptor } from './descriptor.ts';
import type { Gate } from './gate.ts';
import type { Absorption, Inheritance, SplitBirth } from './handed-over.ts';
import type { HandedSession, Sessions } from './locks/sessions.ts';
import type { ChangingReplica } from './range-changes.ts';
import type { CachedRows } from './reads/cached-rows.ts';
import type { RecordSteps } from './record-steps.ts';
import type { ReplicaParts } from './replica-parts.ts';
import type { ReplicaTwoPhase } from './replica-two-phase.ts';

/** What there is to leave. */
interface Estate {
  readonly bounds: Bounds;
  readonly gate: Gate;
  readonly sessions: Sessions;
  readonly pump: ApplyPump;
  readonly commits: Commits;
  readonly twoPhase: ReplicaTwoPhase;
  readonly sums: ReplicaSums;
  readonly rows: CachedRows;
  isLeading(): boolean;
}

/** A child's first leader is there within a round trip, or it is somebody else. */
const EXPECTED_MICROS = 2_000_000;

export class Heritage implements ChangingReplica {
  private readonly parts: ReplicaParts;
  private readonly estate: Estate;
  private inherited: readonly HandedSession[] | undefined = undefined;

  constructor(parts: ReplicaParts, estate: Estate) {
    this.parts = parts;
    this.estate = estate;
  }

  whyNotLeading(): string | undefined {
    return this.estate.isLeading() ? this.estate.gate.refusalNow() : 'it does not lead';
  }

  highest(): Timestamp {
    return laterOf(this.estate.gate.highest, this.estate.commits.greatestLogged);
  }

  promised(): Timestamp {
    return this.estate.gate.promised;
  }

  divideRecords(
    right: RangeId,
    at: Uint8Array,
    steps: RecordSteps,
  ): ReadonlyMap<string, Uint8Array> {
    return this.estate.twoPhase.divide(right, at, steps);
  }

  mayBear(right: RangeDescriptor): boolean {
    return this.parts.mayBear?.(right) ?? false;
  }

  wasSplit(birth: SplitBirth): void {
    const { pump, sums, sessions, twoPhase, commits, gate, rows } = this.estate;
    // Before anything is asked of the shard on the child's behalf.
    pump.flush();
    sums.stateCleared();
    const child = this.parts.born?.(birth);
    const handed = this.estate.isLeading()
      ? sessions.handOver(birth.state.descriptor.span.start)
      : undefined;
    twoPhase.divided();
    child?.inherit({
      transactions: commits.recent.fork(),
      greatest: commits.greatestLogged,
      promised: gate.promised,
      sessions: handed,
      mayBeCached: rows.mayBeCached,
    });
  }

  /** To a child. Requests wait for the leader that is expected, for a moment. */
  inherit({ transactions, greatest, promised, sessions, mayBeCached }: Inheritance): void {
    const { bounds, gate, commits, rows } = this.estate;
    commits.recent = transactions;
    gate.promised = promised;
    commits.met(greatest);
    // P14: whether or not it is led in succession, since the parent forgets no more than what it keeps.
    rows.mayBeCached = mayBeCached;
    if (sessions === undefined) return;
    this.inherited = sessions;
    bounds.bar(bounds.span.start);
    this.parts.runtime.timers.after(EXPECTED_MICROS, () => this.disinherit());
  }

  /** What the parent's leader has left to the child's, who leads from birth on: in unbroken succession, so that what is
   * cached is what there is. Anybody later has nothing from there. */
  claim(term: number): readonly HandedSession[] | undefined {
    const { inherited } = this;
    this.inherited = undefined;
    return term === BIRTH.term ? inherited : undefined;
  }

  /** Somebody else leads, or nobody for long: nothing is waited for, and what was locked is lost (P15). */
  disinherit(): void {
    if (this.inherited === undefined) return;
    this.inherited = undefined;
    this.estate.bounds.lift();
  }

  /** P27: to the range on the left, before this one is over. */
  leave(): Absorption {
    const { pump, sessions, bounds, gate, commits, twoPhase, rows } = this.estate;
    pump.flush();
    const { mayBeCached } = rows;
    rows.mayBeCached = false;
    return {
      sessions: this.estate.isLeading() ? sessions.letGo() : undefined,
      state: bounds.state,
      records: twoPhase.records(),
      transactions: commits.recent,
      greatest: laterOf(commits.greatestLogged, gate.highest),
      promised: gate.promised,
      mayBeCached,
    };
  }

  /** P27: every replica of the right range has its freeze, durably, before the left one's leader proposes. */
  takeRight(right: RangeId, generation: number): Absorption {
    const there = this.parts.absorb?.(right);
    assert(there !== undefined, `P27: range ${right} is not here`);
    const { frozen, descriptor } = there.rangeState;
    const isOurs = frozen?.by === this.parts.range && descriptor.generation === generation;
    assert(isOurs, `P27: range ${right} is not frozen for this one`);
    return there.absorbed();
  }

  uniteRecords(records: ReadonlyMap<string, Uint8Array>, steps: RecordSteps): void {
    this.estate.twoPhase.unite(records, steps);
  }

  wasMerged(right: Absorption, floor: Timestamp): void {
    const { pump, sums, sessions, gate, commits, twoPhase, rows } = this.estate;
    // Before anything of the right half is asked of the shard.
    pump.flush();
    sums.stateCleared();
    commits.recent.absorb(right.transactions);
    commits.met(laterOf(right.greatest, floor));
    const { span } = right.state.descriptor;
    const isLeading = this.estate.isLeading();
    if (isLeading) gate.raise(floor);
    if (isLeading && right.sessions !== undefined) {
      gate.promised = laterOf(gate.promised, right.promised);
      sessions.unite(right.sessions);
      twoPhase.united();
      return;
    }
    if (isLeading) twoPhase.united();
    rows.forgetPart(span, right.mayBeCached);
  }
}
