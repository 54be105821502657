// The range that holds a transaction's anchor decides about it, once (P19): it commits with what the transaction writes
// here, or an inquiry that comes first records that it is aborted. One of the two is in the log before the other.

import { MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { Bounds } from '../bounds.ts';
import type {
  DecideRequest,
  Elsewhere,
  OutcomeAnswer,
  RangeCommit,
  RangeHead,
  ResolveAnswer,
} from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import type { Sessions } from '../locks/sessions.ts';
import type { ReplicaParts } from '../replica-parts.ts';
import type { Refusal, TxnId } from '../requests.ts';
import type { Commits } from './commits.ts';
import type { Decision } from './decisions.ts';
import type { PendingRole } from './pending-commit.ts';
import { encodeDecide, encodeForget } from './two-phase-format.ts';
import type { TwoPhaseState } from './two-phase-state.ts';

const FORGOTTEN_AT_ONCE_MAX = 1000;
const ABORTED: OutcomeAnswer = { kind: 'aborted' };

export class Deciding {
  private readonly parts: ReplicaParts;
  private readonly bounds: Bounds;
  private readonly gate: Gate;
  private readonly sessions: Sessions;
  private readonly commits: Commits;
  private readonly state: TwoPhaseState;
  /** Aborts on their way through the log. */
  private readonly aborting = new Map<TxnId, Promise<OutcomeAnswer>>();
  private isForgetting = false;

  constructor(
    parts: ReplicaParts,
    bounds: Bounds,
    gate: Gate,
    sessions: Sessions,
    commits: Commits,
    state: TwoPhaseState,
  ) {
    this.parts = parts;
    this.bounds = bounds;
    this.gate = gate;
    this.sessions = sessions;
    this.commits = commits;
    this.state = state;
  }

  async decide(head: RangeHead, request: DecideRequest): Promise<RangeCommit> {
    const { txn, writes, deadline, anchor, participants, atLeast, below } = request;
    const decision = this.state.decisions.find(txn.id);
    if (decision !== undefined) return this.told(decision);
    const whyOver = (): Refusal | undefined => this.whyOver(txn.id);
    const over = whyOver();
    if (over !== undefined) return over;
    const role: PendingRole = { kind: 'decide', anchor, participants, atLeast, below, whyOver };
    return this.commits.commit(head, txn, writes, deadline, role);
  }

  async inquire(
    txn: TxnId,
    anchor: Uint8Array,
    deadline: Timestamp,
  ): Promise<OutcomeAnswer | Elsewhere> {
    for (;;) {
      const { bounds, gate } = this;
      if (!bounds.admitsKey(anchor)) {
        const elsewhere = await bounds.whyNotKey(anchor);
        if (elsewhere !== undefined) return elsewhere;
        continue;
      }
      // Only who surely leads knows all that was decided.
      const reason = gate.refusalNow();
      if (reason !== undefined) {
        if ((await gate.renewal()) === true) continue;
        return bounds.notLeader(gate, reason);
      }
      const known = this.outcome(txn);
      if (known !== undefined) return known;
      const session = this.sessions.find(txn);
      // What is prepared here too, since ranges have merged, waits for this very decision.
      if (session?.commit !== undefined && session.owner.state !== 'prepared') {
        // It waits for locks, and others for it (P21): it is given up. Or its outcome is about to be known.
        const { commit } = session;
        if (session.owner.state !== 'committing') this.sessions.release(session);
        const answer = await commit;
        if (answer.kind === 'ambiguous') return { kind: 'notServing', message: answer.message };
        continue;
      }
      // Whatever came now would get a timestamp above its deadline.
      if (this.parts.clock.earliest() > deadline) return ABORTED;
      // A bug on purpose, for the simulator to find: P19 turned off.
      if (this.parts.runtime.faults.sometimes('ranges.answer-unrecorded')) return ABORTED;
      return this.abort(txn, anchor, deadline);
    }
  }

  settled(txn: TxnId, anchor: Uint8Array): ResolveAnswer | Elsewhere {
    const decision = this.state.decisions.find(txn);
    if (decision !== undefined) decision.isSettled = true;
    else if (!this.bounds.admitsKey(anchor))
      return this.bounds.wrong({ start: anchor, end: undefined });
    return { kind: 'resolved' };
  }

  /** Logs that decisions which nobody will ask for are to be forgotten. */
  forgetOld(): void {
    if (this.isForgetting || this.gate.refusalNow() !== undefined || this.bounds.isBarred) return;
    const earliest = this.parts.clock.earliest();
    const old: TxnId[] = [];
    for (const decision of this.state.decisions.all()) {
      if (!decision.isOver(earliest)) continue;
      old.push(decision.facts.txn);
      if (old.length === FORGOTTEN_AT_ONCE_MAX) break;
    }
    if (old.length === 0) return;
    this.isForgetting = true;
    this.parts.proposer.submit(encodeForget(old), () => {
      this.isForgetting = false;
    });
  }

  cease(): void {
    this.aborting.clear();
  }

  private whyOver(txn: TxnId): Refusal | undefined {
    const { decisions, prepared } = this.state;
    if (this.aborting.has(txn) || decisions.find(txn)?.isCommitted === false) return GIVEN_UP;
    // What is prepared here, since ranges have merged, is not what was asked to be decided.
    return prepared.find(txn) === undefined ? undefined : GIVEN_UP;
  }

  private outcome(txn: TxnId): OutcomeAnswer | Promise<OutcomeAnswer> | undefined {
    const decision = this.state.decisions.find(txn);
    if (decision?.isCommitted === false) return ABORTED;
    const timestamp = decision?.facts.s ?? this.commits.whenCommitted(txn);
    if (timestamp === undefined) return this.aborting.get(txn);
    return this.oncePassed(timestamp);
  }

  private told(decision: Decision): Promise<RangeCommit> | RangeCommit {
    if (!decision.isCommitted) return GIVEN_UP;
    return this.oncePassed(decision.facts.s);
  }

  /** P19: told only after commit-wait. */
  private async oncePassed(
    timestamp: Timestamp,
  ): Promise<{ readonly kind: 'committed'; readonly timestamp: Timestamp }> {
    if (!this.gate.hasPassed(timestamp)) await this.gate.waitUntilPassed(timestamp);
    return { kind: 'committed', timestamp };
  }

  private abort(txn: TxnId, anchor: Uint8Array, deadline: Timestamp): Promise<OutcomeAnswer> {
    const facts = { txn, s: MIN_TIMESTAMP, deadline, anchor, participants: [] };
    const command = encodeDecide(facts, [], () => false);
    let tell: (answer: OutcomeAnswer) => void = () => undefined;
    const aborted = new Promise<OutcomeAnswer>((resolve) => {
      tell = resolve;
    });
    this.aborting.set(txn, aborted);
    this.parts.proposer.submit(command, (outcome) => {
      if (this.aborting.get(txn) === aborted) this.aborting.delete(txn);
      if (outcome.kind === 'committed') tell(ABORTED);
      else tell({ kind: 'notServing', message: outcome.message });
    });
    return aborted;
  }
}

const GIVEN_UP: Refusal = { kind: 'wounded', message: 'it was given up: others waited for it' };
