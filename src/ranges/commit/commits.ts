// How writes become visible: locks, a timestamp, one log entry, commit-wait, answer. Everything from the last check to
// the proposal happens in one turn; the outcome is decided by proposing, not by applying (P13).

import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { ApplyPump } from '../apply-pump.ts';
import type { Bounds } from '../bounds.ts';
import { COMMANDS, commandTimestamp, commandTxn } from '../command.ts';
import type { Elsewhere, RangeCommit, RangeHead, RangeRefusal, RangeTxn } from '../endpoint.ts';
import type { Gate } from '../gate.ts';
import {
  KEY_BYTES_MAX,
  LOCKS_PER_TRANSACTION_MAX,
  REMEMBERED_TRANSACTIONS_MAX,
  TRANSACTION_BYTES_MAX,
  VALUE_BYTES_MAX,
  WRITE_OVERHEAD_BYTES,
} from '../limits.ts';
import type { RangeLoad } from '../load/range-load.ts';
import type { LockTable } from '../locks/lock-table.ts';
import type { LockWaits } from '../locks/lock-waits.ts';
import { Session } from '../locks/session.ts';
import { type Sessions } from '../locks/sessions.ts';
import type { ProposalOutcome, ReplicaParts } from '../replica-parts.ts';
import type { CommitAnswer, Refusal, Span, TxnId, Write } from '../requests.ts';
import type { Spending } from '../spending.ts';
import { parseTxnId, randomTxnId } from '../txn-id.ts';
import type { InFlightWrites } from './in-flight.ts';
import { PendingCommit, type PendingRole } from './pending-commit.ts';
import { RecentTransactions } from './recent-transactions.ts';
import { encodeDecide, encodePrepare, hashesOf } from './two-phase-format.ts';

export class Commits {
  private readonly parts: ReplicaParts;
  private readonly bounds: Bounds;
  private readonly gate: Gate;
  private readonly locks: LockTable;
  private readonly lockWaits: LockWaits;
  private readonly sessions: Sessions;
  private readonly inFlight: InFlightWrites<PendingCommit>;
  private readonly pump: ApplyPump;
  private readonly load: RangeLoad;
  private readonly spending: Spending;
  private readonly encoder = COMMANDS;
  recent: RecentTransactions = new RecentTransactions(REMEMBERED_TRANSACTIONS_MAX);
  private readonly id = new Uint32Array(4);
  /** Proposed in a leadership that has ended, and not decided yet. */
  private readonly lost = new Set<PendingCommit>();
  /** Above every timestamp met in the log (P1, P10). */
  greatestLogged: Timestamp = MIN_TIMESTAMP;
  /** Set when the disk is nearly full: why. */
  refuseWrites: string | undefined = undefined;
  committed = 0;

  constructor(
    parts: ReplicaParts,
    bounds: Bounds,
    gate: Gate,
    locks: LockTable,
    lockWaits: LockWaits,
    sessions: Sessions,
    inFlight: InFlightWrites<PendingCommit>,
    pump: ApplyPump,
    load: RangeLoad,
    spending: Spending,
  ) {
    this.parts = parts;
    this.bounds = bounds;
    this.gate = gate;
    this.locks = locks;
    this.lockWaits = lockWaits;
    this.sessions = sessions;
    this.inFlight = inFlight;
    this.pump = pump;
    this.load = load;
    this.spending = spending;
  }

  commit(
    head: RangeHead,
    txn: RangeTxn,
    writes: readonly Write[],
    deadline: Timestamp,
    role?: PendingRole,
  ): Promise<RangeCommit> {
    const again = this.alreadySent(txn.id);
    if (again !== undefined) return again;
    const { bounds } = this;
    if (!bounds.admitsWrites(writes)) return this.commitOnce(head, txn, writes, deadline, role);
    if (!bounds.isCurrent(head)) return Promise.resolve(bounds.wrong(bounds.span));
    const session = this.sessions.admitAll(txn);
    if (!(session instanceof Session)) {
      if (txn.session !== undefined && this.sessions.isOfEarlierLease(txn.session)) {
        this.parts.runtime.faults.reached('txn.lease-changed');
      }
      const sure = this.whetherSure(txn.id);
      if (sure === undefined) return Promise.resolve(session);
      return sure.then((answer) => answer ?? this.commit(head, txn, writes, deadline, role));
    }
    const tooLarge = whyTooLarge(writes) ?? whyTooManyLocks(session, writes.length);
    if (tooLarge !== undefined) {
      this.sessions.end(session);
      return Promise.resolve(tooLarge);
    }
    const commit = new PendingCommit(
      session,
      txn.id,
      writes,
      hashesOf(writes),
      undefined,
      deadline,
    );
    commit.spanGeneration = this.bounds.state.spanGeneration;
    commit.role = role;
    session.commit = commit.answered;
    this.lock(commit, 0);
    return commit.answered;
  }

