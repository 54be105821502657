// How writes become visible: locks, a timestamp, one log entry, commit-wait, answer. Everything from the last check to
// the proposal happens in one turn; the outcome is decided by proposing, not by applying (P13).

import { hashBytes } from '../base/bytes.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { ApplyPump } from './apply-pump.ts';
import { CommandEncoder, commandTimestamp, commandTxn } from './command.ts';
import type { RangeTxn } from './endpoint.ts';
import type { Gate } from './gate.ts';
import type { InFlightWrites } from './in-flight.ts';
import {
  KEY_BYTES_MAX,
  LOCKS_PER_TRANSACTION_MAX,
  REMEMBERED_TRANSACTIONS_MAX,
  TRANSACTION_BYTES_MAX,
  VALUE_BYTES_MAX,
  WRITE_OVERHEAD_BYTES,
} from './limits.ts';
import type { LockTable } from './lock-table.ts';
import type { LockWaits } from './lock-waits.ts';
import { PendingCommit } from './pending-commit.ts';
import { RecentTransactions } from './recent-transactions.ts';
import type { ProposalOutcome, ReplicaParts } from './replica-parts.ts';
import type { CommitAnswer, Refusal, Span, Write } from './requests.ts';
import { Session } from './session.ts';
import { type Sessions } from './sessions.ts';
import { parseTxnId, randomTxnId } from './txn-id.ts';

export class Commits {
  private readonly parts: ReplicaParts;
  private readonly gate: Gate;
  private readonly locks: LockTable;
  private readonly lockWaits: LockWaits;
  private readonly sessions: Sessions;
  private readonly inFlight: InFlightWrites<PendingCommit>;
  private readonly pump: ApplyPump;
  private readonly encoder = new CommandEncoder();
  readonly recent: RecentTransactions = new RecentTransactions(REMEMBERED_TRANSACTIONS_MAX);
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
    gate: Gate,
    locks: LockTable,
    lockWaits: LockWaits,
    sessions: Sessions,
    inFlight: InFlightWrites<PendingCommit>,
    pump: ApplyPump,
  ) {
    this.parts = parts;
    this.gate = gate;
    this.locks = locks;
    this.lockWaits = lockWaits;
    this.sessions = sessions;
    this.inFlight = inFlight;
    this.pump = pump;
  }

  commit(txn: RangeTxn, writes: readonly Write[], deadline: Timestamp): Promise<CommitAnswer> {
    const again = this.alreadySent(txn.id);
    if (again !== undefined) return again;
    const session = this.sessions.admit(txn, txn.session);
    if (!(session instanceof Session)) return Promise.resolve(session);
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
    session.commit = commit.answered;
    this.lock(commit, 0);
    return commit.answered;
  }

  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<CommitAnswer> {
    const tooLarge = whyTooLarge(writes);
    if (tooLarge !== undefined) return Promise.resolve(tooLarge);
    return this.decideOutside(writes, undefined, willBeRead);
  }

  clearSpan(span: Span): Promise<CommitAnswer> {
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
  private alreadySent(txn: string): Promise<CommitAnswer> | undefined {
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
  ): Promise<CommitAnswer> {
    const id = randomTxnId(this.parts.runtime.random);
    const hashes = hashesOf(writes);
    const commit = new PendingCommit(undefined, id, writes, hashes, span, MAX_TIMESTAMP);
    commit.willBeRead = willBeRead;
    this.decide(commit);
    return commit.answered;
  }

  /** From here to the proposal there is no await; after one, everything is asked again from the start. */
  private decide(commit: PendingCommit): void {
    const { session } = commit;
    const refusal = this.whyNot(session);
    if (refusal !== undefined) {
      this.refuse(commit, refusal);
      return;
    }
    const s = this.gate.assign(); // P11
    const reason = s === undefined ? 'its floor is too far ahead' : this.gate.refusal(s);
    if (s === undefined || reason !== undefined) {
      const refused = this.gate.notServing(reason ?? '');
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
    if (!this.gate.isCovered(s)) {
      this.gate.cover(s).then(
        () => this.decide(commit),
        (error: unknown) => this.refuse(commit, { kind: 'notServing', message: String(error) }),
      );
      return;
    }
    this.propose(commit, s);
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
    if (session !== undefined) session.owner.state = 'committing';
    parseTxnId(commit.txn, this.id);
    const command =
      span === undefined
        ? this.encoder.writes(s, this.id, commit.deadline, commit.writes, (i) =>
            this.isSurelyNew(commit, i),
          )
        : this.encoder.clearSpan(s, span);
    this.inFlight.add(commit);
    for (let i = 0; i < commit.hashes.length; i++) {
      this.parts.cache.proposed(commit.hashes[i] as number); // P14
    }
    this.parts.proposer.submit(command, (outcome) => this.proposed(commit, outcome));
    if (session !== undefined && this.hasFault('ranges.release-before-visible')) {
      this.sessions.end(session);
    }
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
        if (commit.isLost) this.tellWhenPassed(commit);
        return;
      case 'refused':
      case 'diskFull':
      case 'tooLarge': {
        const { kind, message } = outcome;
        this.inFlight.remove(commit);
        this.refuse(commit, kind === 'refused' ? this.gate.notServing(message) : { kind, message });
        return;
      }
      case 'unknown':
        // It may still commit: its locks and its mark stay until the log tells, or leadership ends.
        commit.answer({ kind: 'ambiguous', message: outcome.message });
        return;
    }
  }

  /** Every read from now on sees it: points through the cache or, as scans, through the shard, which is given the entry
   * before any request that is posted later (P13). */
  private becomeVisible(commit: PendingCommit, command: Uint8Array): void {
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
      commandTxn(command, this.id);
      this.recent.add(this.id, timestamp, commit.deadline);
    }
    this.committed++;
    this.inFlight.remove(commit);
    this.tellWhenPassed(commit);
  }

  /** Commit-wait holds the locks and the answer; it has overlapped replication and is mostly over. */
  private tellWhenPassed(commit: PendingCommit): void {
    const { timestamp } = commit;
    if (this.gate.hasPassed(timestamp) || this.hasFault('ranges.skip-commit-wait')) {
      this.finish(commit, { kind: 'committed', timestamp });
    } else {
      this.gate.waitUntilPassed(timestamp).then(
        () => this.finish(commit, { kind: 'committed', timestamp }),
        // The node stops meanwhile: it did happen, but nobody may be told so before its time (P10).
        (error: unknown) => this.finish(commit, { kind: 'ambiguous', message: String(error) }),
      );
    }
  }

  private finish(commit: PendingCommit, answer: CommitAnswer): void {
    if (commit.session !== undefined) this.sessions.end(commit.session);
    commit.answer(answer);
  }

  /** It surely did not happen: the transaction is over. */
  private refuse(commit: PendingCommit, refusal: Refusal): void {
    if (commit.session !== undefined) this.sessions.end(commit.session);
    commit.answer(refusal);
  }

  private hasFault(point: string): boolean {
    return this.parts.runtime.faults.sometimes(point);
  }
}

function hashesOf(writes: readonly Write[]): number[] {
  const hashes = new Array<number>(writes.length);
  for (let i = 0; i < writes.length; i++) hashes[i] = hashBytes((writes[i] as Write).key);
  return hashes;
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
