// One range in a commit of several, while this replica leads: it prepares what is written here, confirms what was only
// read (P16), and carries the outcome out. What is prepared survives whoever leads; what was read is protected by locks
// of one leader, so that a new one can't vouch for it.

import { assert } from '../../base/assert.ts';
import { hashBytes } from '../../base/bytes.ts';
import { laterOf, MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { Bounds } from '../bounds.ts';
import { overlaps } from '../descriptor.ts';
import type {
  ConfirmAnswer,
  Elsewhere,
  PrepareAnswer,
  PrepareRequest,
  RangeHead,
  RangeTxn,
  ResolveAnswer,
  ResolveRequest,
} from '../endpoint.ts';
import { type Gate, PROMISE_MICROS_MAX } from '../gate.ts';
import type { LockTable } from '../locks/lock-table.ts';
import { Session } from '../locks/session.ts';
import type { Sessions } from '../locks/sessions.ts';
import type { ProposalOutcome, ReplicaParts } from '../replica-parts.ts';
import type { Refusal, TxnId } from '../requests.ts';
import type { Commits } from './commits.ts';
import type { InFlightWrites } from './in-flight.ts';
import type { Prepared } from './prepared.ts';
import { encodeResolve } from './two-phase-format.ts';
import type { TwoPhaseState } from './two-phase-state.ts';

const RESOLVED: ResolveAnswer = { kind: 'resolved' };

export class Participant {
  private readonly parts: ReplicaParts;
  private readonly bounds: Bounds;
  private readonly gate: Gate;
  private readonly locks: LockTable;
  private readonly sessions: Sessions;
  private readonly inFlight: InFlightWrites;
  private readonly commits: Commits;
  private readonly state: TwoPhaseState;
  /** The last promise to each session that may not be wounded for its sake. */
  private readonly promises = new Map<Session, Timestamp>();
  /** Nobody will let go of them. */
  private readonly forsaken = new Set<Session>();

  constructor(
    parts: ReplicaParts,
    bounds: Bounds,
    gate: Gate,
    locks: LockTable,
    sessions: Sessions,
    inFlight: InFlightWrites,
    commits: Commits,
    state: TwoPhaseState,
  ) {
    this.parts = parts;
    this.bounds = bounds;
    this.gate = gate;
    this.locks = locks;
    this.sessions = sessions;
    this.inFlight = inFlight;
    this.commits = commits;
    this.state = state;
  }

  async prepare(head: RangeHead, request: PrepareRequest): Promise<PrepareAnswer | Elsewhere> {
    const { txn, writes, anchor, deadline } = request;
    const earlier = this.state.prepared.find(txn.id);
    if (earlier !== undefined) return this.vouch(head, earlier, writes.length);
    if (this.isOver(txn.id)) return OVER;
    const role = { kind: 'prepare', anchor } as const;
    const answer = await this.commits.commit(head, this.quoted(txn), writes, deadline, role);
    if (answer.kind !== 'committed') return answer;
    const prepared = this.state.prepared.find(txn.id);
    if (prepared === undefined) return OVER;
    return this.vouch(head, prepared, writes.length);
  }

  async confirm(head: RangeHead, txn: RangeTxn): Promise<ConfirmAnswer | Elsewhere> {
    for (;;) {
      const { bounds, gate } = this;
      if (!bounds.isCurrent(head)) return bounds.wrong(bounds.span);
      const reason = gate.refusalNow();
      if (reason !== undefined) {
        if ((await gate.renewal()) === true) continue;
        return bounds.notLeader(gate, reason);
      }
      if (txn.session === undefined) return NOT_READ;
      const session = this.sessions.admitAll(txn);
      if (!(session instanceof Session)) {
        // A bug on purpose, for the simulator to find: P15 turned off.
        if (!this.hasFault('ranges.forget-lock-session')) return session;
        return { kind: 'confirmed', until: MAX_TIMESTAMP };
      }
      if (!bounds.admitsOwner(session.owner)) {
        const elsewhere = await bounds.whyNot(bounds.span);
        if (elsewhere !== undefined) return elsewhere;
        continue;
      }
      const until = gate.promise();
      if (until === undefined) return { kind: 'notServing', message: 'the lease is nearly over' };
      this.keepUntil(session, until);
      return { kind: 'confirmed', until };
    }
  }

  async resolve(head: RangeHead, request: ResolveRequest): Promise<ResolveAnswer | Elsewhere> {
    const { txn, outcome, span } = request;
    const s = outcome.kind === 'committed' ? outcome.timestamp : MIN_TIMESTAMP;
    for (;;) {
      const { bounds, gate, state } = this;
      // Of a part of the span something else may be prepared elsewhere by now.
      if (!bounds.isCurrent(head) || !overlaps(span, bounds.span)) return bounds.wrong(span);
      const reason = gate.refusalNow();
      if (reason !== undefined) {
        if ((await gate.renewal()) === true) continue;
        return bounds.notLeader(gate, reason);
      }
      const prepared = state.prepared.find(txn);
      if (prepared !== undefined) return this.resolvePrepared(prepared, s);
      const session = this.sessions.find(txn);
      if (session?.commit === undefined) return RESOLVED;
      // It waits for locks: it ends here and now. Or it is on its way through the log.
      const { commit, owner } = session;
      if (owner.state === 'active' || owner.state === 'confirmed') this.sessions.release(session);
      const answer = await commit;
      if (answer.kind === 'ambiguous') return { kind: 'notServing', message: answer.message };
    }
  }

  /** Also by recovery. Refused while this replica may propose nothing. */
  async resolvePrepared(prepared: Prepared, s: Timestamp): Promise<ResolveAnswer | Elsewhere> {
    const { bounds, gate } = this;
    const keys = prepared.writes.map(({ key }) => key);
    while (!bounds.admitsKeys(keys)) {
      const elsewhere = await bounds.whyNotKeys(keys);
      if (elsewhere !== undefined) return elsewhere;
    }
    // It may have been resolved, or divided, meanwhile.
    if (this.state.prepared.find(prepared.facts.txn) !== prepared) {
      return { kind: 'notServing', message: 'the range has changed meanwhile' };
    }
    const reason = gate.refusalNow();
    if (reason !== undefined) return bounds.notLeader(gate, reason);
    prepared.resolving ??= this.proposeOutcome(prepared, s);
    const isResolved = await prepared.resolving;
    return isResolved ? RESOLVED : { kind: 'notServing', message: 'the outcome was not logged' };
  }

  /** The entry is committed, and given to the shard. */
  prepared(prepared: Prepared): void {
    const { at, txn } = prepared.facts;
    const session = this.commits.prepared(at, txn);
    if (session === undefined) return;
    prepared.session = session;
    prepared.isReadProtected = true;
    prepared.isAttended = true;
    this.inFlight.hold(prepared); // P22
  }

  /** As prepared(). Every read from now on sees it (P13). */
  resolved(prepared: Prepared, s: Timestamp): void {
    const { txn, writes, deadline } = prepared.facts;
    const isCommitted = s !== MIN_TIMESTAMP;
    if (isCommitted) this.commits.remember(txn, s, deadline);
    const { session, hashes } = prepared;
    if (session === undefined) return;
    if (isCommitted) {
      // P19. A bug on purpose turns it off.
      if (!this.hasFault('ranges.skip-resolve-floor')) this.gate.raise(s);
      for (let i = 0; i < writes.length; i++) {
        const { key, value } = writes[i] as (typeof writes)[number];
        this.parts.cache.put(key, hashes[i] as number, s, value);
      }
    }
    this.inFlight.letGo(prepared);
    this.sessions.end(session);
  }

  /** Whoever commits it has ended, or is gone: the outcome should come soon. */
  unattended(txn: TxnId): void {
    const prepared = this.state.prepared.find(txn);
    if (prepared === undefined) return;
    prepared.isAttended = false;
    prepared.looks = 0;
  }

  /** P16: a decision about it may still be on its way. */
  forsake(session: Session): void {
    if (this.promises.has(session)) this.forsaken.add(session);
    else this.sessions.release(session);
  }

  /** Before anything is served: what is prepared is locked, as it was under whoever led before. */
  lead(): void {
    for (const prepared of this.state.prepared.all()) this.take(prepared);
    // Handed over: what its transaction has read is on this side of a split, and what it writes on the other.
    for (const session of this.sessions.all()) this.keepHandedOver(session);
  }

  /** P27: after a merge, while it leads: what was prepared to the right is locked here, before it is served. */
  united(before: readonly Prepared[]): void {
    const { state, inFlight } = this;
    for (const prepared of before) {
      if (state.prepared.find(prepared.facts.txn) !== prepared) inFlight.letGo(prepared);
    }
    for (const prepared of state.prepared.all()) {
      if (prepared.session !== undefined) continue;
      this.take(prepared);
      // Of what was read on either side, nobody knows here whether it was locked all the time.
      prepared.isReadProtected = false;
    }
    for (const session of this.sessions.all()) this.keepHandedOver(session);
  }

  /** Locks went with leadership, and so did whoever waited. */
  cease(): void {
    this.promises.clear();
    this.forsaken.clear();
    for (const prepared of this.state.prepared.all()) {
      prepared.session = undefined;
      prepared.isReadProtected = false;
      prepared.isAttended = false;
      prepared.resolving = undefined;
      this.inFlight.letGo(prepared);
    }
  }

  /** P18: after a split, what waits for the part that is gone finds it in the other half. */
  divided(before: readonly Prepared[]): void {
    for (const prepared of before) {
      const now = this.state.prepared.find(prepared.facts.txn);
      if (now === prepared) continue;
      const { session } = prepared;
      this.inFlight.letGo(prepared);
      if (session === undefined) continue;
      if (now !== undefined) this.inFlight.hold(now);
      else if (session.owner.lockCount === 0) this.sessions.end(session);
      else this.keepFor(session, PROMISE_MICROS_MAX);
    }
  }

  private take(prepared: Prepared): void {
    const { txn: id, age, writes } = prepared.facts;
    // Handed over by the leader of the range that this one was split from, with all its locks.
    const handed = this.sessions.find(id);
    const session = handed ?? this.sessions.admit({ id, age }, undefined);
    assert(session instanceof Session, 'what is prepared has its locks before anybody else');
    for (const { key } of writes) {
      const isGranted = this.isHeldOrTaken(session, key);
      assert(isGranted, 'nobody else has locked what is prepared');
    }
    session.owner.state = 'prepared';
    prepared.session = session;
    prepared.isReadProtected = handed !== undefined;
    this.inFlight.hold(prepared);
  }

  private isHeldOrTaken(session: Session, key: Uint8Array): boolean {
    return this.locks.tryKey(session.owner, key, hashBytes(key), true);
  }

  /** P16: of what is prepared, until when what it has read here is protected. */
  private vouch(head: RangeHead, prepared: Prepared, writes: number): PrepareAnswer | Elsewhere {
    const { bounds, gate } = this;
    const { at, hasRead } = prepared.facts;
    if (!bounds.isCurrent(head)) return bounds.wrong(bounds.span);
    const reason = gate.refusalNow();
    if (reason !== undefined) return bounds.notLeader(gate, reason);
    if (prepared.session === undefined) {
      return { kind: 'ambiguous', message: 'another leader has to say' };
    }
    // A merge has brought writes here that were never prepared.
    if (prepared.writes.length < writes) return OVER;
    if (!hasRead) return { kind: 'prepared', at, until: MAX_TIMESTAMP };
    if (!prepared.isReadProtected) return NOT_READ;
    const until = gate.promise();
    if (until === undefined) return { kind: 'ambiguous', message: 'the lease is nearly over' };
    return { kind: 'prepared', at, until };
  }

  /** P16: it may have been promised something where it comes from. */
  private keepHandedOver(session: Session): void {
    const { owner, commit } = session;
    // With a commit under way here, its record is still on its way through the log.
    const isWithoutRecord =
      owner.state === 'prepared' &&
      commit === undefined &&
      this.state.prepared.find(owner.id) === undefined;
    const isUnwatched = owner.state === 'confirmed' && !this.promises.has(session);
    if (isWithoutRecord || isUnwatched) this.keepFor(session, PROMISE_MICROS_MAX);
  }

  /** As long as any promise that was made for it elsewhere. */
  private keepFor(session: Session, micros: number): void {
    const until = (this.parts.clock.latest() + micros) as Timestamp;
    this.gate.promised = laterOf(this.gate.promised, until);
    this.keepUntil(session, until);
  }

  /** P16: until then nobody takes its locks away. */
  private keepUntil(session: Session, until: Timestamp): void {
    session.owner.state = 'confirmed';
    this.parts.clock.waitUntilAfter(until).then(
      () => {
        // There may be a later one.
        if (this.promises.get(session) !== until) return;
        this.promises.delete(session);
        if (this.forsaken.delete(session)) this.sessions.release(session);
        else this.sessions.relax(session);
      },
      // The node stops.
      () => undefined,
    );
    this.promises.set(session, until);
  }

  private proposeOutcome(prepared: Prepared, s: Timestamp): Promise<boolean> {
    for (const hash of prepared.hashes) this.parts.cache.proposed(hash); // P14
    const command = encodeResolve(prepared.facts.txn, s);
    return new Promise((resolve) => {
      this.parts.proposer.submit(command, (outcome: ProposalOutcome) => {
        // Told again, it may succeed.
        if (outcome.kind !== 'committed') prepared.resolving = undefined;
        resolve(outcome.kind === 'committed');
      });
    });
  }

  /** It had its outcome here, and is not to be prepared again. */
  private isOver(txn: TxnId): boolean {
    return (
      this.commits.whenCommitted(txn) !== undefined || this.state.decisions.find(txn) !== undefined
    );
  }

  /** A bug on purpose, for the simulator to find: P15 turned off. */
  private quoted(txn: RangeTxn): RangeTxn {
    const isKnown = txn.session === undefined || this.sessions.find(txn.id) !== undefined;
    if (isKnown || !this.hasFault('ranges.forget-lock-session')) return txn;
    return { ...txn, session: undefined, also: [] };
  }

  private hasFault(point: string): boolean {
    return this.parts.runtime.faults.sometimes(point);
  }
}

const OVER: Refusal = { kind: 'sessionGone', message: 'the transaction has ended here' };
const NOT_READ: Refusal = {
  kind: 'sessionGone',
  message: 'what it read is not locked any more',
};