  /** P20: that a session is gone says that nothing of it can be committed any more, and whoever asks takes it for that. What
   * was proposed under it may yet be: when the session ended with a leadership, only who surely leads now knows; when it
   * ended in this one, what is in flight does. Undefined: it is so. Resolves with undefined: to be asked again. */
  private whetherSure(txn: string): Promise<RangeCommit | undefined> | undefined {
    for (const commit of [...this.inFlight.all(), ...this.lost]) {
      if (commit.txn === txn) return commit.answered;
    }
    const reason = this.gate.refusalNow();
    if (reason === undefined) return undefined;
    const refusal = this.bounds.notLeader(this.gate, reason);
    const renewal = this.gate.renewal();
    if (renewal === undefined) return Promise.resolve(refusal);
    return renewal.then((isRenewed) => (isRenewed ? undefined : refusal));
  }

  private async commitOnce(
    head: RangeHead,
    { id, age, session, also = [] }: RangeTxn,
    writes: readonly Write[],
    deadline: Timestamp,
    role: PendingRole | undefined,
  ): Promise<RangeCommit> {
    const elsewhere = await this.whyNotAdmitted(writes, undefined);
    return elsewhere ?? this.commit(head, { id, age, session, also }, writes, deadline, role);
  }

  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<RangeCommit> {
    const tooLarge = whyTooLarge(writes);
    if (tooLarge !== undefined) return Promise.resolve(tooLarge);
    return this.decideOutside(writes, undefined, willBeRead);
  }

  clearSpan(span: Span): Promise<RangeCommit> {
    return this.decideOutside([], span, false);
  }

  /** A committed entry, in the order of the log, that the pump has been given already. */
  entryCommitted(command: Uint8Array): void {
    const timestamp = commandTimestamp(command);
    if (timestamp === undefined) return;
    this.met(timestamp);
    const commit = this.inFlight.find(timestamp);
    if (commit !== undefined) {
      this.becomeVisible(commit, command);
      return;
    }
    // Not ours: an earlier leader's, met again after a restart. P20: remember who committed.
    const deadline = commandTxn(command, this.id);
    if (deadline !== undefined && deadline !== MAX_TIMESTAMP) {
      // Nobody asks for room here, which would forget those whose deadline has passed.
      this.recent.hasRoom(this.parts.clock);
      this.recent.add(this.id, timestamp, deadline);
    }
  }

  /** A timestamp that others have given or served. */
  met(timestamp: Timestamp): void {
    if (timestamp > this.greatestLogged) this.greatestLogged = timestamp;
  }

  /** Leadership is over: whoever leads next decides what is in flight, and the log tells when it has. Nobody here waits
   * for it any more but who asked for it. */
  lose(): void {
    for (const commit of this.inFlight.all()) {
      commit.isLost = true;
      this.lost.add(commit);
      this.inFlight.remove(commit);
    }
  }

  /** Nobody will tell the outcome of what is in flight here. */
  abandon(message: string): void {
    for (const commit of this.inFlight.all()) {
      commit.answer({ kind: 'ambiguous', message });
      this.inFlight.remove(commit);
    }
    for (const commit of this.lost) commit.answer({ kind: 'ambiguous', message });
    this.lost.clear();
  }

  /** P20: the answer to an attempt that was sent before. One that has committed has no session any more. */
  private alreadySent(txn: string): Promise<RangeCommit> | undefined {
    const session = this.sessions.find(txn);
    if (session !== undefined) return session.commit;
    parseTxnId(txn, this.id);
    const timestamp = this.recent.find(this.id);
    if (timestamp === undefined) return undefined;
    const answer: CommitAnswer = { kind: 'committed', timestamp };
    return this.gate.hasPassed(timestamp)
      ? Promise.resolve(answer)
      : this.gate.waitUntilPassed(timestamp).then(() => answer);
  }

