// Lock sessions are the fencing token (P15): whatever a transaction has locked here belongs to one session of this
// leader's term. A wound, a change of leadership, or its end kills the session, and every later request that quotes it is
// refused. A split hands what is locked in the right half over: there it is another session, which goes by both names.

import { EMPTY_BYTES } from '../../base/bytes.ts';
import type { RangeTxn } from '../endpoint.ts';
import { SESSIONS_MAX } from '../limits.ts';
import type { LockSession, Refusal, TxnRef } from '../requests.ts';
import type { HandedLocks, LockTable } from './lock-table.ts';
import { Session } from './session.ts';
import { SessionTable } from './session-table.ts';

const WOUNDED: Refusal = {
  kind: 'wounded',
  message: 'an older transaction needed a lock that this one held',
};

/** What a session has locked in the right half of a split. */
export interface HandedSession {
  /** In the left half. */
  readonly session: Session;
  readonly locks: HandedLocks;
}

export class Sessions {
  private readonly range: number;
  private readonly locks: LockTable;
  private byTxn = new SessionTable();
  private lastSession = 0;
  private generation = 0;
  private term = 0;

  constructor(range: number, locks: LockTable) {
    this.range = range;
    this.locks = locks;
  }

  get size(): number {
    return this.byTxn.size;
  }

  /** Sessions opened from now on are those of this leader. None is open. */
  lead(generation: number, term: number): void {
    this.generation = generation;
    this.term = term;
  }

  /** The transaction's session: the one it quotes, or a new one when it has none here yet. */
  admit(txn: TxnRef, token: LockSession | undefined): Session | Refusal {
    const session = this.byTxn.find(txn.id);
    if (session === undefined) {
      if (token !== undefined) {
        return { kind: 'sessionGone', message: `session ${token.session} is not known here` };
      }
      return this.open(txn);
    }
    // The token itself, when it came from this process; else its equal.
    if (token !== undefined && token !== session.token && !isOf(session, token)) {
      return { kind: 'sessionGone', message: `session ${token.session} has ended` };
    }
    return this.whyNotLive(session) ?? session;
  }

  /** As admit(), of a commit: all that it has locked here must be one session's (P15). */
  admitAll(txn: RangeTxn): Session | Refusal {
    const session = this.admit(txn, txn.session);
    const lost = txn.also?.find((token) => session instanceof Session && !isOf(session, token));
    if (lost === undefined) return session;
    return { kind: 'sessionGone', message: `session ${lost.session} is not known here` };
  }

  /** Of this range, before this leadership. */
  isOfEarlierLease({ range, term }: LockSession): boolean {
    return range === this.range && term < this.term;
  }

  whyNotLive(session: Session): Refusal | undefined {
    switch (session.owner.state) {
      case 'active':
      case 'confirmed':
        return undefined;
      case 'prepared':
        return { kind: 'sessionGone', message: 'the transaction is prepared already' };
      case 'wounded':
        return WOUNDED;
      case 'committing':
        return { kind: 'sessionGone', message: 'the transaction is already committing' };
      case 'ended':
        return { kind: 'sessionGone', message: 'the session has ended' };
    }
  }

  /** For a release, which may come without a token when the first answer never came. */
  find(txn: string): Session | undefined {
    return this.byTxn.find(txn);
  }

  end(session: Session): void {
    this.byTxn.remove(session);
    this.locks.release(session.owner);
  }

  /** Takes out what is locked at or after `from`. */
  handOver(from: Uint8Array): HandedSession[] {
    const handed: HandedSession[] = [];
    for (const locks of this.locks.takeFrom(from)) {
      const session = this.byTxn.find(locks.owner.id);
      // What was decided in one step needs its locks no more: what it wrote is shown only once its time has passed (P10).
      if (session?.owner === locks.owner && locks.owner.state !== 'committing') {
        handed.push({ session, locks });
      }
    }
    return handed;
  }