  /** Takes the exclusive locks that are missing from the `from`-th write on, waiting where it must, then decides. */
  private lock(commit: PendingCommit, from: number): void {
    const session = commit.session as Session;
    const { writes, hashes } = commit;
    if (from > 0 && !this.bounds.admitsWrites(writes)) {
      this.onceAdmitted(commit, () => this.lock(commit, from));
      return;
    }
    for (let i = from; i < writes.length; i++) {
      const { key } = writes[i] as Write;
      const hash = hashes[i] as number;
      if (this.locks.tryKey(session.owner, key, hash, true)) continue;
      const timeoutMicros = commit.deadline - this.parts.clock.latest();
      this.lockWaits.waitKey(session, key, hash, true, timeoutMicros, (refusal) => {
        if (refusal === undefined) this.lock(commit, i + 1);
        else this.refuse(commit, refusal);
      });
      return;
    }
    this.decide(commit);
  }

  private decideOutside(
    writes: readonly Write[],
    span: Span | undefined,
    willBeRead: boolean,
  ): Promise<RangeCommit> {
    const id = randomTxnId(this.parts.runtime.random);
    const hashes = hashesOf(writes);
    const commit = new PendingCommit(undefined, id, writes, hashes, span, MAX_TIMESTAMP);
    commit.willBeRead = willBeRead;
    this.decide(commit);
    return commit.answered;
  }

  /** From here to the proposal there is no await; after one, everything is asked again from the start. */
  private decide(commit: PendingCommit): void {
    const { session, writes, span } = commit;
    const refusal = this.whyNot(session);
    if (refusal !== undefined) {
      this.refuse(commit, refusal);
      return;
    }
    // What it has read may be another range's by now, which has to be asked.
    if (session !== undefined && commit.spanGeneration !== this.bounds.state.spanGeneration) {
      this.refuse(commit, this.bounds.wrong(this.bounds.span));
      return;
    }
    if (
      !this.bounds.admitsWrites(writes) ||
      (session !== undefined && !this.bounds.admitsOwner(session.owner)) ||
      (span !== undefined && !this.bounds.admitsSpan(span))
    ) {
      this.onceAdmitted(commit, () => this.decide(commit));
      return;
    }
    const { role } = commit;
    // P19: an inquiry may have been answered while it waited.
    const over = role?.kind === 'decide' ? role.whyOver() : undefined;
    if (over !== undefined) {
      this.refuse(commit, over);
      return;
    }
    if (role?.kind === 'decide' && !this.follows(role.atLeast)) {
      this.refuse(commit, { kind: 'notServing', message: 'others are too far ahead in time' });
      return;
    }
    const s = this.gate.assign(); // P11
    const reason = s === undefined ? 'its floor is too far ahead' : this.gate.refusal(s);
    if (s === undefined || reason !== undefined) {
      const refused = this.bounds.notLeader(this.gate, reason ?? '');
      const renewal = s === undefined ? undefined : this.gate.renewal();
      if (renewal === undefined) {
        this.refuse(commit, refused);
      } else {
        void renewal.then((isRenewed) => {
          if (isRenewed) this.decide(commit);
          else this.refuse(commit, refused);
        });
      }
      return;
    }
    if (this.pump.isFull) {
      void this.pump.room().then(() => this.decide(commit));
      return;
    }
    if (s > commit.deadline) {
      this.refuse(commit, {
        kind: 'sessionGone',
        message: 'the deadline of the commit has passed',
      });
      return;
    }
    if (role?.kind === 'decide' && s >= role.below) {
      // P16: it has waited here, and what it read elsewhere is to be confirmed anew. With all its locks it won't wait
      // again.
      this.stepBack(commit, {
        kind: 'notServing',
        message: 'what it read elsewhere is not protected for so long',
      });
      return;
    }
    if (!this.gate.isCovered(s)) {
      this.gate.cover(s).then(
        () => this.decide(commit),
        (error: unknown) => this.refuse(commit, { kind: 'notServing', message: String(error) }),
      );
      return;
    }
    this.propose(commit, s);
  }

  /** After the range did not admit it: goes on once a change of the range is through, or steps back. */
  private onceAdmitted(commit: PendingCommit, goOn: () => void): void {
    void this.whyNotAdmitted(commit.writes, commit.span).then((elsewhere) => {
      if (elsewhere === undefined) {
        goOn();
        return;
      }
      this.refuse(commit, elsewhere);
    });
  }

  private async whyNotAdmitted(
    writes: readonly Write[],
    span: Span | undefined,
  ): Promise<Elsewhere | void> {
    if (span !== undefined) return this.bounds.whyNot(span);
    return this.bounds.whyNotKeys(writes.map(({ key }) => key));
  }

  private whyNot(session: Session | undefined): Refusal | undefined {
    if (this.refuseWrites !== undefined) return { kind: 'diskFull', message: this.refuseWrites };
    if (session === undefined) return undefined;
    if (!this.recent.hasRoom(this.parts.clock)) {
      return { kind: 'notServing', message: 'too many transactions committed lately' };
    }
    return this.sessions.whyNotLive(session);
  }