  /** After lead(): what the leader of the parent range handed over in the same turn in which the split was applied. */
  adopt(handed: readonly HandedSession[]): void {
    for (const { session: before, locks } of handed) {
      const { state } = before.owner;
      if (state === 'wounded' || state === 'ended') continue;
      const { id, age } = before.owner;
      const session = this.add({ id, age });
      session.formerly = [before.token, ...(before.formerly ?? [])];
      (before.heirs ??= []).push({ sessions: this, session });
      this.locks.adopt(session.owner, locks);
      // What it was promised still holds (P16).
      session.owner.state = state;
    }
  }

  /** Takes out all that is locked; the sessions are others' from then on, and don't end with this range. */
  letGo(): HandedSession[] {
    const handed = this.handOver(EMPTY_BYTES);
    for (const { session } of handed) this.byTxn.remove(session);
    return handed;
  }

  /** P27: what the leader of the range to the right, which is over, had handed over. The transaction may have a session
   * here as well: from now on it is one. */
  unite(handed: readonly HandedSession[]): void {
    for (const { session: before, locks } of handed) {
      const { id, age, state } = before.owner;
      if (state === 'wounded' || state === 'ended') continue;
      const own = this.byTxn.find(id);
      if (own !== undefined && !own.isLive) continue;
      const session = own ?? this.add({ id, age });
      session.formerly = [...(session.formerly ?? []), before.token, ...(before.formerly ?? [])];
      if (before.heirs !== undefined) {
        session.heirs = [...(session.heirs ?? []), ...before.heirs];
        // They don't end with the right range.
        before.heirs = undefined;
      }
      before.movedTo = { sessions: this, session };
      this.locks.adopt(session.owner, locks);
      if (session.owner.state === 'active') session.owner.state = state;
    }
  }

  /** The transaction is given up: also what was handed over ends, wherever that still is. */
  release(session: Session): void {
    this.end(session);
    this.releaseHeirs(session);
  }

  /** A copy. */
  all(): readonly Session[] {
    return this.byTxn.all();
  }

  /** Its locks were promised until a time that has passed: whoever is older and waits for them has them now. */
  relax(session: Session): void {
    if (session.owner.state === 'confirmed') {
      session.owner.state = 'active';
      this.locks.woundIfInTheWay(session.owner);
    }
    if (session.heirs === undefined) return;
    for (const heir of session.heirsNow()) heir.sessions.relax(heir.session);
  }

  endAll(): void {
    const ended = this.byTxn;
    this.byTxn = new SessionTable();
    for (const session of ended.all()) {
      this.locks.release(session.owner);
      // Its gateway may not know that the range was divided: nobody else could tell them.
      this.releaseHeirs(session);
    }
  }

  private releaseHeirs(session: Session): void {
    if (session.heirs === undefined) return;
    for (const heir of session.heirsNow()) {
      const { state } = heir.session.owner;
      if (state === 'active' || state === 'confirmed') heir.sessions.release(heir.session);
    }
  }

  private open(txn: TxnRef): Session | Refusal {
    if (this.byTxn.size >= SESSIONS_MAX) {
      return { kind: 'notServing', message: `${SESSIONS_MAX} transactions hold locks already` };
    }
    return this.add(txn);
  }

  private add(txn: TxnRef): Session {
    const session = new Session(txn, {
      range: this.range,
      generation: this.generation,
      term: this.term,
      session: ++this.lastSession,
    });
    this.byTxn.add(session);
    return session;
  }
}

/** Whether the token is the session's, here or where it comes from. */
function isOf(session: Session, token: LockSession): boolean {
  if (isSame(token, session.token)) return true;
  return session.formerly?.some((former) => isSame(token, former)) === true;
}

function isSame(a: LockSession, b: LockSession): boolean {
  return (
    a.session === b.session &&
    a.term === b.term &&
    a.generation === b.generation &&
    a.range === b.range
  );
}