  private propose(commit: PendingCommit, s: Timestamp): void {
    const { session, span } = commit;
    commit.timestamp = s;
    if (session !== undefined) {
      session.owner.state = commit.role?.kind === 'prepare' ? 'prepared' : 'committing';
    }
    const command = span === undefined ? this.encode(commit) : this.encoder.clearSpan(s, span);
    this.inFlight.add(commit);
    for (let i = 0; i < commit.hashes.length; i++) {
      this.parts.cache.proposed(commit.hashes[i] as number); // P14
    }
    this.load.wrote(commit.writes, command.length);
    commit.proposedAtMicros = this.parts.runtime.time.monotonicMicros();
    this.parts.proposer.submit(command, (outcome) => this.proposed(commit, outcome));
    if (session !== undefined && this.hasFault('ranges.release-before-visible')) {
      this.sessions.end(session);
    }
  }

  private encode(commit: PendingCommit): Uint8Array {
    const { role, txn, timestamp: s, deadline, writes } = commit;
    if (role?.kind === 'prepare') {
      const { owner } = commit.session as Session;
      const { anchor } = role;
      const hasRead = owner.spans !== undefined || owner.keys.length > writes.length;
      return encodePrepare({ txn, at: s, deadline, age: owner.age, hasRead, anchor, writes });
    }
    const isNew = (i: number): boolean => this.isSurelyNew(commit, i);
    // Nobody waits for the outcome but who is told it here: it is remembered as that of any other.
    if (role === undefined || role.participants.length === 0) {
      parseTxnId(txn, this.id);
      return this.encoder.writes(s, this.id, deadline, writes, isNew);
    }
    const { anchor, participants } = role;
    return encodeDecide({ txn, s, deadline, anchor, participants }, writes, isNew);
  }

  /** Whether a timestamp above it can be assigned. */
  private follows(atLeast: Timestamp): boolean {
    if (atLeast <= this.gate.floor) return true;
    if (!this.parts.clock.observe(atLeast)) return false;
    this.gate.raise(atLeast);
    return true;
  }

  /** Only under the key's lock: nobody else has a write of it in flight. */
  private isSurelyNew(commit: PendingCommit, i: number): boolean {
    if (commit.session === undefined) return false;
    const { key } = commit.writes[i] as Write;
    return this.parts.cache.written.isSurelyNew(key, commit.hashes[i] as number);
  }

  private proposed(commit: PendingCommit, outcome: ProposalOutcome): void {
    if (commit.isLost) this.lost.delete(commit);
    switch (outcome.kind) {
      case 'committed':
        // The log showed it as somebody's; entryCommitted() has answered all others.
        if (commit.isLost) {
          this.logged(commit);
          this.tellWhenPassed(commit);
        }
        return;
      case 'refused':
      case 'diskFull':
      case 'tooLarge': {
        const { kind, message } = outcome;
        this.inFlight.remove(commit);
        this.refuse(
          commit,
          kind === 'refused' ? this.bounds.notLeader(this.gate, message) : { kind, message },
        );
        return;
      }
      case 'unknown':
        // It may still commit: its locks and its mark stay until the log tells, or leadership ends.
        commit.answer({ kind: 'ambiguous', message: outcome.message });
        return;
    }
  }

  /** A prepare whose entry is committed: from now on it is the participant's business. Undefined: it is not this
   * leader's. */
  prepared(at: Timestamp, txn: TxnId): Session | undefined {
    const commit = this.inFlight.find(at);
    if (commit?.role?.kind !== 'prepare' || commit.txn !== txn) return undefined;
    this.inFlight.remove(commit);
    this.logged(commit);
    commit.answer({ kind: 'committed', timestamp: at });
    return commit.session;
  }

  /** A decision whose entry is committed. */
  decided(s: Timestamp, txn: TxnId): void {
    const commit = this.inFlight.find(s);
    if (commit?.role?.kind === 'decide' && commit.txn === txn) this.becomeVisible(commit);
  }

  /** P20. */
  remember(txn: TxnId, s: Timestamp, deadline: Timestamp): void {
    parseTxnId(txn, this.id);
    this.recent.hasRoom(this.parts.clock);
    this.recent.add(this.id, s, deadline);
  }

  /** When it committed here; undefined: it did not, or that is forgotten. */
  whenCommitted(txn: TxnId): Timestamp | undefined {
    parseTxnId(txn, this.id);
    return this.recent.find(this.id);
  }

  /** Every read from now on sees it: points through the cache or, as scans, through the shard, which is given the entry
   * before any request that is posted later (P13). */
  private becomeVisible(commit: PendingCommit, command?: Uint8Array): void {
    const { session, timestamp, writes, hashes, span } = commit;
    const { cache } = this.parts;
    for (let i = 0; i < writes.length; i++) {
      const { key, value } = writes[i] as Write;
      if (session === undefined) {
        cache.putBulk(key, hashes[i] as number, timestamp, value, commit.willBeRead);
      } else cache.put(key, hashes[i] as number, timestamp, value);
    }
    if (span !== undefined) cache.dropSpan(span); // P14
    if (session !== undefined) {
      if (command === undefined) parseTxnId(commit.txn, this.id);
      else commandTxn(command, this.id);
      this.recent.add(this.id, timestamp, commit.deadline);
    }
    this.committed++;
    this.inFlight.remove(commit);
    this.logged(commit);
    this.tellWhenPassed(commit);
  }

  private logged(commit: PendingCommit): void {
    commit.loggedAtMicros = this.parts.runtime.time.monotonicMicros();
    this.spending.replicated(commit.loggedAtMicros - commit.proposedAtMicros);
  }

  /** Commit-wait holds the locks and the answer; it has overlapped replication and is mostly over. */
  private tellWhenPassed(commit: PendingCommit): void {
    const { timestamp, proposedAtMicros, loggedAtMicros } = commit;
    const replication = loggedAtMicros - proposedAtMicros;
    if (this.gate.hasPassed(timestamp) || this.hasFault('ranges.skip-commit-wait')) {
      this.finish(commit, { kind: 'committed', timestamp, times: { replication, wait: 0 } });
    } else {
      this.gate.waitUntilPassed(timestamp).then(
        () => {
          const wait = this.parts.runtime.time.monotonicMicros() - loggedAtMicros;
          this.spending.commitWaited(wait);
          this.finish(commit, { kind: 'committed', timestamp, times: { replication, wait } });
        },
        // The node stops meanwhile: it did happen, but nobody may be told so before its time (P10).
        (error: unknown) => this.finish(commit, { kind: 'ambiguous', message: String(error) }),
      );
    }
  }

  private finish(commit: PendingCommit, answer: CommitAnswer): void {
    if (commit.session !== undefined) this.sessions.end(commit.session);
    commit.answer(answer);
  }

  /** It surely did not happen. The transaction is over, unless its keys are elsewhere by now. */
  private refuse(commit: PendingCommit, refusal: RangeRefusal): void {
    if (refusal.kind === 'wrongRange') {
      this.stepBack(commit, refusal);
      return;
    }
    if (commit.session !== undefined) this.sessions.end(commit.session);
    commit.answer(refusal);
  }

  /** It keeps its locks, and may come again, in another shape too, for nothing was proposed. */
  private stepBack({ session, answer }: PendingCommit, refusal: RangeRefusal): void {
    if (session !== undefined) session.commit = undefined;
    answer(refusal);
  }

  private hasFault(point: string): boolean {
    return this.parts.runtime.faults.sometimes(point);
  }
}

function whyTooLarge(writes: readonly Write[]): Refusal | undefined {
  let bytes = 0;
  for (let i = 0; i < writes.length; i++) {
    const { key, value } = writes[i] as Write;
    if (key.length > KEY_BYTES_MAX) {
      return tooLarge(`a key has ${key.length} bytes; at most ${KEY_BYTES_MAX} are allowed`);
    }
    if (value !== undefined && value.length > VALUE_BYTES_MAX) {
      return tooLarge(`a row has ${value.length} bytes; at most ${VALUE_BYTES_MAX} are allowed`);
    }
    bytes += key.length + WRITE_OVERHEAD_BYTES + (value === undefined ? 0 : value.length);
  }
  if (bytes <= TRANSACTION_BYTES_MAX) return undefined;
  return tooLarge(
    `the transaction writes ${bytes} bytes; at most ${TRANSACTION_BYTES_MAX} are allowed`,
  );
}

function tooLarge(message: string): Refusal {
  return { kind: 'tooLarge', message };
}

export function whyTooManyLocks(session: Session, more: number): Refusal | undefined {
  if (session.owner.lockCount + more <= LOCKS_PER_TRANSACTION_MAX) return undefined;
  return tooLarge(`a transaction can't hold more than ${LOCKS_PER_TRANSACTION_MAX} locks`);
}
